"""The imports of tdrec point one way, and `import tdrec` is instant."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import tdrec

ROOT = Path(tdrec.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# What each module may import of tdrec. A package stands for all that is in it.
ALLOWED = {
    "losses": set(),
    "messages": set(),
    "model_split": set(),
    "communication": {"losses", "messages", "model_split"},
    "method": {"communication", "losses", "messages", "model_split"},
    "label_distillation": {"losses", "method", "model_split"},
    "talking_models": {
        *("communication", "label_distillation", "losses", "method", "model_split"),
    },
    "methods": {"label_distillation", "losses", "method", "model_split", "talking_models"},
    "fingerprint": {"model_split"},
    "teacher_reference": {"fingerprint", "model_split"},
    "teacher_targets": {"fingerprint", "model_split"},
    "training_step_jax": set(),
    "training_step_tensorflow": set(),
    "distiller": {
        *("method", "model_split", "teacher_reference", "teacher_targets"),
        *("training_step_jax", "training_step_tensorflow"),
    },
    "teachers": {"backend", "model_split", "teacher_targets"},
    "gradient_norms_jax": {"distiller"},
    "gradient_norms_tensorflow": {"distiller"},
    "gradient_norms": {"distiller", "gradient_norms_jax", "gradient_norms_tensorflow"},
    "callbacks": {"distiller", "method"},
    "balance": {"callbacks", "gradient_norms", "method"},
    "diagnostics": {
        *("distiller", "gradient_norms", "method", "methods", "model_split", "teacher_targets"),
    },
    "models": set(),
    "model_files": set(),
    "quiet": set(),
    "backend": set(),
    "compilation": set(),
    "provenance": {"__init__"},
    "model_cost": {"backend"},
    "export_formats": {"data", "model_cost"},
    "export": {"backend", "data", "export_formats", "model_cost", "quiet"},
    "data": set(),
    "evaluation": {"data"},
    "config": set(),
    "image_config": set(),
    "controls": {"model_split"},
    "results": set(),
    "statistics": set(),
    "paper_tables": set(),
    "summary": {"paper_tables", "results"},
    "study_summary": {"config", "results", "statistics", "summary"},
    "study_auto": {"page", "statistics", "study_summary", "summary"},
    "study_plots": {"drawing", "plots", "statistics", "study_summary", "summary"},
    "study_report": {
        *("drawing", "page", "paper_tables", "plots", "results", "statistics", "study_auto"),
        *("study_claims", "study_plots", "study_summary", "summary"),
    },
    "study_claims": {"page", "statistics", "study_summary", "summary"},
    "drawing": {"summary"},
    "plots": {"drawing", "summary"},
    "page": {"results", "statistics", "summary"},
    "image_alignment": {"summary"},
    "image_summary": {"image_alignment", "results", "statistics", "summary"},
    "image_claims": {"image_summary", "page", "statistics", "summary"},
    "image_plots": {"drawing", "image_summary", "plots", "summary"},
    "image_report": {
        *("drawing", "image_alignment", "image_claims", "image_config", "image_plots"),
        "image_summary",
        *("page", "paper_tables", "results", "summary"),
    },
    "report": {"drawing", "page", "paper_tables", "plots", "results", "summary"},
}
ENDS = {
    *("auto", "experiment", "segment", "student_training", "teacher_training"),
    *("tuning", "study_plan"),
    *("image_experiment", "image_flags", "image_run"),
    *("study_worker", "tuned_values", "run_flags", "run", "doctor", "study", "integrations"),
}
MAY_IMPORT_TENSORFLOW = {
    "balance",
    "distiller",
    "teachers",
    "teacher_targets",
    "data",
    "integrations",
    "experiment",
    "gradient_norms_tensorflow",
    "training_step_tensorflow",
    "export",
    "export_formats",
    "model_cost",
}


def module_of(file):
    """The first part of a file's path: "data" for tdrec/data/ratings.py."""
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_by(source, package):
    """The full names of what a module's source imports, wherever the import stands in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package[: len(package) - node.level + 1] if node.level else []
            home = ".".join([*parts, *([node.module] if node.module else [])])
            yield from (f"{home}.{alias.name}" for alias in node.names)


def imports_of(file):
    return imported_by(file.read_text(), ["tdrec", *file.relative_to(ROOT).parent.parts])


def of_tdrec(file):
    """The modules of tdrec that a file imports, by their first part."""
    names = (name.split(".") for name in imports_of(file))
    return {name[1] if len(name) > 1 else "__init__" for name in names if name[0] == "tdrec"}


def test_imports_are_found_wherever_they_stand():
    source = "import tdrec.run as r\ndef f():\n    from . import a\n    from ..losses import l2\n"
    found = set(imported_by(source, ["tdrec", "data"]))
    assert found == {"tdrec.run", "tdrec.data.a", "tdrec.losses.l2"}


@pytest.mark.parametrize("module", ALLOWED)
def test_a_module_imports_only_what_lies_below_it(module):
    files = [file for file in FILES if module_of(file) == module]
    assert files, f"no module {module!r}"
    for file in files:
        assert of_tdrec(file) <= ALLOWED[module] | {module}, file


def test_every_module_has_its_place():
    assert {module_of(file) for file in FILES} <= {*ALLOWED, *ENDS, "__init__"}


def test_the_command_comes_after_the_experiment():
    for file in FILES:
        if module_of(file) == "experiment":
            assert "run" not in of_tdrec(file), file


def test_nothing_imports_the_integrations():
    for file in FILES:
        if module_of(file) != "integrations":
            assert "integrations" not in of_tdrec(file), file


def test_tensorflow_is_imported_only_where_it_must_be():
    for file in FILES:
        if module_of(file) not in MAY_IMPORT_TENSORFLOW:
            names = {name.split(".")[0] for name in imports_of(file)}
            assert not names & {"tensorflow", "tensorflow_datasets"}, file


def test_importing_tdrec_imports_nothing_large():
    code = "import json, sys, tdrec; print(json.dumps(sorted(sys.modules)))"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True, cwd=ROOT.parent
    ).stdout
    loaded = {name.split(".")[0] for name in json.loads(output)}
    assert "tdrec" in loaded
    large = {"tensorflow", "keras", "tensorflow_datasets", "tensorflow_recommenders", "numpy"}
    assert not loaded & {*large, "matplotlib", "pandas", "keras_hub"}


@pytest.mark.parametrize("name", tdrec.__all__)
def test_public_names_resolve(name):
    value = getattr(tdrec, name)
    if name != "__version__":
        assert value.__name__ == name
        assert value.__module__ == f"tdrec.{tdrec._HOME[name]}"
        assert value.__doc__


def test_public_names_are_listed():
    assert dir(tdrec) == sorted(tdrec.__all__)
    assert len(set(tdrec.__all__)) == len(tdrec.__all__)


def test_names_for_type_checkers_are_the_public_ones():
    tree = ast.parse((ROOT / "__init__.py").read_text())
    listed = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("tdrec.")
        for alias in node.names
    }
    assert listed == {name: f"tdrec.{home}" for name, home in tdrec._HOME.items()}


def test_unknown_name():
    with pytest.raises(AttributeError, match="module 'tdrec' has no attribute 'Teacher'"):
        _ = tdrec.Teacher
