"""Small MovieLens-shaped data, and teachers of it that are trained once for all tests."""

import json
import os

import pytest

import small_movielens
from tdrec.data import load, split_by_time


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """The folder of the small data, as a command takes it."""
    return str(small_movielens.write(tmp_path_factory.mktemp("data")))


@pytest.fixture(scope="session")
def ratings(data):
    return load(data)


@pytest.fixture(scope="session")
def holdout(ratings):
    return split_by_time(ratings)


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """A folder that all of pytest's processes share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def cache(shared):
    """The folder of trained teachers, and of what commands compile."""
    folder = shared / "teachers"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory):
    """The folder of small images, as a command takes it."""
    import tiny_images

    return str(tiny_images.write_folder(tmp_path_factory.mktemp("images")))


@pytest.fixture(scope="session")
def image_cache(image_folder, cache):
    """The cache, with the teacher of the small images."""
    import tiny_images
    from tdrec.tasks.image import ImageTask

    tiny_images.train_teacher(ImageTask("cifar10", image_folder), cache)
    return cache


@pytest.fixture
def tuned_file(tmp_path, data):
    """Writes a file of tuned values of War, of `data` unless another hash is given."""
    common = {"learning_rate": 0.01, "steps": 40, "user_dropout": 0.6}

    def write(sha256=None, labels=("Scratch", "LD", "TD k=2"), **values):
        chosen = {label: {**common, **values} for label in labels}
        chosen["LD"]["weight"] = 9.0
        text = {
            "study": "table3",
            "data": {"name": "small", "sha256": sha256 or load(data).fingerprint},
            "tuned": {"strong": {"": {"War": chosen}}},
        }
        path = tmp_path / "tuned.json"
        path.write_text(json.dumps(text))
        return path

    return write
