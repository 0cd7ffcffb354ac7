"""Files of labelled images: which they are, whether they are sound, and what is in them."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tdrec.data.error import DataError
from tdrec.data.raw_text import checked_bytes, decoded
from tdrec.runtime.tfrecords import missing_parts, read_records, without_part


def image_files(folder: Path, part: str) -> list[Path]:
    """The file of training or test images, or the files that it is in parts of.

    Args:
        folder: Where they are.
        part: "train" or "test".

    Returns:
        `train.tfrecord`; where there is none, the parts, such as `train.tfrecord-00000-of-00002`.

    Raises:
        DataError: If there are none, some are missing, or they are of several data sets.
    """
    whole = folder / f"{part}.tfrecord"
    if whole.is_file():
        return [whole]
    parts = re.compile(rf"(.+[-_.])?{part}(-\d+-of-\d+)?\.tfrecords?(-\d+-of-\d+)?(\.gz)?")
    found = sorted(p for p in folder.glob("*") if parts.fullmatch(p.name) and p.is_file())
    if not found:
        raise DataError(
            f"A folder of images must have train.tfrecord and test.tfrecord. Received: no "
            f"{whole}. Give another folder, or a data set of TFDS, such as tfds:cifar10."
        )
    names = [path.name for path in found]
    if len({without_part(name) for name in names}) > 1:
        raise DataError(
            f"The {part} images must be one file, or parts of one. Received: {', '.join(names)} in "
            f"{folder}. Move those of other images elsewhere."
        )
    if missing := missing_parts(names):
        raise DataError(
            f"All parts of the {part} images must be there. Received: {len(names)} in {folder}, "
            f"without {missing[0]}. Copy the folder again."
        )
    return found


def read_images(files: Sequence[Path]) -> Any:
    """The images of files, one file after the other.

    Args:
        files: TFRecord files of `tf.train.Example`s with an `image` and a `label`.

    Returns:
        A `tf.data.Dataset` of (string [], int32 []).
    """
    import tensorflow as tf

    def parse(records: Any) -> tuple[Any, Any]:
        examples = tf.io.parse_example(records, _features())
        return examples["image"], tf.cast(examples["label"], tf.int32)

    return _records(files).map(parse, tf.data.AUTOTUNE).unbatch()


def labels_of(file: Path) -> list[int]:
    """The labels of a file's images, in its order.

    Args:
        file: As `read_images` takes it.

    Raises:
        DataError: If the file is damaged, or its records are something else.
    """
    import tensorflow as tf

    found: list[int] = []
    try:
        for records in _records([file]):
            found += tf.io.parse_example(records, _features())["label"].numpy().tolist()
    except tf.errors.OpError as error:
        raise DataError(
            f"{file} must hold tf.train.Examples with `image` and `label`. "
            f"Received: {str(error.message).splitlines()[0]}. Write or copy it again."
        ) from error
    return found


def check_images(files: Sequence[Path], counts: Sequence[int]) -> None:
    """Decodes each image once.

    Args:
        files: As `read_images` takes them.
        counts: How many images there are in each.

    Raises:
        DataError: If one cannot be decoded; its file and record are named.
    """
    import tensorflow as tf

    def height(number: Any, row: tuple[Any, Any]) -> tuple[Any, Any]:
        return number, tf.shape(decoded_image(row[0]))[0]

    sound = read_images(files).enumerate().map(height, tf.data.AUTOTUNE).ignore_errors()
    whole = np.zeros(sum(counts), np.bool_)
    for numbers, _ in sound.batch(4096).as_numpy_iterator():
        whole[numbers] = True
    if whole.all():
        return
    first = int(np.flatnonzero(~whole)[0])
    ends = np.cumsum(counts)
    file = int(np.searchsorted(ends, first, side="right"))
    content, _ = next(read_images(files).skip(first).as_numpy_iterator())
    raise DataError(
        f"Every image must be a whole JPEG, PNG, GIF or BMP file. Received: {content[:24]!r}"
        f"{'...' if len(content) > 24 else ''}, {len(content)} bytes, in {files[file]}, record "
        f"{first - int(ends[file]) + counts[file]} counted from 0; {int((~whole).sum())} of "
        f"{len(whole)} images cannot be decoded. Write the file without them, or copy it again."
    )


def decoded_image(content: Any) -> Any:
    """The pixels of an image.

    Args:
        content: The bytes of a JPEG, PNG, GIF or BMP file, string [].

    Returns:
        uint8 [height, width, 3]; the first picture of an animation.
    """
    import tensorflow as tf

    image = tf.io.decode_image(content, channels=3, expand_animations=False)
    return tf.ensure_shape(image, (None, None, 3))


def lines_of(file: Path) -> tuple[str, ...]:
    """The lines of a text that are not blank, such as the names of classes.

    Args:
        file: A text in UTF-8, with or without the mark that some editors put before it.

    Raises:
        DataError: If it is empty or in another encoding.
    """
    text = decoded(checked_bytes(file.read_bytes(), str(file)), str(file), "utf-8")
    return tuple(line.strip() for line in io.StringIO(text, newline=None) if line.strip())


def _features() -> dict[str, Any]:
    import tensorflow as tf

    return {
        "image": tf.io.FixedLenFeature((), tf.string),
        "label": tf.io.FixedLenFeature((), tf.int64),
    }


def _records(files: Sequence[Path]) -> Any:
    """Records by the thousand: parsed one by one they take ten times as long."""
    return read_records(files).batch(1024)
