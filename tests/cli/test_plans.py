"""What options come to on data."""

import shutil
from dataclasses import asdict, replace

import pytest

from tdrec.cli import plans
from tdrec.cli.options import UsageError, read_options
from tdrec.cli.plans import Request
from tdrec.data import DataError, Split, TableSource, split_by_time
from tdrec.studies.plan import FOLDER
from tdrec.studies.tuned_values import read_tuned_values
from tdrec.tasks import segment
from tdrec.tasks.image import ImageTask, checkpoint_hash
from tdrec.tasks.images.config import PRESETS as IMAGE_PRESETS
from tdrec.tasks.segment import SegmentTask


@pytest.fixture
def request_of(data):
    def make(*arguments, door="run"):
        return Request(read_options(door, [door, f"--data={data}", *arguments]))

    return make


def units_of(plan):
    return {(unit.task.name, unit.arm.name): unit for unit in plan.units}


def test_a_run_has_references_scratch_and_what_was_asked_for(request_of):
    plan = request_of("--genre=War,Sci-Fi", "--method=td,ld", "--seeds=2", "--tuned=none").plan()
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
        (["--genre=Golf", "--data=/no/such/folder"], "--genre must name .*Received: 'Golf'"),
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
    *earlier, task = dict.fromkeys(unit.task for unit in plan.units)
    assert [each.until for each in earlier] == [0.6, 0.8]
    assert request.periods() == {"War": ["War until 60%", "War until 80%", "War"]}
    train = split_by_time(ratings).train
    assert task.data().sha256 == train.fingerprint
    holdout = task.holdout()
    assert len(holdout.train) + len(holdout.test) == len(train)
    chosen = request.plan({"War": "ld"}, ["why"])
    assert [u.arm.method for u in chosen.units] == ["bias", "teacher", "scratch", "ld"]
    assert chosen.notes[-1] == "why"


def test_validation_evaluates_on_training_rows_and_takes_no_tuned_values(
    request_of, ratings, tuned_file, monkeypatch
):
    monkeypatch.setattr(plans, "DEFAULT", tuned_file())
    assert request_of("--genre=War", "--method=ld").tuned is not None
    request = request_of("--genre=War", "--method=ld", "--validation")
    assert request.tuned is None
    assert request.tasks[0].data().sha256 == split_by_time(ratings).train.fingerprint
    assert "to choose values by" in request.plan().notes[-1]


@pytest.mark.parametrize("name", sorted(p.stem for p in FOLDER.glob("*.py")))
def test_every_study_is_a_plan(request_of, name, image_folder, tmp_path):
    arguments = [name, "--genre=War,Sci-Fi", "--seeds=1", "--trials=0"]
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


@pytest.mark.parametrize(
    ("arguments", "door", "message"),
    [
        (["table3", "--regimes=papper"], "study", "--regimes must name paper, strong. .*papper"),
        (["table3", "--preset=tiny"], "study", "--regimes must name paper, strong. .*tiny"),
        (["table3", "--validation"], "study", "Received: --trials beside it"),
        (["--genre=War", "--validation", "--method=auto"], "run", "Received: --method=auto beside"),
        (["--validation", "--tuned=mine.json"], "run", "Received: --tuned beside it"),
        (["table3", "--teacher=."], "study", "Segments have no --teacher"),
        (["table3", "--method=auto"], "study", "a study compares: it has no --method=auto"),
        (["small_images", "--genre=War"], "study", "Images have no --genre"),
        (["small_images", "--split=random"], "study", "Images have no --split"),
        (["small_images", "--student_features=a"], "study", "Images have no --student_features"),
        (["small_images", "--regimes=paper"], "study", "--preset must name tiny, .*paper"),
        (["--genre=War", "--tuned=/no/such.json"], "run", r"/no/such\.json"),
    ],
)
def test_flags_that_do_not_belong_together(request_of, arguments, door, message):
    with pytest.raises((UsageError, OSError), match=message):
        request_of(*arguments, door=door)


def test_auto_needs_validation_rows(request_of, data, tmp_path, monkeypatch):
    monkeypatch.setattr(segment, "VALIDATION_FRACTION", 0.001)
    copy = shutil.copytree(data, tmp_path / "of which nothing was read yet")
    for asked in ("--method=auto", "--validation"):
        with pytest.raises(UsageError, match="--method=auto and --validation need 20 validation"):
            request_of("--genre=War", f"--data={copy}", asked)
    assert request_of("--genre=War", "--method=ld").tasks


def test_a_run_without_flags_distils_drama(request_of):
    request = request_of()
    assert [task.name for task in request.tasks] == ["Drama"]
    assert [arm.method for arm in request.study.arms] == ["scratch", "td"]
    assert list(request.presets) == ["strong"] and not request.chooses


def test_without_optuna_the_install_line_is_named(request_of, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for arguments in (["--genre=War", "--trials=2"], ["table3", "--genre=War"]):
        door = "study" if arguments[0] == "table3" else "run"
        with pytest.raises(UsageError, match=r"pip install 'tdrec\[study\]'.* --trials=0"):
            request_of(*arguments, door=door)
    assert request_of("--genre=War").options.trials == 0


def test_generated_data_come_with_a_warning_and_their_name():
    request = Request(read_options("run", ["run", "--data=simulated"]))
    assert "SIMULATED DATA" in request.warnings[0]
    assert request.tasks[0].source == "simulated"


def test_the_environment_names_the_data_of_workers_too(data, monkeypatch):
    monkeypatch.setenv("TDREC_DATA", data)
    request = Request(read_options("run", ["run", "--genre=War"]))
    assert request.tasks[0].source == data
    monkeypatch.setenv("TDREC_DATA", "/no/such")
    with pytest.raises(DataError, match="TDREC_DATA must name data that exist"):
        Request(read_options("run", ["run", "--genre=War"]))


COLUMNS = "--columns=user=userId,item=movieId,target=rating,time=timestamp"


def test_a_table_of_ones_own_is_a_plan_of_its_segments(request_of, data):
    table = (f"--data={data}/ratings.csv", COLUMNS, f"--items={data}/movies.csv")
    own = ("--segment_column=genres", "--segment_separator=|", "--features=title:text")
    request = request_of(*table, *own, "--segment=War", "--student_features=genres")
    (task,) = request.tasks
    assert type(task) is SegmentTask and task.kind == "segment" and task.name == "War"
    roles = {"user": "userId", "item": "movieId", "target": "rating", "time": "timestamp"}
    source = TableSource(f"{data}/ratings.csv", **roles, segment="genres")
    parts = {"items": f"{data}/movies.csv", "segment_separator": "|"}
    assert task.source == replace(source, **parts, features=(("title", "text"),))
    unit = units_of(request.plan())["War", "TD k=2"]
    assert unit.config.student.features == ("genres",)
    assert unit.config.teacher.model.features is None
    assert unit.config.steps == 20 and request.study.title.startswith("Students by segment")
    assert "War" in request.plan().data["War"].facts["Segments"]


def test_rows_are_held_out_as_asked_for(request_of, ratings):
    request = request_of("--genre=War", "--split=random:0.8:3")
    (task,) = request.tasks
    assert task.rule == Split("random", 0.8, seed=3)
    assert len(task.holdout().test) == round(0.2 * len(ratings))
    plain = request_of("--genre=War").plan()
    assert {run.key for run in plain.runs()}.isdisjoint(run.key for run in request.plan().runs())


def test_values_are_not_taken_from_rows_that_were_held_out_otherwise(request_of, tuned_file):
    path = tuned_file()
    assert request_of("--genre=War", f"--tuned={path}", "--split=time:0.9").tuned is not None
    with pytest.raises(UsageError, match="the same data, held out in the same way"):
        request_of("--genre=War", f"--tuned={path}", "--split=random")


def test_columns_that_models_read_must_be_there(request_of):
    with pytest.raises(UsageError, match="--student_features must be of title, genres. .*: price"):
        request_of("--genre=War", "--student_features=title,price")


@pytest.fixture
def images_of(image_folder):
    def make(*arguments, door="run"):
        return Request(read_options(door, [door, f"--data={image_folder}", *arguments]))

    return make


def test_td_comes_with_all_that_it_is_compared_with(images_of, image_folder):
    request = images_of("--task=cifar10", "--method=td")
    assert [arm.name for arm in request.study.arms] == [
        *("Scratch", "LD", "FD", "FitNet", "Hybrid", "TD k=2"),
    ]
    assert request.tasks == [ImageTask("cifar10", image_folder)]
    assert request.presets == {"tiny": IMAGE_PRESETS["tiny"]}
    few = images_of("--task=cifar10", "--method=fd,ld")
    assert [arm.method for arm in few.study.arms] == ["scratch", "ld", "fd"]


def test_flags_change_the_preset_of_images_and_the_methods(images_of):
    flags = ("--preset=small", "--steps=40", "--learning_rate=0.5", "--batch_size=7")
    own = ("--rounds=1", "--weight=3", "--state_weight=0.25")
    request = images_of("--task=cifar10:pets,cifar10:few", "--method=all", *flags, *own)
    assert [task.name for task in request.tasks] == ["cifar10:pets", "cifar10:few"]
    (config,) = request.presets.values()
    assert (config.steps, config.learning_rate, config.batch_size) == (40, 0.5, 7)
    assert config.teacher == IMAGE_PRESETS["small"].teacher
    arms = {arm.method: arm.arguments for arm in request.study.arms}
    assert arms["td"] == {"rounds": 1, "state_weight": 0.25}
    assert arms["hybrid"] == {"label_weight": 3, "feature_weight": 3}
    assert arms["scratch"] == {}
    plan = request.plan()
    assert units_of(plan)["cifar10:few", "LD weight=3"].config.arguments("ld")["weight"] == 3
    assert "Left out on cifar10:pets: LD weight=3, Hybrid " in plan.notes[0] and plan.keep


def test_published_weights_are_part_of_the_configuration(images_of, tmp_path):
    weights = tmp_path / "weights.npz"
    weights.write_bytes(b"weights")
    (config,) = images_of("--task=cifar10", f"--teacher={weights}").presets.values()
    assert config.checkpoint == checkpoint_hash(weights)
    b32 = images_of("--task=cifar10", "--preset=b32", f"--teacher={weights}")
    assert b32.tasks[0].checkpoint == str(weights)


def test_validation_is_of_training_images_and_said_to_be(images_of):
    request = images_of("--task=cifar10", "--method=fd", "--validation")
    plan = request.plan()
    assert plan.data["cifar10"] == request.tasks[0].data()
    assert request.tasks[0].validation and "to choose values by" in plan.notes[-1]


def test_a_study_has_tasks_presets_and_arms_of_its_own(images_of, tmp_path):
    file = tmp_path / "images_of_mine.py"
    file.write_text(
        "from tdrec.studies.plan import Arm, Study\n"
        'arms = [Arm("scratch"), Arm("td", {"noise": 0.1})]\n'
        'STUDY = Study("t", arms, tasks=["cifar10:few", "cifar10"], presets=["small"])\n'
    )
    request = images_of(str(file), door="study")
    assert [task.name for task in request.tasks] == ["cifar10:few", "cifar10"]
    assert list(request.presets) == ["small"] and request.options.trials == 0
    assert [arm.name for arm in request.study.arms] == ["Scratch", "TD k=2 noise=0.1"]
    other = images_of(str(file), "--task=cifar10:pets", "--preset=tiny", door="study")
    assert [task.name for task in other.tasks] == ["cifar10:pets"]
    assert list(other.presets) == ["tiny"]


def test_a_study_may_define_tasks_of_its_own(tmp_path):
    file = tmp_path / "toys_of_mine.py"
    file.write_text(
        "from toy_task import ToyTask\nfrom tdrec.studies.plan import ALL_ARMS, Study\n"
        'STUDY = Study("Toys", ALL_ARMS[:2], tasks=[ToyTask("one"), ToyTask("other")])\n'
    )
    request = Request(read_options("study", ["study", str(file), "--steps=20", "--trials=2"]))
    assert [task.name for task in request.tasks] == ["one", "other"]
    (config,) = request.presets.values()
    assert (config.preset, config.steps) == ("toy", 20)
    assert request.options.trials == 2
    with pytest.raises(UsageError, match="These tasks have no --genre"):
        Request(read_options("study", ["study", str(file), "--genre=War"]))
    with pytest.raises(UsageError, match="--preset must name toy. Received: tiny"):
        Request(read_options("study", ["study", str(file), "--preset=tiny"]))


def test_images_without_data_are_tfds_s():
    request = Request(read_options("run", ["run", "--task=cifar100", "--method=fd"]))
    assert request.tasks == [ImageTask("cifar100", "tfds:cifar100")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task=cifar10", "--method=auto"], "--task has no --method=auto"),
        (["--task=cifar10", "--preset=b32"], "is for published weights. Received: no --teacher"),
        (["--task=cifar10,cifar100"], "--data is of one data set. Received: .* cifar10, cifar100"),
        (["--task=cifar10", "--data=tfds:mnist"], "must be one of tfds:cifar10, .*'tfds:mnist'"),
        (["--task=cifar10", "--data=/nowhere"], r"Received: no /nowhere/train\.tfrecord"),
        (
            ["--task=cifar10", "--rounds=0", "--message_weight=0", "--state_weight=0"],
            "at least one of its losses",
        ),
    ],
)
def test_what_images_do_not_have_is_refused(images_of, arguments, message):
    with pytest.raises((UsageError, DataError), match=message):
        images_of(*arguments)


def test_cuts_are_tasks_of_their_own(request_of):
    plan = request_of("--genre=War", "--method=ld", "--cuts=0.8,1").plan()
    assert list(dict.fromkeys(unit.task.name for unit in plan.units)) == ["War until 80%", "War"]
    assert all(unit.task.validation for unit in plan.units)
    with pytest.raises(DataError, match="split by time.* Leave out --cuts"):
        request_of("--genre=War", "--method=ld", "--cuts=0.8", "--split=random")
