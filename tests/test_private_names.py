"""Tests test by what is public: no module of theirs reads a private name, but for those listed."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
OF_NAMED_TUPLES = {"_asdict", "_fields", "_make", "_replace"}  # public, in spite of the underscore
BY_STRING = {"delattr", "getattr", "hasattr", "object", "patch", "setattr"}
"""Functions of Python, of pytest's `monkeypatch` and of `unittest.mock` that take names as text."""

ALLOWED = {
    ("data/test_rating_table.py", "_fault_of"): "the rules, which the fast reader is compared with",
    ("distill/methods/test_methods.py", "_flatten_layers"): "Keras has no public name for it",
    ("integrations/tfrs_with_keras_2.py", "_check_keras_2"): "a process imports the module once",
    ("runtime/test_compilation.py", "_processor"): "a test cannot change the machine's",
}
"""What each module reads all the same, and why."""


def is_private(name):
    return name.startswith("_") and not name.startswith("__") and name not in OF_NAMED_TUPLES


def private_names(source):
    """The private names of others that a module's source reads, in attributes, imports or text.

    `self._x` counts too: a class of a test has no need of it, and a base of tdrec may own it.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            parts = [node.attr]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            parts = [part for name in names for part in name.split(".")]
        elif isinstance(node, ast.Call) and _name_of(node.func) in BY_STRING:
            given = [each.value for each in node.args if isinstance(each, ast.Constant)]
            parts = [part for each in given if isinstance(each, str) for part in each.split(".")]
        else:
            continue
        yield from filter(is_private, parts)


def _name_of(function):
    return getattr(function, "attr", getattr(function, "id", None))


@pytest.mark.parametrize(
    "source",
    [
        "import tdrec\ntdrec.data._x",
        "from tdrec.data import _x",
        "from tdrec._x import y",
        "import tdrec._x",
        "monkeypatch.setattr(thing, '_x', 1)",
        "patch('tdrec.data._x.y')",
        "getattr(thing, '_x')",
    ],
)
def test_private_names_are_found_however_they_are_read(source):
    assert list(private_names(source)) == ["_x"]


@pytest.mark.parametrize(
    "source", ["trace._replace(low=1)", "x.__name__", "_x = 1\n_x", "getattr(thing, 'x_')", "_x()"]
)
def test_public_names_and_those_of_the_module_itself_are_none(source):
    assert list(private_names(source)) == []


def test_tests_read_no_private_names():
    found = {path.relative_to(ROOT).as_posix(): path.read_text() for path in ROOT.rglob("*.py")}
    read = {(name, each) for name, source in found.items() for each in private_names(source)}
    assert read == set(ALLOWED), "test by what is public; a private name that must be is listed"
