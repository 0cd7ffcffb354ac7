"""The lists in `BUILD` and the files in the tree must agree; Bazel itself is not needed."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RULES = ("load", "package", "py_binary", "py_library", "py_test")


@pytest.fixture(scope="module")
def targets():
    """Every target of `BUILD` as (rule, attributes): the file is in Python's syntax, so it runs."""
    found = []

    def record(rule):
        return lambda *args, **attributes: found.append((rule, attributes))

    names = {rule: record(rule) for rule in RULES}
    exec(compile((ROOT / "BUILD").read_text(encoding="utf-8"), "BUILD", "exec"), names)
    return [(rule, attributes) for rule, attributes in found if "name" in attributes]


def files(folder, pattern="*.py"):
    return sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob(pattern))


def sources(targets, *rules):
    return sorted(file for rule, target in targets if rule in rules for file in target["srcs"])


def test_every_module_is_in_one_library_or_binary(targets):
    listed = sources(targets, "py_library", "py_binary")
    assert [file for file in listed if file.startswith("tdrec/")] == files("tdrec")


def test_every_test_is_in_one_test_target(targets):
    listed = [file for file in sources(targets, "py_test") if file != "tests/pytest_main.py"]
    assert listed == files("tests", "test_*.py")


def test_every_helper_of_the_tests_is_listed(targets):
    (testing,) = (target for _, target in targets if target["name"] == "testing")
    helpers = set(files("tests")) - set(files("tests", "test_*.py")) - {"tests/__main__.py"}
    assert testing["srcs"] == sorted(helpers)


def test_every_data_file_exists(targets):
    listed = {file for _, target in targets for file in target.get("data", ())}
    assert {"tdrec/py.typed", *files("tdrec/templates", "*.*")} <= listed
    assert all((ROOT / file).is_file() for file in listed if not file.startswith("tests/"))


def test_every_label_names_a_target_or_a_pinned_package(targets):
    labels = {label for _, target in targets for label in target.get("deps", ())}
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.split("==")[0].lower().replace("-", "_") for line in lines if "==" in line}
    known = {f":{target['name']}" for _, target in targets} | {f"@pypi//{name}" for name in pinned}
    assert labels <= known
    names = [target["name"] for _, target in targets]
    assert len(set(names)) == len(names)
