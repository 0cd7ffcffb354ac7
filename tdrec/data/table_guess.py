"""Guess what the columns of a table mean, by their names and values: a start to correct."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tdrec.data.error import DataError
from tdrec.data.nearest import nearest
from tdrec.data.table_files import TableFiles
from tdrec.data.table_source import TableSource
from tdrec.data.table_values import As

NAMES: Mapping[str, str] = {
    "user": r"user|member|customer|client|visitor|account|reviewer|buyer|person|session|uid",
    "item": r"item|movie|film|anime|product|offer|article|book|song|track|video|asin|sku|iid|ad",
    "target": r"rating|score|stars|feedback|target|label|click(ed)?|bought|purchased?|liked?",
    "time": r"time(stamp)?|date(time)?|ts|unix(time)?|created|when",
    "weight": r"weight",
    "segment": r"genres?|segments?|categor(y|ies)|country|region|device|merchant|brand|type",
}
"""What columns of a meaning are often called, as a whole name or a word of it."""

_SEPARATORS = ("|", ", ", ";", ",")
_LISTS = 0.2  # of the different values, if one row has several


@dataclass(frozen=True)
class Guess:
    """What a table's columns may mean.

    Attributes:
        source: The guess.
        unsure: Meanings for which no column was found: the source has another column there.
        others: Columns that mean nothing yet, which may be features.
    """

    source: TableSource
    unsure: tuple[str, ...]
    others: tuple[str, ...]


def guess(rows: str, items: str | None = None, **how: Any) -> Guess:
    """Guesses the columns of a table of rows and of one of items.

    Args:
        rows: The table of rows, as `TableFiles` takes it.
        items: The table of items. Default None: there is none.
        how: `separator` and `encoding` of the rows.

    Returns:
        The `Guess`.

    Raises:
        DataError: If a table cannot be read, or has fewer than four columns in all.

    Example:
        >>> found = guess(f"{movielens_folder}/ratings.csv", f"{movielens_folder}/movies.csv")
        >>> source = found.source
        >>> source.user, source.item, source.target, source.time, source.segment
        ('userId', 'movieId', 'rating', 'timestamp', 'genres')
        >>> source.segment_separator, found.others
        ('|', ('title',))
    """
    files = TableFiles(rows, **how)
    of_items = TableFiles(items, encoding=how.get("encoding", "utf-8")) if items else None
    header, known = files.header(), of_items.header() if of_items else []
    if len({*header, *known}) < 4:
        raise DataError(
            "A table must have a user, an item, a target and a segment, in columns of their own. "
            f"Received: {', '.join(header)}. Name a table of items too: --items=FILE."
        )
    found: dict[str, str] = {}
    for role in ("time", "weight", "user", "item", "target"):
        if name := _named(NAMES[role], [each for each in header if each not in found.values()]):
            found[role] = name
    item_id = _item_id(found.get("item"), known)
    places = {name: files for name in header if name not in found.values()}
    if of_items:
        places |= {name: of_items for name in known if name != item_id and name not in header}
    if segment := _named(NAMES["segment"], list(places)):
        found["segment"] = segment
    needed = ("user", "item", "target", "segment")
    unsure = tuple(role for role in needed if role not in found)
    left = [name for name in places if name not in found.values()]
    for role in unsure:
        choice = [name for name in left if role == "segment" or places[name] is files]
        found[role] = choice[0] if choice else "?"
        left = [name for name in left if name != found[role]]
    place = places.get(found["segment"])
    known_fields: Any = found
    source = TableSource(
        rows,
        items=items,
        item_id=item_id if item_id != found["item"] else None,
        segment_separator=_between(place, found["segment"]) if place else None,
        kind="binary" if _is_binary(files, found["target"]) else "regression",
        **known_fields,
        **how,
    )
    return Guess(source, unsure, tuple(left))


def _named(pattern: str, names: Sequence[str]) -> str | None:
    """The first column of such a name, or of a name with such a word in it."""
    parts = {
        name: [w.lower() for w in re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", name)] for name in names
    }
    whole = (name for name in names if re.fullmatch(pattern, name.lower()))
    within = (name for name, words in parts.items() if any(re.fullmatch(pattern, w) for w in words))
    return next(whole, None) or next(within, None)


def _item_id(item: str | None, known: Sequence[str]) -> str | None:
    """The column of ids of a table of items: named as in the rows, or as an id, or the first."""
    if not known:
        return None
    if item in known:
        return item
    ids = [name for name in known if re.search(r"(^|_|[a-z])ids?$", name, re.IGNORECASE)]
    close = re.match(r"Did you mean '(.*)'", nearest(item or "", ids or known))
    return close.group(1) if close else (ids or list(known))[0]


def _words(files: TableFiles, name: str) -> list[str]:
    how: dict[str, As] = {name: "word"}
    column = files.read(how)[name]
    words: list[str] = column.chunk(0).dictionary.to_pylist() if column.num_chunks else []
    return words


def _between(files: TableFiles, name: str) -> str | None:
    """What stands between several values of one row."""
    words = _words(files, name)
    for separator in _SEPARATORS:
        if sum(separator in word for word in words) > _LISTS * len(words):
            return separator
    return None


def _is_binary(files: TableFiles, name: str) -> bool:
    words = {word.lower() for word in _words(files, name)}
    return bool(words) and words <= {"0", "1", "0.0", "1.0", "true", "false", ""}
