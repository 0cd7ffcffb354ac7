import keras
import numpy as np
import pytest

from lessons import Lesson
from tdrec.distill.methods import (
    FeatureDistillation,
    FitNet,
    Scratch,
    TalkingModels,
)
from tdrec.distill.methods.sum import Sum
from tdrec.distill.model_split import Trace


def test_identity_compares_the_states_themselves():
    low, high = (np.random.default_rng(i).normal(size=(2, 6, 4)) for i in range(2))
    student, teacher = (Trace(low[i], high[i], None) for i in range(2))
    shapes = Trace((None, 4), (None, 4), (None, 1))
    found = {}
    for method in (FeatureDistillation(3.0, identity=True), FitNet(3.0, identity=True)):
        method.build(shapes, shapes)
        assert method.variables == []
        found |= method.compute_loss(student, teacher, student_middle=None, teacher_middle=None)
    # What keras.distillation.FeatureDistillation computes, at each of the two states.
    peer = sum(keras.losses.MeanSquaredError()(*pair) for pair in (low, high))
    np.testing.assert_allclose(found["hint_loss"], 3.0 * peer, rtol=1e-6)
    np.testing.assert_allclose(found["feature_loss"], 3.0 * peer / 2, rtol=1e-6)


@pytest.mark.parametrize("kind", [FeatureDistillation, FitNet])
def test_identity_needs_equal_widths(kind):
    with pytest.raises(ValueError, match=r"Received: low \(None, 5\) and \(None, 7\).*Leave"):
        Lesson(kind(identity=True))


@pytest.mark.parametrize("method", [FeatureDistillation, FitNet, TalkingModels])
@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: Sum([m, Scratch()])])
def test_states_that_cannot_be_compared_are_refused_with_both_shapes(method, wrap):
    def traced(side):
        return Trace((None, side, side, 4), (None, side, side, 6), (None, 1))

    with pytest.raises(ValueError, match=r"\(None, 8, 8, 4\) \(student\) and \(None, 4, 4, 4\)"):
        wrap(method()).check_shapes(traced(8), traced(4))
    with pytest.raises(ValueError, match="a student that shows none. Cut it"):
        wrap(method()).check_shapes(Trace(None, None, (None, 1)), traced(4))
    wrap(method()).check_shapes(traced(4), traced(4))
