"""Tests of result files: nothing that was written is lost, and what is wrong is named."""

import json
import os
import subprocess
import sys

import pytest

from study_rows import make_row
from tdrec.runtime.files import TEMPORARY
from tdrec.studies.results import appending, only_writer, read_lines, read_rows

ROWS = [make_row(seed=seed, label="TD k=2", setting="Amélie") for seed in range(3)]
LINES = [row.to_json() for row in ROWS]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.jsonl"


def keys(rows):
    return [row.to_json() for row in rows]


def append(path, lines):
    with appending(path) as add:
        for line in lines:
            add(line)


def test_lines_are_added_to_those_that_are_there(path):
    assert read_rows(path) == []
    append(path, LINES[:1])
    append(path, LINES[1:])
    assert keys(read_rows(path)) == LINES
    assert path.read_bytes() == "".join(line + "\n" for line in LINES).encode()


def test_each_line_is_on_disk_before_the_next(path, monkeypatch):
    synced = []
    real = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda file: (real(file), synced.append(path.read_text().count("\n")))
    )
    with appending(path) as add:
        for number, line in enumerate(LINES, start=1):
            add(line)
            assert synced == list(range(1, number + 1))
            assert len(read_rows(path)) == number


def test_what_was_added_outlives_a_process_that_is_killed(path):
    code = (
        "import os, sys; from tdrec.studies.results import appending\n"
        "with appending(sys.argv[1]) as add:\n    add(sys.argv[2])\n    os._exit(9)"
    )
    command = [sys.executable, "-c", code, str(path), LINES[0]]
    assert subprocess.run(command).returncode == 9
    assert keys(read_rows(path)) == LINES[:1]


@pytest.mark.parametrize("cut", [1, 25, -2])
def test_a_last_line_cut_off_is_left_out_and_mended(path, cut):
    line = LINES[1].encode()
    path.write_bytes(LINES[0].encode() + b"\n\n" + line[:cut])
    with pytest.warns(UserWarning, match=r"results\.jsonl, line 3: the last line is cut off"):
        assert keys(read_rows(path)) == LINES[:1]
    append(path, LINES[1:])
    assert keys(read_rows(path)) == LINES


def test_every_cut_of_a_file_loses_one_row_at_most(path):
    whole = "".join(line + "\n" for line in ["{}", '{"é": 1}', '{"a": 2}']).encode()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        append(path, ['{"new": 3}'])
        found = read_lines(path, json.loads)
        assert found[-1] == {"new": 3}
        ended = whole[:cut].count(b"\n")
        assert len(found) - 1 in (ended, ended + 1)  # one that lacks its end alone is kept


def test_a_character_cut_in_two_is_a_line_cut_off(path):
    path.write_bytes('{"note": "é'.encode()[:-1])
    with pytest.warns(UserWarning, match="cut off"):
        assert read_rows(path) == []


def test_a_last_line_that_lacks_its_end_alone_is_kept(path):
    path.write_text(LINES[0])
    assert keys(read_rows(path)) == LINES[:1]
    append(path, LINES[1:2])
    assert keys(read_rows(path)) == LINES[:2]


@pytest.mark.parametrize(
    "wrong",
    [
        *(b'{"a": ', b"[1]", b"{}", b"\xff"),
        LINES[0].replace('"version": 2', '"version": 1').encode(),
    ],
    ids=["cut", "list", "empty", "no text", "old"],
)
@pytest.mark.parametrize("after", ["", LINES[2] + "\n"], ids=["last", "not last"])
def test_another_line_that_is_no_row_is_named_with_file_and_line(path, wrong, after):
    path.write_bytes(f"{LINES[0]}\n\n".encode() + wrong + f"\n{after}".encode())
    with pytest.raises(ValueError, match=r"results\.jsonl, line 3: .*Delete the line and run"):
        read_rows(path)


def test_a_second_writer_is_refused_until_the_first_is_done(tmp_path):
    folder = tmp_path / "results"
    code = (
        "import sys; from tdrec.studies.results import only_writer\n"
        "try:\n    with only_writer(sys.argv[1]): print('free')\n"
        "except ValueError as error: print(error)"
    )

    def another():
        done = subprocess.run(
            [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    with only_writer(str(folder)) as path:
        assert path == folder and folder.is_dir()
        assert "Received: " + str(folder) in another()
        with (
            pytest.raises(
                ValueError, match="another one is writing to. .* another folder by --out"
            ),
            only_writer(folder),
        ):
            pass
    assert another() == "free"


def test_the_writer_removes_what_others_had_begun(tmp_path):
    kept = tmp_path / "students" / "a.keras"
    kept.parent.mkdir()
    kept.write_text("whole")
    begun = [tmp_path / TEMPORARY.format("report.md"), kept.with_name(TEMPORARY.format("b.keras"))]
    for file in begun:
        file.write_text("half")
    with only_writer(tmp_path):
        assert not any(file.exists() for file in begun)
    assert kept.read_text() == "whole"


def test_a_folder_is_free_again_after_an_error(tmp_path):
    with pytest.raises(KeyError), only_writer(tmp_path):
        raise KeyError
    with only_writer(tmp_path):
        pass
