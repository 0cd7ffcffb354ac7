import hashlib
import shutil
import zipfile

import pytest

from tdrec.data import DataError
from tdrec.data.movielens_files import load_files


def zipped(folder, path, prefix=""):
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, prefix + file.name)
    return path


def test_100k(files_100k, rows_of):
    ratings = load_files(files_100k())
    assert rows_of(ratings) == [(5, 1, 4, 100), (6, 2, 3, 90), (5, 3, 1, 110)]
    assert ratings.movies.titles[2] == "Café Sonata (1991)"
    assert ratings.genre_counts() == {"unknown": 0, "Action": 2, "Drama": 2}
    assert (ratings.name, ratings.scale) == ("movielens-100k", (1.0, 5.0))


def test_1m(files_1m, rows_of):
    ratings = load_files(files_1m())
    assert rows_of(ratings) == [(5, 1, 4, 100), (6, 2, 3, 90)]
    assert ratings.movies.titles[0] == "Blue Kite: Café (1990)"
    assert (ratings.name, ratings.scale, ratings.warnings) == ("movielens-1m", (1.0, 5.0), ())


def test_csv(files_csv, rows_of):
    ratings = load_files(files_csv())
    assert rows_of(ratings) == [(5, 1, 4.5, 100), (6, 2, 0.5, 90)]
    assert ratings.movies.titles[0] == 'Kite, The "Blue" Café (1990)'
    assert (ratings.name, ratings.scale) == ("movielens-tiny", (0.5, 5.0))
    assert [note[:8] for note in ratings.warnings] == ["NO GENRE"]


@pytest.mark.parametrize("kind", ["files_100k", "files_1m", "files_csv"])
@pytest.mark.parametrize("prefix", ["", "ml-tiny/"])
def test_folders_and_zips_at_the_root_or_below_are_alike(kind, prefix, request, tmp_path):
    folder = request.getfixturevalue(kind)()
    expected = load_files(folder).fingerprint
    assert load_files(folder.parent).fingerprint == expected
    path = zipped(folder, tmp_path / "ml-tiny.zip", prefix)
    assert load_files(path).fingerprint == expected
    assert load_files(path).name == load_files(folder).name


def test_files_of_other_systems_inside_a_zip_are_ignored(files_1m, tmp_path):
    path = zipped(files_1m(), tmp_path / "a.zip", "ml-1m/")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/ratings.dat", b"junk")
        archive.writestr("__MACOSX/movies.dat", b"junk")
    assert len(load_files(path)) == 2


def test_a_changed_file_is_read_with_a_warning(files_100k):
    folder = files_100k()
    notes = load_files(folder).warnings
    assert [note.split(" is not")[0] for note in notes] == [
        "CHANGED FILE: u.data",
        "CHANGED FILE: u.item",
    ]
    for note, rows in zip(notes, ("100,000", "1,682"), strict=True):
        assert f"3 rows instead of {rows}" in note


def test_a_file_that_was_changed_within_its_lines_is_known_by_its_hash(files_100k):
    rows = b"".join(b"1\t1\t4\t%d\n" % second for second in range(100_000))
    folder = files_100k(u_data=rows)
    note = load_files(folder).warnings[0]
    assert hashlib.md5((folder / "u.data").read_bytes()).hexdigest() in note
    assert "instead of 6e47046882bad158b0efbb84cd5cb987, 100,000 rows, as expected" in note


def test_repeated_rows_are_dropped_with_a_warning(files_1m):
    ratings = load_files(files_1m(ratings_dat=b"5::1::4::100\n5::1::4::100\n5::1::4::101\n"))
    assert len(ratings) == 2
    assert [note.split(" repeat")[0] for note in ratings.warnings] == [
        "REPEATED ROWS: 1 rows of ratings.dat"
    ]


def test_a_missing_path_is_named_with_the_accepted_forms(tmp_path):
    with pytest.raises(
        DataError, match=r"nowhere, which does not.*u\.data.*ratings\.dat.*ratings\.csv"
    ):
        load_files(tmp_path / "nowhere")


def test_a_folder_of_something_else_lists_what_was_sought_and_found(tmp_path):
    with pytest.raises(DataError, match=r"Received: no files"):
        load_files(tmp_path)
    (tmp_path / "photo.txt").write_text("x")
    with pytest.raises(DataError, match=r"u\.data.*Received: photo\.txt"):
        load_files(tmp_path)
    with pytest.raises(DataError, match=r"must be a sound zip file"):
        load_files(tmp_path / "photo.txt")


@pytest.mark.parametrize("missing", ["u_data", "u_item", "u_genre"])
def test_an_incomplete_folder_is_refused(files_100k, missing):
    with pytest.raises(DataError, match=r"at the root or up to two folders deep. Received: u"):
        load_files(files_100k(**{missing: None}))


def test_two_data_sets_in_one_place_are_refused(files_1m, files_csv):
    folder = files_1m()
    files_csv()
    with pytest.raises(DataError, match=r"one data set. Received: ml-1m/ratings\.dat, ml-tiny/rat"):
        load_files(folder.parent)


def test_the_root_comes_before_sub_folders(files_1m, tmp_path):
    folder = files_1m()
    shutil.copytree(folder, folder / "copy")
    assert len(load_files(folder)) == 2


def test_corrupt_zips_are_refused(files_1m, tmp_path):
    path = zipped(files_1m(), tmp_path / "a.zip")
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(DataError, match=r"a\.zip must be a sound zip file.*Download it again"):
        load_files(path)
    broken = bytearray(whole)
    broken[whole.index(b"5::1::4")] ^= 1  # a wrong byte that only the checksum tells
    path.write_bytes(broken)
    with pytest.raises(DataError, match=r"must be a sound zip file.*CRC"):
        load_files(path)


def test_faults_inside_the_files_reach_the_caller(files_100k):
    with pytest.raises(
        DataError, match=r"u\.data, line 2: .*scale 1 to 5, not 6.*'6\\t2\\t6\\t90'"
    ):
        load_files(files_100k(u_data=b"5\t1\t4\t100\n6\t2\t6\t90\n"))
    with pytest.raises(DataError, match=r"u\.data, line 1: .*in the file of movies, and 8 is not"):
        load_files(files_100k(u_data=b"5\t8\t4\t100\n"))
    with pytest.raises(DataError, match=r"u\.data must have at least one row"):
        load_files(files_100k(u_data=b""))
    with pytest.raises(DataError, match=r"u\.item must be text.*UTF-16"):
        load_files(files_100k(u_item="1|A|||x|0|1|0\n".encode("utf-16")))


# Files as others write them


def test_10m(tmp_path, rows_of):
    folder = tmp_path / "ml-10M100K"
    folder.mkdir()
    (folder / "ratings.dat").write_bytes(
        b"1::122::5::838985046\n1::185::4.5::838983525\n2::9::0.5::3\n"
    )
    (folder / "movies.dat").write_text(
        "122::Boomerang (1992)::Comedy|Romance\n"
        "185::Été: Ciel (1988)::(no genres listed)\n9::Кот::\n",
        encoding="utf-8",
    )
    (folder / "tags.dat").write_bytes(b"1::122::a::b \xff::1\n")
    ratings = load_files(folder)
    expected = [(1, 122, 5, 838985046), (1, 185, 4.5, 838983525), (2, 9, 0.5, 3)]
    assert rows_of(ratings) == expected
    assert (ratings.name, ratings.scale) == ("movielens-10m", (0.5, 5.0))
    assert ratings.movies.titles == ("Boomerang (1992)", "Été: Ciel (1988)", "Кот")
    assert ratings.genre_counts() == {"Comedy": 1, "Romance": 1}
    assert [note.split(" of ")[0] for note in ratings.warnings] == ["NO GENRE: 2"]
    for line, fault in (("1::9::5.5::3", "to 5, not 5.5"), ("1::9::0::3", "to 5, not 0")):
        (folder / "ratings.dat").write_text(f"1::122::4.5::838985046\n{line}\n")
        with pytest.raises(
            DataError, match=rf"ratings\.dat, line 2: .*{fault}. Received: '{line}'"
        ):
            load_files(folder)


@pytest.mark.parametrize("kind", ["files_100k", "files_1m", "files_csv"])
def test_files_two_folders_deep(kind, request, tmp_path):
    folder = request.getfixturevalue(kind)()
    expected = load_files(folder)
    path = zipped(folder, tmp_path / "a.zip", f"data/{folder.name}/")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("data/notes.txt", b"x")
        archive.writestr("__MACOSX/data/._ratings.dat", b"junk")
    (tmp_path / "above" / "data").mkdir(parents=True)
    shutil.copytree(folder, tmp_path / "above" / "data" / folder.name)
    for place in (path, tmp_path / "above"):
        found = load_files(place)
        assert (found.fingerprint, found.name) == (expected.fingerprint, expected.name)


def test_the_first_level_that_has_files_counts(files_1m, files_csv, tmp_path):
    folder = files_1m()
    shutil.copytree(files_csv(), folder / "old" / "copy")
    shutil.rmtree(tmp_path / "ml-tiny")
    assert load_files(tmp_path).name == "movielens-1m"
    shutil.copytree(folder / "old", folder / "older")
    (folder / "ratings.dat").unlink()
    with pytest.raises(
        DataError, match=r"Received: old/copy/ratings\.csv, older/copy/ratings\.csv"
    ):
        load_files(folder)


def test_movielens_100k(movielens):
    assert len(movielens) == 100_000
    assert movielens.warnings == ()
    assert len(movielens.movies) == 1682
    assert len(set(movielens.user_ids.tolist())) == 943
    assert movielens.genre_counts()["Drama"] == 35771 + 4124
    assert movielens.movies.genre_names[0] == "unknown"
    assert len(movielens.movies.genre_names) == 19
