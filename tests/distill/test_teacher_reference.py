import json
from dataclasses import asdict

import keras
import numpy as np
import pytest

from small_models import inputs_and_ratings, small_model
from tdrec.distill.cut import split_model
from tdrec.distill.model_split import ModelSplit
from tdrec.distill.several_teachers import Teachers
from tdrec.distill.teacher_reference import (
    TeacherReference,
    check_path,
    cut_of,
    reference_from,
    reference_of,
)

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


def test_several_are_found_again_by_their_files(tmp_path):
    models = [small_model(7, 6, name="a"), small_model(9, 3, seed=1, name="b")]
    several = Teachers([split_model(models[0], "low", "high"), models[1]])
    files = [str(tmp_path / f"{model.name}.keras") for model in models]
    for model, file in zip(models, files, strict=True):
        model.save(file)
    reference = reference_of(several, files)
    again = reference_from(json.loads(json.dumps(asdict(reference))))
    assert again == reference and again.path == files
    loaded = again.load()
    again.check(loaded)
    assert loaded.splits["teacher_1"].cut == ("low", "high", False)
    assert loaded.splits["teacher_2"].whole
    assert reference_of(several).path is None
    assert reference_of(several).load() is None
    with pytest.raises(ValueError, match="Received: the teacher 'b'.*in place of the teacher 'a'"):
        again.check(Teachers(list(several.splits.values())[::-1]))


@pytest.mark.parametrize("one", [True, False])
def test_a_file_for_each_teacher(tmp_path, one):
    split = split_model(small_model(), "low", "high")
    split.model.save(tmp_path / "t.keras")
    given, path = (split, [tmp_path / "t.keras"]) if one else (Teachers([split]), "t.keras")
    with pytest.raises(ValueError, match="one file for one teacher, and a list of files for a"):
        check_path(given, path)
    paths = [tmp_path / "t.keras", tmp_path / "gone.keras"]
    with pytest.raises(FileNotFoundError, match="gone.keras"):
        check_path(Teachers([split, split]), paths)


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
