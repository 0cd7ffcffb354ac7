"""Read MovieLens through TensorFlow Datasets (TFDS), which downloads and prepares it once."""

from __future__ import annotations

import http.client
import importlib.util
import os
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tdrec.data.assemble import assemble
from tdrec.data.error import DataError
from tdrec.data.movie_tables import NO_GENRE
from tdrec.data.rating_table import RatingColumns
from tdrec.data.ratings import Movies, Ratings
from tdrec.runtime.files import user_path

DEFAULT_CONFIG = "100k-ratings"
CONFIGS = (DEFAULT_CONFIG, "1m-ratings", "20m-ratings", "25m-ratings", "latest-small-ratings")
INSTALL = "pip install tensorflow-datasets importlib_resources"

_WHOLE_STARS = ("100k-ratings", "1m-ratings")
ADDRESS = "https://files.grouplens.org/datasets/movielens/"
_BATCH = 65_536


def missing_packages() -> list[str]:
    """Which packages TFDS needs and this Python lacks. Imports nothing."""
    # TFDS needs importlib_resources without declaring it: tensorflow/datasets issue 11212.
    needed = ("tensorflow", "tensorflow_datasets", "importlib_resources")
    return [name for name in needed if importlib.util.find_spec(name) is None]


def check_packages() -> None:
    """Raises DataError with the line to install what TFDS lacks."""
    if missing := missing_packages():
        raise DataError(
            f"The source 'tfds' needs packages that are not installed: {', '.join(missing)}. "
            f"Run: {INSTALL}"
        )


def data_folder() -> Path:
    """Where TFDS keeps prepared data: `TFDS_DATA_DIR`, or its folder in the home directory."""
    return user_path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")


def is_prepared(config: str) -> bool:
    """Whether the configuration is prepared on this machine. Looks at folders, imports nothing."""
    return any((data_folder() / "movielens" / config).glob("*/dataset_info.json"))


def can_download(seconds: float = 5.0) -> bool:
    """Whether the server of MovieLens answers in so many seconds, once its name was looked up."""
    request = urllib.request.Request(ADDRESS, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=seconds):
            return True
    except (OSError, ValueError, http.client.HTTPException):
        return False  # whatever went wrong, there is no answer


def load_tfds(config: str = DEFAULT_CONFIG) -> Ratings:
    """Reads a MovieLens configuration of TFDS, preparing it first where that has not been done.

    TFDS writes "Children" for "Children's" and "Unknown" for "unknown", and shuffles the rows when
    it prepares them. "Unknown" is a genre like any other, as in the original files; "(no genres
    listed)" is no genre. Genres that no movie has are left out. The catalogue has the rated movies,
    in the order of their ids.

    Args:
        config: One of `CONFIGS`.

    Returns:
        All ratings, in the order of the prepared files.

    Raises:
        DataError: If the configuration is unknown, TFDS is not installed, the data are neither
            prepared nor to be had, or what is prepared is damaged.

    Source:
        https://www.tensorflow.org/datasets/catalog/movielens
    """
    if config not in CONFIGS:
        raise DataError(
            f"The TFDS configuration must be one of {', '.join(CONFIGS)}. Received: {config!r}. "
            f"The source 'tfds' alone means {DEFAULT_CONFIG!r}."
        )
    check_packages()
    prepared = is_prepared(config)
    if not prepared and not can_download():
        raise DataError(
            "The TFDS data must be prepared, or the server within reach. Received: nothing in "
            f"{data_folder()} and no answer from {ADDRESS} within 5 seconds. Set TFDS_DATA_DIR to "
            "where they are prepared, or give a MovieLens folder or zip."
        )
    import tensorflow_datasets as tfds

    builder = tfds.builder(f"movielens/{config}", data_dir=str(data_folder()))
    if not prepared:
        try:
            builder.download_and_prepare()
        except Exception as error:
            raise DataError(
                f"TFDS could not download and prepare movielens/{config}. Received: {error}. "
                "Try again, or give a MovieLens folder or zip."
            ) from error
    if builder.info.file_format.value != "tfrecord":
        raise DataError(
            "The prepared TFDS data must be TFRecord files, the default of TFDS. "
            f"Received: {builder.info.file_format.value}. Prepare them again without a file format."
        )
    try:
        columns, movies = _read(builder)
    except Exception as error:
        raise DataError(
            f"The TFDS data prepared in {data_folder() / 'movielens' / config} must be readable. "
            f"Received: {type(error).__name__}: {error}. Remove that folder, so that they are "
            "prepared anew."
        ) from error
    return assemble(
        columns,
        movies=movies,
        scale=(1.0, 5.0) if config in _WHOLE_STARS else (0.5, 5.0),
        name="movielens-" + config.removesuffix("-ratings"),
        warnings=[],
        source=f"movielens/{config}",
    )


def _read(builder: Any) -> tuple[RatingColumns, Movies]:
    import tensorflow as tf

    features = dict.fromkeys(("user_id", "movie_id", "movie_title"), tf.string)
    features |= {"user_rating": tf.float32, "timestamp": tf.int64}
    layout = {name: tf.io.FixedLenFeature([], dtype) for name, dtype in features.items()}
    layout["movie_genres"] = tf.io.RaggedFeature(tf.int64)

    def parse(records: Any) -> dict[str, Any]:
        rows = tf.io.parse_example(records, layout)
        rows["user_id"] = tf.strings.to_number(rows["user_id"], tf.int64)
        rows["movie_id"] = tf.strings.to_number(rows["movie_id"], tf.int64)
        rows["movie_genres"] = rows["movie_genres"].to_tensor(-1)
        return dict(rows)

    # `tfds.as_dataset` parses row by row, which takes ten times as long as whole batches of
    # records. Titles and genres come with every row; they are reduced to one entry for each movie.
    files = [str(path) for path in builder.info.splits["train"].filepaths]
    batches = tf.data.TFRecordDataset(files).batch(_BATCH).map(parse).prefetch(1)
    columns: dict[str, list[NDArray[Any]]] = {
        name: [] for name in ("user_id", "movie_id", "user_rating", "timestamp")
    }
    titles: dict[int, str] = {}
    genres: dict[int, NDArray[Any]] = {}
    for batch in batches.as_numpy_iterator():
        for name, parts in columns.items():
            parts.append(batch[name])
        for movie, row in zip(*np.unique(batch["movie_id"], return_index=True), strict=True):
            if int(movie) not in titles:
                titles[int(movie)] = batch["movie_title"][row].decode("utf-8")
                genres[int(movie)] = batch["movie_genres"][row]
    names = builder.info.features["movie_genres"].feature.names
    return RatingColumns(*map(np.concatenate, columns.values())), _catalogue(titles, genres, names)


def _catalogue(titles: dict[int, str], genres: dict[int, NDArray[Any]], names: list[str]) -> Movies:
    ids = sorted(titles)
    flags = np.zeros((len(ids), len(names)), bool)
    for row, movie in enumerate(ids):
        flags[row, genres[movie][genres[movie] >= 0]] = True
    kept = [c for c, name in enumerate(names) if name != NO_GENRE and flags[:, c].any()]
    return Movies(
        ids=np.array(ids, np.int64),
        titles=tuple(titles[movie] for movie in ids),
        genres=flags[:, kept],
        genre_names=tuple(names[c] for c in kept),
    )
