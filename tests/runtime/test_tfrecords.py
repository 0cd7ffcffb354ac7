"""Tests of TFRecord files as others write them."""

import gzip

import pytest
import tensorflow as tf

from tdrec.runtime.tfrecords import missing_parts, read_records, without_part


def write(path, records, compression=""):
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for record in records:
            writer.write(record)
    return path


@pytest.mark.parametrize("size", [3, 0x8B1F, 0x9C78])  # whose lengths begin as GZIP and ZLIB do
def test_records_are_read_however_they_are_compressed(tmp_path, size):
    kinds = ("", "GZIP", "ZLIB", "GZIP")
    files = [
        write(tmp_path / f"{i}", [bytes([i]) * size, b"end"], kind) for i, kind in enumerate(kinds)
    ]
    files.insert(1, write(tmp_path / "none", []))
    files.insert(1, write(tmp_path / "none.gz", [], "GZIP"))
    expected = [record for i in range(4) for record in (bytes([i]) * size, b"end")]
    assert list(read_records(files).as_numpy_iterator()) == expected


def test_a_file_that_was_compressed_afterwards(tmp_path):
    path = write(tmp_path / "x.tfrecord", [b"a", b"b"])
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert list(read_records([path]).as_numpy_iterator()) == [b"a", b"b"]


@pytest.mark.parametrize("kind", ["", "GZIP"])
def test_what_is_damaged_is_met_where_it_is_read(tmp_path, kind):
    path = write(tmp_path / "x", [bytes(range(256)), b"b" * 99], kind)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(tf.errors.DataLossError):
        list(read_records([path]))
    path.write_bytes(b"text and no records at all")
    with pytest.raises(tf.errors.DataLossError, match="corrupted record at 0"):
        list(read_records([path]))


def test_parts_are_known_by_their_names():
    names = ["a-00000-of-00003.gz", "a-00002-of-00003.gz", "b.tfrecord", "c-1-of-2"]
    assert missing_parts(names) == ["a-00001-of-00003.gz", "c-0-of-2"]
    assert missing_parts(["x-00000-of-00001"]) == []
    assert [without_part(name) for name in names] == ["a.gz", "a.gz", "b.tfrecord", "c"]
