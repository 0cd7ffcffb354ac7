import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdrec.data import DataError
from tdrec.data.image_subsets import for_validation, relabelled
from tdrec.data.images import load_images
from tiny_images import pictures, write

NAMES = ("cat", "dog", "owl")
TRAIN = [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]
TEST = [2, 0, 1, 1, 0]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    write(folder / "train.tfrecord", pictures(12), TRAIN)
    write(folder / "test.tfrecord", pictures(5, seed=1), TEST)
    return load_images(str(folder), NAMES)


def rows(dataset):
    return [(content, int(label)) for content, label in dataset.as_numpy_iterator()]


def test_classes_are_joined_and_the_others_left_out(images):
    birds = relabelled(images, {"bird": ["owl"], "pet": ["dog"]})
    assert birds.class_names == ("bird", "pet")
    kept = [(content, {2: 0, 1: 1}[y]) for content, y in rows(images.train) if y != 0]
    assert rows(birds.train) == kept and birds.n_train == len(kept) == 8
    assert [label for _, label in rows(birds.test)] == [0, 1, 1] and birds.n_test == 3
    assert list(birds.test_labels) == [0, 1, 1]
    assert birds.fingerprint != images.fingerprint


def test_without_classes_the_labels_stay(images):
    few = relabelled(images, {}, per_class=2, seed=3)
    assert few.class_names == NAMES
    assert set(rows(few.train)) < set(rows(images.train))
    assert rows(few.test) == rows(images.test)


@settings(max_examples=20, deadline=None)
@given(per_class=st.integers(1, 4), seed=st.integers(0, 1000))
def test_as_many_of_each_class_are_drawn_and_more_contain_fewer(images, per_class, seed):
    few = relabelled(images, {"a": ["cat"], "b": ["dog", "owl"]}, per_class, seed)
    found = rows(few.train)
    assert np.bincount([label for _, label in found]).tolist() == [per_class, 2 * per_class]
    assert few.n_train == 3 * per_class == len(found)
    again = relabelled(images, {"a": ["cat"], "b": ["dog", "owl"]}, per_class, seed)
    assert rows(again.train) == found and again.fingerprint == few.fingerprint
    if per_class < 4:
        more = relabelled(images, {"a": ["cat"], "b": ["dog", "owl"]}, per_class + 1, seed)
        assert set(found) < set(rows(more.train)) and more.fingerprint != few.fingerprint


def test_another_seed_draws_others(images):
    draws = {tuple(rows(relabelled(images, {}, 2, seed).train)) for seed in range(8)}
    assert len(draws) > 4


@pytest.mark.parametrize(
    ("classes", "per_class", "message"),
    [
        ({"fish": ["eel"]}, None, "cat, dog, owl. Received: eel"),
        ({"a": ["cat"], "b": ["cat", "dog"]}, None, "must have one label"),
        ({}, 5, "Received: 4 training images of cat"),
    ],
)
def test_what_cannot_be_chosen_is_refused(images, classes, per_class, message):
    with pytest.raises(DataError, match=message):
        relabelled(images, classes, per_class)


def test_validation_images_are_training_images(images):
    earlier = for_validation(images, 0.25)
    assert (earlier.n_train, earlier.n_test) == (9, 3)
    assert rows(earlier.test) + rows(earlier.train) == rows(images.train)
    assert not set(rows(earlier.test)) & set(rows(images.test))
    assert earlier.fingerprint != images.fingerprint
    for share in (0.0, 1.0):
        with pytest.raises(ValueError, match=f"Received: {share} of 12"):
            for_validation(images, share)
