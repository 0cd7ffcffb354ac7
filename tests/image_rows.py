"""Invented rows of image tasks, shared by the tests of numbers, sentences, pages and plots."""

import zlib

import numpy as np

METHODS = {
    "Teacher": "teacher",
    "Scratch": "scratch",
    "LD": "ld",
    "FD": "fd",
    "FitNet": "fitnet",
    "Hybrid": "hybrid",
    "TD k=1": "td",
    "TD k=2": "td",
}
# How much a label's accuracy is above scratch's.
GAINS = {"Teacher": 0.08, "LD": 0.004, "FD": -0.006, "Hybrid": 0.005, "TD k=2": 0.012}
CIFAR10 = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
STATES = ("low", "high", "message")


def make_image_row(task="cifar10", label="Scratch", seed=0, accuracy=0.7, **changes):
    """One run; `changes` replace or add fields."""
    method = METHODS.get(label, "td")
    row = {
        "task": task,
        "method": method,
        "label": label,
        "seed": None if method == "teacher" else seed,
        "accuracy": accuracy,
        "n_train": 400,
        "n_test": 10000,
        "classes": ["living", "not living"],
        "params": {"teacher": 86_000_000}.get(method, 29_000_000),
        "multiply_adds": {"teacher": 4_400_000_000}.get(method, 1_460_000_000),
        "method_params": {"td": 1_200_000, "fd": 590_000}.get(method, 0),
        "train_multiply_adds": None if method == "teacher" else 141_000_000_000,
        "train_seconds": {"td": 61.0, "teacher": None}.get(method, 31.0),
        "curve": [{"step": 20 * i, "loss": 1 / i, "accuracy": 1 - 0.5 / i} for i in range(1, 11)],
        "cka": None,
        "data": {
            "name": "cifar10",
            "sha256": "ab" * 32,
            "n_train": 50000,
            "n_test": 10000,
            "warnings": [],
        },
        "config": {"learning_rate": 0.001, "weights": [10, 3, 3]},
        "versions": {"keras": "3.15.1", "tdrec": "0.1.0"},
        "git": "abc1234",
        "study": "f00d",
        "key": f"{task}/{label}/{seed}",
    }
    return row | changes


def make_image_rows(
    tasks=("cifar10", "cifar10:living", "cifar100"),
    labels=tuple(METHODS),
    seeds=5,
    without_labels=("cifar10:living",),
    classes=CIFAR10,
    generator=0,
):
    """Runs of a study: seeds shift all labels alike; tasks `without_labels` lack what needs them.

    LD, Hybrid and the teacher have no rows there. Only TD and FD have states of the teacher's.
    """
    draw = np.random.default_rng(generator)
    rows = []
    for t, task in enumerate(tasks):
        shifts = draw.normal(0, 0.01, seeds)
        for label in labels:
            method = METHODS[label]
            if task in without_labels and method in ("teacher", "ld", "hybrid"):
                continue
            alone = method == "teacher"
            for seed in [None] if alone else range(seeds):
                gain = GAINS.get(label, 0.0) + (0 if alone else shifts[seed])
                accuracy = round(0.7 - 0.1 * t + gain + 0.004 * draw.normal(), 4)
                speed = 4 + zlib.crc32(label.encode()) % 5
                curve = [
                    {"step": 20 * i, "loss": 1.0, "accuracy": float(1 - 0.8 * np.exp(-i / speed))}
                    for i in range(1, 21)
                ]
                cka = _cka(classes, draw) if method in ("td", "fd") and classes else None
                rows.append(
                    make_image_row(
                        task,
                        label,
                        seed,
                        float(accuracy),
                        classes=list(classes or ("0", "1")),
                        curve=[] if alone else curve,
                        cka=cka,
                    )
                )
    return rows


def _cka(classes, draw):
    def row(own, level):
        return {its: float(np.clip(level - 0.35 * (own != its), 0, 1)) for its in STATES}

    return {name: {own: row(own, draw.uniform(0.3, 1)) for own in STATES} for name in classes}
