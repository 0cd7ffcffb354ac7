"""A student as files to serve it from, each read again and compared with the student."""

import json
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tdrec.data import Vocabulary
from tdrec.distill.backend import require_tensorflow
from tdrec.export.checked_rows import CheckedRows
from tdrec.export.formats import FORMATS
from tdrec.export.manifest import LAYOUT, MANIFEST, manifest
from tdrec.export.model_cost import Comparison
from tdrec.export.reasons import HALF, half_precision, reason
from tdrec.export.refusals import (
    check_formats,
    check_packages,
    check_student,
    check_target,
    check_vocabularies,
)
from tdrec.export.sample import Arrays
from tdrec.export.served import ServedStudent
from tdrec.runtime.files import replacing, user_path
from tdrec.runtime.quiet import quiet_logger, quiet_stderr

TOLERANCE = 1e-5
"""How far a file's predictions may be from the student's, absolutely or relatively.

Of a student of mixed precision it is four steps of its coarsest type.
"""


@dataclass(frozen=True)
class ExportedFile:
    """One format of an exported student.

    Attributes:
        name: Name of the file or folder.
        takes: What its inputs are, in words.
        bytes: Size on disk.
        largest_difference: Of its predictions and the student's, over all rows that were checked.
    """

    name: str
    takes: str
    bytes: int
    largest_difference: float


@dataclass(frozen=True)
class Export:
    """What `export_student` wrote.

    Attributes:
        directory: The folder.
        files: The files, by format.
        comparison: Teacher and student side by side, if one was given.
        refused: By format, why there is no file of it.
        inputs: By the student's name of an input, its name in the files; in `student.keras` it has
            its own.

    Example:
        >>> file = ExportedFile("student.onnx", "indices", bytes=51_200, largest_difference=2e-7)
        >>> print(Export(Path("served"), {"onnx": file}, None).to_markdown())
        # Exported student
        <BLANKLINE>
        | file | takes | bytes | largest difference from the student |
        |---|---|---:|---:|
        | `student.onnx` | indices | 51,200 | 2.0e-07 |
        <BLANKLINE>
    """

    directory: Path
    files: dict[str, ExportedFile]
    comparison: Comparison | None
    refused: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        packages = {"tdrec", "keras", "tensorflow"}
        packages.update(*(FORMATS[name].packages for name in self.files))
        return {
            "format": LAYOUT,
            "files": {name: asdict(file) for name, file in self.files.items()},
            "refused": self.refused,
            "inputs": self.inputs,
            "comparison": self.comparison and self.comparison.to_dict(),
            "versions": {package: version(package) for package in sorted(packages)},
        }

    def to_markdown(self) -> str:
        """The files, and teacher and student side by side, as tables."""
        lines = [
            "# Exported student",
            "",
            "| file | takes | bytes | largest difference from the student |",
            "|---|---|---:|---:|",
        ]
        lines += [
            f"| `{file.name}` | {file.takes} | {file.bytes:,} | {file.largest_difference:.1e} |"
            for file in self.files.values()
        ]
        renamed = {name: other for name, other in self.inputs.items() if name != other}
        if renamed:
            lines += ["", "## Inputs of other names in the files", ""]
            lines += [f"- `{name}` is `{other}`" for name, other in renamed.items()]
        if self.refused:
            lines += ["", "## Formats that were not written", ""]
            lines += [f"- `{name}`: {why}" for name, why in self.refused.items()]
        if self.comparison:
            lines += ["", "## Teacher and student", "", self.comparison.to_markdown().rstrip("\n")]
        return "\n".join(lines) + "\n"


def export_student(
    student: keras.Model,
    directory: str | Path,
    sample: Mapping[str, Any],
    *,
    vocabularies: Mapping[str, Vocabulary] | None = None,
    formats: Sequence[str] = ("keras", "savedmodel", "onnx", "litert"),
    comparison: Comparison | None = None,
    overwrite: bool = False,
) -> Export:
    """Writes a student to a folder, in formats that need none of this library to serve it.

    | format | file | what it takes |
    |---|---|---|
    | `"keras"` | `student.keras` | indices, which it does **not** check |
    | `"savedmodel"` | `saved_model/` | raw values: int64 ids or strings |
    | `"onnx"` | `student.onnx` | indices |
    | `"litert"` | `student.tflite` | indices |

    The SavedModel looks raw values up in its own graph; any value that is not in the vocabulary,
    negative and huge ids included, has index 0 and so the prediction of an unknown one. Lookups do
    not convert to the other formats. They take int32 indices, from `vocabularies.json` beside them,
    where the n values of a vocabulary have the indices 1 to n. ONNX and LiteRT read every index
    outside of [0, n] as 0. `student.keras` is the student as it is: of an index outside of [0, n]
    its embeddings make an error or a wrong row, depending on the device, so it must be given none.
    Inputs without a vocabulary pass through unchanged and unchecked in every format: those that the
    student looks up itself, by a `StringLookup` or another layer, are strings and ids everywhere.

    Each file is read again by its own runtime, and must predict what the student predicts on the
    sample's first rows and on unknown values and indices: all outputs to 1e-5, or to four steps of
    the coarsest type of a student of mixed precision. A format that cannot be written does not stop
    the others: its reason is in `Export.refused`, in the report, in `vocabularies.json` and a
    warning. The folder appears when all is done and right, with a `report.md` and a `report.json`;
    whatever fails, nothing of it is there, and a folder that is to be replaced is as it was.

    Every format takes named inputs with a batch axis of any size. Their names are the keys of a
    dict, else the names of the `keras.Input`s, of a subclassed student `"input"`, or `"input_0"`
    and so on for a list. Names that a SavedModel cannot hold (blanks, letters beyond ASCII, words
    of Python, names that differ by case only) are others in all files but the `.keras` one:
    `Export.inputs` has them. The files give `"prediction"`; several outputs, and those of a dict,
    by their keys, else by the layers that make them, else `"output_0"` and so on.

    Args:
        student: The student, built. One whose layers were trained as parts of a split, and which
            was never called itself, is called here.
        directory: The folder to make.
        sample: Rows of every input by its name, or as the student takes its inputs, `(N, ...)` each
            with N at least 1; raw values for the inputs that have a vocabulary, `(N, ...)` integers
            or strings, and what the student takes for the others.
        vocabularies: By input, what turns raw values into its indices; for an input of several
            values a row, such as the words of a title, too. Each is part of the SavedModel's graph,
            which TensorFlow limits to 2 GB. Default None: no input has one.
        formats: Which to write. Default: all.
        comparison: From `tdrec.compare_models`, to be part of the report. Default None.
        overwrite: Whether to replace the folder of an earlier export. A folder that holds
            anything else is never replaced. Default False.

    Returns:
        The `Export`.

    Raises:
        FileExistsError: If the folder is there already, and is not to be replaced.
        ImportError: If each format needs a package that is missing.
        RuntimeError: If Keras runs on another backend than TensorFlow.
        TypeError: If an argument is of another type.
        ValueError: If a format, an input or a vocabulary is not known, or no format can be written
            that predicts what the student predicts. The message has the reason of each.

    Example:
        >>> sample = {**encoder.encode(test), "user": test.user_ids, "movie": test.movie_ids}
        >>> vocabularies = {"user": encoder.users, "movie": encoder.movies}
        >>> export = export_student(
        ...     student, "served", sample, vocabularies=vocabularies, formats=["savedmodel"]
        ... )
        >>> serve = tf.saved_model.load("served/saved_model").signatures["serving_default"]
        >>> row = {name: tf.constant(values[:1]) for name, values in sample.items()}
        >>> serve(**{**row, "movie": tf.constant([2**40], tf.int64)})["prediction"].shape
        TensorShape([1, 1])
    """
    require_tensorflow("The export of a student", "save it as it is: student.save")
    target = user_path(directory)
    check_formats(formats)
    check_target(target, overwrite)
    check_student(student)
    check_vocabularies(vocabularies or {})
    served = ServedStudent.of(student, sample, vocabularies or {})
    rows = CheckedRows(served)
    expected = _expected(served, rows)
    with replacing(target) as folder:
        folder.mkdir()
        files, errors = {}, {}
        for name in formats:
            try:
                files[name] = _make(served, rows, expected, name, folder)
            except (ImportError, ValueError) as error:
                errors[name] = error
        if not files:
            _raise(errors)
        refused = {name: str(error) for name, error in errors.items()}
        inputs = {name: str(spec.name) for name, spec in served.specs.items()}
        export = Export(target, files, comparison, refused, inputs)
        (folder / "report.md").write_text(export.to_markdown(), encoding="utf-8")
        _write_json(folder / "report.json", export.to_dict(), indent=1)
        takes = {file.name: file.takes for file in files.values()}
        _write_json(folder / MANIFEST, manifest(served, takes, refused))
    for why in refused.values():
        warnings.warn(why, stacklevel=2)
    return export


def _make(
    served: ServedStudent, rows: CheckedRows, expected: Arrays, name: str, folder: Path
) -> ExportedFile:
    """Writes one format, reads it again and compares its predictions.

    Raises:
        ImportError: If the format needs a package that is missing.
        ValueError: If it cannot be written or read, or predicts something else.
    """
    check_packages(name)
    form = FORMATS[name]
    x: Arrays = getattr(rows, form.takes)
    # Out of the folder until it is known to be right; what is left there goes with the rest.
    path = Path(tempfile.mkdtemp(dir=folder.parent), form.file)
    try:
        with quiet_stderr(), quiet_logger("tensorflow"), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of converters, on NumPy's names
            form.write(served, path)
            predictions = form.predict(served, path, x)
    except Exception as error:
        raise ValueError(reason(served, name, path, error)) from error
    difference = 0.0
    for output, found in predictions.items():
        wanted = expected[output][: len(next(iter(x.values())))]  # the unusual indices come last
        difference = max(difference, _difference(served, name, output, found, wanted))
    size = sum(f.stat().st_size for f in (path, *path.rglob("*")) if f.is_file())
    path.rename(folder / form.file)
    return ExportedFile(form.file, form.about, size, difference)


def _difference(
    served: ServedStudent, name: str, output: str, found: np.ndarray, wanted: np.ndarray
) -> float:
    """The largest difference of the predictions of one output.

    Raises:
        ValueError: If it is too large.
    """
    half = half_precision(served.model)
    tolerance = 4 * HALF[half] if half else TOLERANCE
    difference = 0.0
    if found.shape != wanted.shape:
        fault = f"shape {found.shape} instead of {wanted.shape}"
    elif wanted.dtype.kind != "f":
        fault = "" if np.array_equal(found, wanted) else "other values"
    else:
        found, wanted = found.astype(np.float64), wanted.astype(np.float64)
        difference = float(np.abs(found - wanted).max(initial=0.0))
        same = np.allclose(found, wanted, rtol=tolerance, atol=tolerance)
        fault = "" if same else f"a difference of {difference:.3g}"
    if fault:
        raise ValueError(
            f"An exported file must predict what the student predicts, to {tolerance:g}. "
            f"Received: {fault} in the format {name!r}, output {output!r}. "
            "Random steps at inference are the usual cause."
        )
    return difference


def _raise(errors: Mapping[str, Exception]) -> None:
    """Refuses a student of which no format can be written, with the reason of each."""
    missing = all(isinstance(error, ImportError) for error in errors.values())
    message = "\n".join(map(str, errors.values()))
    raise (ImportError if missing else ValueError)(message) from next(iter(errors.values()))


def _expected(served: ServedStudent, rows: CheckedRows) -> Arrays:
    try:
        return served.predictions(rows.valid_indices)
    except tf.errors.InvalidArgumentError as error:
        if not served.vocabularies:
            raise
        sizes = {name: v.size for name, v in served.vocabularies.items()}
        raise ValueError(
            "The student must have a row for each index of its vocabularies. "
            f"Received: vocabularies of {sizes} indices: {error.message}. "
            "Pass the vocabularies that it was trained with."
        ) from error


def _write_json(path: Path, value: Any, indent: int | None = None) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
