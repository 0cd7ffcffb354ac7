import pytest

from tdrec.data import DataError, check_source, load, movielens_tfds, simulate
from tdrec.data.movielens_files import load_files


@pytest.fixture(autouse=True)
def quiet_machine(monkeypatch, tmp_path):
    """No variable, no prepared data, no network; each test adds what it needs."""
    monkeypatch.delenv("TDREC_DATA", raising=False)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setattr(movielens_tfds, "can_download", lambda: False)
    monkeypatch.setattr(movielens_tfds, "missing_packages", list)


@pytest.fixture
def tfds_calls(monkeypatch):
    calls = []

    def record(config):
        calls.append(config)
        return simulate()

    monkeypatch.setattr(movielens_tfds, "load_tfds", record)
    return calls


def test_paths_are_read(files_csv):
    folder = files_csv()
    assert load(str(folder)).fingerprint == load_files(folder).fingerprint


def test_simulated():
    assert load("simulated").fingerprint == simulate().fingerprint


@pytest.mark.parametrize(
    ("source", "config"),
    [
        ("tfds", "100k-ratings"),
        ("tfds:", "100k-ratings"),
        ("tfds:1m-ratings", "1m-ratings"),
        ("tfds:movielens/latest-small-ratings", "latest-small-ratings"),
    ],
)
def test_tfds_words(tfds_calls, source, config):
    check_source(source)
    load(source)
    assert tfds_calls == [config]


def test_the_variable_decides_in_auto(files_1m, monkeypatch, tfds_calls):
    monkeypatch.setenv("TDREC_DATA", str(files_1m()))
    assert load("auto").name == "movielens-1m"
    monkeypatch.setenv("TDREC_DATA", "simulated")
    assert load("auto").warnings == simulate().warnings
    monkeypatch.setenv("TDREC_DATA", "tfds:1m-ratings")
    load("auto")
    assert tfds_calls == ["1m-ratings"]
    assert (
        load("simulated").name == "simulated"
    )  # what is asked for by name goes before the variable


@pytest.mark.parametrize("act", [load, check_source])
def test_a_missing_path_in_the_variable_is_an_error(monkeypatch, act):
    monkeypatch.setenv("TDREC_DATA", "/no/such/place")
    with pytest.raises(
        DataError, match=r"TDREC_DATA must name data that exist. Received: '/no/such"
    ):
        act("auto")


@pytest.mark.parametrize("value", ["", "  ", "auto"])
def test_an_empty_variable_counts_as_unset(monkeypatch, value):
    monkeypatch.setenv("TDREC_DATA", value)
    assert load("auto").name == "simulated"


def test_auto_takes_prepared_data(monkeypatch, tfds_calls):
    monkeypatch.setattr(movielens_tfds, "is_prepared", lambda config: True)
    load("auto")
    assert tfds_calls == ["100k-ratings"]


def test_auto_downloads_where_the_server_answers(monkeypatch, tfds_calls):
    monkeypatch.setattr(movielens_tfds, "can_download", lambda: True)
    load("auto")
    assert tfds_calls == ["100k-ratings"]


def test_auto_without_anything_is_simulated_and_says_why():
    ratings = load("auto")
    assert ratings.name == "simulated"
    assert ratings.warnings[0].startswith("SIMULATED DATA")
    assert "did not answer within 5 seconds" in ratings.warnings[1]


def test_auto_without_tfds_says_what_to_install(monkeypatch):
    monkeypatch.setattr(movielens_tfds, "missing_packages", lambda: ["tensorflow_datasets"])
    warnings = load("auto").warnings
    assert "pip install tensorflow-datasets importlib_resources" in warnings[1]


def test_auto_after_a_failed_download_is_simulated_and_says_why(monkeypatch):
    def fail(config):
        raise DataError("the disk is full")

    monkeypatch.setattr(movielens_tfds, "can_download", lambda: True)
    monkeypatch.setattr(movielens_tfds, "load_tfds", fail)
    ratings = load("auto")
    assert ratings.name == "simulated"
    assert "the disk is full" in ratings.warnings[1]


def test_auto_does_not_hide_that_prepared_data_are_damaged(monkeypatch):
    def fail(config):
        raise DataError("damaged")

    monkeypatch.setattr(movielens_tfds, "is_prepared", lambda config: True)
    monkeypatch.setattr(movielens_tfds, "load_tfds", fail)
    with pytest.raises(DataError, match=r"damaged"):
        load("auto")


@pytest.mark.parametrize("act", [load, check_source])
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "must be named"),
        ("no/such/place", "no/such/place"),
        ("Simulated", "Simulated"),
        ("tfds:100k-movies", "Received: 'tfds:100k-movies'"),
    ],
)
def test_wrong_sources_are_refused_at_once(act, source, message):
    with pytest.raises(DataError, match=message):
        act(source)


def test_check_source_loads_nothing(files_100k, monkeypatch, tfds_calls):
    folder = files_100k(u_data=b"broken")
    for source in ("auto", "simulated", "tfds", str(folder)):
        check_source(source)
    assert tfds_calls == []
    monkeypatch.setattr(movielens_tfds, "missing_packages", lambda: ["tensorflow_datasets"])
    with pytest.raises(DataError, match=r"pip install tensorflow-datasets"):
        check_source("tfds")
