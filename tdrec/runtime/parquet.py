"""Parquet is an optional part: whoever needs it gets it here, or learns how to install it."""

from typing import Any


def pyarrow_for(what: str) -> Any:
    """The module `pyarrow`, with its `parquet`, `dataset` and `compute` loaded.

    Args:
        what: What needs it, the subject of a sentence in the plural.

    Raises:
        ImportError: If it is missing.

    Example:
        >>> pyarrow_for("Parquet files").array([1, 2]).to_pylist()
        [1, 2]
    """
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.dataset
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            f"{what} need pyarrow, which is missing. Install it: pip install pyarrow"
        ) from error
    return pyarrow
