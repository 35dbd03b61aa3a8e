"""Ids that are none, and ids that are one however they were written."""

import duckdb
import pytest

from consumers.file_import.cells import NULL_WORDS, identity, is_scientific


def read(value, kind="VARCHAR"):
    with duckdb.connect() as connection:
        return connection.execute(
            f"SELECT {identity('a', kind)} FROM (SELECT CAST(? AS {kind}) AS a)", [value]
        ).fetchone()[0]


@pytest.mark.parametrize(
    "word", [*NULL_WORDS, "NULL", "NaN", "\\N", "None", "N/A", " nan ", "", " \u00a0\u200b", "\ufeff"]
)
def test_a_word_for_nothing_is_no_id(word):
    assert read(word) is None


@pytest.mark.parametrize(
    "kept", ["0", "guest", "nancy", "null-1", "007", "1.5", "85123A", "12e45678", "1E5", "-1", "a b", "é"]
)
def test_what_only_looks_like_it_is_kept(kept):
    assert read(kept) == kept


@pytest.mark.parametrize(
    ("written", "id_"),
    [
        ("17850.0", "17850"),
        ("17850.00", "17850"),
        ("17850,0", "17850"),
        ("007.0", "007"),
        (" 17850 ", "17850"),
        ("\u00a017850\u202f", "17850"),
        ("\u200b17850\ufeff", "17850"),
        ("\ttea\t", "tea"),
        ('="007"', "007"),
    ],
)
def test_an_id_is_one_however_a_tool_wrote_it(written, id_):
    assert read(written) == id_


@pytest.mark.parametrize("kind", ["DOUBLE", "FLOAT", "DECIMAL(9,2)", "INTEGER"])
def test_a_typed_id_is_that_of_a_text(kind):
    assert read(17850, kind) == "17850"


@pytest.mark.parametrize(
    ("written", "kind", "scientific"),
    [
        ("1.23E+05", "VARCHAR", True),
        ("1,23E+05", "VARCHAR", True),
        ("4E+12", "VARCHAR", True),
        ("1e16", "DOUBLE", True),
        ("20000001", "FLOAT", True),
        ("12345e67", "VARCHAR", False),
        ("8E5", "VARCHAR", False),
        ("123456789012", "DOUBLE", False),
    ],
)
def test_an_id_whose_digits_were_cut_off_is_seen(written, kind, scientific):
    with duckdb.connect() as connection:
        ids = f"SELECT {identity('a', kind)} AS id FROM (SELECT CAST(? AS {kind}) AS a)"
        query = f"SELECT {is_scientific('id')} FROM ({ids})"

        assert connection.execute(query, [written]).fetchone()[0] is scientific
