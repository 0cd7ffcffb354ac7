"""The methods: label, feature and hybrid distillation, FitNet, none, and TD, by their names.

All are interchangeable Keras layers that own what they have to learn (encoders and decoders), and
build only what their losses use. One file a method.
"""

import contextlib
import importlib
from typing import Any

from tdrec.distill.method import Method
from tdrec.distill.methods.feature_distillation import FeatureDistillation
from tdrec.distill.methods.fitnet import FitNet
from tdrec.distill.methods.grading import Grading
from tdrec.distill.methods.hybrid import Hybrid
from tdrec.distill.methods.label_distillation import LabelDistillation
from tdrec.distill.methods.scratch import Scratch
from tdrec.distill.methods.talking_models import TalkingModels
from tdrec.distill.methods.trusted_label_distillation import TrustedLabelDistillation

METHODS: dict[str, type[Method]] = {
    "scratch": Scratch,
    "ld": LabelDistillation,
    "fd": FeatureDistillation,
    "fitnet": FitNet,
    "hybrid": Hybrid,
    "td": TalkingModels,
    "trusted_ld": TrustedLabelDistillation,
    "grading": Grading,
}


def find(name: str) -> type[Method]:
    """The class of a method.

    Args:
        name: One of `METHODS`, such as `"ld"` or `"td"`; or `"module:Class"`, a `Method` of one's
            own.

    Raises:
        ValueError: If there is no such method; the valid names are listed.

    Example:
        >>> find("ld").__name__
        'LabelDistillation'
    """
    if name in METHODS:
        return METHODS[name]
    module, _, attribute = name.partition(":")
    found = None
    with contextlib.suppress(ImportError):
        found = getattr(importlib.import_module(module), attribute, None) if attribute else None
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise ValueError(
            f"`method` must be one of {', '.join(METHODS)}, or 'module:Class' of a tdrec.Method. "
            f"Received: {name!r}."
        )
    return found


def get(name: str, /, **arguments: Any) -> Method:
    """The method of this name.

    Args:
        name: As of `find`.
        **arguments: Those of the method.

    Returns:
        A new `Method`.

    Raises:
        ValueError: If there is no such method; the valid names are listed.

    Example:
        >>> get("td", rounds=2).rounds
        2
    """
    return find(name)(**arguments)
