"""Sending and waiting: what became of each record that was handed to a producer.

In: a producer, records. Out: how many are delivered, how many are on their way, and those that were not taken with the
reason. Waiting is for these records only: what else the producer has on its way need not arrive for it.
"""

import time
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from consumers.kafka.clients import produce

T = TypeVar("T")
_POLL_S = 0.05


class Untaken(NamedTuple, Generic[T]):
    """A record that the broker, or the client before it, did not take; `mark` is what its sender calls it."""

    mark: T
    reason: str
    too_large: bool


class DeliveryReports(Generic[T]):
    """Belongs to one thread. The reports come in while it sends, is `heard` or waits."""

    def __init__(self, producer: Producer) -> None:
        self.delivered = 0
        self.untaken: list[Untaken[T]] = []  # in the order in which it was heard
        self._producer = producer
        self._sent = 0

    @property
    def waiting(self) -> int:
        """Records on their way."""
        return self._sent - self.delivered - len(self.untaken)

    def send(self, mark: T, **record: Any) -> None:
        """Hand a record over, as to `Producer.produce`; waits while the producer's queue is full, raises nothing."""
        self._sent += 1
        try:
            produce(self._producer, on_delivery=partial(self._reported, mark), **record)
        except KafkaException as error:
            self._not_taken(mark, error.args[0])

    def heard(self) -> None:
        """Take in the reports that are there, without waiting."""
        self._producer.poll(0)

    def wait(self, timeout_s: float) -> int:
        """Wait until every record is reported, `timeout_s` at most; returns how many are still on their way."""
        give_up = time.monotonic() + timeout_s
        while self.waiting and (left_s := give_up - time.monotonic()) > 0:
            self._producer.poll(min(left_s, _POLL_S))
        return self.waiting

    def why_not_all(self, timeout_s: float) -> str:
        """Wait as `wait` does; "" when all were delivered, else the first reason why one was not."""
        left = self.wait(timeout_s)
        if self.untaken:
            return self.untaken[0].reason
        return f"no report within {timeout_s:g} s" if left else ""

    def _reported(self, mark: T, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self.delivered += 1
        else:
            self._not_taken(mark, error)

    def _not_taken(self, mark: T, error: KafkaError) -> None:
        self.untaken.append(Untaken(mark, error.str(), error.code() == KafkaError.MSG_SIZE_TOO_LARGE))
