"""What is read from a command line, and what is refused."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tdrec.cli.flags import GROUPS, OF_TABLES
from tdrec.cli.options import Options, UsageError, help_text, read_options
from tdrec.data import Split, TableSource
from tdrec.studies.arm import METHODS

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
        options.segment = "War"


GIVEN = {
    "segment": ("doctor", "NL", {"segment": "NL"}),
    "genre": ("run", "War,Drama", {"segment": "War,Drama"}),
    "method": ("run", "ld, td", {"methods": ("ld", "td")}),
    "seeds": ("study", "4", {"seeds": 4}),
    "trials": ("run", "3", {"trials": 3}),
    "regimes": ("study", "paper,strong", {"presets": ("paper", "strong")}),
    "seed": ("doctor", "7", {"seed": 7}),
    "data": ("doctor", "a.zip", {"data": "a.zip"}),
    "out": ("study", "there", {"out": Path("there")}),
    "cache": ("run", "there", {"cache": Path("there")}),
    "workers": ("run", "3", {"workers": 3, "threads": 1}),
    "cluster": ("run", "tcp://a:1", {"cluster": "tcp://a:1"}),
    "regime": ("doctor", "paper", {"presets": ("paper",)}),
    "tuned": ("run", "none", {"tuned": "none"}),
    "steps": ("study", "40", {"training": {"steps": 40}}),
    "batch_size": ("doctor", "7", {"training": {"batch_size": 7}}),
    "learning_rate": ("run", "1e-2", {"training": {"learning_rate": 0.01}}),
    "embeddings": ("doctor", "full", {"wide": True}),
    "rounds": ("run", "0", {"arguments": {"td": {"rounds": 0}}}),
    "weight": ("doctor", "2", {}),
    "interaction_weight": ("run", "0", {"arguments": {"td": {"interaction_weight": 0.0}}}),
    "message_weight": ("run", "2", {"arguments": {"td": {"message_weight": 2.0}}}),
    "state_weight": ("doctor", "2", {"arguments": {"td": {"state_weight": 2.0}}}),
    "task": ("study", "cifar10,cifar10:few", {"tasks": ("cifar10", "cifar10:few")}),
    "preset": ("study", "small", {"presets": ("small",)}),
    "teacher": ("study", str(ROOT), {"checkpoint": str(ROOT)}),
    "validation": ("study", "true", {"validation": True}),
    "cuts": ("study", "0.8,1", {"validation": True, "cuts": (0.8, 1.0)}),
    "split": ("doctor", "random:0.8:7", {"split": Split("random", 0.8, seed=7)}),
    "student_features": ("run", "price", {"features": {"student": ("price",)}}),
    "teacher_features": ("study", "price, name", {"features": {"teacher": ("price", "name")}}),
    "columns": (
        *("run", "user=m,item=o,target=y,time=w,weight=h"),
        {"user": "m", "item": "o", "target": "y", "time": "w", "weight": "h"},
    ),
    "items": ("study", "c.csv", {"items": "c.csv"}),
    "item_columns": ("doctor", "item=offer", {"item_id": "offer"}),
    "segment_column": ("run", "country", {"segment": "country"}),
    "segment_separator": ("run", ", ", {"segment_separator": ", "}),
    "features": ("run", "a, b:text", {"features": (("a", None), ("b", "text"))}),
    "target": ("doctor", "binary", {"kind": "binary"}),
    "target_range": ("run", "1,5", {"scale": (1.0, 5.0)}),
    "separator": ("run", ";", {"separator": ";"}),
    "encoding": ("study", "latin-1", {"encoding": "latin-1"}),
}
"""A command that has the flag, a value, and what of the options, or of the table, it comes to."""


FLAGS = [flag for group in GROUPS.values() for flag in group]


@pytest.mark.parametrize("name", [flag.name for flag in FLAGS])
def test_every_flag_is_read(name, tmp_path):
    door, value, expected = GIVEN[name]
    others = ["table3"] if door == "study" else []
    if name in OF_TABLES:
        source = TableSource("a.csv", "u", "i", "t", "s", items="b.csv")
        (tmp_path / "own.toml").write_text(source.to_toml())
        others.append(f"--data={tmp_path / 'own.toml'}")
    plain, options = read(door, *others), read(door, *others, f"--{name}={value}")
    if plain.table:
        expected = {"table": replace(plain.table, **expected)}
    for field, each in expected.items():
        assert getattr(options, field) == each != getattr(plain, field), field
    others = set(vars(plain)) - set(expected) - {"command", "arguments"}
    assert {field: getattr(options, field) for field in others} == {
        field: getattr(plain, field) for field in others
    }


@pytest.mark.parametrize("door", ["run", "study", "doctor"])
@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)
def test_a_command_has_its_own_flags_and_no_others(flag, door):
    study = ["table3"] if door == "study" else []
    if flag.is_of(door):
        assert f"--{flag.name} " in help_text(door, "")
        for empty in ("", ",", " "):
            if flag.name != "validation":
                with pytest.raises(UsageError, match=f"{flag.name}"):
                    read(door, *study, f"--{flag.name}={empty}")
    else:
        assert f"--{flag.name} " not in help_text(door, "")
        with pytest.raises(UsageError, match=f"'{flag.name}'"):
            read(
                door, *study, f"--{flag.name}={flag.kind[0] if isinstance(flag.kind, tuple) else 1}"
            )


def test_where_teachers_are_kept(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert read("run").cache == Path("/somewhere/tdrec")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert read("run").cache == Path.home() / ".cache" / "tdrec"


def test_all_methods_may_be_named_at_once():
    assert read("run", "--method=all").methods == METHODS
    assert read("run", "--method=my.module:Own,auto").methods == ("my.module:Own", "auto")


def test_flags_of_methods_become_their_arguments():
    assert read("run", "--weight=3").arguments == {
        **{method: {"weight": 3.0} for method in ("ld", "fd", "fitnet", "trusted_ld")},
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


TABLE = ["--data=a.csv", "--columns=user=u,item=i,target=t", "--segment_column=s"]
WRONG = [
    ("run", ["--method=tdd"], "--method must name .*Received: 'tdd'"),
    ("run", ["--method="], "--method must have a value. Received: ''"),
    ("run", ["--genre= ,"], "--genre must have a value"),
    ("run", ["--steps=30"], "--steps must be a positive multiple of 20. Received: 30"),
    ("run", ["--steps=0"], "--steps must be a positive multiple of 20. Received: 0"),
    ("run", ["--steps=4.5"], "steps.*4.5"),
    ("run", ["--learning_rate=nan"], "--learning_rate must be positive. Received: nan"),
    ("run", ["--learning_rate=inf"], "--learning_rate must be positive. Received: inf"),
    ("run", ["--batch_size=-1"], "--batch_size must be positive. Received: -1"),
    ("run", ["--weight=0"], "--weight must be positive. Received: 0"),
    ("run", ["--state_weight=-1"], "--state_weight must be at least 0. Received: -1"),
    ("run", ["--message_weight=inf"], "--message_weight must be at least 0. Received: inf"),
    ("run", ["--interaction_weight=nan"], "--interaction_weight must be at least 0"),
    ("run", ["--rounds=-1"], "--rounds must be at least 0. Received: -1"),
    ("run", ["--seeds=0"], "--seeds must be at least 1. Received: 0"),
    ("run", ["--workers=0"], "--workers must be at least 1"),
    ("run", ["--regime=week"], "regime.*paper.*strong"),
    ("run", ["--embeddings=half"], "embeddings.*quarter.*full"),
    ("run", ["--sedes=3"], "sedes"),
    ("run", ["Drama"], "unexpected argument 'Drama'"),
    ("run", ["--task=mnist"], "--task must name .*Received: 'mnist'"),
    ("run", ["--task=cifar10", "--genre=War"], "Images have no --genre beside --task"),
    ("run", ["--task=cifar10", "--regime=paper", "--trials=2"], "no --trials and no --regime"),
    ("run", ["--task=cifar10", "--embeddings=full"], "Images have no --embeddings"),
    ("run", ["--task=cifar10", "--tuned=none"], "Images have no --tuned"),
    ("run", ["--task=next_movie", "--regime=paper"], "Next movies have no --regime beside --task"),
    ("run", ["--task=next_movie", "--trials=2", "--split=user"], "no --trials and no --split"),
    ("run", ["--task=next_movie,cifar10"], "named alone. Received: next_movie, cifar10"),
    ("run", ["--preset=tiny"], "Segments have no --preset: name image tasks by --task"),
    ("run", ["--task=cifar10", "--teacher=/no/such"], "--teacher must name a folder"),
    ("run", ["--cluster=tcp://a:1", "--workers=2"], "--cluster has workers of its own"),
    ("run", ["--segment=War", "--genre=War"], "--genre is --segment by another name"),
    ("run", ["--split=week"], "A split is time, .*Received: 'week'"),
    ("run", ["--split=random:2"], "must lie between 0 and 1, both excluded. Received: 2"),
    ("run", ["--columns=user=u,item=i,target=t"], "--columns is of a table .* no --data"),
    ("doctor", ["--data=a.csv", "--items=b.csv"], "--items is of a table .* no --columns"),
    ("run", [*TABLE, "--segment_separator="], "A separator must have a letter. Received: ''"),
    ("run", TABLE[:2], "needs a column of segments.* no --segment_column"),
    ("run", [*TABLE, "--columns=user=u,item=i"], "must name user, item and target.* no target"),
    ("run", [*TABLE, "--columns=usr=u"], "is a list of role=COLUMN.* 'usr=u'.*user"),
    ("run", [*TABLE, "--item_columns=user=u"], "--item_columns is a list .* 'user=u'"),
    ("run", [*TABLE, "--target_range=1"], "--target_range must be two numbers.* Received: '1'"),
    ("run", [*TABLE, "--features=a:word"], "kind is one of .* Received: a:word"),
    ("run", ["--data=/no/such.toml"], "/no/such.toml must be readable TOML"),
    ("run", ["--task=cifar10", "--split=time"], "Images have no --split"),
    ("study", [], "name one study"),
    ("study", ["table3", "table5"], "name one study"),
    ("study", ["table3", "--trials=-1"], "--trials must be at least 0"),
    ("study", ["table3", "--rounds=1"], "rounds"),
    ("doctor", ["--seed=-1"], "--seed must be at least 0"),
]


@pytest.mark.parametrize(("door", "arguments", "message"), WRONG)
def test_a_wrong_value_is_refused_with_its_rule(door, arguments, message):
    with pytest.raises(UsageError, match=message):
        read(door, *arguments)


def test_wrong_values_end_in_one_line_before_anything_heavy_is_imported():
    more = [  # what plans refuse before they look for data
        *(("run", ["--genre=Dram"]), ("run", ["--data=/no/such/path"]), ("doctor", ["--genre=A"])),
        *(("run", ["--task=cifar10", "--method=auto"]), ("run", ["--data=tfds:movielens/1"])),
        *(("study", ["table33"]), ("doctor", ["--method=td,ld"])),
        *(("study", ["table3", "--regimes=papper"]), ("study", ["table3", "--method=auto"])),
        ("run", ["--rounds=0", "--message_weight=0", "--state_weight=0"]),
    ]
    commands = [(door, arguments) for door, arguments, _ in WRONG] + more
    code = (
        "import json, sys\nfrom tdrec.cli.main import main\n"
        "from tdrec.cli.doctor import main as d\n"
        "for door, arguments in json.loads(sys.argv[1]):\n"
        "    argv = [door, *arguments]\n"
        "    status = d(argv, '') if door == 'doctor' else main(door, argv, '')\n"
        "    assert status == 2, argv\n"
        "assert not {'tensorflow', 'keras', 'pandas', 'matplotlib', 'jinja2'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(commands)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == len(commands) and all(line.startswith("tdrec: ") for line in lines)
    for line, (_, _, message) in zip(lines, WRONG, strict=False):
        assert re.search(message, line)


def test_every_flag_of_the_readme_is_in_the_help():
    readme = (ROOT / "README.md").read_text()
    named = set(re.findall(r"^\| `--(\w+)` \|", readme, flags=re.MULTILINE))
    assert named > {"segment", "method", "data", "split", "tuned", "regime"}
    shown = "".join(help_text(door, "") for door in ("run", "study", "doctor"))
    assert all(f"--{name} " in shown for name in named)


def test_cuts_are_validations_at_several_points_of_time():
    found = read("run", "--cuts=1,0.6,0.8")
    assert found.validation and found.cuts == (0.6, 0.8, 1.0)
    assert not read("run").validation and read("run", "--validation").cuts == ()


@pytest.mark.parametrize("text", ["0.2", "1.1", "a", "0.6,0.6", "nan", "0.8,-1"])
def test_cuts_that_leave_no_rows_are_refused(text):
    with pytest.raises(UsageError, match="--cuts must be different shares.* Received: "):
        read("run", f"--cuts={text}")
