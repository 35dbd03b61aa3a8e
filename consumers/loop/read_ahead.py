"""What the loop reads: requests as soon as they come, purchases a turn's share at a time.

The client hands out what it fetched in one queue. A broker gives whole batches of a producer, some thousand purchases
each, and a request would wait behind all of them. So more is read than the turn takes, and what is no request waits
here, in its order. When much waits no more purchases are fetched.
"""

from collections import deque
from dataclasses import dataclass, field

from confluent_kafka import Consumer, Message

from consumers.loop.partitions import Partitions

_AT_ONCE = 4000  # messages: a few ms
_MUCH, _LITTLE = 10_000, 2000


@dataclass(slots=True)
class ReadAhead:
    """Belongs to the loop's thread. Errors of the client wait among the purchases that were read before them."""

    consumer: Consumer
    partitions: Partitions
    _waiting: deque[tuple[int, Message]] = field(default_factory=deque)  # epoch when it was read

    def take(self, most: int, wait_s: float, *, past_purchases: bool) -> list[Message]:
        """All requests that were read, and `most` other messages at most, each topic's in order.

        Waits when there is nothing. Without `past_purchases` no more is read than is taken.
        """
        room = _AT_ONCE if past_purchases else most - len(self._waiting)
        requests = self._read(max(room, 1), 0 if self._waiting else wait_s)
        taken: list[Message] = []
        while self._waiting and len(taken) < most:
            epoch, message = self._waiting.popleft()
            if not self.partitions.moved_since(epoch, message.topic(), message.partition()):
                taken.append(message)
        if len(self._waiting) > _MUCH:
            self.partitions.hold_purchases(self.consumer, hold=True)
        elif len(self._waiting) < _LITTLE:
            self.partitions.hold_purchases(self.consumer, hold=False)
        return requests + taken

    @property
    def behind(self) -> bool:
        """Whether more was read than the last turn took."""
        return bool(self._waiting)

    def partitions_waiting(self) -> set[tuple[str | None, int | None]]:
        """The (topic, partition) of what was read and not taken yet."""
        return {(message.topic(), message.partition()) for _, message in self._waiting}

    def _read(self, most: int, wait_s: float) -> list[Message]:
        """Wait for one message, then take what is already there; returns the requests among them."""
        first = self.consumer.poll(wait_s)
        if first is None:
            return []
        epoch = self.partitions.epoch
        rest = self.consumer.consume(most - 1, 0) if most > 1 else []
        now = self.partitions.epoch  # of what consume gathers the client itself drops the stale ones
        requests: list[Message] = []
        for read_at, message in ((epoch, first), *((now, message) for message in rest)):
            if message.topic() != self.partitions.requests or message.error() is not None:
                self._waiting.append((read_at, message))
            elif not self.partitions.moved_since(read_at, message.topic(), message.partition()):
                requests.append(message)
        return requests
