"""Each test of `tfrs_with_keras_2.py`, run together in a process whose `tf.keras` is Keras 2."""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
INNER = Path(__file__).with_name("tfrs_with_keras_2.py")
NAMES = re.findall(r"^def (test_\w+)", INNER.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """For each test what went wrong, by the names of its parameters; nothing if it passed."""
    report = tmp_path_factory.mktemp("tfrs") / "report.xml"
    process = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}", INNER],
        cwd=ROOT,
        env={**os.environ, "TF_USE_LEGACY_KERAS": "1"},
        capture_output=True,
        text=True,
    )
    assert report.exists(), process.stdout + process.stderr
    found = {name: {} for name in NAMES}
    for case in ElementTree.parse(report).iter("testcase"):
        name, _, parameters = case.get("name", "").partition("[")
        found.setdefault(name, {})[parameters] = "\n".join(p.text or "" for p in case)
    return found


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", NAMES)
def test_with_keras_2(cases, name):
    assert cases[name], "it was not run"
    failures = [f"[{where}\n{what}" for where, what in cases[name].items() if what]
    assert not failures, "\n".join(failures)


@pytest.mark.skipif("TF_USE_LEGACY_KERAS" in os.environ, reason="tf.keras may be Keras 2 here")
def test_without_keras_2_the_import_says_what_to_do():
    with pytest.raises(
        ImportError,
        match="tf.keras to be Keras 2. Received: Keras 3.* Set TF_USE_LEGACY_KERAS=1 before Tensor",
    ):
        import tdrec.integrations.tfrs  # noqa: F401
