"""What mixing a good teacher with a bad one costs, and what weights by row give back.

    TDREC_DATA=ml-100k.zip python benchmarks/several_teachers.py [--methods=LD] [--seeds=3]

Students of a genre learn from the all-genre teacher, from one that never saw the genre's rows, and
from both: evenly, and by how good each is on the row (`MultiTeacher`). Defaults of the `strong`
preset. Evaluation rows are not touched: students and teachers are trained on the first nine tenths
of the training rows and judged on the last. Intervals are of 95%, over users and seeds.
"""

import os
import time
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any

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
from tdrec.tasks.ratings.config import METHOD_DEFAULTS, PRESETS, STEPS
from tdrec.tasks.ratings.evaluation import score
from tdrec.tasks.ratings.segment import Segment
from tdrec.tasks.ratings.student import compile_student, train_student
from tdrec.tasks.ratings.teacher import (
    id_names,
    predict,
    rating_model,
    targets_of,
    train_teacher,
)

flags.DEFINE_list("genres", ["Drama", "War"], "The students' genres.")
flags.DEFINE_list("methods", ["LD"], "What the students learn by: LD, TD, or both.")
flags.DEFINE_integer("seeds", 3, "Of each student.", lower_bound=1)
flags.DEFINE_string("data", os.environ.get("TDREC_DATA"), "MovieLens, as tdrec.run takes it.")

CONFIG = PRESETS["strong"]


METHODS: dict[str, Callable[[], Method]] = {
    "LD": lambda: LabelDistillation(**METHOD_DEFAULTS["ld"]),
    "TD": lambda: TalkingModels(**METHOD_DEFAULTS["td"]),
}
Arm = tuple[tuple[str, ...], Callable[[], Method]]
BOTH = ("good", "bad")


def arms(methods: list[str]) -> dict[str, Arm]:
    """Who teaches, and how, by what it is called."""
    made: dict[str, Arm] = {"scratch": ((), Scratch)}
    for name in methods:
        made |= {f"{name}, {who} teacher": ((who,), METHODS[name]) for who in BOTH}
        made |= {
            f"{name}, both {how}": (BOTH, partial(mixed, name, *arguments))
            for how, arguments in {
                "evenly": (None,),
                "by row": ("row",),
                "by row, T = 0.1": ("row", 0.1),
            }.items()
        }
    return made


def mixed(name: str, weights: str | None, temperature: float = 1.0) -> Method:
    methods = [METHODS[name]() for _ in BOTH]
    return MultiTeacher(methods, weights, temperature=temperature)


def scores_of(
    genre: str, train: Ratings, test: Ratings, good: keras.Model, seeds: range
) -> dict[str, Scores]:
    """The scores of all arms in one genre."""
    mine, judged = train.of_genre(genre), test.of_genre(genre)
    others = train.take(~train.in_segment(genre))
    config = CONFIG.fitted(len(mine), len(train), STEPS)
    teachers = {"good": (good, FeatureEncoder.fit(train))}
    teachers["bad"] = train_teacher(others, config.teacher), FeatureEncoder.fit(others)
    encoder = FeatureEncoder.fit(mine)
    names = id_names(config.id_dropout, mine)
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
    for label, (who, method) in arms(flags.FLAGS.methods).items():
        began, found[label] = time.perf_counter(), []
        taught = [splits[name] for name in who]
        teacher = taught if len(taught) > 1 else taught[0] if taught else None
        make = partial(new_distiller, segment, teacher, method)
        for seed in seeds:
            distiller = compiled.restarted(label, seed, partial(make, seed))
            given = x
            if fields := distiller.method.teacher_fields:
                trace = distiller.method.reads(cache(distiller.teacher, features, fields))
                given = attach(x, as_tensors(trace), fields)
            train_student(distiller, (given, y), segment, config, seed)
            student = distiller.student_layers[0]
            found[label].append(score(predict(student, segment.student_test), judged, mine))
        rmse = np.mean([result.value for result in found[label]])
        print(f"{genre}: {label} {rmse:.4f}, {time.perf_counter() - began:.0f} s", flush=True)
    return {label: as_scores(results, seeds) for label, results in found.items()}


def new_distiller(
    segment: Segment, teacher: Any, method: Callable[[], Method], seed: int
) -> Distiller:
    keras.utils.set_random_seed(seed)
    student = rating_model(CONFIG.student, segment.encoder, segment.train, "student")
    distiller = Distiller(split_model(student, low=LOW, high=HIGH), teacher, method())
    compile_student(distiller, CONFIG, segment.train.target)
    return distiller


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
    config = CONFIG.fitted(0, len(holdout.train))
    good = train_teacher(holdout.train, config.teacher)
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
            ends = (
                f" ({gain.low:+.2f} to {gain.high:+.2f})" if gain and gain.low is not None else ""
            )
            cells.append(f"{gain.value:+.2f}%{ends}" if gain else "")
        print(f"| {label} | {' | '.join(cells)} |")
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    app.run(main)
