"""Tests of runs of next movies: figures depend on what they should, and on nothing else."""

import json
import subprocess
import sys

import numpy as np
import pytest

from small_sequences import SMALL
from tdrec.studies.config import changed
from tdrec.tasks.next_movie import NextMovieTask
from tdrec.tasks.sequences.evaluation import score
from tdrec.tasks.sequences.events import NOTHING
from tdrec.tasks.sequences.training import TrainingNDCG, entropy
from untraced import untraced


@pytest.fixture(scope="module")
def task(data):
    return NextMovieTask("Drama", data)


@pytest.fixture(scope="module")
def session(task, cache):
    found = task.open(cache)
    with untraced():
        found.teacher_model(task, SMALL)
    return found


@pytest.fixture(scope="module")
def results(session, task):
    """Of LD: of seed 0, the same again after another one, and that one."""
    first, other, again = (session.run(task, SMALL, "ld", seed, keep=True) for seed in (0, 1, 0))
    return first, again, other


def test_the_same_seed_gives_the_same_student_and_another_one_another(session, task, results):
    first, again, other = results
    assert first.reason == "" and first.score == again.score
    assert first.facts["curve"] == again.facts["curve"] != other.facts["curve"]
    assert {"ndcg", "label_loss", "task_loss"} <= set(first.facts["curve"][0])
    drama = [part.in_segment("Drama").sum() for part in (task.holdout().train, task.holdout().test)]
    assert [first.n_train, first.n_test] == drama
    assert first.n_test == sum(first.score.units.rows)
    assert first.facts["params"] < session.teacher_model(task, SMALL).count_params()


CODE = """
import sys, numpy as np, keras, tdrec
student = keras.saving.load_model(sys.argv[1])
np.save(sys.argv[2], student(np.load(sys.argv[3])))
"""


def test_a_student_is_read_again_in_a_new_process(session, task, results, tmp_path):
    result = results[0]
    files = [tmp_path / name for name in ("student.keras", "found.npy", "tokens.npy")]
    files[0].write_bytes(result.files[".keras"])
    ranking = session.ranking(task, SMALL)
    np.save(files[2], ranking.windows.tokens)
    subprocess.run([sys.executable, "-c", CODE, *map(str, files)], check=True)
    scores = np.load(files[1])[ranking.window, ranking.place]
    assert score(scores, ranking).value == pytest.approx(result.score.value, abs=1e-6)
    known = json.loads(result.files[".json"])
    train = task.holdout().train
    assert known["outputs"] == np.unique(train.of_segment("Drama").item_ids).tolist()
    assert known["movies"] == np.unique(train.item_ids).tolist()
    assert (known["start"], known["length"]) == (len(known["movies"]) + 1, 6)


def test_the_teacher_is_judged_by_the_genres_movies_alone(session, task):
    with untraced():
        found = session.run(task, SMALL, "teacher", None)
        teacher = session.teacher_model(task, SMALL)
        ranking = session.ranking(task, SMALL)
        logits = np.array(teacher(ranking.windows.tokens))[ranking.window, ranking.place]
    candidates = session.histories(SMALL).candidates("Drama")
    assert found.score == score(logits[:, candidates - 1], ranking)
    assert session.run(task, SMALL, "without_blocks", None).score.value != found.score.value


@pytest.mark.long
def test_every_method_learns_of_tokens_and_not_of_padding(session, task):
    for method in ("fd", "fitnet", "hybrid", "td", "grading"):
        result = session.run(task, SMALL, method, 0)
        assert result.reason == "" and np.isfinite(result.facts["curve"][-1]["loss"])


@pytest.mark.long
def test_a_teacher_of_too_many_targets_answers_in_each_step(task, cache, results, monkeypatch):
    monkeypatch.setattr("tdrec.tasks.sequences.session.MOST_TARGETS", 0)
    (found,) = task.open(cache).run(task, SMALL, "ld", 0).facts["curve"]
    (expected,) = results[0].facts["curve"]
    assert found["label_loss"] == pytest.approx(expected["label_loss"], rel=1e-3)


def test_the_metric_of_training_counts_places_where_something_follows():
    metric = TrainingNDCG(name="ndcg")
    logits = np.zeros((1, 4, 12), "float32")
    logits[0, 0, [3, 5]] = 2.0, 1.0  # 5 has rank 2
    logits[0, 1, :11] = 1.0  # 11 has rank 12
    metric.update_state(np.array([[5, 11, NOTHING, NOTHING]]), logits)
    assert float(metric.result()) == pytest.approx(1 / np.log2(3) / 2)


def test_the_best_constant_predicts_the_shares():
    labels = np.array([[0, 0, 1, NOTHING]])
    assert entropy(labels) == pytest.approx(-(2 * np.log(2 / 3) + np.log(1 / 3)) / 3)


@pytest.mark.long
def test_mixed_histories_are_of_the_teacher_alone(session, task):
    config = changed(SMALL, {"mixed": 2})
    with untraced():
        found = session.run(task, config, "ld", 0)
        scratch = session.run(task, config, "scratch", 0)
        plain = session.run(task, SMALL, "scratch", 0)
    assert found.reason == "" and np.isfinite(found.facts["curve"][0]["label_loss"])
    # A student without a teacher has nobody to ask.
    assert scratch.facts["curve"] == plain.facts["curve"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("ld", {"without_blocks": True}),
        ("ld", {"shuffled_targets": True}),
        ("grading", {"random_interpreter": True}),
    ],
)
def test_controls_change_the_student_and_not_the_teacher(session, task, method, changes):
    # If all of few hidden units are 0, random blocks have gradients without end.
    wide = changed(SMALL, {"hidden_dim": 64})
    control = changed(wide, changes)
    assert task.teacher_file(control) == task.teacher_file(SMALL)
    plain, found = (session.run(task, config, method, 0) for config in (wide, control))
    assert found.reason == "" and found.facts["curve"] != plain.facts["curve"]
