"""A client of the service: one request over Kafka, one reply, told apart by its correlation id.

It reads the one partition of the reply topic that it asks the reply to go to, from where that ends now: no group, no
wait for an assignment, no reply lost.
"""

import random
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from consumers.kafka.clients import BrokerUnavailable, KafkaClients, drain, watermarks
from consumers.kafka.delivery import DeliveryReports
from consumers.kafka.records import Record, sorted_out

_LONGEST_STEP_S = 10.0


class NoReply(Exception):
    """Nobody answered in time."""


class RequestRefused(Exception):
    """The service answered with an error; `error` has its code, message and field."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("message") or error.get("code")))
        self.error = error


@dataclass(frozen=True, slots=True)
class _Connection:
    """Both ends of the talk, and the partition of the replies that is read, from where it ended."""

    producer: Producer
    consumer: Consumer
    partition: int


@dataclass(slots=True)
class Client:
    """Asks one question after the other; the first one connects. Not shared between threads."""

    clients: KafkaClients
    requests: str
    replies: str
    _connection: _Connection | None = None

    def ask(self, body: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        """Send a request and return the reply's JSON. Raises `NoReply`, `RequestRefused` or `BrokerUnavailable`."""
        if self._connection is None:
            self._connection = self._connected(min(timeout_s, _LONGEST_STEP_S))
        connection = self._connection
        correlation = uuid.uuid4().bytes
        reports: DeliveryReports[None] = DeliveryReports(connection.producer)
        reports.send(
            None,
            topic=self.requests,
            key=str(body["profile_id"]).encode(),
            value=msgspec.json.encode(body),
            headers=[
                ("kafka_correlationId", correlation),
                ("kafka_replyTopic", self.replies.encode()),
                ("kafka_replyPartition", connection.partition.to_bytes(4, "big")),
                ("deadline_ms", str(int((time.time() + timeout_s) * 1000)).encode()),
            ],
        )
        return self._await(connection.consumer, correlation, reports, timeout_s)

    def close(self) -> None:
        """Leave Kafka."""
        if self._connection is not None:
            self._connection.consumer.close()
            self._connection = None

    def _connected(self, timeout_s: float) -> _Connection:
        consumer = self.clients.consumer("alsobought-client", fetch_wait_max_ms="20")
        try:
            partition = self._place(consumer, timeout_s)
        except KafkaException as error:
            unavailable = self.clients.unavailable(f"reading {self.replies}", consumer)
            consumer.close()
            raise unavailable from error
        except BrokerUnavailable:
            consumer.close()
            raise
        # only the service reads what is sent
        return _Connection(self.clients.producer(linger_ms="0", compression_type="none"), consumer, partition)

    def _place(self, consumer: Consumer, timeout_s: float) -> int:
        """Stand at the end of one partition of the replies. Both topics are only looked at: asking creates neither."""
        self._partitions(consumer, self.requests, timeout_s)
        partition = random.choice(self._partitions(consumer, self.replies, timeout_s))  # noqa: S311 - any will do
        _, high = watermarks(consumer, self.replies, partition, timeout_s)
        consumer.assign([TopicPartition(self.replies, partition, high)])
        return partition

    @staticmethod
    def _partitions(consumer: Consumer, topic: str, timeout_s: float) -> list[int]:
        listed = consumer.list_topics(topic, timeout=timeout_s).topics[topic]
        if listed.error is not None or not listed.partitions:
            reason = listed.error.str() if listed.error is not None else "it has no partitions"
            raise BrokerUnavailable(f"topic {topic}: {reason}; start the service first, it creates it")
        return sorted(listed.partitions)

    def _await(
        self, consumer: Consumer, correlation: bytes, reports: DeliveryReports[None], timeout_s: float
    ) -> dict[str, Any]:
        give_up = time.monotonic() + timeout_s
        while (left_s := give_up - time.monotonic()) > 0:
            reports.heard()
            if reports.untaken:
                reason = reports.untaken[0].reason
                raise BrokerUnavailable(f"topic {self.requests}: the request was not delivered: {reason}")
            records, _ = sorted_out(drain(consumer, 100, min(left_s, 0.05)))
            for record in records:
                if record.header_values().get("kafka_correlationId") == correlation:
                    return _read(record)
        raise NoReply(
            f"no reply within {timeout_s:g} s; is the service running against this Kafka, with requests_topic "
            f"{self.requests} and {self.replies} among its reply_topics? Its /ready says what it waits for"
        )


def _read(record: Record) -> dict[str, Any]:
    reply: dict[str, Any] = msgspec.json.decode(record.value or b"{}")
    if "error" in reply:
        raise RequestRefused(reply["error"])
    return reply
