from dataclasses import replace

import pytest

from tdrec.image_config import CIFAR10, PRESETS, TASKS


@pytest.mark.parametrize("name", TASKS)
def test_a_tasks_classes_are_the_datas_and_have_no_image_in_common(name):
    task = TASKS[name]
    members = [member for group in task.classes.values() for member in group]
    assert len(set(members)) == len(members)
    assert set(members) <= set(CIFAR10)
    assert name.split(":")[0] == task.data


def test_arguments_are_those_of_images_then_of_the_method():
    config = replace(PRESETS["tiny"], methods={"td": {"rounds": 0, "noise": 0.1}})
    td = config.arguments("td")
    assert (td["rounds"], td["noise"], td["state_weight"]) == (0, 0.1, 0.01)
    assert td["message_dim"] == td["hidden_dim"] == 64
    assert config.arguments("ld") == {"task": "classes", "temperature": 2.0, "weight": 3.0}
    assert config.arguments("scratch") == {}
