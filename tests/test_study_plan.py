import json

import pytest

from tdrec.config import METHODS, REGIMES
from tdrec.image_config import PRESETS, TASKS
from tdrec.paper_tables import PAPER_IMAGE_TABLES
from tdrec.study_plan import FOLDER, Arm, ImageStudy, Study, find, units

STUDIES = sorted(file.stem for file in FOLDER.glob("*.py"))


@pytest.mark.parametrize("name", STUDIES)
def test_every_file_of_experiments_is_a_study_that_says_how_to_run_it(name):
    found, study = find(name)
    assert found == name
    assert f"python -m tdrec.study {name} " in (FOLDER / f"{name}.py").read_text()
    if isinstance(study, ImageStudy):
        assert study.preset in PRESETS and set(study.tasks) <= set(TASKS)
    else:
        assert list(units(study, ["paper"], ["War"]))


@pytest.mark.parametrize("number", [4, 6, 9])
def test_arms_of_image_tables_are_named_as_the_papers_lines(number):
    _, study = find(f"table{number}")
    (paper,) = (table for table in PAPER_IMAGE_TABLES if table.number == number)
    names = {name for arm in study.arms for name in (arm.name, arm.method)}
    assert set(paper.ours.values()) <= names


def test_units_are_all_that_a_study_compares():
    study = Study(
        "t",
        [Arm("scratch"), Arm("td", {"rounds": 0})],
        {"a": {}, "10% of the rows": {"rows": 0.1}},
    )
    found = list(units(study, ["paper", "strong"], ["Drama", "War"]))
    assert len(found) == 2 * 2 * 2 * (2 + 2)
    places = {(u.regime, u.setting, u.genre, u.label) for u in found}
    assert len(places) == len(found)
    assert ("strong", "10% of the rows", "War", "TD k=0") in places
    for unit in found:
        assert unit.config.rows == (0.1 if unit.setting else 1.0) or unit.setting == "a"
        assert unit.config.regime == unit.regime
        assert bool(unit.config.id_dropout) == (unit.regime == "strong")
        if unit.method == "td":
            assert unit.config.arguments("td")["rounds"] == 0
    assert len({unit.key() for unit in found}) == len(found)
    assert found[0].key("data") != found[0].key("other data")


def test_an_arm_may_change_the_configuration_for_itself_alone():
    study = Study("t", [Arm("scratch"), Arm("td", label="ramp", changes={"ramp_up": (1000, 500)})])
    found = {unit.label: unit.config.ramp_up for unit in units(study, ["paper"], ["War"])}
    assert found == {"Bias": None, "Teacher": None, "Scratch": None, "ramp": (1000, 500)}


@pytest.mark.parametrize(
    ("changes", "label", "message"),
    [
        ({"stepz": 3}, "t", r"changes must be of .*steps.* Received: stepz"),
        ({"methods": {}}, "t", "Received: methods"),
        ({"steps": 20}, "", r"must have a label.* Received: td with {'steps': 20}"),
    ],
)
def test_changes_that_are_refused(changes, label, message):
    with pytest.raises(ValueError, match=message):
        Arm("td", {}, label, changes)


def test_an_arm_of_images_changes_no_configuration_of_genres():
    arms = [Arm("scratch"), Arm("td", label="ramp", changes={"ramp_up": (20, 20)})]
    with pytest.raises(
        ValueError, match="arguments of its method alone. Received: changes of ramp"
    ):
        ImageStudy("t", ["cifar10"], arms)
    with pytest.raises(ValueError, match="scratch is one of them"):
        ImageStudy("t", ["cifar10"], arms[1:])


def test_names_of_arms():
    assert [Arm(method).name for method in METHODS] == [
        *("Scratch", "LD", "FD", "FitNet", "Hybrid", "TD k=2")
    ]
    assert Arm("td", {"rounds": 0}).name == "TD k=0"
    assert Arm("td", {"state_weight": 0.0}, "TD without L_SC").name == "TD without L_SC"


@pytest.mark.parametrize(
    "arms", [[Arm("ld")], [Arm("scratch"), Arm("ld"), Arm("ld")]], ids=["no scratch", "two alike"]
)
def test_arms_must_be_comparable(arms):
    with pytest.raises(ValueError, match="different names, and scratch is one of them"):
        Study("t", arms)


def test_a_wrong_method_is_refused():
    with pytest.raises(ValueError, match=r"one of scratch, ld.* Received: 'sgd'"):
        Arm("sgd")


def test_an_unknown_study_names_the_known_ones():
    with pytest.raises(
        ValueError, match=r"low_data, readings, shift, small_images, table3.* Received: 'table33'"
    ):
        find("table33")


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from tdrec.study_plan import Arm, Study\nSTUDY = Study('Mine', [Arm('scratch')])\n"
    )
    assert find(str(path)) == ("mine", Study("Mine", [Arm("scratch")]))
    path.write_text("STUDY = 3\n")
    with pytest.raises(ValueError, match=r"mine.py must define STUDY.* Received: STUDY = 3"):
        find(str(path))


def test_a_units_configuration_is_plain_data():
    (unit, *_) = units(Study("t", [Arm("scratch")]), ["strong"], ["War"])
    assert unit.config == REGIMES["strong"]
    assert json.dumps(unit.key())
