import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from tdrec.teachers.column_files import read_columns, write_columns

COLUMNS = {
    "user": np.array([7, 2**60, -3, 0]),
    "movie": np.array(["a", "ж", "", "a b"], object),
    "score": np.array([0.5, -1.25, 3.0, 1e30], "float32"),
    "state": np.arange(12, dtype="float32").reshape(4, 3) / 7,
}
SUFFIXES = (".parquet", ".tfrecord")


def decoded(values):
    return [v.decode() if isinstance(v, bytes) else v for v in values.tolist()]


def write_records(path, records):
    """Each record a dict of lists."""
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            feature = {}
            for name, values in record.items():
                if isinstance(values[0], bytes):
                    feature[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
                elif isinstance(values[0], int):
                    feature[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=values))
                else:
                    feature[name] = tf.train.Feature(float_list=tf.train.FloatList(value=values))
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_was_written_is_read(tmp_path, suffix):
    path = tmp_path / "made" / f"table{suffix}"
    write_columns(path, COLUMNS)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    found = read_columns(path, ["state", "user", "movie", "score"])
    assert list(found) == ["state", "user", "movie", "score"]
    assert decoded(found["movie"]) == COLUMNS["movie"].tolist()
    for name in ("user", "score", "state"):
        assert found[name].dtype == COLUMNS[name].dtype
        np.testing.assert_array_equal(found[name], COLUMNS[name])
    assert list(read_columns(path, ["score"])) == ["score"]


def test_parquet_is_what_others_read(tmp_path):
    write_columns(tmp_path / "t.parquet", COLUMNS)
    table = pq.read_table(tmp_path / "t.parquet")
    assert table.schema.field("state").type == pa.list_(pa.float32(), 3)
    assert table.column("movie").to_pylist() == COLUMNS["movie"].tolist()
    np.testing.assert_array_equal(table.column("state").to_pylist(), COLUMNS["state"])


def test_tfrecord_is_what_others_read(tmp_path):
    write_columns(tmp_path / "t.tfrecord", COLUMNS)
    record = next(iter(tf.data.TFRecordDataset(str(tmp_path / "t.tfrecord")).skip(1)))
    spec = {
        "user": tf.io.FixedLenFeature([], tf.int64),
        "movie": tf.io.FixedLenFeature([], tf.string),
        "state": tf.io.FixedLenFeature([3], tf.float32),
    }
    found = tf.io.parse_single_example(record, spec)
    assert found["user"] == 2**60
    assert found["movie"].numpy().decode() == "ж"
    np.testing.assert_array_equal(found["state"], COLUMNS["state"][1])


def test_parquet_of_other_writers(tmp_path):
    lists = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    chunks = pa.chunked_array([pa.array(lists[:1]), pa.array(lists[1:])])
    table = pa.table(
        {
            "variable": chunks,
            "large": pa.array(lists, pa.large_list(pa.float64())),
            "nested": pa.array([lists, lists, lists]),
            "words": pa.array(["b", "a", "b"]).dictionary_encode(),
            "bytes": pa.array([b"x", b"y", b"z"]),
            "half": pa.array(np.arange(3, dtype="float16")),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=2)
    found = read_columns(tmp_path / "t.parquet", table.column_names)
    np.testing.assert_array_equal(found["variable"], lists)
    np.testing.assert_array_equal(found["large"], lists)
    np.testing.assert_array_equal(found["nested"], [lists, lists, lists])
    assert found["words"].tolist() == ["b", "a", "b"]
    assert found["bytes"].tolist() == [b"x", b"y", b"z"]
    assert found["half"].tolist() == [0, 1, 2]


def test_states_of_several_axes_go_into_parquet(tmp_path):
    states = np.arange(24, dtype="float32").reshape(2, 3, 4)
    write_columns(tmp_path / "t.parquet", {"state": states})
    np.testing.assert_array_equal(read_columns(tmp_path / "t.parquet", ["state"])["state"], states)
    with pytest.raises(ValueError, match=r"flat lists. Received: the column 'state' of shape \(2"):
        write_columns(tmp_path / "t.tfrecord", {"state": states})
    assert [file.name for file in tmp_path.iterdir()] == ["t.parquet"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_of_a_folder_are_read_in_order(tmp_path, suffix):
    for i in (2, 0, 1):
        write_columns(tmp_path / f"part-{i}{suffix}", {"row": np.array([2 * i, 2 * i + 1])})
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / f".part-9{suffix}").write_text("of a writer that was killed")
    assert read_columns(tmp_path, ["row"])["row"].tolist() == [0, 1, 2, 3, 4, 5]
    write_columns(tmp_path / f"part-3{suffix}", {"row": np.zeros((2, 4), "int64")})
    with pytest.raises(ValueError, match=r"equally long in every file. Received: shapes \[\(\), "):
        read_columns(tmp_path, ["row"])


def test_many_records_are_read_in_order(tmp_path):
    rows = np.arange(10_000)
    write_columns(tmp_path / "t.tfrecord", {"row": rows, "two": np.stack([rows, -rows], 1)})
    found = read_columns(tmp_path / "t.tfrecord", ["row", "two"])
    np.testing.assert_array_equal(found["row"], rows)
    np.testing.assert_array_equal(found["two"][:, 1], -rows)


# What is refused


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="Received: '.*t.parquet', where there is nothing"):
        read_columns(tmp_path / "t.parquet", ["row"])
    with pytest.raises(ValueError, match="Received: neither in "):
        read_columns(tmp_path, ["row"])
    for suffix in SUFFIXES:
        write_columns(tmp_path / f"t{suffix}", {"row": np.arange(2)})
    with pytest.raises(ValueError, match="Received: both in "):
        read_columns(tmp_path, ["row"])


def test_another_suffix(tmp_path):
    (tmp_path / "t.csv").write_text("row\n1\n")
    with pytest.raises(ValueError, match=r"ending in .parquet or .tfrecord. Received: '.*t.csv'"):
        read_columns(tmp_path / "t.csv", ["row"])
    with pytest.raises(ValueError, match=r"Received: '.*t.npz'"):
        write_columns(tmp_path / "t.npz", {"row": np.arange(2)})


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_unknown_column(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    write_columns(path, {"score": np.zeros(2), "user": np.arange(2)})
    with pytest.raises(ValueError, match=r"no 'movie', 'stars'; its columns are: 'score', 'user'"):
        read_columns(path, ["user", "movie", "stars"])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damaged_file(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    write_columns(path, {"row": np.arange(100)})
    content = path.read_bytes()
    for damaged in (content[:-3], b"text and no records at all"):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="must be whole.* which cannot be read: .*Write it"):
            read_columns(path, ["row"])


def test_records_that_are_no_examples(tmp_path):
    path = tmp_path / "t.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b"\xff\xff\xfftext")
    with pytest.raises(ValueError, match=r"each record a tf.train.Example"):
        read_columns(path, ["row"])
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="must have a row. Received: '.*', which is empty"):
        read_columns(path, ["row"])


def test_lists_of_unequal_lengths(tmp_path):
    lists = [[1.0, 2.0], [3.0, 4.0], [5.0], [6.0]]
    rule = "Received: 2 of 4 that differ from the first, of 2; the first of them is row 2, of 1"
    pq.write_table(pa.table({"state": lists}), tmp_path / "t.parquet")
    write_records(tmp_path / "t.tfrecord", [{"state": values} for values in lists])
    for suffix in SUFFIXES:
        with pytest.raises(ValueError, match=rule):
            read_columns(tmp_path / f"t{suffix}", ["state"])


def test_empty_entries(tmp_path):
    table = {"score": [1.0, None, None], "state": [[1.0, 2.0], [3.0, 4.0], [5.0, None]]}
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    with pytest.raises(
        ValueError, match="no empty entries. Received: 2 of 3; the first is in row 1"
    ):
        read_columns(tmp_path / "t.parquet", ["score"])
    with pytest.raises(ValueError, match="Received: 1 of 6; the first is in row 2"):
        read_columns(tmp_path / "t.parquet", ["state"])
    write_records(tmp_path / "t.tfrecord", [{"user": [1], "score": [1.0]}, {"user": [2]}])
    with pytest.raises(ValueError, match="1 of 2 that differ from the first, of 1; the .* of 0"):
        read_columns(tmp_path / "t.tfrecord", ["user", "score"])


def test_records_of_different_kinds(tmp_path):
    write_records(tmp_path / "t.tfrecord", [{"user": [1]}, {"user": [b"ann"]}])
    with pytest.raises(ValueError, match=r"features of the same kinds. Received: .* Data types"):
        read_columns(tmp_path / "t.tfrecord", ["user"])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_old_file_stays_when_writing_fails(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    write_columns(path, {"row": np.arange(2)})
    with pytest.raises((TypeError, ValueError, AttributeError)):
        write_columns(path, {"row": np.array([1, 2]), "bad": np.array([1, "a"], object)})
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert read_columns(path, ["row"])["row"].tolist() == [0, 1]


# Files as others write them


def test_sharded_and_compressed_records(tmp_path):
    rows = np.arange(5)
    write_columns(tmp_path / "t.tfrecord", {"row": rows, "state": np.stack([rows, rows / 4], 1)})
    records = [bytes(r.numpy()) for r in tf.data.TFRecordDataset(str(tmp_path / "t.tfrecord"))]
    (tmp_path / "t.tfrecord").unlink()
    parts = [tmp_path / f"t.tfrecord-0000{i}-of-00003" for i in range(3)]
    for part, some, kind in zip(
        parts, (records[:3], [], records[3:]), ("", "GZIP", "GZIP"), strict=True
    ):
        with tf.io.TFRecordWriter(str(part), kind) as writer:
            for record in some:
                writer.write(record)
    found = read_columns(tmp_path, ["row", "state"])
    assert found["row"].tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(found["state"], [[i, i / 4] for i in range(5)])
    assert read_columns(parts[2], ["row"])["row"].tolist() == [3, 4]
    with pytest.raises(
        ValueError, match="must have a row. Received: '.*-00001-of-00003', which is"
    ):
        read_columns(parts[1], ["row"])


def test_folders_of_hive(tmp_path):
    frame = pd.DataFrame(
        {"year": [2, 1, 2], "genre": ["War", "Sci Fi", "Été"], "score": [0.5, 1.5, 2.5]}
    )
    frame.to_parquet(tmp_path / "t", partition_cols=["year", "genre"])
    found = read_columns(tmp_path / "t", ["genre", "score", "year"])
    rows = sorted(zip(found["genre"], found["score"], found["year"], strict=True))
    assert rows == [("Sci Fi", 1.5, 1), ("War", 0.5, 2), ("Été", 2.5, 2)]
    assert sorted(read_columns(tmp_path / "t", ["score"])["score"]) == [0.5, 1.5, 2.5]
    with pytest.raises(ValueError, match="Received: no 'user'; its columns are: 'score'"):
        read_columns(tmp_path / "t", ["user", "genre"])


def test_folders_of_hive_that_cannot_be_read(tmp_path):
    frame = pd.DataFrame({"genre": ["War", None], "score": [0.5, 1.5]})
    pq.write_to_dataset(pa.Table.from_pandas(frame), tmp_path / "t", partition_cols=["genre"])
    with pytest.raises(ValueError, match="'genre' in '.*DEFAULT.*' must have no empty entries"):
        read_columns(tmp_path / "t", ["genre"])
    (tmp_path / "clash" / "genre=War").mkdir(parents=True)
    pq.write_table(pa.table({"genre": [1]}), tmp_path / "clash" / "genre=War" / "a.parquet")
    with pytest.raises(
        ValueError, match="columns have other names. .*genre has incompatible types"
    ):
        read_columns(tmp_path / "clash", ["genre"])


def test_parts_without_rows_are_passed_over(tmp_path):
    full = pd.DataFrame({"user": ["a", "b"], "state": [[1.0, 2.0], [3.0, 4.0]], "x": [1, 2]})
    full.to_parquet(tmp_path / "part-1.parquet")
    full[:0].to_parquet(tmp_path / "part-0.parquet")  # pandas knows no type of strings and lists
    typed = pa.Table.from_pandas(full, preserve_index=False).schema.empty_table()
    pq.write_table(typed, tmp_path / "part-2.parquet")
    found = read_columns(tmp_path, ["user", "state", "x"])
    assert found["user"].tolist() == ["a", "b"]
    assert found["state"].tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert found["x"].dtype == "int64"
    (tmp_path / "part-1.parquet").unlink()
    with pytest.raises(
        ValueError, match="must have a row. Received: '.*', which is empty. Write it"
    ):
        read_columns(tmp_path, ["user", "state", "x"])


@pytest.mark.parametrize(
    ("other", "rule"),
    [
        ({"x": [0.5]}, "part-0.parquet' must have the columns .* Received: no 'user'"),
        (
            {"user": [1], "x": [0.5]},
            "'user' must be of one kind .* (strings|numbers) in '.*' and (strings|numbers) in '",
        ),
        ({"user": ["a"], "x": [[0.5]]}, r"'x' must be equally long .* shapes \[\((1,)?\), \("),
    ],
)
@pytest.mark.parametrize("rows", [0, 1])
def test_a_part_of_another_table_is_refused_even_without_rows(tmp_path, other, rule, rows):
    pq.write_table(pa.table(other)[:rows], tmp_path / "part-0.parquet")
    table = pa.table({"user": ["a", "b"], "x": [0.5, 1.5]})
    pq.write_table(table, tmp_path / "part-1.parquet")
    with pytest.raises(ValueError, match=rule):
        read_columns(tmp_path, ["user", "x"])


def test_a_ragged_list_within_lists_is_found_in_its_row(tmp_path):
    nested = [[[1.0], [2.0]], [[3.0], [4.0]], [[5.0], [6.0, 7.0]]]
    pq.write_table(pa.table({"state": nested}), tmp_path / "t.parquet")
    with pytest.raises(
        ValueError, match="'state' in '.*t.parquet' .* first of them is row 2, of 2"
    ):
        read_columns(tmp_path / "t.parquet", ["state"])
