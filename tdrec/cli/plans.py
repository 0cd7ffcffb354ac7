"""Plans: what options come to, on data that were looked at."""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tdrec.cli.images import image_tasks, with_checkpoint
from tdrec.cli.next_movie import next_movie_tasks
from tdrec.cli.options import AUTO, Options, UsageError
from tdrec.cli.segments import check_genres, movielens, segment_tasks, with_features
from tdrec.studies.arm import METHODS, OF_THE_PAPER, Arm
from tdrec.studies.config import Config
from tdrec.studies.plan import Plan, Study, arms_of, find, make_plan
from tdrec.studies.task import Task
from tdrec.studies.tuned_values import DEFAULT, TunedValues, read_tuned_values
from tdrec.tasks.genre import GenreTask
from tdrec.tasks.images.config import PRESETS as IMAGE_PRESETS
from tdrec.tasks.ratings.config import PRESETS, RatingConfig
from tdrec.tasks.segment import SegmentTask, Source, rows_of
from tdrec.tasks.sequences.config import NEXT_MOVIE
from tdrec.tasks.sequences.config import PRESETS as SEQUENCE_PRESETS

TITLES = {
    "next_movie": "Students of the next movie of a genre: what distillation gave",
    "genre": "Students by genre: what distillation gave",
    "segment": "Students by segment: what distillation gave",
    "task": "Students of image tasks: what distillation gave",
}
"""What the report of a command line is headed with, by the family or the kind of its tasks."""

_OF_ROWS = ("segment", "table", "split", "features", "cuts")
"""Options that only tasks of rows have a use for."""


class Request:
    """What options come to, with the data looked at.

    Args:
        options: What was asked for.

    Raises:
        UsageError: For what cannot be done with these data.
        DataError: If the data are missing or break a rule.
        ValueError: For a study, a file of tuned values or a configuration that is wrong.

    Attributes:
        options: As given.
        study: What is compared.
        name: Of the plan.
        tasks: In the order of tables.
        presets: The configurations to start from.
        tuned: The tuned values to use; None for none.
        warnings: What a reader must know of the data.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self._study: Study | None = None
        self.name, self._study = find(options.study) if options.study else ("run", None)
        if self._study and self.chooses:
            raise UsageError(f"a study compares: it has no --method={AUTO}.")
        tasks = self._study.tasks if self._study else ()
        named = [task for task in tasks if isinstance(task, str)]
        own = [task for task in tasks if isinstance(task, Task)]
        self.tasks: Sequence[Task] = ()
        self.presets: Mapping[str, Any] = {}
        self.tuned: TunedValues | None = None
        self.warnings: tuple[str, ...] = ()
        if NEXT_MOVIE in (options.tasks or named):
            self._of_next_movie()
        elif options.tasks or named:
            self._of_images(options.tasks or tuple(named))
        elif own:
            self._of_own(own)
        else:
            self._of_segments()
        self.study = self._study or Study(self._title(), self._arms())
        if self._study and options.methods:
            self.study = replace(self.study, arms=arms_of(self.study.arms, options.methods))
        if options.trials:
            self._check_tuning()

    @property
    def chooses(self) -> bool:
        """Whether methods are chosen on validation rows, `--method=auto`."""
        return AUTO in self.options.methods

    def validation_plan(self) -> Plan:
        """What auto compares: each method once, on training rows alone."""
        arms = [Arm(method, self.options.arguments.get(method, {})) for method in METHODS]
        study = Study("Validation", arms)
        tasks = [each for task in self.tasks for each in task.rolling()]
        plan = make_plan(*(study, tasks, self.presets), name="auto", seeds=1, values=self._values())
        students = tuple(unit for unit in plan.units if unit.arm.is_student)
        return replace(plan, units=students)

    def periods(self) -> dict[str, list[str]]:
        """By task, the names of those that auto chooses its method by."""
        return {task.name: [each.name for each in task.rolling()] for task in self.tasks}

    def plan(self, chosen: Mapping[str, str] | None = None, notes: Sequence[str] = ()) -> Plan:
        """The plan.

        Args:
            chosen: By task, the method that auto has chosen. Default None.
            notes: Further sentences for the report.
        """
        arms = None
        if chosen is not None:
            arms = {task: self._arms([method]) for task, method in chosen.items()}
        study = replace(self.study, notes=[*self.study.notes, *self._notes(), *notes])
        return make_plan(
            *(study, self.tasks, self.presets),
            name=self.name,
            seeds=self.options.seeds,
            trials=self.options.trials,
            values=self._values(),
            arms=arms,
            keep=self.options.study is None,
        )

    def _title(self) -> str:
        first = self.tasks[0]
        return TITLES[first.family or first.kind]

    def _arms(self, further: Sequence[str] = ()) -> list[Arm]:
        """The methods of the command line, scratch always among them, in the order of tables."""
        asked = [name for name in self.options.methods or ("td",) if name != AUTO]
        if not isinstance(self.tasks[0], SegmentTask) and "td" in asked:
            asked = [*asked, *OF_THE_PAPER]  # with all that it is to be compared with
        names = {"scratch", *asked, *further}
        known = [*METHODS, *sorted(names - set(METHODS))]
        return [Arm(name, self.options.arguments.get(name, {})) for name in known if name in names]

    def _of_own(self, tasks: Sequence[Task]) -> None:
        """Tasks that a study's file defines."""
        _refuse(self.options, "These tasks", *_OF_ROWS, "checkpoint", "validation")
        self.tasks = tasks
        self._take_presets(tasks[0].presets, list(tasks[0].presets)[:1])

    def _of_segments(self) -> None:
        options = self.options
        _refuse(options, "Segments", "checkpoint")
        self._check_validation()
        asked = options.segment or ("top8" if options.study else "Drama")
        kind: type[SegmentTask] = SegmentTask
        source: Source
        if options.table is None:
            kind = GenreTask
            check_genres(asked)
        elif options.segment is None:
            asked = "top8"
        self._take_presets(PRESETS, list(PRESETS) if options.study else ["strong"])
        check_td(next(iter(self.presets.values())), options.arguments)
        if options.table is None:
            source = movielens(options.data)
        else:
            source = options.table
        rows = rows_of(source)
        self.presets = with_features(self.presets, options.features, rows)
        self.warnings = rows.warnings
        self.tasks = segment_tasks(kind, source, asked, options, self.chooses)
        self.tuned = self._tuned_values(self.tasks[0].data().sha256)

    def _of_next_movie(self) -> None:
        options = self.options
        _refuse(options, "Next movies", "checkpoint", "split", "features")
        self._check_validation()
        self._take_presets(SEQUENCE_PRESETS, ["full"])
        check_td(next(iter(self.presets.values())), options.arguments)
        source = options.table or movielens(options.data)
        self.warnings = rows_of(source).warnings
        self.tasks = next_movie_tasks(source, options, self.chooses)

    def _of_images(self, names: Sequence[str]) -> None:
        options = self.options
        _refuse(options, "Images", *_OF_ROWS)
        if self.chooses:
            raise UsageError(f"--task has no --method={AUTO}: name methods, or 'all'.")
        if options.trials and options.study is None:
            raise UsageError("--task has no --trials: images are trained with their defaults.")
        self.options = options = replace(options, trials=0)
        self._take_presets(IMAGE_PRESETS, ["tiny"])
        self.presets = with_checkpoint(self.presets, options.checkpoint)
        self.tasks = image_tasks(names, options)
        check_td(next(iter(self.presets.values())), options.arguments)

    def _take_presets(self, known: Mapping[str, Config], default: Sequence[str]) -> None:
        """The presets that were asked for, otherwise the study's, with what flags change."""
        options = self.options
        names = options.presets or (tuple(self._study.presets) if self._study else ()) or default
        if unknown := [name for name in names if name not in known]:
            flag = "--regimes" if options.study and known is PRESETS else "--preset"
            raise UsageError(
                f"{flag} must name {', '.join(known)}. Received: {', '.join(unknown)}."
            )
        presets = {name: replace(known[name], **options.training) for name in names}
        if options.wide:
            presets = {name: _widened(preset) for name, preset in presets.items()}
        self.presets = presets

    def _tuned_values(self, sha256: str) -> TunedValues | None:
        """The tuned values to use; None where there are none for these data and these flags."""
        options, path = self.options, self.options.tuned
        unwanted = options.study or options.validation or path == "none"
        if unwanted or (path is None and not DEFAULT.is_file()):
            return None
        tuned = read_tuned_values(path or DEFAULT)
        given = {"batch_size": "batch_size" in options.training, "embeddings": options.wide}
        if others := [name for name, is_given in given.items() if is_given]:
            if path is None:
                return None
            raise UsageError(
                "--tuned has values that were chosen with the default batches and embeddings. "
                f"Received: --{' and --'.join(others)} beside it. Leave one of them out."
            )
        (preset,) = self.presets
        if tuned.data == sha256 and preset in tuned.tuned:
            return tuned
        if path is None:
            return None
        raise UsageError(
            "--tuned must name values that were chosen on the same data, held out in the same way, "
            "and in the same regime. "
            f"Received: {path}, of {', '.join(tuned.tuned) or 'no regime'} and data "
            f"{tuned.data[:12]}, for {preset} and {sha256[:12]}. Write --tuned=none."
        )

    def _values(self) -> dict[tuple[str, str, str], Mapping[str, float]]:
        if self.tuned is None:
            return {}
        given = set(self.options.training)
        return {k: v for name in self.presets for k, v in self.tuned.of_preset(name, given).items()}

    def _check_tuning(self) -> None:
        """Refuses to tune what has nothing to tune, or without Optuna."""
        if not any(preset.space("scratch") for preset in self.presets.values()):
            if "trials" in self.options.command:
                raise UsageError("These tasks have nothing to tune. Write --trials=0.")
            self.options = replace(self.options, trials=0)
        elif not importlib.util.find_spec("optuna"):
            raise UsageError(
                "tuning needs Optuna, which is missing. Install: pip install 'tdrec[study]'. Or "
                "train with the defaults: --trials=0"
            )

    def _check_validation(self) -> None:
        """Refuses to evaluate on rows that something was chosen on."""
        options = self.options
        chosen = {
            "trials": options.trials,
            f"method={AUTO}": self.chooses,
            "tuned": options.tuned not in (None, "none"),
        }
        if options.validation and any(chosen.values()):
            names = " and --".join(name for name, is_asked in chosen.items() if is_asked)
            raise UsageError(
                "--validation evaluates on the rows that values and methods are chosen on, so that "
                f"nothing may be chosen. Received: --{names} beside it. Write --trials=0 and name "
                "methods."
            )

    def _notes(self) -> list[str]:
        """What a reader must know of the values that were used, and of what was left out."""
        notes = []
        if self.tuned is not None:
            notes.append(
                f"Tuned values from {self.tuned.path} are used where no flag says otherwise; pairs "
                "of segment and method without any have the defaults. --tuned=none turns them off."
            )
        for task in self.tasks:
            left: dict[str, list[str]] = {}
            for arm in self.study.arms:
                left.setdefault(task.left_out(arm), []).append(arm.name)
            notes += [
                f"Left out on {task.name}: {', '.join(arms)}. {reason}"
                for reason, arms in left.items()
                if reason
            ]
        if self.options.validation:
            notes.append(
                "Validation: evaluated on a part of the training data, which neither teacher nor "
                "students were trained on. These figures are to choose values by, not to report."
            )
        return notes


def _refuse(options: Options, what: str, *names: str) -> None:
    """Refuses what a study's tasks have no use for, and which tasks these are no flag says."""
    if given := [name for name in names if getattr(options, name)]:
        names_of = {"checkpoint": "teacher", "table": "columns"}
        names_of["segment"] = "genre" if "--genre" in options.command else "segment"
        names_of["features"] = " and no --".join(f"{who}_features" for who in options.features)
        flags = " and no --".join(names_of.get(name, name) for name in given)
        raise UsageError(f"{what} have no --{flags}. Leave it out.")


def check_td(config: Config, arguments: Mapping[str, Mapping[str, float]]) -> None:
    """Refuses TD without a loss of its own."""
    found = {**config.arguments("td"), **arguments.get("td", {})}
    if not any(found[name] for name in ("message_weight", "state_weight")) and not (
        found["rounds"] and found["interaction_weight"]
    ):
        raise UsageError(f"td must keep at least one of its losses. Received: {found}.")


def _widened(config: Any) -> RatingConfig:
    """With embeddings as wide as the teacher's."""
    teacher = config.teacher.model
    wide = replace(config.student, id_dim=teacher.id_dim, text_dim=teacher.text_dim)
    return replace(config, student=wide)
