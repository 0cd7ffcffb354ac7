import numpy as np
import pytest

from tdrec.data import FeatureEncoder, Movies, split_by_time

TRAIN = [(5, 10, 4.0, 100), (2, 30, 1.0, 90), (5, 20, 5.0, 80)]


def test_encoding_by_hand(make_ratings):
    encoder = FeatureEncoder.fit(make_ratings(TRAIN), title_words=3)
    # Words of two or more of the three rated titles. "the", "1990" are in one only.
    assert encoder.words.to_list() == ["1995", "blue", "door", "kite"]
    assert (encoder.users.to_list(), encoder.movies.to_list()) == ([2, 5], [10, 20, 30])
    features = encoder.encode(make_ratings([(5, 30, 1, 1), (9, 20, 1, 1), (2, 7, 1, 1)]))
    assert {name: (f.dtype, f.shape) for name, f in features.items()} == {
        "user": (np.int32, (3,)),
        "movie": (np.int32, (3,)),
        "title": (np.int32, (3, 3)),
        "genres": (np.float32, (3, 3)),
    }
    assert features["user"].tolist() == [2, 0, 1]
    assert features["movie"].tolist() == [3, 2, 0]
    # "The Blue Door (1995)", "Kite & Door (1995)", "Été (1988)" of which nothing is known
    assert features["title"].tolist() == [[2, 3, 1], [4, 3, 1], [0, 0, 0]]
    assert features["genres"].tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 0]]


def test_an_unseen_movie_keeps_its_words_and_genres(make_ratings):
    encoder = FeatureEncoder.fit(make_ratings([(1, 30, 1, 1), (1, 20, 1, 1)]))
    features = encoder.encode(make_ratings([(1, 10, 1, 1)]))  # "Blue Kite (1990)"
    assert features["movie"].tolist() == [0]
    assert encoder.words.to_list() == ["1995", "door"]
    assert features["genres"].tolist() == [[1, 0, 0]]
    wider = FeatureEncoder.fit(make_ratings(TRAIN))
    unseen = make_ratings([(1, 10, 1, 1)])
    assert (
        wider.encode(unseen)["title"][0, :2].tolist()
        == wider.words.lookup(["blue", "kite"]).tolist()
    )


def test_long_titles_keep_their_first_known_words(make_ratings):
    encoder = FeatureEncoder.fit(make_ratings(TRAIN), title_words=1)
    assert encoder.encode(make_ratings(TRAIN))["title"].tolist() == [[2], [2], [4]]


def test_nothing_of_the_evaluation_rows_leaks_in(make_ratings):
    rows = [*TRAIN, (77, 7, 3.0, 500)]
    holdout = split_by_time(make_ratings(rows), 0.25)
    encoder = FeatureEncoder.fit(holdout.train)
    assert 77 not in encoder.users.values
    assert 7 not in encoder.movies.values


def test_no_rows_encode_to_no_rows(make_ratings):
    features = FeatureEncoder.fit(make_ratings(TRAIN)).encode(make_ratings([]))
    assert [f.shape for f in features.values()] == [(0,), (0,), (0, 8), (0, 3)]


def test_the_order_of_the_training_rows_has_no_influence(make_ratings):
    assert FeatureEncoder.fit(make_ratings(TRAIN)) == FeatureEncoder.fit(make_ratings(TRAIN[::-1]))


def test_json_round_trip(make_ratings, tmp_path):
    encoder = FeatureEncoder.fit(make_ratings(TRAIN), title_words=5)
    path = tmp_path / "encoder.json"
    path.write_text(encoder.to_json(), encoding="utf-8")
    again = FeatureEncoder.from_json(path.read_text(encoding="utf-8"))
    assert again == encoder
    for before, after in zip(
        encoder.encode(make_ratings(TRAIN)).values(),
        again.encode(make_ratings(TRAIN)).values(),
        strict=True,
    ):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "read from JSON text"),
        ("[]", "Received: 'list'"),
        ('{"format": "other"}', "Received: 'other'"),
        ('{"format": "tdrec.FeatureEncoder/1", "users": []}', "Received: 'tdrec.FeatureEncoder/1'"),
        ('{"format": "tdrec.FeatureEncoder/2", "users": []}', "Received: KeyError.'features'"),
        (
            '{"format": "tdrec.FeatureEncoder/2", "features": [{"kind": "id", "name": "user"}]}',
            "missing 1 .*'vocabulary'",
        ),
        ('{"format": "tdrec.FeatureEncoder/2", "features": []}', "two ids. Received: .."),
    ],
)
def test_wrong_json_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        FeatureEncoder.from_json(text)


def test_wrong_use_is_refused(make_ratings, movies):
    with pytest.raises(ValueError, match=r"at least one row"):
        FeatureEncoder.fit(make_ratings([]))
    with pytest.raises(ValueError, match=r"`title_words` must be at least 1. Received: 0"):
        FeatureEncoder.fit(make_ratings(TRAIN), title_words=0)
    encoder = FeatureEncoder.fit(make_ratings(TRAIN))
    other = type(movies)(movies.ids, movies.titles, movies.genres, ("Comedy", "Drama", "War"))
    with pytest.raises(ValueError, match=r"genres must be those of the training rows"):
        encoder.encode(make_ratings(TRAIN, movies=other))


def test_real_titles_and_unseen_rows(movielens):
    holdout = split_by_time(movielens)
    encoder = FeatureEncoder.fit(holdout.train)
    features = encoder.encode(holdout.test)
    assert encoder.words.lookup(["1995", "the"]).all()
    assert np.mean(features["user"] == 0) == pytest.approx(holdout.cold_share)
    assert np.mean(features["movie"] == 0) == pytest.approx(holdout.unseen_item_share)
    assert (features["genres"].sum(axis=1) >= 1).all()


def titled(movies, titles):
    return Movies(movies.ids, titles, movies.genres, movies.genre_names)


def test_words_of_any_script(make_ratings, movies):
    titles = ("Сталкер, Фильм (1979)", "Фильм 《千と千尋》", "千と千尋 – Été", "CAFÉ été’s")
    ratings = make_ratings(TRAIN, movies=titled(movies, titles))
    encoder = FeatureEncoder.fit(ratings)
    assert encoder.words.to_list() == ["фильм", "千と千尋"]
    rated = [movies.ids.tolist().index(movie) for _, movie, _, _ in TRAIN]
    shown = {0: [1, 0], 1: [1, 2], 2: [2, 0]}
    assert encoder.encode(ratings)["title"][:, :2].tolist() == [shown[row] for row in rated]


def test_accents_cut_words_as_ever(make_ratings, movies):
    titles = ("Café Été", "CAFÉ", "caf ETE", "x")
    encoder = FeatureEncoder.fit(make_ratings(TRAIN, movies=titled(movies, titles)))
    assert encoder.words.to_list() == ["caf"]
