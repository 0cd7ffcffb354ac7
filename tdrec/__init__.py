"""tdrec: distil a large pre-trained recommender into small students by interactive communication.

The names below load on first use, so that `import tdrec` and the command's `--help` stay instant.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from tdrec.balance import BalanceTerms
    from tdrec.callbacks import RampUp, TermSchedule, switch_off, warm_up
    from tdrec.communication import Conversation, communicate
    from tdrec.diagnostics.cka import cka_table, linear_cka
    from tdrec.diagnostics.diagnosis import Diagnosis, diagnose
    from tdrec.diagnostics.states import hidden_states
    from tdrec.distiller import Distiller
    from tdrec.export import Export, export_student
    from tdrec.label_distillation import LabelDistillation
    from tdrec.messages import MessageDecoder, MessageEncoder
    from tdrec.method import Method
    from tdrec.methods import (
        FeatureDistillation,
        FitNet,
        Hybrid,
        Scratch,
    )
    from tdrec.model_cost import Comparison, compare_models
    from tdrec.model_split import ModelSplit, Trace, split_model
    from tdrec.talking_models import TalkingModels
    from tdrec.teachers.predictor import Predictor
    from tdrec.teachers.saved_model import load_saved_model, load_saved_split, save_split
    from tdrec.teachers.stored_targets import StoredTargets

_HOME = {
    "BalanceTerms": "balance",
    "RampUp": "callbacks",
    "TermSchedule": "callbacks",
    "switch_off": "callbacks",
    "warm_up": "callbacks",
    "cka_table": "diagnostics.cka",
    "linear_cka": "diagnostics.cka",
    "Conversation": "communication",
    "communicate": "communication",
    "Diagnosis": "diagnostics.diagnosis",
    "diagnose": "diagnostics.diagnosis",
    "Distiller": "distiller",
    "Export": "export",
    "export_student": "export",
    "MessageDecoder": "messages",
    "MessageEncoder": "messages",
    "FeatureDistillation": "methods",
    "FitNet": "methods",
    "Hybrid": "methods",
    "LabelDistillation": "label_distillation",
    "Method": "method",
    "Scratch": "methods",
    "TalkingModels": "talking_models",
    "Comparison": "model_cost",
    "compare_models": "model_cost",
    "ModelSplit": "model_split",
    "Trace": "model_split",
    "split_model": "model_split",
    "Predictor": "teachers.predictor",
    "load_saved_model": "teachers.saved_model",
    "load_saved_split": "teachers.saved_model",
    "save_split": "teachers.saved_model",
    "hidden_states": "diagnostics.states",
    "StoredTargets": "teachers.stored_targets",
}
__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value  # found without this function from now on, by tools as well
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
