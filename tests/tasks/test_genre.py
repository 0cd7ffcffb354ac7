"""Tests of genres as tasks; what they share with any segment is in `test_segment.py`."""

import numpy as np
import pytest

from tdrec.data import Split, load
from tdrec.studies.metric import RMSE
from tdrec.tasks import genre_report
from tdrec.tasks.genre import GenreTask
from tdrec.tasks.segment import SegmentTask


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


def test_ratings_are_held_out_by_time_and_are_as_they_were_read(war, holdout):
    assert war.rule == Split("time", 0.9)
    found = war.holdout()
    assert found.train.unit == 1
    for part, expected in ((found.train, holdout.train), (found.test, holdout.test)):
        assert part.fingerprint == expected.fingerprint


def test_it_is_a_segment_whose_report_has_the_papers_tables(war):
    assert isinstance(war, SegmentTask)
    assert (war.parts, war.means) == (genre_report.parts, genre_report.means)
    assert war.summary_parts is genre_report.summary_parts
