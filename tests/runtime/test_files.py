"""Tests of files that are replaced in one step."""

import os
import subprocess
import sys

import pytest

from tdrec.runtime.files import remove_temporary, replace_file


@pytest.mark.parametrize(("content", "stored"), [("é\n", "é\n".encode()), (b"\0\xff", b"\0\xff")])
def test_text_and_bytes_are_written_as_they_are(tmp_path, content, stored):
    path = tmp_path / "made" / "on the way" / "file"
    assert replace_file(str(path), content) == path
    assert path.read_bytes() == stored
    assert replace_file(path, "new").read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, failing):
    path = replace_file(tmp_path / "file", "old")

    def fail(*arguments):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, fail)
        with pytest.raises(OSError, match="full"):
            replace_file(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_leaves_is_removed_and_nothing_else(tmp_path):
    kept = [replace_file(tmp_path / "students" / name, "old") for name in ("a.keras", ".hidden")]
    code = (
        "import os, sys; from tdrec.runtime.files import replace_file\n"
        "os.replace = lambda *_: os._exit(9)  # as a kill between the two steps\n"
        "replace_file(sys.argv[1], 'new')"
    )
    assert subprocess.run([sys.executable, "-c", code, str(kept[0])]).returncode == 9
    assert kept[0].read_text() == "old"
    assert len(list(kept[0].parent.iterdir())) == 3
    remove_temporary(tmp_path)
    assert sorted(kept[0].parent.iterdir()) == sorted(kept)
