from dataclasses import replace

import pytest

from tdrec import methods
from tdrec.config import METHOD_DEFAULTS, METHODS, REGIMES


def test_names_and_defaults_fit_the_methods():
    assert tuple(methods.METHODS) == METHODS
    for name in METHODS:
        assert methods.get(name, **METHOD_DEFAULTS.get(name, {})).terms is not None


def test_labels_tell_variants_apart():
    config = REGIMES["strong"]
    assert config.label("td") == "TD k=2"
    assert config.label("ld") == "LD"
    changed = replace(config, methods={"td": {"rounds": 0, "state_weight": 0.5}})
    assert changed.label("td") == "TD k=0 state_weight=0.5"
    assert changed.label("ld") == "LD"
    first = replace(config, methods={"td": {"target": "original"}})
    assert first.label("td") == "TD k=2 target=original"


def test_the_paper_regime_has_no_id_dropout():
    assert REGIMES["strong"].id_dropout["user"] > 0
    assert not REGIMES["paper"].id_dropout


@pytest.mark.parametrize("ramp_up", [(30, 20), (20, -20), (20,)])
def test_a_ramp_up_is_of_whole_executions(ramp_up):
    with pytest.raises(ValueError, match=r"two multiples of 20.* Received: \("):
        replace(REGIMES["strong"], ramp_up=ramp_up)


@pytest.mark.parametrize("changes", [{"teacher_members": 0}, {"teacher_bias_weight": -1.0}])
def test_a_teacher_of_nothing_is_refused(changes):
    (name,) = changes
    with pytest.raises(ValueError, match=f"`{name}` must be at least .* Received: {changes[name]}"):
        replace(REGIMES["strong"], **changes)
