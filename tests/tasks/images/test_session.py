"""Tests of runs of image tasks: figures depend on what they should, and on nothing else."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest

from small_vit import npz_weights
from tdrec.data.images import evaluation_batches
from tdrec.distill.fingerprint import hash_arrays
from tdrec.tasks.image import ImageTask
from tdrec.tasks.images.config import CIFAR10
from tdrec.tasks.images.session import ImageSession, accuracy
from tiny_images import SIZE, SMALL, TEST, train_teacher, write_folder


@pytest.fixture(scope="module")
def tasks(image_folder):
    names = ("cifar10", "cifar10:few", "cifar10:pets")
    return {name.split(":")[-1]: ImageTask(name, image_folder) for name in names}


@pytest.fixture(scope="module")
def session(tasks, image_cache):
    return tasks["few"].open(image_cache)


def stored(result, folder):
    path = folder / "student.keras"
    path.write_bytes(result.files[".keras"])
    return keras.models.load_model(path)


def test_a_run_says_what_it_was_and_how_good(session, tasks, tmp_path):
    result = session.run(tasks["pets"], SMALL, "fd", 0, keep=True)
    assert (result.n_train, result.n_test, result.reason) == (300, 12, "")
    facts = result.facts
    assert facts["details"] == {"classes": ["cat", "dog"], "cka": None}
    assert json.loads(result.files[".json"]) == {"classes": ["cat", "dog"]}
    assert [point["step"] for point in facts["curve"]] == [20]
    assert {"loss", "task_loss", "feature_loss", "accuracy"} <= set(facts["curve"][0])
    # Accuracy is that of the student that is handed over, counted anew.
    student = stored(result, tmp_path)
    assert student.output_shape == (None, 2)
    batch, labels = next(iter(evaluation_batches(session.of_task(tasks["pets"], 0).test, 12, SIZE)))
    right = np.argmax(student(batch), axis=-1) == labels.numpy()
    assert result.score.value == pytest.approx(right.mean()) and result.score.units is None
    assert facts["params"] == student.count_params()
    # The two encoders: layer norm, dense and dense, of the joined states of 16 numbers.
    assert facts["method_params"] == 2 * (2 * 16 + 16 * 5 + 5 + 5 * 6 + 6)
    assert facts["multiply_adds"] < facts["train_multiply_adds"]


def test_the_student_begins_as_the_first_blocks_of_the_teacher(session, tasks):
    teacher = session.teacher_model(tasks["few"], SMALL)
    same, other = (
        session.distiller(tasks["few"], SMALL, n, "td", 0).student_layers[0] for n in (10, 3)
    )
    for student in (same, other):
        assert len(student.blocks) == 2
        for mine, its in zip(student.blocks, teacher.blocks, strict=False):
            for a, b in zip(mine.get_weights(), its.get_weights(), strict=True):
                np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(same.head.get_weights()[0], teacher.head.get_weights()[0])
    assert not other.head.get_weights()[0].any()


@pytest.mark.long
def test_a_seed_repeats_whatever_ran_before(session, tasks, tmp_path):
    def run(session, seed):
        result = session.run(tasks["few"], SMALL, "td", seed, keep=True)
        return result, stored(result, tmp_path).get_weights()

    first, weights = run(session, 0)
    other, _ = run(session, 1)  # shares what was compiled
    again, its_weights = run(session, 0)
    assert other.facts["curve"] != first.facts["curve"]
    assert again.score == first.score
    assert again.facts["curve"] == first.facts["curve"]
    for a, b in zip(weights, its_weights, strict=True):
        np.testing.assert_array_equal(a, b)
    # States are compared at seed 0, for each class.
    cka = first.score.details["cka"]
    assert list(cka) == list(CIFAR10)
    for table in cka.values():
        assert set(table) == {"low", "high", "message"}
        assert all(set(line) == set(table) for line in table.values())
        assert all(0 <= value <= 1 + 1e-6 for line in table.values() for value in line.values())
    assert other.score.details == {}


def test_the_teacher_is_left_as_it_was_and_found_again(session, tasks, image_cache):
    teacher = session.teacher_model(tasks["few"], SMALL)
    before = [np.array(w) for w in teacher.weights]
    session.run(tasks["pets"], SMALL, "fd", 0)
    for a, b in zip(teacher.weights, before, strict=True):
        np.testing.assert_array_equal(a, b)
    file = image_cache / tasks["few"].teacher_file(SMALL)
    written = file.stat().st_mtime_ns
    again = tasks["pets"].open(image_cache)
    for a, b in zip(again.teacher_model(tasks["pets"], SMALL).weights, before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert file.stat().st_mtime_ns == written
    found = {each.teacher(tasks["few"], SMALL) for each in (session, again)}
    assert found == {hash_arrays(before)}


def test_predictions_are_distilled(session, tasks):
    teacher = session.run(tasks["few"], SMALL, "teacher", None)
    model = session.teacher_model(tasks["few"], SMALL)
    assert teacher.score.value == accuracy(model, session.images, SIZE)
    assert teacher.facts["params"] == model.count_params() and teacher.files == {}
    loss = session.run(tasks["few"], SMALL, "ld", 0).facts["curve"][-1]
    assert loss["loss"] == pytest.approx(loss["task_loss"] + loss["label_loss"], rel=1e-5)


def test_each_seed_draws_its_own_images_and_all_have_the_same_to_be_judged_by(session, tasks):
    few = [session.of_task(tasks["few"], seed) for seed in (0, 1)]
    assert few[0].fingerprint != few[1].fingerprint
    assert [each.n_test for each in few] == [len(TEST)] * 2
    assert session.of_task(tasks["cifar10"], 3) is session.images


@pytest.mark.long
def test_evaluation_images_decide_nothing_but_accuracy(session, tasks, tmp_path):
    """Poisoned evaluation images leave the trained student as it is."""
    source = write_folder(tmp_path / "images", test_seed=9, test_labels=TEST[::-1])
    task = replace(tasks["few"], source=str(source))
    train_teacher(task, tmp_path / "another cache")
    poisoned = task.open(tmp_path / "another cache")
    found = []
    for each, its_task in ((session, tasks["few"]), (poisoned, task)):
        result = each.run(its_task, SMALL, "scratch", 1, keep=True)
        found.append((result.facts["curve"], stored(result, tmp_path).get_weights()))
    (curve, weights), (its_curve, its_weights) = found
    assert curve == its_curve
    for a, b in zip(weights, its_weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_checkpoint_is_the_teacher_of_any_labels(tasks, tmp_path):
    path = tmp_path / "small.npz"
    np.savez(path, **npz_weights())
    config = replace(
        SMALL,
        image_size=12,
        cuts={"teacher": (2, 3), "student": (1, 2)},
        optimizer="sgd",
        dtype="mixed_bfloat16",
        teacher=replace(SMALL.teacher, vit={}),
    )
    task = replace(tasks["few"], checkpoint=str(path))
    session = task.open(tmp_path / "cache")
    result = session.run(task, config, "fd", 0, keep=True)
    assert np.isfinite(result.facts["curve"][-1]["loss"])
    student = stored(result, tmp_path)
    assert student.output_shape == (None, 10)
    assert student.blocks[0].compute_dtype == "bfloat16"
    other = tmp_path / "other.npz"
    np.savez(other, **npz_weights(seed=2))
    another = ImageSession(session.images, tmp_path, str(other))
    hashes = [each.teacher(task, config) for each in (session, another)]
    assert len(set(hashes)) == 2
    assert not (tmp_path / "cache").exists()  # nothing was trained


def test_learning_rates_rise_and_fall(session, tasks):
    distiller = session.distiller(tasks["few"], SMALL, 10, "scratch", 0)
    rates = []
    for step in range(21):
        distiller.optimizer.iterations.assign(step)
        rates.append(float(distiller.optimizer.learning_rate))
    half_a_cosine = (1 + np.cos(np.linspace(0, np.pi, 19))) / 2  # after two steps of warming up
    expected = SMALL.learning_rate * np.concatenate([[0, 0.5], half_a_cosine])
    np.testing.assert_allclose(rates, expected, rtol=1e-5, atol=1e-9)


def test_a_vit_of_nan_has_a_reason_and_no_accuracy(session, tasks):
    wild = replace(SMALL, learning_rate=1e38)
    result = session.run(tasks["few"], wild, "scratch", 0, keep=True)
    assert result.score is None and result.files == {}
    assert result.reason == "a loss was not finite" and "curve" not in result.facts
    assert (result.n_train, result.n_test) == (500, len(TEST))


def test_a_teacher_of_nan_is_the_reason_of_all_its_students(tasks, tmp_path):
    session = tasks["few"].open(tmp_path)
    wild = replace(SMALL, teacher=replace(SMALL.teacher, learning_rate=1e38, steps=10))
    for method, seed in (("teacher", None), ("td", 0), ("scratch", 0)):  # scratch has its blocks
        result = session.run(tasks["few"], wild, method, seed)
        assert result.score is None
        assert result.reason.startswith("its teacher: a ") and "not finite" in result.reason
    assert session.teacher(tasks["few"], wild) is None
    assert not list(tmp_path.glob("*.keras"))


def test_tuning_is_refused(session, tasks):
    with pytest.raises(AssertionError, match="not tuned"):
        session.run(tasks["few"], SMALL, "scratch", 0, watch=lambda step, score: True)
