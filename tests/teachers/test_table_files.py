"""Tests of which files a table is in."""

import pytest

from tdrec.teachers.table_files import kind_of, table_files


@pytest.mark.filterwarnings("ignore:.*holds only some parts")
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("scores.parquet", "parquet"),
        ("part-00000-8a1c-c000.snappy.parquet", "parquet"),  # Spark
        ("df.parquet.gzip", "parquet"),  # as pandas' documentation names it
        ("scores.parquet-00001-of-00010", "parquet"),
        ("scores.tfrecord", "tfrecord"),
        ("scores.tfrecords", "tfrecord"),
        ("scores-train.tfrecord-00000-of-00001", "tfrecord"),  # TFDS
        ("scores-00000-of-00002.tfrecord", "tfrecord"),  # Beam
        ("data_tfrecord-00000-of-00001.gz", "tfrecord"),  # TFX
        ("scores.csv", None),
        ("scores.tfrecord.idx", None),
        ("notparquet", None),
        ("parquet.md", None),
        ("scores.tfrecord-of-00002", None),
    ],
)
def test_a_name_says_what_a_file_holds(tmp_path, name, kind):
    path = tmp_path / name
    path.touch()
    assert kind_of(path) == kind
    if kind:
        assert table_files(path) == (kind, [path])
        assert table_files(tmp_path) == (kind, [path])
    else:
        with pytest.raises(ValueError, match=r"ending in .parquet or .tfrecord. Received: '.*'. R"):
            table_files(path)
        with pytest.raises(ValueError, match="Received: neither in '.*'. Name a file"):
            table_files(tmp_path)


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [folder / name for name in names]


def test_parts_that_are_missing_are_told(tmp_path):
    here = make(tmp_path, *(f"s.tfrecord-0000{i}-of-00007" for i in (0, 3)))
    with pytest.warns(UserWarning, match="Missing: s.tfrecord-00001-of-00007, .*-00004.*, .... Th"):
        assert table_files(tmp_path) == ("tfrecord", here)
    assert table_files(here[1]) == ("tfrecord", [here[1]])  # a part that was named is all there is


def test_folders_of_hive(tmp_path):
    files = make(tmp_path, "genre=a/part-1.parquet", "genre=b/year=1/part-0.parquet")
    make(tmp_path, "_SUCCESS", "_old/x.parquet", "genre=a/.part-2.parquet", "genre=a/_metadata")
    assert table_files(tmp_path) == ("parquet", files)


def test_what_does_not_belong_together_is_named(tmp_path):
    make(tmp_path, "old/x.parquet", "new/x.parquet")
    with pytest.raises(ValueError, match="neither in '.*', but some in its folders new, old. Name"):
        table_files(tmp_path)
    top = make(tmp_path, "x.parquet")
    assert table_files(tmp_path) == ("parquet", top)
    (deep,) = make(tmp_path, "genre=a/x.parquet")
    with pytest.raises(ValueError, match=f"Received: '{top[0]}' and '{deep}'. Name one of the fol"):
        table_files(tmp_path)
    top[0].unlink()
    make(tmp_path, "genre=b/x.tfrecord")
    with pytest.raises(ValueError, match="Received: both in "):
        table_files(tmp_path)
    deep.unlink()
    with pytest.raises(
        ValueError, match=r"b/x.tfrecord'. Name one of the folders, or write .* Par"
    ):
        table_files(tmp_path)
