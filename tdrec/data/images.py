"""Labelled images from TFRecord files or TensorFlow Datasets, streamed as batches for a ViT."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tdrec.data.error import DataError
from tdrec.data.image_files import (
    check_images,
    decoded_image,
    image_files,
    labels_of,
    lines_of,
    read_images,
)
from tdrec.data.movielens_tfds import check_packages, data_folder
from tdrec.runtime.files import user_path

TFDS_SPLITS = {
    "cifar10": ("train", "test"),
    "cifar100": ("train", "test"),
    "imagenet2012": ("train", "validation"),
}
"""The data sets that are read through TFDS, and the splits to train and to evaluate on."""


@dataclass(frozen=True, eq=False)
class Images:
    """Images with labels, read anew in each pass, and decoded where batches are made.

    Args:
        train: `tf.data.Dataset` of (string [], the bytes of a JPEG or PNG file, int32 []).
        test: The same, to evaluate on.
        n_train: How many there are of the first.
        n_test: How many there are of the second.
        class_names: The classes, in the order of the labels.
        name: What the data are, for reports.
        fingerprint: A hash of what decides the images.
    """

    train: Any
    test: Any
    n_train: int
    n_test: int
    class_names: tuple[str, ...]
    name: str
    fingerprint: str

    @cached_property
    def train_labels(self) -> NDArray[np.int32]:
        """The labels of `train`, in its order; it is read for them."""
        return _only_labels(self.train)

    @cached_property
    def test_labels(self) -> NDArray[np.int32]:
        """The labels of `test`, in its order; it is read for them."""
        return _only_labels(self.test)


def load_images(source: str, class_names: Sequence[str] = (), *, decode: bool = True) -> Images:
    """Finds images, and reads their labels.

    Args:
        source: One of

            - the path of a folder with `train.tfrecord` and `test.tfrecord`, whose records are
              `tf.train.Example`s with an `image`, the bytes of a JPEG or PNG file, and a `label`,
              an integer from 0; a `classes.txt` beside them, in UTF-8, may name the classes, one a
              line. The files may be compressed, or in parts such as
              `train.tfrecord-00000-of-00002`;
            - `"tfds:cifar10"`, `"tfds:cifar100"` or `"tfds:imagenet2012"`, which TensorFlow
              Datasets has prepared on this machine.
        class_names: What the classes are called where a folder has no `classes.txt`. Default:
            their numbers.
        decode: Whether each image of a folder is decoded once, so that one that is damaged is found
            here and not in the middle of training. Default True.

    Returns:
        The images.

    Raises:
        DataError: If a file or the data set is missing, damaged or empty, an image cannot be
            decoded, or labels and names do not fit. The file and the record are named.

    Example:
        >>> images = load_images(image_folder)
        >>> batches = training_batches(images.train, 128, 32, crop="pad")
        >>> pixels, labels = next(iter(batches))
        >>> keras.ops.shape(pixels)
        (128, 32, 32, 3)
    """
    if source.startswith("tfds:"):
        return _load_tfds(source.removeprefix("tfds:"))
    return _load_folder(user_path(source), tuple(class_names), decode)


def check_image_source(source: str) -> None:
    """Finds at once what can be seen without reading images.

    Args:
        source: As for `load_images`.

    Raises:
        DataError: If it is no folder with images, and no data set that is read through TFDS.
    """
    known = ", ".join(f"tfds:{name}" for name in TFDS_SPLITS)
    if source.startswith("tfds:"):
        if source.removeprefix("tfds:") not in TFDS_SPLITS:
            raise DataError(f"The TFDS data set must be one of {known}. Received: {source!r}.")
        return
    for part in ("train", "test"):
        image_files(user_path(source), part)


def training_batches(
    images: Any,
    batch_size: int,
    image_size: int,
    *,
    crop: str = "inception",
    seed: int = 0,
    shuffle_buffer: int = 50_000,
) -> Any:
    """Endless batches to train on: shuffled, cropped and flipped at random.

    Args:
        images: `Images.train`.
        batch_size: Rows a batch.
        image_size: Height and width of what a batch has.
        crop: `"inception"` takes a part of 5 to 100% of the area, with sides of 3:4 to 4:3, and
            resizes it; `"pad"` is for small images: resized, padded with black by an eighth of the
            size on each side, and cropped again.
        seed: Decides order, crops and flips.
        shuffle_buffer: How many images are held, as they are stored, to shuffle among.

    Returns:
        A `tf.data.Dataset` of (float32 [batch, size, size, 3] from -1 to 1, int32 [batch]).

    Raises:
        ValueError: If `crop` is neither.

    Source:
        Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021, appendix B.1; Szegedy et al.,
        "Going Deeper with Convolutions", 2015, section 6, for the crop.
    """
    import tensorflow as tf

    if crop not in _CROPS:
        raise ValueError(f"`crop` must be one of {', '.join(_CROPS)}. Received: {crop!r}.")

    def augment(row: tuple[Any, Any], draw: Any) -> tuple[Any, Any]:
        content, label = row
        first = tf.stack([draw, 0])
        cropped = _CROPS[crop](decoded_image(content), image_size, first)
        flipped = tf.image.stateless_random_flip_left_right(cropped, first + 1)
        return _scaled(flipped), label

    options = tf.data.Options()
    options.deterministic = True
    draws = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True)
    shuffled = images.shuffle(shuffle_buffer, seed=seed, reshuffle_each_iteration=True).repeat()
    rows = tf.data.Dataset.zip(shuffled, draws)
    batches = rows.map(augment, tf.data.AUTOTUNE).batch(batch_size, drop_remainder=True)
    return batches.with_options(options).prefetch(2)


def evaluation_batches(images: Any, batch_size: int, image_size: int) -> Any:
    """Batches to evaluate on: each image once, resized to a square.

    Args:
        images: `Images.test`.
        batch_size: Rows a batch; the last may have fewer.
        image_size: Height and width of what a batch has.

    Returns:
        A `tf.data.Dataset` as `training_batches` gives it, of one pass.
    """
    import tensorflow as tf

    def prepare(content: Any, label: Any) -> tuple[Any, Any]:
        return _scaled(_resized(decoded_image(content), image_size)), label

    return images.map(prepare, tf.data.AUTOTUNE).batch(batch_size).prefetch(2)


def _only_labels(images: Any) -> NDArray[np.int32]:
    batches = images.map(lambda _, label: label).batch(4096)
    return np.concatenate(list(batches.as_numpy_iterator()))


def _scaled(image: Any) -> Any:
    return image / 127.5 - 1.0


def _resized(image: Any, size: int) -> Any:
    import tensorflow as tf

    resized = tf.image.resize(image, (size, size))  # float32, whatever the image has
    return tf.ensure_shape(resized, (size, size, 3))


def _inception_crop(image: Any, size: int, seed: Any) -> Any:
    import tensorflow as tf

    begin, extent, _ = tf.image.stateless_sample_distorted_bounding_box(
        tf.shape(image),
        tf.zeros((0, 0, 4)),
        seed=seed,
        min_object_covered=0.0,
        aspect_ratio_range=(3 / 4, 4 / 3),
        area_range=(0.05, 1.0),
        use_image_if_no_bounding_boxes=True,
    )
    return _resized(tf.slice(image, begin, extent), size)


def _pad_crop(image: Any, size: int, seed: Any) -> Any:
    import tensorflow as tf

    margin = size // 8
    padded = tf.pad(_resized(image, size), [[margin, margin], [margin, margin], [0, 0]])
    return tf.image.stateless_random_crop(padded, (size, size, 3), seed)


_CROPS = {"inception": _inception_crop, "pad": _pad_crop}


def _load_folder(folder: Path, names: tuple[str, ...], decode: bool) -> Images:
    files = [image_files(folder, part) for part in ("train", "test")]
    digest = hashlib.sha256()
    labels: list[list[int]] = []
    for paths in files:
        of_files = []
        for path in paths:
            with path.open("rb") as file:
                hashlib.file_digest(file, lambda: digest)
            of_files.append(labels_of(path))
        labels.append([label for of_file in of_files for label in of_file])
        if not labels[-1]:
            raise DataError(
                f"{paths[0]} must have an image. Received: an empty file. Copy it again."
            )
        if decode:
            check_images(paths, [len(of_file) for of_file in of_files])
    known = set().union(*labels)
    names_file = folder / "classes.txt"
    if names_file.is_file():
        names = lines_of(names_file)
    names = names or tuple(str(label) for label in range(max(known) + 1))
    if twice := sorted({name for name in names if names.count(name) > 1}):
        place = names_file if names_file.is_file() else "class_names"
        raise DataError(
            f"Each class must have a name of its own. Received: {twice[0]!r}, which "
            f"{place} has {names.count(twice[0])} times. Name them apart."
        )
    if min(known) < 0 or max(known) >= len(names):
        raise DataError(
            f"Labels must be from 0 to {len(names) - 1}, one for each of the {len(names)} classes. "
            f"Received: {min(known)} to {max(known)} in {folder}."
        )

    train, test = map(read_images, files)
    return Images(
        train=train,
        test=test,
        n_train=len(labels[0]),
        n_test=len(labels[1]),
        class_names=names,
        name=folder.name,
        fingerprint=digest.hexdigest(),
    )


def _load_tfds(name: str) -> Images:
    check_image_source(f"tfds:{name}")
    check_packages()
    if not any((data_folder() / name).glob("*/dataset_info.json")):
        raise DataError(
            f"TFDS must have prepared {name}. Received: nothing in {data_folder() / name}. Set "
            "TFDS_DATA_DIR to where it is, or prepare it: "
            f'python -c "import tensorflow_datasets as tfds; tfds.load({name!r})"'
        )
    import tensorflow as tf
    import tensorflow_datasets as tfds

    builder = tfds.builder(name, data_dir=str(data_folder()))
    parts = TFDS_SPLITS[name]
    train, test = (
        builder.as_dataset(
            split=part,
            as_supervised=True,
            shuffle_files=False,
            decoders={"image": tfds.decode.SkipDecoding()},
        ).map(lambda content, label: (content, tf.cast(label, tf.int32)))
        for part in parts
    )
    sizes = [builder.info.splits[part].num_examples for part in parts]
    described = f"{builder.info.full_name} {sizes} {builder.info.dataset_size}"
    return Images(
        train=train,
        test=test,
        n_train=sizes[0],
        n_test=sizes[1],
        class_names=tuple(builder.info.features["label"].names),
        name=name,
        fingerprint=hashlib.sha256(described.encode()).hexdigest(),
    )
