import json

import pytest

from small_student import SMALL, small_student
from tdrec.export.manifest import LAYOUT, MANIFEST, is_export, manifest
from tdrec.export.served import ServedStudent


def test_what_a_client_must_know():
    served = ServedStudent.of(small_student(), SMALL["sample"], SMALL["vocabularies"])
    found = json.loads(json.dumps(manifest(served, {"student.onnx": "indices"}, {"litert": "no"})))
    assert found["format"] == LAYOUT and found["files"] == {"student.onnx": "indices"}
    assert found["refused"] == {"litert": "no"} and found["outputs"] == ["prediction"]
    assert found["vocabularies"] == {"user": [5, 6]}
    assert found["inputs"] == {
        "user": {
            "name_in_files": "user",
            "shape": [None],
            "dtype": "int32",
            "raw_dtype": "int64",
            "valid_indices": [0, 2],
            "unknown_index": 0,
        }
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (json.dumps({"format": LAYOUT}), True),
        (json.dumps({"format": "tdrec.export/0"}), False),
        ("[1]", False),
        ("{", False),
        (None, False),
    ],
)
def test_which_folder_is_an_export(tmp_path, text, expected):
    folder, link = tmp_path / "served", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    if text is not None:
        (folder / MANIFEST).write_text(text)
    assert is_export(folder) is expected
    assert not is_export(link) and not is_export(tmp_path / "none")
