"""The import matrix holds: every format, encoding and fault gives the orders it should; no line is missing."""

import pytest

from tests.import_matrix import REFUSED, cases, rows

FOUND = {f"{row.case.kind}: {row.case.name}": row for row in rows()}
ADVICE = {
    "format: Parquet, nested, not asked": "--unnest items",
    "encoding: utf-16-le, not named": "--encoding utf-16-le",
    "encoding: windows-1252, not named": "--encoding windows-1252",
    "fault: preamble, not skipped": "--skip-lines",
    "fault: a list in a cell, not asked": '--split ";"',
    "cell: Excel's days, not named": "--time-format excel",
    "fault: names of another shop": "--customer-column user --time-column when",
}


def test_no_case_has_the_name_of_another():
    assert len(FOUND) == len(cases())


@pytest.mark.parametrize("name", FOUND)
def test_a_file_gives_the_orders_it_should_and_no_line_is_missing(name):
    row = FOUND[name]

    assert (row.orders, row.left_out) == (row.case.orders, row.case.left_out)
    assert row.read + row.left_out + row.other == row.lines
    assert (row.lines == 0) == row.reasons.startswith(REFUSED)


@pytest.mark.parametrize(("name", "option"), ADVICE.items())
def test_what_is_not_read_is_refused_with_the_option_that_reads_it(name, option):
    assert option in FOUND[name].reasons
