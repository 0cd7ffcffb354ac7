"""Somebody's own tables as interactions: ids, columns, segments; what cannot be used is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tdrec.data.columns import Categories, Column, Labels, Numbers, Text, sealed
from tdrec.data.error import DataError
from tdrec.data.holdout import PARTS
from tdrec.data.interactions import Interactions
from tdrec.data.items import Items
from tdrec.data.nearest import nearest
from tdrec.data.repeated import repeated_rows
from tdrec.data.table_checks import (
    check_targets,
    check_weights,
    is_finite,
    note_segments,
    note_times,
)
from tdrec.data.table_files import TableFiles
from tdrec.data.table_ids import FEW, Notes, catalogue, coded, read_ids
from tdrec.data.table_source import TableSource
from tdrec.data.table_values import As, read_numbers


def read_table(source: TableSource) -> Interactions:
    """Reads rows, and what is known of their items.

    Rows without a user, an item, a target, a time or a weight, where those have columns, are
    dropped and counted, and so are rows that repeat an earlier row's user, item, time and target,
    but for clicks without a time, where that may well happen. Whatever else is odd is counted in
    `notes` or `warnings`. Rows are counted from 1, as in a table without its header.

    Args:
        source: Where the tables are and what their columns mean.

    Raises:
        DataError: If a file or a column is missing, a line cannot be read as what it is to be, an
            item is not in the table of items, or a column cannot be what it is said to be.

    Example:
        >>> columns = {"user": "userId", "item": "movieId", "target": "rating", "time": "timestamp"}
        >>> items = {"items": f"{movielens_folder}/movies.csv", "segment": "genres"}
        >>> source = TableSource(
        ...     f"{movielens_folder}/ratings.csv", **columns, **items, segment_separator="|"
        ... )
        >>> sorted(read_table(source).segment_names)[:3]
        ['Action', 'Adventure', 'Animation']
    """
    notes = Notes()
    files = TableFiles(source.rows, source.separator, source.encoding)
    of_items = TableFiles(source.items, encoding=source.encoding) if source.items else None
    places = _places(source, files, of_items)
    row_columns = [name for name, table in places.items() if table == "rows"]
    wanted: dict[str, As] = {source.user: "id", source.item: "id"}
    wanted[source.target] = "word" if source.kind == "binary" else "number"
    optional: dict[str | None, As] = {source.time: "time", source.weight: "number"}
    wanted |= {name: how for name, how in optional.items() if name}
    if source.split and source.split.column:
        wanted[source.split.column] = "word"
    kinds = _kinds(source)
    raw = files.read(wanted | {name: kinds[name] for name in row_columns})

    user = read_ids(raw[source.user], source.user, notes)
    item = read_ids(raw[source.item], source.item, notes)
    values, has_value = _targets(raw[source.target], source)
    kept = {source.user: user.present, source.item: item.present, source.target: has_value}
    timestamps = weights = None
    if source.time:
        timestamps, kept[source.time] = read_numbers(raw[source.time], np.int64)
    if source.weight:
        weights, kept[source.weight] = read_numbers(raw[source.weight], np.float64)
    table = None
    if of_items is not None:
        key = source.item_id or source.item
        own = [name for name, place in places.items() if place == "items"]
        found = of_items.read({key: "id", **{name: kinds[name] for name in own}})
        columns = {name: _column(found[name], of_items.path, name, source, notes) for name in own}
        table = (of_items.path, key, found[key], columns)
    items, item_numbers = catalogue(table, (source.rows, source.item, item), notes)
    data = _checked(
        source,
        dict(
            user_ids=user.numbers,
            item_ids=item_numbers,
            values=values,
            timestamps=timestamps,
            weights=weights,
            items=items,
            segment_column=source.segment,
            columns={
                name: _column(raw[name], source.rows, name, source, notes) for name in row_columns
            },
            parts=_parts(raw, source),
            user_names=user.words,
            scale=(0.0, 1.0) if source.kind == "binary" else source.scale,
            target=source.kind,
            name=source.label,
        ),
        kept,
        notes,
    )
    note_segments(data, source, notes)
    if data.timestamps is not None:
        note_times(data.timestamps, source, notes)
    return data.changed(notes=notes.facts, warnings=tuple(notes.warnings))


def _places(source: TableSource, rows: TableFiles, items: TableFiles | None) -> dict[str, str]:
    """Which table each column of segments and features is in."""
    header = rows.header()
    of_items = items.header() if items else []
    found = {}
    for name in dict.fromkeys([source.segment, *(name for name, _ in source.features)]):
        tables = [t for t, names in (("rows", header), ("items", of_items)) if name in names]
        if len(tables) == 2:
            raise DataError(
                f"A column must be in one of the tables. Received: {name!r}, which is in both. "
                "Rename it in one of them."
            )
        is_number = name.isdecimal() and source.user.isdecimal()  # of a table without a header
        if not tables and not (is_number and not items):
            raise DataError(
                f"The column {name!r} must be in {source.rows}"
                f"{f' or {source.items}' if source.items else ''}. "
                f"Received: {', '.join(map(repr, [*header, *of_items][:20]))}. "
                f"{nearest(name, [*header, *of_items])}"
            )
        found[name] = tables[0] if tables else "rows"
    return found


def _kinds(source: TableSource) -> dict[str, As]:
    """How the columns of segments and features are read."""
    how: Mapping[str | None, As] = {None: "auto", "numeric": "number"}
    features: dict[str, As] = {name: how.get(kind, "word") for name, kind in source.features}
    return features | {source.segment: "word"}


_FLAGS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}


def _targets(column: Any, source: TableSource) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The targets, and where there is one."""
    if source.kind != "binary":
        return read_numbers(column, np.float64)
    codes, words = coded(column)
    none = [word for word in words if word.lower() in ("na", "nan", "null", "none")]
    odd = np.array([*(w.lower() not in _FLAGS and w not in none for w in words), False])[codes]
    if odd.any():
        row = int(np.argmax(odd))
        raise DataError(
            f"{source.rows}, row {row + 1}: {source.target} must be 0 or 1, as the target is "
            f"binary. Received: {words[codes[row]]!r}. Correct it, or predict a number: "
            "--target=regression."
        )
    table = np.array([*(_FLAGS.get(word.lower(), 0) for word in words), 0])
    missing = np.array([*(word in none for word in words), True])
    return table[codes], ~missing[codes]


def _column(raw: Any, file: str, name: str, source: TableSource, notes: Notes) -> Column:
    """A column of a file as the kind of feature that it is."""
    import pyarrow as pa

    kind, how = dict(source.features).get(name), _kinds(source)[name]
    if how == "number" or (how == "auto" and pa.types.is_floating(raw.type)):
        numbers, present = read_numbers(raw, np.float64)
        if (wrong := present & ~is_finite(numbers)).any():
            row = int(np.argmax(wrong))
            raise DataError(
                f"{file}, row {row + 1}: {name} must be a finite number of 32 bits. Received: "
                f"{numbers[row]:g}. Correct or remove the row, or take the column's logarithm."
            )
        return Numbers(np.where(present, numbers, np.nan))
    codes, words = coded(raw)
    if name == source.segment and source.segment_separator:
        return _labels(Categories(codes, words), name, source)
    if kind != "text":
        return Categories(codes, words)
    if words and all(word.replace(".", "", 1).lstrip("-").isdecimal() for word in words):
        notes.warnings.append(
            f"NUMBERS AS TEXT: {name} of {file} holds numbers alone, such as {words[0]}. If it is "
            f"one, write --features={name}:numeric."
        )
    return Text(codes, words)


def _labels(column: Categories, name: str, source: TableSource) -> Labels:
    separator = source.segment_separator or ""
    if not any(separator in value for value in column.values):
        shown = max(column.values, key=len, default="")
        raise DataError(
            f"The separator {separator!r} must be in a value of {name!r}. Received: {shown!r}, for "
            "example. Give the right --segment_separator, or none."
        )
    return Labels.of_coded(column, separator)


def _parts(raw: Mapping[str, Any], source: TableSource) -> Categories | None:
    if not (source.split and source.split.column):
        return None
    codes, words = coded(raw[source.split.column])
    names = np.array([*words, ""])[codes]
    if (wrong := ~np.isin(names, PARTS)).any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{source.rows}, row {row + 1}: {source.split.column} must be one of "
            f"{', '.join(PARTS)}. Received: {str(names[row])!r}, and other words in "
            f"{int(wrong.sum()) - 1:,} more rows. Correct it, or split by another rule."
        )
    return Categories(codes, words)


def _checked(
    source: TableSource,
    fields: dict[str, Any],
    kept: Mapping[str, NDArray[np.bool_]],
    notes: Notes,
) -> Interactions:
    """The rows that can be used, with what was dropped in the notes."""
    whole = np.logical_and.reduce(list(kept.values()))
    rows = len(whole)
    notes.facts["Rows in the table"] = f"{rows:,}"
    dropped = {f"no {name}": int((~mask).sum()) for name, mask in kept.items()}
    if not whole.any():
        worst = max(dropped, key=lambda name: dropped[name])
        raise DataError(
            f"{source.rows} must have a row with all of {', '.join(kept)}. Received: {rows:,} "
            f"rows, of which {dropped[worst]:,} have {worst}. Name other columns."
        )
    check_targets(fields["values"], whole, source)
    items: Items = fields["items"]
    if items.names is None and not source.items and not whole.all():
        fields["item_ids"] = np.where(whole, fields["item_ids"], items.ids[0])
    if fields["weights"] is not None:
        check_weights(fields["weights"], whole, source)
    if not whole.all():
        arrays = ("user_ids", "item_ids", "values", "timestamps", "weights")
        for name in arrays:
            if fields[name] is not None:
                fields[name] = fields[name][whole]
        fields["columns"] = {name: c.take(whole) for name, c in fields["columns"].items()}
        fields["parts"] = None if fields["parts"] is None else fields["parts"].take(whole)
    for name in ("user_ids", "item_ids", "values", "timestamps", "weights"):
        if fields[name] is not None:
            fields[name] = sealed(fields[name])  # which nobody copies again
    data = Interactions(**fields)
    if source.time or source.kind != "binary":
        moments = () if data.timestamps is None else (data.timestamps,)
        again = repeated_rows(data.user_ids, data.item_rows, data.values, *moments)
        if count := int(again.sum()):
            key = "item, target and time" if source.time else "item and target"
            dropped[f"of the user, {key} of an earlier row"] = count
            data = data.take(~again)
    found = {reason: count for reason, count in dropped.items() if count}
    if found:
        text = ", ".join(f"{count:,} {reason}" for reason, count in found.items())
        notes.facts["Rows dropped"] = text
        share = 1 - len(data) / rows
        if share >= FEW:
            notes.warnings.append(f"DROPPED ROWS: {share:.0%} of {source.label}: {text}.")
    return data
