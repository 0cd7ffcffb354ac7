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

MAY_IMPORT_TENSORFLOW = {
    *("distill/balance.py", "distill/distiller.py", "distill/teacher_targets.py"),
    *("distill/given_data.py", "distill/row_order.py", "distill/data_with_targets.py"),
    *("distill/target_folder.py", "distill/target_form.py"),
    *(
        "distill/trainers/gradient_norms_tensorflow.py",
        "distill/trainers/training_step_tensorflow.py",
    ),
    *("runtime/tfrecords.py", "teachers", "data", "integrations", "export", "tasks/image.py"),
}


def packages():
    """What of tdrec each package may import, as `BUILD` says it, lowest first."""
    tree = ast.parse((ROOT.parent / "BUILD").read_text(encoding="utf-8"))
    (value,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "PACKAGES"
    )
    return {name: set(own) for name, (own, _) in ast.literal_eval(value).items()}


PACKAGES = packages()


def package_of(file):
    """The package of a file below tdrec/, or the file's own name if it lies beside them."""
    parts = file.relative_to(ROOT).parts
    return parts[0] if len(parts) > 1 else file.name


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
    """The packages of tdrec that a file imports, wherever the import stands in it."""
    names = (name.split(".") for name in imports_of(file))
    return {name[1] for name in names if name[0] == "tdrec" and len(name) > 1}


def test_imports_are_found_wherever_they_stand():
    source = "import tdrec.run as r\ndef f():\n    from . import a\n    from ..losses import l2\n"
    found = set(imported_by(source, ["tdrec", "data"]))
    assert found == {"tdrec.run", "tdrec.data.a", "tdrec.losses.l2"}


def test_every_package_has_its_place():
    found = {package_of(file) for file in FILES if file.parent != ROOT}
    assert found == set(PACKAGES)
    doors = {file.name for file in FILES if file.parent == ROOT}
    assert doors == {
        *("__init__.py", "__main__.py", "communication.py", "describe.py", "doctor.py"),
        *("run.py", "study.py"),
    }


def test_packages_import_one_way():
    above: set[str] = set()
    for package, allowed in reversed(PACKAGES.items()):
        above.add(package)
        assert not allowed & above, f"{package} may import what lies above it"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_it_may(package):
    found = {file: of_tdrec(file) for file in FILES if package_of(file) == package}
    used = set().union(*found.values()) - {package}
    assert used <= PACKAGES[package], {f.name: x for f, x in found.items() if x - PACKAGES[package]}
    assert PACKAGES[package] <= used, "it may import more than it does"


@pytest.mark.parametrize("door", ["run.py", "study.py", "doctor.py"])
def test_doors_lead_to_the_command_line_alone(door):
    assert of_tdrec(ROOT / door) == {"cli"}


def test_tensorflow_is_imported_only_where_it_must_be():
    for file in FILES:
        name = file.relative_to(ROOT).as_posix()
        if not name.startswith(tuple(MAY_IMPORT_TENSORFLOW)):
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


def listed_for_type_checkers():
    """The public names that `tdrec/__init__.py` imports for type checkers, each with its module."""
    tree = ast.parse((ROOT / "__init__.py").read_text())
    return {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("tdrec.")
        for alias in node.names
    }


@pytest.mark.parametrize("name", tdrec.__all__)
def test_public_names_resolve(name):
    value = getattr(tdrec, name)
    if name != "__version__":
        assert value.__name__ == name
        assert value.__module__ == listed_for_type_checkers()[name]
        assert value.__doc__


def test_public_names_are_listed():
    assert dir(tdrec) == sorted(tdrec.__all__)
    assert len(set(tdrec.__all__)) == len(tdrec.__all__)


def test_names_for_type_checkers_are_the_public_ones():
    assert {*listed_for_type_checkers(), "__version__"} == set(tdrec.__all__)


def test_unknown_name():
    with pytest.raises(AttributeError, match="module 'tdrec' has no attribute 'Teacher'"):
        _ = tdrec.Teacher
