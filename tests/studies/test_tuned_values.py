"""Tests of files of tuned values: what is written is read, and what makes no sense is refused."""

import json
from dataclasses import replace

import pytest

from study_rows import make_row
from tdrec.studies.tuned_values import DEFAULT, read_tuned_values, tuned_values_text
from tdrec.tasks.ratings.config import PRESETS

ROWS = [
    make_row("War", label, preset=preset, setting=setting, tuned=tuned)
    for preset, setting, label, tuned in [
        ("paper", "", "Teacher", {}),
        ("paper", "", "LD", {"learning_rate": 0.001, "steps": 40, "weight": 2.0}),
        ("strong", "", "LD", {"learning_rate": 0.002, "steps": 60, "user_dropout": 0.0}),
        ("strong", "10% of the rows", "LD", {"steps": 80}),
    ]
]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "table3.json"
    path.write_text(tuned_values_text(ROWS))
    return path


def test_what_a_study_writes_is_read(path):
    tuned = read_tuned_values(path)
    assert tuned.path == path
    assert tuned.data == ROWS[0].data.sha256
    assert json.loads(path.read_text())["study"] == "table3"
    assert tuned.of_preset("paper") == {
        ("paper", "War", "LD"): {"learning_rate": 0.001, "steps": 40, "weight": 2.0},
    }
    steps = tuned.of_preset("strong")["strong", "War", "LD"]["steps"]  # of no setting
    assert steps == 60 and isinstance(steps, int)  # a row's key is of what was written
    assert tuned.of_preset("weak") == {}


def test_what_is_decided_otherwise_is_left_out(path):
    (values,) = read_tuned_values(path).of_preset("paper", {"steps", "batch_size"}).values()
    assert values == {"learning_rate": 0.001, "weight": 2.0}


def test_rows_without_tuned_values_give_a_file_without(path):
    path.write_text(tuned_values_text(ROWS[:1]))
    assert read_tuned_values(path).tuned == {}


def test_the_file_beside_the_package_holds_what_presets_can_have():
    tuned = read_tuned_values(DEFAULT)
    assert set(tuned.tuned) <= set(PRESETS)
    for preset in tuned.tuned:
        config = PRESETS[preset]
        for (_, _, label), values in tuned.of_preset(preset).items():
            method = label.split()[0].lower()
            assert set(values) == {"steps", *config.space(method)}, (preset, label)
            found = config.tuned(method, values)
            assert (found.steps, found.learning_rate) == (values["steps"], values["learning_rate"])
            weights = {name for name in values if name.endswith("weight")}
            assert all(found.arguments(method)[name] == values[name] for name in weights)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", "{}", '{"tuned": {}}', '{"data": {"sha256": 3}, "tuned": {}}'],
)
def test_what_is_no_file_of_tuned_values_is_refused(path, text):
    path.write_text(text)
    with pytest.raises(ValueError, match="table3.json must hold a study's tuned values"):
        read_tuned_values(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.json"):
        read_tuned_values(tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update(paper=3), r"Received: 3 at paper\."),
        (lambda t: t["paper"].update({"": []}), r"Received: \[\] at paper / "),
        (lambda t: t["paper"][""]["War"].update(LD=0.1), "0.1 at paper /  / War / LD"),
        (lambda t: t["paper"][""]["War"]["LD"].update(steps=30), "multiple of 20. Received: 30"),
        (lambda t: t["paper"][""]["War"]["LD"].update(steps=0), "multiple of 20. Received: 0"),
        (lambda t: t["paper"][""]["War"]["LD"].update(steps="40"), "Received: '40'"),
        (lambda t: t["paper"][""]["War"]["LD"].update(weight=-1), "weight must be positive"),
        (lambda t: t["paper"][""]["War"]["LD"].update(learning_rate=None), "Received: None at"),
        (lambda t: t["paper"][""]["War"]["LD"].update(learning_rate=True), "Received: True"),
        (lambda t: t["paper"][""]["War"]["LD"].update(weight=float("nan")), "Received: nan"),
        (lambda t: t["paper"][""]["War"]["LD"].update(user_dropout=1.0), r"lie in \[0, 1\)"),
        (lambda t: t["paper"][""]["War"]["LD"].update(dropout=-0.1), r"lie in \[0, 1\)"),
        (lambda t: t["paper"][""]["War"]["LD"].update(speed=1.0), "speed is no hyperparameter"),
    ],
)
def test_values_that_make_no_sense_are_refused(path, change, message):
    text = json.loads(path.read_text())
    change(text["tuned"])
    path.write_text(json.dumps(text))
    with pytest.raises(ValueError, match=message):
        read_tuned_values(path)


def test_values_by_setting_are_kept_apart(path):
    rows = [replace(row, setting="a") for row in ROWS]
    path.write_text(tuned_values_text(rows))
    assert read_tuned_values(path).of_preset("paper") == {}
