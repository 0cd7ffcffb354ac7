"""Small models of histories."""

from tdrec.studies.config import changed
from tdrec.tasks.sequences.config import PRESETS

SMALL = changed(
    PRESETS["full"],
    {
        "length": 6,
        "student": {"dim": 4, "dropout": 0.2},
        "teacher": {
            "model": {"dim": 6, "blocks": 4, "dropout": 0.1},
            "epochs": 1,
            "batch_size": 512,
        },
        "batch_size": 16,
        "steps": 20,
        "message_dim": 3,
        "hidden_dim": 4,
        "methods": {"td": {"rounds": 1}},
    },
)
