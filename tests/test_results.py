"""Tests of result rows on disk."""

import ast
import json
import math
import sys
from pathlib import Path

import pytest

from result_rows import make_row
from tdrec import results


def test_rows_survive_writing_and_reading(tmp_path):
    path = tmp_path / "results.jsonl"
    rows = [make_row(label="TD k=1", note="Amélie"), make_row(seed=1, rmse=math.inf)]
    results.write_rows(path, rows)
    assert results.read_rows(path) == rows
    assert [file.name for file in tmp_path.iterdir()] == ["results.jsonl"]


def test_rows_are_added_one_by_one(tmp_path):
    path = tmp_path / "results.jsonl"
    assert results.read_if_there(path) == []
    rows = [make_row(seed=seed) for seed in range(3)]
    for row in rows:
        results.add_row(path, row)
    assert results.read_if_there(path) == rows


def test_keys_are_of_values_and_not_of_their_order():
    assert results.key_of("War", {"a": 1, "b": [2]}) == results.key_of("War", {"b": (2,), "a": 1})
    assert results.key_of("War", 1) != results.key_of("War", 2) != results.key_of("War", "2")


@pytest.mark.parametrize("cut", [1, 25, -2])
def test_a_last_line_cut_off_is_left_out_with_a_warning(tmp_path, cut):
    path = tmp_path / "results.jsonl"
    row = {"genre": "War", "rmse": 1.0, "note": "é"}
    line = json.dumps(row, ensure_ascii=False).encode()
    path.write_bytes(line + b"\n\n" + line[:cut])
    with pytest.warns(UserWarning, match=r"results\.jsonl, line 3: the last line is cut off"):
        assert results.read_rows(path) == [row]


def test_a_character_cut_in_two_is_a_line_cut_off(tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_bytes('{"note": "é'.encode()[:-1])
    with pytest.warns(UserWarning, match="cut off"):
        assert results.read_rows(path) == []


@pytest.mark.parametrize("text", ['{"a": 1}\n{"a": \n{"a": 2}\n', '{"a": 1}\n[1]\n', '{}\n{"a":\n'])
def test_a_line_that_is_no_row_is_named(tmp_path, text):
    path = tmp_path / "results.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"results\.jsonl, line 2: .*Received: "):
        results.read_rows(path)


def test_rows_that_cannot_be_written_leave_the_old_file(tmp_path):
    path = tmp_path / "results.jsonl"
    results.write_rows(path, [{"a": 1}])
    with pytest.raises(TypeError):
        results.write_rows(path, [{"a": 2}, {"a": object()}])
    assert results.read_rows(path) == [{"a": 1}]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("failing", ["json.dumps", "os.replace"])
def test_a_failure_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, failing):
    path = tmp_path / "results.jsonl"
    results.write_rows(path, [{"a": 1}])

    def fail(*args, **kwargs):
        raise OSError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(f"tdrec.results.{failing}", fail)
        with pytest.raises(OSError, match="broken"):
            results.write_rows(path, [{"a": 2}])
    assert results.read_rows(path) == [{"a": 1}]
    assert len(list(tmp_path.iterdir())) == 1


def test_the_module_needs_only_the_standard_library():
    tree = ast.parse(Path(results.__file__).read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.split(".")[0])
    assert names <= sys.stdlib_module_names
