"""Generated tables as a team may have them, with columns of every kind: for tests and a look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tdrec.data.error import DataError
from tdrec.data.table_files import PARQUET
from tdrec.data.table_source import TableSource
from tdrec.runtime.files import replacing, user_path

COUNTRIES = ("NL", "BE", "DE", "FR", "ES", "IT")
DEVICES = ("phone", "tablet", "desktop")
_START, _DAY, _DAYS = 1_700_000_000, 86_400, 90
_FACTORS = 4


def simulate_table(
    path: str,
    *,
    kind: str = "clicks",
    rows: int = 50_000,
    warm: bool = True,
    seed: int = 0,
) -> TableSource:
    """Writes a table of members who were shown offers: string ids, a segment, features of all
    kinds.

    Its columns are `member`, `offer`, `clicked` (0 or 1) or `rating` (1 to 10), `time`, `country`,
    `device`, `price` and `text`. What is liked depends on biases of members and offers, on tastes
    that members of all countries share, on the country and on the price. A member stays in one
    country, and some prices are missing.

    Args:
        path: The file to write, `.parquet` or `.csv`.
        kind: "clicks" or "ratings".
        rows: How many. Default 50,000.
        warm: Whether members come back all the time, so that most of the later rows are of members
            with earlier ones; otherwise they arrive one after another. Default True.
        seed: Another seed gives other rows; the same seed the same rows.

    Returns:
        Where the table is and what its columns mean, as `read_table` takes it.

    Raises:
        DataError: If the kind is none of the two, or there are fewer than 100 rows.

    Example:
        >>> from tdrec.data import read_table
        >>> source = simulate_table("clicks.parquet", rows=2_000)
        >>> clicks = read_table(source)
        >>> clicks.segment_names, clicks.target
        (('BE', 'DE', 'ES', 'FR', 'IT', 'NL'), 'binary')
    """
    if kind not in ("clicks", "ratings") or rows < 100:
        raise DataError(
            "A generated table is of clicks or ratings, and has at least 100 rows. "
            f"Received: {kind!r} with {rows}."
        )
    columns = _columns(np.random.default_rng(seed), rows, warm)
    score = columns.pop("score")
    target = "clicked" if kind == "clicks" else "rating"
    if kind == "clicks":
        draw = np.random.default_rng(seed + 1).random(rows)
        columns[target] = (draw < 1 / (1 + np.exp(1.6 - 1.2 * score))).astype(int)
    else:
        noise = np.random.default_rng(seed + 1).normal(0, 1.1, rows)
        columns[target] = np.clip(np.rint(6.5 + 1.3 * score + noise), 1, 10).astype(int)
    _write(user_path(path), columns)
    return TableSource(
        path,
        user="member",
        item="offer",
        target=target,
        segment="country",
        time="time",
        features=(("device", "categorical"), ("price", "numeric"), ("text", "text")),
        kind="binary" if kind == "clicks" else "regression",
    )


def _columns(random: np.random.Generator, rows: int, warm: bool) -> dict[str, Any]:
    members, offers = max(rows // 40, 20), max(rows // 100, 20)
    member = random.integers(0, members, rows)
    offer = np.minimum(random.geometric(4 / offers, rows) - 1, offers - 1)
    country = random.choice(len(COUNTRIES), members, p=(0.3, 0.22, 0.18, 0.14, 0.1, 0.06))
    topic = random.integers(0, 8, offers)
    price = np.round(np.exp(random.normal(3.0, 0.6, offers)), 2)
    taste, trait = (random.normal(0, 1, (n, _FACTORS)) for n in (members, offers))
    trait += random.normal(0, 1, (8, _FACTORS))[topic]  # offers of a topic are alike
    local = random.normal(0, 0.4, (len(COUNTRIES), 8))
    score = (
        random.normal(0, 0.6, members)[member]
        + random.normal(0, 0.6, offers)[offer]
        + 0.35 * (taste[member] * trait[offer]).sum(1)
        + local[country[member], topic[offer]]
        - 0.3 * (np.log(price[offer]) - 3.0)
    )
    day = random.uniform(0, _DAYS, rows)
    if not warm:
        arrival = np.sort(random.uniform(0, _DAYS, members))
        day = arrival[member] + random.exponential(2.0, rows)
    words = np.array(["shoes", "boots", "books", "films", "games", "tools", "plants", "chairs"])
    colours = np.array(["red", "blue", "green", "black", "white"])
    text = [f"{colours[random.integers(5)]} {words[t]}" for t in topic]
    shown = np.where(random.random(rows) < 0.03, np.nan, price[offer])
    return {
        "member": np.array([f"m-{i:06d}" for i in range(members)])[member],
        "offer": np.array([f"o-{i:05d}" for i in range(offers)])[offer],
        "time": _START + np.floor(day * _DAY).astype(np.int64),
        "country": np.array(COUNTRIES)[country[member]],
        "device": np.array(DEVICES)[random.integers(0, 3, rows)],
        "price": shown,
        "text": np.array(text)[offer],
        "score": score,
    }


def _write(path: Path, columns: dict[str, Any]) -> None:
    import pandas as pd

    table = pd.DataFrame(columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        if path.suffix in PARQUET:
            table.to_parquet(temporary, index=False)
        else:
            table.to_csv(temporary, index=False)
