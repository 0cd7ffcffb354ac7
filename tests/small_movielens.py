"""Fewer ratings, a small folder of them in MovieLens's own form, and small models of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tdrec.data import Ratings, simulate
from tdrec.tasks.ratings.config import PRESETS, ModelConfig

STRONG = PRESETS["strong"]
SMALL = replace(
    STRONG,
    student=ModelConfig((8, 4), 2, 2),
    teacher=replace(
        STRONG.teacher, model=ModelConfig((16, 8), 4, 2, dropout=0.3), batch_size=256, epochs=2
    ),
    batch_size=64,
    steps=20,
    methods={"td": {"rounds": 1}},  # which compiles faster
)


def of_some_users(n: int, ratings: Ratings) -> Ratings:
    """All ratings of every n-th user."""
    return ratings.take(np.isin(ratings.user_ids, np.unique(ratings.user_ids)[::n]))


def write(folder: Path, rows: int = 4000) -> Path:
    """Writes `ratings.csv` and `movies.csv` with every n-th generated rating."""
    ratings = simulate()
    ratings = ratings.take(np.arange(0, len(ratings), len(ratings) // rows))
    folder.mkdir(parents=True, exist_ok=True)
    columns = (ratings.user_ids, ratings.movie_ids, ratings.values, ratings.timestamps)
    lines = [f"{u},{m},{v:.1f},{t}" for u, m, v, t in zip(*columns, strict=True)]
    (folder / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *lines, ""]))
    movies = ratings.movies
    names = np.array(movies.genre_names)
    lines = [
        f'{i},"{title}",{"|".join(names[flags]) or "(no genres listed)"}'
        for i, title, flags in zip(movies.ids, movies.titles, movies.genres, strict=True)
    ]
    (folder / "movies.csv").write_text("\n".join(["movieId,title,genres", *lines, ""]))
    return folder
