"""tdrec: distil a large pre-trained recommender into small students by interactive communication.

The names below load on first use, so that `import tdrec` and the command's `--help` stay instant.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
importlib.import_module("tdrec.runtime.registration").register_with_keras()

if TYPE_CHECKING:
    from tdrec.diagnostics.cka import cka_table, linear_cka
    from tdrec.diagnostics.diagnosis import Diagnosis, diagnose
    from tdrec.diagnostics.states import hidden_states
    from tdrec.distill.balance import BalanceTerms
    from tdrec.distill.callbacks import RampUp, TermSchedule, switch_off, warm_up
    from tdrec.distill.codec import Codec
    from tdrec.distill.communication import Conversation, communicate
    from tdrec.distill.cut import split_model
    from tdrec.distill.distiller import Distiller
    from tdrec.distill.layers import DistillationTerms, Interpreter
    from tdrec.distill.messages import MessageDecoder, MessageEncoder
    from tdrec.distill.method import Method
    from tdrec.distill.methods.feature_distillation import FeatureDistillation
    from tdrec.distill.methods.fitnet import FitNet
    from tdrec.distill.methods.grading import Grading
    from tdrec.distill.methods.hybrid import Hybrid
    from tdrec.distill.methods.label_distillation import LabelDistillation
    from tdrec.distill.methods.multi_teacher import MultiTeacher
    from tdrec.distill.methods.scratch import Scratch
    from tdrec.distill.methods.sum import Sum
    from tdrec.distill.methods.talking_models import TalkingModels
    from tdrec.distill.methods.trusted_label_distillation import TrustedLabelDistillation
    from tdrec.distill.model_split import ModelSplit, Trace
    from tdrec.distill.predictor import Predictor
    from tdrec.distill.sample_weights import SampleWeights
    from tdrec.distill.term_weight import TermWeight
    from tdrec.distill.trust import Trust
    from tdrec.export.export import Export, export_student
    from tdrec.export.model_cost import Comparison, compare_models
    from tdrec.teachers.saved_model import load_saved_model, load_saved_split, save_split
    from tdrec.teachers.stored_targets import StoredTargets

_HOME = {
    "BalanceTerms": "distill.balance",
    "RampUp": "distill.callbacks",
    "TermSchedule": "distill.callbacks",
    "switch_off": "distill.callbacks",
    "warm_up": "distill.callbacks",
    "cka_table": "diagnostics.cka",
    "linear_cka": "diagnostics.cka",
    "Codec": "distill.codec",
    "Conversation": "distill.communication",
    "communicate": "distill.communication",
    "Diagnosis": "diagnostics.diagnosis",
    "diagnose": "diagnostics.diagnosis",
    "Distiller": "distill.distiller",
    "Export": "export.export",
    "export_student": "export.export",
    "DistillationTerms": "distill.layers",
    "Interpreter": "distill.layers",
    "MessageDecoder": "distill.messages",
    "MessageEncoder": "distill.messages",
    "FeatureDistillation": "distill.methods.feature_distillation",
    "FitNet": "distill.methods.fitnet",
    "Grading": "distill.methods.grading",
    "Hybrid": "distill.methods.hybrid",
    "LabelDistillation": "distill.methods.label_distillation",
    "Method": "distill.method",
    "MultiTeacher": "distill.methods.multi_teacher",
    "Scratch": "distill.methods.scratch",
    "Sum": "distill.methods.sum",
    "SampleWeights": "distill.sample_weights",
    "TalkingModels": "distill.methods.talking_models",
    "TrustedLabelDistillation": "distill.methods.trusted_label_distillation",
    "TermWeight": "distill.term_weight",
    "Trust": "distill.trust",
    "Comparison": "export.model_cost",
    "compare_models": "export.model_cost",
    "ModelSplit": "distill.model_split",
    "Trace": "distill.model_split",
    "split_model": "distill.cut",
    "Predictor": "distill.predictor",
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
