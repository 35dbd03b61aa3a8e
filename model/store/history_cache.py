"""Histories read lately, in bounded memory in front of the file.

In: a customer's number and packed lines, as the file and the waiting lines have them together; whoever a batch names is
dropped before it is written, so that nothing here is older than what is committed. Out: the same bytes, or None: read
the file. Names of nobody are not kept: the file says it as fast, and made-up ones can not push out customers.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from sys import getsizeof

import numpy as np

from model.purchases.histories import Histories
from model.store.codec import LINE_BYTES, lines_of

_PARTS = 64  # none so large that it holds up an answer when it grows or falls out
_OF_A_DICT = 48  # bytes that an entry takes there, about

NOBODY = bytes(LINE_BYTES)


def entry_of(number: int, lines: bytes) -> bytes:
    """The number, in the place of a line, then the lines. Raises OverflowError for a number that can be nobody's."""
    return number.to_bytes(4, "little") + bytes(LINE_BYTES - 4) + lines


def histories_from(entries: Sequence[bytes]) -> Histories:
    """The customers of these entries, in the order given. Raises ValueError where lines are not whole."""
    rows = lines_of(b"".join(entries))
    if len(entries) == 1:
        return Histories(rows[:1, 0], np.array((0, len(rows) - 1)), rows[1:, 0], rows[1:, 1])
    begins = np.array(list(accumulate(map(len, entries), initial=0)), np.int64) // LINE_BYTES
    lines = np.ones(len(rows), bool)
    lines[begins[:-1]] = False
    starts = begins - np.arange(len(begins))
    return Histories(rows[begins[:-1], 0], starts, rows[lines, 0], rows[lines, 1])


class _Part:
    """Entries in two generations: when the newer has taken its share, it becomes the older one, which falls out."""

    __slots__ = ("newer", "newer_bytes", "older", "older_bytes")

    def __init__(self) -> None:
        self.newer: dict[str, bytes] = {}
        self.older: dict[str, bytes] = {}
        self.newer_bytes = self.older_bytes = 0


class HistoryCache:
    """Entries by profile, in some `limit_bytes` at most; with 0 there are none. Memory is taken as it is needed.

    Parts by the hash of the name. Who is asked for moves to the newer generation, and so stays.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._share = limit_bytes // (2 * _PARTS)  # of one generation of a part
        self.clear()

    def clear(self) -> None:
        """All is void: other partitions are answered from."""
        self._parts = [_Part() for _ in range(_PARTS)]
        self._empty = True

    @property
    def used_bytes(self) -> int:
        """The memory that the entries take, about; never more than the limit."""
        return sum(part.newer_bytes + part.older_bytes for part in self._parts)

    def find(self, profiles: Sequence[str]) -> list[bytes | None]:
        """What is kept of each of these, None where the file must be asked."""
        if self._empty:
            return [None] * len(profiles)
        parts = self._parts
        return [parts[hash(name) % _PARTS].newer.get(name) or self._older(name) for name in profiles]

    def _older(self, profile: str) -> bytes | None:
        part = self._parts[hash(profile) % _PARTS]
        entry = part.older.pop(profile, None)
        if entry is not None:
            part.older_bytes -= _cost(profile, entry)
            self._put(profile, entry)
        return entry

    def keep(self, read: Mapping[str, bytes]) -> None:
        """Remember what the file said of customers who are not kept; those not asked for longest make room."""
        for profile, entry in read.items():
            if entry is not NOBODY:
                self._put(profile, entry)

    def _put(self, profile: str, entry: bytes) -> None:
        cost = _cost(profile, entry)
        if cost > self._share:
            return
        part = self._parts[hash(profile) % _PARTS]
        if part.newer_bytes + cost > self._share:
            part.older, part.older_bytes = part.newer, part.newer_bytes
            part.newer, part.newer_bytes = {}, 0
        part.newer[profile] = entry
        part.newer_bytes += cost
        self._empty = False

    def drop(self, profiles: Iterable[str]) -> None:
        """Whatever is kept of these is void."""
        if self._empty:
            return
        for profile in profiles:
            part = self._parts[hash(profile) % _PARTS]
            if (entry := part.newer.pop(profile, None)) is not None:
                part.newer_bytes -= _cost(profile, entry)
            elif (entry := part.older.pop(profile, None)) is not None:
                part.older_bytes -= _cost(profile, entry)


def _cost(profile: str, entry: bytes) -> int:
    return getsizeof(profile) + getsizeof(entry) + _OF_A_DICT
