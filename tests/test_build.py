"""The targets of `BUILD` and the files in the tree must agree; Bazel itself is not needed."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RULES = ("py_binary", "py_library", "py_test")


def glob(patterns, exclude=(), allow_empty=False):
    """As Bazel's."""
    found = {path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()}
    left_out = {path for pattern in exclude for path in ROOT.glob(pattern)}
    assert allow_empty or found - left_out, patterns
    return sorted(path.relative_to(ROOT).as_posix() for path in found - left_out)


@pytest.fixture(scope="module")
def targets():
    """Every target of `BUILD` as (rule, attributes): the file is in Python's syntax, so it runs."""
    found = []

    def record(rule):
        return lambda **attributes: found.append((rule, attributes))

    names = {rule: record(rule) for rule in RULES}
    names |= {"glob": glob, "load": lambda *names: None, "package": lambda **attributes: None}
    exec(compile((ROOT / "BUILD").read_text(encoding="utf-8"), "BUILD", "exec"), names)
    return found


def sources(targets, *rules):
    return sorted(file for rule, target in targets if rule in rules for file in target["srcs"])


def test_every_module_is_in_one_library_or_binary(targets):
    listed = [f for f in sources(targets, "py_library", "py_binary") if f.startswith("tdrec/")]
    assert listed == glob(["tdrec/**/*.py"])


def test_every_test_is_in_one_test_target(targets):
    listed = [file for file in sources(targets, "py_test") if file != "tests/pytest_main.py"]
    assert [file for file in listed if "/test_" in file] == glob(["tests/**/test_*.py"])


def test_every_file_exists(targets):
    listed = {file for _, target in targets for k in ("srcs", "data") for file in target.get(k, ())}
    assert "tdrec/report/report.html" in listed
    assert [file for file in listed if not (ROOT / file).is_file()] == []


def test_every_label_names_a_target_or_a_pinned_package(targets):
    labels = {label for _, target in targets for label in target.get("deps", ())}
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.split("==")[0].lower().replace("-", "_") for line in lines if "==" in line}
    known = {f":{target['name']}" for _, target in targets} | {f"@pypi//{name}" for name in pinned}
    assert labels - known == set()
    names = [target["name"] for _, target in targets]
    assert len(set(names)) == len(names)
