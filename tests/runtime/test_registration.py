"""Keras finds tdrec's classes in a new process, in whatever order the two are imported."""

import ast
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import tdrec
from small_models import student_and_teacher
from tdrec.runtime.registration import REGISTERED

PACKAGE = Path(tdrec.__file__).parent


def registered_classes():
    """The classes that are decorated, by name, with their modules."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and any(
                "register_keras_serializable" in ast.unparse(d) for d in node.decorator_list
            ):
                yield node.name, ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def test_every_registered_class_has_a_stand_in():
    assert dict(registered_classes()) == REGISTERED


@pytest.mark.parametrize("imports", ["import tdrec, keras", "import keras, tdrec"])
def test_a_saved_distiller_is_loaded_by_keras_alone(tmp_path, imports):
    distiller = tdrec.Distiller(*student_and_teacher(), tdrec.Hybrid(hidden_dim=4, message_dim=3))
    distiller.compile("sgd", loss="mse")
    x = np.ones((4, 3), "float32")
    expected = distiller.predict(x, verbose=0)
    distiller.save(tmp_path / "distiller.keras")
    code = (
        f"{imports}; import numpy as np\n"
        f"loaded = keras.saving.load_model({str(tmp_path / 'distiller.keras')!r})\n"
        "print(loaded.predict(np.ones((4, 3), 'float32'), verbose=0).ravel().tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = ast.literal_eval(done.stdout.splitlines()[-1])
    np.testing.assert_allclose(found, expected.ravel(), rtol=1e-6)
    assert keras.saving.get_registered_object("tdrec>Hybrid") is not None
