import keras
import numpy as np
import pytest

from small_models import inputs_and_ratings, small_model
from tdrec.distill.cut import split_model
from tdrec.distill.model_split import ModelSplit
from tdrec.distill.teacher_reference import TeacherReference, check_path, cut_of

X, _ = inputs_and_ratings()


def test_a_teacher_is_found_again_by_its_file(tmp_path):
    file = str(tmp_path / "teacher.keras")
    split = split_model(small_model(7, 6), "low", "high")
    split.layers[0].save(file)
    reference = TeacherReference.of(split, file)
    loaded = reference.load()
    reference.check(loaded)
    assert loaded.cut == ("low", "high", False)
    for mine, its in zip(split(X), loaded(X), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_what_is_not_there_is_not_loaded(tmp_path):
    split = split_model(small_model(7, 6), "low", "high")
    assert TeacherReference.of(split).load() is None
    assert TeacherReference.of(split, str(tmp_path / "gone.keras")).load() is None


def test_another_teacher_is_refused_by_name():
    model = small_model(7, 6)
    reference = TeacherReference.of(split_model(model, "low", "high"), "models/t.keras")
    reference.check(split_model(model, "low", "high"))
    other = split_model(small_model(7, 6, seed=1), "low", "high")
    its = TeacherReference.of(other)
    with pytest.raises(ValueError, match="goes on with the teacher that it had") as caught:
        reference.check(other)
    message = str(caught.value)
    known = f"the teacher 'small', fingerprint {its.fingerprint[:16]}, cut at 'low' and 'high'"
    assert f"Received: {known}" in message
    assert f"in place of the teacher 'small', fingerprint {reference.fingerprint[:16]}" in message
    assert "'models/t.keras'" in message
    assert "tdrec.Distiller(distiller.student, teacher, method)" in message
    callables = ModelSplit(*(model.get_layer(n) for n in ("low", "high", "out")), model=model)
    with pytest.raises(ValueError, match="goes on with the teacher"):
        reference.check(callables)


def test_the_cut_makes_the_split_again():
    model = small_model()
    assert cut_of(split_model(model, "low", "high", output=0)) == {
        "low": "low",
        "high": "high",
        "carry": False,
        "output": 0,
    }
    assert cut_of(split_model(model, "low", "high", input_map=lambda x: x)) is None
    assert cut_of(ModelSplit(*(model.get_layer(n) for n in ("low", "high", "out")))) is None


def test_paths_that_cannot_restore_a_teacher_are_refused(tmp_path):
    model = small_model()
    split = split_model(model, "low", "high")
    with pytest.raises(FileNotFoundError, match="file of the teacher's model. Received: '.*gone.k"):
        check_path(split, tmp_path / "gone.keras")
    model.save(tmp_path / "t.keras")
    assert check_path(split, tmp_path / "t.keras") == str(tmp_path / "t.keras")
    with pytest.raises(ValueError, match="no functions. Received: a teacher whose rooms are"):
        check_path(split_model(model, "low", "high", input_map=lambda x: x), tmp_path / "t.keras")
    with pytest.raises(ValueError, match="no functions. Received: teacher=None"):
        check_path(None, tmp_path / "t.keras")


def test_a_compiled_teacher_is_loaded_without_its_training(tmp_path):
    model = small_model()
    model.compile("adam", loss="mse")
    model.fit(X, X[:, :1], verbose=0)
    model.save(tmp_path / "t.keras")
    split = split_model(model, "low", "high")
    loaded = TeacherReference.of(split, str(tmp_path / "t.keras")).load()
    assert isinstance(loaded.layers[0], keras.Model)
    assert not loaded.layers[0].compiled
