"""One function to get ratings from wherever they are: files, TensorFlow Datasets, a generator."""

from __future__ import annotations

import os

from tdrec.data import movielens_tfds
from tdrec.data.error import DataError
from tdrec.data.movielens_files import ACCEPTED, load_files
from tdrec.data.ratings import Ratings
from tdrec.data.simulated import simulate
from tdrec.data.table_files import is_table
from tdrec.runtime.files import user_path

VARIABLE = "TDREC_DATA"


def load(source: str = "auto") -> Ratings:
    """Loads ratings.

    Args:
        source: One of

            - the path of a folder or zip of MovieLens (100K, 1M, 10M, latest-small, 20M, 25M,
              32M);
            - `"tfds"`, or `"tfds:"` with a configuration, as in `"tfds:1m-ratings"` or
              `"tfds:movielens/1m-ratings"`: TensorFlow Datasets, which downloads the data unless
              they are prepared already;
            - `"simulated"`: generated data;
            - `"auto"`: what the environment variable `TDREC_DATA` says, any of the above. Where it
              is not set, MovieLens 100K from TensorFlow Datasets if that is prepared, or if the
              server answers within five seconds. Else generated data, with warnings that say so and
              why.

            Write "./tfds" for a folder of such a name.

    Returns:
        The ratings. What a reader of results must know about them is in `Ratings.warnings`.

    Raises:
        DataError: If the source is not there or breaks a rule.

    Example:
        >>> load("simulated").name
        'simulated'
    """
    source = resolve_source(source)
    if source == "auto":
        return _load_auto()
    if source == "simulated":
        return simulate()
    config = _tfds_config(source)
    return movielens_tfds.load_tfds(config) if config else load_files(source)


def check_source(source: str) -> None:
    """Finds at once, without loading anything, the mistakes that can be seen from the words alone.

    Args:
        source: As for `load`.

    Raises:
        DataError: If a path is missing or a table of one's own, a TFDS configuration is unknown, or
            TFDS is asked for and not installed.
    """
    source = resolve_source(source)
    if source in ("auto", "simulated"):
        return
    if _tfds_config(source):
        movielens_tfds.check_packages()
    elif not user_path(source).exists():
        raise DataError(
            f"The data must exist. Received: {source!r}, which is no path on this machine. "
            f"Give {ACCEPTED}, or one of the words auto, tfds, simulated."
        )
    elif is_table(user_path(source)):
        raise DataError(
            f"The columns of a table of your own must be named. Received: {source!r} without. "
            "Write --columns=user=NAME,item=NAME,target=NAME --segment_column=NAME, or see what "
            f"is in it: python -m tdrec.describe {source}"
        )


def resolve_source(source: str) -> str:
    """The source, or what the environment variable says in place of "auto".

    Args:
        source: As for `load`.

    Raises:
        DataError: If none is named, or the variable names no data.
    """
    if not source.strip():
        raise DataError(
            f"The source of the data must be named. Received: {source!r}. "
            f"Give {ACCEPTED}, or one of the words auto, tfds, simulated."
        )
    if source != "auto":
        return source
    named = os.environ.get(VARIABLE, "").strip() or "auto"
    is_word = named in ("auto", "simulated") or _tfds_config(named)
    if not is_word and not user_path(named).exists():
        raise DataError(
            f"{VARIABLE} must name data that exist. Received: {named!r}, which is no path on this "
            f"machine. Unset it, or set it to {ACCEPTED}."
        )
    return named


def _tfds_config(source: str) -> str | None:
    word, _, config = source.partition(":")
    if word != "tfds":
        return None
    config = config.removeprefix("movielens/") or movielens_tfds.DEFAULT_CONFIG
    if config not in movielens_tfds.CONFIGS:
        raise DataError(
            f"The TFDS configuration must be one of {', '.join(movielens_tfds.CONFIGS)}. "
            f"Received: {source!r}. Write for example 'tfds:{movielens_tfds.DEFAULT_CONFIG}'."
        )
    return config


def _load_auto() -> Ratings:
    config = movielens_tfds.DEFAULT_CONFIG
    if missing := movielens_tfds.missing_packages():
        reason = f"packages are missing: {', '.join(missing)} ({movielens_tfds.INSTALL})"
    elif movielens_tfds.is_prepared(config):
        return movielens_tfds.load_tfds(config)
    elif not movielens_tfds.can_download():
        reason = (
            f"TensorFlow Datasets has none prepared in {movielens_tfds.data_folder()}, and the "
            "server of MovieLens did not answer within 5 seconds"
        )
    else:
        try:
            return movielens_tfds.load_tfds(config)
        except DataError as error:
            reason = str(error)
    simulated = simulate()
    why = f"MovieLens was not loaded: {reason}."
    return simulated.changed(warnings=(*simulated.warnings, why))
