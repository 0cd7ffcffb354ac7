"""Distils students for genres of MovieLens and reports their RMSE.

Example:

    python -m tdrec.run --genre=Drama --method=td --data=ml-100k.zip
"""

import contextlib
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from absl import flags

import tdrec
from tdrec.config import (
    LOG_EVERY,
    METHODS,
    REFERENCES,
    REGIMES,
    VALIDATION_FRACTION,
    ExperimentConfig,
)
from tdrec.data import Ratings, check_source, load, split_by_time
from tdrec.quiet import quiet_stderr
from tdrec.results import read_rows, replace_file, write_rows
from tdrec.tuned_values import DEFAULT, TunedValues, read_tuned_values

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
flags.DEFINE_string("cache", None, "Folder of trained teachers. Default: ~/.cache/tdrec.")

FLAGS = flags.FLAGS


class UsageError(ValueError):
    """A wrong value on the command line; the message is all that the user has to see."""


@dataclass(frozen=True)
class Run:
    """One planned run."""

    genre: str
    method: str
    seed: int | None


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
        given |= {"validation_rmse", *self.config.methods.get(method, {})}
        return {name: value for name, value in values.items() if name not in given}

    def config_of(self, genre: str, method: str) -> ExperimentConfig:
        """The configuration with the tuned values."""
        from tdrec.tuning import with_tuned

        values = self.values(genre, method)
        return with_tuned(self.config, method, values) if values else self.config


def main(argv: list[str]) -> int:
    """Parses the command line, makes the runs that are missing, and writes the report.

    Args:
        argv: The command line, program name first.

    Returns:
        The exit status: 0, 2 for a wrong value, 130 after Ctrl-C.
    """
    if {"-h", "--help", "-help"} & set(argv[1:]):
        print(help_text())
        return 0
    try:
        rest = FLAGS(argv)[1:]
        if rest:
            raise UsageError(f"unexpected argument {rest[0]!r}: every flag is written --name=value")
        methods, config = read_methods(FLAGS.method), read_config()
        check_genres(FLAGS.genre)
        check_source(FLAGS.data)
        ratings = load(FLAGS.data)
        genres = read_genres(FLAGS.genre, ratings)
        auto = "auto" in _listed(FLAGS.method)
        if auto:
            check_validation_rows(genres, ratings)
        tuned = read_tuned(ratings)
        out = Path(FLAGS.out)
        out.mkdir(parents=True, exist_ok=True)
    except (ValueError, OSError, flags.Error) as error:
        print(f"tdrec: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    for warning in ratings.warnings:
        print(f"\n*** {warning}\n", file=sys.stderr)
    command = f"python -m tdrec.run {shlex.join(argv[1:])}".strip()
    try:
        run_all(ratings, Plan(config, tuned), genres, methods, out, command, auto)
    except KeyboardInterrupt:
        print(
            "\ntdrec: interrupted. What is finished is on disk, and the same command goes on.",
            file=sys.stderr,
        )
        return 130
    return 0


def help_text() -> str:
    """The flags in groups, with their defaults."""
    lines = [__doc__.strip(), ""]
    for group, names in GROUPS.items():
        lines += [f"{group}:"]
        for name in names:
            flag = FLAGS[name]
            default = "" if flag.default is None else f" [{flag.default}]"
            lines.append(f"  --{name:<20}{flag.help}{default}")
        lines.append("")
    return "\n".join(lines)


def read_methods(text: str) -> tuple[str, ...]:
    """The methods that were asked for by name; scratch is always among them, to compare with."""
    names = METHODS if text == "all" else _listed(text)
    for name in names:
        if name not in (*METHODS, "auto"):
            raise UsageError(
                f"--method must name {', '.join(METHODS)}, 'auto' or 'all'. Received: {name!r}."
            )
    return tuple(m for m in METHODS if m in names or m == "scratch")


def check_genres(text: str) -> None:
    """Refuses what is no genre of any MovieLens data set."""
    for name in () if text in ("all", "top8") else _listed(text):
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
    asked = _listed(text)
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
    """The tuned values to use; None where there are none for these data and this regime."""
    if FLAGS.tuned == "none" or (FLAGS.tuned is None and not DEFAULT.is_file()):
        return None
    tuned = read_tuned_values(FLAGS.tuned or DEFAULT)
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
    config = REGIMES[FLAGS.regime]
    for name in ("steps", "batch_size", "learning_rate"):
        if (value := FLAGS[name].value) is not None:
            if not value > 0 or (name == "steps" and value % LOG_EVERY):
                rule = f"a positive multiple of {LOG_EVERY}" if name == "steps" else "positive"
                raise UsageError(f"--{name} must be {rule}. Received: {value}.")
            config = replace(config, **{name: value})
    if FLAGS.embeddings == "full":
        wide = replace(
            config.student, id_dim=config.teacher.id_dim, text_dim=config.teacher.text_dim
        )
        config = replace(config, student=wide)
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
    td = given.get("td", {})
    config = replace(config, methods=given)
    if not any(config.arguments("td")[w] for w in ("message_weight", "state_weight")) and not (
        config.arguments("td")["rounds"] and config.arguments("td")["interaction_weight"]
    ):
        raise UsageError(f"td must keep at least one of its losses. Received: {td}.")
    return config


def run_all(
    ratings: Ratings,
    plan: Plan,
    genres: Sequence[str],
    methods: Sequence[str],
    out: Path,
    command: str,
    auto: bool,
) -> None:
    """Makes the runs that `results.jsonl` does not have yet, each written as it ends."""
    with quiet_tensorflow():
        from tdrec.experiment import Experiment
    from tqdm import tqdm

    notes = []
    chosen = choose(ratings, plan, genres, out) if auto else {}
    for genre, (method, scores) in chosen.items():
        figures = ", ".join(f"{plan.config.label(m)} {scores[m]:.4f}" for m in scores)
        notes.append(
            f"For {genre} auto chose {plan.config.label(method)}, by the RMSE on the latest "
            f"{VALIDATION_FRACTION:.0%} of the training rows: {figures}."
        )
        print(notes[-1])
    if len({method for method, _ in chosen.values()} | {"scratch"}) > 2:
        notes.append("A genre has a result of what was chosen for it, and of no other choice.")
    experiment = Experiment(ratings, plan.config, cache_dir())
    path = out / "results.jsonl"
    done = {(row["study"], row["key"]) for row in read_rows(path)} if path.exists() else set()
    about = describe(experiment)
    runs: list[Run] = []
    for genre in genres:
        runs += [Run(genre, reference, None) for reference in REFERENCES]
        of_genre = {*methods, *(chosen[genre][:1] if auto else ())}
        runs += [
            Run(genre, method, seed)
            for method in METHODS
            if method in of_genre
            for seed in range(FLAGS.seeds)
        ]
    if plan.tuned is not None:
        # Rows of other values are not to be compared with these.
        about["study"] = f"{about['study']}-{plan.tuned.digest}"
        pairs = {(run.genre, run.method) for run in runs if run.method not in REFERENCES}
        used = sum(bool(plan.values(*pair)) for pair in pairs)
        notes.append(
            f"Tuned values from {plan.tuned.path} are used for {used} of {len(pairs)} pairs of "
            "genre and method, where no flag says otherwise; the others have the defaults. "
            "--tuned=none turns them off."
        )
        print(notes[-1])
    experiments = {
        run: experiment.with_config(plan.config_of(run.genre, run.method)) for run in runs
    }
    keys = {run: experiments[run].key(run.genre, run.method, run.seed) for run in runs}
    missing = [run for run in runs if (about["study"], keys[run]) not in done]
    print(f"{len(runs) - len(missing)} of {len(runs)} runs are done already; {len(missing)} to go.")
    for run in (bar := tqdm(missing, unit="run", leave=False)):
        label = plan.config.label(run.method)
        bar.set_description(f"{run.genre} {label}")
        result = experiments[run].run(run.genre, run.method, run.seed)
        row = {**result.row, **about, "label": label}
        row |= {
            "config": asdict(experiments[run].config),
            "tuned": plan.values(run.genre, run.method),
        }
        if result.model is not None and result.encoder is not None:
            saved = save_student(replace(result, row=row), out, about["study"])
            row["model"] = str(saved.relative_to(out))
            row["model_bytes"] = (out / row["model"]).stat().st_size
        elif run.method == "teacher":
            row["model_bytes"] = experiment.teacher_path(run.genre).stat().st_size
        write_rows(path, [*(read_rows(path) if path.exists() else []), row])
        bar.set_postfix(rmse=f"{row['rmse']:.4f}")
    overall = experiment.all_genres()
    notes.append(
        f"On all evaluation rows of all genres the teacher's RMSE is {overall['teacher']:.4f}, and "
        f"that of a bias model fitted on all training rows {overall['bias']:.4f}."
    )
    report(path, out, about["study"], command, notes)


def choose(
    ratings: Ratings, plan: Plan, genres: Sequence[str], out: Path
) -> dict[str, tuple[str, dict[str, float]]]:
    """For each genre the method that is best on validation rows, and the RMSE of each on them."""
    with quiet_tensorflow():
        from tdrec.auto import earlier_experiment, validation_scores

    print("auto: training one student of each method without the validation rows.")
    experiment = earlier_experiment(ratings, plan.config, cache_dir())
    chosen = {}
    for genre in genres:
        configs = {method: plan.config_of(genre, method) for method in METHODS}
        scores = validation_scores(experiment, genre, configs, out / "validation.json")
        chosen[genre] = (min(scores, key=scores.__getitem__), scores)
    return chosen


def report(path: Path, out: Path, study: str, command: str, notes: list[str]) -> None:
    """Writes the report of one study's rows, and prints its table and where it is."""
    from tdrec.report import write_report
    from tdrec.summary import summarise

    rows = read_rows(path)
    shown = [row for row in rows if row["study"] == study]
    if len(rows) > len(shown):
        notes = [
            *notes,
            f"{len(rows) - len(shown)} rows of {path.name} have another configuration or other "
            "data, and are not shown.",
        ]
    markdown, html = write_report(shown, out, command, notes)
    summary = summarise(shown)
    labels = [label.name for label in summary.labels]
    print("RMSE".ljust(14) + "".join(label.rjust(18) for label in labels))
    for genre in summary.genres:
        cells = [genre.cells.get(label) for label in labels]
        print(genre.name.ljust(14) + "".join(_written(cell).rjust(18) for cell in cells))
    print(f"\n{markdown}\n{html}")


def _written(cell: Any) -> str:
    """A cell of the printed table: mean and standard error."""
    if cell is None:
        return "-"
    return f"{cell.rmse:.4f}" if cell.se is None else f"{cell.rmse:.4f} ± {cell.se:.4f}"


def save_student(result: Any, out: Path, study: str) -> Path:
    """Saves a student as `.keras`, with its vocabularies as JSON beside it."""
    row = result.row
    folder = out / "students" / study
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{row['genre']}-{row['label']}-seed{row['seed']}".replace(" ", "-").replace("/", "-")
    path = folder / f"{name}.keras"
    temporary = folder / f".{name}.{os.getpid()}.keras"
    try:
        result.model.save(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    replace_file(path.with_suffix(".json"), result.encoder.to_json())
    return path


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


def cache_dir() -> Path:
    """Where teachers are kept: `--cache`, else the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(FLAGS.cache) if FLAGS.cache else Path(base) / "tdrec"


@contextlib.contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Keeps what TensorFlow's C++ code writes while it loads off the screen, errors excepted."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet_stderr():
        yield


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip()) or (text,)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
