"""A student as files to serve it from, each read again and compared with the student."""

import importlib.util
import json
import os
import tempfile
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
from tdrec.export.formats import FORMATS, Arrays, ServedStudent, prediction, raw_type
from tdrec.export.model_cost import Comparison
from tdrec.runtime.quiet import quiet_stderr

TOLERANCE = 1e-5
"""How far a file's predictions may be from the student's, absolutely or relatively."""

_LAYOUT = "tdrec.export/1"
_MANIFEST = "vocabularies.json"
_CHECKED_ROWS = 64


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
            "format": _LAYOUT,
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
    target = Path(directory)
    _check_formats(formats)
    _check_target(target, overwrite)
    _check_student(student)
    arrays = _checked_sample(sample)
    served = ServedStudent.of(student, arrays, vocabularies or {})
    _check_vocabularies(served)
    rows = _Rows(arrays, served)
    expected = _expected(served, rows)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
        folder = Path(scratch) / "new"
        folder.mkdir()
        files = {name: _make(served, rows, expected, name, folder) for name in formats}
        export = Export(target, files, comparison)
        (folder / "report.md").write_text(export.to_markdown(), encoding="utf-8")
        _write_json(folder / "report.json", export.to_dict(), indent=1)
        _write_json(folder / _MANIFEST, _manifest(served, export))
        _move(folder, target, Path(scratch) / "old")
    return export


class _Rows:
    """The rows that every file is run on.

    Attributes:
        raw_values: The sample's first rows, then the very first again with one input unknown.
        indices: The same looked up, then the very first with one index that stands for nothing.
        valid_indices: The same, with 0 for what stands for nothing.
    """

    def __init__(self, sample: Arrays, served: ServedStudent) -> None:
        vocabularies = served.vocabularies
        self.raw_values = _with_unusual_values(sample, vocabularies)
        known = {}
        for name, values in self.raw_values.items():
            if name in vocabularies:
                known[name] = vocabularies[name].lookup(values)
            else:
                known[name] = _as_type(name, values, served.specs[name].dtype)
                self.raw_values[name] = known[name]
        self.indices = _with_unusual_indices(known, vocabularies)
        self.valid_indices = dict(self.indices)
        for name, vocabulary in vocabularies.items():
            x = self.indices[name]
            self.valid_indices[name] = np.where((x >= 0) & (x < vocabulary.size), x, np.int32(0))


def _make(
    served: ServedStudent, rows: _Rows, expected: np.ndarray, name: str, folder: Path
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
            f"{_leave_out(name)}"
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
            f"precision are the usual causes. {_leave_out(name)}"
        )
    size = sum(f.stat().st_size for f in (path, *path.rglob("*")) if f.is_file())
    return ExportedFile(form.file, form.about, size, float(np.abs(predictions - expected).max()))


def _expected(served: ServedStudent, rows: _Rows) -> np.ndarray:
    try:
        return prediction(served.model, rows.valid_indices)
    except tf.errors.InvalidArgumentError as error:
        sizes = {name: v.size for name, v in served.vocabularies.items()}
        raise ValueError(
            "The student must have a row for each index of its vocabularies. "
            f"Received: vocabularies of {sizes} indices: {error.message}. "
            "Pass the vocabularies that it was trained with."
        ) from error


def _manifest(served: ServedStudent, export: Export) -> dict[str, Any]:
    """What a client must know to make the inputs of the files."""
    inputs: dict[str, dict[str, Any]] = {}
    for name, spec in served.specs.items():
        inputs[name] = {"shape": spec.shape.as_list(), "dtype": spec.dtype.name}
        if name in served.vocabularies:
            inputs[name]["raw_dtype"] = served.raw_specs[name].dtype.name
            inputs[name]["valid_indices"] = [0, served.vocabularies[name].size - 1]
            inputs[name]["unknown_index"] = 0
    return {
        "format": _LAYOUT,
        "about": "The first value of a vocabulary has index 1, the next 2, and so on.",
        "files": {file.name: file.takes for file in export.files.values()},
        "inputs": inputs,
        "vocabularies": {name: v.to_list() for name, v in served.vocabularies.items()},
    }


def _as_type(name: str, values: np.ndarray, dtype: tf.DType) -> np.ndarray:
    """An input without a vocabulary in the type of the student's input."""
    if values.dtype.kind not in "iufb":
        raise ValueError(
            "An input that has no vocabulary holds numbers. "
            f"Received: {name!r} of type {values.dtype}. Give its vocabulary: "
            f"vocabularies={{{name!r}: Vocabulary.fit(values)}}."
        )
    return values.astype(dtype.as_numpy_dtype)


def _check_student(student: keras.Model) -> None:
    if not isinstance(student, keras.Model):
        raise TypeError(f"`student` must be a keras.Model. Received: {student!r}.")
    if not student.built:
        raise ValueError(
            "A student is exported once it has weights. "
            f"Received: {student.name!r}, not built. Call it on a batch first."
        )


def _checked_sample(sample: Mapping[str, Any]) -> Arrays:
    if not isinstance(sample, Mapping):
        raise TypeError(
            f"`sample` must be a dict of arrays by the name of the input. Received: {sample!r}."
        )
    arrays = {name: np.asarray(values) for name, values in sample.items()}
    rows = {name: len(values) if values.ndim else 0 for name, values in arrays.items()}
    if len(set(rows.values())) != 1 or not all(rows.values()):
        raise ValueError(
            f"`sample` must have as many rows for each input, at least one. Received: {rows}."
        )
    return arrays


def _check_vocabularies(served: ServedStudent) -> None:
    for name, vocabulary in served.vocabularies.items():
        if name not in served.specs:
            raise ValueError(
                f"A vocabulary is that of an input of the student: {sorted(served.specs)}. "
                f"Received: a vocabulary of {name!r}."
            )
        if not isinstance(vocabulary, Vocabulary):
            raise TypeError(
                f"`vocabularies` holds values of type tdrec.data.Vocabulary. "
                f"Received: {vocabulary!r} for {name!r}."
            )
        if not vocabulary.values:
            raise ValueError(
                f"A vocabulary to export has at least one value. Received: none for {name!r}."
            )
        ids = [value for value in vocabulary.values if isinstance(value, int)]
        if ids and not -(2**63) <= min(ids) <= max(ids) < 2**63:
            raise ValueError(
                "The ids of a vocabulary to export fit into 64 bits with a sign. "
                f"Received: {min(ids)} to {max(ids)} for {name!r}. Use strings instead."
            )


def _with_unusual_values(raw: Arrays, vocabularies: Mapping[str, Vocabulary]) -> Arrays:
    """The first rows, then the very first again with one input unknown, or known at an end."""
    cases: list[tuple[str, Any]] = []
    for name, vocabulary in vocabularies.items():
        first, last = vocabulary.values[0], vocabulary.values[-1]
        unusual = ("", f"{last}?") if isinstance(last, str) else (-1, 0, 2**40, -(2**63), 2**63 - 1)
        cases += [(name, value) for value in (first, last, *unusual)]
    rows = {}
    for name, values in raw.items():
        rows[name] = np.concatenate([values[:_CHECKED_ROWS], *[values[:1]] * len(cases)])
        if name in vocabularies:
            vocabularies[name].lookup(values[:1])  # refuses values of another kind
            text = raw_type(vocabularies[name]) == tf.string
            rows[name] = rows[name].astype(object if text else np.int64)
    for row, (name, value) in enumerate(reversed(cases), start=1):
        rows[name][-row] = value
    return rows


def _with_unusual_indices(indices: Arrays, vocabularies: Mapping[str, Vocabulary]) -> Arrays:
    """The rows, then the first again with one input an index that stands for nothing."""
    cases = [
        (name, index)
        for name, vocabulary in vocabularies.items()
        for index in (-1, vocabulary.size, 2**31 - 1, -(2**31))
    ]
    rows = {
        name: np.concatenate([values, *[values[:1]] * len(cases)])
        for name, values in indices.items()
    }
    for row, (name, index) in enumerate(reversed(cases), start=1):
        rows[name][-row] = index
    return rows


def _check_formats(formats: Sequence[str]) -> None:
    if (
        isinstance(formats, str)
        or not formats
        or not set(formats) <= set(FORMATS)
        or len(set(formats)) < len(formats)
    ):
        raise ValueError(
            f"`formats` must be a list of different ones of {tuple(FORMATS)}. "
            f"Received: {formats!r}."
        )
    for name in formats:
        packages = FORMATS[name].packages
        missing = [p for p in packages if importlib.util.find_spec(p.replace("-", "_")) is None]
        if missing:
            raise ImportError(
                f"The format {name!r} needs {', '.join(packages)}. Missing: {', '.join(missing)}. "
                f'Install: pip install "tdrec[export]". {_leave_out(name)}'
            )


def _leave_out(name: str) -> str:
    return f"Or leave the format out: formats={tuple(other for other in FORMATS if other != name)}."


def _check_target(target: Path, overwrite: bool) -> None:
    if not os.path.lexists(target):
        return
    if not overwrite:
        raise FileExistsError(
            f"A student is exported to a new folder. Received: {str(target)!r}, which exists. "
            "Name another, or pass overwrite=True to replace an earlier export."
        )
    try:
        found = json.loads((target / _MANIFEST).read_text(encoding="utf-8")).get("format")
    except (OSError, ValueError, AttributeError):
        found = None
    if found != _LAYOUT or target.is_symlink():
        raise FileExistsError(
            "Only the folder of an earlier export is replaced, to lose nothing else. "
            f"Received: {str(target)!r}, which is something else. Name another folder."
        )


def _move(folder: Path, target: Path, old: Path) -> None:
    """Puts `folder` in the place of `target`, whose content goes to `old`."""
    replaced = target.exists()
    if replaced:
        os.replace(target, old)
    try:
        os.replace(folder, target)
    except OSError:
        if replaced:
            os.replace(old, target)
        raise


def _write_json(path: Path, value: Any, indent: int | None = None) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
