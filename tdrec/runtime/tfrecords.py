"""TFRecord files as others write them: compressed or not, whole or in numbered parts."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

_PART = re.compile(r"-(\d+)-of-(\d+)")


def read_records(files: Sequence[Path]) -> tf.data.Dataset:
    """The records of files, one file after the other, whatever each is compressed with.

    Args:
        files: TFRecord files, plain, GZIP or ZLIB. Their names need not say which.

    Returns:
        A `tf.data.Dataset` of bytes.

    Raises:
        tf.errors.DataLossError: If a GZIP file was cut short; TensorFlow would read what is left of
            it. What else is damaged is met where it is read, as the same error.
    """
    import tensorflow as tf

    kinds = [_compression(str(file)) for file in files]
    for file, kind in zip(files, kinds, strict=True):
        if kind == "GZIP":
            _check_gzip(file)
    named = tf.data.Dataset.from_tensor_slices(([str(file) for file in files], kinds))
    return named.flat_map(tf.data.TFRecordDataset)


def missing_parts(names: Iterable[str]) -> list[str]:
    """Parts that are not there, by the names of those that are.

    Args:
        names: Of files, such as `scores.tfrecord-00000-of-00002`.

    Returns:
        The names of the others, sorted. Names without such numbers have none.

    Example:
        >>> missing_parts(["scores.tfrecord-00000-of-00002", "more.tfrecord"])
        ['scores.tfrecord-00001-of-00002']
    """
    present = set(names)
    wanted = set()
    for name in present:
        if found := _PART.search(name):
            number, of = found.groups()
            before, after = name[: found.start()], name[found.end() :]
            wanted |= {f"{before}-{i:0{len(number)}}-of-{of}{after}" for i in range(int(of))}
    return sorted(wanted - present)


def without_part(name: str) -> str:
    """What the parts of one set of files have in common.

    Args:
        name: Of a file.

    Returns:
        The name without its numbers.

    Example:
        >>> without_part("scores.tfrecord-00000-of-00002")
        'scores.tfrecord'
    """
    return _PART.sub("", name)


def _check_gzip(file: Path) -> None:
    import tensorflow as tf

    try:
        with gzip.open(file) as content:
            while content.read(2**20):
                pass
    except (EOFError, OSError, zlib.error) as error:
        raise tf.errors.DataLossError(None, None, str(error)) from error


def _compression(file: str) -> str:
    """How the file is compressed: its first record can be read in one way only.

    The first bytes do not tell, since they are the length of a record where nothing is compressed.
    """
    import tensorflow as tf

    for kind in ("", "GZIP", "ZLIB"):
        try:
            list(tf.data.TFRecordDataset(file, kind).take(1))
        except tf.errors.DataLossError:
            continue
        return kind
    return ""  # damaged: whoever reads it is told so
