"""A `~` is the home directory in every path that a user may give."""

import shutil

import keras
import numpy as np
import pytest

import small_distillers
import small_movielens
import study_rows
import tdrec
import tiny_images
from small_models import INPUTS, small_model
from small_vit import npz_weights, write_folder
from tdrec.cli.options import read_options
from tdrec.data import TableSource, check_source, load, read_table
from tdrec.data.images import check_image_source, load_images
from tdrec.distill.teacher_targets import TeacherTargets
from tdrec.models.vit_checkpoints import load_vit
from tdrec.report.report import write_report
from tdrec.runtime.compilation import keep_compiled
from tdrec.runtime.files import remove_temporary
from tdrec.studies.metric import RMSE
from tdrec.studies.plan import find
from tdrec.studies.results import appending, only_writer, read_rows
from tdrec.studies.tuned_values import read_tuned_values
from tdrec.tasks.cached import Teachers
from tdrec.tasks.image import checkpoint_hash

X = np.ones((3, INPUTS), "float32")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The home directory; the working directory is another one, which has to stay empty."""
    place, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    place.mkdir()
    elsewhere.mkdir()
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.chdir(elsewhere)
    yield place
    assert list(elsewhere.iterdir()) == []


def test_ratings(home, monkeypatch):
    small_movielens.write(home / "ml", rows=50)
    check_source("~/ml")
    assert load("~/ml").fingerprint == load(str(home / "ml")).fingerprint
    monkeypatch.setenv("TDREC_DATA", "~/ml")
    assert load("auto").name == "movielens-ml"


def test_tables_of_rows(home):
    (home / "own").mkdir()
    (home / "own" / "rows.csv").write_text("who,what,liked,where\n1,2,0,NL\n1,3,1,NL\n")
    source = TableSource("~/own/rows.csv", "who", "what", "liked", "where")
    assert len(read_table(source)) == 2
    (home / "own.toml").write_text(source.changed(rows="own/rows.csv").to_toml())
    options = read_options("run", ["run", "--data=~/own.toml"])
    assert options.table.rows == str(home / "own" / "rows.csv")


def test_images(home):
    tiny_images.write(home / "train.tfrecord", tiny_images.pictures(2), [0, 1])
    tiny_images.write(home / "test.tfrecord", tiny_images.pictures(2), [0, 1])
    check_image_source("~")
    assert load_images("~").n_train == 2


def test_checkpoints(home):
    pytest.importorskip("keras_hub", reason="ViT needs keras-hub: pip install 'tdrec[images]'")
    write_folder(home / "vit", npz_weights())
    assert load_vit("~/vit", num_classes=2).name == "vit"
    assert checkpoint_hash("~/vit") == checkpoint_hash(home / "vit")


def test_tables(home):
    ids, targets = {"user": np.arange(3)}, tdrec.Trace(None, None, np.ones((3, 1)))
    tdrec.StoredTargets(ids, targets).write("~/scores/t.parquet")
    assert (home / "scores" / "t.parquet").is_file()
    for path in ("~/scores", "~/scores/t.parquet"):
        assert len(tdrec.StoredTargets.read(path, keys=["user"])) == 3


def test_saved_models(home):
    split = tdrec.split_model(small_model(), "low", "high")
    tdrec.save_split(split, "~/rooms", X)
    again = tdrec.load_saved_split("~/rooms")
    np.testing.assert_allclose(again(X).prediction, split(X).prediction, atol=1e-6)
    assert tdrec.load_saved_model("~/rooms").shapes.prediction == (None, 1)


def test_an_export(home):
    tdrec.export_student(small_model(), "~/served", {"x": X}, formats=["keras"])
    assert len(list((home / "served").glob("*.keras"))) == 1


def test_a_distiller_and_its_teacher(home):
    distiller = small_distillers.make_distiller()
    distiller.teacher.layers[0].save(home / "teacher.keras")
    distiller = tdrec.Distiller(
        distiller.student, distiller.teacher, distiller.method, teacher_path="~/teacher.keras"
    )
    distiller.save("~/distiller.keras")
    again = keras.saving.load_model(home / "distiller.keras")
    np.testing.assert_array_equal(again.teacher(X).low, distiller.teacher(X).low)
    targets = TeacherTargets("~/traces")
    targets(distiller.teacher, X)
    assert len(list((home / "traces").iterdir())) == 1


def test_caches(home, monkeypatch):
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
    keep_compiled("~/compiled")
    assert len(list((home / "compiled").iterdir())) == 1
    assert Teachers("~/teachers").get("small.keras", small_model).name == "small"
    assert (home / "teachers" / "small.keras").is_file()
    (home / "teachers" / ".left.tmp").touch()
    remove_temporary("~/teachers")
    assert not (home / "teachers" / ".left.tmp").exists()


def test_results_and_reports(home, tuned_file):
    rows = study_rows.make_rows(labels=("Scratch", "LD"), tasks=1, seeds=1)
    with only_writer("~/out"), appending("~/out/results.jsonl") as add:
        for row in rows:
            add(row.to_json())
    assert len(read_rows("~/out/results.jsonl")) == 2
    write_report("~/out", rows, title="t", command="c", metric=RMSE)
    assert (home / "out" / "report.html").is_file()
    shutil.copy(tuned_file(), home / "tuned.json")
    assert read_tuned_values("~/tuned.json").path == home / "tuned.json"


def test_a_study(home):
    (home / "own_study.py").write_text(
        "from tdrec.studies.plan import Study\nfrom tdrec.studies.arm import Arm\n"
        'STUDY = Study("Mine", [Arm("scratch")])\n'
    )
    assert find("~/own_study.py")[1].title == "Mine"


def test_the_command_line(home):
    (home / "vit.npz").touch()
    found = read_options("run", ["run", "--out=~/r", "--cache=~/c", "--task=cifar10"])
    assert (found.out, found.cache) == (home / "r", home / "c")
    read_options("run", ["run", "--task=cifar10", "--teacher=~/vit.npz"])
