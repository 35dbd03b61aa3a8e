"""Requests that were read and are not answered yet, and which of them come next.

While there is time it is the ones that came first. Once one has waited for half a second, more come than can be
answered, and it is the newest: they can still be answered in time, where each in its turn would be answered just too
late. One whose deadline has passed is dropped, and none before.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from consumers.kafka.records import Record

_OVERLOADED_AFTER_S = 0.5


class _Waiting(msgspec.Struct, frozen=True, gc=False):
    record: Record
    deadline_ms: float  # since 1970
    since_s: float  # monotonic


@dataclass(slots=True)
class RequestQueue:
    """For the loop's thread alone; `on_late` is told how many were dropped."""

    on_late: Callable[[int], None]
    limit_records: int = 50_000
    limit_bytes: int = 64 * 2**20
    now_s: Callable[[], float] = time.time
    monotonic_s: Callable[[], float] = time.monotonic
    _queue: deque[_Waiting] = field(default_factory=deque)
    _bytes: int = 0
    _next: dict[tuple[str, int], int] = field(default_factory=dict)  # (topic, partition) -> offset after what was read

    def __len__(self) -> int:
        """How many wait."""
        return len(self._queue)

    @property
    def full(self) -> bool:
        """Whether no more should be read for now."""
        return len(self._queue) >= self.limit_records or self._bytes >= self.limit_bytes

    def add(self, records: Sequence[Record], deadlines_ms: Sequence[float]) -> None:
        """Take up requests; a deadline is since 1970, infinite when it is not known yet."""
        now_s = self.monotonic_s()
        self._queue += [_Waiting(record, ms, now_s) for record, ms in zip(records, deadlines_ms, strict=True)]
        self._bytes += sum([_bytes(record) for record in records])
        self._next |= {(record.topic, record.partition): record.offset + 1 for record in records}

    def take(self, most: int, ready: Callable[[int], bool]) -> list[Record]:
        """The next ones, in the order in which they came; those of partitions that are not `ready` go on waiting."""
        newest_first = self._is_overloaded()
        following = self._queue.pop if newest_first else self._queue.popleft
        now_ms = 1000 * self.now_s()
        taken: list[Record] = []
        held: list[_Waiting] = []
        late = 0
        are_ready: dict[int, bool] = {}
        while self._queue and len(taken) < most:
            waiting = following()
            record = waiting.record
            if record.partition not in are_ready:
                are_ready[record.partition] = ready(record.partition)
            if not are_ready[record.partition]:
                held.append(waiting)
                continue
            self._bytes -= _bytes(record)
            if waiting.deadline_ms < now_ms:
                late += 1
            else:
                taken.append(record)
        held.reverse()
        (self._queue.extend if newest_first else self._queue.extendleft)(held)
        self.on_late(late)
        return taken[::-1] if newest_first else taken

    def _is_overloaded(self) -> bool:
        return bool(self._queue) and self.monotonic_s() - self._queue[0].since_s > _OVERLOADED_AFTER_S

    def drop_late(self) -> None:
        """Drop all whose deadline has passed; it takes the longer the more wait."""
        now_ms, before = 1000 * self.now_s(), len(self._queue)
        self._keep(waiting for waiting in self._queue if waiting.deadline_ms >= now_ms)
        self.on_late(before - len(self._queue))

    def forget(self, topic: str, partition: int) -> None:
        """The partition is another worker's, who reads its requests again."""
        gone = topic, partition
        self._keep(w for w in self._queue if (w.record.topic, w.record.partition) != gone)
        self._next.pop(gone, None)

    def next_offsets(self) -> dict[tuple[str, int], int]:
        """(topic, partition) -> the offset before which nothing waits."""
        offsets = dict(self._next)
        for waiting in self._queue:
            key = waiting.record.topic, waiting.record.partition
            offsets[key] = min(offsets[key], waiting.record.offset)
        return offsets

    def _keep(self, kept: Iterable[_Waiting]) -> None:
        self._queue = deque(kept)
        self._bytes = sum(_bytes(waiting.record) for waiting in self._queue)


def _bytes(record: Record) -> int:
    return len(record.value or b"")
