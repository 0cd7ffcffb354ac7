"""Files of targets are bounded in size, and anybody can read them."""

import json

import numpy as np
import pandas as pd

from tdrec.distill.target_files import DataHash, Manifest, ShardWriter, read_shard


def written(folder, *batches):
    writer = ShardWriter(folder, manifest := Manifest("teacher", ["low"], {}))
    for number, batch in enumerate(batches):
        writer.add(batch, number)
    writer.write()
    return manifest


def test_files_are_bounded_by_the_size_of_rows(tmp_path):
    wide = {"low": np.arange(2**22, dtype="float32").reshape(8, -1)}  # rows of 2 MiB, 16 a file
    manifest = written(tmp_path, *[wide] * 5)
    assert [rows for rows, _ in manifest.shards.values()] == [16, 16, 8]
    assert manifest.row_bytes == 2**21
    assert [tmp_path / name for name in manifest.shards] == sorted(tmp_path.iterdir())
    last = read_shard(tmp_path / list(manifest.shards)[-1], {"low": wide["low"].shape[1:]})
    np.testing.assert_array_equal(last["low"], wide["low"])


def test_pandas_reads_them(tmp_path):
    columns = {
        "x['user']": np.array([b"a", b"\xd0\xb6"], object),
        "target.low": np.ones((2, 3), "float16"),
    }
    manifest = written(tmp_path, columns)
    frame = pd.read_parquet(tmp_path / next(iter(manifest.shards)))
    assert frame["x['user']"].tolist() == columns["x['user']"].tolist()
    assert frame["target.low"][1].tolist() == [1, 1, 1]
    assert json.loads(json.dumps(manifest.columns)) == manifest.columns


def hashed(*batches):
    data = DataHash()
    for batch in batches:
        data.add(batch)
    return data.hexdigest()


def test_rows_are_known_whatever_batches_they_come_in():
    x, y = np.arange(12).reshape(6, 2), np.array(["a", "bc", "d", "", "e", "f"], object)
    known = hashed((x, y))
    assert hashed((x[:2], y[:2]), (x[2:], y[2:])) == known
    assert hashed((x, y.astype(str))) == hashed((x, np.array([s.encode() for s in y]))) == known
    for other in (
        (x.astype("int32"), y),
        (x[::-1], y),
        (x, y[::-1]),
        (y, x),
        (x.reshape(6, 2, 1), y),
    ):
        assert hashed(other) != known
    assert hashed((x, np.array(["ab", "c", "d", "", "e", "f"], object))) != known
