"""Tests of what a genre's students are trained on."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from small_movielens import SMALL
from tdrec.data import unrated_pairs
from tdrec.distill.cut import split_model
from tdrec.distill.teacher_targets import TeacherTargets, detach
from tdrec.models.id_dropout import OUT_OF_VOCABULARY
from tdrec.models.rating_mlp import HIGH, LOW
from tdrec.tasks.ratings.segment import training_rows
from tdrec.tasks.ratings.teacher import predict

VARIANTS = 4


@pytest.fixture(scope="module")
def rows_of(session):
    """Inputs, targets and ratings of War, the first two as (variants, rows, ...)."""
    segment = session.segment("War", SMALL)
    split = split_model(session.teacher_model("War", SMALL), LOW, HIGH)
    targets = TeacherTargets(batch_size=4096)

    def rows(fields=("prediction",), **changes):
        found = training_rows(
            segment,
            replace(SMALL, **changes),
            fields,
            lambda its_x, read: targets(split, its_x, read),
        )
        by_variant = keras.tree.map_structure(
            lambda array: np.reshape(array, (VARIANTS, -1, *array.shape[1:])), found
        )
        return *by_variant, segment

    return rows


def test_a_method_without_a_teacher_has_the_ratings_alone(rows_of):
    x, y, segment = rows_of(fields=(), unrated=1.0)
    assert sorted(x) == ["genres", "movie", "title", "user"]
    np.testing.assert_array_equal(y, np.broadcast_to(segment.train.values[:, None], y.shape))
    np.testing.assert_array_equal(x["user"][0], segment.student_train["user"])


def test_unrated_pairs_come_after_the_ratings_with_the_teachers_predictions(rows_of, session):
    carried, y, segment = rows_of(unrated=0.5)
    x, targets = detach(carried)
    n = len(segment.train)
    pairs = unrated_pairs(segment.train, round(0.5 * n))
    assert y.shape == (VARIANTS, n + round(0.5 * n), 1)
    np.testing.assert_array_equal(y[:, :n, 0], np.tile(segment.train.values, (VARIANTS, 1)))
    np.testing.assert_array_equal(y[:, n:], targets["prediction"][:, n:])
    # Each variant's target is what the teacher says of that variant: the last has neither id.
    its_x = segment.teacher_encoder.encode(pairs)
    teacher = session.teacher_model("War", SMALL)
    np.testing.assert_allclose(y[0, n:], predict(teacher, its_x), atol=1e-5)
    gone = {name: np.full_like(its_x[name], OUT_OF_VOCABULARY) for name in ("user", "movie")}
    np.testing.assert_allclose(y[-1, n:], predict(teacher, {**its_x, **gone}), atol=1e-5)
    # The student's features are of the same pairs, by its own vocabulary.
    users = np.array(segment.encoder.users.to_list())
    np.testing.assert_array_equal(users[x["user"][0, n:] - 1], pairs.user_ids)
    assert (x["user"][-1] == OUT_OF_VOCABULARY).all()


def test_states_have_unrated_rows_too_and_only_what_is_read_is_carried(rows_of):
    carried, y, _ = rows_of(fields=("low", "high"), unrated=0.25)
    targets = detach(carried)[1]
    assert sorted(targets) == ["high", "low"]
    assert {len(state[0]) for state in targets.values()} == {y.shape[1]}


def test_without_unrated_pairs_the_rows_are_the_ratings(rows_of):
    carried, y, segment = rows_of()
    assert y.shape == (VARIANTS, len(segment.train), 1)
    assert detach(carried)[1]["prediction"].shape == y.shape


def test_shuffled_targets_are_of_other_rows(rows_of):
    plain, shuffled = (
        detach(rows_of(shuffled_targets=value)[0])[1]["prediction"][..., 0]
        for value in (False, True)
    )
    np.testing.assert_array_equal(np.sort(plain, axis=1), np.sort(shuffled, axis=1))
    assert (plain != shuffled).mean() > 0.9


def test_unrated_pairs_change_a_student_and_share_its_teacher(session, war):
    other = replace(SMALL, unrated=1.0)
    assert session.teacher_file("War", other) == session.teacher_file("War", SMALL)
    runs = {
        method: [session.run(war, config, method, 0) for config in (SMALL, other, SMALL)]
        for method in ("ld", "scratch")
    }
    plain, unrated, again = (result.score.value for result in runs["ld"])
    assert plain == again != unrated
    assert runs["ld"][0].facts["curve"] == runs["ld"][2].facts["curve"]
    assert len({result.score.value for result in runs["scratch"]}) == 1
