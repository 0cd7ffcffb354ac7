"""Where rows come from: the data, the configuration, the versions and the revision of the code."""

import platform
import subprocess
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tdrec


def describe(experiment: Any) -> dict[str, Any]:
    """What all rows of a study say of data, configuration and code."""
    holdout, ratings = experiment.holdout, experiment.ratings
    return {
        "study": experiment.study,
        "data": {
            "name": ratings.name,
            "sha256": ratings.fingerprint,
            "warnings": list(ratings.warnings),
            "n_train": len(holdout.train),
            "n_test": len(holdout.test),
            "cut": holdout.cut,
            "ties": holdout.ties,
            "cold_share": holdout.cold_share,
            "unseen_movie_share": holdout.unseen_movie_share,
        },
        "config": asdict(experiment.config),
        **describe_code(),
    }


def describe_images(experiment: Any) -> dict[str, Any]:
    """What all rows of an image experiment say of data and code."""
    images = experiment.images
    return {
        "study": experiment.study,
        "data": {
            "name": images.name,
            "sha256": images.fingerprint,
            "warnings": [],
            "n_train": images.n_train,
            "n_test": images.n_test,
        },
        **describe_code(),
    }


def describe_code() -> dict[str, Any]:
    """The versions and the revision of the code."""
    return {
        "versions": {
            "python": platform.python_version(),
            "tensorflow": version("tensorflow"),
            "keras": version("keras"),
            "tdrec": tdrec.__version__,
        },
        "git": git_revision(),
    }


def git_revision() -> str | None:
    """The commit of the code, marked `-dirty` if it was changed; None outside of a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
