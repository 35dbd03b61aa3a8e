"""CSV files as people have them: which lines are records, whatever the quotation marks, and that none gets lost."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.file_import.csv_lines import CleanCsv, clean_csv

HEADER = "customer_id,order_id,product_id,ts,title\n"
TIME = "2026-03-01"


def clean(text: str, piece: int = 1 << 20, **options) -> tuple[CleanCsv, list[list[str]]]:
    """What a text holds, and its records as a strict reader finds them in the clean file."""
    out = io.BytesIO()
    found = clean_csv((text[at : at + piece] for at in range(0, len(text), piece)), out, **options)
    assert found is not None
    rows = list(csv.reader(io.StringIO(out.getvalue().decode(), newline=""), delimiter=found.delimiter, strict=True))
    account = found.account
    of_rows = account.rows - len(account.long_rows) + sum(account.long_lines)
    assert len(rows) == account.rows
    assert of_rows + account.other + account.rejected.total() == account.total
    return found, rows


def titles(text: str, **options) -> list[str]:
    return [row[4] for row in clean(HEADER + text, **options)[1]]


def line(number: int, title: str) -> str:
    return f"c-{number},o-{number},p-{number},{TIME},{title}\n"


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_a_quotation_mark_that_is_never_closed_costs_nothing(piece):
    text = line(1, '"3 inch nail') + line(2, "cup") + line(3, "pot")

    assert titles(text, piece=piece) == ['"3 inch nail', "cup", "pot"]


@pytest.mark.parametrize("between", [1, 5, 900, 5_000])
def test_a_quotation_mark_that_another_closes_lines_later_swallows_none_of_them(between):
    lines = [line(number, f"thing {number}") for number in range(2, between + 2)]
    text = line(1, '"3 inch nail') + "".join(lines) + line(9, 'bolt 4"') + line(10, "end")

    assert len(titles(text)) == between + 3


def test_a_stray_quotation_mark_in_the_middle_of_a_record_swallows_nothing():
    text = f'c-1,o-1,"3 nail,{TIME},x\n' + line(2, "cup") + f'c-3,o-3,bolt 4",{TIME},y\n'

    assert [row[2] for row in clean(HEADER + text)[1]] == ['"3 nail', "p-2", 'bolt 4"']


@pytest.mark.parametrize(
    "title",
    [
        "first\nsecond, third",
        "a\n\n\nb",
        "Ana\nMain St 5, 12345, Berlin, Germany, Europe",
        'say ""hi"",\nthen go',
        "\n",
    ],
)
def test_real_line_breaks_within_quotation_marks_are_kept(title):
    text = line(1, f'"{title}"') + line(2, "cup")

    found, rows = clean(HEADER + text)

    assert [row[4] for row in rows] == [title.replace('""', '"'), "cup"]
    assert found.account.rejected == {}
    assert found.account.line_of(2) == 3 + title.count("\n")


def test_a_first_column_with_a_line_break_is_one_record():
    text = f'"c\n1",o-1,p-1,{TIME},x\n' + line(2, "cup")

    assert [row[0] for row in clean(HEADER + text)[1]] == ["c\n1", "c-2"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r'"said \"good\" tea"', 'said "good" tea'),
        ('"said "good" tea"', 'said "good" tea'),
        ('"said "good", twice"', 'said "good", twice'),
        ('3" nail', '3" nail'),
        ('"a, b"', "a, b"),
        (' "a, b"', "a, b"),
        ('""', ""),
    ],
)
def test_quotation_marks_are_read_as_they_were_meant(written, meant):
    assert titles(line(1, written) + line(2, "cup")) == [meant, "cup"]


def test_lines_with_too_many_or_too_few_columns_are_left_out_with_what_stands_in_them():
    found, rows = clean(HEADER + line(1, "a,b") + "c-2,o-2\n\n" + line(3, "fine,,"))

    assert len(rows) == 1
    assert found.account.rejected == {"line has too many columns": 1, "line has too few columns": 1}
    assert [example.line for example in found.account.examples] == [2, 3]


def test_a_first_line_sep_names_what_separates_columns():
    found, rows = clean("sep=|\na|b;c\n1|2;3\n")

    assert (found.columns, rows) == (["a", "b;c"], [["1", "2;3"]])


def test_lines_above_the_header_are_passed_over_and_counted():
    found, rows = clean('Report, "May\n\na,b\n1,2\n', skip=1)

    assert (found.columns, rows, found.account.header, found.account.total) == (["a", "b"], [["1", "2"]], 3, 4)


def test_columns_without_a_name_or_with_the_same_have_names_of_their_own():
    assert clean("id,,ID,id\n1,2,3,4\n")[0].columns == ["id", "column 2", "ID 2", "id 3"]


def test_several_characters_can_separate_columns():
    out = io.BytesIO()
    clean_csv(iter(['a||b\n"1||2"||3|4\n5||"6" 7\n']), out, delimiter="||")

    assert out.getvalue().decode() == '"1||2"||3|4\n"5"||"""6"" 7"\n'


@given(
    st.lists(st.lists(st.text(st.sampled_from('ab1 ,;"\n\\'), max_size=6), min_size=3, max_size=3), min_size=1),
    st.integers(1, 40),
)
def test_no_line_is_ever_lost_whatever_stands_in_it(rows, piece):
    clean("x,y,z\n" + "\n".join(",".join(row) for row in rows), piece)


@given(st.lists(st.lists(st.text(st.sampled_from('ab1 ,"'), max_size=6), min_size=3, max_size=3), min_size=1))
def test_what_a_csv_writer_wrote_is_read_as_it_was_meant(rows):
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([["x", "y", "z"], *rows])

    assert clean(out.getvalue(), delimiter=",")[1] == rows
