import os
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tdrec.data import DataError
from tdrec.data.images import (
    evaluation_batches,
    load_images,
    training_batches,
)
from tdrec.data.movielens_tfds import missing_packages
from tiny_images import SIZE, pictures, write

CIFAR = Path(os.environ.get("TDREC_DATA") or "nowhere").resolve().parents[1] / "cifar10"


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "train.tfrecord", pictures(12), [i % 3 for i in range(12)])
    write(tmp_path / "test.tfrecord", pictures(5, seed=1), [2, 0, 1, 1, 0])
    return tmp_path


def test_a_folder_is_read_as_it_was_written(folder):
    data = load_images(str(folder))
    assert (data.n_train, data.n_test, data.class_names) == (12, 5, ("0", "1", "2"))
    contents, labels = zip(*data.test.as_numpy_iterator(), strict=True)
    np.testing.assert_array_equal(
        [tf.io.decode_png(content) for content in contents], pictures(5, seed=1)
    )
    assert list(labels) == [2, 0, 1, 1, 0] and labels[0].dtype == np.int32
    np.testing.assert_array_equal(data.test_labels, labels)
    assert list(data.train_labels) == [i % 3 for i in range(12)]
    (folder / "classes.txt").write_text("cat\ndog\nowl\n")
    named = load_images(str(folder))
    assert named.class_names == ("cat", "dog", "owl")
    assert named.fingerprint == data.fingerprint
    write(folder / "test.tfrecord", pictures(5, seed=2), [2, 0, 1, 1, 0])
    assert load_images(str(folder)).fingerprint != data.fingerprint


def test_evaluation_batches_are_all_images_from_minus_one_to_one(folder):
    data = load_images(str(folder))
    batches = list(evaluation_batches(data.test, 2, SIZE).as_numpy_iterator())
    assert [len(labels) for _, labels in batches] == [2, 2, 1]
    images = np.concatenate([images for images, _ in batches])
    np.testing.assert_allclose(images, pictures(5, seed=1) / 127.5 - 1, atol=1e-6)
    assert images.dtype == np.float32
    (larger, _) = next(evaluation_batches(data.test, 2, 2 * SIZE).as_numpy_iterator())
    assert larger.shape == (2, 2 * SIZE, 2 * SIZE, 3)


def windows(image, margin):
    """All that padding, cropping and flipping can make of an image."""
    padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)))
    size = len(image)
    for y in range(2 * margin + 1):
        for x in range(2 * margin + 1):
            part = padded[y : y + size, x : x + size]
            yield from (part, part[:, ::-1])


def test_small_images_are_padded_cropped_and_flipped(folder):
    data = load_images(str(folder))
    expected = {}
    for image, label in zip(pictures(12), [i % 3 for i in range(12)], strict=True):
        for window in windows(image, SIZE // 8):
            expected[window.tobytes()] = label
    seen = set()
    for images, labels in islice(training_batches(data.train, 6, SIZE, crop="pad"), 20):
        shown = np.round((images.numpy() + 1) * 127.5).astype(np.uint8)
        for image, label in zip(shown, labels.numpy(), strict=True):
            assert expected[image.tobytes()] == label
            seen.add(image.tobytes())
    # 120 of 12 * 9 * 2 ways: were crop or flip or order not random, there would be far fewer.
    assert len(seen) > 60


def test_each_pass_has_every_image_in_another_order(folder):
    write(folder / "train.tfrecord", pictures(12), range(12))
    data = load_images(str(folder))
    orders = [
        tuple(np.concatenate([labels for _, labels in islice(batches, 4)]))
        for batches in [iter(training_batches(data.train, 3, SIZE, crop="pad").as_numpy_iterator())]
        for _ in range(3)
    ]
    assert all(sorted(order) == list(range(12)) for order in orders)
    assert len(set(orders)) == 3


@pytest.mark.parametrize("crop", ["inception", "pad"])
def test_a_seed_gives_the_same_batches(folder, crop):
    data = load_images(str(folder))

    def batches(seed):
        dataset = training_batches(data.train, 4, SIZE, crop=crop, seed=seed)
        return np.stack([images for images, _ in islice(dataset.as_numpy_iterator(), 4)])

    first = batches(1)
    np.testing.assert_array_equal(first, batches(1))
    assert np.abs(first - batches(2)).max() > 0.1
    assert first.min() >= -1 and first.max() <= 1 and first.shape == (4, 4, SIZE, SIZE, 3)


def test_the_inception_crop_is_a_part_of_the_image(tmp_path):
    # Brightness says where a pixel was: left to right in one channel, top to bottom in another.
    side = np.arange(64, dtype=np.uint8) * 4
    image = np.stack([*np.meshgrid(side, side), np.zeros((64, 64), np.uint8)], axis=-1)
    for part in ("train", "test"):
        write(tmp_path / f"{part}.tfrecord", [image] * 8, [0] * 8)
    data = load_images(str(tmp_path))
    areas, ratios = [], []
    for images, _ in islice(training_batches(data.train, 8, 32).as_numpy_iterator(), 25):
        places = (images + 1) * 127.5 / 4
        for x, y in zip(places[..., 0], places[..., 1], strict=True):
            width, height = (abs(a) * 32 / 31 for a in (x[0, -1] - x[0, 0], y[-1, 0] - y[0, 0]))
            areas.append(width * height / 64**2)
            ratios.append(width / height)
    assert 0.02 < min(areas) < 0.2 and 0.8 < max(areas) <= 1.05
    assert 0.6 < min(ratios) < 0.85 and 1.15 < max(ratios) < 1.65


def test_an_unknown_crop_is_refused(folder):
    with pytest.raises(ValueError, match="one of inception, pad. Received: 'center'"):
        training_batches(load_images(str(folder)).train, 2, SIZE, crop="center")


def test_what_is_missing_or_damaged_is_named(folder):
    content = (folder / "train.tfrecord").read_bytes()
    (folder / "train.tfrecord").write_bytes(content[:-5])
    with pytest.raises(DataError, match=r"train\.tfrecord must hold tf\.train\.Examples"):
        load_images(str(folder))
    (folder / "train.tfrecord").write_bytes(b"")
    with pytest.raises(DataError, match=r"train\.tfrecord must have an image"):
        load_images(str(folder))
    (folder / "train.tfrecord").unlink()
    with pytest.raises(DataError, match=r"Received: no .*train\.tfrecord"):
        load_images(str(folder))


def test_labels_without_a_name_are_refused(folder):
    (folder / "classes.txt").write_text("cat\ndog\n")
    with pytest.raises(DataError, match="from 0 to 1, one for each of the 2 classes.*0 to 2"):
        load_images(str(folder))


@pytest.mark.skipif(bool(missing_packages()), reason="TensorFlow Datasets is missing")
def test_tfds(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(DataError, match="must have prepared cifar10.*tfds.load"):
        load_images("tfds:cifar10")
    with pytest.raises(DataError, match="one of tfds:cifar10, tfds:cifar100, tfds:imagenet2012"):
        load_images("tfds:mnist")
    import tensorflow_datasets as tfds

    info = tfds.builder("cifar10", data_dir=str(tmp_path)).info
    names = [f"class {i}" for i in range(10)]
    features = {**info.features, "label": tfds.features.ClassLabel(names=names)}
    rows = {
        part: [
            {"id": f"{part}_{i}", "image": image, "label": i % 10}
            for i, image in enumerate(pictures(n, 32, seed))
        ]
        for part, n, seed in (("train", 6, 3), ("test", 4, 4))
    }
    tfds.dataset_builders.store_as_tfds_dataset(
        name="cifar10",
        version=str(info.version),
        features=tfds.features.FeaturesDict(features),
        split_datasets={part: list(enumerate(examples)) for part, examples in rows.items()},
        data_dir=str(tmp_path),
    )
    data = load_images("tfds:cifar10")
    assert (data.n_train, data.n_test) == (6, 4)
    assert data.class_names == tuple(names)
    found = {
        tf.io.decode_png(content).numpy().tobytes(): label
        for content, label in data.test.as_numpy_iterator()
    }
    assert found == {row["image"].tobytes(): row["label"] for row in rows["test"]}


@pytest.mark.skipif(not CIFAR.is_dir(), reason="CIFAR-10 is not beside the data of TDREC_DATA")
def test_real_cifar_10():
    data = load_images(str(CIFAR))
    assert (data.n_train, data.n_test, len(data.class_names)) == (50_000, 10_000, 10)
    images, labels = next(iter(training_batches(data.train, 64, 32, crop="pad", shuffle_buffer=64)))
    assert images.shape == (64, 32, 32, 3) and set(labels.numpy()) <= set(range(10))
