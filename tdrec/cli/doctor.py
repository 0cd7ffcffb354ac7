"""What `tdrec.doctor` does: foretells what a method gives, and has its distiller diagnosed."""

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tdrec.cli.main import at_the_door
from tdrec.cli.options import Options, UsageError, help_text, read_options
from tdrec.cli.plans import Request
from tdrec.cli.prognosis import check_gain, check_gap
from tdrec.report.forecast import forecast
from tdrec.report.section import Section
from tdrec.report.words import counted
from tdrec.runtime.compilation import keep_compiled
from tdrec.runtime.files import replace_file, safe_name
from tdrec.runtime.quiet import quiet_tensorflow
from tdrec.studies.arm import METHODS
from tdrec.studies.plan import Plan
from tdrec.studies.row import Row
from tdrec.studies.worker import Job, Record, Worker
from tdrec.tasks.ratings.config import RatingConfig


def main(argv: Sequence[str], about: str) -> int:
    """Parses the command line, makes the diagnosis, prints it, and writes it as JSON.

    Args:
        argv: The command line, program name first.
        about: What the help begins with.

    Returns:
        The exit status: 0, 1 where a check failed, 2 for a wrong value, 130 after Ctrl-C.
    """
    return at_the_door(help_text("doctor", about), argv, lambda: _diagnose(argv))


def _diagnose(argv: Sequence[str]) -> int:
    options = read_options("doctor", argv)
    (method, *more) = options.methods or ("td",)
    if more or method not in METHODS:
        raise UsageError(
            f"--method must be one of {', '.join(METHODS)}. Received: {','.join(options.methods)}."
        )
    # Tuned values are those of one method, and were chosen on the rows that it is diagnosed on.
    request = Request(replace(options, tuned="none", validation=True))
    if len(request.tasks) > 1:
        first = request.tasks[0]
        raise UsageError(
            f"--{first.kind} must be one {first.kind}. Received: {options.segment or 'none'}. "
            f"Name one, such as {first.name!r}."
        )
    keep_compiled(options.cache)
    for warning in request.warnings:
        print(f"\n*** {warning}\n", file=sys.stderr)
    return _examine(request.plan(), method, options)


def _examine(plan: Plan, method: str, options: Options) -> int:
    """Diagnoses one segment's student and method; writes `doctor-SEGMENT-METHOD.json`."""
    with quiet_tensorflow():
        from tdrec.diagnostics.diagnosis import Diagnosis, diagnose
        from tdrec.tasks.ratings.session import RatingSession

    unit = plan.units[-1]
    task, config, seed = unit.task, unit.config, options.seed
    assert isinstance(config, RatingConfig)
    records = _trained(plan, options)
    rows = [record.row for record in records if record.row is not None]
    holdout: Any = task.holdout()  # type: ignore[attr-defined]
    rule: Any = task.rule  # type: ignore[attr-defined]
    session, name = RatingSession(holdout, options.cache, rule), task.name
    segment = session.segment(name, config)
    train, judged = (
        ({"student": of_student, "teacher": of_teacher}, part.values[:, None])
        for of_student, of_teacher, part in (
            (segment.student_train, segment.teacher_train, segment.train),
            (segment.student_test, segment.teacher_test, segment.test),
        )
    )
    distiller = session.distiller(name, config, method, seed)
    diagnosis = diagnose(
        distiller,
        train,
        validation=judged,
        scratch=_scratch(records, seed),
        epochs=config.steps * config.batch_size / len(segment.train),
        batch_size=config.batch_size,
        seed=seed,
    )
    # Of one student from scratch, where the prognosis has several.
    findings = [found for found in diagnosis.findings if found.check != "teacher"]
    findings += _prognosis(rows, plan, distiller.method.teacher_fields)
    diagnosis = Diagnosis(tuple(findings))
    about = {
        task.kind: name,
        "method": method,
        "seed": seed,
        "seeds": options.seeds,
        "data": holdout.train.fingerprint,
        "rows": [{key: getattr(row, key) for key in ("label", "seed", "value")} for row in rows],
        **diagnosis.to_dict(),
    }
    path = options.out / f"doctor-{safe_name(name)}-{method}.json"
    replace_file(path, json.dumps(about, indent=1, allow_nan=False))
    print(f"{diagnosis}\n\n{path}")
    return int(diagnosis.status == "FAIL")


def _trained(plan: Plan, options: Options) -> list[Record]:
    """The references, and students from scratch and of the method, with seeds from `--seed` on."""
    runs = [
        run if run.seed is None else replace(run, seed=run.seed + options.seed)
        for run in plan.runs()
    ]
    records: list[Record] = []
    job = Job(plan.name, plan.data, runs=runs, keep=True)
    Worker(job, options.cache, records.append).compute()
    for row in (record.row for record in records):
        if row and row.reason:  # the diagnosis says what is wrong
            who = "the student from scratch" if row.method == "scratch" else row.label
            print(f"tdrec: {who} diverged: {row.reason}\n", file=sys.stderr)
    return records


def _scratch(records: Sequence[Record], seed: int) -> Any:
    """The student from scratch of a seed, as a function; None if it diverged."""
    import keras

    for record in records:
        row = record.row
        if row and row.method == "scratch" and row.seed == seed and record.files:
            with tempfile.TemporaryDirectory() as folder:
                path = replace_file(Path(folder) / "student.keras", record.files[".keras"])
                student = keras.models.load_model(path, compile=False)
            return lambda x: student(x["student"], training=False)
    return None


def _prognosis(rows: Sequence[Row], plan: Plan, fields: Sequence[str]) -> list[Any]:
    """What the rows foretell of the teacher and of the method."""
    section = Section(rows, plan.metric)
    label = section.students[-1]
    found = forecast(section, rows[0].task, label)
    users = next((len(row.units.ids) for row in rows if row.units), 0)
    on = (
        f"On the {plan.units[0].task.earlier_rows} {counted(rows[0].n_test, 'training row')}, of "
        f"{counted(users, 'user')}, "
        f"which all were trained without; {counted(plan.seeds, 'seed')}."
    )
    findings = [check_gap(found, plan.metric, "prediction" in fields, on)]
    if label.is_distilled:
        findings.append(check_gain(found, plan.metric, on))
    return findings
