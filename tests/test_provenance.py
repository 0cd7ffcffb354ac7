import re
import subprocess
from types import SimpleNamespace

from tdrec import provenance
from tdrec.config import REGIMES
from tdrec.data import split_by_time
from tdrec.provenance import describe, git_revision


def test_rows_say_what_they_come_from(ratings):
    holdout = split_by_time(ratings)
    config = REGIMES["strong"]
    about = describe(
        SimpleNamespace(ratings=ratings, holdout=holdout, config=config, study="a hash")
    )
    assert about["study"] == "a hash"
    assert about["data"]["sha256"] == ratings.fingerprint
    assert about["data"]["n_train"] + about["data"]["n_test"] == len(ratings)
    assert about["data"]["cold_share"] == holdout.cold_share
    assert about["config"]["teacher"]["units"] == config.teacher.units
    assert set(about["versions"]) == {"python", "tensorflow", "keras", "tdrec"}


def test_the_revision_is_that_of_the_checkout_or_none(tmp_path, monkeypatch):
    file = tmp_path / "code" / "provenance.py"
    file.parent.mkdir()
    monkeypatch.setattr(provenance, "__file__", str(file))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert git_revision() is None
    name = ["-c", "user.name=n", "-c", "user.email=e"]
    for command in (["init", "-q"], [*name, "commit", "-q", "--allow-empty", "-m", "one"]):
        subprocess.run(["git", "-C", str(file.parent), *command], check=True)
    assert re.fullmatch("[0-9a-f]{7,40}", git_revision() or "")
    file.write_text("")
    subprocess.run(["git", "-C", str(file.parent), "add", "."], check=True)
    assert (git_revision() or "").endswith("-dirty")
