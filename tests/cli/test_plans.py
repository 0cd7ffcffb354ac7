"""What options come to on data."""

from dataclasses import asdict

import pytest

from tdrec.cli import plans
from tdrec.cli.options import UsageError, read_options
from tdrec.cli.plans import Request, find_genres
from tdrec.data import DataError, load, split_by_time
from tdrec.studies.plan import FOLDER
from tdrec.studies.tuned_values import read_tuned_values


@pytest.fixture
def request_of(data):
    def make(*arguments, door="run"):
        return Request(read_options(door, [door, f"--data={data}", *arguments]))

    return make


def units_of(plan):
    return {(unit.task.name, unit.arm.name): unit for unit in plan.units}


def test_a_run_has_references_scratch_and_what_was_asked_for(request_of):
    plan = request_of("--genre=War,Horror", "--method=td,ld", "--seeds=2", "--tuned=none").plan()
    labels = ["Bias", "Teacher", "Scratch", "LD", "TD k=2"]
    assert [(u.task.name, u.arm.name) for u in plan.units if u.task.name == "War"] == [
        ("War", label) for label in labels
    ]
    assert len(list(plan.runs())) == 2 * (2 + 3 * 2)
    assert plan.keep and plan.name == "run" and plan.metric.name == "rmse"


def test_flags_decide_the_configuration(request_of):
    flags = ("--regime=paper", "--steps=40", "--batch_size=64", "--embeddings=full", "--weight=3")
    plan = request_of("--genre=War", "--method=ld", *flags).plan()
    unit = units_of(plan)["War", "LD weight=3"]
    assert (unit.preset, unit.variant) == ("paper", True)
    config = asdict(unit.config)
    assert (config["steps"], config["batch_size"], config["id_dropout"]) == (40, 64, {})
    assert config["student"]["id_dim"] == config["teacher"]["model"]["id_dim"]
    assert unit.config.arguments("ld") == {"weight": 3.0}


@pytest.mark.parametrize(
    ("flags", "label", "expected"),
    [
        ([], "LD", {"learning_rate", "steps", "user_dropout", "weight"}),
        (["--learning_rate=0.1"], "LD", {"steps", "user_dropout", "weight"}),
        (["--weight=2", "--steps=20"], "LD weight=2", {"learning_rate", "user_dropout"}),
        (["--weight=2"], "Scratch", {"learning_rate", "steps", "user_dropout"}),
        ([], "TD k=2", {"learning_rate", "steps", "user_dropout"}),
        (["--rounds=2"], "TD k=2", {"learning_rate", "steps", "user_dropout"}),
        (["--rounds=1"], "TD k=1", set()),  # tuned for two rounds
        ([], "FD", set()),
        ([], "Teacher", set()),
    ],
)
def test_a_flag_comes_before_a_tuned_value(request_of, tuned_file, flags, label, expected):
    path = tuned_file()
    plan = request_of("--genre=War,Drama", "--method=all", f"--tuned={path}", *flags).plan()
    unit = units_of(plan)["War", label]
    assert set(unit.values) == expected
    assert units_of(plan)["Drama", label].values == {}
    chosen = read_tuned_values(path).tuned["strong"][""]["War"]
    for name in expected & {"learning_rate", "steps"}:
        assert getattr(unit.config, name) == chosen["Scratch"][name]


def test_the_file_beside_the_package_is_used_for_its_own_data(request_of, tuned_file, monkeypatch):
    monkeypatch.setattr(plans, "DEFAULT", tuned_file())
    assert request_of("--genre=War").tuned is not None
    others = ("--regime=paper", "--tuned=none", "--batch_size=128", "--embeddings=full")
    assert all(request_of("--genre=War", flag).tuned is None for flag in others)
    tuned_file(sha256="ab" * 32)
    assert request_of("--genre=War").tuned is None


@pytest.mark.parametrize("flag", ["--batch_size=128", "--embeddings=full"])
def test_tuned_values_of_other_sizes_are_refused(request_of, tuned_file, flag):
    with pytest.raises(UsageError, match="default batches and embeddings. Received: --"):
        request_of("--genre=War", f"--tuned={tuned_file()}", flag)


def test_tuned_values_of_other_data_are_refused(request_of, tuned_file):
    with pytest.raises(UsageError, match="the same data"):
        request_of("--genre=War", f"--tuned={tuned_file(sha256='ab' * 32)}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--genre=Golf"], "--genre must name"),
        (["--genre=IMAX"], "--genre must name .*Received: 'IMAX'"),
        (["--genre=top8"], "more than 500 evaluation rows"),
        (["--message_weight=0", "--state_weight=0", "--rounds=0"], "td must keep at least one"),
        (["--data=/no/such/folder"], "no path on this machine"),
    ],
)
def test_what_the_data_do_not_have_is_refused(request_of, arguments, message):
    with pytest.raises((UsageError, DataError), match=message):
        request_of(*arguments)


def test_a_method_of_ones_own(request_of):
    plan = request_of("--genre=War", "--method=own_method:RoundedLabels").plan()
    assert ("War", "RoundedLabels") in units_of(plan)


def test_auto_compares_on_training_rows_alone(request_of, ratings):
    request = request_of("--genre=War", "--method=auto", "--seeds=2")
    plan = request.validation_plan()
    assert {unit.arm.method for unit in plan.units} >= {"scratch", "ld", "td"}
    assert all(unit.arm.is_student for unit in plan.units) and plan.seeds == 1
    (task,) = {unit.task for unit in plan.units}
    train = split_by_time(ratings).train
    assert task.data().sha256 == train.fingerprint
    holdout = task.holdout()
    assert len(holdout.train) + len(holdout.test) == len(train)
    chosen = request.plan({"War": "ld"}, ["why"])
    assert [u.arm.method for u in chosen.units] == ["bias", "teacher", "scratch", "ld"]
    assert chosen.notes[-1] == "why"


@pytest.mark.parametrize("name", sorted(p.stem for p in FOLDER.glob("*.py")))
def test_every_study_is_a_plan(request_of, name, image_folder, tmp_path):
    arguments = [name, "--genre=War,Horror", "--seeds=1", "--trials=0"]
    if name in ("small_images", "table4", "table6", "table9"):
        weights = tmp_path / "weights.npz"
        weights.write_bytes(b"weights")
        arguments = [name, "--task=cifar10", f"--data={image_folder}", f"--teacher={weights}"]
    plan = request_of(*arguments, door="study").plan()
    assert plan.name == name and not plan.keep
    assert len({run.key for run in plan.runs()}) == len(list(plan.runs()))


def test_a_study_takes_some_of_its_arms(request_of):
    plan = request_of("table3", "--genre=War", "--method=ld", "--trials=0", door="study").plan()
    assert {unit.arm.method for unit in plan.units} == {"bias", "teacher", "scratch", "ld"}
    assert {unit.preset for unit in plan.units} == {"strong", "paper"}
    with pytest.raises(ValueError, match="must name methods of the study"):
        request_of("table5", "--genre=War", "--method=ld", "--trials=0", door="study")


def test_the_densest_genres_of_simulated_data():
    ratings = load("simulated")
    dense = find_genres("all", ratings)
    parts = split_by_time(ratings)
    test, train = parts.test.genre_counts(), parts.train.genre_counts()
    assert set(dense) == {genre for genre in test if test[genre] > 500}
    assert find_genres("top8", ratings) == tuple(sorted(dense, key=lambda g: -train[g])[:8])
