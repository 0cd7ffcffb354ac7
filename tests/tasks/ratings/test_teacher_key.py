"""Tests of what a teacher is trained on, and of the name of its file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tdrec
from small_movielens import SMALL
from tdrec.data import Split
from tdrec.tasks.ratings import teacher_key
from tdrec.tasks.ratings.config import PRESETS
from tdrec.tasks.ratings.teacher_key import teacher_file, teacher_rows

BY_TIME = Split()
OTHERS = replace(SMALL, teacher=replace(SMALL.teacher, rows="other segments"))


def test_a_teacher_of_all_segments_is_shared(holdout):
    train = holdout.train
    assert teacher_rows(train, "War", SMALL) is train
    assert teacher_file(train, "War", SMALL, BY_TIME) == teacher_file(
        train, "Drama", SMALL, BY_TIME
    )


def test_a_teacher_of_other_segments_has_no_row_of_the_segment(holdout):
    train = holdout.train
    found = teacher_rows(train, "War", OTHERS)
    own = train.of_genre("War")
    assert len(found) + len(own) == len(train)
    assert not np.isin(found.movie_ids, own.movie_ids).any()
    files = {teacher_file(train, genre, OTHERS, BY_TIME) for genre in ("War", "Drama")}
    assert len(files | {teacher_file(train, "War", SMALL, BY_TIME)}) == 3


@pytest.mark.parametrize(
    "changes",
    [{"noise": 1.0}, {"learning_rate": 0.1}, {"members": 2}, {"epochs": 3}, {"seed": 1}],
)
def test_the_file_is_of_all_that_decides_the_teacher(holdout, changes):
    train = holdout.train
    same = teacher_file(train, "War", SMALL, BY_TIME)
    changed = replace(SMALL, teacher=replace(SMALL.teacher, **changes))
    assert teacher_file(train, "War", changed, BY_TIME) != same
    assert teacher_file(train.take(np.arange(3000)), "War", SMALL, BY_TIME) != same
    # The rows that its epochs are chosen on are held out by it.
    assert teacher_file(train, "War", SMALL, Split("random")) != same


def test_the_file_is_of_nothing_else(holdout, monkeypatch):
    same = teacher_file(holdout.train, "War", PRESETS["strong"], BY_TIME)
    student = replace(PRESETS["strong"], steps=20, rows=0.1, methods={"ld": {"weight": 9.0}})
    assert teacher_file(holdout.train, "War", student, BY_TIME) == same
    monkeypatch.setattr(teacher_key, "code_version", lambda *names: "another")
    assert teacher_file(holdout.train, "War", PRESETS["strong"], BY_TIME) != same


def test_the_code_that_makes_a_teacher_is_where_it_is_said_to_be(holdout, monkeypatch):
    named = []
    monkeypatch.setattr(teacher_key, "code_version", lambda *names: named.extend(names))
    teacher_file(holdout.train, "War", SMALL, BY_TIME)
    assert named and all((Path(tdrec.__file__).parent / name).exists() for name in named)
