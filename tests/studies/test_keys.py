"""Tests of keys: they change with what decides a result, and with nothing else."""

import importlib.util
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tdrec
from tdrec.studies import keys
from tdrec.studies.keys import code_version, key_of

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(), PLAIN, max_size=4))
def test_keys_are_of_values_and_not_of_their_order(values):
    assert key_of(values) == key_of(dict(reversed(values.items())))
    assert key_of(values) != key_of(values, None)


def test_keys_tell_apart_what_differs():
    assert key_of("War", {"a": 1, "b": [2]}) == key_of("War", {"b": (2,), "a": 1})
    different = [key_of("War", 1), key_of("War", 2), key_of("War", "2"), key_of("War", 2.0)]
    assert len(set(different)) == 4
    assert all(len(key) == 16 and int(key, 16) >= 0 for key in different)


SOURCE = '''"""What a file is for."""


class Thing:
    """What a class is for."""

    size: int = 1
    """What an attribute is for."""

    def double(self, x):
        """What a method does."""
        return 2 * x + self.size
'''
DECIDING = (
    *("distill/distiller.py", "distill/methods/talking_models.py", "data/holdout.py"),
    *("tasks/ratings/student.py", "tasks/images/session.py", "studies/tuning.py"),
    "export/model_cost.py",  # whose counts are in rows
    "studies/comparison.py",  # what tuning and auto choose by
)
SHOWING = (
    *("cli/options.py", "report/claims.py", "run.py", "study.py", "doctor.py"),
    *("export/export.py", "export/formats.py", "integrations/tfrs.py"),
    *("tasks/genre_report.py", "tasks/segment_report.py", "tasks/image_report.py"),
    "tasks/paper_tables.py",
)


@pytest.fixture
def version(tmp_path, monkeypatch):
    """The version of small files at tdrec's places, of which one was changed."""
    for name in (*DECIDING, *SHOWING):
        assert (Path(tdrec.__file__).parent / name).is_file()
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(SOURCE)
    monkeypatch.setattr(tdrec, "__file__", str(tmp_path / "__init__.py"))
    spec = importlib.util.spec_from_file_location("keys_of_small_files", keys.__file__)
    of_small_files = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(of_small_files)

    def of(name=None, old="2 * x", new="3 * x", names=()):
        assert old in SOURCE
        if name:
            (tmp_path / name).write_text(SOURCE.replace(old, new))
        of_small_files.code_version.cache_clear()
        found = of_small_files.code_version(*names)
        if name:
            (tmp_path / name).write_text(SOURCE)
        return found

    return of


@pytest.mark.parametrize(
    ("old", "new"),
    [
        *(("a file is", "it is"), ("a class", "it"), ("an attribute", "it"), ("a method", "it")),
        *(("size: int = 1", "size: int = 1  # units"), ("\n\n\n", "\n\n# A comment.\n\n")),
        *(("2 * x", "(2 * x)"), ('''    """What an attribute is for."""\n''', "")),
    ],
)
def test_what_is_said_of_the_code_does_not_count(version, old, new):
    assert version("distill/distiller.py", old, new) == version()


@pytest.mark.parametrize(
    ("old", "new"),
    [("= 1", "= 2"), ("x + self", "x - self"), ("double", "twice"), (": int", ""), ("2 *", "2. *")],
)
def test_code_counts(version, old, new):
    assert version("distill/distiller.py", old, new) != version()


def test_code_that_decides_a_figure_counts(version):
    assert len({version(), *map(version, DECIDING)}) == 1 + len(DECIDING)


@pytest.mark.parametrize("name", SHOWING)
def test_code_that_shows_a_figure_does_not_count(version, name):
    assert version(name) == version()


def test_a_version_may_be_of_some_files(version):
    names = ("data", "tasks/images/session.py")
    same = version(names=names)
    assert version("data/holdout.py", names=names) != same
    assert version("tasks/images/session.py", names=names) != same
    assert version("distill/distiller.py", names=names) == same
    assert same != version()


def test_a_new_file_counts(version, tmp_path):
    same = version()
    (tmp_path / "tasks" / "more.py").write_text("")
    assert version() != same


def test_the_version_of_this_code_is_a_key():
    assert len(code_version()) == 16 and int(code_version(), 16) >= 0
