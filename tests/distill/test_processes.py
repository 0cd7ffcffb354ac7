"""Several processes: on JAX two train what one trains, and what TensorFlow cannot do is refused."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parent / "processes.py"


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def started(processes, index, port, folder):
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(processes), str(index), str(port)],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def found_by(process):
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error[-3000:]
    return json.loads(out.splitlines()[-1])


@pytest.mark.long
def test_two_processes_on_jax_train_what_one_trains(tmp_path):
    port = free_port()
    both = [started(2, index, port, tmp_path) for index in range(2)]
    first, second = map(found_by, both)
    assert first == second
    alone = found_by(started(1, 0, port, tmp_path))
    assert first.keys() == alone.keys()
    for case, expected in alone.items():
        assert first[case].keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(first[case][name], values, rtol=2e-5, err_msg=case + name)


STRATEGIES = {
    "CollectiveAllReduceStrategy": "tf.distribute.MultiWorkerMirroredStrategy()",
    "ParameterServerStrategyV2": "tf.distribute.ParameterServerStrategy(resolver)",
}
UNDER_A_STRATEGY = """
import os, socket
import keras, tdrec
import tensorflow as tf

def free():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]

cluster = tf.train.ClusterSpec({{job: [f"127.0.0.1:{{free()}}"] for job in ("worker", "ps")}})
if "resolver" in "{made}":
    servers = [tf.distribute.Server(cluster, job_name=job, task_index=0) for job in cluster.jobs]
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(cluster, rpc_layer="grpc")
with ({made}).scope():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    try:
        tdrec.Distiller(model, None, tdrec.Scratch())
    except ValueError as error:
        print(error, flush=True)
os._exit(0)  # servers have no other end
"""


@pytest.mark.long
@pytest.mark.parametrize("name", STRATEGIES)
def test_what_keras_cannot_train_with_is_refused_by_name(name):
    code = UNDER_A_STRATEGY.format(made=STRATEGIES[name])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert f"Received: {name}" in done.stdout, done.stderr[-2000:]
    assert "KERAS_BACKEND=jax" in done.stdout
