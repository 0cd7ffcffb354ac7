"""Distils students for genres of MovieLens, or for image tasks, and reports their quality.

Example:

    python -m tdrec.run --genre=Drama --method=td --data=ml-100k.zip
    python -m tdrec.run --task=cifar10 --method=td --preset=tiny
"""

import math
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from absl import flags

from tdrec.compilation import keep_compiled
from tdrec.config import METHODS, REFERENCES, VALIDATION_FRACTION
from tdrec.data import Ratings, check_source, load
from tdrec.image_flags import read_image_plan
from tdrec.image_run import run_images
from tdrec.provenance import describe
from tdrec.quiet import quiet_tensorflow
from tdrec.results import add_row, read_if_there, read_rows, replace_file
from tdrec.run_flags import (
    AUTO,
    FLAGS,
    GROUPS,
    Plan,
    UsageError,
    cache_dir,
    check_genres,
    check_validation_rows,
    read_config,
    read_genres,
    read_methods,
    read_tuned,
)
from tdrec.statistics import choose

Choice = tuple[str, dict[str, float]]
"""The method that was chosen, and the RMSE of each method on validation rows."""


@dataclass(frozen=True)
class Run:
    """One planned run."""

    genre: str
    method: str
    seed: int | None


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
        command = f"python -m tdrec.run {shlex.join(argv[1:])}".strip()
        out = Path(FLAGS.out)
        work = _images(out, command) if FLAGS.task is not None else _genres(out, command)
        out.mkdir(parents=True, exist_ok=True)
        keep_compiled(cache_dir())
    except (ValueError, OSError, flags.Error) as error:
        print(f"tdrec: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    try:
        work()
    except KeyboardInterrupt:
        print(
            "\ntdrec: interrupted. What is finished is on disk, and the same command goes on.",
            file=sys.stderr,
        )
        return 130
    return 0


def _genres(out: Path, command: str) -> Callable[[], None]:
    """What is to be done for genres, once the flags were found to be right."""
    methods, config = read_methods(FLAGS.method), read_config()
    check_genres(FLAGS.genre)
    check_source(FLAGS.data)
    ratings = load(FLAGS.data)
    genres = read_genres(FLAGS.genre, ratings)
    if AUTO in methods:
        check_validation_rows(genres, ratings)
    plan = Plan(config, read_tuned(ratings))
    for warning in ratings.warnings:
        print(f"\n*** {warning}\n", file=sys.stderr)
    return partial(run_all, ratings, plan, genres, methods, out, command)


def _images(out: Path, command: str) -> Callable[[], None]:
    """What is to be done for image tasks."""
    return partial(run_images, read_image_plan(), out, command)


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


def run_all(
    ratings: Ratings,
    plan: Plan,
    genres: Sequence[str],
    methods: Sequence[str],
    out: Path,
    command: str,
) -> None:
    """Makes the runs that `results.jsonl` does not have yet, each written as it ends."""
    with quiet_tensorflow():
        from tdrec.experiment import Experiment
    from tqdm import tqdm

    chosen = choose_methods(ratings, plan, genres, out) if AUTO in methods else {}
    runs: list[Run] = []
    for genre in genres:
        runs += [Run(genre, reference, None) for reference in REFERENCES]
        of_genre = {*methods, *chosen.get(genre, ())[:1]}
        in_order = [method for method in METHODS if method in of_genre]
        runs += [Run(genre, method, seed) for method in in_order for seed in range(FLAGS.seeds)]
    notes = [*notes_on_choices(plan, chosen), *notes_on_tuned_values(plan, runs)]
    for note in notes:
        print(note)
    experiment = Experiment(ratings, plan.config, cache_dir())
    about = describe(experiment)
    if plan.tuned is not None:  # rows of other values are not to be compared with these
        about["study"] = f"{about['study']}-{plan.tuned.digest}"
    path = out / "results.jsonl"
    done = {(row["study"], row["key"]) for row in read_if_there(path)}
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
        row = {
            **result.row,
            **about,
            "label": label,
            "config": asdict(experiments[run].config),
            "tuned": plan.values(run.genre, run.method),
        }
        if result.model is not None and result.encoder is not None:
            saved = save_student(replace(result, row=row), out, about["study"])
            row["model"] = str(saved.relative_to(out))
            row["model_bytes"] = (out / row["model"]).stat().st_size
        elif run.method == "teacher":
            row["model_bytes"] = experiment.teacher_path(run.genre).stat().st_size
        add_row(path, row)
        bar.set_postfix(rmse=f"{row['rmse']:.4f}")
    overall = experiment.all_genres()
    notes.append(
        f"On all evaluation rows of all genres the teacher's RMSE is {overall['teacher']:.4f}, and "
        f"that of a bias model fitted on all training rows {overall['bias']:.4f}."
    )
    report(path, out, about["study"], command, notes)


def choose_methods(
    ratings: Ratings, plan: Plan, genres: Sequence[str], out: Path
) -> dict[str, Choice]:
    """For each genre the method that is shown to be best on validation rows, else scratch."""
    with quiet_tensorflow():
        from tdrec.auto import earlier_experiment, validation_errors

    print("auto: training one student of each method without the validation rows.")
    experiment = earlier_experiment(ratings, plan.config, cache_dir())
    chosen: dict[str, Choice] = {}
    for genre in genres:
        configs = {method: plan.config_of(genre, method) for method in METHODS}
        errors = validation_errors(experiment, genre, configs, out / "auto.json")
        rmse = {name: float(e.rmse[0]) if e else math.inf for name, e in errors.items()}
        chosen[genre] = (choose(errors, "scratch"), rmse)
    return chosen


def notes_on_choices(plan: Plan, chosen: Mapping[str, Choice]) -> list[str]:
    """What a reader must know of the methods that were chosen on validation rows."""
    notes = []
    for genre, (method, rmse) in chosen.items():
        figures = ", ".join(f"{plan.config.label(m)} {rmse[m]:.4f}" for m in rmse)
        why = "since none is shown to be better" if rmse[method] > min(rmse.values()) else "as best"
        notes.append(
            f"For {genre} auto chose {plan.config.label(method)}, {why} by the RMSE on the latest "
            f"{VALIDATION_FRACTION:.0%} of the training rows: {figures}."
        )
    if len({method for method, _ in chosen.values()} | {"scratch"}) > 2:
        notes.append("A genre has a result of what was chosen for it, and of no other choice.")
    return notes


def notes_on_tuned_values(plan: Plan, runs: Sequence[Run]) -> list[str]:
    """What a reader must know of the tuned values."""
    if plan.tuned is None:
        return []
    pairs = {(run.genre, run.method) for run in runs if run.method not in REFERENCES}
    used = sum(bool(plan.values(*pair)) for pair in pairs)
    return [
        f"Tuned values from {plan.tuned.path} are used for {used} of {len(pairs)} pairs of genre "
        "and method, where no flag says otherwise; the others have the defaults. --tuned=none "
        "turns them off."
    ]


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
    import keras

    from tdrec.model_files import write_model

    row = result.row
    name = f"{row['genre']}-{row['label']}-seed{row['seed']}".replace(" ", "-").replace("/", "-")
    path = out / "students" / study / f"{name}.keras"
    write_model(result.model, path, keras.Model.save)
    replace_file(path.with_suffix(".json"), result.encoder.to_json())
    return path


if __name__ == "__main__":
    sys.exit(main(sys.argv))
