"""What is read from a command line, and what is refused."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tdrec.cli.options import FLAGS, Options, UsageError, help_text, read_options

ROOT = Path(__file__).resolve().parents[2]


def read(door, *arguments) -> Options:
    return read_options(door, [f"tdrec.{door}", *arguments])


def test_defaults_of_a_run_and_of_a_study():
    run, study = read("run"), read("study", "table3")
    assert (run.seeds, run.trials, run.workers, run.threads) == (3, 0, 1, None)
    assert (study.seeds, study.trials, study.threads) == (5, 20, 1)
    assert (run.out, study.out) == (Path("results"), Path("results/table3"))
    assert read("run", "--workers=2").threads == 1  # processes do not take each other's cores
    assert (run.study, study.study) == (None, "table3")


def test_the_options_are_frozen_and_say_what_was_typed():
    options = read("run", "--genre=Film-Noir", "--out=a folder")
    assert options.command == "python -m tdrec.run --genre=Film-Noir '--out=a folder'"
    with pytest.raises(AttributeError):
        options.genre = "War"


def test_flags_of_methods_become_their_arguments():
    assert read("run", "--weight=3").arguments == {
        **{method: {"weight": 3.0} for method in ("ld", "fd", "fitnet")},
        "hybrid": {"label_weight": 3.0, "feature_weight": 3.0},
    }
    flags = ("--rounds=0", "--message_weight=0", "--state_weight=2.5")
    assert read("run", *flags).arguments == {
        "td": {"rounds": 0, "message_weight": 0.0, "state_weight": 2.5}
    }
    assert read("run", "--steps=40", "--learning_rate=0.1").training == {
        "steps": 40,
        "learning_rate": 0.1,
    }


@pytest.mark.parametrize(
    ("door", "arguments", "message"),
    [
        ("run", ["--method=tdd"], "--method must name .*Received: 'tdd'"),
        ("run", ["--method="], "--method must have a value. Received: ''"),
        ("run", ["--genre= ,"], "--genre must have a value"),
        ("run", ["--steps=30"], "--steps must be a positive multiple of 20. Received: 30"),
        ("run", ["--learning_rate=nan"], "--learning_rate must be positive. Received: nan"),
        ("run", ["--weight=0"], "--weight must be positive. Received: 0"),
        ("run", ["--state_weight=-1"], "--state_weight must be at least 0. Received: -1"),
        ("run", ["--seeds=0"], "--seeds must be at least 1. Received: 0"),
        ("run", ["--workers=0"], "--workers must be at least 1"),
        ("run", ["--regime=week"], "regime"),
        ("run", ["--sedes=3"], "sedes"),
        ("run", ["Drama"], "unexpected argument 'Drama'"),
        ("run", ["--task=mnist"], "--task must name .*Received: 'mnist'"),
        ("run", ["--task=cifar10", "--genre=War"], "Images have no --genre"),
        ("run", ["--preset=tiny"], "Genres have no --preset"),
        ("run", ["--task=cifar10", "--teacher=/no/such"], "--teacher must name a folder"),
        ("run", ["--cluster=tcp://a:1", "--workers=2"], "--cluster has workers of its own"),
        ("study", [], "name one study"),
        ("study", ["table3", "table5"], "name one study"),
        ("study", ["table3", "--trials=-1"], "--trials must be at least 0"),
        ("doctor", ["--seed=-1"], "--seed must be at least 0"),
    ],
)
def test_a_wrong_value_is_refused_with_its_rule(door, arguments, message):
    with pytest.raises(UsageError, match=message):
        read(door, *arguments)


def test_a_wrong_value_is_refused_before_anything_heavy_is_imported():
    code = (
        "import sys; from tdrec.cli.main import main\n"
        "status = main('run', ['run', '--steps=30'], '')\n"
        "assert not {'tensorflow', 'keras', 'matplotlib', 'jinja2'} & set(sys.modules)\n"
        "sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("tdrec: --steps must be")


def test_every_flag_of_the_readme_is_in_the_help():
    readme = (ROOT / "README.md").read_text()
    named = set(re.findall(r"^\| `--(\w+)` \|", readme, flags=re.MULTILINE))
    assert named > {"genre", "method", "data", "tuned", "regime"}
    shown = "".join(help_text(door, "") for door in ("run", "study", "doctor"))
    assert all(f"--{name} " in shown for name in named)
    assert all(flag.help.endswith(".") for flag in FLAGS)


def test_a_command_shows_its_own_flags():
    assert "--regimes " in help_text("study", "") and "--regimes " not in help_text("run", "")
    assert "--seed " in help_text("doctor", "") and "--seeds " not in help_text("doctor", "")
