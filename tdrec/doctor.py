"""Says before training whether distilling a genre's student can help, and what is wrong.

It works on training rows alone: the latest tenth of them takes the place of the evaluation rows,
and teacher and students are trained without it.

Example:

    python -m tdrec.doctor --genre=Drama --method=td --data=ml-100k.zip
"""

import json
import sys
from pathlib import Path

from absl import flags

from tdrec.compilation import keep_compiled
from tdrec.config import METHODS, ExperimentConfig
from tdrec.data import Ratings, check_source, load, split_by_time
from tdrec.quiet import quiet_tensorflow
from tdrec.results import replace_file
from tdrec.run_flags import FLAGS, UsageError, cache_dir, check_genres, read_config, read_genres

flags.DEFINE_integer("seed", 0, "Decides the student's initial weights and the order of rows.")

SHOWN = (
    *("genre", "method", "seed", "data", "out", "regime", "steps", "batch_size", "learning_rate"),
    *("embeddings", "rounds", "weight", "interaction_weight", "message_weight", "state_weight"),
    "cache",
)
"""The flags of `tdrec.run` that a diagnosis reads, and its own."""


def main(argv: list[str]) -> int:
    """Parses the command line, makes the diagnosis, prints it, and writes it as JSON.

    Args:
        argv: The command line, program name first.

    Returns:
        The exit status: 0, 1 where a check failed, 2 for a wrong value, 130 after Ctrl-C.
    """
    if {"-h", "--help", "-help"} & set(argv[1:]):
        print(help_text())
        return 0
    try:
        rest = FLAGS(argv)[1:]
        if rest:
            raise UsageError(f"unexpected argument {rest[0]!r}: every flag is written --name=value")
        config = read_config()
        check_genres(FLAGS.genre)
        if FLAGS.method not in METHODS:
            raise UsageError(
                f"--method must be one of {', '.join(METHODS)}. Received: {FLAGS.method!r}."
            )
        check_source(FLAGS.data)
        ratings = load(FLAGS.data)
        warnings, ratings = ratings.warnings, split_by_time(ratings).train
        genres = read_genres(FLAGS.genre, ratings)
        if len(genres) > 1:
            raise UsageError(f"--genre must be one genre. Received: {', '.join(genres)}.")
        out = Path(FLAGS.out)
        out.mkdir(parents=True, exist_ok=True)
        keep_compiled(cache_dir())
    except (ValueError, OSError, flags.Error) as error:
        print(f"tdrec: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    for warning in warnings:
        print(f"\n*** {warning}\n", file=sys.stderr)
    try:
        return examine(ratings, config, genres[0], FLAGS.method, FLAGS.seed, out)
    except KeyboardInterrupt:
        print("\ntdrec: interrupted.", file=sys.stderr)
        return 130


def examine(
    ratings: Ratings, config: ExperimentConfig, genre: str, method: str, seed: int, out: Path
) -> int:
    """Diagnoses one genre's student and method, and writes `doctor-GENRE-METHOD.json`."""
    with quiet_tensorflow():
        from tdrec.diagnostics.diagnosis import diagnose
        from tdrec.experiment import Experiment

    experiment = Experiment(ratings, config, cache_dir())
    try:
        student = experiment.run(genre, "scratch", seed).model
    except ValueError as error:  # the diagnosis trains one of its own, and says what is wrong
        print(f"tdrec: the student from scratch: {error}\n", file=sys.stderr)
        student = None
    segment = experiment.segment(genre)
    rows, validation = (
        ({"student": own, "teacher": its}, part.values[:, None])
        for own, its, part in (
            (segment.student_train, segment.teacher_train, segment.train),
            (segment.student_test, segment.teacher_test, segment.test),
        )
    )
    diagnosis = diagnose(
        experiment.distiller(genre, method, seed),
        rows,
        validation=validation,
        scratch=None if student is None else lambda x: student(x["student"], training=False),
        epochs=config.steps * config.batch_size / len(segment.train),
        batch_size=config.batch_size,
        seed=seed,
    )
    path = out / f"doctor-{genre}-{method}.json"
    about = {"genre": genre, "method": method, "seed": seed, "data": ratings.fingerprint}
    replace_file(path, json.dumps({**about, **diagnosis.to_dict()}, indent=1, allow_nan=False))
    print(f"{diagnosis}\n\n{path}")
    return int(diagnosis.status == "FAIL")


def help_text() -> str:
    """The flags with their defaults."""
    lines = [__doc__.strip(), ""]
    for name in SHOWN:
        default = "" if FLAGS[name].default is None else f" [{FLAGS[name].default}]"
        lines.append(f"  --{name:<20}{FLAGS[name].help}{default}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
