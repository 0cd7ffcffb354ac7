"""Hyperparameters that a study chose, as a file: written by `tdrec.study`, used by `tdrec.run`.

The file is JSON: `{"study": ..., "data": {"name": ..., "sha256": ...}, "tuned": {PRESET: {SETTING:
{TASK: {LABEL: {NAME: VALUE}}}}}}`. Values hold for the data of that hash alone.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from tdrec.runtime.files import user_path
from tdrec.studies.config import LOG_EVERY
from tdrec.studies.plan import FOLDER, Values
from tdrec.studies.row import Row

DEFAULT = FOLDER / "tuned" / "table3.json"
"""What `tdrec.run` uses where it exists, which is in a checkout."""

_Number = Annotated[float, Field(allow_inf_nan=False, strict=True)]


class _Data(BaseModel):
    sha256: str


class _File(BaseModel):
    data: _Data
    tuned: dict[str, dict[str, dict[str, dict[str, dict[str, _Number]]]]]


@dataclass(frozen=True)
class TunedValues:
    """The chosen values of one study.

    Attributes:
        path: The file that they were read from.
        data: SHA-256 of the ratings that they were chosen on.
        tuned: By preset, setting, task, label and name.
    """

    path: Path
    data: str
    tuned: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]]

    def of_preset(self, preset: str, given: Collection[str] = ()) -> Values:
        """What was chosen where the study changed no setting, by preset, task and label.

        Args:
            preset: Its name.
            given: Names of values that are decided otherwise.
        """
        return {
            (preset, task, label): {k: v for k, v in values.items() if k not in given}
            for task, labels in self.tuned.get(preset, {}).get("", {}).items()
            for label, values in labels.items()
        }


def tuned_values_text(rows: Sequence[Row]) -> str:
    """What was chosen in a study, as the text of a file.

    Args:
        rows: Those of one study, at least one, tuned or not.
    """
    tuned: dict[str, Any] = {}
    for row in rows:
        if row.tuned:
            place = tuned.setdefault(row.preset, {}).setdefault(row.setting, {})
            place.setdefault(row.place, {})[row.label] = dict(row.tuned)
    data = {"name": rows[0].data.name, "sha256": rows[0].data.sha256}
    return json.dumps({"study": rows[0].study, "data": data, "tuned": tuned}, indent=1)


def read_tuned_values(path: str | Path) -> TunedValues:
    """Reads and checks a file that `tuned_values_text` made.

    Args:
        path: The file.

    Returns:
        The `TunedValues`.

    Raises:
        ValueError: If the file is not of that form, or a value is out of its range; what is wrong,
            and where, is named.
        OSError: If there is no such file.

    Example:
        >>> read_tuned_values(DEFAULT).tuned["strong"][""]["Drama"]["LD"]["learning_rate"]
        0.003
    """
    path = user_path(path)
    use = "Use a study's tuned.json as it was written."
    text = path.read_bytes()
    try:
        _File.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = " / ".join(str(name) for name in first["loc"] if name != "tuned")
        raise ValueError(
            f"{path} must hold a study's tuned values, finite numbers by preset, setting, task, "
            f"label and name: {first['msg']}. Received: {first['input']!r} at "
            f"{place or 'the top'}. {use}"
        ) from error
    found = json.loads(text)  # as it was written: the model makes floats of whole numbers
    for *place, name, value in _leaves(found["tuned"]):
        if rule := _rule(name, value):
            raise ValueError(
                f"{path} must hold values in their ranges: {name} {rule}. Received: {value!r} at "
                f"{' / '.join([*place, name])}. {use}"
            )
    return TunedValues(path, found["data"]["sha256"], found["tuned"])


def _leaves(part: Any) -> Any:
    """Each value with the names that lead to it."""
    if not isinstance(part, dict):
        yield (part,)
        return
    for name, below in part.items():
        yield from ((name, *rest) for rest in _leaves(below))


def _rule(name: str, value: float) -> str:
    """The rule that a value breaks; "" where it breaks none."""
    if name == "steps":
        valid = value > 0 and value % LOG_EVERY == 0
        return "" if valid else f"must be a positive multiple of {LOG_EVERY}"
    if name in ("dropout", "user_dropout"):
        return "" if 0 <= value < 1 else "must lie in [0, 1)"
    if name == "learning_rate" or name.endswith("weight"):
        return "" if value > 0 else "must be positive"
    return "is no hyperparameter that is tuned"
