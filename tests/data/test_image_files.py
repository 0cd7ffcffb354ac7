"""Tests of files of images as others write them."""

import numpy as np
import pytest
import tensorflow as tf

from tdrec.data import DataError
from tdrec.data.images import check_image_source, load_images
from tiny_images import pictures, write


def small(folder, number=4):
    """A folder of few images, of which the training images are given back as records."""
    write(folder / "train.tfrecord", pictures(number), [i % 2 for i in range(number)])
    write(folder / "test.tfrecord", pictures(2, seed=1), [0, 1])
    dataset = tf.data.TFRecordDataset(str(folder / "train.tfrecord"))
    return list(dataset.as_numpy_iterator())


def write_records(path, records, compression=""):
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for record in records:
            writer.write(record)


def record(content, label=0):
    features = {
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[content])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


@pytest.mark.parametrize(
    "names",
    [
        ["pets-train.tfrecord-00000-of-00002.gz", "pets-train.tfrecord-00001-of-00002.gz"],  # TFDS
        ["train-00000-of-00002.tfrecord", "train-00001-of-00002.tfrecord"],  # Beam
    ],
)
def test_images_in_parts(tmp_path, names):
    records = small(tmp_path)
    expected = list(load_images(str(tmp_path)).train.as_numpy_iterator())
    (tmp_path / "train.tfrecord").unlink()
    kind = "GZIP" if names[0].endswith("gz") else ""
    write_records(tmp_path / names[0], records[:3], kind)
    with pytest.raises(DataError, match=f"parts of the train .* 1 in .*, without {names[1]}. Copy"):
        check_image_source(str(tmp_path))
    write_records(tmp_path / names[1], records[3:], kind)
    check_image_source(str(tmp_path))
    data = load_images(str(tmp_path))
    assert data.n_train == 4 and list(data.train_labels) == [0, 1, 0, 1]
    assert list(data.train.as_numpy_iterator()) == expected
    write_records(tmp_path / f"other-{names[0]}", records[:1])
    with pytest.raises(DataError, match="must be one file, or parts of one. Received: "):
        load_images(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"<html>404</html>", "b'<html>404</html>', 16 bytes"),
        (tf.io.encode_png(pictures(1)[0]).numpy()[:-20], r"b'.x89PNG.*'\.\.\., 2\d\d bytes"),
        (tf.io.encode_jpeg(pictures(1)[0]).numpy()[:-30], r"b'.xff.*'\.\.\., \d+ bytes"),
        (
            b"RIFF\x1a\0\0\0WEBPVP8L\r\0\0\0\x2f\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0",
            "b'RIFF",
        ),
    ],
)
def test_an_image_that_cannot_be_decoded_is_named(tmp_path, content, shown):
    records = small(tmp_path)
    records[2:2] = [record(content)] * 2
    write_records(tmp_path / "train.tfrecord", records)
    rule = rf"Received: {shown}.* in .*train.tfrecord, record 2 counted from 0; 2 of 6 images"
    with pytest.raises(DataError, match=rule):
        load_images(str(tmp_path))


def test_an_image_that_cannot_be_decoded_is_found_in_its_part(tmp_path):
    records = small(tmp_path)
    (tmp_path / "train.tfrecord").unlink()
    for i, some in enumerate((records[:1], [], [*records[1:], record(b"")])):
        write_records(tmp_path / f"train.tfrecord-{i}-of-3", some)
    with pytest.raises(
        DataError, match="b'', 0 bytes, in .*ord-2-of-3, record 3 .*; 1 of 5 images"
    ):
        load_images(str(tmp_path))
    assert load_images(str(tmp_path), decode=False).n_train == 5


def test_images_of_each_kind_that_tensorflow_reads(tmp_path):
    image = pictures(1)[0]
    grey = tf.io.encode_png(image[..., :1]).numpy()
    deep = tf.io.encode_png(image.astype(np.uint16) * 257).numpy()
    clear = tf.io.encode_png(np.concatenate([image, image[..., :1]], axis=-1)).numpy()
    contents = [tf.io.encode_jpeg(image).numpy(), grey, deep, clear]
    for part in ("train", "test"):
        write_records(tmp_path / f"{part}.tfrecord", map(record, contents))
    assert load_images(str(tmp_path)).n_train == 4


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"\xef\xbb\xbfcat\r\ndog\r\n", ("cat", "dog")),
        (b"cat\rdog", ("cat", "dog")),
        (" кот \n\nпёс\x85\u2028\n".encode(), ("кот", "пёс")),
    ],
)
def test_class_names_as_editors_write_them(tmp_path, content, names):
    small(tmp_path)
    (tmp_path / "classes.txt").write_bytes(content)
    assert load_images(str(tmp_path)).class_names == names


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "chat\nchién\n".encode("latin-1"),
            "UTF-8 .* 0xe9 in line 2.*iconv -f LATIN1 .*classes.txt",
        ),
        ("cat\ndog\n".encode("utf-16"), "looks like UTF-16. Convert it: iconv .*classes.txt"),
        ("кот\nпёс\n".encode("utf-16-le"), "looks like UTF-16. Convert it: iconv .*classes.txt"),
        (b"cat\ndog\ncat \n", "name of its own. Received: 'cat', which .*classes.txt has 2 times"),
        (b"\n", "classes.txt must have at least one row"),
    ],
)
def test_class_names_that_are_refused(tmp_path, content, message):
    small(tmp_path)
    (tmp_path / "classes.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_images(str(tmp_path))


def test_class_names_that_are_given_twice(tmp_path):
    small(tmp_path)
    with pytest.raises(DataError, match="Received: 'a', which class_names has 3 times"):
        load_images(str(tmp_path), ["a", "b", "a", "a"])
