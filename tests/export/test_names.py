import pytest

from tdrec.export.names import served_names


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["user", "Movie_2", "user-id", "movie.id", "1st"], None),
        (["user id", "movie/id", "_user", "a:0"], ["user_id", "movie_id", "user", "a_0"]),
        (["class", "None", "self"], ["class_", "None_", "self_"]),
        (["użytkownik", "été", "фильм", "映画"], ["uzytkownik", "ete", "unnamed", "unnamed_2"]),
        (["User", "user", "USER"], ["User", "user_2", "USER_3"]),
        (["user-id", "user_id", "user.id"], ["user-id", "user_id_2", "user.id_3"]),
        (["user id", "user_id"], ["user_id_2", "user_id"]),  # a plain name is never taken away
        (["", " "], ["unnamed", "unnamed_2"]),
    ],
)
def test_names_are_kept_where_they_can_be(names, expected):
    assert list(served_names(names).items()) == list(zip(names, expected or names, strict=True))


def test_other_names_that_are_taken():
    assert served_names(["prediction", "user"], taken=["Prediction"]) == {
        "prediction": "prediction_2",
        "user": "user",
    }
