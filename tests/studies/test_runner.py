"""Plans that run, stop, go on and are reported: on a toy task, and on generated ratings."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from small_movielens import SMALL
from tdrec.report.report import write_report
from tdrec.studies.arm import Arm
from tdrec.studies.plan import Study, make_plan
from tdrec.studies.pools import Processes, Remote
from tdrec.studies.results import only_writer, read_rows
from tdrec.studies.runner import run_plan
from tdrec.tasks.genre import GenreTask
from toy_task import ToyTask

FOLDER = Path(__file__).parent
ARMS = [Arm("scratch"), Arm("ld"), Arm("ld", label="LD of few", changes={"rows": 6})]
TIMES = ("train_seconds", "latency_ms")


def toy_plan(seeds=3, trials=0, pause=0.0, tasks=("one", "other"), arms=ARMS, keep=False):
    preset = replace(ToyTask.presets["toy"], pause=pause)
    study = Study("Toys", arms)
    found = [ToyTask(name) for name in tasks]
    return make_plan(
        study, found, {"toy": preset}, name="toys", seeds=seeds, trials=trials, keep=keep
    )


def run(plan, out, workers=1, cache=None):
    pool = Processes(workers, threads=1)
    try:
        with only_writer(out) as folder:
            return run_plan(plan, folder, cache or out / "cache", pool)
    finally:
        pool.close()


def figures(rows):
    """What two runs must have in common: all but the times."""
    found = {}
    for row in rows:
        kept = {k: v for k, v in json.loads(row.to_json()).items() if k not in TIMES}
        found[row.key] = kept
    return found


def values_of(rows):
    return {(row.task, row.label, row.seed): (row.value, dict(row.tuned)) for row in rows}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A tuned plan that nothing disturbed, with pauses for those who disturb it."""
    return run(toy_plan(trials=6, pause=0.02), tmp_path_factory.mktemp("undisturbed"))


def test_a_task_of_ones_own_runs_and_is_reported(undisturbed, tmp_path):
    plan = toy_plan(trials=6, pause=0.02)
    assert [row.key for row in undisturbed.rows] == [run.key for run in plan.runs()]
    assert not undisturbed.failures
    by_label = {}
    for row in undisturbed.rows:
        by_label.setdefault((row.task, row.label), []).append(row.value)
    assert set(by_label) == {
        (task, label) for task in ("one", "other") for label in ("Teacher", *(a.name for a in ARMS))
    }
    for task in ("one", "other"):  # a teacher with more rows is worth having
        mean = {label: np.mean(values) for (of, label), values in by_label.items() if of == task}
        assert mean["Teacher"] < mean["LD"] < mean["Scratch"]
    html, markdown, csv = write_report(
        tmp_path, undisturbed.rows, title="Toys", command="toys", metric=plan.metric
    )
    assert "LD of few" in html.read_text() and "LD of few" in markdown.read_text()
    assert f"{by_label['one', 'Teacher'][0]:.4f}" in markdown.read_text()
    assert csv.read_text().count("\n") > len(by_label)


def test_tuning_is_of_validation_rows(undisturbed):
    for row in undisturbed.rows:
        if row.is_student:
            assert set(row.tuned) == {"learning_rate", "steps"}
            assert row.validation["value"] != row.value
        else:
            assert row.tuned == {} and row.validation is None


def test_what_is_done_is_not_done_again(tmp_path):
    first = run(toy_plan(seeds=1), tmp_path)
    before = (tmp_path / "results.jsonl").read_bytes()
    again = run(toy_plan(seeds=2), tmp_path)
    assert (tmp_path / "results.jsonl").read_bytes().startswith(before)
    assert len(again.rows) == 2 * len(first.rows) - 2  # each teacher once
    assert set(figures(first.rows)) < set(figures(again.rows))
    other = run(toy_plan(seeds=1, arms=[Arm("scratch"), Arm("ld", {"weight": 9.0})]), tmp_path)
    assert other.others == 4 + 4 + 2  # LD's and LD of few's, and the second seeds of scratch
    keys = [row.key for row in read_rows(tmp_path / "results.jsonl")]
    assert len(set(keys)) == len(keys)


def test_several_processes_give_the_same_rows(undisturbed, tmp_path):
    plan = toy_plan(trials=6, pause=0.02, tasks=("other",))
    expected = [row for row in undisturbed.rows if row.task == "other"]
    assert figures(run(plan, tmp_path, workers=3).rows) == figures(expected)
    assert len(expected) == 1 + 3 * len(ARMS)


def test_a_run_that_diverges_is_a_row_without_a_figure(tmp_path):
    wild = Arm("ld", label="Wild", changes={"learning_rate": 5.0})
    outcome = run(toy_plan(seeds=2, arms=[*ARMS, wild]), tmp_path)
    assert not outcome.failures
    found = [row for row in outcome.rows if row.label == "Wild"]
    assert len(found) == 4
    for row in found:
        assert (row.status, row.value, row.units) == ("diverged", None, None)
        assert row.reason == "a loss was not finite"
    for line in (tmp_path / "results.jsonl").read_text().splitlines():
        read = json.loads(line)
        assert (read["rmse"] is None) == (read["status"] == "diverged")
    paths = write_report(tmp_path, outcome.rows, title="t", command="c", metric=ToyTask.metric)
    assert "diverged" in paths[1].read_text()


def test_students_are_saved_with_their_rows(tmp_path):
    outcome = run(toy_plan(seeds=1, keep=True), tmp_path)
    for row in outcome.rows:
        assert (row.model is not None) == row.is_student
        if row.model:
            path = tmp_path / row.model
            assert path.stat().st_size == row.model_bytes == 16
            assert path.with_suffix(".json").exists()


def test_a_job_that_raises_is_named_and_the_others_are_done(tmp_path):
    broken = Arm("ld", label="Broken", changes={"rows": 10_000})  # more than there are
    outcome = run(toy_plan(seeds=1, arms=[Arm("scratch"), broken]), tmp_path, workers=2)
    assert len(outcome.failures) == 2
    named = sorted(outcome.failures)
    assert "Broken on one" in named[0] and "Broken on other" in named[1]
    assert all("Traceback" in failure for failure in named)
    assert {row.label for row in outcome.rows} == {"Teacher", "Scratch"}


def test_one_process_at_a_time_writes_to_a_folder(tmp_path):
    code = (
        "import sys, time\nfrom tdrec.studies.results import only_writer\n"
        "with only_writer(sys.argv[1]):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(ValueError, match=f"(?s)One process at a time.*{tmp_path}"),
            only_writer(tmp_path),
        ):
            pass
    finally:
        holder.kill()
        holder.wait()
    with only_writer(tmp_path):  # the lock dies with its process
        pass


# Kills -----------------------------------------------------------------------------------------

STUDY = f"""
import sys
sys.path[:0] = [{str(FOLDER)!r}, {str(FOLDER.parent)!r}, {str(FOLDER.parent.parent)!r}]
from pathlib import Path
from test_runner import run, toy_plan
outcome = run(toy_plan(trials=6, pause=0.02), Path(sys.argv[1]), workers=2)
sys.exit(bool(outcome.failures))
"""


def begin(out):
    environment = os.environ | {"OF_THIS_TEST": str(out)}
    return subprocess.Popen(
        [sys.executable, "-c", STUDY, str(out)], env=environment, start_new_session=True
    )


def left_behind(out):
    """Processes that were started, and temporary files."""
    time.sleep(1)
    processes = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("OF_THIS_TEST") == str(out):
                processes.append(process)
    return processes, [path for path in out.rglob("*") if ".tmp" in path.name]


@pytest.mark.parametrize(
    ("kills", "how"),
    [
        pytest.param(3, signal.SIGKILL, marks=pytest.mark.long),
        (1, signal.SIGTERM),
        pytest.param(30, signal.SIGKILL, marks=pytest.mark.long),
    ],
)
@pytest.mark.timeout(900)
def test_kills_cost_nothing_and_leave_nothing(kills, how, undisturbed, tmp_path):
    draw = random.Random(kills)
    out = tmp_path / "disturbed"
    for _ in range(kills):
        process = begin(out)
        time.sleep(draw.uniform(0.5, 9.0))
        process.send_signal(how)
        status = process.wait(timeout=60)
        assert status in (0, -how, 1)
        assert left_behind(out)[0] == []
    assert begin(out).wait(timeout=240) == 0
    assert figures(read_rows(out / "results.jsonl")) == figures(undisturbed.rows)
    assert left_behind(out) == ([], [])
    trials = [json.loads(line)["unit"] for line in (out / "trials.jsonl").read_text().splitlines()]
    assert all(trials.count(unit) == 6 for unit in set(trials))  # none was repeated


def test_a_worker_that_is_lost_costs_what_it_had_in_hand(undisturbed, tmp_path):
    process = begin(tmp_path)
    deadline = time.time() + 60
    killed = 0
    while process.poll() is None and time.time() < deadline:
        time.sleep(1.5)
        workers = (
            [
                p
                for p in psutil.Process(process.pid).children()
                if "tdrec.studies.worker" in " ".join(p.cmdline())
            ]
            if process.poll() is None
            else []
        )
        if workers and killed < 2 and (tmp_path / "trials.jsonl").exists():
            os.kill(workers[0].pid, signal.SIGKILL)
            killed += 1
    assert process.wait(timeout=60) == 0
    assert killed
    assert figures(read_rows(tmp_path / "results.jsonl")) == figures(undisturbed.rows)


# A cluster ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as found,
        distributed.Client(found) as client,
    ):
        yield client


def test_a_cluster_that_loses_a_worker_gives_the_rows_of_this_machine(cluster, tmp_path):
    names = ("one", "other", "third!")
    plan = toy_plan(trials=4, pause=0.05, tasks=names)
    here = run(plan, tmp_path / "here", workers=2)
    executor = cluster.get_executor()
    pids = list(cluster.run(os.getpid).values())

    def lose_one():
        wait_until(psutil.Process(pids[0]).children)
        time.sleep(2)  # of what it was given, it is to have done a part
        os.kill(pids[0], signal.SIGKILL)

    threading.Thread(target=lose_one, daemon=True).start()
    with only_writer(tmp_path / "there") as out:
        there = run_plan(plan, out, tmp_path / "cache", Remote(executor))
    assert not there.failures
    assert pids[0] not in cluster.run(os.getpid).values()  # it was killed, and another one came
    assert figures(there.rows) == figures(here.rows)


def test_a_cluster_ends_what_nobody_waits_for(cluster, tmp_path):
    def workers():
        found = []
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):  # it may end meanwhile
                if "tdrec.studies.worker" in " ".join(process.cmdline()):
                    found.append(process)
        return found

    plan = toy_plan(seeds=50, pause=5.0)
    pool = Remote(cluster.get_executor())

    def run_until_closed():
        with contextlib.suppress(CancelledError):
            run_plan(plan, tmp_path, tmp_path / "cache", pool)

    threading.Thread(target=run_until_closed, daemon=True).start()
    wait_until(workers)
    pool.close()
    wait_until(lambda: not workers())


def wait_until(true):
    deadline = time.time() + 60
    while not true():
        assert time.time() < deadline
        time.sleep(0.5)


# Genres ------------------------------------------------------------------------------------------


def genre_plan(data, arms, seeds=1, trials=0):
    presets = {"strong": SMALL}
    tasks = [GenreTask(name, data) for name in ("War", "Horror")]
    return make_plan(
        Study("Genres", arms), tasks, presets, name="genres", seeds=seeds, trials=trials
    )


def test_a_method_of_ones_own_is_an_arm(data, cache, tmp_path):
    own = Arm("own_method:RoundedLabels", {"weight": 5.0})
    plan = genre_plan(data, [Arm("scratch"), own])
    outcome = run(plan, tmp_path, cache=Path(cache))
    assert not outcome.failures
    rows = {(row.task, row.label): row for row in outcome.rows}
    for genre in ("War", "Horror"):
        row = rows[genre, "RoundedLabels weight=5"]
        assert row.variant is True and row.arguments == {"weight": 5.0}
        assert row.curve[-1]["rounded_loss"] > 0
        assert row.value != rows[genre, "Scratch"].value
    teachers = {row.teacher for row in outcome.rows}
    assert len(teachers) == 1 and len(teachers.pop()) == 64  # one teacher, known by its weights
    write_report(
        *(tmp_path, outcome.rows), title="t", command="c", metric=plan.metric, task=GenreTask
    )


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_cluster_shares_no_disk(data, cache, cluster, tmp_path):
    """Teachers are trained once, by the cluster, and given to whoever needs them."""
    plan = genre_plan(data, [Arm("scratch"), Arm("ld"), Arm("td")], seeds=2, trials=2)
    here = run(plan, tmp_path / "here", workers=2)
    with only_writer(tmp_path / "there") as out:
        executor = cluster.get_executor()
        there = run_plan(plan, out, tmp_path / "there" / "cache", Remote(executor))
    assert not here.failures and not there.failures
    assert values_of(there.rows) == values_of(here.rows)
    assert {row.teacher for row in there.rows} == {row.teacher for row in here.rows}
    kept = {p.name for p in (tmp_path / "there" / "cache").glob("*.keras")}
    assert kept == {p.name for p in (tmp_path / "here" / "cache").glob("*.keras")}
    assert len(kept) == 2  # of all training rows, and of those before the validation rows
