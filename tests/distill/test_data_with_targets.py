"""What `with_teacher_targets` takes and refuses, before any work."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from small_distillers import X, Y, fit, make_distiller, talking
from small_models import student_and_teacher
from tdrec.distill.methods import LabelDistillation
from tdrec.distill.model_split import ModelSplit, Trace
from tdrec.distill.teacher_targets import TeacherTargets


def forbidden(x):
    raise AssertionError("the teacher was run")


def unused_teacher():
    return ModelSplit(forbidden, forbidden, forbidden, model=keras.layers.Dense(1))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((X, Y[:5]), "x of 12 rows, y of 5 rows"),
        ((X, Y, np.ones(13)), "sample_weight of 13 rows"),
        ((X[:0], Y[:0]), "at least one row"),
        ([X, Y], "Give a tuple"),
        (tf.data.Dataset.from_tensor_slices((X, Y)), "must be of batches"),
        (tf.data.Dataset.from_tensor_slices((X, Y)).batch(4).repeat(), "without end"),
        ((batch for batch in [(X, Y)]), "a generator, where it ends cannot be known"),
    ],
)
@pytest.mark.parametrize("in_folder", [False, True])
def test_wrong_data_is_refused_before_the_teacher_is_run(tmp_path, data, message, in_folder):
    distiller = make_distiller(LabelDistillation(), teacher=unused_teacher())
    folder = tmp_path / "targets" if in_folder else None
    with pytest.raises(ValueError, match=message):
        distiller.with_teacher_targets(data, folder=folder)
    assert not (tmp_path / "targets").exists()


@pytest.mark.parametrize("field", ["low", "high", "prediction"])
def test_a_teacher_of_nan_is_refused(field):
    _, teacher = student_and_teacher()

    layers = {"low": "low", "high": "high", "prediction": "out"}
    model = teacher.layers[0]
    layer = model.get_layer(layers[field])
    layer.bias.assign(np.full(layer.bias.shape, np.nan))
    method = LabelDistillation() if field == "prediction" else talking()
    distiller = make_distiller(method, teacher=teacher)
    with pytest.raises(ValueError, match=f"teacher's {field} must be finite.* 12 of 12 rows"):
        distiller.with_teacher_targets((X, Y))
    with pytest.raises(ValueError, match="must be finite"):
        TeacherTargets()(teacher, X)


def test_targets_of_a_table_are_checked_too():
    distiller = make_distiller(LabelDistillation())

    def table(values):
        return lambda x: Trace(None, None, values)

    with pytest.raises(ValueError, match="x of 12 rows, the teacher's prediction of 5 rows"):
        distiller.with_teacher_targets((X, Y), stored=table(Y[:5]))
    bad = Y.copy()
    bad[3] = np.inf
    with pytest.raises(ValueError, match="prediction must be finite.* the first is row 3"):
        distiller.with_teacher_targets((X, Y), stored=table(bad))


def test_columns_of_pandas_are_taken():
    distiller = make_distiller(LabelDistillation())
    data = (pd.DataFrame(X), pd.Series(Y[:, 0]).astype("Float32"), pd.Series(range(12)))
    ((x, y, weight),) = distiller.with_teacher_targets(data)
    np.testing.assert_array_equal(x.inputs, X)
    np.testing.assert_array_equal(y, Y[:, 0])
    np.testing.assert_array_equal(weight, range(12))


def test_rows_without_labels_keep_their_weights():
    distiller = make_distiller(LabelDistillation())
    ((x, y, weight),) = distiller.with_teacher_targets((X, None, np.ones(12)))
    assert y is None
    assert set(x.targets) == {"prediction"} and len(weight) == 12


def test_a_class_weight_is_put_on_shuffled_targets():
    distiller = make_distiller(LabelDistillation())
    data = distiller.with_teacher_targets((X, np.ones(12)), batch_size=5, shuffle=True, seed=0)
    weighted = fit(distiller, data, epochs=2, class_weight={0: 1.0, 1: 2.0})
    assert len(weighted["loss"]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dtype": "float16"}, "are kept in a folder. Received: .* and no folder. Name one"),
        ({"folder": "targets", "cache": TeacherTargets()}, "in a folder or in a cache"),
        ({"folder": "targets", "top_k": 2}, "`top_k` keeps logits of classes"),
    ],
)
def test_arguments_that_contradict(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        make_distiller(LabelDistillation()).with_teacher_targets((X, Y), **arguments)
    assert list(tmp_path.iterdir()) == []
