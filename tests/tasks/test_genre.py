"""Tests of genres as tasks: plain data, which name their ratings and know their splits."""

import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from tdrec.data import load, split_by_time
from tdrec.studies.arm import Arm
from tdrec.studies.config import VALIDATION_FRACTION
from tdrec.studies.metric import RMSE
from tdrec.tasks.genre import GenreTask
from tdrec.tasks.ratings.config import PRESETS
from tdrec.tasks.ratings.session import RatingSession


@pytest.fixture
def war(data):
    return GenreTask("War", data)


def test_what_rows_say_of_the_data(war, ratings, holdout):
    data = war.data()
    assert (war.name, war.kind, war.metric) == ("War", "genre", RMSE)
    assert (data.name, data.sha256) == (ratings.name, ratings.fingerprint)
    assert (data.n_train, data.n_test) == (len(holdout.train), len(holdout.test))
    assert not data.simulated and list(data.warnings) == list(ratings.warnings)
    assert data.facts["Rows tied at that time"] == f"{holdout.ties:,}"
    assert data.facts["Evaluation rows of users unseen in training"] == f"{holdout.cold_share:.1%}"
    begin = np.datetime64(holdout.cut, "s").item()
    assert data.facts["Evaluation rows begin at"] == f"{begin:%Y-%m-%d %H:%M:%S} UTC"


def test_generated_data_are_said_to_be():
    data = GenreTask("Drama", "simulated").data()
    assert data.simulated and "SIMULATED DATA" in data.warnings[0]
    assert data.sha256 == load("simulated").fingerprint


def test_the_earlier_task_is_of_training_rows_alone(war, holdout):
    earlier = war.earlier()
    assert earlier == replace(war, validation=True) and earlier.name == "War"
    expected = split_by_time(holdout.train, VALIDATION_FRACTION)
    found = earlier.holdout()
    assert found.train.fingerprint == expected.train.fingerprint
    assert found.test.fingerprint == expected.test.fingerprint
    assert found.test.timestamps.max() < holdout.cut
    data = earlier.data()
    assert data.sha256 == holdout.train.fingerprint != war.data().sha256
    assert data.n_train + data.n_test == len(holdout.train)


def test_genres_of_one_split_share_a_session(war, data):
    assert GenreTask("Drama", data).shared == war.shared != war.earlier().shared
    assert war.holdout() is GenreTask("Drama", data).holdout()  # which is read once


def test_a_session_is_of_the_tasks_rows(war, cache):
    session = war.earlier().open(cache)
    assert isinstance(session, RatingSession)
    assert session.holdout is war.earlier().holdout()
    config = PRESETS["strong"]
    assert session.teacher_file("War", config) == war.earlier().teacher_file(config)
    assert war.teacher_file(config) != war.earlier().teacher_file(config)


def test_it_runs_every_method(war):
    assert war.presets is PRESETS and war.references == ("bias", "teacher")
    assert war.runs(Arm("ld")) and war.runs(Arm("my:Own"))


def test_it_is_small_plain_data_and_needs_no_tensorflow(war):
    pickled = pickle.dumps(war)
    assert len(pickled) < 1000 and pickle.loads(pickled) == war
    code = (
        "import sys; from tdrec.tasks.genre import GenreTask\n"
        "from tdrec.tasks.ratings.config import PRESETS\n"
        "task = GenreTask('War', sys.argv[1]); print(task.data().sha256)\n"
        "print(task.teacher_file(PRESETS['strong']))\n"
        "assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", code, war.source]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [war.data().sha256, war.teacher_file(PRESETS["strong"])]
