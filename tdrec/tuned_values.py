"""Hyperparameters that a study chose, as a file: written by `tdrec.study`, used by `tdrec.run`.

The file is JSON: `{"study": ..., "data": {"name": ..., "sha256": ...}, "tuned": {REGIME: {SETTING:
{GENRE: {LABEL: {NAME: VALUE}}}}}}`. Values hold for the data of that hash alone.

Example:

    tuned = read_tuned_values(DEFAULT)
    tuned.of("strong", "Drama", "LD")  # {"learning_rate": 0.002, "steps": 320, "weight": 4.1, ...}
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tdrec.config import LOG_EVERY
from tdrec.study_plan import FOLDER

DEFAULT = FOLDER / "tuned" / "table3.json"
"""What `tdrec.run` uses where it exists, which is in a checkout."""


@dataclass(frozen=True)
class TunedValues:
    """The chosen values of one study.

    Attributes:
        path: The file that they were read from.
        data: SHA-256 of the ratings that they were chosen on.
        values: By regime, setting, genre, label and name.
    """

    path: Path
    data: str
    values: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]]

    @property
    def digest(self) -> str:
        """A hash of the values."""
        return hashlib.sha256(json.dumps(self.values, sort_keys=True).encode()).hexdigest()[:16]

    def of(self, regime: str, genre: str, label: str) -> dict[str, float]:
        """What was chosen for a method where the study changed no setting; {} for nothing.

        Args:
            regime: A regime's name.
            genre: The genre.
            label: How the study names the method, such as "TD k=2".
        """
        return dict(self.values.get(regime, {}).get("", {}).get(genre, {}).get(label, {}))


def tuned_values_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """What was chosen in a study, as the text of a file.

    Args:
        rows: Those of one study, at least one, tuned or not.
    """
    tuned: dict[str, Any] = {}
    for row in rows:
        if row["tuned"]:
            place = tuned.setdefault(row["regime"], {}).setdefault(row["setting"], {})
            place.setdefault(row["genre"], {})[row["label"]] = row["tuned"]
    data = {name: rows[0]["data"][name] for name in ("name", "sha256")}
    return json.dumps({"study": rows[0]["study"], "data": data, "tuned": tuned}, indent=1)


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
    """
    path = Path(path)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        data, tuned = found["data"]["sha256"], found["tuned"]
        if not isinstance(data, str):
            raise TypeError
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} must hold a study's tuned values. Received: something else, without "
            '{"data": {"sha256": ...}, "tuned": ...}. Use the tuned.json that `python -m '
            "tdrec.study` writes."
        ) from error
    _check(path, tuned, [])
    return TunedValues(path, data, tuned)


def _check(path: Path, part: Any, place: list[str]) -> None:
    """Refuses what is no mapping down to the names, and no number in its range below them."""
    levels = ("regime", "setting", "genre", "label", "name")
    if len(place) < len(levels):
        if not isinstance(part, dict):
            raise ValueError(
                f"{path} must map each {levels[len(place)]} to something. Received: {part!r} at "
                f"{' / '.join(place) or 'the top'}. Use a study's tuned.json as it was written."
            )
        for name, value in part.items():
            _check(path, value, [*place, name])
        return
    rule = _rule(place[-1], part)
    if rule:
        raise ValueError(
            f"{path} must hold values in their ranges: {place[-1]} {rule}. Received: {part!r} at "
            f"{' / '.join(place)}. Use a study's tuned.json as it was written."
        )


def _rule(name: str, value: Any) -> str:
    """The rule that a value breaks; "" where it breaks none."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    number = number and math.isfinite(value)
    if name == "steps":
        valid = number and value > 0 and value % LOG_EVERY == 0
        return "" if valid else f"must be a positive multiple of {LOG_EVERY}"
    if name in ("dropout", "user_dropout"):
        return "" if number and 0 <= value < 1 else "must lie in [0, 1)"
    if name == "learning_rate" or name.endswith("weight"):
        return "" if number and value > 0 else "must be positive"
    return "is no hyperparameter that is tuned"
