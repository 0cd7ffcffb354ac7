"""Makes the API reference, HTML, from the docstrings; a warning ends it.

Usage: python docs/api.py DIRECTORY
"""

import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["TF_USE_LEGACY_KERAS"] = "1"  # for the integration of TFRS; `keras` stays Keras 3

import pdoc

import tdrec

MODULES = (
    "tdrec",
    "tdrec.distill.losses",
    "tdrec.distill.methods",
    "tdrec.distill.callbacks",
    "tdrec.distill.gradient_norms",
    "tdrec.distill.given_data",
    "tdrec.distill.teacher_targets",
    "tdrec.diagnostics.state_checks",
    "tdrec.diagnostics.training_checks",
    "tdrec.diagnostics.value_checks",
    "tdrec.data",
    "tdrec.studies.task",
    "tdrec.studies.plan",
    "tdrec.studies.comparison",
    "tdrec.report.report",
    "tdrec.tasks.ratings.evaluation",
    "tdrec.integrations.tfrs",
)


def main(directory: str) -> None:
    """Writes the pages into a folder."""
    for name in tdrec.__all__:
        getattr(tdrec, name)  # the public names load on first use, and pdoc lists what is loaded
    pdoc.render.configure(docformat="google", math=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pdoc.pdoc(*MODULES, output_directory=Path(directory))


if __name__ == "__main__":
    main(*sys.argv[1:])
