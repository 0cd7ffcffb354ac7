"""A student as files to serve it from, each read again and compared with the student."""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tdrec.data import Vocabulary
from tdrec.distill.backend import require_tensorflow
from tdrec.export.checked_rows import CheckedRows
from tdrec.export.formats import FORMATS, Arrays, ServedStudent, prediction
from tdrec.export.manifest import LAYOUT, MANIFEST, manifest
from tdrec.export.model_cost import Comparison
from tdrec.export.refusals import (
    check_formats,
    check_student,
    check_target,
    check_vocabularies,
    checked_sample,
    leave_out,
)
from tdrec.runtime.files import replacing, user_path
from tdrec.runtime.quiet import quiet_stderr

TOLERANCE = 1e-5
"""How far a file's predictions may be from the student's, absolutely or relatively."""


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

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        packages = {"tdrec", "keras", "tensorflow"}
        packages.update(*(FORMATS[name].packages for name in self.files))
        return {
            "format": LAYOUT,
            "files": {name: asdict(file) for name, file in self.files.items()},
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
    Inputs without a vocabulary pass through unchanged and unchecked in every format.

    Each file is read again by its own runtime, and must predict what the student predicts on the
    sample's first rows and on unknown values and indices. The folder appears when all is done and
    right, with a `report.md` and a `report.json`; whatever fails, nothing of it is there, and a
    folder that is to be replaced is as it was.

    Every format takes named inputs with a batch axis of any size, and gives `"prediction"` (the
    `.keras` file: what the student gives). A student whose inputs are a list or one tensor has the
    names of its `keras.Input`s.

    Args:
        student: The student, built, with one output.
        directory: The folder to make.
        sample: Rows of every input by its name, `(N, ...)` each with N at least 1; raw values for
            the inputs that have a vocabulary, `(N, ...)` integers or strings, and what the student
            takes for the others.
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
        ImportError: If a format needs a package that is missing.
        RuntimeError: If Keras runs on another backend than TensorFlow.
        TypeError: If an argument is of another type.
        ValueError: If a format, an input or a vocabulary is not known, the student cannot be
            written in a format, or a file does not predict what the student predicts.

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
    arrays = checked_sample(sample)
    served = ServedStudent.of(student, arrays, vocabularies or {})
    check_vocabularies(served)
    rows = CheckedRows(arrays, served)
    expected = _expected(served, rows)
    with replacing(target) as folder:
        folder.mkdir()
        files = {name: _make(served, rows, expected, name, folder) for name in formats}
        export = Export(target, files, comparison)
        (folder / "report.md").write_text(export.to_markdown(), encoding="utf-8")
        _write_json(folder / "report.json", export.to_dict(), indent=1)
        takes = {file.name: file.takes for file in files.values()}
        _write_json(folder / MANIFEST, manifest(served, takes))
    return export


def _make(
    served: ServedStudent, rows: CheckedRows, expected: np.ndarray, name: str, folder: Path
) -> ExportedFile:
    """Writes one format, reads it again and compares its predictions."""
    form = FORMATS[name]
    path = folder / form.file
    x: Arrays = getattr(rows, form.takes)
    expected = expected[: len(next(iter(x.values())))]  # the unusual indices come last
    try:
        with quiet_stderr(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of converters, on NumPy's names
            form.write(served, path)
            predictions = form.predict(path, x)
    except Exception as error:
        raise ValueError(
            f"The student {served.model.name!r} cannot be served in the format {name!r}. "
            f"Received: {type(error).__name__}: {str(error).strip()}. {form.remedy} "
            f"{leave_out(name)}"
        ) from error
    if predictions.shape != expected.shape:
        found = f"shape {predictions.shape} instead of {expected.shape}"
    elif not np.allclose(predictions, expected, rtol=TOLERANCE, atol=TOLERANCE):
        found = f"a difference of {np.abs(predictions - expected).max():.3g}"
    else:
        found = ""
    if found:
        raise ValueError(
            f"An exported file must predict what the student predicts, to {TOLERANCE:g}. "
            f"Received: {found} in the format {name!r}. Random steps at inference and half "
            f"precision are the usual causes. {leave_out(name)}"
        )
    size = sum(f.stat().st_size for f in (path, *path.rglob("*")) if f.is_file())
    return ExportedFile(form.file, form.about, size, float(np.abs(predictions - expected).max()))


def _expected(served: ServedStudent, rows: CheckedRows) -> np.ndarray:
    try:
        return prediction(served.model, rows.valid_indices)
    except tf.errors.InvalidArgumentError as error:
        sizes = {name: v.size for name, v in served.vocabularies.items()}
        raise ValueError(
            "The student must have a row for each index of its vocabularies. "
            f"Received: vocabularies of {sizes} indices: {error.message}. "
            "Pass the vocabularies that it was trained with."
        ) from error


def _write_json(path: Path, value: Any, indent: int | None = None) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
