"""Two devices train what one trains: each in a process of its own, since a strategy is for good."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parent / "replicas.py"
QUICK = ["td", "balance", "weights"]


def found_by(devices, folder, backend, cases):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(devices), *cases],
        env={**os.environ, "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": "-1"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def compare(folder, backend, cases):
    one, two = (found_by(devices, folder, backend, cases) for devices in (1, 2))
    assert set(one) == set(two)
    for case, expected in one.items():
        for name, values in expected.items():
            where = f"{case}, {name}"
            np.testing.assert_allclose(two[case][name], values, rtol=2e-5, atol=1e-6, err_msg=where)


def test_mirrored(tmp_path):
    compare(tmp_path, "tensorflow", QUICK)


@pytest.mark.long
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_every_method_and_callback(tmp_path, backend):
    compare(tmp_path, backend, [])
