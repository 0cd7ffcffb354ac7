"""What a client must know to make the inputs of an export's files: its `vocabularies.json`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tdrec.export.served import ServedStudent

LAYOUT = "tdrec.export/1"
"""What says that a folder is an export, and of which layout."""

MANIFEST = "vocabularies.json"


def manifest(
    served: ServedStudent, files: Mapping[str, str], refused: Mapping[str, str]
) -> dict[str, Any]:
    """What a client must know, as plain values for JSON.

    Args:
        served: The student, and the vocabularies of its inputs.
        files: What the inputs of each file are, in words, by its name.
        refused: By format, why there is no file of it.
    """
    inputs: dict[str, dict[str, Any]] = {}
    for name, spec in served.specs.items():
        inputs[name] = {
            "name_in_files": spec.name,
            "shape": spec.shape.as_list(),
            "dtype": spec.dtype.name,
        }
        if name in served.vocabularies:
            inputs[name]["raw_dtype"] = served.raw_specs[name].dtype.name
            inputs[name]["valid_indices"] = [0, served.vocabularies[name].size - 1]
            inputs[name]["unknown_index"] = 0
    return {
        "format": LAYOUT,
        "about": "The first value of a vocabulary has index 1, the next 2, and so on.",
        "files": dict(files),
        "refused": dict(refused),
        "inputs": inputs,
        "outputs": list(served.outputs),
        "vocabularies": {name: v.to_list() for name, v in served.vocabularies.items()},
    }


def is_export(folder: Path) -> bool:
    """Whether a folder was written by `export_student`; a link to one is not."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8")).get("format")
    except (OSError, ValueError, AttributeError):
        return False
    return found == LAYOUT and not folder.is_symlink()
