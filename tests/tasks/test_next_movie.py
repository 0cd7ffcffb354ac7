"""Tests of the task of next movies: plain data, which know what of the teacher's is theirs."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import own_tables
import tdrec
from small_sequences import SMALL
from tdrec.data import read_table
from tdrec.studies.arm import METHODS, Arm
from tdrec.studies.config import changed
from tdrec.tasks import next_movie
from tdrec.tasks.genre import GenreTask
from tdrec.tasks.next_movie import NextMovieTask
from tdrec.tasks.sequences.config import PRESETS


@pytest.fixture
def war(data):
    return NextMovieTask("War", data)


def test_it_is_of_the_rows_of_a_genre(war, data):
    genre = GenreTask("War", data)
    assert (war.family, war.kind, war.name, war.metric.name) == (
        *("next_movie", "genre", "War"),
        "ndcg",
    )
    assert war.data() == genre.data() and war.earlier() == replace(war, validation=True)
    earlier = war.earlier().holdout()
    assert len(earlier.train) + len(earlier.test) == len(war.holdout().train)
    assert earlier.test.timestamps.max() < war.holdout().cut
    assert pickle.loads(pickle.dumps(war)) == war and len(pickle.dumps(war)) < 1000


def test_the_teachers_file_is_of_all_that_decides_it(war, monkeypatch):
    same = war.teacher_file(SMALL)
    assert replace(war, segment="Drama").teacher_file(SMALL) == same
    students = changed(SMALL, {"steps": 40, "rows": 0.1, "student": {"dim": 8}, "neighbours": 2})
    assert war.teacher_file(students) == same
    others = [
        war.earlier().teacher_file(SMALL),
        *(war.teacher_file(changed(SMALL, x)) for x in ({"length": 7}, {"ties": 1})),
        war.teacher_file(changed(SMALL, {"teacher": {"epochs": 2}})),
    ]
    named = []
    monkeypatch.setattr(next_movie, "code_version", lambda *names: named.extend(names) or "new")
    assert len({same, *others, war.teacher_file(SMALL)}) == 6
    assert named and all((Path(tdrec.__file__).parent / name).exists() for name in named)


def test_steps_follow_from_the_events():
    full = PRESETS["full"]
    assert full.fitted(90_000).steps == 800
    many = full.fitted(1_000_000)
    assert many.steps == 5860  # 12 epochs of 488.3 steps, as a multiple of 20
    assert replace(full, steps=40).fitted(1_000_000).steps == 40
    assert PRESETS["few"].fitted(1_000_000).steps == 800
    with pytest.raises(ValueError, match=r"share of the users.* Received: 1\.5"):
        replace(full, rows=1.5)


def test_of_clicks_only_what_was_clicked_was_seen(tmp_path):
    clicks = own_tables.frame().assign(rating=np.arange(200) % 2)
    file = own_tables.write(tmp_path / "clicks.csv", clicks)
    source = own_tables.source(file, kind="binary", time="time")
    task = NextMovieTask("NL", source)
    rows = read_table(source)
    assert task.kind == "segment" and 0 < rows.values.mean() < 1
    for part in (task.holdout().train, task.holdout().test):
        assert len(part) and part.values.all()


def test_arms_of_it(data):
    task = NextMovieTask("War", data)
    assert "one item" in task.left_out(Arm("trusted_ld"))
    assert all(task.runs(Arm(method)) for method in METHODS if method != "trusted_ld")
