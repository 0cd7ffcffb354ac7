"""A retrieval model of TensorFlow Recommenders, in processes whose `tf.keras` is Keras 2."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("tfrs_retrieval.py")


@pytest.mark.long
def test_a_retrieval_model_is_taught_and_read_again_by_a_new_process(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])}
    for step in ("train", "read"):
        subprocess.run([sys.executable, SCRIPT, step, tmp_path], check=True, env=environment)
