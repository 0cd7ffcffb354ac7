"""Tests of what a teacher is trained on, and of the name of its file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tdrec
from small_movielens import SMALL
from tdrec.tasks.ratings import teacher_key
from tdrec.tasks.ratings.config import PRESETS
from tdrec.tasks.ratings.teacher_key import teacher_file, teacher_rows

OTHERS = replace(SMALL, teacher=replace(SMALL.teacher, rows="other genres"))


def test_a_teacher_of_all_genres_is_shared(holdout):
    train = holdout.train
    assert teacher_rows(train, "War", SMALL) is train
    assert teacher_file(train, "War", SMALL) == teacher_file(train, "Drama", SMALL)


def test_a_teacher_of_other_genres_has_no_row_of_the_genre(holdout):
    train = holdout.train
    found = teacher_rows(train, "War", OTHERS)
    own = train.of_genre("War")
    assert len(found) + len(own) == len(train)
    assert not np.isin(found.movie_ids, own.movie_ids).any()
    files = {teacher_file(train, genre, OTHERS) for genre in ("War", "Drama")}
    assert len(files | {teacher_file(train, "War", SMALL)}) == 3


@pytest.mark.parametrize(
    "changes",
    [{"noise": 1.0}, {"learning_rate": 0.1}, {"members": 2}, {"epochs": 3}, {"seed": 1}],
)
def test_the_file_is_of_all_that_decides_the_teacher(holdout, changes):
    train = holdout.train
    same = teacher_file(train, "War", SMALL)
    changed = replace(SMALL, teacher=replace(SMALL.teacher, **changes))
    assert teacher_file(train, "War", changed) != same
    assert teacher_file(train.take(np.arange(3000)), "War", SMALL) != same


def test_the_file_is_of_nothing_else(holdout, monkeypatch):
    same = teacher_file(holdout.train, "War", PRESETS["strong"])
    student = replace(PRESETS["strong"], steps=20, rows=0.1, methods={"ld": {"weight": 9.0}})
    assert teacher_file(holdout.train, "War", student) == same
    monkeypatch.setattr(teacher_key, "code_version", lambda *names: "another")
    assert teacher_file(holdout.train, "War", PRESETS["strong"]) != same


def test_the_code_that_makes_a_teacher_is_where_it_is_said_to_be(holdout, monkeypatch):
    named = []
    monkeypatch.setattr(teacher_key, "code_version", lambda *names: named.extend(names))
    teacher_file(holdout.train, "War", SMALL)
    assert named and all((Path(tdrec.__file__).parent / name).exists() for name in named)
