from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from small_images import SIZE, pictures, write
from small_vit import npz_weights
from tdrec.data.image_subsets import for_validation
from tdrec.data.images import evaluation_batches, load_images
from tdrec.image_config import CIFAR10, PRESETS, TASKS, ImageTask
from tdrec.image_experiment import ImageExperiment, accuracy

SMALL = replace(
    PRESETS["tiny"],
    image_size=SIZE,
    vit={"patch_size": 4, "num_layers": 4, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 12},
    cuts={"teacher": (2, 4), "student": (1, 2)},
    message_dim=6,
    hidden_dim=5,
    batch_size=10,
    steps=20,
    teacher_steps=4,
    teacher_batch_size=20,
)
LABELS = [i % 10 for i in range(40)]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    write(folder / "train.tfrecord", pictures(40), LABELS)
    write(folder / "test.tfrecord", pictures(30, seed=1), LABELS[:30])
    return load_images(str(folder), CIFAR10)


@pytest.fixture(scope="module", autouse=True)
def tasks():
    few = {"few": ImageTask("cifar10", per_class=2), "pets": replace(TASKS["cifar10:pets"])}
    few["pets"] = replace(few["pets"], per_class=3)
    with pytest.MonkeyPatch.context() as patch:
        for name, task in few.items():
            patch.setitem(TASKS, name, task)
        yield


@pytest.fixture(scope="module")
def experiment(images, tmp_path_factory):
    return ImageExperiment(images, SMALL, tmp_path_factory.mktemp("cache"))


def test_a_run_says_what_it_was_and_how_good(experiment, images):
    row, student = experiment.run("pets", "fd", 0)
    assert (row["task"], row["method"], row["seed"]) == ("pets", "fd", 0)
    assert (row["n_train"], row["n_test"]) == (6, 6)
    assert row["classes"] == ["cat", "dog"]
    assert student.output_shape == (None, 2)
    assert [point["step"] for point in row["curve"]] == [20]
    assert {"loss", "task_loss", "feature_loss", "accuracy"} <= set(row["curve"][0])
    # Accuracy is that of the student, counted anew.
    batch, labels = next(iter(evaluation_batches(experiment.of_task("pets", 0).test, 6, SIZE)))
    right = np.argmax(student(batch), axis=-1) == labels.numpy()
    assert row["accuracy"] == pytest.approx(right.mean())
    assert row["params"] == student.count_params()
    # The two encoders: layer norm, dense and dense, of the joined states of 16 numbers.
    assert row["method_params"] == 2 * (2 * 16 + 16 * 5 + 5 + 5 * 6 + 6)
    assert row["multiply_adds"] < row["train_multiply_adds"]


def test_the_student_begins_as_the_first_blocks_of_the_teacher(experiment):
    teacher = experiment.teacher()
    same, other = (experiment.distiller(n, "td", 0).student_layers[0] for n in (10, 3))
    for student in (same, other):
        assert len(student.blocks) == 2
        for mine, its in zip(student.blocks, teacher.blocks, strict=False):
            for a, b in zip(mine.get_weights(), its.get_weights(), strict=True):
                np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(same.head.get_weights()[0], teacher.head.get_weights()[0])
    assert not other.head.get_weights()[0].any()


def test_a_seed_repeats_whatever_ran_before(experiment, images):
    first, student = experiment.run("few", "td", 0)
    weights = student.get_weights()
    experiment.run("few", "td", 1)  # shares what was compiled
    again, student = experiment.run("few", "td", 0)
    for name in ("accuracy", "curve", "cka", "key"):
        assert again[name] == first[name]
    for a, b in zip(student.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(a, b)
    alone = ImageExperiment(images, SMALL, experiment.cache_dir)  # reads the teacher
    assert alone.run("few", "td", 0)[0]["curve"] == first["curve"]


def test_states_are_compared_for_each_class(experiment):
    row, _ = experiment.run("few", "td", 0)
    assert list(row["cka"]) == list(CIFAR10)
    for table in row["cka"].values():
        assert set(table) == {"low", "high", "message"}
        assert all(set(line) == set(table) for line in table.values())
        assert all(0 <= value <= 1 + 1e-6 for line in table.values() for value in line.values())


def test_predictions_are_distilled_where_the_labels_are_the_teachers(experiment):
    assert experiment.knows_labels("few") and not experiment.knows_labels("pets")
    assert [experiment.runs("pets", m) for m in ("ld", "hybrid", "teacher", "td", "scratch")] == [
        *(False, False, False, True, True)
    ]
    both = replace(experiment.config, methods={"td": {"label_weight": 1.0}})
    assert not experiment.with_config(both).runs("pets", "td")
    assert experiment.with_config(both).runs("few", "td")
    arguments = both.arguments("td")
    assert (arguments["task"], arguments["temperature"]) == ("classes", both.temperature)
    with pytest.raises(ValueError, match="ld needs a teacher that predicts the task's labels"):
        experiment.run("pets", "ld", 0)
    row, student = experiment.run("few", "teacher", None)
    assert student is None and row["seed"] is None
    assert row["accuracy"] == accuracy(experiment.teacher(), experiment.images, SIZE)
    loss = experiment.run("few", "ld", 0)[0]["curve"][-1]
    assert loss["loss"] == pytest.approx(loss["task_loss"] + loss["label_loss"], rel=1e-5)


def test_the_teacher_is_left_as_it_was_and_found_again(experiment, images):
    before = [np.array(w) for w in experiment.teacher().weights]
    experiment.run("few", "td", 0)
    for a, b in zip(experiment.teacher().weights, before, strict=True):
        np.testing.assert_array_equal(a, b)
    again = ImageExperiment(images, SMALL, experiment.cache_dir).teacher()
    for a, b in zip(again.weights, before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(list(experiment.cache_dir.glob("*.keras"))) == 1


def test_keys_tell_apart_what_differs(experiment, images):
    other = experiment.with_config(replace(SMALL, methods={"td": {"rounds": 1}}))
    assert other.key("few", "td", 0) != experiment.key("few", "td", 0)
    assert other.key("few", "fd", 0) == experiment.key("few", "fd", 0)
    assert other.study == experiment.study
    held_out = ImageExperiment(for_validation(images), SMALL, experiment.cache_dir)
    assert held_out.study != experiment.study


def test_evaluation_images_decide_nothing_but_accuracy(experiment, images, tmp_path):
    """Poisoned evaluation images leave the trained student as it is."""
    write(tmp_path / "train.tfrecord", pictures(40), LABELS)
    write(tmp_path / "test.tfrecord", pictures(30, seed=9), LABELS[:30][::-1])
    poisoned = ImageExperiment(
        load_images(str(tmp_path), CIFAR10), SMALL, tmp_path / "another cache"
    )
    (row, student), (its_row, its) = (e.run("few", "scratch", 1) for e in (experiment, poisoned))
    assert its_row["curve"] == row["curve"]
    for a, b in zip(student.get_weights(), its.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_checkpoint_is_the_teacher_of_any_labels(images, tmp_path):
    path = tmp_path / "small.npz"
    np.savez(path, **npz_weights())
    config = replace(
        SMALL,
        image_size=12,
        cuts={"teacher": (2, 3), "student": (1, 2)},
        optimizer="sgd",
        dtype="mixed_bfloat16",
        vit={},
    )
    experiment = ImageExperiment(images, config, tmp_path, path)
    assert not experiment.knows_labels("few") and not experiment.runs("few", "ld")
    row, student = experiment.run("few", "td", 0)
    assert student.output_shape == (None, 10) and np.isfinite(row["curve"][-1]["loss"])
    assert student.blocks[0].compute_dtype == "bfloat16"
    other = tmp_path / "other.npz"
    np.savez(other, **npz_weights(seed=2))
    assert ImageExperiment(images, config, tmp_path, other).study != experiment.study


def test_learning_rates_rise_and_fall(experiment):
    rate = experiment.distiller(10, "scratch", 0).optimizer._learning_rate
    rates = [float(rate(tf.constant(step))) for step in range(21)]
    assert rates[0] == 0 and max(rates) == pytest.approx(SMALL.learning_rate) == rates[2]
    assert rates[20] == pytest.approx(0, abs=1e-9) and sorted(rates[2:], reverse=True) == rates[2:]
    assert isinstance(rate, keras.optimizers.schedules.CosineDecay)
