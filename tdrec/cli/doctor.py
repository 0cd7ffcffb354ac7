"""What `tdrec.doctor` does: trains a student from scratch, and has the distiller diagnosed."""

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tdrec.cli.main import at_the_door
from tdrec.cli.options import UsageError, read_options
from tdrec.cli.plans import Request
from tdrec.data import split_by_time
from tdrec.runtime.compilation import keep_compiled
from tdrec.runtime.files import replace_file
from tdrec.runtime.quiet import quiet_tensorflow
from tdrec.studies.arm import METHODS
from tdrec.tasks.ratings.config import RatingConfig


def main(argv: Sequence[str], about: str) -> int:
    """Parses the command line, makes the diagnosis, prints it, and writes it as JSON.

    Args:
        argv: The command line, program name first.
        about: What the help begins with.

    Returns:
        The exit status: 0, 1 where a check failed, 2 for a wrong value, 130 after Ctrl-C.
    """
    return at_the_door("doctor", argv, about, lambda: _diagnose(argv))


def _diagnose(argv: Sequence[str]) -> int:
    options = read_options("doctor", argv)
    (method, *more) = options.methods or ("td",)
    if more or method not in METHODS:
        raise UsageError(
            f"--method must be one of {', '.join(METHODS)}. Received: {','.join(options.methods)}."
        )
    # Tuned values are those of one method, and were chosen on the rows that it is diagnosed on.
    request = Request(replace(options, tuned="none"))
    if len(request.tasks) > 1:
        raise UsageError(f"--genre must be one genre. Received: {options.genre}.")
    keep_compiled(options.cache)
    for warning in request.warnings:
        print(f"\n*** {warning}\n", file=sys.stderr)
    config = request.plan().units[-1].config
    assert isinstance(config, RatingConfig)
    task: Any = request.tasks[0]
    return _examine(split_by_time(task.holdout().train), task, config, method, options)


def _examine(holdout: Any, task: Any, config: RatingConfig, method: str, options: Any) -> int:
    """Diagnoses one genre's student and method, and writes `doctor-GENRE-METHOD.json`."""
    with quiet_tensorflow():
        import keras

        from tdrec.diagnostics.diagnosis import diagnose
        from tdrec.tasks.ratings.session import RatingSession

    session, genre, seed = RatingSession(holdout, options.cache), task.name, options.seed
    result = session.run(task, config, "scratch", seed, keep=True)
    scratch = None
    if result.reason:  # the diagnosis trains one of its own, and says what is wrong
        print(f"tdrec: the student from scratch diverged: {result.reason}\n", file=sys.stderr)
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = replace_file(Path(folder) / "student.keras", result.files[".keras"])
            scratch = keras.models.load_model(path, compile=False)
    segment = session.segment(genre, config)
    rows, validation = (
        ({"student": of_student, "teacher": of_teacher}, part.values[:, None])
        for of_student, of_teacher, part in (
            (segment.student_train, segment.teacher_train, segment.train),
            (segment.student_test, segment.teacher_test, segment.test),
        )
    )
    diagnosis = diagnose(
        session.distiller(genre, config, method, seed),
        rows,
        validation=validation,
        scratch=None if scratch is None else lambda x: scratch(x["student"], training=False),
        epochs=config.steps * config.batch_size / len(segment.train),
        batch_size=config.batch_size,
        seed=seed,
    )
    data = holdout.train.fingerprint
    about = {"genre": genre, "method": method, "seed": seed, "data": data, **diagnosis.to_dict()}
    path = options.out / f"doctor-{genre}-{method}.json"
    replace_file(path, json.dumps(about, indent=1, allow_nan=False))
    print(f"{diagnosis}\n\n{path}")
    return int(diagnosis.status == "FAIL")
