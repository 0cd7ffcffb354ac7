"""Tests of what rows say of the software."""

import os
import platform
import re
import subprocess

import keras
import tensorflow as tf

import tdrec
from tdrec.studies import provenance
from tdrec.studies.provenance import git_revision, versions


def test_versions_are_those_that_run():
    assert versions(3) == {
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "tdrec": tdrec.__version__,
        "threads": "3",
    }
    assert versions(None)["threads"] == str(os.cpu_count())


def test_the_revision_is_that_of_the_checkout_or_none(tmp_path, monkeypatch):
    revision = git_revision.__wrapped__
    file = tmp_path / "code" / "provenance.py"
    file.parent.mkdir()
    monkeypatch.setattr(provenance, "__file__", str(file))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert revision() is None
    name = ["-c", "user.name=n", "-c", "user.email=e"]
    for command in (["init", "-q"], [*name, "commit", "-q", "--allow-empty", "-m", "one"]):
        subprocess.run(["git", "-C", str(file.parent), *command], check=True)
    assert re.fullmatch("[0-9a-f]{7,40}", revision() or "")
    file.write_text("")
    subprocess.run(["git", "-C", str(file.parent), "add", "."], check=True)
    assert (revision() or "").endswith("-dirty")
    monkeypatch.setenv("PATH", "")
    assert revision() is None
