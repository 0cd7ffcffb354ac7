"""Tests of the configuration of ratings: what is tuned, and what no run can have."""

from dataclasses import replace

import pytest

from tdrec.distill import methods
from tdrec.studies.arm import METHODS
from tdrec.studies.config import Range
from tdrec.tasks.ratings.config import BY_ROWS, METHOD_DEFAULTS, PRESETS, UNIT_DROPOUT, WEIGHTS

STRONG, PAPER = PRESETS["strong"], PRESETS["paper"]


def test_defaults_and_weights_are_arguments_of_the_methods():
    for name in METHODS:
        method = methods.get(name, **METHOD_DEFAULTS.get(name, {}))
        assert all(hasattr(method, weight) for weight in WEIGHTS.get(name, ()))
    assert set(WEIGHTS) == set(METHODS) - {"scratch"}


def test_presets_have_their_names_and_the_paper_has_no_id_dropout():
    assert {name: config.preset for name, config in PRESETS.items()} == {n: n for n in PRESETS}
    assert STRONG.id_dropout["user"] > 0 and STRONG.teacher.id_dropout["user"] > 0
    assert not PAPER.id_dropout and not PAPER.teacher.id_dropout
    assert PAPER.teacher.bias_weight == 0 < STRONG.teacher.bias_weight
    assert PAPER.student == STRONG.student


def test_arguments_are_the_tasks_defaults_then_what_is_given():
    config = replace(STRONG, methods={"td": {"rounds": 0, "noise": 0.1}})
    td = config.arguments("td")
    assert (td["rounds"], td["noise"], td["state_weight"]) == (0, 0.1, 1.0)
    assert config.arguments("ld") == {"weight": 10.0}
    assert config.arguments("scratch") == config.arguments("my:Own") == {}


@pytest.mark.parametrize(
    ("method", "weights"),
    [
        *(("scratch", set()), ("ld", {"weight"}), ("fd", {"weight"}), ("fitnet", {"weight"})),
        ("hybrid", {"label_weight", "feature_weight"}),
        ("td", {"interaction_weight", "message_weight", "state_weight"}),
        ("my:Own", set()),
    ],
)
def test_weights_that_are_not_given_are_searched(method, weights):
    for config, other in ((STRONG, "user_dropout"), (PAPER, "dropout")):
        space = config.space(method)
        assert set(space) == {"learning_rate", other} | weights
        given = replace(config, methods={method: dict.fromkeys(weights, 2.0)})
        assert set(given.space(method)) == {"learning_rate", other}


def test_label_distillation_in_td_is_searched_only_where_it_has_a_weight():
    both = replace(STRONG, methods={"td": {"noise": 0.1}})
    assert "label_weight" not in both.space("td")
    assert "interaction_weight" in both.space("td")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("preset", PRESETS)
def test_a_search_can_begin_with_the_configurations_own_values(preset, method):
    config = PRESETS[preset]
    values, space = config.values(method), config.space(method)
    assert set(values) == set(space)
    for name, value in values.items():
        of = space[name]
        assert of.low <= value <= of.high if isinstance(of, Range) else value in of
    assert config.tuned(method, values) == replace(
        config, methods={method: {k: v for k, v in values.items() if k.endswith("weight")}}
    )


def test_units_are_dropped_where_no_users_ids_are():
    assert PAPER.space("scratch")["dropout"] == list(UNIT_DROPOUT)
    odd = replace(PAPER, student=replace(PAPER.student, dropout=0.1))
    assert odd.space("scratch")["dropout"] == [0.0, 0.1, 0.3]
    assert odd.values("scratch")["dropout"] == 0.1
    found = PAPER.tuned("scratch", {"dropout": 0.3, "steps": 40})
    assert found == replace(
        PAPER, student=replace(PAPER.student, dropout=0.3), steps=40, methods={"scratch": {}}
    )


def test_tuned_values_change_their_own_method_alone():
    start = replace(STRONG, methods={"td": {"rounds": 1}, "ld": {"weight": 2.0}})
    values = {"learning_rate": 0.01, "user_dropout": 0.6, "state_weight": 3.0, "steps": 40.0}
    found = start.tuned("td", values)
    assert found.methods == {"td": {"rounds": 1, "state_weight": 3.0}, "ld": {"weight": 2.0}}
    assert (found.learning_rate, found.steps) == (0.01, 40) and isinstance(found.steps, int)
    assert found.id_dropout == {**start.id_dropout, "user": 0.6}
    assert found.teacher == start.teacher and start.id_dropout == STRONG.id_dropout
    # A part is enough.
    assert start.tuned("td", {"steps": 40}) == replace(start, steps=40)


@pytest.mark.parametrize(
    ("rows", "all_rows", "steps", "batch", "epochs"),
    [
        (40_000, 90_000, 240, 256, 8),  # of MovieLens 100K, as it always was
        (61_440, 200_000, 240, 256, 16),
        (61_441, 200_001, 260, 512, 16),  # more than 240 * 256 rows
        (400_000, 1_000_000, 1580, 2048, 24),
        (7_680, 7_680, 240, 256, 8),
        (5_000, 5_000, 160, 256, 8),  # 8 epochs, rounded up
    ],
)
def test_steps_batches_and_epochs_follow_from_the_rows(rows, all_rows, steps, batch, epochs):
    found = STRONG.fitted(rows, all_rows)
    of_teacher = found.teacher
    assert (found.steps, of_teacher.batch_size, of_teacher.epochs) == (steps, batch, epochs)
    assert replace(found, steps=BY_ROWS, teacher=STRONG.teacher) == STRONG
    assert found.fitted(10 * rows, 10 * all_rows) == found  # once
    assert STRONG.fitted(rows, all_rows, least_steps=240).steps == max(steps, 240)
    own = {"batch_size": 64, "epochs": 2}
    given = replace(STRONG, steps=40, teacher=replace(STRONG.teacher, **own))
    assert given.fitted(rows, all_rows, least_steps=240) == given


def test_an_epoch_is_of_the_rows_that_a_student_is_trained_on():
    assert replace(STRONG, rows=0.1).fitted(1_000_000, 0).steps == 400
    assert replace(STRONG, batch_size=1024).fitted(1_000_000, 0).steps == 980


@pytest.mark.parametrize("ramp_up", [(30, 20), (20, -20), (20,), (20, 20, 20), ()])
def test_a_ramp_up_is_of_whole_executions(ramp_up):
    with pytest.raises(ValueError, match=r"two multiples of 20.* Received: \("):
        replace(STRONG, ramp_up=ramp_up)


@pytest.mark.parametrize(
    "changes", [{"members": 0}, {"bias_weight": -1.0}, {"bias_weight": float("nan")}]
)
def test_a_teacher_of_nothing_is_refused(changes):
    (name,) = changes
    with pytest.raises(ValueError, match=f"`{name}` must be at least .* Received: {changes[name]}"):
        replace(STRONG.teacher, **changes)


@pytest.mark.parametrize("unrated", [-0.5, float("nan")])
def test_fewer_than_no_pairs_are_refused(unrated):
    with pytest.raises(ValueError, match=f"`unrated` must be at least 0. Received: {unrated}"):
        replace(STRONG, unrated=unrated)
