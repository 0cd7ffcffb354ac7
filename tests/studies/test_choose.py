"""Tests of choosing among candidates: a base is left for what is shown to be better alone."""

import numpy as np
import pytest

from small_scores import RECALL, accuracies, scores, simulate
from tdrec.studies import comparison
from tdrec.studies.comparison import choose as choose_among
from tdrec.studies.metric import ACCURACY, RMSE


def choose(scores, base, metric):
    """Of one task."""
    return choose_among({k: None if v is None else [v] for k, v in scores.items()}, base, metric)


def candidates(generator, count, users=30):
    """Some of which are better than others, by about as much as can be shown."""
    rows = generator.integers(1, 12, users)
    hard = rows * generator.gamma(4, 1 / 4, users)
    gains = generator.uniform(0, 0.3, count)
    noise = generator.normal(0, 0.4, (count, users))
    sums = [hard * np.exp(own - gain) for gain, own in zip(gains, noise, strict=True)]
    return {f"{i}": scores(each[:, None], rows) for i, each in enumerate(sums)}


@pytest.mark.parametrize(("resamples", "level"), [(2000, 0.95), (1, 0.0)])
def test_the_choice_agrees_with_resampling_by_index(resamples, level, monkeypatch):
    monkeypatch.setattr(comparison, "RESAMPLES", resamples)
    monkeypatch.setattr(comparison, "LEVEL", level)
    generator, taken = np.random.default_rng(1), set()
    drawn = np.random.default_rng(0).integers(30, size=(resamples, 30))
    for count in (2, 3, 6) * 20:
        known = candidates(generator, count)
        best = min(known, key=lambda name: known[name].mean)
        resampled = {
            name: np.sqrt(each.sums[:, 0][drawn].sum(1) / each.rows[drawn].sum(1))
            for name, each in known.items()
        }
        # 5%, at the usual level, over the others and both sides
        high = np.quantile(resampled[best] - resampled["1"], 1 - (1 - level) / (count - 1) / 2)
        assert choose(known, "1", RMSE) == (best if high < 0 else "1")
        taken.add((best == "1", bool(high < 0)))
    assert taken == {(True, False), (False, False), (False, True)}


def test_what_is_better_is_chosen_and_more_candidates_ask_for_more():
    better, base = simulate(np.random.default_rng(2), seeds=1, gain=0.2)
    assert choose({"base": base, "better": better}, "base", RMSE) == "better"
    assert choose({"better": base, "base": better}, "base", RMSE) == "base"
    assert choose({"base": base, "better": better}, "base", RECALL) == "base"
    assert choose({"base": None, "better": better, "other": base}, "base", RMSE) == "better"
    assert choose({"base": base, "better": None}, "base", RMSE) == "base"
    low, high = 0.0, 0.2
    for _ in range(30):  # to a gain that is just shown
        gain = (low + high) / 2
        sums = base.sums * (1 - gain) * np.exp(np.random.default_rng(1).normal(0, 0.1, (40, 1)))
        just = scores(sums, base.rows)
        shown = choose({"base": base, "just": just}, "base", RMSE) == "just"
        low, high = (low, gain) if shown else (gain, high)
    sums = base.sums * (1 - high) * np.exp(np.random.default_rng(1).normal(0, 0.1, (40, 1)))
    just = scores(sums, base.rows)
    assert choose({"base": base, "just": just}, "base", RMSE) == "just"
    others = {f"{i}": base for i in range(9)}
    assert choose({"base": base, "just": just, **others}, "base", RMSE) == "base"


def test_what_cannot_be_chosen_from_is_refused():
    one, base = simulate(np.random.default_rng(2), seeds=2)
    with pytest.raises(ValueError, match="base, one must have finite.*Received: none has. Train"):
        choose({"base": None, "one": None}, "base", RMSE)
    with pytest.raises(ValueError, match=r"at one seed.*seeds \[\(0, 1\), \(0, 1\)\]. Give"):
        choose({"base": base, "one": one}, "base", RMSE)
    with pytest.raises(ValueError, match="over users. Received: accuracy by seed"):
        choose({"base": accuracies(0.7), "one": accuracies(0.8)}, "base", ACCURACY)
    single, _ = simulate(np.random.default_rng(2), seeds=1)
    fewer, _ = simulate(np.random.default_rng(2), seeds=1, users=9)
    with pytest.raises(ValueError, match="same rows of the same users"):
        choose({"base": single, "one": fewer}, "base", RMSE)


def test_several_tasks_are_compared_in_their_mean():
    better, base = simulate(np.random.default_rng(2), seeds=1, gain=0.2)
    worse, same = simulate(np.random.default_rng(3), seeds=1, gain=-0.4)
    both = {"base": (base, same), "mixed": (better, worse)}
    assert choose_among(both, "base", RMSE) == "base"
    assert choose_among({"base": (base, base), "two": (better, better)}, "base", RMSE) == "two"
    with pytest.raises(ValueError):
        choose_among({"base": (base, same), "one": (better,)}, "base", RMSE)
