"""When something was bought: what is understood, what is refused, and the cause that is named."""

from datetime import UTC, datetime

import duckdb
import pytest

from consumers.decoding.event_times import start_of_year_s
from consumers.file_import.times import EARLIEST_MS, UnfitTimeFormat, check_format, clock_text, time_text, times

LATEST_MS = 1_900_000_000_000


def judged(written, time_format=None, clock=None, kind="VARCHAR", earliest_ms=EARLIEST_MS):
    """The moment, and why there is none."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        read = times(kind, None if clock is None else "VARCHAR", time_format, LATEST_MS, earliest_ms)
        cell = f"CAST(? AS {kind})"
        texts = f"SELECT {time_text('a', kind)} AS time_text, {clock_text('b', 'VARCHAR')} AS clock_text FROM cells"
        query = f"WITH cells AS (SELECT {cell} AS a, CAST(? AS VARCHAR) AS b), texts AS ({texts})"
        query += f" SELECT time_ms, {read.reason} FROM (SELECT *, {read.ms} AS time_ms FROM texts)"
        time_ms, reason = connection.execute(query, [written, clock]).fetchone()
    return None if reason else datetime.fromtimestamp(time_ms / 1000, UTC).isoformat()[:19], reason


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-03-01 10:15:29 +0200", "2026-03-01T08:15:29"),
        ("2026-03-01 10:15:29+0200", "2026-03-01T08:15:29"),
        ("2026-03-01 10:15:29 -05:30", "2026-03-01T15:45:29"),
        ("2026-03-01T10:15:29,250Z", "2026-03-01T10:15:29"),
        ("2026-03-01T10:15+02", "2026-03-01T08:15:00"),
        ("20260301T101529Z", "2026-03-01T10:15:29"),
        ("20260301T101529+0200", "2026-03-01T08:15:29"),
        ("202603011000", "2026-03-01T10:00:00"),
        ("20260301101529", "2026-03-01T10:15:29"),
        ("20260301", "2026-03-01T00:00:00"),
        ("01.03.2026 14:05", "2026-03-01T14:05:00"),
        ("1.3.2026", "2026-03-01T00:00:00"),
        ("1772359200", "2026-03-01T10:00:00"),
        ("1772359200000", "2026-03-01T10:00:00"),
        ("1 772 359 200", "2026-03-01T10:00:00"),
        ("1.7723592e9", "2026-03-01T10:00:00"),
        (" 2026-03-01\u00a0", "2026-03-01T00:00:00"),
    ],
)
def test_what_can_be_read_in_one_way_only_is_read(written, moment):
    assert judged(written) == (moment, None)


@pytest.mark.parametrize(
    ("written", "cause"),
    [
        ("46082.4375", "Excel day number? give --time-format excel"),
        ("46082,4375", "Excel day number? give --time-format excel"),
        ("402", "--time-format day:YYYY-MM-DD"),
        ("0", "--time-format day:YYYY-MM-DD"),
        ("2026", "year only"),
        ("202603", "month only"),
        ("2026-03", "month only"),
        ("260301", "--time-format %y%m%d"),
        ("1.77E+09", "scientific notation"),
        ("123456789", "before 1995: --time-format"),
        ("202613011000", "before 1995: --time-format"),
        ("-1", "before 1970"),
        ("1970-01-01", "before 1995"),
        ("03/04/2026", "not understood: --time-format"),
        ("yesterday", "not understood: --time-format"),
        ("infinity", "not understood: --time-format"),
        ("epoch", "not understood: --time-format"),
        ("NULL", "no time"),
        ("9999-12-31", "in the future"),
    ],
)
def test_what_is_no_moment_is_refused_with_the_likely_cause(written, cause):
    moment, reason = judged(written)

    assert moment is None
    assert cause in reason


@pytest.mark.parametrize(
    ("written", "time_format", "moment"),
    [
        ("46082.4375", "excel", "2026-03-01T10:30:00"),
        ("46082,4375", "excel", "2026-03-01T10:30:00"),
        ("44620", "excel-1904", "2026-03-01T00:00:00"),
        ("402", "day:2024-01-01", "2025-02-06T00:00:00"),
        ("2", "week:2026-01-01", "2026-01-15T00:00:00"),
        ("36", "hour:2026-01-01", "2026-01-02T12:00:00"),
        ("260301", "%y%m%d", "2026-03-01T00:00:00"),
    ],
)
def test_a_format_that_was_named_is_used(written, time_format, moment):
    assert judged(written, time_format) == (moment, None)


def test_what_does_not_fit_the_format_names_it():
    assert judged("1 March", "excel") == (None, "time not understood by --time-format excel")


@pytest.mark.parametrize(
    ("clock", "moment"),
    [
        ("1631", "16:31:00"),
        ("904", "09:04:00"),
        ("5", "00:05:00"),
        ("163105", "16:31:05"),
        ("16:31", "16:31:00"),
        ("16:31:05", "16:31:05"),
        ("4:31 PM", "16:31:00"),
        ("0.6875", "16:30:00"),
        ("", "00:00:00"),
    ],
)
def test_date_and_time_of_day_may_stand_in_two_columns(clock, moment):
    assert judged("2026-03-01", clock=clock) == (f"2026-03-01T{moment}", None)


def test_a_format_of_both_is_read_from_both_columns():
    assert judged("3/1/2026", "%m/%d/%Y %H.%M", clock="16.31") == ("2026-03-01T16:31:00", None)


def test_a_time_of_day_that_is_none_is_named():
    assert "time of day not understood" in judged("2026-03-01", clock="25:61")[1]


@pytest.mark.parametrize(
    ("kind", "written", "moment"),
    [
        ("TIMESTAMP", "2026-03-01 10:00:00", "2026-03-01T10:00:00"),
        ("DATE", "2026-03-01", "2026-03-01T00:00:00"),
        ("INTEGER", "20260301", "2026-03-01T00:00:00"),
        ("DOUBLE", "1772359200000000000", "2026-03-01T10:00:00"),
    ],
)
def test_a_typed_column_is_read_likewise(kind, written, moment):
    assert judged(written, kind=kind) == (moment, None)


def test_typed_columns_hold_impossible_times_too():
    assert "before 1995" in judged("1970-01-01", kind="DATE")[1]
    assert "Excel day number" in judged("46082", kind="BIGINT")[1]


@pytest.mark.parametrize("time_format", ["iso", "%!", "day:tomorrow"])
def test_a_format_that_is_none_is_refused_with_those_there_are(time_format):
    with duckdb.connect() as connection, pytest.raises(UnfitTimeFormat, match="--time-format"):
        check_format(connection, time_format)


def test_the_earliest_year_is_a_setting_but_small_numbers_are_no_times_whatever_it_is():
    earliest_ms = start_of_year_s(1970) * 1000

    assert judged("1971-01-01", earliest_ms=earliest_ms) == ("1971-01-01T00:00:00", None)
    assert judged("315532801", earliest_ms=earliest_ms) == ("1980-01-01T00:00:01", None)
    assert "Excel day number" in judged("46082", earliest_ms=earliest_ms)[1]
    assert "before 2000" in judged("1999-12-31", earliest_ms=start_of_year_s(2000) * 1000)[1]
