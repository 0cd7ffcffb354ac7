"""Times reading a data set, all checks included, against what pandas takes to parse its ratings.

    python benchmarks/reading.py [--rows=5000000] [--repeats=5]

Generated rows in each of MovieLens's formats, of 138,000 users and 27,000 movies, as MovieLens 20M
has; and the csv of them once more as a table of one's own, whose columns are named. pandas reads
the file of ratings alone, `pandas.read_csv(file)`, and checks nothing; its fast parser takes no
separator of two letters, so that of `ratings.dat` it reads the same rows with tabs. The two take
turns in one process, every other turn in reverse order, and a ratio is the median of the turns'.
"Of processor time" adds up what all cores did.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from absl import app, flags

from tdrec.data import Interactions, TableSource, load, read_table

flags.DEFINE_integer("rows", 5_000_000, "Rows of a file of ratings.", lower_bound=1)
flags.DEFINE_integer("repeats", 5, "Turns.", lower_bound=3)

USERS, MOVIES = 138_000, 27_000
GENRES = ("Action", "Comedy", "Drama", "War")


def columns(rows: int) -> pd.DataFrame:
    """Rows in the order of users, nobody's of one movie twice, most of popular movies."""
    random = np.random.default_rng(0)
    drawn = pd.DataFrame(
        {
            "userId": np.sort(random.integers(1, USERS + 1, 2 * rows)),
            "movieId": np.minimum(random.geometric(1 / 3000, 2 * rows), MOVIES),
        }
    )
    pairs = drawn.drop_duplicates().iloc[:rows]
    return pairs.assign(
        rating=random.integers(1, 11, rows) / 2,
        timestamp=random.integers(789652009, 1574327703, rows),
    )


def write_100k(folder: Path, table: pd.DataFrame) -> Path:
    whole = table.assign(rating=np.ceil(table["rating"]).astype(int))
    whole.to_csv(folder / "u.data", sep="\t", header=False, index=False)
    (folder / "u.genre").write_text("".join(f"{g}|{i}\n" for i, g in enumerate(GENRES)))
    flag = "|".join("1" * len(GENRES))
    lines = (f"{i}|Movie {i} (1999)|||http://m/{i}|{flag}\n" for i in range(1, MOVIES + 1))
    (folder / "u.item").write_text("".join(lines), "latin-1")
    return folder / "u.data"


def write_dat(folder: Path, table: pd.DataFrame) -> Path:
    tabs = folder.parent / "tabs.csv"
    table.to_csv(tabs, sep="\t", header=False, index=False)
    (folder / "ratings.dat").write_bytes(tabs.read_bytes().replace(b"\t", b"::"))
    lines = (f"{i}::Movie {i} (1999)::{'|'.join(GENRES)}\n" for i in range(1, MOVIES + 1))
    (folder / "movies.dat").write_text("".join(lines))
    return tabs


def write_csv(folder: Path, table: pd.DataFrame) -> Path:
    table.to_csv(folder / "ratings.csv", index=False)
    lines = (f"{i},Movie {i} (1999),{'|'.join(GENRES)}\n" for i in range(1, MOVIES + 1))
    (folder / "movies.csv").write_text("movieId,title,genres\n" + "".join(lines))
    return folder / "ratings.csv"


def as_own_table(folder: Path) -> Interactions:
    """The csv of MovieLens as if it were anybody's."""
    source = TableSource(
        str(folder / "ratings.csv"),
        user="userId",
        item="movieId",
        target="rating",
        time="timestamp",
        items=str(folder / "movies.csv"),
        segment="genres",
        segment_separator="|",
    )
    return read_table(source)


def of_movielens(folder: Path) -> Interactions:
    """The ratings in a folder of MovieLens."""
    return load(str(folder))


FORMATS: dict[str, tuple[Callable[[Path, pd.DataFrame], Path], Callable[[Path], Interactions]]] = {
    "u.data": (write_100k, of_movielens),
    "ratings.dat": (write_dat, of_movielens),
    "ratings.csv": (write_csv, of_movielens),
    "own csv": (write_csv, as_own_table),
}


def seconds(call: Callable[[], object]) -> tuple[float, float]:
    """Of the clock, and of all processors."""
    start, used = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - start, time.process_time() - used


def main(_: list[str]) -> None:
    """Writes each format, reads it in turns, and prints the ratios."""
    table = columns(flags.FLAGS.rows)
    print(f"{flags.FLAGS.rows:,} rows, {os.cpu_count()} cores")
    print(f"{'':<14}{'pandas, s':>10}{'tdrec, s':>10}{'ratio':>8}{'of processor time':>20}")
    for name, (write, read) in FORMATS.items():
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "data"
            folder.mkdir()
            file = write(folder, table)
            calls = [
                partial(pd.read_csv, file, sep="," if name.endswith("csv") else "\t"),
                partial(read, folder),
            ]
            turns = []
            for turn in range(flags.FLAGS.repeats):
                taken = [seconds(call) for call in (calls if turn % 2 == 0 else calls[::-1])]
                turns.append(taken if turn % 2 == 0 else taken[::-1])
        of_pandas, of_us = (statistics.median(t[i][0] for t in turns) for i in range(2))
        ratio, of_processors = (statistics.median(t[1][k] / t[0][k] for t in turns) for k in (0, 1))
        print(f"{name:<14}{of_pandas:>10.2f}{of_us:>10.2f}{ratio:>8.2f}{of_processors:>20.2f}")


if __name__ == "__main__":
    app.run(main)
