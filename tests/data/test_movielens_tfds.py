import http.server
import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tdrec.data import DataError, movielens_tfds, split_by_time
from tdrec.data.movielens_tfds import can_download, is_prepared, load_tfds, missing_packages

needs_tfds = pytest.mark.skipif(bool(missing_packages()), reason="TensorFlow Datasets is missing")


@pytest.fixture
def empty_tfds(monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    return tmp_path


def test_prepared_data_are_seen_without_importing_anything(empty_tfds):
    assert not is_prepared("100k-ratings")
    folder = empty_tfds / "movielens" / "100k-ratings" / "0.1.1"
    folder.mkdir(parents=True)
    assert not is_prepared("100k-ratings")  # TFDS writes this file last
    (folder / "dataset_info.json").write_text("{}")
    assert is_prepared("100k-ratings")
    assert not is_prepared("1m-ratings")


def test_the_default_folder_is_that_of_tfds(monkeypatch):
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    assert movielens_tfds.data_folder() == Path.home() / "tensorflow_datasets"


def test_unknown_configurations_are_refused():
    with pytest.raises(DataError, match=r"one of 100k-ratings.*Received: '100k-movies'"):
        load_tfds("100k-movies")


def test_missing_packages_are_named_with_the_line_to_install_them(monkeypatch):
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name != "tensorflow" else object()
    )
    with pytest.raises(DataError) as caught:
        load_tfds()
    assert "tensorflow_datasets, importlib_resources" in str(caught.value)
    assert "pip install tensorflow-datasets importlib_resources" in str(caught.value)


class Server(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the address names; with "hang" it never does."""

    done = threading.Event()

    def do_HEAD(self):
        if self.path == "/hang":
            self.done.wait(10)
            return
        self.send_response(int(self.path[1:]))
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        Server.done.set()
        serving.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "expected"), [("/200", True), ("/404", False), ("/503", False), ("/hang", False)]
)
def test_an_answer_is_waited_for_no_longer_than_asked(server, monkeypatch, path, expected):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(movielens_tfds, "ADDRESS", server + path)
    start = time.monotonic()
    assert can_download(seconds=0.5) is expected
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/", "http://nowhere.invalid/", "odd:///"])
def test_whatever_goes_wrong_is_no_answer(monkeypatch, address):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(movielens_tfds, "ADDRESS", address)
    assert not can_download(seconds=0.5)


@needs_tfds
def test_neither_prepared_nor_within_reach(monkeypatch, empty_tfds):
    monkeypatch.setattr(movielens_tfds, "can_download", lambda: False)
    with pytest.raises(
        DataError, match=r"no answer from https://files.grouplens.org.*TFDS_DATA_DIR"
    ):
        load_tfds()
    assert list(empty_tfds.iterdir()) == []


@pytest.fixture(scope="module")
def prepared(movielens_path, tmp_path_factory):
    """The real builder of TFDS, fed with a local zip in place of a download. Takes about 20 s."""
    if missing := missing_packages():
        pytest.skip(f"needs {', '.join(missing)}")
    if not movielens_path.endswith(".zip"):
        pytest.skip("needs TDREC_DATA to be the zip of MovieLens 100K")
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import checksums

    folder = tmp_path_factory.mktemp("tfds")
    manual = folder / "manual"
    manual.mkdir()
    (manual / "ml-100k.zip").symlink_to(os.path.abspath(movielens_path))
    builder = tfds.builder("movielens/100k-ratings", data_dir=str(folder))
    config = tfds.download.DownloadConfig(manual_dir=str(manual))
    with pytest.MonkeyPatch.context() as patch:
        known = {
            builder.builder_config.download_url: checksums.compute_url_info(manual / "ml-100k.zip")
        }
        patch.setattr(type(builder), "url_infos", known)
        builder.download_and_prepare(download_config=config)
    return folder


def test_tfds_gives_the_ratings_of_the_zip(movielens, prepared, monkeypatch, rows_of):
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared))
    ratings = load_tfds("100k-ratings")
    assert sorted(rows_of(ratings)) == sorted(rows_of(movielens))
    assert (ratings.name, ratings.scale, ratings.warnings) == ("movielens-100k", (1.0, 5.0), ())
    # The catalogue too, but for the names of two genres and the order of all.
    own, other = ratings.movies, movielens.movies
    np.testing.assert_array_equal(own.ids, np.sort(other.ids))
    assert own.titles == tuple(other.titles[row] for row in other.rows(own.ids))
    names = [{"Children": "Children's", "Unknown": "unknown"}.get(n, n) for n in own.genre_names]
    assert sorted(names) == sorted(other.genre_names)
    columns = [other.genre_names.index(name) for name in names]
    np.testing.assert_array_equal(own.genres, other.genres[other.rows(own.ids)][:, columns])
    # So the split is the same, whatever the order of the rows.
    holdout, expected = split_by_time(ratings), split_by_time(movielens)
    assert (holdout.cut, holdout.cold_share) == (expected.cut, expected.cold_share)
    assert sorted(rows_of(holdout.test)) == sorted(rows_of(expected.test))


@pytest.fixture
def copied(prepared, monkeypatch, tmp_path):
    """A copy of the prepared files that a test may spoil."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    shutil.copytree(prepared / "movielens", tmp_path / "movielens")
    return tmp_path / "movielens" / "100k-ratings" / "0.1.1"


def test_another_file_format_is_refused(copied):
    info = copied / "dataset_info.json"
    info.write_text(info.read_text().replace('"tfrecord"', '"array_record"'))
    with pytest.raises(DataError, match=r"must be TFRecord files.*Received: array_record"):
        load_tfds("100k-ratings")


def test_damaged_files_are_refused_with_the_folder_to_remove(copied):
    records = next(copied.glob("*.tfrecord*"))
    records.write_bytes(records.read_bytes()[:100_000])
    with pytest.raises(DataError, match=r"100k-ratings.*must be readable.*Remove that folder"):
        load_tfds("100k-ratings")


def test_data_of_another_version_are_refused(copied):
    copied.rename(copied.with_name("0.0.9"))
    with pytest.raises(DataError, match=r"must be readable.*Remove that folder"):
        load_tfds("100k-ratings")
