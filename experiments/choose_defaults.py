"""Chooses the methods' default weights on validation rows carved from the training rows by time.

    python experiments/choose_defaults.py --data=ml-100k.zip

The evaluation rows are dropped before anything else; the latest tenth of the training rows takes
their place, and the teacher is trained without it. Prints the mean RMSE over four genres, from
dense to sparse, and two seeds, for each candidate; the best of each method is what
`tdrec.config.METHOD_DEFAULTS` holds. README.md beside this file has the cost and the figures.
"""

import sys
from dataclasses import replace

import numpy as np
from absl import flags

from tdrec.config import REGIMES
from tdrec.data import load, split_by_time
from tdrec.run import cache_dir, quiet_tensorflow

GENRES = ("Drama", "Action", "Romance", "War")
SEEDS = (0, 1)
CANDIDATES = (
    ("scratch", {}),
    *(("ld", {"weight": w}) for w in (0.3, 1.0, 3.0)),
    *(("fd", {"weight": w}) for w in (1.0, 10.0)),
    *(("fitnet", {"weight": w}) for w in (1.0, 10.0)),
    *(("hybrid", {"label_weight": a, "feature_weight": b}) for a, b in ((0.3, 3.0), (1.0, 3.0))),
    *(
        ("td", {"interaction_weight": a, "message_weight": b, "state_weight": b})
        for a, b in ((1.0, 1.0), (3.0, 1.0))
    ),
)


def main() -> None:
    """Runs all candidates."""
    flags.FLAGS(sys.argv)
    with quiet_tensorflow():
        from tdrec.experiment import Experiment

    ratings = split_by_time(load(flags.FLAGS.data)).train
    config = REGIMES[flags.FLAGS.regime]
    for name in ("bias", "teacher"):
        experiment = Experiment(ratings, config, cache_dir())
        rmse = [experiment.run(genre, name, None).row["rmse"] for genre in GENRES]
        print(f"{name:<60} {np.mean(rmse):.4f} {np.round(rmse, 4)}", flush=True)
    for name, arguments in CANDIDATES:
        experiment = Experiment(ratings, replace(config, methods={name: arguments}), cache_dir())
        rmse = [
            np.mean([experiment.run(genre, name, seed).row["rmse"] for seed in SEEDS])
            for genre in GENRES
        ]
        print(f"{name} {arguments!s:<55} {np.mean(rmse):.4f} {np.round(rmse, 4)}", flush=True)


if __name__ == "__main__":
    main()
