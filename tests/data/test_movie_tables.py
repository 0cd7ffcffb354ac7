import csv

import pandas as pd
import pytest

from tdrec.data import DataError
from tdrec.data.movie_tables import read_1m_movies, read_100k_movies, read_csv_movies


def reader(files):
    return lambda name: (
        files[name] if isinstance(files[name], bytes) else files[name].encode("latin-1")
    )


GENRE = "unknown|0\nAction|1\n\n"
ITEM = "3|Caf\xe9 (1991)|01-Jan-1991||http://example.org|0|1\n1|Door|||x|1|0\n2|Kite|||x|0|0\n"


def test_100k():
    movies = read_100k_movies(reader({"u.item": ITEM, "u.genre": GENRE}))
    assert movies.ids.tolist() == [3, 1, 2]
    assert movies.titles == ("Café (1991)", "Door", "Kite")
    assert movies.genre_names == ("unknown", "Action")
    assert movies.genres.tolist() == [[False, True], [True, False], [False, False]]


def test_1m():
    text = "1::Kite: Caf\xe9 (1990)::War|Drama\r\n9::Door|Gate (1995)::Comedy\r\n"
    movies = read_1m_movies(reader({"movies.dat": text}))
    assert movies.ids.tolist() == [1, 9]
    assert movies.titles == ("Kite: Café (1990)", "Door|Gate (1995)")
    assert movies.genre_names == ("Comedy", "Drama", "War")
    assert movies.genres.tolist() == [[False, True, True], [True, False, False]]


def test_csv_with_quotes_commas_and_movies_of_no_genre():
    text = (
        'movieId,title,genres\n1,"Kite, The ""Blue"" Café (1990)",War|Drama\n'
        "9,Door (1995),(no genres listed)\n"
    )
    movies = read_csv_movies(reader({"movies.csv": text.encode()}))
    assert movies.titles == ('Kite, The "Blue" Café (1990)', "Door (1995)")
    assert movies.genre_names == ("Drama", "War")
    assert movies.genres.tolist() == [[True, True], [False, False]]


def test_a_utf8_mark_and_windows_line_ends_do_no_harm():
    text = "\ufeffmovieId,title,genres\r\n1,Kite,War\r\n"
    assert read_csv_movies(reader({"movies.csv": text.encode()})).titles == ("Kite",)


def test_a_title_with_a_next_line_character_is_one_line():
    movies = read_1m_movies(reader({"movies.dat": b"1::A\x85B::War\n"}))
    assert movies.titles == ("A\x85B",)


TITLES = (
    'Kite, The "Blue" Café (1990)',
    '"Door"',
    'The "Gate"',
    "Face\\Off, The",
    'A "B\\C"',
    "Сталкер (1979)",
    "千と千尋の神隠し",
    "Été",
)


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("dialect", [{"doublequote": False, "escapechar": "\\"}, {}])
@pytest.mark.parametrize("titles", [TITLES, TITLES[:1], TITLES[1:2], TITLES[2:3], TITLES[3:]])
def test_csv_whose_quotes_are_doubled_or_escaped(quoting, dialect, titles):
    frame = pd.DataFrame({"movieId": range(1, len(titles) + 1), "title": titles, "genres": "War"})
    text = frame.to_csv(index=False, quoting=quoting, **dialect)
    assert read_csv_movies(reader({"movies.csv": text.encode()})).titles == titles


@pytest.mark.parametrize(
    ("line", "title"),
    [
        (r'1,"Kite \"Blue\", The",War', 'Kite "Blue", The'),
        (r'1,"Kite \"Blue\"",War', 'Kite "Blue"'),
        (r'1,"\"Blue\" Kite, The",War', '"Blue" Kite, The'),
        (r"1,Kite \"Blue\",War", 'Kite "Blue"'),
        (r'1,"Kite \ Blue, The",War', r"Kite \ Blue, The"),
        (r'1,"Kite, C:\",War', "Kite, C:\\"),
        (r"1,Kite \ Blue,War", r"Kite \ Blue"),
    ],
)
def test_backslashes_in_titles(line, title):
    text = f"movieId,title,genres\n{line}\n2,Door,War\n"
    assert read_csv_movies(reader({"movies.csv": text})).titles == (title, "Door")


def test_faults_of_a_file_with_escaped_quotes_are_named_as_ever():
    start = 'movieId,title,genres\n1,"Kite \\"Blue\\", The",War\n'
    for line, message in (
        ("x,Door,War", "line 3: the movie id"),
        ("2,Door", "line . a line has 3"),
    ):
        with pytest.raises(DataError, match=message.replace("line .", "line [23]:")):
            read_csv_movies(reader({"movies.csv": f"{start}{line}\n"}))


def test_a_quote_that_is_never_closed():
    text = "movieId,title,genres\n" + '1,"Kite,War\n' + "2,Door,War\n" * 20_000
    with pytest.raises(
        DataError, match=r"movies\.csv, line \d+, must be readable as csv.*not closed"
    ):
        read_csv_movies(reader({"movies.csv": text}))


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("1|Door|||x|1|0\n2|Kite|||x|1\n", r"u\.item, line 2: a line has 7 fields.*'2\|Kite"),
        ("1|Door|||x|1|2\n", r"u\.item, line 1: the genre flags are 0 or 1"),
        ("x|Door|||x|1|0\n", r"u\.item, line 1: the movie id is a positive whole number"),
        ("0|Door|||x|1|0\n", "the movie id is a positive whole number"),
        ("9999999999999999999|Door|||x|1|0\n", "the movie id is a positive whole number"),
        ("1|A|||x|1|0\n\n1|B|||x|1|0\n", "line 3: a movie id occurs once; line 1 has it too"),
        ("", r"u\.item must have at least one row"),
        ("1|Door|||x|1|0\n".encode("utf-16"), r"u\.item must be text.*UTF-16"),
    ],
)
def test_bad_100k_movies(item, message):
    with pytest.raises(DataError, match=message):
        read_100k_movies(reader({"u.item": item, "u.genre": GENRE}))


@pytest.mark.parametrize("genre", ["Action\n", "Action|1\n", "Action|0\nWar|2\n", "|0\n"])
def test_bad_100k_genres(genre):
    with pytest.raises(DataError, match=r"u\.genre, line \d: a line is `name\|index`"):
        read_100k_movies(reader({"u.item": ITEM, "u.genre": genre}))


@pytest.mark.parametrize("line", ["1::Door", "1,Door,War", "1::A::B::War"])
def test_bad_1m_movies(line):
    with pytest.raises(DataError, match=r"movies\.dat, line 2: a line has 3 fields"):
        read_1m_movies(reader({"movies.dat": f"5::Gate::War\n{line}\n"}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"id,title,genres\n1,A,War\n", "line 1: the header is 'movieId,title,genres'"),
        (b"movieId,title,genres\n1,A\n", "line 2: a line has 3 fields"),
        (b"movieId,title,genres\n1,A,B,War\n", "line 2: a line has 3 fields"),
        (b"movieId,title,genres\nx,A,War\n", "line 2: the movie id"),
        (b"movieId,title,genres\n", "must list at least one movie"),
        (b"movieId,title,genres\n1,Caf\xe9,War\n", "must be UTF-8.*0xe9 in line 2"),
    ],
)
def test_bad_csv_movies(text, message):
    with pytest.raises(DataError, match=r"movies\.csv.*" + message):
        read_csv_movies(reader({"movies.csv": text}))
