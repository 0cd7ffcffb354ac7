"""Lets Keras load what tdrec has saved, in a process that has imported both.

Keras finds a class by its registered name, and only what is imported is registered. tdrec's modules
load on first use, so that `import tdrec` is quick: until then a stand-in is registered, which
imports the class when Keras makes one of it.
"""

import importlib
import importlib.abc
import importlib.util
import sys
from types import ModuleType
from typing import Any

REGISTERED = {
    "Distiller": "distill.distiller",
    "FeatureDistillation": "distill.methods.feature_distillation",
    "FitNet": "distill.methods.fitnet",
    "Grading": "distill.methods.grading",
    "Hybrid": "distill.methods.hybrid",
    "LabelDistillation": "distill.methods.label_distillation",
    "MessageDecoder": "distill.messages",
    "MessageEncoder": "distill.messages",
    "MultiTeacher": "distill.methods.multi_teacher",
    "Scratch": "distill.methods.scratch",
    "Sum": "distill.methods.sum",
    "TalkingModels": "distill.methods.talking_models",
    "TiedEmbedding": "models.sequence_transformer",
    "TrustedLabelDistillation": "distill.methods.trusted_label_distillation",
    "ViT": "models.vit",
}
"""Where the classes are that Keras may be asked to load."""


def register_with_keras() -> None:
    """Registers the stand-ins: now, or as soon as Keras is imported."""
    if keras := sys.modules.get("keras"):
        _register(keras)
    else:
        sys.meta_path.insert(0, _WhenKerasLoads())


def _register(keras: ModuleType) -> None:
    objects = keras.saving.get_custom_objects()
    for name, module in REGISTERED.items():
        objects.setdefault(f"tdrec>{name}", _stand_in(name, module))


def _stand_in(name: str, module: str) -> type:
    def from_config(config: dict[str, Any], **kwargs: Any) -> Any:
        own = getattr(importlib.import_module(f"tdrec.{module}"), name)
        return own.from_config(config, **kwargs)

    return type(name, (), {"from_config": staticmethod(from_config)})


class _WhenKerasLoads(importlib.abc.MetaPathFinder):
    """Finds Keras as it would be found without it, and registers once it is loaded."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != "keras":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec and spec.loader:
            load = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                _register(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
