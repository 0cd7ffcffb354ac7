import numpy as np

from small_student import SMALL, small_student
from tdrec.data import Vocabulary
from tdrec.export.checked_rows import SAMPLE_ROWS, CheckedRows
from tdrec.export.served import ServedStudent


def rows_of(values, vocabulary):
    sample = {"user": np.array(values)}
    vocabularies = {} if vocabulary is None else {"user": vocabulary}
    return CheckedRows(ServedStudent.of(small_student(), sample, vocabularies))


def test_values_and_indices_that_stand_for_nothing_come_after_the_sample():
    rows = rows_of([6, 7], SMALL["vocabularies"]["user"])
    raw, indices, valid = (
        part["user"].tolist() for part in (rows.raw_values, rows.indices, rows.valid_indices)
    )
    assert raw == [6, 7, 5, 6, -1, 0, 2**40, -(2**63), 2**63 - 1]
    assert indices == [2, 0, 1, 2, 0, 0, 0, 0, 0, -1, 3, 2**31 - 1, -(2**31)]
    assert valid == [2, 0, 1, 2, *[0] * 9]


def test_of_a_long_sample_the_first_rows_are_taken_and_the_sample_stays_as_it_is():
    values = np.resize([5, 6], 1000)
    rows = rows_of(values, SMALL["vocabularies"]["user"])
    assert len(rows.raw_values["user"]) == SAMPLE_ROWS + 7
    assert len(rows.indices["user"]) == SAMPLE_ROWS + 7 + 4
    np.testing.assert_array_equal(values, np.resize([5, 6], 1000))


def test_strings():
    rows = rows_of(["ann"], Vocabulary(("ann", "bob")))
    assert rows.raw_values["user"].tolist() == ["ann", "ann", "bob", "", "bob?"]
    assert rows.indices["user"].tolist()[:5] == [1, 1, 2, 0, 0]


def test_inputs_without_a_vocabulary_are_numbers_of_the_students_type():
    rows = rows_of([1, 2], None)
    for part in (rows.raw_values, rows.indices, rows.valid_indices):
        assert part["user"].dtype == np.int32 and part["user"].tolist() == [1, 2]
