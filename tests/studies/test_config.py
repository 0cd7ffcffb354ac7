"""Tests of what the configurations of all tasks have."""

from dataclasses import dataclass, field

import pytest

from tdrec.studies.config import Config, changed


@dataclass(frozen=True)
class Part:
    epochs: int = 3
    sizes: tuple[int, int] = (8, 4)


@dataclass(frozen=True, kw_only=True)
class Own(Config):
    part: Part = Part()
    rates: dict[str, float] = field(default_factory=lambda: {"user": 0.3})

    def defaults(self, method):
        return {"weight": 10.0, "size": 2} if method == "ld" else {}


CONFIG = Own(preset="p", batch_size=4, learning_rate=0.1, steps=20)


def test_arguments_are_the_defaults_and_what_differs():
    config = changed(CONFIG, {"methods": {"ld": {"weight": 3.0}, "td": {"rounds": 1}}})
    assert config.arguments("ld") == {"weight": 3.0, "size": 2}
    assert config.arguments("td") == {"rounds": 1}
    assert config.arguments("scratch") == {}


def test_a_configuration_has_nothing_to_tune_unless_it_says_so():
    assert CONFIG.space("ld") == CONFIG.values("ld") == {}
    assert CONFIG.tuned("ld", {}) is CONFIG


def test_changes_reach_into_parts_and_leave_the_rest():
    found = changed(CONFIG, {"steps": 40, "part": {"epochs": 1}})
    assert (found.steps, found.part) == (40, Part(1, (8, 4)))
    assert CONFIG.part == Part() and CONFIG.steps == 20
    assert changed(CONFIG, {}) == CONFIG
    # A part can be given whole, and a mapping that is no part is.
    assert changed(CONFIG, {"part": Part(9)}).part == Part(9)
    assert changed(CONFIG, {"rates": {"movie": 0.1}}).rates == {"movie": 0.1}


@pytest.mark.parametrize(
    ("changes", "known", "name"),
    [
        ({"stepz": 3, "steps": 20}, "batch_size, learning_rate, methods, .*steps", "stepz"),
        ({"part": {"epoch": 3}}, "epochs, sizes", "epoch"),
        ({"b": 1, "a": 2}, "batch_size", "a, b"),
    ],
)
def test_changes_of_what_there_is_not_are_refused(changes, known, name):
    with pytest.raises(ValueError, match=rf"Changes must be of {known}.*\. Received: {name}\.$"):
        changed(CONFIG, changes)
