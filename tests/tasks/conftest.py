"""One session of the small data, for all tests of a process."""

import pytest

from tdrec.tasks.genre import GenreTask
from tdrec.tasks.ratings.session import RatingSession


@pytest.fixture(scope="session")
def session(holdout, cache):
    """Keeps what it compiled last, so tests that run TD on it stand one after the other."""
    return RatingSession(holdout, cache)


@pytest.fixture(scope="session")
def drama(data):
    return GenreTask("Drama", data)


@pytest.fixture(scope="session")
def war(data):
    return GenreTask("War", data)
