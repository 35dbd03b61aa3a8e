"""When a purchase occurred: RFC 3339 or a number, kept to plausible years, and why a time is not plausible.

In: what stands in `occurred_at`, or a record's timestamp. Out: seconds since 1970 UTC, or `ValueError` in words that
follow the field's name, name the likely cause and never repeat the value.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

EARLIEST_YEAR = 1995  # nobody sold on the web before; what lies there is a time in another unit, or an empty one
_DECIMAL = re.compile(r"\s*-?[0-9]{1,20}(?:\.[0-9]{1,9})?\s*", re.ASCII)
_EMPTY_S = (0, -62_135_596_800, -2_209_161_600, -2_208_988_800)  # 1970, year 1, 1899-12-30 and 1900: "no time"
_COMPACT = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_YEARS = (1900, 2200)
_DAYS = (5_000, 80_000)


@dataclass(frozen=True, slots=True)
class PlausibleTimes:
    """The times that are taken, in seconds since 1970 UTC, ends included."""

    earliest_s: float
    latest_s: float

    def __contains__(self, seconds: float) -> bool:
        """Whether a purchase may have occurred then."""
        return self.earliest_s <= seconds <= self.latest_s

    def seconds_of(self, occurred_at: str | float) -> float:
        """Seconds of an RFC 3339 time (UTC where it names no offset), or of a number of seconds or milliseconds.

        No number is plausible in both units. A time that is written out is returned plausible or not.
        """
        number = _number(occurred_at)
        if number is None:
            return _rfc_3339(str(occurred_at))
        for seconds in (number, number / 1000):
            if seconds in self:
                return seconds
        raise ValueError(
            f"is a number that gives no time from {_year(self.earliest_s)} to now, neither in seconds nor in "
            f"milliseconds since 1970{self._cause_of_number(number)}"
        )

    def why_not(self, seconds: float, max_future_s: int) -> str:
        """Why a time is not taken, and what is likely to have gone wrong."""
        year = _year(self.earliest_s)
        where = f"before {year}" if seconds < self.earliest_s else f"more than {max_future_s} s in the future"
        return f"lies {where}{self._cause_of_moment(seconds)}"

    def _cause_of_moment(self, seconds: float) -> str:
        if seconds in _EMPTY_S:
            return ": it reads like an empty time; leave it out, or give the right one"
        for factor, unit in ((1000, "seconds"), (1e-3, "microseconds"), (1e-6, "nanoseconds")):
            if seconds * factor in self:
                return f": it reads like {unit} where milliseconds belong; mend what wrote it, then send it again"
        if seconds < self.earliest_s:
            return "; if that is right, lower the setting earliest_purchase_year"
        return "; if that is right, raise the setting max_future_s"

    def _cause_of_number(self, number: float) -> str:
        for factor, unit in ((1e-6, "microseconds"), (1e-9, "nanoseconds")):
            if number * factor in self:
                return f": it reads like {unit}; send milliseconds, or RFC 3339"
        digits = str(int(number))
        if number == 0:
            return ": it reads like an empty time; leave it out"
        if _YEARS[0] <= number <= _YEARS[1]:
            return ": it reads like a year; send the whole time, as RFC 3339"
        if _DAYS[0] <= number <= _DAYS[1]:
            return ": it reads like the number of a day (Excel's, or days since 1970); send RFC 3339"
        if len(digits) in _COMPACT and _reads_as(digits, _COMPACT[len(digits)]):
            return ": it reads like a date without dashes; send RFC 3339"
        return "; send RFC 3339"


def start_of_year_s(year: int) -> int:
    """Seconds since 1970 UTC at which a year begins."""
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp())


def _number(occurred_at: str | float) -> float | None:
    if isinstance(occurred_at, str) and (occurred_at[4:5] == "-" or not _DECIMAL.fullmatch(occurred_at)):
        return None
    try:
        return float(occurred_at)
    except OverflowError:  # a whole number of hundreds of digits
        raise ValueError("is a number that gives no time; send RFC 3339") from None


def _rfc_3339(occurred_at: str) -> float:
    try:
        if occurred_at[4:8:3] != "--" or occurred_at[10:11] not in ("T", "t", " "):
            raise ValueError  # noqa: TRY301 - another form of ISO 8601, which means less than a moment
        moment = datetime.fromisoformat(occurred_at.upper())
    except ValueError:
        raise ValueError("is no RFC 3339 time (2026-11-22T10:00:00Z), nor a number of milliseconds") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _reads_as(digits: str, form: str) -> bool:
    try:
        return _YEARS[0] <= datetime.strptime(digits, form).year <= _YEARS[1]  # noqa: DTZ007 - only whether it does
    except ValueError:
        return False


def _year(seconds: float) -> int:
    return datetime.fromtimestamp(seconds, UTC).year
