"""What was read, as facts by name: what somebody looks at before they believe any figure."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tdrec.data.columns import Column
from tdrec.data.holdout import Holdout, Split
from tdrec.data.interactions import Interactions
from tdrec.data.repeated import repeated_rows

_BARS = "▁▂▃▄▅▆▇█"
_BINS = 10
_SHOWN = 10  # segments that are named


def facts_of(
    rows: Interactions, holdout: Holdout[Interactions], split: Split | None = None
) -> dict[str, str]:
    """What was read, dropped and held out.

    Args:
        rows: All rows of a source.
        holdout: Their parts.
        split: By which rule they were held out. Default None: by time.

    Returns:
        Sentences by the name of the fact.

    Example:
        >>> from tdrec.data import split_by_time
        >>> facts = facts_of(ratings, split_by_time(ratings))
        >>> facts["Users"], facts["Evaluation rows of users unseen in training"]
        ('48', '37.4%')
    """
    split, rows = split or Split(), rows.in_units(1.0)
    item = rows.names[1]
    segments = f"{rows.segment_noun.capitalize()}s"
    facts = {
        **rows.notes,
        "Rows": f"{len(rows):,}",
        "Users": f"{np.unique(rows.user_ids).size:,}",
        f"{item.capitalize()}s": f"{np.unique(rows.item_ids).size:,}",
        segments: _segments(rows),
        "Target": _target(rows),
        **({"Features": text} if (text := _features(rows)) else {}),
        **({"Constant columns": text} if (text := _constant(rows)) else {}),
        "Rows repeating a user and item": f"{repeated_rows(rows.user_ids, rows.item_rows).sum():,}",
    }
    if holdout.cut is not None:
        facts["Evaluation rows begin at"] = _moment(holdout.cut)
        facts["Rows tied at that time"] = f"{holdout.ties:,}"
    if split != Split():
        facts["Split"] = _RULES[split.by].format(split=split)
    facts["Evaluation rows of users unseen in training"] = f"{holdout.cold_share:.1%}"
    facts[f"Evaluation rows of {item}s unseen in training"] = f"{holdout.unseen_item_share:.1%}"
    return {name: " ".join(text.splitlines()) for name, text in facts.items()}


_RULES: Mapping[str, str] = {
    "time": "by time: the later rows are evaluated on ({split.text})",
    "random": "at random, seed {split.seed} ({split.text}): rows of all times are on both sides",
    "user": "by user, seed {split.seed} ({split.text}): all evaluation rows are of cold users",
    "column": "by the column {split.column!r}",
}


def histogram(values: NDArray[np.float32]) -> str:
    """Counts as bars and numbers: each value's if there are few, else of ten bins.

    Args:
        values: At least one.

    Example:
        >>> histogram(np.array([1.0, 2.0, 2.0, 3.0]))
        '▅█▅ 1: 1, 2: 2, 3: 1'
    """
    different, counts = np.unique(values, return_counts=True)
    names = [f"{value:g}" for value in different]
    if different.size > _BINS:
        counts, edges = np.histogram(values.astype(np.float64), _BINS)
        names = [f"from {edge:.4g}" for edge in edges[:-1]]
    height = counts / counts.max() * (len(_BARS) - 1)
    bars = "".join(_BARS[round(each)] if n else " " for each, n in zip(height, counts, strict=True))
    return f"{bars} " + ", ".join(f"{n}: {c:,}" for n, c in zip(names, counts, strict=True))


def _segments(rows: Interactions) -> str:
    counts = sorted(rows.segment_counts().items(), key=lambda each: (-each[1], each[0]))
    shown = ", ".join(f"{name} {count:,}" for name, count in counts[:_SHOWN])
    left = len(counts) - _SHOWN
    return f"{len(counts):,}: {shown}" + (f" and {left:,} smaller" if left > 0 else "")


def _target(rows: Interactions) -> str:
    if not len(rows):
        return "none"
    values = rows.values
    if rows.target == "binary":
        ones = int(values.sum())
        return f"binary: {ones:,} of {len(rows):,} are 1, {ones / len(rows):.2%}"
    mean, deviation = values.mean(dtype=np.float64), values.std(dtype=np.float64)
    spread = f"mean {mean:.4g}, standard deviation {deviation:.4g}"
    return f"{values.min():g} to {values.max():g}, {spread}; {histogram(values)}"


def _columns(rows: Interactions) -> dict[str, Column]:
    return {**rows.items.columns, **rows.columns}


def _features(rows: Interactions) -> str:
    parts = []
    for name, column in _columns(rows).items():
        kind = {"Labels": "labels", "Numbers": "numeric", "Text": "text"}.get(
            type(column).__name__, "categorical"
        )
        none = column.missing()
        missing = f", {none:,} missing" if none else ""
        names = getattr(column, "names", None) if kind in ("labels", "categorical") else None
        count = len(names) if names is not None else column.distinct
        what = "names" if kind == "labels" else "values"
        parts.append(f"{name} ({kind}, {count:,} {what}{missing})")
    return "; ".join(parts)


def _constant(rows: Interactions) -> str:
    return ", ".join(
        name for name, column in _columns(rows).items() if len(column) > 1 and column.distinct <= 1
    )


def _moment(cut: int) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(cut))
    except (OverflowError, ValueError, OSError):  # no seconds since 1970
        return str(cut)
