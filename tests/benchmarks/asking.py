"""Somebody who asks over Kafka: one request after the other, or thousands at a time.

Knows the request's shape and one partition of the reply topic; whoever answers, service or echo, is asked alike.
"""

import itertools
import random
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from confluent_kafka import Message, TopicPartition

from consumers.kafka.clients import KafkaClients, drain, watermarks

_PATIENCE_S = 30.0


class Asked(NamedTuple):
    """One request alone, in seconds of the monotonic clock."""

    begun: float
    produced: float  # the producer has it
    reply_appended_ms: int  # the broker's timestamp of the reply, milliseconds since 1970
    received: float


class Asker:
    """Asks on `requests`, reads partition 0 of `replies`; the customers are asked for in a fixed random order."""

    def __init__(
        self,
        bootstrap: str,
        requests: str,
        replies: str,
        profiles: Sequence[str],
        *,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        """`properties` are librdkafka's, beside those of every client of the service."""
        clients = KafkaClients(bootstrap, properties or {})
        self._consumer = clients.consumer("asker")
        _, end = watermarks(self._consumer, replies, 0)
        self._consumer.assign([TopicPartition(replies, 0, end)])
        self._producer = clients.producer(linger_ms="0")
        self._topic, self._replies = requests, replies
        shuffled = random.Random(1).sample(list(profiles), len(profiles))
        self._profiles = itertools.cycle(shuffled)
        self._count = itertools.count()

    def close(self) -> None:
        self._producer.flush(5)
        self._consumer.close()

    def latencies_s(self, count: int) -> list[float]:
        """Seconds from each request to its reply, one in flight."""
        taken = []
        for _ in range(count):
            begin = time.perf_counter()
            self.ask(next(self._profiles))
            taken.append(time.perf_counter() - begin)
        return taken

    def traced(self, count: int) -> list[Asked]:
        """So many requests, one in flight, and when they passed the points that can be seen from here."""
        asked = []
        for _ in range(count):
            begun = time.monotonic()
            self._send(next(self._profiles))
            produced = time.monotonic()
            self._producer.poll(0)
            reply = self._messages(1)[0]
            received = time.monotonic()
            asked.append(Asked(begun, produced, reply.timestamp()[1], received))
        return asked

    def ask(self, profile: str) -> bytes:
        """The value of the reply to one request, nothing else in flight."""
        self._send(profile)
        self._producer.poll(0)
        return self._read(1)[0]

    def replies(self, count: int, in_flight: int) -> list[bytes]:
        """The values of so many replies, with at most `in_flight` requests unanswered."""
        got: list[bytes] = []
        sent = 0
        while len(got) < count:
            while sent < count and sent - len(got) < in_flight:
                self._send(next(self._profiles))
                sent += 1
            self._producer.poll(0)
            got += self._read(2000)
        return got

    def _send(self, profile: str) -> None:
        self._producer.produce(
            self._topic,
            key=profile.encode(),
            value=msgspec.json.encode({"profile_id": profile, "k": 10}),
            headers=[
                ("kafka_correlationId", next(self._count).to_bytes(16, "big")),
                ("kafka_replyTopic", self._replies.encode()),
                ("kafka_replyPartition", b"\x00\x00\x00\x00"),
            ],
        )

    def _read(self, most: int) -> list[bytes]:
        """One reply and what else is there already. Raises TimeoutError when nobody answers."""
        return [message.value() or b"" for message in self._messages(most)]

    def _messages(self, most: int) -> list[Message]:
        give_up = time.monotonic() + _PATIENCE_S
        while not (messages := [m for m in drain(self._consumer, most, 0.5) if m.error() is None]):
            if time.monotonic() > give_up:
                raise TimeoutError(f"no reply to {self._topic} within {_PATIENCE_S:g} s")
        return messages
