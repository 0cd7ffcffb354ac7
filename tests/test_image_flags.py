import pytest
from absl.testing import flagsaver

from small_images import pictures, write
from tdrec import methods
from tdrec.data import DataError
from tdrec.image_config import PRESETS
from tdrec.image_flags import read_image_plan
from tdrec.run_flags import FLAGS, UsageError
from tdrec.study_plan import Arm, ImageStudy


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("images")
    for part in ("train", "test"):
        write(path / f"{part}.tfrecord", pictures(10), range(10))
    return str(path)


def read(*arguments, study=None):
    with flagsaver.flagsaver():
        FLAGS(["tdrec", *arguments])
        return read_image_plan(study)


def test_td_comes_with_all_that_it_is_compared_with(folder):
    plan = read("--task=cifar10", "--method=td", f"--data={folder}")
    assert [arm.name for arm in plan.arms] == [
        *("Scratch", "LD", "FD", "FitNet", "Hybrid", "TD k=2"),
    ]
    assert (plan.tasks, plan.sources) == (("cifar10",), {"cifar10": folder})
    assert plan.config == PRESETS["tiny"] and plan.teacher is None
    few = read("--task=cifar10", "--method=fd,ld", f"--data={folder}")
    assert [arm.method for arm in few.arms] == ["scratch", "ld", "fd"]


def test_flags_change_the_preset_and_the_methods(folder):
    plan = read(
        *("--task=cifar10:pets,cifar10:few", f"--data={folder}", "--preset=small", "--steps=40"),
        *("--learning_rate=0.5", "--batch_size=7", "--rounds=1", "--weight=3"),
        "--state_weight=0.25",
    )
    assert plan.tasks == ("cifar10:pets", "cifar10:few")
    config = plan.config
    assert (config.steps, config.learning_rate, config.batch_size) == (40, 0.5, 7)
    assert config.vit == PRESETS["small"].vit
    arms = {arm.method: arm.arguments for arm in plan.arms}
    assert arms["td"] == {"rounds": 1, "state_weight": 0.25}
    assert arms["hybrid"] == {"label_weight": 3, "feature_weight": 3}
    assert arms["scratch"] == {}


def test_without_data_they_are_tfds_s():
    assert read("--task=cifar100").sources == {"cifar100": "tfds:cifar100"}


def test_a_study_has_tasks_preset_and_arms_of_its_own(folder):
    arms = [Arm("scratch"), Arm("td", {"noise": 0.1})]
    study = ImageStudy("t", ["cifar10:few", "cifar10"], arms, "small")
    plan = read(f"--data={folder}", study=study)
    assert plan.tasks == ("cifar10:few", "cifar10") and plan.arms == tuple(arms)
    assert plan.config.preset == "small"
    other = read(f"--data={folder}", "--task=cifar10:pets", "--preset=tiny", study=study)
    assert other.tasks == ("cifar10:pets",) and other.config.preset == "tiny"
    with pytest.raises(UsageError, match="no --rounds: the study's file says what it compares"):
        read(f"--data={folder}", "--rounds=1", study=study)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--task=cifar11",), "--task must name cifar10, .*cifar10:pets. Received: 'cifar11'"),
        (("--task=cifar10", "--genre=War"), "no --genre beside --task"),
        (("--task=cifar10", "--method=auto"), "--task has no --method=auto"),
        (("--task=cifar10", "--method=tdd"), "--method must name"),
        (("--task=cifar10", "--steps=30"), "--steps must be a positive multiple of 20"),
        (("--task=cifar10", "--preset=b32"), "is for published weights. Received: no --teacher"),
        (("--task=cifar10", "--teacher=/nowhere.npz"), "--teacher must name a folder"),
        (("--task=cifar10,cifar100",), "--data is of one data set. Received: .* cifar10, cifar100"),
        (
            ("--task=cifar10", "--rounds=0", "--message_weight=0", "--state_weight=0"),
            "at least one of its losses",
        ),
    ],
)
def test_wrong_values_are_refused(arguments, message, folder):
    with pytest.raises(UsageError, match=message):
        read(*arguments, f"--data={folder}")


def test_missing_images_are_named(tmp_path):
    with pytest.raises(DataError, match=f"Received: no {tmp_path}/train.tfrecord"):
        read("--task=cifar10", f"--data={tmp_path}")
    with pytest.raises(DataError, match="must be one of tfds:cifar10, .*Received: 'tfds:mnist'"):
        read("--task=cifar10", "--data=tfds:mnist")


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_can_be_run(preset, folder):
    config = PRESETS[preset]
    assert config.steps % 20 == 0
    plan = read("--task=cifar10", f"--preset={preset}", f"--data={folder}", f"--teacher={folder}")
    for arm in plan.arms:
        methods.get(arm.method, **config.arguments(arm.method))
