"""What columns mean, guessed by their names and first values."""

import pytest

from tdrec.data import DataError, read_table
from tdrec.data.table_guess import guess


@pytest.fixture
def table(tmp_path):
    def write(name, *lines):
        (tmp_path / name).write_text("\n".join([*lines, ""]))
        return str(tmp_path / name)

    return write


def test_columns_of_a_shop(table):
    path = table(
        "orders.csv", "customer_id,sku,qty,stars,created_at,country,store", "a,7,2,5,100,NL,x"
    )
    found = guess(path)
    source = found.source
    assert (source.user, source.item, source.target) == ("customer_id", "sku", "stars")
    assert (source.time, source.segment, source.kind) == ("created_at", "country", "regression")
    assert found.others == ("qty", "store") and not found.unsure


def test_a_table_of_items_with_another_name_of_the_id(table):
    rows = table("r.dat", "User_ID\tAnime_ID\tFeedback", "1\t5\t8", "2\t6\t3")
    items = table("i.dat", "name\tanime_ids\tgenre", "A\t5\tDrama, War", "B\t6\tWar, Comedy")
    source = guess(rows, items).source
    assert (source.item, source.item_id, source.segment) == ("Anime_ID", "anime_ids", "genre")
    assert source.segment_separator == ", "
    assert set(read_table(source).segment_names) == {"Comedy", "Drama", "War"}


def test_clicks_are_binary_and_one_value_a_row_has_no_separator(table):
    path = table("c.csv", "uid,ad,clicked,device", "1,2,0,phone", "1,3,1,tablet", "2,2,0,phone")
    source = guess(path).source
    assert source.kind == "binary" and source.segment_separator is None


def test_what_is_not_found_is_said(table):
    path = table("x.csv", "who,what,much,where", "1,2,3,4")
    found = guess(path)
    assert set(found.unsure) == {"user", "item", "target", "segment"}
    columns = (found.source.user, found.source.item, found.source.target, found.source.segment)
    assert set(columns) == {"who", "what", "much", "where"}


def test_too_few_columns_are_refused(table):
    with pytest.raises(DataError, match=r"in columns of their own. Received: a, b, c\."):
        guess(table("x.csv", "a,b,c", "1,2,3"))
