"""Tests of plans: what a study comes to, and by what its runs are known."""

import json
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest

import small_movielens
from tdrec.studies import plan
from tdrec.studies.arm import METHODS, OF_THE_PAPER, Arm
from tdrec.studies.keys import own_code
from tdrec.studies.metric import ACCURACY, RMSE
from tdrec.studies.plan import ALL_ARMS, FOLDER, PAPER_ARMS, Study, arms_of, find, make_plan
from tdrec.studies.task import check_config
from tdrec.tasks.genre import GenreTask
from tdrec.tasks.image import ImageTask
from tdrec.tasks.images.config import LABELS
from tdrec.tasks.images.config import PRESETS as IMAGE_PRESETS
from tdrec.tasks.next_movie import NextMovieTask
from tdrec.tasks.paper_tables import IMAGE_TABLES
from tdrec.tasks.ratings.config import PRESETS
from tdrec.tasks.sequences.config import NEXT_MOVIE
from tdrec.tasks.sequences.config import PRESETS as SEQUENCE_PRESETS
from tiny_images import write_folder

STUDIES = sorted(file.stem for file in FOLDER.glob("*.py"))
TWO = Study("t", [Arm("scratch"), Arm("td")])
STRONG = {"strong": PRESETS["strong"]}


@pytest.fixture(scope="module")
def war(data):
    return GenreTask("War", data)


def planned(study, tasks, presets=STRONG, **options):
    return make_plan(study, tasks, presets, **{"name": "n", "seeds": 2, **options})


def keys(study, task, presets=STRONG, **options):
    """The keys of a study's units on one task, by the arms' names."""
    units = planned(study, [task], presets, **options).units
    return {unit.arm.name: unit.key for unit in units}


@pytest.mark.parametrize("name", STUDIES)
def test_every_file_of_experiments_is_a_study_that_says_how_to_run_it(name, war, image_folder):
    found, study = find(name)
    assert found == name
    assert f"python -m tdrec.study {name} " in (FOLDER / f"{name}.py").read_text()
    if [*study.tasks] == [NEXT_MOVIE]:
        tasks = [NextMovieTask("War", war.source)]
        presets = {preset: SEQUENCE_PRESETS[preset] for preset in study.presets}
    elif study.tasks:
        assert set(study.tasks) <= set(LABELS) and set(study.presets) <= set(IMAGE_PRESETS)
        tasks = [ImageTask(task, image_folder) for task in study.tasks]
        presets = {preset: IMAGE_PRESETS[preset] for preset in study.presets or ("tiny",)}
    else:
        tasks, presets = [war], PRESETS
    units = planned(study, tasks, presets).units
    assert len({unit.key for unit in units}) == len(units) > len(study.arms)


@pytest.mark.parametrize("number", [4, 6, 9])
def test_arms_of_image_tables_are_named_as_the_papers_lines(number):
    _, study = find(f"table{number}")
    (paper,) = (table for table in IMAGE_TABLES if table.number == number)
    names = {name for arm in study.arms for name in (arm.name, arm.method)}
    assert set(paper.ours.values()) <= names


def test_units_are_all_that_a_study_compares_and_runs_their_seeds(data):
    study = Study(
        "t",
        [Arm("scratch"), Arm("td", {"rounds": 0})],
        {"a": {}, "10% of the rows": {"rows": 0.1}},
        notes=["A note."],
    )
    tasks = [GenreTask(genre, data) for genre in ("Drama", "War")]
    found = planned(study, tasks, PRESETS, seeds=3, keep=True)
    assert (found.name, found.title, found.notes, found.keep) == ("n", "t", ("A note.",), True)
    assert found.metric == RMSE and found.data == {task.name: task.data() for task in tasks}
    places = [(u.preset, u.setting, u.task.name, u.arm.name) for u in found.units]
    assert places == [
        (preset, setting, genre, name)
        for preset in PRESETS
        for setting in ("a", "10% of the rows")
        for genre in ("Drama", "War")
        for name in ("Bias", "Teacher", "Scratch", "TD k=0")
    ]
    for unit in found.units:
        assert unit.config.rows == (1.0 if unit.setting == "a" else 0.1)
        assert unit.config.preset == unit.preset
        assert bool(unit.config.id_dropout) == (unit.preset == "strong")
        assert unit.variant == (unit.arm.name == "TD k=0")
        if unit.arm.method == "td":
            assert unit.config.arguments("td")["rounds"] == 0
    runs = list(found.runs())
    seeds = [run.seed for run in runs[:8]]
    assert seeds == [None, None, *(0, 1, 2), *(0, 1, 2)]
    assert len(runs) == 8 * len(PRESETS) * 2 * 2 == len({run.key for run in runs})


def test_an_arm_may_change_the_configuration_for_itself_alone(war):
    ramp = {"ramp_up": (1000, 500)}
    study = Study("t", [Arm("scratch"), Arm("td"), Arm("td", label="ramp", changes=ramp)])
    found = {unit.arm.name: unit for unit in planned(study, [war]).units}
    ramps = {name: unit.config.ramp_up for name, unit in found.items()}
    assert ramps == {name: None for name in ramps} | {"ramp": (1000, 500)}
    assert [found[name].variant for name in ("TD k=2", "ramp")] == [False, True]
    study = Study("t", [Arm("scratch"), Arm("ld", {}, "four", {"teacher": {"members": 4}})])
    *_, unit = planned(study, [war]).units
    assert unit.config.teacher == replace(war.fitted(PRESETS["strong"]).teacher, members=4)


def test_an_argument_that_is_the_presets_own_makes_no_variant(war):
    study = Study("t", [Arm("scratch"), Arm("ld", {"weight": 10.0}), Arm("ld", {"weight": 9.0})])
    found = [unit.variant for unit in planned(study, [war]).units if unit.arm.method == "ld"]
    assert found == [False, True]


def test_a_key_is_of_all_that_decides_a_run(war, data, tmp_path, monkeypatch):
    same = keys(TWO, war)
    assert len(set(same.values())) == 4 == len(set(keys(TWO, GenreTask("Drama", data)).values()))
    strong = PRESETS["strong"]
    others = {
        "another task": keys(TWO, GenreTask("Drama", data)),
        "training rows alone": keys(TWO, war.earlier()),
        "other data": keys(TWO, GenreTask("War", str(small_movielens.write(tmp_path, 3000)))),
        "steps": keys(TWO, war, {"strong": replace(strong, steps=20)}),
        "the teacher": keys(
            TWO, war, {"strong": replace(strong, teacher=replace(strong.teacher, noise=1.0))}
        ),
        "the preset": keys(TWO, war, {"paper": PRESETS["paper"]}),
        "a setting": keys(replace(TWO, settings={"few": {"rows": 0.5}}), war),
    }
    monkeypatch.setattr(plan, "code_version", lambda: "another")
    others["the code"] = keys(TWO, war)
    monkeypatch.undo()
    found = [set(same.values()), *(set(other.values()) for other in others.values())]
    assert len(set.union(*found)) == sum(map(len, found)), others
    # Tuning is of students alone.
    tuned = [keys(TWO, war, trials=trials) for trials in (1, 2)]
    for name in same:
        different = {keys[name] for keys in (same, *tuned)}
        assert len(different) == (1 if name in ("Bias", "Teacher") else 3)


def test_a_key_is_of_nothing_else(war, data):
    same = keys(TWO, war)
    assert keys(TWO, war, seeds=7, name="another", keep=True) == same
    more = Study("u", [Arm("ld"), *TWO.arms, Arm("td", {"rounds": 1})], notes=["A note."])
    assert keys(more, war).items() > same.items()
    both = planned(TWO, [GenreTask("Drama", data), war], PRESETS).units
    assert {unit.key for unit in both} > set(same.values())
    # Where the same data are does not matter.
    assert keys(TWO, GenreTask("War", f"{data}/../{data.split('/')[-1]}")) == same


def test_an_argument_changes_the_key_of_its_own_method_alone(war):
    same = keys(Study("t", ALL_ARMS), war)
    arms = [
        replace(arm, arguments={"weight": 9.0}) if arm.method == "ld" else arm for arm in ALL_ARMS
    ]
    other = keys(Study("t", arms), war)
    assert other["LD weight=9"] != same["LD"]
    assert {**other, "LD": 0} == {**same, "LD": 0, "LD weight=9": other["LD weight=9"]}


VALUES = {
    ("strong", "War", "LD"): {"learning_rate": 0.01, "user_dropout": 0.6, "weight": 9.0},
    ("strong", "War", "TD k=2"): {"learning_rate": 0.02, "steps": 40},
    ("strong", "Drama", "LD"): {"learning_rate": 0.03},
    ("paper", "War", "LD"): {"learning_rate": 0.04},
}


@pytest.mark.parametrize(
    ("arm", "used"),
    [
        (Arm("ld"), {"learning_rate": 0.01, "user_dropout": 0.6, "weight": 9.0}),
        (Arm("ld", {"weight": 2.0}), {"learning_rate": 0.01, "user_dropout": 0.6}),
        (Arm("td"), {"learning_rate": 0.02, "steps": 40}),
        (Arm("td", {"rounds": 2}), {"learning_rate": 0.02, "steps": 40}),
        (Arm("td", {"state_weight": 0.0}, "mine"), {"learning_rate": 0.02, "steps": 40}),
        (Arm("td", {"rounds": 1}), {}),  # tuned for two rounds
        (Arm("td", {}, "mine", {"ramp_up": (20, 20)}), {}),
        (Arm("fd"), {}),
    ],
)
def test_another_studys_values_are_used_where_the_arm_says_nothing(war, arm, used):
    *references, _, unit = planned(Study("t", [Arm("scratch"), arm]), [war], values=VALUES).units
    assert unit.values == used
    config, start = unit.config, war.fitted(PRESETS["strong"])
    assert config.learning_rate == used.get("learning_rate", start.learning_rate)
    assert config.steps == used.get("steps", start.steps)
    assert config.id_dropout["user"] == used.get("user_dropout", start.id_dropout["user"])
    arguments = {**start.arguments(arm.method), **arm.arguments}
    if "weight" in used:
        arguments["weight"] = used["weight"]
    assert config.arguments(arm.method) == arguments
    assert all(reference.config == start for reference in references)
    *_, plain = planned(Study("t", [Arm("scratch"), arm]), [war]).units
    assert (plain.key == unit.key) == (not used)
    assert plain.variant == unit.variant


def test_each_task_may_have_arms_of_its_own(data):
    tasks = [GenreTask(genre, data) for genre in ("Drama", "War")]
    own = {"Drama": [Arm("scratch")], "War": [Arm("scratch"), Arm("fd")]}
    found = [(u.task.name, u.arm.method) for u in planned(TWO, tasks, arms=own).units]
    assert [each for each in found if each[1] not in ("bias", "teacher")] == [
        *(("Drama", "scratch"), ("War", "scratch"), ("War", "fd")),
    ]


def test_an_arm_that_a_task_cannot_run_is_left_out(image_folder):
    tasks = [ImageTask(name, image_folder) for name in ("cifar10:pets", "cifar10")]
    found = planned(Study("t", ALL_ARMS), tasks, {"tiny": IMAGE_PRESETS["tiny"]})
    methods = [[unit.arm.method for unit in found.units if unit.task == task] for task in tasks]
    assert methods == [
        ["scratch", "fd", "fitnet", "td", "grading"],
        ["teacher", *OF_THE_PAPER, "grading"],
    ]
    assert found.metric == ACCURACY


def test_a_plan_has_one_metric(war, image_folder):
    both = [war, ImageTask("cifar10", image_folder)]
    with pytest.raises(ValueError, match="one metric. Received: War: RMSE, cifar10: accuracy"):
        planned(TWO, both)
    with pytest.raises(ValueError, match="one metric. Received: no task"):
        planned(TWO, [])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"a": {"stepz": 3}}, "Changes must be of .*steps.* Received: stepz"),
        ({"a": {"teacher": {"epoch": 3}}}, "Received: epoch"),
        ({"a": {"steps": 30}}, "`steps` must be a multiple of 20. Received: 30"),
        ({"a": {"learning_rate": 0.0}}, "`learning_rate` must be positive. Received: 0.0"),
        ({"a": {"ramp_up": (30, 20)}}, r"two multiples of 20.* Received: \(30, 20\)"),
    ],
)
def test_settings_that_no_run_can_have_are_refused(war, settings, message):
    with pytest.raises(ValueError, match=message):
        planned(replace(TWO, settings=settings), [war])


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_what_is_no_positive_number_is_refused(war, value):
    fitted = war.fitted(PRESETS["strong"])
    with pytest.raises(ValueError, match=f"must be positive. Received: {value}"):
        check_config(replace(fitted, learning_rate=value))
    check_config(fitted)
    with pytest.raises(ValueError, match="`steps` must be positive. Received: 0"):
        check_config(PRESETS["strong"])  # how many is not known before the rows are


@pytest.mark.parametrize(
    "arms", [[Arm("ld")], [Arm("scratch"), Arm("ld"), Arm("ld")]], ids=["no scratch", "two alike"]
)
def test_arms_must_be_comparable(arms):
    with pytest.raises(ValueError, match="different names, and scratch is one of them"):
        Study("t", arms)


def test_methods_are_chosen_among_a_studys_arms():
    arms = [Arm("scratch"), Arm("ld"), Arm("td"), Arm("td", {"rounds": 0})]
    assert arms_of(arms, ["td"]) == [arms[0], *arms[2:]]
    assert arms_of(arms, ["ld", "scratch"]) == arms[:2]
    with pytest.raises(ValueError, match="of the study: ld, scratch, td. Received: fd, hybrid"):
        arms_of(arms, ["fd", "td", "hybrid"])


def test_all_arms_are_the_methods_with_their_defaults():
    assert [arm.method for arm in ALL_ARMS] == list(METHODS)
    assert [arm.method for arm in PAPER_ARMS] == list(OF_THE_PAPER)
    assert not any(arm.arguments or arm.changes for arm in (*ALL_ARMS, *PAPER_ARMS))


def test_an_unknown_study_names_the_known_ones():
    with pytest.raises(ValueError, match=f"{', '.join(STUDIES)}, or .* Received: 'table33'"):
        find("table33")


@pytest.fixture
def module_path(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path.copy())
    yield tmp_path / "a_study_of_mine.py"
    sys.modules.pop("a_study_of_mine", None)


def test_a_file_of_ones_own(module_path):
    head = "from tdrec.studies.plan import Arm, Study\n"
    module_path.write_text(head + "STUDY = Study('Mine', [Arm('scratch')])\n")
    assert find(str(module_path)) == ("a_study_of_mine", Study("Mine", [Arm("scratch")]))
    module_path.write_text("STUDY = 3\n")
    with pytest.raises(ValueError, match=r"mine.py must define STUDY.* Received: STUDY = 3"):
        find(str(module_path))
    with pytest.raises(ValueError, match="Received: '.*nowhere.py'"):
        find(str(module_path.with_name("nowhere.py")))


def test_a_units_configuration_is_plain_data(war):
    (unit, *_) = planned(Study("t", [Arm("scratch")]), [war]).units
    assert unit.config == war.fitted(PRESETS["strong"])
    assert (unit.config.steps, unit.config.teacher.batch_size) == (240, 256)
    assert json.loads(json.dumps(asdict(unit.config)))["teacher"]["model"]["units"] == [512, 256]


def test_other_images_have_other_keys(image_folder, tmp_path):
    tiny = {"tiny": IMAGE_PRESETS["tiny"]}
    same = keys(TWO, ImageTask("cifar10:pets", image_folder), tiny)
    write_folder(tmp_path, test_seed=2)
    other = keys(TWO, ImageTask("cifar10:pets", str(tmp_path)), tiny)
    assert not set(same.values()) & set(other.values())


def test_code_of_ones_own_is_part_of_the_key(tmp_path, monkeypatch):
    file = tmp_path / "own_toys.py"
    source = (
        "from toy_task import ToyTask\nfrom tdrec.studies.plan import ALL_ARMS, Study\n"
        "class Own(ToyTask):\n    size = 1\n"
        'STUDY = Study("Mine", ALL_ARMS[:1], tasks=[Own("a")])\n'
    )

    def keys_of(text):
        file.write_text(text)
        own_code.cache_clear()
        _, study = find(str(file))
        made = make_plan(study, study.tasks, study.tasks[0].presets, name="mine", seeds=1)
        return [run.key for run in made.runs()]

    monkeypatch.syspath_prepend(tmp_path)
    first = keys_of(source)
    assert keys_of(source + "# A comment.\n") == first
    assert not set(keys_of(source.replace("size = 1", "size = 2"))) & set(first)


@pytest.mark.parametrize("name", ["json", "numpy", "tiny_images"])
def test_a_study_does_not_hide_another_module(tmp_path, name):
    file = tmp_path / f"{name}.py"
    file.write_text("STUDY = None\n")
    with pytest.raises(ValueError, match="must not have the name of a module of Python"):
        find(str(file))


def test_a_study_that_was_mended_is_found(tmp_path):
    file = tmp_path / "own_study.py"
    file.write_text("STUDY = None\n")
    for _ in range(2):
        with pytest.raises(ValueError, match="must define STUDY, a Study. Received: STUDY = None"):
            find(str(file))
