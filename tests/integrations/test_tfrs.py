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


def run_with_keras_2(*arguments, **environment):
    """Runs Python with `tf.keras` as Keras 2."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "TF_USE_LEGACY_KERAS": "1", **environment},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """For each test what went wrong, by the names of its parameters; nothing if it passed."""
    report = tmp_path_factory.mktemp("tfrs") / "report.xml"
    process = run_with_keras_2(
        "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}", INNER
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


# Compiled by XLA and in mixed bfloat16, as the other examples are.
RUN = """
import keras, {0}
{0}.tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
keras.config.set_dtype_policy("mixed_bfloat16")
{0}.main(steps=20, jit_compile=True)
"""


@pytest.mark.parametrize("example", ["tfrs_ranking", "tfrs_ranking_td"])
def test_example(example):
    paths = {"TDREC_DATA": "simulated", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'examples'}"}
    process = run_with_keras_2("-c", RUN.format(example), **paths)
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    assert lines[:2] == ["simulated", lines[1]]
    assert "SIMULATED" in lines[1]
    assert 0.9 < float(lines[-1].removeprefix("RMSE ")) < 1.4
    (log,) = (line for line in lines if "rmse" in line)
    assert ("interaction_loss_2" in log) == example.endswith("_td")
