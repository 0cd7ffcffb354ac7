"""Image tasks from the command line: teacher, students, report; `tdrec.run` hands over to it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tdrec.image_config import CIFAR10, TASKS, reads_predictions
from tdrec.image_flags import ImagePlan
from tdrec.image_report import TITLE, write_image_report
from tdrec.image_summary import summarise_images
from tdrec.page import listed
from tdrec.provenance import describe_images
from tdrec.quiet import quiet_tensorflow
from tdrec.results import Row, add_row, read_if_there, read_rows, replace_file
from tdrec.run_flags import FLAGS, cache_dir
from tdrec.study_plan import Arm


@dataclass(frozen=True)
class ImageRun:
    """One planned run: an arm, or the teacher, on a task."""

    task: str
    arm: Arm | None
    seed: int | None
    experiment: Any

    @property
    def method(self) -> str:
        """The method's short name, or the teacher's."""
        return self.arm.method if self.arm else "teacher"

    @property
    def label(self) -> str:
        """How the report names it."""
        return self.arm.name if self.arm else "Teacher"

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from all other runs."""
        return self.experiment.study, self.experiment.key(self.task, self.method, self.seed)


def run_images(
    plan: ImagePlan,
    out: Path,
    command: str,
    title: str = TITLE,
    notes: Sequence[str] = (),
) -> None:
    """Makes the runs that `results.jsonl` does not have yet, and writes the report.

    Args:
        plan: What was asked for.
        out: The folder of results, report and students.
        command: How to reproduce it.
        title: What the report is headed with.
        notes: Sentences for the report.
    """
    with quiet_tensorflow():
        from tdrec.image_experiment import ImageExperiment
    from tqdm import tqdm

    runs: list[ImageRun] = []
    for name, source in plan.sources.items():
        images = _load(name, source)
        experiment = ImageExperiment(images, plan.config, cache_dir(), plan.teacher)
        runs += _runs(plan, [task for task in plan.tasks if TASKS[task].data == name], experiment)
    path = out / "results.jsonl"
    done = {(row["study"], row["key"]) for row in read_if_there(path)}
    missing = [run for run in runs if run.key not in done]
    print(f"{len(runs) - len(missing)} of {len(runs)} runs are done already; {len(missing)} to go.")
    for run in (bar := tqdm(missing, unit="run", leave=False)):
        bar.set_description(f"{run.task} {run.label}")
        row = _row(run, out)
        add_row(path, row)
        bar.set_postfix(accuracy=f"{row['accuracy']:.4f}")
    order = {run.key: place for place, run in enumerate(runs)}
    rows = [row for row in read_rows(path) if (row["study"], row["key"]) in order]
    rows.sort(key=lambda row: order[row["study"], row["key"]])
    written = write_image_report(
        rows, out, command, title=title, notes=[*notes, *_notes(plan, runs)]
    )
    _print_table(rows)
    print("\n".join(str(file) for file in written))


def _load(name: str, source: str) -> Any:
    with quiet_tensorflow():
        from tdrec.data.image_subsets import for_validation
        from tdrec.data.images import load_images
    images = replace(load_images(source, CIFAR10 if name == "cifar10" else ()), name=name)
    return for_validation(images) if FLAGS.validation else images


def _runs(plan: ImagePlan, tasks: Sequence[str], experiment: Any) -> list[ImageRun]:
    """The runs on one data set, the seeds of an arm in turn: they share what was compiled."""
    runs: list[ImageRun] = []
    by_arm = {
        arm.name: experiment.with_config(
            replace(plan.config, methods={arm.method: dict(arm.arguments)})
        )
        for arm in plan.arms
    }
    for task in tasks:
        if experiment.runs(task, "teacher"):
            runs.append(ImageRun(task, None, None, experiment))
        for arm in plan.arms:
            if by_arm[arm.name].runs(task, arm.method):
                runs += [ImageRun(task, arm, seed, by_arm[arm.name]) for seed in range(FLAGS.seeds)]
    return runs


def _row(run: ImageRun, out: Path) -> dict[str, Any]:
    found, student = run.experiment.run(run.task, run.method, run.seed)
    row = {
        **found,
        **describe_images(run.experiment),
        "label": run.label,
        "config": asdict(run.experiment.config),
    }
    if student is not None:
        row["model"] = str(_save(run, student, out).relative_to(out))
    return row


def _save(run: ImageRun, student: Any, out: Path) -> Path:
    """Saves a student as `.keras`, with its classes as JSON beside it."""
    with quiet_tensorflow():
        from tdrec.model_cost import save_keras
        from tdrec.model_files import write_model

    name = f"{run.task}-{run.label}-seed{run.seed}".replace(" ", "-").replace(":", "-")
    path = out / "students" / run.experiment.study / f"{name}.keras"
    write_model(student, path, save_keras)
    classes = run.experiment.of_task(run.task, run.seed or 0).class_names
    replace_file(path.with_suffix(".json"), json.dumps({"classes": list(classes)}))
    return path


def _notes(plan: ImagePlan, runs: Sequence[ImageRun]) -> list[str]:
    """What a reader must know of what was left out, and of what was evaluated on."""
    notes = []
    names = [arm.name for arm in plan.arms if reads_predictions(arm.method, arm.arguments)]
    without = [
        task
        for task in plan.tasks
        if names and not any(run.task == task and run.label in names for run in runs)
    ]
    if without:
        notes.append(
            f"Left out on {listed(without)}: {listed(names)}. The teacher does not predict these "
            "labels, and so has no predictions of them to distil."
        )
    if FLAGS.validation:
        notes.append(
            "Validation: evaluated on a tenth of the training images, which neither teacher nor "
            "students were trained on. These figures are to choose values by, not to report."
        )
    return notes


def _print_table(rows: Sequence[Row]) -> None:
    """The mean accuracy of each label on each task."""
    summary = summarise_images(rows)
    labels = [label.name for label in summary.labels]
    print("accuracy".ljust(16) + "".join(label.rjust(12) for label in labels))
    for place in summary.of_tasks:
        cells = [place.cells.get(label) for label in labels]
        shown = ["-" if cell is None else f"{cell.accuracy:.4f}" for cell in cells]
        print(place.name.ljust(16) + "".join(text.rjust(12) for text in shown))
    print()
