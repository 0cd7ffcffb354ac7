import keras
import numpy as np
import pytest

from tdrec.model_files import cached_model, write_model


def model(weight):
    made = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    made.set_weights([np.array([[weight]], np.float32)])
    return made


def weight_in(path):
    return float(keras.models.load_model(path).get_weights()[0][0, 0])


def test_what_cannot_be_saved_leaves_the_old_file(tmp_path):
    path = tmp_path / "students" / "War.keras"
    write_model(model(1.0), path, keras.Model.save)
    assert weight_in(path) == 1.0

    def fail(_, file):
        file.write_text("half")
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        write_model(model(2.0), path, fail)
    assert weight_in(path) == 1.0 and list(path.parent.iterdir()) == [path]


def test_a_model_is_made_once_and_loaded_both_times(tmp_path):
    path, made = tmp_path / "cache" / "teacher.keras", []

    def make():
        made.append(model(3.0))
        return made[-1]

    first, second = cached_model(path, make), cached_model(path, make)
    assert len(made) == 1 and first is not made[0]
    for found in (first, second):
        np.testing.assert_array_equal(found.get_weights()[0], made[0].get_weights()[0])
