"""Invented result rows, shared by the tests of numbers, pages and plots."""

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
