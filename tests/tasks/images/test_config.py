"""Tests of the configuration of images: labels that make sense, and arguments of the methods."""

from dataclasses import replace

import pytest

from tdrec.distill import methods
from tdrec.studies.arm import OF_THE_PAPER
from tdrec.studies.task import check_config
from tdrec.tasks.images.config import (
    CIFAR10,
    DATA_SETS,
    LABELS,
    METHOD_DEFAULTS,
    PRESETS,
    reads_predictions,
)


@pytest.mark.parametrize("name", LABELS)
def test_a_tasks_classes_are_the_datas_and_have_no_image_in_common(name):
    task = LABELS[name]
    members = [member for group in task.classes.values() for member in group]
    assert len(set(members)) == len(members)
    assert set(members) <= set(CIFAR10)
    assert name.split(":")[0] == task.data
    assert task.data in DATA_SETS and task.data in LABELS


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_run(name):
    config = PRESETS[name]
    assert config.preset == name
    check_config(config)
    for method in (*OF_THE_PAPER, "grading"):
        methods.get(method, **config.arguments(method))
        assert config.space(method) == {}  # nothing is tuned
    assert config.cuts["student"][1] <= config.cuts["teacher"][1]


def test_arguments_are_those_of_images_then_of_the_method():
    config = replace(PRESETS["tiny"], methods={"td": {"rounds": 0, "noise": 0.1}})
    td = config.arguments("td")
    assert (td["rounds"], td["noise"], td["state_weight"]) == (0, 0.1, 0.01)
    assert td["message_dim"] == td["hidden_dim"] == 64
    assert (td["task"], td["temperature"]) == ("classes", 2.0)
    assert config.arguments("ld") == {"task": "classes", "temperature": 2.0, "weight": 3.0}
    assert config.arguments("fd") == {"message_dim": 64, "hidden_dim": 64}
    assert config.arguments("scratch") == {}
    assert set(METHOD_DEFAULTS) <= set(OF_THE_PAPER)


@pytest.mark.parametrize(
    ("method", "arguments", "reads"),
    [
        *(("ld", {}, True), ("hybrid", {}, True), ("teacher", {}, True)),
        *(("scratch", {}, False), ("fd", {}, False), ("fitnet", {"weight": 3.0}, False)),
        *(("td", {}, False), ("td", {"label_weight": 0.0}, False)),
        ("td", {"label_weight": 0.1}, True),
    ],
)
def test_who_reads_the_teachers_predictions(method, arguments, reads):
    assert reads_predictions(method, arguments) == reads
