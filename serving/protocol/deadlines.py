"""When nobody waits for an answer any more, as requests say it: milliseconds since 1970, in a header or in the body.

In: what was sent. Out: the moment, or `ValueError` in words that follow the field's name: a deadline in another unit
would drop every request without a word.
"""

from consumers.decoding.event_times import EARLIEST_YEAR, start_of_year_s
from consumers.decoding.loose_values import whole_number

EARLIEST_MS = 1000 * start_of_year_s(EARLIEST_YEAR)  # what lies before is a time in another unit
_END_MS = 10**14  # the year 5138: what is beyond is microseconds
_SHOWN = 10**20
_A_YEAR_S = 31_536_000


def moment_ms(said: bytes | str | float) -> int:
    """Milliseconds since 1970 of a deadline. Raises ValueError when it is no such moment."""
    try:
        found = whole_number(said.decode() if isinstance(said, bytes) else said)
    except ValueError:  # bytes that are no text among them
        raise ValueError("is no whole number; send milliseconds since 1970, or leave it out") from None
    if EARLIEST_MS <= found < _END_MS:
        return found
    shown = str(found) if abs(found) < _SHOWN else "a number far out of range"
    raise ValueError(f"is {shown}; {_likely(found)}")


def _likely(found: int) -> str:
    if EARLIEST_MS <= found * 1000 < _END_MS:
        return f"it reads like seconds since 1970: send milliseconds ({found * 1000})"
    if 0 < found < _A_YEAR_S:
        return "it reads like a span of time: send the moment it ends at, in milliseconds since 1970 (now + span)"
    if _END_MS <= found < _END_MS * 10**6:
        return "it reads like micro- or nanoseconds since 1970: send milliseconds"
    return "send milliseconds since 1970, or leave it out"
