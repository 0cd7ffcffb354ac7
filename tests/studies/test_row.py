"""Tests of rows: one line of JSON each, which says what is wrong with it."""

import json
import math
from dataclasses import FrozenInstanceError, asdict, fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study_rows import make_row, make_rows
from tdrec.studies.row import VERSION, Data, Row, Units

ROW = make_rows(labels=("Scratch",), tasks=1, seeds=1)[0]
DIVERGED = make_row(value=None, reason="a loss was not finite")


def as_json(row=ROW, **changes):
    """A row's line with changed fields; those that are `...` are left out."""
    found = {**json.loads(row.to_json()), **changes}
    return json.dumps({name: value for name, value in found.items() if value is not ...})


def plain(row):
    """A row's fields, with lists for tuples."""
    return json.loads(json.dumps(asdict(row)))


@pytest.mark.parametrize("row", [ROW, DIVERGED, make_row(label="Teacher"), make_row(seed=3)])
def test_a_row_is_one_line_that_gives_it_back(row):
    text = row.to_json()
    assert "\n" not in text and json.loads(text)["version"] == VERSION
    again = Row.from_json(text)
    assert again.to_json() == text
    assert plain(again) == plain(row)


def test_the_value_stands_under_the_metrics_name():
    assert json.loads(ROW.to_json())["rmse"] == ROW.value
    assert "value" not in json.loads(ROW.to_json())
    accuracy = make_row(value=0.5, metric="accuracy")
    assert json.loads(accuracy.to_json())["accuracy"] == 0.5
    assert json.loads(DIVERGED.to_json())["rmse"] is None


NOTHING = {
    "variant": False,
    "reason": "",
    "curve": (),
    **{name: {} for name in ("arguments", "config", "tuned", "versions", "details")},
    **{name: None for name in ("validation", "teacher", "units", "model", "model_bytes")},
    **{name: None for name in ("params", "multiply_adds", "method_params", "train_multiply_adds")},
    **{name: None for name in ("latency_ms", "train_seconds", "git")},
}


def test_what_is_left_out_says_nothing():
    data = Data(name="small", sha256="ab", n_train=100, n_test=10)
    assert (data.simulated, data.warnings, data.facts) == (False, (), {})
    given_ = {name: value for name, value in vars(ROW).items() if name not in NOTHING}
    row = Row(**given_ | {"data": data})
    assert {name: getattr(row, name) for name in NOTHING} == NOTHING
    assert plain(Row.from_json(row.to_json())) == plain(row)


def test_letters_are_written_as_they_are():
    assert "Amélie 🎬" in replace(ROW, label="Amélie 🎬").to_json()


@pytest.mark.parametrize(
    ("made", "name"), [(ROW, "value"), (ROW.data, "simulated"), (ROW.units, "rows")]
)
def test_what_was_measured_is_not_changed(made, name):
    with pytest.raises(FrozenInstanceError):
        setattr(made, name, getattr(made, name))


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | NUMBERS | st.text()
NESTED = VALUES | st.lists(VALUES, max_size=3) | st.dictionaries(st.text(), VALUES, max_size=3)
OWN = {each.name for each in fields(Row)} | {"version", "rmse"}
MAPPINGS = st.dictionaries(st.text(), NESTED, max_size=3)
DETAILS = st.dictionaries(st.text().filter(lambda name: name not in OWN), NESTED, max_size=3)


@settings(max_examples=50, deadline=None)
@given(
    value=NUMBERS,
    label=st.text(),
    setting=st.text(),
    seed=st.none() | st.integers(0, 2**31),
    config=MAPPINGS,
    details=DETAILS,
    sums=st.lists(NUMBERS, min_size=2, max_size=4),
    curve=st.lists(st.dictionaries(st.text(), NUMBERS, max_size=2), max_size=3),
)
def test_every_row_survives_json(value, seed, sums, **changes):
    units = Units(list(range(len(sums))), [1] * len(sums), sums)
    row = replace(ROW, value=value, seed=seed, units=units, **changes)
    text = row.to_json()
    assert "\n" not in text
    assert plain(Row.from_json(text)) == plain(row)


def test_what_a_later_version_adds_is_kept():
    added = {"new_field": {"a": [1]}, "rmse_cold": 0.5, "details": "of later"}
    row = Row.from_json(as_json(version=VERSION + 1, **added))
    assert row.details == {**ROW.details, **added}
    again = json.loads(row.to_json())
    assert again["version"] == VERSION and again.items() >= added.items()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": ...}, r"must be of version 2 or later\. Received: version 1, of an earlier"),
        (
            {"version": 1},
            r"Received: version 1, of an earlier tdrec\. Name another folder by --out",
        ),
        ({"version": "2"}, "Received: version '2'"),
        ({"label": ...}, "a row's label: "),
        ({"data": ...}, "a row's data: "),
        ({"rmse": ...}, "a row's rmse: "),
        ({"rmse": "1.0"}, r"a row's rmse: .* Received: '1\.0'"),
        ({"rmse": True}, r"a row's rmse: .*Received: 'True'"),
        ({"label": 3}, r"a row's label: .* Received: '3'"),
        ({"seed": 1.5}, r"a row's seed: .* Received: '1\.5'"),
        ({"n_train": "8459"}, "a row's n_train: "),
        ({"variant": "yes"}, "a row's variant: .* Received: 'yes'"),
        ({"label": 3, "key": 4}, "a row's label: .* Received: '3'"),
        ({"params": "9" * 200}, f"a row's params: .* Received: '{'9' * 60}'$"),
        ({"status": "fine"}, "a row's status: .* Received: 'fine'"),
        ({"data": {"name": "a"}}, r"a row's data\.\w+: "),
        ({"data": {**json.loads(ROW.to_json())["data"], "colour": 1}}, r"a row's data\.colour: "),
        ({"units": {"ids": [1], "rows": [1.5], "sums": [1.0]}}, r"a row's units\.rows\.0: "),
        ({"curve": [{"step": 1}, 3]}, r"a row's curve\.1: "),
        ({"rmse": math.nan}, r"numbers must be finite\. Received: rmse = nan"),
        ({"curve": [{"step": 1, "loss": math.inf}]}, r"Received: curve\[0\]\.loss = inf"),
        ({"rmse": None}, "a row's fields: .* Received: 'ok' with rmse = None"),
        ({"status": "diverged"}, "Received: 'diverged' with rmse = "),
    ],
)
def test_what_is_wrong_with_a_row_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        Row.from_json(as_json(**changes))


@pytest.mark.parametrize("text", ["", "[1]", "3", "null", '{"a": ', "x" * 200])
def test_what_is_no_object_is_no_row(text):
    with pytest.raises(ValueError, match="must be one JSON object. Received: ") as error:
        Row.from_json(text)
    assert str(error.value).endswith(f"Received: {text[:80]!r}")


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"curve": [{"step": 20, "loss": math.nan}]}, r"curve\[0\]\.loss = nan"),
        ({"curve": ({"step": 20, "loss": math.nan},)}, r"curve\[0\]\.loss = nan"),
        ({"value": math.inf}, "rmse = inf"),
        ({"details": {"cka": {"cat": -math.inf}}}, r"cka\.cat = -inf"),
        ({"details": {"XLA": {"seconds": math.inf}}}, r"XLA\.seconds = inf"),
    ],
)
def test_a_number_that_is_not_finite_is_not_written(changes, place):
    row = replace(ROW, **changes)
    with pytest.raises(
        ValueError, match=rf"finite\. Received: {place} of Scratch on Drama, seed 0"
    ):
        row.to_json()


def test_details_must_have_names_of_their_own():
    for name in ("label", "rmse"):
        with pytest.raises(ValueError, match=f"names of their own. Received: {name}"):
            replace(ROW, details={name: 1}).to_json()


def test_a_row_is_checked_when_it_is_made():
    with pytest.raises(ValueError, match="n_train"):
        replace(ROW, n_train=np.int64(3))
    with pytest.raises(ValueError, match="value must be ok, and one without diverged"):
        replace(ROW, value=None)
    with pytest.raises(ValueError, match="value must be ok, and one without diverged"):
        replace(ROW, status="diverged")


def test_students_and_references():
    assert ROW.is_student and not make_row(label="Teacher").is_student
    assert not make_row(label="Bias").is_student
