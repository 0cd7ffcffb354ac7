"""Tests of files and folders that are replaced in one step."""

import signal
import subprocess
import sys
import threading

import pytest

from tdrec.runtime.files import remove_temporary, replace_file, replacing


def write(path, text, folder):
    """What a library makes at a path: a file, or a folder with one in it."""
    if folder:
        path.mkdir()
        path /= "inside"
    path.write_text(text)


def written(path):
    return (path / "inside" if path.is_dir() else path).read_text()


@pytest.mark.parametrize(("content", "stored"), [("é\n", "é\n".encode()), (b"\0\xff", b"\0\xff")])
def test_text_and_bytes_are_written_as_they_are(tmp_path, content, stored):
    path = tmp_path / "made" / "on the way" / "file"
    assert replace_file(str(path), content) == path
    assert path.read_bytes() == stored
    assert replace_file(path, "new").read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("folder", [False, True])
def test_a_library_writes_to_a_path_of_the_same_name(tmp_path, folder):
    path = tmp_path / "model.keras"
    for text in ("old", "new"):
        with replacing(str(path)) as temporary:
            assert temporary.name == path.name and not temporary.exists()
            write(temporary, text, folder)
        assert written(path) == text
        assert list(tmp_path.iterdir()) == [path]


def test_what_is_written_may_be_read_by_whom_the_folder_lets(tmp_path):
    plain = tmp_path / "plain"
    plain.touch()
    replace_file(tmp_path / "file", "text")
    assert (tmp_path / "file").stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("folder", [False, True])
def test_an_error_leaves_the_old_one_and_nothing_else(tmp_path, folder):
    path = tmp_path / "model"
    write(path, "old", folder)
    with pytest.raises(RuntimeError, match="stop"), replacing(path) as temporary:
        write(temporary, "half", folder)
        raise RuntimeError("stop")
    assert written(path) == "old" and list(tmp_path.iterdir()) == [path]


def test_a_file_does_not_take_the_place_of_a_folder(tmp_path):
    write(tmp_path / "model", "old", folder=True)
    with pytest.raises(IsADirectoryError):
        replace_file(tmp_path / "model", "new")
    assert written(tmp_path / "model") == "old" and len(list(tmp_path.iterdir())) == 1


HALF = """
import os, pathlib, signal, sys
from tdrec.runtime.files import replacing

with replacing(sys.argv[1]) as temporary:
    if sys.argv[2] == "True":
        temporary.mkdir()
        temporary /= "inside"
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("folder", [False, True])
def test_a_kill_leaves_the_old_one_and_what_is_left_is_removed(tmp_path, folder):
    path, hidden = tmp_path / "students" / "a.keras", tmp_path / "students" / ".hidden"
    replace_file(hidden, "kept")
    write(path, "old", folder)
    done = subprocess.run([sys.executable, "-c", HALF, str(path), str(folder)])
    assert done.returncode == -signal.SIGKILL
    assert written(path) == "old"
    assert len(list(path.parent.iterdir())) == 3
    remove_temporary(tmp_path)
    assert sorted(path.parent.iterdir()) == [hidden, path]
    assert written(path) == "old" and hidden.read_text() == "kept"


MANY = """
import sys
from tdrec.runtime.files import replace_file

for _ in range(100):
    replace_file(sys.argv[1], sys.argv[2] * 100_000)
"""


def test_processes_and_threads_that_write_the_same_file_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "file"
    replace_file(path, "0" * 100_000)
    commands = [[sys.executable, "-c", MANY, str(path), letter] for letter in "ab"]
    processes = [subprocess.Popen(command) for command in commands]
    threads = [
        threading.Thread(target=lambda x=x: [replace_file(path, x * 100_000) for _ in range(100)])
        for x in "cd"
    ]
    for thread in threads:
        thread.start()
    seen = set()
    while any(process.poll() is None for process in processes):
        text = path.read_text()
        assert len(text) == 100_000 and len(set(text)) == 1
        seen.add(text[0])
    for thread in threads:
        thread.join()
    assert [process.returncode for process in processes] == [0, 0]
    assert len(seen) > 1 and list(tmp_path.iterdir()) == [path]
