import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdrec.data import Vocabulary

integers = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20)


@given(known=integers, asked=integers)
def test_lookup_agrees_with_a_dictionary(known, asked):
    vocabulary = Vocabulary.fit(np.array(known, np.int64))
    index = {value: i for i, value in enumerate(sorted(set(known)), start=1)}
    result = vocabulary.lookup(np.array(asked + known, np.int64))
    assert result.dtype == np.int32
    assert result.tolist() == [index.get(value, 0) for value in asked + known]


@given(known=st.lists(st.text(max_size=5)), asked=st.lists(st.text(max_size=5)))
def test_lookup_of_strings_agrees_with_a_dictionary(known, asked):
    # NumPy strings cannot end in zero characters.
    known, asked = ([s.rstrip("\0") for s in part] for part in (known, asked))
    vocabulary = Vocabulary.fit(np.array(known, str))
    index = {value: i for i, value in enumerate(sorted(set(known)), start=1)}
    assert vocabulary.lookup(asked + known).tolist() == [index.get(v, 0) for v in asked + known]


@given(known=integers)
def test_indices_run_from_one_and_the_list_makes_the_same_vocabulary(known):
    vocabulary = Vocabulary.fit(np.array(known, np.int64))
    values = vocabulary.to_list()
    assert vocabulary.lookup(values).tolist() == list(range(1, vocabulary.size))
    assert Vocabulary.from_list(json.loads(json.dumps(values))) == vocabulary


def test_values_keep_the_order_given():
    assert Vocabulary((30, 10)).lookup([10, 30, 20]).tolist() == [2, 1, 0]


def test_unseen_negative_and_huge_values_are_out_of_vocabulary():
    vocabulary = Vocabulary((1, 2**63 - 1))
    assert vocabulary.lookup([-1, 0, 5, 1]).tolist() == [0, 0, 0, 1]
    assert vocabulary.lookup([2**80, 1, -(2**80)]).tolist() == [0, 1, 0]
    assert vocabulary.lookup(np.array([2**64 - 1, 2**63 - 1], np.uint64)).tolist() == [0, 2]
    negative = Vocabulary((-1, 3))
    assert negative.lookup(np.array([2**64 - 1, 3], np.uint64)).tolist() == [0, 2]


def test_lookup_keeps_the_shape():
    assert Vocabulary((1, 2)).lookup([[1, 2, 3], [2, 2, 2]]).tolist() == [[1, 2, 0], [2, 2, 2]]
    assert Vocabulary((1,)).lookup(np.zeros((0, 3), int)).shape == (0, 3)
    assert Vocabulary(("a",)).lookup([["a"], ["b"]]).tolist() == [[1], [0]]


def test_an_empty_vocabulary_knows_nothing():
    assert Vocabulary(()).size == 1
    assert Vocabulary(()).lookup([1, 2]).tolist() == [0, 0]
    assert Vocabulary.fit([]).lookup(["a"]).tolist() == [0]


def test_rare_values_are_left_out():
    assert Vocabulary.fit([3, 1, 3, 2, 2, 3], min_count=2).to_list() == [2, 3]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Vocabulary((1, 2, 1)), "must differ. Received: 1"),
        (
            lambda: Vocabulary((1, "a")),
            r"integers only or strings only. Received: \['int', 'str'\]",
        ),
        (lambda: Vocabulary((1.5,)), "Received: .*float"),
        (lambda: Vocabulary((True,)), "Received: .*bool"),
        (lambda: Vocabulary.fit([1.5]), "integers or strings. Received: float64"),
        (lambda: Vocabulary.fit([1], min_count=0), "at least 1. Received: 0"),
        (lambda: Vocabulary((1,)).lookup(["1"]), "holds integers. Received: <U1"),
        (lambda: Vocabulary((1,)).lookup([1.0]), "holds integers. Received: float64"),
        (lambda: Vocabulary(("1",)).lookup([1]), "holds strings. Received: int64"),
    ],
)
def test_wrong_values_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
