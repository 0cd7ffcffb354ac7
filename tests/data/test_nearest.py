import pytest

from tdrec.data.nearest import nearest

NAMES = ["userId", "movieId", "Rating"]


@pytest.mark.parametrize(
    ("name", "found"), [("userid", "userId"), ("usrId", "userId"), ("rating", "Rating")]
)
def test_the_nearest_name_is_said_as_it_is_written(name, found):
    assert nearest(name, NAMES) == f"Did you mean {found!r}?"


def test_without_a_near_one_all_are_said_but_not_too_many():
    assert nearest("xyz", NAMES) == "Choose from: userId, movieId, Rating."
    many = [f"column {i}" for i in range(30)]
    assert nearest("xyz", many) == f"Choose from: {', '.join(many[:20])}, ...."


def test_of_very_many_names_the_first_ones_are_compared():
    many = [f"user {i}" for i in range(20_000)]
    assert nearest("usr 9999", many) == "Did you mean 'user 9999'?"
    assert nearest("movie", [*many, "movies"]).startswith("Choose from: user 0")
