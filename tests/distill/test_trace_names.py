import numpy as np

from tdrec.distill.model_split import Trace
from tdrec.distill.trace_names import flat, nested

ONE, TWO = np.zeros(2), np.ones(2)


def test_what_is_named_is_found_again():
    several = {"teacher_1": {"next/item": ONE, "50%": TWO}, "teacher_2": [ONE, TWO]}
    for trace in (Trace(ONE, TWO, ONE), Trace({"teacher_2": ONE}, None, several)):
        fields = {name: value for name, value in trace._asdict().items() if value is not None}
        assert nested(flat(trace)) == fields


def test_names_are_paths():
    names = flat(Trace(ONE, None, {"a/b": ONE, "c": {"d": TWO}}))
    assert list(names) == ["low", "prediction/a%2Fb", "prediction/c/d"]
