"""Invented result rows, shared by the tests of numbers, pages and plots."""

import zlib

import numpy as np

LABELS = {
    "Bias": "bias",
    "Teacher": "teacher",
    "Scratch": "scratch",
    "LD": "ld",
    "FD": "fd",
    "FitNet": "fitnet",
    "TD k=1": "td",
    "TD k=2": "td",
}


def make_row(genre="War", label="Scratch", seed=0, rmse=1.0, **changes):
    row = {
        "genre": genre,
        "method": LABELS.get(label, "td"),
        "label": label,
        "seed": seed,
        "rmse": rmse,
        "rmse_cold": rmse + 0.01,
        "rmse_warm": rmse - 0.01,
        "n_train": 8459,
        "n_test": 939,
        "cold_share": 0.7,
        "density_rank": 8,
        "params": 61234,
        "multiply_adds": 46000,
        "model_bytes": 300000,
        "latency_ms": 1.9,
        "train_seconds": 7.1,
        "curve": [{"step": 50 * i, "rmse": 1 + 1 / i, "loss": 1.0} for i in range(1, 41)],
        "data": {
            "name": "MovieLens 100K",
            "sha256": "ab" * 32,
            "warnings": [],
            "n_train": 90000,
            "n_test": 10000,
            "cut": 891382309,
            "ties": 3,
            "cold_share": 0.711,
            "unseen_movie_share": 0.013,
        },
        "config": {"regime": "strong", "weights": [10, 3, 3]},
        "key": f"{genre}/{label}/{seed}",
        "versions": {"python": "3.11.7", "tdrec": "0.1.0"},
        "git": "abc1234",
    }
    return row | changes


def make_study(genres=3, labels=tuple(LABELS), seeds=4, generator=0):
    random_numbers = np.random.default_rng(generator)
    rows = []
    for g in range(genres):
        sizes = {"n_train": 9000 - 500 * g, "n_test": 900, "density_rank": g + 1 if g < 8 else None}
        for label in labels:
            alone = LABELS[label] in ("bias", "teacher")
            for seed in [None] if alone else range(seeds):
                rmse = float(1 + 0.02 * g + random_numbers.normal(0, 0.01))
                rows.append(make_row(f"Genre-{g}", label, seed, rmse, **sizes))
    return rows


GENRES = ("Drama", "Comedy", "Action", "Thriller", "Romance", "Adventure", "Sci-Fi", "War")

# How much a label's RMSE lies below scratch's, about as on MovieLens 100K.
GAINS = {
    "Bias": 0.002,
    "Teacher": -0.002,
    "Scratch": 0.0,
    "LD": 0.0035,
    "FD": -0.0005,
    "FitNet": -0.004,
    "Hybrid": 0.002,
    "TD k=0": -0.001,
    "TD k=1": 0.0015,
    "TD k=2": 0.0045,
    "TD k=3": 0.004,
}
TUNED = {"learning_rate": 0.003, "steps": 240, "dropout": 0.1}


def make_study_rows(
    labels=("Bias", "Teacher", "Scratch", "LD", "FD", "FitNet", "Hybrid", "TD k=2"),
    genres=8,
    seeds=5,
    users=240,
    regime="strong",
    setting="",
    study="table3",
    handicap=0.0,
    generator=0,
):
    """Rows of one regime and setting of a study: users' errors first, and the figures from them.

    Users occur in several genres, a few have most of the rows, and all labels share their
    difficulty. `handicap` is added to every distilled label's RMSE: a bad teacher.
    """
    draw = np.random.default_rng(generator)
    difficulty = draw.gamma(9, 1 / 9, users)
    rows = []
    for g in range(genres):
        ids = np.sort(draw.choice(users, int(users * (0.9 - 0.08 * g)), replace=False))
        counts = draw.geometric(1 / (14 - 1.5 * g), len(ids))
        cold = ids % 10 < 7
        shared = (
            draw.gamma(8, 1 / 8, len(ids))
            * difficulty[ids]
            * counts
            * (1.02 + 0.03 * draw.random())
        )
        for label in labels:
            method = LABELS.get(label, label.lower().split()[0])
            alone = method in ("bias", "teacher")
            lost = handicap if not alone and method != "scratch" else 0.0
            factor = (1 - GAINS[label] + lost + 0.002 * draw.normal()) ** 2
            own = np.exp(draw.normal(0, 0.02, len(ids)))  # users whom this method suits
            for seed in [None] if alone else range(seeds):
                noise = np.exp(draw.normal(0, 0.01, len(ids)) + 0.001 * draw.normal())
                squared = shared * factor * own * noise
                row = make_row(GENRES[g], label, seed, _rmse(squared, counts))
                row |= {
                    "method": method,
                    "rmse_cold": _rmse(squared[cold], counts[cold]),
                    "rmse_warm": _rmse(squared[~cold], counts[~cold]),
                    "n_train": 36000 - 3900 * g,
                    "n_test": int(counts.sum()),
                    "density_rank": g + 1,
                    "study": study,
                    "regime": regime,
                    "setting": setting,
                    "by_user": {
                        "ids": ids.tolist(),
                        "rows": counts.tolist(),
                        "squared_error": squared.tolist(),
                    },
                    "key": f"{regime}/{setting}/{GENRES[g]}/{label}/{seed}",
                    "tuned": {} if alone else TUNED | ({"weight": 0.3} if method == "ld" else {}),
                    "params": {"bias": 2600, "teacher": 570_000}.get(method, 61_000 + 100 * g),
                    "multiply_adds": {"bias": None, "teacher": 290_000}.get(method, 19_000),
                    "train_seconds": {"bias": 0.02, "teacher": 45.0, "td": 14.0}.get(method, 3.1),
                    "curve": [] if alone else _curve(squared, counts, label),
                }
                if method == "td":
                    row["rounds"] = int(label[-1])
                rows.append(row)
    return rows


def _rmse(squared, counts):
    return float(np.sqrt(squared.sum() / counts.sum())) if len(counts) else None


def _curve(squared, counts, label):
    level = _rmse(squared, counts) - 0.08
    speed = 40 + zlib.crc32(label.encode()) % 20
    steps = range(20, 260, 20)
    return [
        {"step": step, "rmse": float(level + 1.4 * np.exp(-step / speed)), "loss": 1.0}
        for step in steps
    ]
