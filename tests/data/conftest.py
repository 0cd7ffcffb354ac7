"""Small invented data, and the real data where `TDREC_DATA` names MovieLens 100K."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from tdrec.data import Movies, Ratings, load

# The first example pays for imports, and machines are shared; time is measured elsewhere.
settings.register_profile("tdrec-data", deadline=None)
settings.load_profile("tdrec-data")

GENRES = ("Drama", "Comedy", "War")
TITLES = ("Blue Kite (1990)", "The Blue Door (1995)", "Kite & Door (1995)", "Été (1988)")
FLAGS = [[True, False, False], [True, True, False], [False, True, True], [False, False, False]]


@pytest.fixture(scope="session")
def movies():
    return Movies(np.array([10, 30, 20, 7]), TITLES, np.array(FLAGS), GENRES)


@pytest.fixture(scope="session")
def make_ratings(movies):
    """Ratings of (user, movie, value, timestamp) rows."""

    def make(rows, **changes):
        columns = list(zip(*rows, strict=True)) if rows else [[], [], [], []]
        fields = {
            "user_ids": np.array(columns[0], np.int64),
            "movie_ids": np.array(columns[1], np.int64),
            "values": np.array(columns[2], np.float32),
            "timestamps": np.array(columns[3], np.int64),
            "movies": movies,
            "scale": (1.0, 5.0),
            "name": "invented",
        }
        return Ratings(**{**fields, **changes})

    return make


@pytest.fixture(scope="session")
def rows_of():
    """The rows of ratings as a list of (user, movie, value, timestamp)."""

    def rows(ratings):
        columns = (ratings.user_ids, ratings.movie_ids, ratings.values, ratings.timestamps)
        return list(zip(*(column.tolist() for column in columns), strict=True))

    return rows


@pytest.fixture
def files_100k(tmp_path):
    """Writes a folder in the format of MovieLens 100K, with invented rows."""
    item = [
        "1|Blue Kite (1990)|01-Jan-1990||http://example.org/1|0|1|0",
        "2|The Blue Door (1995)|01-Jan-1995||http://example.org/2|0|1|1",
        "3|Caf\xe9 Sonata (1991)|01-Jan-1991||http://example.org/3|0|0|1",
    ]
    content = {
        "u.data": b"5\t1\t4\t100\n6\t2\t3\t90\n5\t3\t1\t110\n",
        "u.item": "\n".join(item).encode("latin-1") + b"\n",
        "u.genre": b"unknown|0\nAction|1\nDrama|2\n\n",
    }
    return _writer(tmp_path / "ml-100k", content)


@pytest.fixture
def files_1m(tmp_path):
    content = {
        "ratings.dat": b"5::1::4::100\n6::2::3::90\n",
        "movies.dat": "1::Blue Kite: Caf\xe9 (1990)::Drama|War\n2::Door (1995)::Comedy\n".encode(
            "latin-1"
        ),
    }
    return _writer(tmp_path / "ml-1m", content)


@pytest.fixture
def files_csv(tmp_path):
    content = {
        "ratings.csv": b"userId,movieId,rating,timestamp\n5,1,4.5,100\n6,2,0.5,90\n",
        "movies.csv": (
            "movieId,title,genres\r\n"
            '1,"Kite, The ""Blue"" Caf\xe9 (1990)",Drama|War\r\n'
            "2,Door (1995),(no genres listed)\r\n"
        ).encode(),
    }
    return _writer(tmp_path / "ml-tiny", content)


def _writer(folder, content):
    def write(**changes):
        """Writes the files: `u_data=b"..."` replaces one, `u_data=None` leaves it out."""
        folder.mkdir(exist_ok=True)
        changed = {name.replace("_", "."): data for name, data in changes.items()}
        for name, data in {**content, **changed}.items():
            (folder / name).unlink(missing_ok=True)
            if data is not None:
                (folder / name).write_bytes(data)
        return folder

    return write


@pytest.fixture(scope="session")
def movielens_path():
    path = os.environ.get("TDREC_DATA", "")
    if not path or not Path(path).exists():
        pytest.skip("needs the real MovieLens 100K: set TDREC_DATA to its folder or zip")
    return path


@pytest.fixture(scope="session")
def movielens(movielens_path):
    ratings = load(movielens_path)
    if ratings.name != "movielens-100k" or any("CHANGED" in note for note in ratings.warnings):
        pytest.skip("needs the original MovieLens 100K in TDREC_DATA")
    return ratings
