"""Tests of segments as tasks: plain data, which name their rows and know their splits."""

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tdrec.data import Split, TableSource, read_table, simulate_table
from tdrec.studies.arm import Arm
from tdrec.studies.config import VALIDATION_FRACTION
from tdrec.studies.metric import LOG_LOSS, RMSE
from tdrec.tasks.genre import GenreTask
from tdrec.tasks.ratings.config import PRESETS
from tdrec.tasks.ratings.session import RatingSession
from tdrec.tasks.segment import SegmentTask


@pytest.fixture(scope="session")
def source(data):
    """The small data as somebody's own tables."""
    return TableSource(
        f"{data}/ratings.csv",
        *("userId", "movieId", "rating", "genres", "timestamp"),
        items=f"{data}/movies.csv",
        segment_separator="|",
    )


@pytest.fixture(params=["ratings", "table", "table at random"])
def war(request, data, source):
    if request.param == "ratings":
        return GenreTask("War", data)
    return SegmentTask("War", source, split=Split("random") if "random" in request.param else None)


def other(war, segment="Drama"):
    return replace(war, segment=segment)


def test_the_earlier_task_is_of_training_rows_alone(war):
    holdout, earlier = war.holdout(), war.earlier()
    assert earlier == replace(war, validation=True) and earlier.name == "War"
    expected = war.rule.validation(holdout.train, VALIDATION_FRACTION)
    found = earlier.holdout()
    assert found.train.fingerprint == expected.train.fingerprint
    assert found.test.fingerprint == expected.test.fingerprint
    if war.rule.by == "time":
        assert found.test.timestamps.max() < holdout.cut
    data = earlier.data()
    assert data.sha256 != war.data().sha256
    assert data.n_train + data.n_test == len(holdout.train)


def test_what_was_read_is_said_in_the_targets_own_unit(tmp_path):
    source = simulate_table(str(tmp_path / "r.csv"), kind="ratings", rows=1_000)
    task = SegmentTask("NL", source)
    assert task.holdout().train.unit == 2
    for each in (task, task.earlier()):
        assert each.data().facts["Target"].startswith("1 to 10, mean 6.")


def test_segments_of_one_split_share_a_session(war):
    assert other(war).shared == war.shared != war.earlier().shared
    assert war.holdout() is other(war).holdout()  # which is read once


def test_a_session_is_of_the_tasks_rows(war, cache):
    session = war.earlier().open(cache)
    assert isinstance(session, RatingSession)
    assert session.holdout is war.earlier().holdout() and session.split == war.rule
    config = PRESETS["strong"]
    assert session.teacher_file("War", config) == war.earlier().teacher_file(config)
    assert war.teacher_file(config) != war.earlier().teacher_file(config)


def test_it_runs_every_method(war):
    assert war.presets is PRESETS and war.references == ("bias", "teacher")
    assert war.runs(Arm("ld")) and war.runs(Arm("my:Own"))


def test_it_is_small_plain_data_and_needs_no_tensorflow(war, tmp_path):
    pickled = pickle.dumps(war)
    assert len(pickled) < 1000 and pickle.loads(pickled) == war
    (tmp_path / "task").write_bytes(pickled)
    code = (
        "import pathlib, pickle, sys\n"
        "from tdrec.tasks.ratings.config import PRESETS\n"
        "task = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes()); print(task.data().sha256)\n"
        "print(task.teacher_file(PRESETS['strong']))\n"
        "assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "task")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [war.data().sha256, war.teacher_file(PRESETS["strong"])]


def test_a_table_has_the_segments_and_the_parts_of_the_same_ratings(source, data):
    table, ratings = SegmentTask("War", source), GenreTask("War", data)
    assert (table.name, table.kind, table.metric, table.rule) == ("War", "segment", RMSE, Split())
    mine, its = (task.holdout() for task in (table, ratings))
    for part, rated in ((mine.train, its.train), (mine.test, its.test)):
        np.testing.assert_array_equal(part.values, rated.values)
        np.testing.assert_array_equal(part.in_segment("War"), rated.in_segment("War"))
    said = table.data()
    assert (said.name, said.sha256) == ("ratings", read_table(source).fingerprint)
    assert (said.n_train, said.n_test, said.simulated) == (len(mine.train), len(mine.test), False)


def test_rows_are_held_out_by_what_is_said_then_by_the_source_then_by_time(source):
    user = Split("user")
    assert SegmentTask("War", replace(source, split=user)).rule == user
    assert SegmentTask("War", replace(source, split=user), split=Split()).rule == Split()
    assert SegmentTask("War", replace(source, time=None)).rule == Split("random")
    cold = SegmentTask("War", replace(source, split=user))
    assert cold.holdout().cold_share == 1 and "cold users" in cold.data().facts["Split"]


def test_what_is_held_out_and_clipped_otherwise_is_other_data(source):
    splits = [Split(), Split(train_fraction=0.8), Split("random"), Split("random", seed=1)]
    tasks = [SegmentTask("War", source, split=split) for split in splits]
    tasks.append(SegmentTask("War", replace(source, scale=(0.0, 6.0))))
    assert len({task.data().sha256 for task in tasks}) == len(tasks)
    assert len({task.teacher_file(PRESETS["strong"]) for task in tasks}) == len(tasks)
    usual = SegmentTask("War", source)  # which is by time
    assert (usual.data().sha256, usual.shared) == (tasks[0].data().sha256, tasks[0].shared)


def test_a_binary_target_is_judged_by_its_log_loss(source):
    assert SegmentTask("War", replace(source, kind="binary")).metric == LOG_LOSS


def test_targets_of_any_size_are_learned_in_units_of_their_spread(source, tmp_path, data):
    head, *lines = Path(source.rows).read_text().split()
    cents = [f"{u},{m},{float(v) * 100:.0f},{t}" for u, m, v, t in (x.split(",") for x in lines)]
    (tmp_path / "cents.csv").write_text("\n".join([head, *cents]))
    found = SegmentTask("War", replace(source, rows=str(tmp_path / "cents.csv"))).holdout()
    plain = GenreTask("War", data).holdout()
    assert found.train.unit == found.test.unit == 128
    np.testing.assert_array_equal(found.test.values * 128, plain.test.values * 100)
    lowest, highest = plain.train.values.min(), plain.train.values.max()
    assert found.train.scale == found.test.scale == (lowest * 100 / 128, highest * 100 / 128)


def test_steps_and_batches_follow_from_the_rows(data):
    war, config = GenreTask("War", data), replace(PRESETS["strong"], batch_size=1)
    rows = war.holdout().train.segment_counts()["War"]
    found = war.fitted(config)
    assert found.steps == -(-rows // 20) * 20 > 240 and found.teacher.batch_size == 256
    assert other(war).fitted(config).steps > found.steps


def test_rolling_tasks_end_at_several_points_of_time(war):
    tasks = war.rolling()
    if war.rule.by != "time":
        assert tasks == (war.earlier(),)
        return
    assert [task.name for task in tasks] == ["War until 60%", "War until 80%", "War"]
    assert tasks[-1] == war.earlier() and len({task.data().sha256 for task in tasks}) == 3
    rows = len(war.holdout().train)
    for task, until in zip(tasks, (0.6, 0.8, 1.0), strict=True):
        holdout = task.holdout()
        assert len(holdout.train) + len(holdout.test) == pytest.approx(until * rows, abs=5)
        assert len(holdout.test) == pytest.approx(0.2 * rows, abs=5)
        assert holdout.train.timestamps.max() < holdout.test.timestamps.min()
        assert holdout.test.timestamps.max() < war.holdout().cut
    # Each period comes after the one before.
    first, second, third = (task.holdout() for task in tasks)
    assert first.test.timestamps.max() < second.test.timestamps.min()
    assert second.test.timestamps.max() < third.test.timestamps.min()


def test_a_cut_with_too_few_rows_is_left_out(data):
    rare = min(
        (counts := GenreTask("War", data).holdout().train.segment_counts()),
        key=lambda name: (counts[name] < 40, counts[name]),
    )
    tasks = GenreTask(rare, data).rolling()
    assert tasks[-1] == GenreTask(rare, data).earlier()
    assert all(task.holdout().test.segment_counts()[rare] >= 20 for task in tasks[:-1])
