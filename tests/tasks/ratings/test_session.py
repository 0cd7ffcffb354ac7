"""Tests of runs of genres: figures depend on what they should, and on nothing else."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest

from small_movielens import SMALL
from tdrec.data import FeatureEncoder, split_by_time
from tdrec.distill.fingerprint import hash_arrays
from tdrec.distill.methods.label_distillation import LabelDistillation
from tdrec.studies.arm import METHODS
from tdrec.studies.row import Units
from tdrec.tasks.genre import GenreTask
from tdrec.tasks.ratings.evaluation import BiasModel, score
from tdrec.tasks.ratings.session import RatingSession

FEW = replace(SMALL, methods={"td": {"rounds": 0}})
"""TD that compiles faster still."""
TIMES = ("train_seconds", "latency_ms")


class Own(LabelDistillation):
    """A method of one's own, with a weight whose name its term does not have."""

    def __init__(self, pull_weight=1.0, **kwargs):
        super().__init__(weight=pull_weight, **kwargs)
        self.pull_weight = pull_weight


def figures(result):
    """What must not depend on how it was run: all but measured times."""
    facts = {name: value for name, value in result.facts.items() if name not in TIMES}
    return result.score, result.reason, facts


def stored(result, tmp_path):
    """The student that a result hands over, and its encoder."""
    path = tmp_path / "student.keras"
    path.write_bytes(result.files[".keras"])
    encoder = FeatureEncoder.from_json(result.files[".json"].decode())
    return keras.models.load_model(path), encoder


def without_genre(config):
    return replace(config, teacher=replace(config.teacher, rows="other segments"))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_a_student_with_a_finite_rmse(session, drama, holdout, method, tmp_path):
    result = session.run(drama, SMALL, method, 0, keep=True)
    train, test = (part.of_genre("Drama") for part in (holdout.train, holdout.test))
    assert (result.n_train, result.n_test, result.reason) == (len(train), len(test), "")
    assert 0.3 < result.score.value < 3
    facts = result.facts
    assert (facts["method_params"] > 0) == (method not in ("scratch", "ld", "trusted_ld"))
    assert facts["train_multiply_adds"] > facts["multiply_adds"] > 0
    assert facts["latency_ms"] > 0 and facts["train_seconds"] > 0
    assert [point["step"] for point in facts["curve"]] == [20]
    # The RMSE is that of the student that is handed over.
    student, encoder = stored(result, tmp_path)
    assert facts["params"] == student.count_params()
    again = score(student.predict(encoder.encode(test), verbose=0), test, train)
    assert again.value == pytest.approx(result.score.value, abs=1e-6)
    assert again.units.ids == result.score.units.ids
    assert again.units.sums == pytest.approx(result.score.units.sums, abs=1e-4)
    cold = np.isin(test.user_ids, train.user_ids, invert=True).mean()
    assert facts["details"] == {"cold_share": pytest.approx(cold), "density_rank": None}


def test_students_are_handed_over_only_where_they_are_asked_for(session, drama):
    result = session.run(drama, SMALL, "scratch", 0)
    assert result.files == {}
    assert list(session.run(drama, SMALL, "bias", None, keep=True).files) == []


def test_another_backend_is_refused(holdout, cache, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="Received: the backend 'jax'. Set KERAS_BACKEND=tens"):
        RatingSession(holdout, cache)


def test_references(session, war, holdout, cache):
    train, test = holdout.train.of_genre("War"), holdout.test.of_genre("War")
    bias = session.run(war, SMALL, "bias", None)
    assert bias.score.value == score(BiasModel.fit(train).predict(test), test, train).value
    everything = score(
        BiasModel.fit(holdout.train).predict(holdout.test), holdout.test, holdout.train
    )
    assert bias.score.details["rmse_all_segments"] == everything.value
    assert bias.facts["params"] == BiasModel.fit(train).params

    model = session.teacher_model("War", SMALL)
    encoder = FeatureEncoder.fit(holdout.train)
    result = session.run(war, SMALL, "teacher", None)
    for found, rows in (
        (result.score.value, test),
        (result.score.details["rmse_all_segments"], holdout.test),
    ):
        expected = score(model.predict(encoder.encode(rows), verbose=0), rows, train)
        assert found == pytest.approx(expected.value, abs=1e-6)
    (file,) = cache.rglob(session.teacher_file("War", SMALL))
    assert result.facts["model_bytes"] == file.stat().st_size
    assert result.facts["params"] == model.count_params()
    assert session.teacher(war, SMALL) == hash_arrays(model.get_weights())


# FD reads the teacher's states and learns encoders, and compiles in half of the time of TD.
def test_a_seed_gives_the_same_student_in_any_order(session, drama, holdout, cache):
    another = RatingSession(holdout, cache)
    one = [session.run(drama, SMALL, "fd", seed) for seed in (0, 1)]
    other = [another.run(drama, SMALL, "fd", seed) for seed in (1, 0)]
    for mine, theirs in zip(one, reversed(other), strict=True):
        assert figures(mine) == figures(theirs)
    assert one[0].score.value != one[1].score.value
    keras.utils.set_random_seed(9)  # as another run would
    assert figures(session.run(drama, SMALL, "fd", 0)) == figures(one[0])


def test_the_teacher_is_not_changed_by_teaching(session, drama):
    before = session.teacher_model("Drama", SMALL).get_weights()
    session.run(drama, SMALL, "fd", 5)
    for a, b in zip(before, session.teacher_model("Drama", SMALL).get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_evaluation_rows_decide_nothing_but_the_final_figure(session, drama, ratings, tmp_path):
    """With poisoned evaluation ratings the weights, and so all predictions, are the same."""
    values = np.where(ratings.timestamps >= session.holdout.cut, 0.5, ratings.values)
    poisoned = split_by_time(ratings.changed(values=values.astype(np.float32)))
    found = []
    for each in (session, RatingSession(poisoned, tmp_path)):
        result = each.run(drama, SMALL, "fd", 0, keep=True)
        student, _ = stored(result, tmp_path)
        weights = student.get_weights() + each.teacher_model("Drama", SMALL).get_weights()
        found.append((result, weights))
    (result, weights), (other, its_weights) = found
    assert result.facts["curve"] == other.facts["curve"]
    assert result.score.value != other.score.value
    for a, b in zip(weights, its_weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_label_distillation_in_td_has_its_own_weight(session, drama):
    losses = []
    for weight in (1.0, 2.5):
        methods = {"td": {"rounds": 0, "label_weight": weight}}
        # At this rate both students stay where they begin, and a logged term has its weight.
        still = replace(SMALL, learning_rate=1e-7, methods=methods)
        curve = session.run(drama, still, "td", 0).facts["curve"]
        losses.append(curve[0]["label_loss"])
    assert losses[1] / losses[0] == pytest.approx(2.5, rel=1e-3)


@pytest.mark.long
def test_a_ramp_up_comes_before_the_steps_and_leaves_nothing_behind(session, drama):
    plain = session.run(drama, FEW, "td", 0)
    ramp = replace(FEW, ramp_up=(40, 20), steps=80)
    seen = []
    watched = session.run(
        drama, ramp, "td", 0, lambda step, found: seen.append((step, found.value)) or True
    )
    assert [step for step, _ in seen] == [40, 80]
    assert watched.score.value == pytest.approx(seen[-1][1], abs=1e-6)
    curve = watched.facts["curve"]
    assert [point["step"] for point in curve] == [20, 40, 60, 80, 100, 120, 140]
    assert [point["message_loss"] > 0 for point in curve] == [False] * 2 + [True] * 5
    again = session.run(drama, ramp, "td", 0)
    assert (again.score, again.facts["curve"]) == (watched.score, curve)
    assert figures(session.run(drama, FEW, "td", 0)) == figures(plain)
    # Alone, the student learns as from scratch.
    alone = session.run(drama, replace(SMALL, steps=40), "scratch", 0).facts["curve"]
    for point, other in zip(curve, alone, strict=False):
        assert point["task_loss"] == pytest.approx(other["task_loss"], rel=1e-5)


def test_another_configuration_shares_the_compiled_step_and_changes_the_student(
    session, drama, holdout, cache
):
    other = replace(SMALL, learning_rate=1e-2, methods={"ld": {"weight": 9.0}})
    first = session.run(drama, SMALL, "ld", 0)
    changed = session.run(drama, other, "ld", 0)
    again = session.run(drama, SMALL, "ld", 0)
    assert changed.score.value != first.score.value == again.score.value
    alone = RatingSession(holdout, cache).run(drama, other, "ld", 0)
    assert changed.score.value == pytest.approx(alone.score.value, rel=1e-6)
    # A distiller that is handed over has the weights in its method.
    assert session.distiller("Drama", other, "ld", 0).method.weight == 9.0


def test_a_method_of_ones_own_keeps_its_arguments(session, drama):
    name = f"{__name__}:Own"
    runs = {}
    for weight in (1.0, 4.0):
        own = replace(SMALL, learning_rate=1e-7, methods={name: {"pull_weight": weight}})
        ld = replace(own, methods={"ld": {"weight": weight}})
        runs[weight] = [session.run(drama, c, m, 0) for c, m in ((own, name), (ld, "ld"))]
    for mine, ld in runs.values():
        assert mine.facts["curve"][0]["label_loss"] == pytest.approx(
            ld.facts["curve"][0]["label_loss"], rel=1e-5
        )
    one, four = (mine.facts["curve"][0]["label_loss"] for mine, _ in runs.values())
    assert four / one == pytest.approx(4, rel=1e-3)


def test_a_distiller_that_is_handed_over_has_the_teacher_whatever_it_reads(session):
    distiller = session.distiller("Drama", SMALL, "scratch", 0)
    segment = session.segment("Drama", SMALL)
    both = {
        "student": {name: v[:5] for name, v in segment.student_test.items()},
        "teacher": {name: v[:5] for name, v in segment.teacher_test.items()},
    }
    teacher = session.teacher_model("Drama", SMALL)
    np.testing.assert_allclose(
        distiller.teacher(both).prediction, teacher(both["teacher"]), rtol=1e-6
    )


def test_fewer_rows_are_among_those_of_more(session):
    def rows(share):
        train = session.segment("Drama", replace(SMALL, rows=share)).train
        return set(zip(train.user_ids, train.movie_ids, train.timestamps, strict=True))

    few, half, whole = rows(0.1), rows(0.5), rows(1.0)
    assert few < half < whole
    assert len(half) == pytest.approx(len(whole) / 2, abs=1)


def test_a_teacher_that_never_saw_the_genre(session, war, holdout):
    other = without_genre(SMALL)
    known = session.segment("War", other).teacher_train["movie"]
    # Its vocabulary has none of the genre's movies.
    assert (known == 0).all() and len(known) == len(holdout.train.of_genre("War"))
    assert (session.segment("War", SMALL).teacher_train["movie"] > 0).all()
    assert session.teacher(war, other) != session.teacher(war, SMALL)
    result = session.run(war, other, "teacher", None)
    assert "rmse_all_segments" not in result.score.details
    assert result.score.value != session.run(war, SMALL, "teacher", None).score.value


def test_the_paper_regime_trains_without_id_dropout(session, drama, tmp_path):
    def unknown_user(config):
        student, _ = stored(session.run(drama, config, "scratch", 0, keep=True), tmp_path)
        return np.array(student.get_layer("user_embedding").embeddings)[0]

    paper = unknown_user(replace(SMALL, preset="paper", id_dropout={}))
    # Nobody has the out-of-vocabulary id in training, so its embedding stays where it began.
    assert np.abs(paper).max() <= 0.05
    assert not np.allclose(unknown_user(SMALL), paper)


def test_the_densest_genres_of_the_papers_data_have_a_rank(holdout, cache, data):
    train = holdout.train.changed(name="MovieLens 100K")
    named = RatingSession(replace(holdout, train=train), cache)
    counts = train.genre_counts()
    by_rank = sorted(counts, key=counts.get, reverse=True)
    assert by_rank[0] == "Drama"
    for place, rank in ((0, 1), (7, 8), (8, None)):
        task = GenreTask(by_rank[place], data)
        details = named.run(task, SMALL, "bias", None).facts["details"]
        assert details["density_rank"] == rank


def test_a_run_that_diverges_has_a_reason_and_no_score(session, drama):
    before = session.run(drama, SMALL, "ld", 0)
    wild = session.run(drama, replace(SMALL, learning_rate=30.0, steps=40), "ld", 0, keep=True)
    assert wild.score is None and wild.files == {}
    assert (wild.n_train, wild.n_test) == (before.n_train, before.n_test)
    assert set(wild.facts) == {"details"}
    assert "10 times that of the best constant" in wild.reason or "not finite" in wild.reason
    # It leaves nothing behind in what was compiled.
    assert figures(session.run(drama, SMALL, "ld", 0)) == figures(before)


def test_a_teacher_that_diverges_is_the_reason_of_who_reads_it(holdout, tmp_path, drama):
    session = RatingSession(holdout, tmp_path)
    wild = replace(SMALL, teacher=replace(SMALL.teacher, learning_rate=1e6))
    for method, seed in (("teacher", None), ("ld", 0)):
        result = session.run(drama, wild, method, seed)
        assert result.score is None and result.reason.startswith("its teacher: ")
    assert session.teacher(drama, wild) is None
    assert not list(tmp_path.glob("*.keras"))
    # Who reads none is what it always is.
    scratch = session.run(drama, wild, "scratch", 0)
    assert (
        scratch.score.value
        == RatingSession(holdout, tmp_path).run(drama, wild, "scratch", 0).score.value
    )
    assert session.run(drama, wild, "bias", None).reason == ""


def test_a_student_of_large_targets_is_the_same_and_predicts_in_their_unit(
    session, drama, holdout, cache, tmp_path
):
    def of_large(part):
        low, high = part.scale
        own = part.changed(values=128 * part.values, scale=(128 * low, 128 * high))
        return own.in_units(own.own_unit())

    large = replace(holdout, train=of_large(holdout.train), test=of_large(holdout.test))
    assert large.train.unit == 128
    # Its teacher's rows are other rows, which are not in the cache.
    result = RatingSession(large, cache).run(drama, SMALL, "scratch", 0, keep=True)
    plain = session.run(drama, SMALL, "scratch", 0)
    assert result.score.value == pytest.approx(128 * plain.score.value, rel=1e-6)
    assert result.facts["curve"] == plain.facts["curve"]
    student, encoder = stored(result, tmp_path)
    train, test = (part.of_genre("Drama").in_units(1) for part in (large.train, large.test))
    again = score(student.predict(encoder.encode(test), verbose=0), test, train)
    assert again.value == pytest.approx(result.score.value, rel=1e-6)


def test_a_binary_target_with_weights_is_learned_and_scored_as_such(
    drama, holdout, tmp_path, session
):
    def clicks(part):
        likes = (part.values > 3).astype(np.float32)
        weights = np.where(part.movie_ids % 2, 1.0, 3.0)
        return part.changed(values=likes, scale=(0.0, 1.0), target="binary", weights=weights)

    parts = replace(holdout, train=clicks(holdout.train), test=clicks(holdout.test))
    own = RatingSession(parts, tmp_path)
    train, test = (part.of_genre("Drama") for part in (parts.train, parts.test))
    constant = score(np.full(len(test), train.values.mean()), test, train).value
    for method, seed in (("bias", None), ("teacher", None), ("ld", 0)):
        result = own.run(drama, SMALL, method, seed, keep=True)
        assert 0 < result.score.value < 2 * constant and 0 < result.score.details["auc"] < 1
        assert ("log_loss_all_segments" in result.score.details) == (seed is None)
    logged = {name for name in result.facts["curve"][0] if "loss" in name}
    assert logged == {"loss", "log_loss", "task_loss", "label_loss"}
    student, encoder = stored(result, tmp_path)
    predictions = student.predict(encoder.encode(test), verbose=0)
    assert 0 < predictions.min() < predictions.max() < 1
    assert score(predictions, test, train).value == pytest.approx(result.score.value, abs=1e-6)
    even = replace(parts, train=parts.train.changed(weights=None))
    plain = RatingSession(even, tmp_path).run(drama, SMALL, "scratch", 0)
    weighted = own.run(drama, SMALL, "scratch", 0)
    assert plain.score.value != weighted.score.value


def test_models_read_the_columns_that_they_are_told_to(session, drama):
    read = replace(SMALL, student=replace(SMALL.student, features=("genres",)))
    distiller = session.distiller("Drama", read, "ld", 0)
    student, teacher = distiller.student_layers[0], session.teacher_model("Drama", read)
    assert sorted(student.input) == ["genres", "movie", "user"]
    assert sorted(teacher.input) == ["genres", "movie", "title", "user"]
    few = session.run(drama, read, "scratch", 0).score.value
    assert few != session.run(drama, SMALL, "scratch", 0).score.value


def test_results_are_plain_data(session, drama):
    for method, seed in (("scratch", 0), ("bias", None), ("teacher", None)):
        result = session.run(drama, SMALL, method, seed)
        json.dumps([result.facts, result.score.value, result.score.details], allow_nan=False)
        assert isinstance(result.score.units, Units)


def test_ratings_are_trusted_by_items_and_users(session, war):
    by = {"weight": 10.0, "trust": ("movie", "user")}
    own, named = (
        session.run(war, replace(SMALL, methods=methods), method, 0)
        for method, methods in (("ld", {"ld": by}), ("trusted_ld", {}))
    )
    assert own.score == named.score
    other = replace(SMALL, methods={"ld": {**by, "trust": ("genres", "user")}})
    with pytest.raises(ValueError, match=r"trusted by \('movie', 'user'\). Received: .*'genres'"):
        session.run(war, other, "ld", 0)
