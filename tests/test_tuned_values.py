import copy
import json

import pytest

from tdrec.tuned_values import read_tuned_values, tuned_values_text

ROWS = [
    {
        "study": "table3",
        "data": {"name": "ML", "sha256": "ab" * 32, "n_train": 3},
        "regime": regime,
        "setting": setting,
        "genre": "War",
        "label": label,
        "tuned": tuned,
    }
    for regime, setting, label, tuned in [
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
    assert tuned.data == "ab" * 32
    assert tuned.of("paper", "War", "LD") == {"learning_rate": 0.001, "steps": 40, "weight": 2.0}
    assert tuned.of("strong", "War", "LD")["steps"] == 60  # of no setting
    for nothing in (("paper", "War", "Teacher"), ("paper", "Drama", "LD"), ("weak", "War", "LD")):
        assert tuned.of(*nothing) == {}


def test_the_digest_tells_values_apart(path):
    before = read_tuned_values(path).digest
    assert read_tuned_values(path).digest == before
    rows = copy.deepcopy(ROWS)
    rows[1]["tuned"]["weight"] = 2.5
    path.write_text(tuned_values_text(rows))
    assert read_tuned_values(path).digest != before


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"tuned": {}}', '{"data": {"sha256": 3}, "tuned": {}}'],
)
def test_what_is_no_file_of_tuned_values_is_refused(path, text):
    path.write_text(text)
    with pytest.raises(ValueError, match="table3.json must hold a study's tuned values"):
        read_tuned_values(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update(paper=3), "map each setting to something. Received: 3 at paper"),
        (lambda t: t["paper"].update({"": []}), r"map each genre .* Received: \[\] at paper"),
        (lambda t: t["paper"][""]["War"].update(LD=0.1), "map each name .* at paper /  / War / LD"),
        (lambda t: t["paper"][""]["War"]["LD"].update(steps=30), "multiple of 20. Received: 30"),
        (lambda t: t["paper"][""]["War"]["LD"].update(steps=0), "multiple of 20. Received: 0"),
        (lambda t: t["paper"][""]["War"]["LD"].update(steps="40"), "Received: '40'"),
        (lambda t: t["paper"][""]["War"]["LD"].update(weight=-1), "weight must be positive"),
        (lambda t: t["paper"][""]["War"]["LD"].update(learning_rate=None), "must be positive"),
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
