"""The examples of docstrings run and show what they give, and the commands in docstrings exist."""

import ast
import doctest
import importlib
import importlib.util
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import keras
import pytest

import example_names
import tdrec
from tdrec.cli.options import read_options
from tdrec.data import TableSource
from tdrec.studies.plan import find
from untraced import untraced

ROOT = Path(tdrec.__file__).parents[1]

KERAS_HUB = ("keras_hub", "pip install 'tdrec[images]'")
OPTIONAL = {
    "tdrec.models.vit": KERAS_HUB,
    "tdrec.models.vit_checkpoints": KERAS_HUB,
    "tdrec.tasks.images.session": KERAS_HUB,
}
"""The package that a module's examples are skipped without, and how to install it."""


class Docstring(NamedTuple):
    """A docstring, the full name of what it is of, and where its file has it."""

    name: str
    text: str
    module: str
    path: Path
    line: int

    @property
    def examples(self):
        """As a test of its file and line, whose namespace is still empty."""
        text, path = self.text, str(self.path)
        return doctest.DocTestParser().get_doctest(text, {}, self.name, path, self.line - 1)


def docstrings_of(path):
    """The docstrings of a file, which is not imported for that."""
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")

    def below(node, name):
        if text := ast.get_docstring(node, clean=False):
            yield Docstring(name, text, module, path, node.body[0].lineno)
        for child in node.body:
            if isinstance(child, ast.ClassDef | ast.FunctionDef):
                yield from below(child, f"{name}.{child.name}")

    return below(ast.parse(path.read_text(encoding="utf-8")), module)


DOCSTRINGS = [found for path in sorted(ROOT.glob("tdrec/**/*.py")) for found in docstrings_of(path)]
EXAMPLES = [docstring for docstring in DOCSTRINGS if ">>>" in docstring.text]
COMMANDS = {  # without what a list of commands says of them, two spaces further on
    command.partition("  ")[0]
    for docstring in DOCSTRINGS
    for command in re.findall(r"python -m (tdrec[^\"`\n]*)", docstring.text)
}


def namespace(examples, module):
    """What an example may use: its module's names, tdrec's, and what `example_names` makes."""
    used = {word for each in examples.examples for word in re.findall(r"\w+", each.source)}
    own = vars(importlib.import_module(module))
    public = {name: getattr(tdrec, name) for name in used.intersection(tdrec.__all__)}
    ready = example_names.Ready()
    made = {name: getattr(ready, name) for name in used.intersection(example_names.NAMES) - {*own}}
    return {**example_names.IMPORTED, **public, **made, **own}


def run(docstring):
    """Fails with what went wrong, where, and what was expected."""
    examples = docstring.examples
    examples.globs = namespace(examples, docstring.module)
    report = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(examples, out=report.append)
    if report:
        pytest.fail("".join(report), pytrace=False)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder, no flags of XLA, and the same random numbers each time; steps that are not
    traced; and no progress bars: no docstring shows one.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TF_XLA_FLAGS", "")
    keras.utils.set_random_seed(0)
    keras.config.disable_interactive_logging()
    with untraced():
        yield
    keras.config.enable_interactive_logging()


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("docstring", EXAMPLES, ids=lambda docstring: docstring.name)
def test_example(docstring):
    if docstring.module.startswith("tdrec.integrations"):
        pytest.skip("run by tests/integrations, in a process whose tf.keras is Keras 2")
    if docstring.module in OPTIONAL:
        package, remedy = OPTIONAL[docstring.module]
        pytest.importorskip(package, reason=f"needs {package}: {remedy}")
    run(docstring)


def test_no_example_is_skipped():
    for docstring in EXAMPLES:
        for example in docstring.examples.examples:
            assert doctest.SKIP not in example.options, (docstring.path, docstring.line)


@pytest.mark.parametrize("name", sorted({*tdrec.__all__} - {"__version__"}))
def test_a_public_name_has_an_example(name):
    assert f"{getattr(tdrec, name).__module__}.{name}" in {found.name for found in EXAMPLES}


def test_what_is_called_an_example_is_one():
    for docstring in DOCSTRINGS:
        if re.search(r"^ *Examples?:$", docstring.text, re.MULTILINE):
            assert re.search(r">>>|python -m", docstring.text), (docstring.path, docstring.line)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_command_exists(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = TableSource("t.csv", user="u", item="i", target="y", segment="s")
    Path("mine.toml").write_text(source.to_toml())
    module, *arguments = shlex.split(command)
    assert importlib.util.find_spec(module)
    if arguments and module != "tdrec.describe":
        door = module.removeprefix("tdrec.")
        study = read_options(door, [door, *arguments]).study
        assert study is None or find(study)


def test_commands_are_written_as_they_are_typed():
    for docstring in DOCSTRINGS:
        wrong = re.search(r"\btdrec (run|study|doctor|describe)\b", docstring.text)
        assert not wrong, (docstring.path, docstring.line)
