import os
import subprocess
import sys

import pytest

from tdrec.runtime import compilation
from tdrec.runtime.compilation import keep_compiled

PROGRAM = """
import sys
from tdrec.runtime.compilation import keep_compiled
keep_compiled(sys.argv[1])
import tensorflow as tf

@tf.function(jit_compile=True)
def step(x):
    return tf.reduce_sum(tf.tanh(x @ x) * float(sys.argv[2]))

print(step(tf.reshape(tf.range(9.0), (3, 3))).numpy().tobytes().hex())
"""


@pytest.fixture
def flags(monkeypatch):
    monkeypatch.setenv("TF_XLA_FLAGS", "")
    monkeypatch.setenv("XLA_FLAGS", "")
    return lambda: os.environ["TF_XLA_FLAGS"]


def test_what_one_process_compiled_the_next_one_reads(tmp_path):
    folder = tmp_path / "a folder"

    def run(factor):
        environment = {k: v for k, v in os.environ.items() if k != "TF_XLA_FLAGS"}
        command = [sys.executable, "-c", PROGRAM, str(folder), factor]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout, {f: f.stat().st_mtime_ns for f in folder.rglob("*.pb")}

    first, compiled = run("2.0")
    assert len(compiled) == 1
    again, after = run("2.0")
    assert (again, after) == (first, compiled)
    other, both = run("3.0")
    assert other != first and len(both) == 2


def test_each_kind_of_compilation_has_its_own_place(tmp_path, flags, monkeypatch):
    places = set()
    for xla in ("", "--xla_backend_optimization_level=0"):
        for processor in ("one", "another"):
            monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_max_cluster_size=7")
            monkeypatch.setenv("XLA_FLAGS", xla)
            monkeypatch.setattr(compilation, "_processor", lambda name=processor: name)
            keep_compiled(tmp_path)
            assert flags().startswith("--tf_xla_max_cluster_size=7 --")
            places.add(flags())
    assert len(places) == len(list(tmp_path.iterdir())) == 4


def test_a_place_that_the_user_chose_stays(tmp_path, flags, monkeypatch):
    chosen = "--tf_xla_persistent_cache_directory=/elsewhere"
    monkeypatch.setenv("TF_XLA_FLAGS", chosen)
    keep_compiled(tmp_path)
    assert flags() == chosen
    assert list(tmp_path.iterdir()) == []


def test_the_oldest_are_removed(tmp_path, flags, monkeypatch):
    keep_compiled(tmp_path)
    (place,) = tmp_path.iterdir()
    for age in range(5):
        file = place / f"{age}.pb"
        file.write_bytes(bytes(100))
        os.utime(file, (1000 - age, 1000 - age))
    monkeypatch.setattr(compilation, "LIMIT", 250)
    monkeypatch.setenv("TF_XLA_FLAGS", "")
    keep_compiled(tmp_path)
    assert sorted(file.name for file in place.iterdir()) == ["0.pb", "1.pb"]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path, flags):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        keep_compiled(tmp_path / "file")
