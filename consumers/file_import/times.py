r"""When something was bought, out of one column or two, as SQL: milliseconds since 1970 UTC, or why not.

In: the columns' SQL and types, and how times are written if that was named. Out: expressions for the time and for the
reason why there is none. Promise: a number that would be before the earliest year is no time, and the reason names what
it probably is; nothing is guessed that can be read in two ways (03/04/2026).
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

import duckdb

from consumers.decoding.event_times import EARLIEST_YEAR, start_of_year_s
from consumers.file_import.cells import is_numeric, text

EARLIEST_MS = start_of_year_s(EARLIEST_YEAR) * 1000
"""What the service takes by default; earlier "purchases" are day numbers, missing times and slips."""

_LEAST_NUMBER_MS = start_of_year_s(1980) * 1000  # smaller numbers count days or years, whatever the earliest year is
_EXCEL_DAYS = {"excel": 25_569, "excel-1904": 24_107}  # the number of 1970-01-01
_UNITS_MS = {"day": 86_400_000, "week": 604_800_000, "hour": 3_600_000}
_TYPED = re.compile(r"DATE|TIMESTAMP.*")
_FORMATS = (
    "a strptime pattern such as '%d/%m/%Y %H:%M', excel (Excel's day numbers), excel-1904, or day:2026-01-01, "
    "week:2026-01-01 or hour:2026-01-01 (numbers counted from 0 on that date)"
)

_ISO_START = r"[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}.*"
_ZONE = r"^(.*:[0-9]{2}(?:\.[0-9]+)?)\s*([+-][0-9]{2}):?([0-9]{2})?$"
_BASIC = r"((?:19|20)[0-9]{2})([0-9]{2})([0-9]{2})[T ]?([0-9]{2})([0-9]{2})"
_BASIC_ZONE = r"(?:\s*(Z|[+-][0-9]{2}(?::?[0-9]{2})?))?"
_SECONDS = r"([0-9]{2})(?:[.,]?([0-9]{3,9}))?"
_DOTTED = r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})(?:[ T,]+([0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?))?"
_GROUPED = r"[0-9]{1,3}([\s\p{Z}][0-9]{3})+"
_SHORTENED = r"[0-9]([.,][0-9]{1,6})?[eE][+]?[0-9]{1,2}"  # fewer than eight digits: minutes at best

# By size: seconds reach 1e11 in the year 5138, milliseconds 1e14, microseconds 1e17. Eight digits are a day (20261124).
_NUMBER_AS_MS = """CASE WHEN regexp_full_match(t, '(19|20)[0-9]{6}') THEN epoch_ms(try_strptime(t, '%Y%m%d'))
 ELSE CAST(floor(CASE WHEN abs(n) < 1e11 THEN n * 1e3 WHEN abs(n) < 1e14 THEN n
  WHEN abs(n) < 1e17 THEN n / 1e3 WHEN abs(n) < 1e20 THEN n / 1e6 END) AS BIGINT) END"""

# Why a number, read by its size, is no time; the first that applies.
_NUMBER_REASON = """CASE WHEN n BETWEEN 1900 AND 2100 AND n = floor(n)
  THEN 'time is a year only: name a column with the day (--time-column)'
 WHEN regexp_full_match(t, '(19|20)[0-9]{2}(0[1-9]|1[0-2])')
  THEN 'time is a month only: name a column with the day (--time-column)'
 WHEN regexp_full_match(t, '[0-9]{6}') AND try_strptime(t, '%y%m%d') IS NOT NULL
  THEN 'time is a number of six digits: a day without its century? give --time-format %y%m%d'
 WHEN n BETWEEN 30000 AND 60000 THEN 'time is a small number: an Excel day number? give --time-format excel'
 WHEN n < 30000
  THEN 'time is a small number: the number of a day? give --time-format day:YYYY-MM-DD with the date of day 0'
 ELSE 'time is a number that would be before {year}: --time-format says what it counts' END"""


class UnfitTimeFormat(Exception):
    """Raised for a --time-format that is none; the text says which there are."""


@dataclass(frozen=True, slots=True)
class Times:
    """How a file writes times."""

    ms: str  # SQL: milliseconds, NULL where there is no time; refers to `time_text` and `clock_text`
    reason: str  # SQL over time_text, clock_text and time_ms: why the time cannot be used, NULL when it can


def times(kind: str, clock_kind: str | None, time_format: str | None, latest_ms: int, earliest_ms: int) -> Times:
    """Read `time_text` (a cell of type `kind`), and `clock_text` where the time of day has a column of its own.

    Times before `earliest_ms` and after `latest_ms` are none. Raises UnfitTimeFormat.
    """
    limits = (earliest_ms, latest_ms)
    if time_format and _of_both(time_format) and clock_kind is not None:
        moment, why = _by_format("concat_ws(' ', time_text, clock_text)", time_format)
        return Times(moment, _reason(why, limits, by_looks=False, clock=False))
    if _TYPED.fullmatch(kind):
        moment, why = "try_cast(time_text AS BIGINT)", "'time not understood'"
    elif time_format:
        moment, why = _by_format("time_text", time_format)
    else:
        moment, why = _by_looks(is_numeric(kind), _year(earliest_ms))
    if clock_kind is not None:
        moment = f"({moment}) // 86400000 * 86400000 + coalesce({_clock_ms()}, 0)"
    by_looks = not time_format and not _TYPED.fullmatch(kind)
    return Times(moment, _reason(why, limits, by_looks=by_looks, clock=clock_kind is not None))


def time_text(column: str, kind: str) -> str:
    """SQL of a cell with a time, as `times` reads it: typed times as milliseconds, everything else as its text."""
    if _TYPED.fullmatch(kind):
        return f"CASE WHEN isfinite({column}) THEN CAST(epoch_ms(CAST({column} AS TIMESTAMPTZ)) AS VARCHAR) END"
    return text(column, kind)


def clock_text(column: str | None, kind: str) -> str:
    """SQL of a cell with a time of day, as `times` reads it."""
    if column is not None and _TYPED.fullmatch(kind):
        return f"strftime({column}, '%H:%M:%S')"
    return text(column, kind)


def check_format(connection: duckdb.DuckDBPyConnection, time_format: str | None) -> None:
    """Raise UnfitTimeFormat for what is neither a pattern nor one of the names."""
    if time_format is None or time_format in _EXCEL_DAYS or _index(time_format):
        return
    if "%" not in time_format:
        raise UnfitTimeFormat(f"--time-format {time_format!r} is none; it may be {_FORMATS}")
    try:
        connection.execute("SELECT try_strptime('', ?)", [time_format]).fetchall()
    except duckdb.Error:
        raise UnfitTimeFormat(
            f"--time-format {time_format!r} has a % that means nothing; it may be {_FORMATS}"
        ) from None


def _index(time_format: str) -> tuple[int, int] | None:
    """Milliseconds of a unit, and of its number 0 since 1970. Raises UnfitTimeFormat for a date that is none."""
    unit, colon, origin = time_format.partition(":")
    if not colon or unit not in _UNITS_MS:
        return None
    try:
        days = (date.fromisoformat(origin) - date(1970, 1, 1)).days
    except ValueError:
        raise UnfitTimeFormat(
            f"--time-format {time_format!r}: {origin!r} is no date such as 2026-01-01; it says when number 0 was"
        ) from None
    return _UNITS_MS[unit], days * _UNITS_MS["day"]


def _of_both(time_format: str) -> bool:
    return re.search("%[HIXcTs]", time_format) is not None


def _by_format(cell: str, time_format: str) -> tuple[str, str]:
    shown = time_format.replace("'", "''")
    why = f"'time not understood by --time-format {shown}'"
    number = f"try_cast(replace({cell}, ',', '.') AS DOUBLE)"
    if time_format in _EXCEL_DAYS:  # to whole seconds: a fraction of a day is never exact
        days = f"CASE WHEN {number} BETWEEN 1 AND 2958465 THEN {number} - {_EXCEL_DAYS[time_format]} END"
        return f"CAST(round(({days}) * 86400) AS BIGINT) * 1000", why
    if index := _index(time_format):
        unit_ms, origin_ms = index
        return f"CAST(round(CASE WHEN abs({number}) < 1e7 THEN {number} END * {unit_ms}) AS BIGINT) + {origin_ms}", why
    return f"epoch_ms(CAST(try_strptime({cell}, '{shown}') AS TIMESTAMPTZ))", why


def _by_looks(numeric: bool, earliest_year: int) -> tuple[str, str]:
    plain = (  # a number, whatever its marks
        "try_cast(CASE WHEN regexp_full_match(t, '" + _GROUPED + "') THEN regexp_replace(t, '\\D', '', 'g')"
        " WHEN regexp_full_match(t, '[-+]?[0-9.,]+([eE][+]?[0-9]{1,2})?') AND NOT regexp_full_match(t, '"
        + _SHORTENED
        + "')"
        " THEN replace(t, ',', '.') END AS DOUBLE)"
    )
    number = f"list_transform([{plain}], lambda n: {_NUMBER_AS_MS})[1]"
    moment = number if numeric else f"coalesce({_written()}, {number})"
    reason = _NUMBER_REASON.replace("{year}", str(earliest_year))
    why = (
        f"CASE WHEN regexp_full_match(t, '{_SHORTENED}') AND try_cast(t AS DOUBLE) >= 1e8"
        " THEN 'time in scientific notation: a spreadsheet has cut its digits off, export it as text'"
        f" WHEN {plain} IS NOT NULL AND time_ms IS NOT NULL THEN"
        f" list_transform([{plain}], lambda n: {reason})[1]"
        " WHEN regexp_full_match(t, '[0-9]{4}[-/][0-9]{1,2}')"
        " THEN 'time is a month only: name a column with the day (--time-column)'"
        " ELSE 'time not understood: --time-format says how it is written, such as ''%d/%m/%Y %H:%M'' or excel' END"
    )
    return _over(moment), _over(why)


def _over(expression: str) -> str:
    return re.sub(r"(?<![\w'])t(?=[ ,)])", "time_text", expression)


def _written() -> str:
    """SQL over `t` of a date, or a date and a time, written out."""
    as_time = "epoch_ms(try_cast({} AS TIMESTAMPTZ))"
    comma = "regexp_replace(t, '(:[0-9]{2}),([0-9]+)', '\\1.\\2')"
    zoned = f"regexp_replace(regexp_replace({comma}, '{_ZONE}', '\\1\\2:\\3'), ':$', ':00')"
    seconds, minutes = _BASIC + _SECONDS + _BASIC_ZONE, _BASIC + _BASIC_ZONE
    basic = (
        f"CASE WHEN regexp_full_match(t, '{minutes}')"
        f" THEN regexp_replace(t, '^{minutes}$', '\\1-\\2-\\3 \\4:\\5:00\\6')"
        f" ELSE regexp_replace(regexp_replace(t, '^{seconds}$', '\\1-\\2-\\3 \\4:\\5:\\6.\\7\\8'),"
        " '\\.([^0-9]|$)', '\\1')"
        " END"
    )
    dotted = f"trim(regexp_replace(t, '^{_DOTTED}$', '\\3-\\2-\\1 \\4'))"
    return (
        f"CASE WHEN regexp_full_match(t, '{_ISO_START}')"
        f" THEN coalesce({as_time.format('t')}, {as_time.format(zoned)})"
        f" WHEN regexp_full_match(t, '{minutes}|{seconds}') THEN {_zoned(basic)}"
        f" WHEN regexp_full_match(t, '{_DOTTED}') THEN {as_time.format(dotted)} END"
    )


def _zoned(expression: str) -> str:
    """An offset without its colon is given one before the cast."""
    return (
        f"epoch_ms(try_cast(regexp_replace({expression}, '([+-][0-9]{{2}})([0-9]{{2}})$', '\\1:\\2') AS TIMESTAMPTZ))"
    )


def _clock_ms() -> str:
    """SQL of `clock_text` as milliseconds since midnight: 16:31, 4:31 PM, 1631, 904, 163105 or Excel's 0.688."""
    digits = "CASE WHEN regexp_full_match(clock_text, '[0-9]{1,4}') THEN lpad(clock_text, 4, '0')"
    whole = f"{digits} WHEN regexp_full_match(clock_text, '[0-9]{{5,6}}') THEN lpad(clock_text, 6, '0') END"
    apart = f"regexp_replace({whole}, '^([0-9]{{2}})([0-9]{{2}})([0-9]{{0,2}})$', '\\1:\\2:\\3')"
    padded = f"regexp_replace({apart}, ':$', ':00')"
    half_days = "['%I:%M %p', '%I:%M:%S %p', '%I:%M%p', '%I:%M:%S%p', '%H:%M']"
    fraction = "CASE WHEN regexp_full_match(clock_text, '0?[.,][0-9]+') THEN"
    return (
        f"coalesce({fraction} CAST(round(try_cast(replace(clock_text, ',', '.') AS DOUBLE) * 86400) AS BIGINT) * 1000"
        f" END, epoch_ms(CAST(DATE '1970-01-01' + try_cast({padded} AS TIME) AS TIMESTAMP)),"
        " epoch_ms(CAST(DATE '1970-01-01' + CASE WHEN clock_text LIKE '%:%' THEN try_cast(clock_text AS TIME) END"
        f" AS TIMESTAMP)), epoch_ms(try_strptime('1970-01-01 ' || clock_text, list_transform({half_days},"
        " lambda pattern: '%Y-%m-%d ' || pattern))))"
    )


def _year(moment_ms: int) -> int:
    return datetime.fromtimestamp(moment_ms / 1000, UTC).year


def _reason(why: str, limits: tuple[int, int], *, by_looks: bool, clock: bool) -> str:
    earliest_ms, latest_ms = limits
    early = f"time before {_year(earliest_ms)}: often what stands for a missing one"
    right = "if it is right, lower the setting earliest_purchase_year"
    counted = "regexp_full_match(time_text, '[-+]?[0-9]+([.,][0-9]*)?')" if by_looks else "false"
    of_clock = (
        f"WHEN clock_text IS NOT NULL AND {_clock_ms()} IS NULL"
        " THEN 'time of day not understood: 16:31, 4:31 PM, 1631 or a fraction of a day are'"
        if clock
        else ""
    )
    return (
        f"CASE WHEN time_text IS NULL THEN 'no time' {of_clock} WHEN time_ms IS NULL THEN {why}"
        f" WHEN time_ms < 0 THEN 'time before 1970' WHEN {counted} AND time_ms < {max(earliest_ms, _LEAST_NUMBER_MS)}"
        f" THEN {why} WHEN time_ms < {earliest_ms} THEN '{early}; {right}'"
        f" WHEN time_ms > {latest_ms} THEN 'time in the future' END"
    )
