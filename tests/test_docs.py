"""The guide's blocks run, its links lead somewhere, and the API reference builds."""

import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import small_movielens
import tdrec
import tdrec.data
from untraced import untraced

ROOT = Path(tdrec.__file__).parents[1]
GUIDE = ROOT / "docs" / "guide.md"


def run(*command, cwd):
    """Runs Python in a process of its own, whose output is shown where it fails."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    done = subprocess.run(
        [sys.executable, *command], cwd=cwd, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_blocks_of_the_guide_run(tmp_path, monkeypatch, capsys):
    blocks = re.findall(
        r"^```python\n(.*?)^```$", GUIDE.read_text(), flags=re.MULTILINE | re.DOTALL
    )
    assert len(blocks) > 8
    monkeypatch.chdir(tmp_path)
    # Fewer rows than a reader's: they decide how long it takes, not whether it runs.
    few = small_movielens.of_some_users(40, tdrec.data.load("simulated"))
    monkeypatch.setattr(tdrec.data, "load", lambda source: few)
    with untraced():
        exec(compile("\n".join(blocks), GUIDE, "exec"), {"__name__": "guide"})
    assert "teacher" in capsys.readouterr().out
    assert {"student.keras", "student.onnx", "student.tflite", "saved_model"} <= {
        path.name for path in (tmp_path / "served").iterdir()
    }


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/guide.md"])
def test_links_lead_to_files(page):
    text = (ROOT / page).read_text()
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in link:
            assert ((ROOT / page).parent / link).exists(), link


def test_api_reference_builds_without_warnings(tmp_path):
    run("docs/api.py", str(tmp_path), cwd=ROOT)
    page = (tmp_path / "tdrec.html").read_text()
    for name in tdrec.__all__:
        assert f'id="{name}"' in page, name
    assert (tmp_path / "tdrec" / "integrations" / "tfrs.html").exists()


def test_blocks_of_the_readme_run():
    blocks = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert len(blocks) >= 2
    keras.utils.set_random_seed(0)
    x, y = np.ones((8, 3), "float32"), np.ones((8, 1), "float32")

    def model(*names):
        inputs = h = keras.Input((3,))
        for name in names:
            h = keras.layers.Dense(4, name=name)(h)
        # Named, since Keras counts what it names itself, and might come to the same name.
        return keras.Model(inputs, keras.layers.Dense(1, name="rating")(h), name=names[0])

    names = {
        "keras": keras,
        "tdrec": tdrec,
        "student": model("dense_1", "dense_2"),
        "teacher": model("dense_3", "dense_4", "dense_5"),
        "dataset": tf.data.Dataset.from_tensor_slices((x, y)).batch(4),
        "x": x,
    }
    exec(compile("\n".join(blocks), "README.md", "exec"), names)
    assert float(names["loss"]) > 0
