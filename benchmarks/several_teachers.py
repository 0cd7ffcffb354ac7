"""What mixing a good teacher with a bad one costs, and what weights by row give back.

    TDREC_DATA=ml-100k.zip python benchmarks/several_teachers.py [--genres=Drama,War] [--seeds=3]

Students of a genre learn from the all-genre teacher, from one that never saw the genre's rows, and
from both: evenly, and by how good each is on the row (`MultiTeacher`). Defaults of the `strong`
preset. Evaluation rows are not touched: students and teachers are trained on the first nine tenths
of the training rows and judged on the last. Intervals are of 95%, over users and seeds.
"""

import os
import tempfile
import time
from collections.abc import Callable
from operator import itemgetter

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from absl import app, flags

from tdrec import Distiller, LabelDistillation, Method, MultiTeacher, Scratch, TalkingModels
from tdrec.data import FeatureEncoder, Ratings, load, split_by_time
from tdrec.distill.cut import split_model
from tdrec.distill.teacher_targets import TeacherTargets, as_tensors, attach
from tdrec.models.id_dropout import id_variants
from tdrec.models.rating_mlp import HIGH, LOW
from tdrec.studies.comparison import Scores, compare
from tdrec.studies.metric import RMSE
from tdrec.tasks.distilled import Compiled
from tdrec.tasks.ratings.config import METHOD_DEFAULTS, PRESETS
from tdrec.tasks.ratings.evaluation import score
from tdrec.tasks.ratings.segment import Segment
from tdrec.tasks.ratings.student import compile_student, train_student
from tdrec.tasks.ratings.teacher import predict, rating_model, targets_of, train_teacher

flags.DEFINE_list("genres", ["Drama", "War"], "The students' genres.")
flags.DEFINE_integer("seeds", 3, "Of each student.", lower_bound=1)
flags.DEFINE_string("data", os.environ.get("TDREC_DATA"), "MovieLens, as tdrec.run takes it.")

CONFIG = PRESETS["strong"]


def ld() -> Method:
    return LabelDistillation(**METHOD_DEFAULTS["ld"])


def td() -> Method:
    return TalkingModels(**METHOD_DEFAULTS["td"])


def arms() -> dict[str, tuple[tuple[str, ...], Callable[[], Method]]]:
    """Who teaches, and how."""
    made: dict[str, tuple[tuple[str, ...], Callable[[], Method]]] = {"scratch": ((), Scratch)}
    for name, one in (("LD", ld), ("TD", td)):
        made[f"{name}, good teacher"] = ("good",), one
        made[f"{name}, bad teacher"] = ("bad",), one

        def both(one: Callable[[], Method] = one, **how: object) -> Method:
            return MultiTeacher([one(), one()], **how)

        pair = ("good", "bad")
        made[f"{name}, both evenly"] = pair, both
        made[f"{name}, both by row"] = pair, lambda both=both: both(weights="row")
    pair = ("good", "bad")
    made["LD, both by row, T = 0.1"] = pair, lambda: both_ld(0.1)
    return made


def both_ld(temperature: float) -> Method:
    return MultiTeacher([ld(), ld()], "row", temperature=temperature)


def of_genre(ratings: Ratings, genre: str, without: bool = False) -> Ratings:
    column = ratings.movies.genre_names.index(genre)
    has = ratings.movies.genres[ratings.movie_rows, column]
    return ratings.take(~has if without else has)


def scores_of(
    genre: str, train: Ratings, test: Ratings, good: keras.Model, seeds: range
) -> dict[str, Scores]:
    """The scores of all arms in one genre."""
    others = of_genre(train, genre, without=True)
    teachers = {"good": (good, FeatureEncoder.fit(train))}
    teachers["bad"] = train_teacher(others, CONFIG.teacher), FeatureEncoder.fit(others)
    mine, judged = of_genre(train, genre), of_genre(test, genre)
    encoder = FeatureEncoder.fit(mine)
    names = tuple(CONFIG.id_dropout)
    features = {n: id_variants(e.encode(mine), names) for n, (_, e) in teachers.items()}
    x = id_variants(encoder.encode(mine), names)
    y = targets_of(mine, 2 ** len(names))
    rows = encoder.encode(mine), encoder.encode(judged)
    segment = Segment(mine, judged, encoder, encoder, *rows, *rows)
    splits = {
        name: split_model(model, low=LOW, high=HIGH, input_map=itemgetter(name))
        for name, (model, _) in teachers.items()
    }
    compiled, cache = Compiled(), TeacherTargets()
    found = {}
    for name, (model, its) in teachers.items():
        result = score(predict(model, its.encode(judged)), judged, mine)
        found[f"the {name} teacher itself"] = [result]
    for label, (who, method) in arms().items():
        began, found[label] = time.perf_counter(), []
        for seed in seeds:

            def make(seed: int = seed) -> Distiller:
                keras.utils.set_random_seed(seed)
                model = rating_model(CONFIG.student, encoder, mine, "student")
                taught = [splits[name] for name in who]
                teacher = taught if len(taught) > 1 else taught[0] if taught else None
                distiller = Distiller(split_model(model, low=LOW, high=HIGH), teacher, method())
                compile_student(distiller, CONFIG)
                return distiller

            distiller = compiled.restarted(label, seed, make)
            given = x
            if fields := distiller.method.teacher_fields:
                trace = distiller.method.reads(cache(distiller.teacher, features, fields))
                given = attach(x, as_tensors(trace), fields)
            train_student(distiller, (given, y), segment, CONFIG, seed)
            student = distiller.student_layers[0]
            found[label].append(score(predict(student, segment.student_test), judged, mine))
        print(f"{genre}: {label}, {time.perf_counter() - began:.0f} s", flush=True)
    return {label: as_scores(results, seeds) for label, results in found.items()}


def as_scores(results: list, seeds: range) -> Scores:
    units = [result.units for result in results]
    return Scores(
        tuple(seeds) if len(results) == len(seeds) else (None,),
        np.array([result.value for result in results]),
        np.array(units[0].ids),
        np.array(units[0].rows),
        np.array([of.sums for of in units]).T,
    )


def main(_: list[str]) -> None:
    options = flags.FLAGS
    began = time.perf_counter()
    holdout = split_by_time(split_by_time(load(options.data)).train)
    good = train_teacher(holdout.train, CONFIG.teacher)
    found = [
        scores_of(genre, holdout.train, holdout.test, good, range(options.seeds))
        for genre in options.genres
    ]
    print(f"| | {' | '.join(options.genres)} | against scratch | against the good teacher alone |")
    print(f"|---|{'---:|' * (len(found) + 2)}")
    for label in found[0]:
        cells = [f"{scores[label].mean:.4f}" for scores in found]
        alone = f"{label[:2]}, good teacher"
        for other in ("scratch", alone):
            known = other in found[0] and other != label
            pairs = [(scores[label], scores[other]) for scores in found] if known else []
            made = compare(pairs, RMSE) if pairs else None
            gain = made and made.improvement
            ends = f" ({gain.low:+.2f} to {gain.high:+.2f})" if gain and gain.low else ""
            cells.append(f"{gain.value:+.2f}%{ends}" if gain else "")
        print(f"| {label} | {' | '.join(cells)} |")
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("TDREC_CACHE", folder)
        app.run(main)
