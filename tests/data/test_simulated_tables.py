"""Generated tables: what is in them, and that a model has something to learn there."""

import numpy as np
import pandas as pd
import pytest

from tdrec.data import DataError, Split, read_table, simulate_table
from tdrec.tasks.ratings.evaluation import BiasModel, score


def test_it_has_words_numbers_and_gaps(tmp_path):
    source = simulate_table(str(tmp_path / "clicks.parquet"), rows=3_000)
    table = pd.read_parquet(source.rows)
    clicks = read_table(source)
    assert len(clicks) <= len(table) == 3_000
    assert 0.1 < table["clicked"].mean() < 0.5 and table["price"].isna().any()
    assert clicks.user_names is not None and clicks.user_names[0].startswith("m-")
    assert (
        clicks.segment_counts()
        == table.drop_duplicates(["member", "offer", "clicked", "time"])["country"]
        .value_counts()
        .sort_index()
        .to_dict()
    )


def test_it_is_the_same_for_a_seed_and_in_csv(tmp_path):
    files = ("a.parquet", "b.csv", "c.csv")
    for name, seed in zip(files, (0, 0, 1), strict=True):
        simulate_table(str(tmp_path / name), kind="ratings", rows=500, seed=seed)
    found = [
        read_table(simulate_table(str(tmp_path / name), kind="ratings", rows=500, seed=seed))
        for name, seed in zip(files, (0, 0, 1), strict=True)
    ]
    assert found[0].fingerprint == found[1].fingerprint != found[2].fingerprint


@pytest.mark.parametrize(("warm", "least", "most"), [(True, 0.0, 0.1), (False, 0.5, 1.0)])
def test_members_come_back_or_arrive(tmp_path, warm, least, most):
    source = simulate_table(str(tmp_path / "r.csv"), kind="ratings", rows=4_000, warm=warm)
    rows = read_table(source)
    assert least <= Split.usual(rows)(rows).cold_share <= most


@pytest.mark.parametrize("kind", ["clicks", "ratings"])
def test_biases_are_worth_something(tmp_path, kind):
    rows = read_table(simulate_table(str(tmp_path / "t.parquet"), kind=kind, rows=8_000))
    holdout = Split.usual(rows)(rows)
    constant = np.full(len(holdout.test), holdout.train.values.mean())
    of_bias = BiasModel.fit(holdout.train).predict(holdout.test)
    values = [score(x, holdout.test, holdout.train).value for x in (of_bias, constant)]
    assert values[0] < 0.95 * values[1]


def test_other_kinds_are_refused(tmp_path):
    with pytest.raises(DataError, match="of clicks or ratings, and has at least 100 rows"):
        simulate_table(str(tmp_path / "t.csv"), kind="likes")
