"""Invented rows of both kinds of tasks, shared by the tests of reports."""

import zlib

import numpy as np

from tdrec.studies.row import REFERENCES, Data, Row, Units

METHODS = {
    "Bias": "bias",
    "Popularity": "popularity",
    "Item-kNN": "item_knn",
    "Teacher": "teacher",
    "Scratch": "scratch",
    "LD": "ld",
    "FD": "fd",
    "FitNet": "fitnet",
    "Hybrid": "hybrid",
}
GENRES = ("Drama", "Comedy", "Action", "Thriller", "Romance", "Adventure", "Sci-Fi", "War")
CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
STATES = ("low", "high", "message")

# By how much a label is better than scratch: in shares of the RMSE, and in accuracy.
GAINS = {
    "Bias": 0.002,
    "Teacher": 0.02,
    "LD": 0.0035,
    "FD": -0.0005,
    "FitNet": -0.004,
    "Hybrid": 0.002,
    "TD k=0": -0.001,
    "TD k=1": 0.0015,
    "TD k=2": 0.0045,
    "TD k=3": 0.004,
}
IMAGE_GAINS = {"Teacher": 0.08, "LD": 0.004, "FD": -0.006, "Hybrid": 0.005, "TD k=2": 0.012}
DATA = {
    "rmse": Data("MovieLens 100K", "ab" * 32, 90_000, 10_000, facts={"Rows tied at the cut": "3"}),
    "accuracy": Data("cifar10", "cd" * 32, 50_000, 10_000),
    "ndcg": Data("MovieLens 100K", "ab" * 32, 90_000, 10_000),
}


def make_row(task="War", label="Scratch", seed=0, value=1.0, metric="rmse", **changes):
    """One run; `changes` replace fields. A run without a value diverged."""
    method = changes.get("method", METHODS.get(label, "td"))
    is_student = method not in REFERENCES
    rounds = int(label[-1]) if label.startswith("TD k=") else 2
    fields = {
        "study": "table3",
        "task": task,
        "metric": metric,
        "value": value,
        "method": method,
        "label": label,
        "preset": "strong",
        "setting": "",
        "seed": seed if is_student else None,
        "status": "diverged" if value is None else "ok",
        "n_train": 8459,
        "n_test": 939,
        "key": f"{changes.get('preset')}/{changes.get('setting')}/{task}/{label}/{seed}",
        "data": DATA[metric],
        "variant": method == "td" and label != "TD k=2",
        "arguments": {"rounds": rounds} if method == "td" else {},
        "config": {"preset": "strong", "learning_rate": 0.001},
        "curve": _curve(metric, label) if is_student and value is not None else (),
        "params": {"bias": 2600, "teacher": 570_000}.get(method, 61_234),
        "multiply_adds": {"bias": None, "teacher": 290_000}.get(method, 19_000),
        "method_params": {"td": 12_000, "fd": 5_900}.get(method, 0),
        "train_multiply_adds": None if method in ("bias", "teacher") else 141_000,
        "train_seconds": {"bias": 0.02, "teacher": 45.0, "td": 14.0}.get(method, 3.1),
        "versions": {"python": "3.11.7", "tdrec": "0.1.0"},
        "git": "abc1234",
    }
    return Row(**(fields | changes))


def make_rows(
    labels=("Bias", "Teacher", "Scratch", "LD", "FD", "FitNet", "Hybrid", "TD k=2"),
    tasks=8,
    seeds=5,
    users=240,
    generator=0,
    handicap=0.0,
    validation=False,
    **changes,
):
    """Rows of genres: users' errors first, and the figures from them.

    Users occur in several genres, a few have most of the rows, and all labels share their
    difficulty. `handicap` is added to every distilled label's RMSE: a bad teacher.
    """
    draw = np.random.default_rng(generator)
    difficulty = draw.gamma(9, 1 / 9, users)
    rows = []
    for g in range(tasks):
        ids = np.sort(draw.choice(users, int(users * (0.9 - 0.08 * g)), replace=False))
        counts = draw.geometric(1 / (14 - 1.5 * g), len(ids))
        cold = ids % 10 < 7
        shared = draw.gamma(8, 1 / 8, len(ids)) * difficulty[ids] * counts * (1.02 + 0.01 * g)
        for label in labels:
            alone = METHODS.get(label) in REFERENCES
            lost = handicap * (not alone and label != "Scratch")
            factor = (1 - GAINS.get(label, 0.0) + lost + 0.002 * draw.normal()) ** 2
            own = np.exp(draw.normal(0, 0.02, len(ids)))  # users whom this method suits
            for seed in [None] if alone else range(seeds):
                noise = np.exp(draw.normal(0, 0.01, len(ids)) + 0.001 * draw.normal())
                squared = shared * factor * own * noise
                units = Units(ids.tolist(), counts.tolist(), squared.tolist())
                details = {
                    "genre": GENRES[g],
                    "rmse_cold": _rmse(squared[cold], counts[cold]),
                    "rmse_warm": _rmse(squared[~cold], counts[~cold]),
                    "cold_share": 0.7,
                    "density_rank": g + 1,
                }
                fields = {
                    "units": units,
                    "n_train": 36_000 - 3_900 * g,
                    "n_test": int(counts.sum()),
                    "details": details | ({"rmse_all_segments": 0.95} if alone else {}),
                    "tuned": {} if alone else {"learning_rate": 0.003, "steps": 240},
                    "latency_ms": None if alone else 1.9,
                    "model_bytes": None if alone else 300_000,
                }
                if validation and not alone:
                    sums = (squared * 0.97).tolist()
                    fields["validation"] = {
                        "value": _rmse(squared * 0.97, counts),
                        "units": {"ids": ids.tolist(), "rows": counts.tolist(), "sums": sums},
                    }
                value = _rmse(squared, counts)
                rows.append(make_row(GENRES[g], label, seed, value, **(fields | changes)))
    return rows


def make_image_rows(
    tasks=("cifar10", "cifar10:living", "cifar100"),
    labels=("Teacher", "Scratch", "LD", "FD", "FitNet", "Hybrid", "TD k=1", "TD k=2"),
    seeds=5,
    without_labels=("cifar10:living",),
    classes=CLASSES,
    generator=0,
    **changes,
):
    """Rows of image tasks: seeds shift all labels alike; tasks `without_labels` lack what needs
    the teacher's: LD, Hybrid and the teacher. Only TD and FD have states of the teacher's."""
    draw = np.random.default_rng(generator)
    rows = []
    for t, task in enumerate(tasks):
        shifts = draw.normal(0, 0.01, seeds)
        for label in labels:
            alone = label == "Teacher"
            if task in without_labels and label in ("Teacher", "LD", "Hybrid"):
                continue
            for seed in [None] if alone else range(seeds):
                gain = IMAGE_GAINS.get(label, 0.0) + (0 if alone else shifts[seed])
                value = round(0.7 - 0.1 * t + gain + 0.004 * draw.normal(), 4)
                details = {"classes": list(classes or ("0", "1"))}
                if label[:2] in ("TD", "FD") and classes:
                    details["cka"] = _cka(classes, draw)
                fields = {"n_train": 400, "n_test": 10_000, "details": details, "study": "images"}
                rows.append(make_row(task, label, seed, value, "accuracy", **(fields | changes)))
    return rows


def _rmse(squared, counts):
    return float(np.sqrt(squared.sum() / counts.sum())) if len(counts) else None


def _curve(metric, label):
    speed = 40 + zlib.crc32(label.encode()) % 20
    end, start = (0.95, 1.4) if metric == "rmse" else (0.98, -0.8)
    return [
        {"step": step, metric: float(end + start * np.exp(-step / speed)), "loss": 1.0}
        for step in range(20, 260, 20)
    ]


def _cka(classes, draw):
    def row(own, level):
        return {its: float(np.clip(level - 0.35 * (own != its), 0, 1)) for its in STATES}

    return {name: {own: row(own, draw.uniform(0.3, 1)) for own in STATES} for name in classes}
