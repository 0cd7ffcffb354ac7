"""Teachers that should not help: what a control gives a student in the place of a teacher.

A method that gains as much from one of these does not owe its gain to what the teacher knows.
"""

import keras
import numpy as np

from tdrec.distill.cut import split_model
from tdrec.distill.model_split import ModelSplit, Trace

SEED = 0
"""Of all that is random in a control: it is the same for every student."""


def randomly_interpreting(model: keras.Model, split: ModelSplit) -> ModelSplit:
    """The split with a middle of random weights to interpret with.

    Keras's global seed is set anew.

    Args:
        model: The teacher, functional.
        split: Its split, made by `split_model`.

    Returns:
        A split whose traces are those of `split`, and whose `interpret` runs layers of the same
        architecture with initial weights, the same ones in every call.

    Example:
        >>> control = randomly_interpreting(teacher, teacher_split)
        >>> distiller = Distiller(student_split, control, TalkingModels())
    """
    assert split.cut is not None
    keras.utils.set_random_seed(SEED)
    return split.interpreting_with(split_model(keras.models.clone_model(model), *split.cut[:2]))


def of_other_rows(targets: Trace, variants: int) -> Trace:
    """The teacher's targets, each row's those of another row in the same variant.

    Args:
        targets: Arrays of shape `(variants * rows, ...)`: the variants of all rows, one after the
            other. None in the fields that are not kept.
        variants: How many variants of a row there are.

    Returns:
        The same in another order. It is one cycle through all rows, so that with two rows or more
        no row keeps its own.

    Example:
        >>> of_other_rows(Trace(None, None, np.array([[1.0], [2.0]])), 1).prediction
        array([[2.],
               [1.]])
    """
    rows = next(len(field) for field in targets if field is not None) // variants
    cycle = np.random.default_rng(SEED).permutation(rows)
    other = np.empty(rows, int)
    other[cycle] = np.roll(cycle, 1)
    index = np.concatenate([variant * rows + other for variant in range(variants)])
    return Trace(*(field if field is None else field[index] for field in targets))
