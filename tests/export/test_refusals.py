import importlib.util

import keras
import pytest

import tdrec
from small_student import SMALL, small_student
from tdrec.data import Vocabulary

UNBUILT = keras.Sequential([keras.layers.Dense(1)])


@pytest.mark.parametrize("kind", ["folder", "empty", "file", "link"])
def test_what_is_no_export_is_never_replaced(tmp_path, kind):
    target = tmp_path / "out"
    if kind in ("folder", "empty"):
        target.mkdir()
    if kind == "folder":
        (target / "vocabularies.json").write_text('{"thesis": 1}')
    if kind == "file":
        target.write_text("thesis")
    if kind == "link":
        tdrec.export_student(small_student(), tmp_path / "real", formats=["keras"], **SMALL)
        target.symlink_to(tmp_path / "real")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(FileExistsError, match="Only the folder of an earlier export is replaced"):
        tdrec.export_student(small_student(), target, formats=["keras"], overwrite=True, **SMALL)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def without(monkeypatch, *packages):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name in packages else found(name)
    )


def test_a_missing_package_costs_the_formats_that_need_it(tmp_path, monkeypatch):
    without(monkeypatch, "tf2onnx", "ai_edge_litert")
    with pytest.warns(UserWarning, match="Missing: tf2onnx. Install: pip install"):
        export = tdrec.export_student(
            small_student(), tmp_path / "out", formats=["onnx", "keras"], **SMALL
        )
    assert list(export.files) == ["keras"] and list(export.refused) == ["onnx"]
    with pytest.raises(ImportError, match="(?s)Missing: tf2onnx.*Missing: ai-edge-litert"):
        tdrec.export_student(
            small_student(), tmp_path / "none", formats=["onnx", "litert"], **SMALL
        )
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    "error, message, changes",
    [
        (ValueError, "`formats` must be .* Received: 'onnx'", {"formats": "onnx"}),
        (ValueError, "`formats` must be .* Received: \\['pmml'\\]", {"formats": ["pmml"]}),
        (ValueError, "`formats` must be .* Received: \\[\\]", {"formats": []}),
        (ValueError, "`formats` must be", {"formats": ["keras", "keras"]}),
        (TypeError, "`student` must be a keras.Model. Received: 3", {"student": 3}),
        (ValueError, "not built, and .* layers .*dense.* Call it on a batch", {"student": UNBUILT}),
        (TypeError, "`sample` must be a dict of arrays", {"sample": [5, 6]}),
        (ValueError, "at least one. Received: {'user': 0}", {"sample": {"user": []}}),
        (ValueError, "must have the student's inputs \\['user'\\]", {"sample": {"movie": [1]}}),
        (ValueError, "holds integers. Received: <U1", {"sample": {"user": ["a"]}}),
        (
            ValueError,
            "of an input of the student: \\['user'\\]. Received: a vocabulary of 'movie'",
            {"vocabularies": {"movie": Vocabulary((5, 6))}},
        ),
        (
            TypeError,
            "of type tdrec.data.Vocabulary. Received: \\[5\\]",
            {"vocabularies": {"user": [5]}},
        ),
        (
            ValueError,
            "at least one value. Received: none",
            {"vocabularies": {"user": Vocabulary(())}},
        ),
        (
            ValueError,
            "fit into 64 bits with a sign. Received: 5 to 9223372036854775808 for 'user'",
            {"vocabularies": {"user": Vocabulary((5, 2**63))}},
        ),
        (
            ValueError,
            "holds numbers. Received: 'user' of type <U1. Give its vocabulary",
            {"sample": {"user": ["a"]}, "vocabularies": None},
        ),
    ],
)
def test_bad_arguments_are_refused_before_work(tmp_path, error, message, changes):
    arguments = {"student": small_student(), **SMALL, **changes}
    with pytest.raises(error, match=message):
        tdrec.export_student(directory=tmp_path / "out", **arguments)
    assert not list(tmp_path.iterdir())
