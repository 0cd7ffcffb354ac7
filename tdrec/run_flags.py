"""The command line of `tdrec.run`: its flags, and what is read from them, checked.

All of it happens before TensorFlow is imported, so that a wrong value is refused at once.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from absl import flags

from tdrec.config import (
    LOG_EVERY,
    METHODS,
    REFERENCES,
    REGIMES,
    VALIDATION_FRACTION,
    ExperimentConfig,
)
from tdrec.data import Ratings, split_by_time
from tdrec.image_config import PRESETS, TASKS
from tdrec.tuned_values import DEFAULT, TunedValues, read_tuned_values

AUTO = "auto"
"""What `--method` names instead of a method, to have it chosen on validation rows."""

KNOWN_GENRES = (
    *("Action", "Adventure", "Animation", "Children", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "IMAX", "Musical", "Mystery"),
    *("Romance", "Sci-Fi", "Thriller", "Unknown", "War", "Western", "unknown"),
)
"""The genres of all MovieLens data sets: any other word is refused before data are looked for."""

MIN_TEST_ROWS = 20
"""Evaluation rows below which a genre's RMSE says nothing."""

DENSE_TEST_ROWS = 500
"""`--genre=all` takes the genres with more evaluation rows than this, as the paper does."""

GROUPS = {
    "What to run": ("genre", "method", "seeds", "data", "out"),
    "Images": ("task", "preset", "teacher", "validation"),
    "How to train": ("regime", "tuned", "steps", "batch_size", "learning_rate", "embeddings"),
    "How to distil": ("rounds", "weight", "interaction_weight", "message_weight", "state_weight"),
    "Other": ("cache",),
}

flags.DEFINE_string("genre", "Drama", "One genre, a comma list, 'top8' or 'all' (> 500 test rows).")
flags.DEFINE_string(
    "method",
    "td",
    f"One of {', '.join(METHODS)}; a comma list; 'all'; or 'auto': by validation for each genre.",
)
flags.DEFINE_integer("seeds", 3, "Students of each kind, with seeds 0 to N-1.", lower_bound=1)
flags.DEFINE_string(
    "data",
    "auto",
    "Folder or zip of MovieLens, 'tfds', 'tfds:CONFIG' or 'simulated'. 'auto': TDREC_DATA, else "
    "TFDS, else simulated.",
)
flags.DEFINE_string("out", "results", "Folder for results.jsonl, report.md, report.html, students.")
flags.DEFINE_enum(
    "regime", "strong", list(REGIMES), "'strong': id dropout. 'paper': as the paper describes."
)
flags.DEFINE_string(
    "tuned",
    None,
    "A study's tuned.json, whose values are used where no flag says otherwise, or 'none'. Default: "
    "experiments/tuned/table3.json, if there is one that was tuned on the same data.",
)
flags.DEFINE_integer("steps", None, f"Training steps of a student, a multiple of {LOG_EVERY}.")
flags.DEFINE_integer("batch_size", None, "Rows of a student's step.", lower_bound=1)
flags.DEFINE_float("learning_rate", None, "Adam's, of a student.")
flags.DEFINE_enum(
    "embeddings", "quarter", ["quarter", "full"], "Width of a student's, against the teacher's."
)
flags.DEFINE_integer("rounds", None, "td: rounds of communication, k.", lower_bound=0)
flags.DEFINE_float("weight", None, "ld, fd, fitnet, hybrid: weight of the distillation loss.")
flags.DEFINE_float("interaction_weight", None, "td: w1.")
flags.DEFINE_float("message_weight", None, "td: w2, message consistency.")
flags.DEFINE_float("state_weight", None, "td: w3, state consistency.")
flags.DEFINE_string("task", None, f"A comma list of {', '.join(TASKS)}; instead of genres.")
flags.DEFINE_enum("preset", None, list(PRESETS), "Sizes for two cores, for a GPU, or ViT-B/32.")
flags.DEFINE_string(
    "teacher", None, "Published weights: a folder of Hugging Face, an .npz of Google Research."
)
flags.DEFINE_bool("validation", False, "Evaluate on a tenth of the training images, to choose by.")
flags.DEFINE_string("cache", None, "Folder of teachers and compiled code. Default: ~/.cache/tdrec.")

FLAGS = flags.FLAGS


class UsageError(ValueError):
    """A wrong value on the command line; the message is all that the user has to see."""


@dataclass(frozen=True)
class Plan:
    """How each method is trained on each genre."""

    config: ExperimentConfig
    tuned: TunedValues | None

    def values(self, genre: str, method: str) -> dict[str, float]:
        """The tuned values that are used: those that no flag decides."""
        if self.tuned is None or method in REFERENCES:
            return {}
        rounds = {"td": {"rounds": self.config.arguments("td")["rounds"]}}
        label = replace(self.config, methods=rounds).label(method)
        values = self.tuned.of(self.config.regime, genre, label)
        given = {name for name in ("steps", "learning_rate") if FLAGS[name].value is not None}
        given |= set(self.config.methods.get(method, {}))
        return {name: value for name, value in values.items() if name not in given}

    def config_of(self, genre: str, method: str) -> ExperimentConfig:
        """The configuration with the tuned values."""
        from tdrec.tuning import with_tuned

        values = self.values(genre, method)
        return with_tuned(self.config, method, values) if values else self.config


def read_methods(text: str) -> tuple[str, ...]:
    """What was asked for, `AUTO` last; scratch is always among them, to compare with."""
    names = METHODS if text == "all" else listed(text)
    for name in names:
        if name not in (*METHODS, AUTO):
            raise UsageError(
                f"--method must name {', '.join(METHODS)}, {AUTO!r} or 'all'. Received: {name!r}."
            )
    return tuple(m for m in (*METHODS, AUTO) if m in names or m == "scratch")


def check_genres(text: str) -> None:
    """Refuses what is no genre of any MovieLens data set."""
    for name in () if text in ("all", "top8") else listed(text):
        if name not in KNOWN_GENRES:
            raise UsageError(
                f"--genre must name {', '.join(KNOWN_GENRES)}, 'top8' or 'all'. Received: {name!r}."
            )


def read_genres(text: str, ratings: Ratings) -> tuple[str, ...]:
    """The genres that were asked for, in the order of their training rows."""
    holdout = split_by_time(ratings)
    train, test = holdout.train.genre_counts(), holdout.test.genre_counts()
    by_density = sorted(train, key=lambda g: (-train[g], g))
    if text in ("all", "top8"):
        dense = [g for g in by_density if test[g] > DENSE_TEST_ROWS]
        names = dense[:8] if text == "top8" else dense
        if not names:
            raise UsageError(
                f"--genre={text} takes genres with more than {DENSE_TEST_ROWS} evaluation rows. "
                f"Received: data whose largest has {max(test.values())}. Name the genres."
            )
        return tuple(names)
    asked = listed(text)
    for name in asked:
        if name not in test:
            raise UsageError(
                f"--genre must name {', '.join(by_density)}, 'top8' or 'all'. Received: {name!r}."
            )
        if test[name] < MIN_TEST_ROWS or not train[name]:
            usable = [g for g in by_density if test[g] >= MIN_TEST_ROWS and train[g]]
            raise UsageError(
                f"A genre needs {MIN_TEST_ROWS} evaluation rows and a training row. Received: "
                f"{name!r} with {test[name]} and {train[name]}. Large enough: {', '.join(usable)}."
            )
    return tuple(g for g in by_density if g in asked)


def check_validation_rows(genres: Sequence[str], ratings: Ratings) -> None:
    """Refuses to choose a method for a genre on too few rows."""
    earlier = split_by_time(split_by_time(ratings).train, VALIDATION_FRACTION)
    train, validation = earlier.train.genre_counts(), earlier.test.genre_counts()
    for genre in genres:
        if validation[genre] < MIN_TEST_ROWS or not train[genre]:
            raise UsageError(
                f"--method=auto needs {MIN_TEST_ROWS} validation rows of a genre, and training "
                f"rows before them. Received: {genre!r} with {validation[genre]} and "
                f"{train[genre]}. Name a method."
            )


def read_tuned(ratings: Ratings) -> TunedValues | None:
    """The tuned values to use; None where there are none for these data and these flags."""
    if FLAGS.tuned == "none" or (FLAGS.tuned is None and not DEFAULT.is_file()):
        return None
    tuned = read_tuned_values(FLAGS.tuned or DEFAULT)
    if changed := [name for name in ("batch_size", "embeddings") if _is_changed(name)]:
        if FLAGS.tuned is None:
            return None
        raise UsageError(
            "--tuned has values that were chosen with the default batches and embeddings. "
            f"Received: --{' and --'.join(changed)} beside it. Leave one of them out."
        )
    if tuned.data == ratings.fingerprint and FLAGS.regime in tuned.values:
        return tuned
    if FLAGS.tuned is None:
        return None
    raise UsageError(
        "--tuned must name values that were chosen on the same data and in the same regime. "
        f"Received: {FLAGS.tuned}, of {', '.join(tuned.values) or 'no regime'} and data "
        f"{tuned.data[:12]}, for {FLAGS.regime} and {ratings.fingerprint[:12]}. Write --tuned=none."
    )


def read_config() -> ExperimentConfig:
    """The regime's configuration with the flags that were given."""
    config = read_training(REGIMES[FLAGS.regime])
    if FLAGS.embeddings == "full":
        wide = replace(
            config.student, id_dim=config.teacher.id_dim, text_dim=config.teacher.text_dim
        )
        config = replace(config, student=wide)
    config = replace(config, methods=read_method_arguments())
    check_td(config.arguments("td"))
    return config


def read_training(config: Any) -> Any:
    """A configuration with the flags of a student's training that were given."""
    for name in ("steps", "batch_size", "learning_rate"):
        if (value := FLAGS[name].value) is not None:
            if not value > 0 or (name == "steps" and value % LOG_EVERY):
                rule = f"a positive multiple of {LOG_EVERY}" if name == "steps" else "positive"
                raise UsageError(f"--{name} must be {rule}. Received: {value}.")
            config = replace(config, **{name: value})
    return config


def read_method_arguments() -> dict[str, dict[str, Any]]:
    """The arguments of methods that flags give, by the methods' short names."""
    given: dict[str, dict[str, Any]] = {}

    def give(method: str, argument: str, flag: str) -> None:
        if (value := FLAGS[flag].value) is not None:
            given.setdefault(method, {})[argument] = value

    for flag in ("weight", "interaction_weight", "message_weight", "state_weight"):
        value = FLAGS[flag].value
        if value is not None and (not value >= 0 or (flag == "weight" and value == 0)):
            rule = "positive" if flag == "weight" else "at least 0"
            raise UsageError(f"--{flag} must be {rule}. Received: {value:g}.")
    for method in ("ld", "fd", "fitnet"):
        give(method, "weight", "weight")
    give("hybrid", "label_weight", "weight")
    give("hybrid", "feature_weight", "weight")
    for argument in ("rounds", "interaction_weight", "message_weight", "state_weight"):
        give("td", argument, argument)
    return given


def check_td(arguments: Mapping[str, Any]) -> None:
    """Refuses TD without a loss of its own."""
    if not any(arguments[w] for w in ("message_weight", "state_weight")) and not (
        arguments["rounds"] and arguments["interaction_weight"]
    ):
        raise UsageError(f"td must keep at least one of its losses. Received: {dict(arguments)}.")


def cache_dir() -> Path:
    """Where teachers and compiled steps are kept: `--cache`, else the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(FLAGS.cache) if FLAGS.cache else Path(base) / "tdrec"


def listed(text: str) -> tuple[str, ...]:
    """The parts of a comma list."""
    return tuple(part.strip() for part in text.split(",") if part.strip()) or (text,)


def _is_changed(name: str) -> bool:
    return FLAGS[name].value != FLAGS[name].default
