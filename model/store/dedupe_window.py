"""A bounded memory of event ids: an order that a producer sent twice is counted once.

For each log the hashes of the last `window` event ids, oldest first. What falls out of the window is forgotten, so the
answer depends on the log alone, not on batches or restarts. Offsets already stop re-reads; this stops re-sends.
"""

from array import array
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import repeat

import numpy as np
from xxhash import xxh3_64_intdigest

_HASH = np.dtype("<u8")
_NO_ID = bytes(_HASH.itemsize)


def key_of(name: str) -> int:
    """A key for `event_hashes`, another one for each name."""
    return int.from_bytes(blake2b(name.encode(), digest_size=_HASH.itemsize).digest(), "little")


def event_hashes(events: Iterable[tuple[str, str]], key: int) -> list[int]:
    """64 bits of each (brand, event id), 0 for one without an id.

    Two of a window of 1e6 ids collide with a chance below 1e-7. Who makes up ids that collide could repeat one as well;
    the key (0 .. 2**64 - 1) is there so that nobody finds many whose hashes share a place in a table.
    """
    return [xxh3_64_intdigest(f"{brand}\x1f{event_id}".encode(), key) if event_id else 0 for brand, event_id in events]


def old_event_hashes(events: Iterable[tuple[str, str]]) -> list[int]:
    """As `event_hashes`, the way it was done by version 1 of the file."""
    digests = [
        blake2b(f"{brand}\x1f{event_id}".encode(), digest_size=_HASH.itemsize).digest() if event_id else _NO_ID
        for brand, event_id in events
    ]
    hashes: list[int] = np.frombuffer(b"".join(digests), _HASH).tolist()
    return hashes


class DedupeWindow:
    """The windows of all logs that were read since the file was opened."""

    def __init__(self, window: int, key: int = 0) -> None:
        self.key = key  # of `event_hashes`
        self._window = window
        self._order: dict[int, array[int]] = {}  # log -> events, oldest first; now and then some more than the window
        self._seen: dict[int, dict[int, int]] = {}  # log -> event -> how many events of the log came before it
        self._count: dict[int, int] = {}  # events remembered so far
        self._old: dict[int, int] = {}  # of them, how many of the first have old hashes

    def pending(self, log: int) -> "Pending":
        """The log's window with room for the events of a batch; nothing is remembered until `remember`."""
        return Pending(self._window, self._seen.get(log, {}), self._count.get(log, 0))

    def has_old(self, log: int) -> bool:
        """Whether there are events in the log's window that have old hashes."""
        return self._old.get(log, 0) > self._count.get(log, 0) - self._window

    def remember(self, log: int, events: Iterable[int], *, old: bool = False) -> None:
        """Add event hashes in the order of arrival, `old` ones before all others; the oldest make room."""
        order = self._order.setdefault(log, array("Q"))
        seen = self._seen.setdefault(log, {})
        new = list(filter(None, events))
        count = self._count.get(log, 0)
        order.extend(new)
        seen.update(zip(new, range(count, count + len(new)), strict=True))
        count = self._count[log] = count + len(new)
        if old:
            self._old[log] = count
        excess = len(order) - self._window
        if excess > self._window // 8:  # many at once: all that stay have to move
            oldest = order[:excess]
            del order[:excess]
            counts = list(map(seen.pop, oldest, repeat(-1)))
            if max(counts) >= count - self._window:  # it came again since, and stays
                again = zip(oldest, counts, strict=True)
                seen.update((event, at) for event, at in again if at >= count - self._window)

    def load(self, rows: Iterable[tuple[int, bytes, int]]) -> None:
        """Take up the windows that `packed` gave."""
        for log, window, old in rows:
            hashes = np.frombuffer(window, _HASH).tolist()
            self.remember(log, hashes[:old], old=True)
            self.remember(log, hashes[old:])

    def packed(self, logs: Iterable[int]) -> list[tuple[int, bytes, int]]:
        """(log, hashes, how many of them are old) of the windows of these logs, for `load`."""
        windows = [(log, self._order[log][-self._window :]) for log in logs if log in self._order]
        return [(log, np.array(window, _HASH).tobytes(), self._old_in(log, len(window))) for log, window in windows]

    def _old_in(self, log: int, window: int) -> int:
        return max(self._old.get(log, 0) - (self._count[log] - window), 0)


class Pending:
    """The events of a batch that is not committed yet, checked against the window as it moves on with them."""

    def __init__(self, window: int, seen: dict[int, int], count: int) -> None:
        self._window = window
        self._seen = seen
        self._count = count
        self._fresh: dict[int, int] = {}

    def admit_all(self, events: Sequence[int], old: Sequence[int] | None = None) -> list[bool] | None:
        """As `admit` of one after the other; None when all are new. `old` are their old hashes, where it has any."""
        if old is not None:
            return list(map(self.admit, events, old))
        known = self._fresh.keys(), self._seen.keys()
        if 0 not in events and len(set(events)) == len(events) and all(keys.isdisjoint(events) for keys in known):
            self._fresh.update(zip(events, range(self._count, self._count + len(events)), strict=True))
            self._count += len(events)
            return None
        return list(map(self.admit, events))

    def admit(self, event: int, old: int = 0) -> bool:
        """Whether the event is new, not among the last `window` ones; a new one takes its place in the window.

        An event without an id (0) is always new. `old` is its old hash, 0 where there can not be any.
        """
        if not event:
            return True
        at = self._fresh.get(event, self._seen.get(event))
        if at is None and old:
            at = self._seen.get(old)
        if at is not None and self._count - at <= self._window:
            return False
        self._fresh[event] = self._count
        self._count += 1
        return True
