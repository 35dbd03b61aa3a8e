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
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from consumers.kafka.clients import BrokerUnavailable, KafkaClients, drain, watermarks
from consumers.kafka.records import Record, sorted_out

_LONGEST_STEP_S = 10.0


class NoReply(Exception):
    """Nobody answered in time."""


class RequestRefused(Exception):
    """The service answered with an error; `error` has its code, message and field."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("message") or error.get("code")))
        self.error = error


@dataclass(slots=True)
class Client:
    """Asks one question after the other. Not shared between threads."""

    clients: KafkaClients
    requests: str
    replies: str
    _producer: Producer | None = None
    _consumer: Consumer | None = None
    _partition: int = 0

    def ask(self, body: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        """Send a request and return the reply's JSON. Raises `NoReply`, `RequestRefused` or `BrokerUnavailable`."""
        self._open(min(timeout_s, _LONGEST_STEP_S))
        assert self._producer is not None, "just opened"
        correlation = uuid.uuid4().bytes
        failed: list[KafkaError] = []
        self._producer.produce(
            self.requests,
            key=str(body["profile_id"]).encode(),
            value=msgspec.json.encode(body),
            headers=[
                ("kafka_correlationId", correlation),
                ("kafka_replyTopic", self.replies.encode()),
                ("kafka_replyPartition", self._partition.to_bytes(4, "big")),
                ("deadline_ms", str(int((time.time() + timeout_s) * 1000)).encode()),
            ],
            on_delivery=lambda error, _: failed.append(error) if error is not None else None,
        )
        return self._await(correlation, failed, timeout_s)

    def close(self) -> None:
        """Leave Kafka."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _open(self, timeout_s: float) -> None:
        if self._consumer is not None:
            return
        consumer = self.clients.consumer("alsobought-client", fetch_wait_max_ms="20")
        try:
            self._place(consumer, timeout_s)
        except KafkaException as error:
            unavailable = self.clients.unavailable(f"reading {self.replies}", consumer)
            consumer.close()
            raise unavailable from error
        except BrokerUnavailable:
            consumer.close()
            raise
        self._consumer, self._producer = (
            consumer,
            self.clients.producer(
                linger_ms="0",
                compression_type="none",  # only the service reads it
            ),
        )

    def _place(self, consumer: Consumer, timeout_s: float) -> None:
        """Stand at the end of one partition of the replies. Both topics are only looked at: asking creates neither."""
        self._partitions(consumer, self.requests, timeout_s)
        self._partition = random.choice(self._partitions(consumer, self.replies, timeout_s))  # noqa: S311 - any will do
        _, high = watermarks(consumer, self.replies, self._partition, timeout_s)
        consumer.assign([TopicPartition(self.replies, self._partition, high)])

    @staticmethod
    def _partitions(consumer: Consumer, topic: str, timeout_s: float) -> list[int]:
        listed = consumer.list_topics(topic, timeout=timeout_s).topics[topic]
        if listed.error is not None or not listed.partitions:
            reason = listed.error.str() if listed.error is not None else "it has no partitions"
            raise BrokerUnavailable(f"topic {topic}: {reason}; start the service first, it creates it")
        return sorted(listed.partitions)

    def _await(self, correlation: bytes, failed: list[KafkaError], timeout_s: float) -> dict[str, Any]:
        assert self._producer is not None, "ask opens it"
        assert self._consumer is not None, "ask opens it"
        give_up = time.monotonic() + timeout_s
        while (left_s := give_up - time.monotonic()) > 0:
            self._producer.poll(0)
            if failed:
                raise BrokerUnavailable(f"topic {self.requests}: the request was not delivered: {failed[0].str()}")
            records, _ = sorted_out(drain(self._consumer, 100, min(left_s, 0.05)))
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
