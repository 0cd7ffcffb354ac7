"""A small table of somebody's own, as a file of any kind."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd

from tdrec.data.table_source import TableSource

PARTS = ("train", "train", "test")


def frame(rows=200, **columns):
    """Rows of 17 users, 12 items, ratings of 1 to 5, and two countries; no row is another's."""
    row = np.arange(rows)
    found = pd.DataFrame(
        {
            "user": row % 17 + 1,
            "item": row // 17 + 1,
            "rating": (row * 7 % 5 + 1).astype(float),
            "time": row + 1_000_000,
            "weight": 1.0,
            "country": np.where(row % 2, "NL", "BE"),
            "price": row % 23 / 4,
            "part": np.array(PARTS)[row % 3],
        }
    )
    return found.assign(**columns)


def items(**columns):
    """The twelve items, of two kinds."""
    found = pd.DataFrame({"item": range(1, 13), "kind": ["new", "old"] * 6})
    return found.assign(**columns)


def with_value(column, row, value, table=None):
    """The rows with one value instead of another, and all of the column as it is written."""
    found = frame() if table is None else table.copy()
    words = found[column].astype(str).astype(object)
    words[row] = value
    return found.assign(**{column: words})


def csv(table, **options):
    """The table as text."""
    return table.to_csv(index=False, **options)


def write(path, content):
    """Writes text, bytes, or a table as the file's suffix says; gives the path as a string."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, pd.DataFrame):
        name = path.name.removesuffix(".gz")
        if name.endswith((".parquet", ".pq")):
            content.to_parquet(path, index=False)
            return str(path)
        separator = {".tsv": "\t", ".dat": "::"}.get(Path(name).suffix, ",")
        content = csv(content, sep="\x1f" if len(separator) > 1 else separator)
        content = content.replace("\x1f", separator)
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" and content is not data else data)
    return str(path)


def source(rows, **changes):
    """The table with the meaning of its columns."""
    columns = {"user": "user", "item": "item", "target": "rating", "segment": "country"}
    return TableSource(str(rows), **{**columns, **changes})
