"""A table of one's own, from one command to students, rows and a report."""

import json
import os

import keras
import numpy as np
import pytest

from small_movielens import SMALL
from tdrec.cli.main import main
from tdrec.data import FeatureEncoder, Split, read_table, simulate_table
from tdrec.tasks.ratings.config import PRESETS


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Runs a command in a folder of its own, with small models and few steps."""
    monkeypatch.setitem(PRESETS, "strong", SMALL)
    monkeypatch.setenv("TF_XLA_FLAGS", os.environ.get("TF_XLA_FLAGS", ""))
    monkeypatch.chdir(tmp_path)

    def run(*flags):
        flags = [*flags, "--method=ld", "--seeds=1", "--steps=20", "--out=out", "--cache=cache"]
        assert main("run", ["tdrec.run", *flags], "About.") == 0
        rows = [json.loads(line) for line in (tmp_path / "out/results.jsonl").open()]
        return {row["method"]: row for row in rows}

    return run


def test_clicks_of_countries(command, tmp_path, capsys):
    source = simulate_table("clicks.parquet", rows=1_500)
    rows = command(
        *("--data=clicks.parquet", "--columns=user=member,item=offer,target=clicked,time=time"),
        *("--segment_column=country", "--features=device,price,text:text", "--target=binary"),
        "--segment=NL",
    )
    assert {row["segment"] for row in rows.values()} == {"NL"}
    shown = capsys.readouterr().out
    assert shown.index("Target: binary: ") < shown.index("runs are done already")
    report = (tmp_path / "out/report.md").read_text()
    assert report.index("## What was read") < report.index("### Log loss by task")
    assert "### Area under the ROC curve" in report
    # A saved student gives probabilities, and is what was evaluated.
    test = Split.usual(clicks := read_table(source))(clicks).test.of_segment("NL")
    student = keras.models.load_model(tmp_path / "out" / rows["ld"]["model"])
    text = (tmp_path / "out" / rows["ld"]["model"]).with_suffix(".json").read_text()
    p = student.predict(FeatureEncoder.from_json(text).encode(test), verbose=0)[:, 0]
    losses = -np.where(test.values > 0, np.log(p), np.log1p(-p))
    assert losses.mean() == pytest.approx(rows["ld"]["log_loss"], abs=1e-5)
    order = np.argsort(np.argsort(p))  # no ties
    positive = test.values > 0
    above = order[positive].sum() - positive.sum() * (positive.sum() - 1) / 2
    area = above / (positive.sum() * (~positive).sum())
    assert rows["ld"]["auc"] == pytest.approx(area, abs=1e-5)


@pytest.mark.long
def test_a_target_of_another_size_is_predicted_in_its_own_unit(command, tmp_path):
    source = simulate_table("r.csv", kind="ratings", rows=1_500)
    rows = command(
        *("--data=r.csv", "--columns=user=member,item=offer,target=rating,time=time"),
        *("--segment_column=country", "--student_features=country", "--split=user"),
        "--segment=NL",
    )
    table = read_table(source.changed(split=Split("user")))
    test = Split("user")(table).test.of_segment("NL")
    student = keras.models.load_model(tmp_path / "out" / rows["ld"]["model"])
    text = (tmp_path / "out" / rows["ld"]["model"]).with_suffix(".json").read_text()
    predicted = student.predict(FeatureEncoder.from_json(text).encode(test), verbose=0)[:, 0]
    low, high = Split("user")(table).train.scale
    rmse = np.sqrt(np.mean((np.clip(predicted, low, high) - test.values) ** 2))
    assert rmse == pytest.approx(rows["ld"]["rmse"], abs=1e-5) and rmse < 3
    assert rows["ld"]["rmse_warm"] is None and rows["ld"]["rmse_cold"] is not None
