"""Numbers as people write them, decided from the whole column."""

import duckdb
import pytest

from consumers.file_import.numbers import bare, number, styles


def read(*written, decimal=None):
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE dressed AS SELECT unnest(?::VARCHAR[]) AS n", [list(written)])
        connection.execute(f"CREATE TABLE cells AS SELECT {bare('n')} AS n FROM dressed")
        (style,) = styles(connection, "cells", {"n": False}, decimal)
        return [row[0] for row in connection.execute(f"SELECT {number('n', style)} FROM cells").fetchall()]


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        (["4,50", "1.299,00", "1,5", "1.234"], [4.5, 1299, 1.5, 1234]),
        (["4.50", "1,299.00", "1.234", "1,234"], [4.5, 1299, 1.234, 1234]),
        (["12,00 €", "€ 3,50", "4,50 EUR", "kr 12,5", "2,50 zł"], [12, 3.5, 4.5, 12.5, 2.5]),
        (["4.50 USD", "$1,299.00", "US$ 3", "Rs. 450", "CHF 1'234.50"], [4.5, 1299, 3, 450, 1234.5]),
        (["1 234,50", "1\u202f234\u00a0567,5"], [1234.5, 1_234_567.5]),
        (["-4.50", "(4.50)", "4.50-", "\u22124.50", "-€4.50"], [-4.5] * 5),
        (["12,-", "12.\u2013"], [12, 12]),
        (["1e-9", "1E5", ".5", "5."], [1e-9, 1e5, 0.5, 5]),
        (["1,23,456.00"], [123_456]),
    ],
)
def test_the_column_tells_how_its_numbers_are_written(written, read_as):
    assert read(*written) == read_as


def test_what_is_not_written_as_the_column_is_not_understood():
    assert read("4.50", "19,90", "3.00", "free", "3 pcs", "1.2k") == [4.5, None, 3, None, None, None]


def test_where_nothing_tells_a_comma_is_not_guessed():
    assert read("1,234", "2,500") == [None, None]
    assert read("1.234", "2.500") == [1.234, 2.5]


@pytest.mark.parametrize(("decimal", "read_as"), [(",", [1.234, 2500.0]), (".", [1234.0, 2.5])])
def test_the_mark_that_was_named_decides(decimal, read_as):
    assert read("1,234", "2.500", decimal=decimal) == read_as


def test_a_column_in_which_nothing_decides_follows_the_others():
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE cells AS SELECT '1.000' AS quantity, '4,50' AS price")

        quantity, price = styles(connection, "cells", {"quantity": False, "price": False}, None)

    assert (quantity.decimal, price.decimal) == (",", ",")
