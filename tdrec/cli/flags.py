"""Flags: all that the commands take, in the groups that their help shows."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from tdrec.studies.arm import METHODS, TD_WEIGHTS
from tdrec.studies.config import LOG_EVERY
from tdrec.tasks.images.config import LABELS
from tdrec.tasks.images.config import PRESETS as IMAGE_PRESETS
from tdrec.tasks.ratings.config import PRESETS
from tdrec.tasks.sequences.config import NEXT_MOVIE
from tdrec.tasks.sequences.config import PRESETS as SEQUENCE_PRESETS

Door = Literal["run", "study", "doctor"]

Kind = type | tuple[str, ...]
"""Of a flag's value: a type, or the words to choose from."""


class Flag(NamedTuple):
    """A flag, the first letters of the commands that have it, its kind, and its help."""

    name: str
    letters: str
    kind: Kind
    help: str

    def is_of(self, door: Door) -> bool:
        """Whether a command has it."""
        return door[0] in self.letters


GROUPS: Mapping[str, Sequence[Flag]] = {
    "What to run": (
        Flag("segment", "rsd", str, "One, a comma list, 'top8' or 'all' (> 500 test rows)."),
        Flag("genre", "rsd", str, "The same, of MovieLens."),
        Flag("method", "rsd", str, f"Of {', '.join(METHODS)}; 'all'; 'auto'; 'module:Class'."),
        Flag(
            "seeds", "rsd", int, "Students of each kind, seeds 0 to N-1. Default: 3; of a study 5."
        ),
        Flag("trials", "rs", int, "Of tuning each method. Default: 0, none; of a study 20."),
        Flag("validation", "rs", bool, "Evaluate on the latest training rows, or a part of them."),
        Flag("cuts", "rs", str, "The same of earlier ones too: shares of them, such as 0.6,0.8,1."),
        Flag("regimes", "s", str, f"Presets of genres, of {', '.join(PRESETS)}."),
        Flag("seed", "d", int, "The first of the seeds, instead of 0."),
    ),
    "Where and how": (
        Flag("data", "rsd", str, "MovieLens' folder or zip, 'tfds', 'simulated'; your own table."),
        Flag("out", "rsd", str, "Folder of results and reports. Default: results; results/STUDY."),
        Flag("cache", "rsd", str, "Of teachers and compiled code. Default: ~/.cache/tdrec."),
        Flag("workers", "rs", int, "Processes of one thread. A run without: one of all threads."),
        Flag("cluster", "rs", str, "A Dask scheduler, tcp://host:8786, instead of workers."),
    ),
    "Your own table (or --data=FILE.toml, which python -m tdrec.describe writes)": (
        Flag("columns", "rsd", str, "user=NAME,item=NAME,target=NAME[,time=NAME][,weight=NAME]"),
        Flag("items", "rsd", str, "A table of the items, if there is one."),
        Flag("item_columns", "rsd", str, "item=NAME, if their id has another name there."),
        Flag("segment_column", "rsd", str, "Of either table: genre, country, device, merchant."),
        Flag("segment_separator", "rsd", str, "Between several segments of one row: ', ' or '|'."),
        Flag("features", "rsd", str, "Further columns that models read: NAME or NAME:text, ..."),
        Flag("target", "rsd", ("regression", "binary"), "A number, or 0 and 1."),
        Flag("target_range", "rsd", str, "Lowest and highest target: 1,5. Else as in training."),
        Flag("separator", "rsd", str, "Between the fields of text. Else it is found."),
        Flag("encoding", "rsd", str, "Of text: utf-8, the default, or latin-1."),
    ),
    "What is held out, what is read": (
        Flag("split", "rsd", str, "time[:0.9|:TIMESTAMP], random[:0.9[:SEED]], user, column:NAME."),
        Flag("student_features", "rsd", str, "Of the columns, those that the student reads."),
        Flag("teacher_features", "rsd", str, "The same of the teacher."),
    ),
    "How to train": (
        Flag(
            "regime",
            "rd",
            tuple(PRESETS),
            "'strong', the default: id dropout; 'paper': as it says.",
        ),
        Flag("tuned", "r", str, "A study's tuned.json, used where no flag says otherwise; 'none'."),
        Flag("steps", "rsd", int, f"Training steps of a student, a multiple of {LOG_EVERY}."),
        Flag("batch_size", "rsd", int, "Rows of a student's step."),
        Flag("learning_rate", "rsd", float, "Of a student."),
        Flag("embeddings", "rd", ("quarter", "full"), "A student's width, against the teacher's."),
    ),
    "How to distil": (
        Flag("rounds", "rd", int, "td: rounds of communication, k."),
        Flag("weight", "rd", float, "ld, fd, fitnet, hybrid: weight of the loss."),
        Flag("interaction_weight", "rd", float, "td: w1."),
        Flag("message_weight", "rd", float, "td: w2, message consistency."),
        Flag("state_weight", "rd", float, "td: w3, state consistency."),
    ),
    "The next movie, and images": (
        Flag("task", "rs", str, f"{NEXT_MOVIE}, of genres; or of {', '.join(LABELS)}."),
        Flag(
            "preset",
            "rs",
            (*SEQUENCE_PRESETS, *IMAGE_PRESETS),
            "All users or few; of images: for two cores, a GPU, or ViT-B/32.",
        ),
        Flag("teacher", "rs", str, "Published weights: a folder of Hugging Face, or an .npz file."),
    ),
}
"""All flags, by the group that the help shows them in."""

OF_TABLES = (
    *("columns", "items", "item_columns", "segment_column", "segment_separator", "features"),
    *("target", "target_range", "separator", "encoding"),
)
"""Flags that describe a table of one's own."""

OF_RATINGS = (
    *("regime", "regimes", "tuned", "embeddings", "trials", "split"),
    *("student_features", "teacher_features"),
)
"""Flags that mean nothing to next movies."""

OF_ROWS = ("segment", "genre", "cuts", *OF_RATINGS, *OF_TABLES)
"""Flags that mean nothing to images."""

OF_IMAGES = ("preset", "teacher")
"""Flags that mean nothing to the ratings of genres."""

OF_TD = ("rounds", *TD_WEIGHTS)
"""Flags that are arguments of TD."""

LEAST = {"seeds": 1, "trials": 0, "workers": 1, "seed": 0, **dict.fromkeys(OF_TD, 0)}
"""The least values of flags; of others the value is above 0."""

OF_TRAINING = ("steps", "batch_size", "learning_rate")
"""Flags that are fields of the configuration."""
