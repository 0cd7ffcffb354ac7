import pytest
from absl.testing import flagsaver

from tdrec import run_flags
from tdrec.data import load, split_by_time
from tdrec.run_flags import (
    AUTO,
    FLAGS,
    GROUPS,
    Plan,
    UsageError,
    read_config,
    read_genres,
    read_methods,
    read_tuned,
)
from tdrec.tuned_values import read_tuned_values


@pytest.fixture(autouse=True)
def parsed_flags():
    FLAGS.mark_as_parsed()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("td", ("scratch", "td")),
        ("td,ld", ("scratch", "ld", "td")),
        ("all", ("scratch", "ld", "fd", "fitnet", "hybrid", "td")),
        ("auto", ("scratch", AUTO)),
        ("auto,td", ("scratch", "td", AUTO)),
    ],
)
def test_methods_stand_in_their_order_with_scratch(text, expected):
    assert read_methods(text) == expected


@pytest.mark.parametrize(
    ("flags", "method", "expected"),
    [
        ({}, "ld", {"learning_rate", "steps", "user_dropout", "weight"}),
        ({"learning_rate": 0.1}, "ld", {"steps", "user_dropout", "weight"}),
        ({"weight": 2.0, "steps": 20}, "ld", {"learning_rate", "user_dropout"}),
        ({"weight": 2.0}, "scratch", {"learning_rate", "steps", "user_dropout"}),
        ({}, "td", {"learning_rate", "steps", "user_dropout"}),
        ({"rounds": 2}, "td", {"learning_rate", "steps", "user_dropout"}),
        ({"rounds": 1}, "td", set()),  # tuned for two rounds
        ({}, "fd", set()),
        ({}, "teacher", set()),
    ],
)
def test_a_flag_comes_before_a_tuned_value(tuned_file, flags, method, expected):
    tuned = read_tuned_values(tuned_file())
    with flagsaver.flagsaver(**flags):
        plan = Plan(read_config(), tuned)
        assert set(plan.values("War", method)) == expected
        assert plan.values("Drama", method) == {}


def test_the_file_beside_the_package_is_used_for_its_own_data(tuned_file, ratings, monkeypatch):
    with flagsaver.flagsaver(tuned=None):
        monkeypatch.setattr(run_flags, "DEFAULT", tuned_file())
        assert read_tuned(ratings).of("strong", "War", "LD")["weight"] == 9.0
        with flagsaver.flagsaver(regime="paper"):
            assert read_tuned(ratings) is None
        with flagsaver.flagsaver(tuned="none"):
            assert read_tuned(ratings) is None
        for changed in ({"batch_size": 128}, {"embeddings": "full"}):  # tuned without
            with flagsaver.flagsaver(**changed):
                assert read_tuned(ratings) is None
        tuned_file(sha256="ab" * 32)
        assert read_tuned(ratings) is None
        monkeypatch.setattr(run_flags, "DEFAULT", run_flags.DEFAULT.with_name("missing.json"))
        assert read_tuned(ratings) is None


@pytest.mark.parametrize("changed", [{"batch_size": 128}, {"embeddings": "full"}])
def test_tuned_values_of_other_sizes_are_refused(tuned_file, ratings, changed):
    (name,) = changed
    with (
        flagsaver.flagsaver(tuned=str(tuned_file()), **changed),
        pytest.raises(UsageError, match=f"default batches and embeddings. Received: --{name}"),
    ):
        read_tuned(ratings)


def test_every_flag_is_in_a_group():
    own = {flag.name for flag in FLAGS.flags_by_module_dict()[run_flags.__name__]}
    assert own == {name for names in GROUPS.values() for name in names}


def test_top8_and_all_on_simulated_data():
    ratings = load("simulated")
    dense = read_genres("all", ratings)
    test, train = (
        getattr(split_by_time(ratings), part).genre_counts() for part in ("test", "train")
    )
    assert set(dense) == {genre for genre in test if test[genre] > 500}
    top = read_genres("top8", ratings)
    assert top == tuple(sorted(dense, key=lambda g: -train[g])[:8])
