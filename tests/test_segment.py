from dataclasses import replace

import keras
import numpy as np
import pytest

from tdrec.data import unrated_pairs
from tdrec.experiment import Experiment
from tdrec.models.id_dropout import OUT_OF_VOCABULARY
from tdrec.segment import training_rows
from tdrec.teacher_targets import detach
from tdrec.teacher_training import predict
from test_experiment import SMALL

VARIANTS = 4


@pytest.fixture(scope="module")
def experiment(ratings, cache):
    return Experiment(ratings, SMALL, cache)


def rows_of(experiment, fields=("prediction",), **changes):
    """Inputs, targets and ratings of War, the first two as (variants, rows, ...)."""
    segment = experiment.segment("War")
    (x, y) = training_rows(
        segment,
        replace(SMALL, **changes),
        fields,
        lambda its_x, read: experiment._kept.targets(experiment._teacher_split("War"), its_x, read),
    )
    by_variant = keras.tree.map_structure(
        lambda array: np.reshape(array, (VARIANTS, -1, *array.shape[1:])), (x, y)
    )
    return *by_variant, segment


def test_a_method_without_a_teacher_has_the_ratings_alone(experiment):
    x, y, segment = rows_of(experiment, fields=(), unrated=1.0)
    assert sorted(x) == ["genres", "movie", "title", "user"]
    np.testing.assert_array_equal(y, np.broadcast_to(segment.train.values[:, None], y.shape))
    np.testing.assert_array_equal(x["user"][0], segment.student_train["user"])


def test_unrated_pairs_come_after_the_ratings_with_the_teachers_predictions(experiment):
    carried, y, segment = rows_of(experiment, unrated=0.5)
    x, targets = detach(carried)
    n = len(segment.train)
    pairs = unrated_pairs(segment.train, round(0.5 * n))
    assert y.shape == (VARIANTS, n + round(0.5 * n), 1)
    np.testing.assert_array_equal(y[:, :n, 0], np.tile(segment.train.values, (VARIANTS, 1)))
    np.testing.assert_array_equal(y[:, n:], targets["prediction"][:, n:])
    # Each variant's target is what the teacher says of that variant: the last has neither id.
    its_x = segment.teacher_encoder.encode(pairs)
    teacher = experiment.teacher("War")
    np.testing.assert_allclose(y[0, n:], predict(teacher, its_x), atol=1e-5)
    gone = {name: np.full_like(its_x[name], OUT_OF_VOCABULARY) for name in ("user", "movie")}
    np.testing.assert_allclose(y[-1, n:], predict(teacher, {**its_x, **gone}), atol=1e-5)
    # The student's features are of the same pairs, by its own vocabulary.
    users = np.array(segment.encoder.users.to_list())
    np.testing.assert_array_equal(users[x["user"][0, n:] - 1], pairs.user_ids)
    assert (x["user"][-1] == OUT_OF_VOCABULARY).all()


def test_states_have_unrated_rows_too_and_only_what_is_read_is_carried(experiment):
    carried, y, _ = rows_of(experiment, fields=("low", "high"), unrated=0.25)
    targets = detach(carried)[1]
    assert sorted(targets) == ["high", "low"]
    assert {len(state[0]) for state in targets.values()} == {y.shape[1]}


def test_without_unrated_pairs_the_rows_are_the_ratings(experiment):
    carried, y, segment = rows_of(experiment)
    assert y.shape == (VARIANTS, len(segment.train), 1)
    assert detach(carried)[1]["prediction"].shape == y.shape


def test_unrated_pairs_change_a_student_and_share_its_teacher(experiment):
    plain = experiment.run("War", "ld", 0).row
    other = experiment.with_config(replace(SMALL, unrated=1.0))
    assert other.teacher_path("War") == experiment.teacher_path("War")
    row = other.run("War", "ld", 0).row
    assert row["rmse"] != plain["rmse"] and row["key"] != plain["key"]
    assert experiment.run("War", "ld", 0).row["curve"] == plain["curve"]
    scratch = [each.run("War", "scratch", 0).row["rmse"] for each in (experiment, other)]
    assert scratch[0] == scratch[1]
