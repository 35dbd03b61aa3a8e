"""The Kafka clients that the service uses, with the properties its promises rest on.

`KafkaClients` knows how to reach the cluster and makes consumers, producers and admin clients. Connection errors are
logged once when they begin, not at librdkafka's twenty a second, and remembered to explain a later time-out. What a
producer sends is in a form that every client reads, unless the settings say otherwise, which is warned of.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from config.errors import ConfigError
from config.kafka_property_names import meant

AnyClient = TypeVar("AnyClient", Consumer, Producer, AdminClient)

log = structlog.get_logger(__name__)

_HINTS = {
    KafkaError._ALL_BROKERS_DOWN: "check bootstrap_servers; a broker that demands TLS or SASL looks like this too: "
    "then set security.protocol in kafka_properties",
    KafkaError._TRANSPORT: "check bootstrap_servers and that the broker runs",
    KafkaError._AUTHENTICATION: "check sasl.username and sasl.password in kafka_properties",
    KafkaError._SSL: "check ssl.ca.location and the other ssl properties in kafka_properties",
    KafkaError._RESOLVE: "check the host names in bootstrap_servers",
}
_NO_SUCH_PROPERTY = re.compile(r'No such configuration property: "([^"]*)"')
_REPEAT_S = 60
_COMPRESSION = ("compression.type", "compression.codec")  # librdkafka's two names for one property
_SOME_CAN_NOT_READ = ("snappy", "lz4", "zstd")
_NOT_YET = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.UNKNOWN_TOPIC_OR_PART)


class BrokerUnavailable(Exception):
    """Kafka can not be reached, or does not allow what is needed; the message says what to check."""


def _nobody() -> None:
    pass


@dataclass(slots=True)
class KafkaClients:
    """Makes clients for one cluster.

    `properties` are librdkafka's, and win over our defaults but not over our promises. One that librdkafka does not
    take is a `ConfigError`. `compression` is one of "none", "gzip", "snappy", "lz4" and "zstd".
    """

    bootstrap_servers: str
    properties: Mapping[str, str]
    compression: str = "none"
    last_error: str = ""
    _said: dict[int, float] = field(default_factory=dict)
    _compression_said: bool = False

    def consumer(
        self,
        group_id: str,
        *,
        on_commit_failed: Callable[[], object] = _nobody,
        on_statistics: tuple[int, Callable[[str], object]] | None = None,
        **own: Any,
    ) -> Consumer:
        """A consumer that never commits by itself and never jumps over lost records silently.

        `on_commit_failed` hears of asynchronous commits that failed, `on_statistics` of librdkafka's statistics every
        so many milliseconds; `own` are properties with underscores for dots.
        """
        given = _without(self.properties, _COMPRESSION)
        if own.get("group_protocol") == "consumer":  # then the broker keeps these two, and the client refuses them
            given = _without(given, ("session.timeout.ms", "heartbeat.interval.ms"))
        return _made(
            Consumer,
            self._shared()
            | {
                "fetch.queue.backoff.ms": "5",  # the default of 1000 stalls a fast consumer: 5 x slower
                # A request waits behind all that was fetched before it: with the defaults 64 MB of purchases. Less in
                # store costs ingest nothing.
                "queued.max.messages.kbytes": "256",
                "topic.metadata.refresh.interval.ms": "60000",  # partitions that are added are read a minute later
                "fetch.message.max.bytes": "65536",
            }
            | given
            | {
                "group.id": group_id,
                "enable.auto.commit": "false",
                "enable.auto.offset.store": "false",
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
                "allow.auto.create.topics": "false",
                "on_commit": lambda error, _parts: None if error is None else on_commit_failed(),
            }
            | _statistics(on_statistics)
            | {name.replace("_", "."): value for name, value in own.items()},
        )

    def producer(self, **own: Any) -> Producer:
        """A producer that keys like Java's, so that a customer's records meet in one partition."""
        own = {name.replace("_", "."): value for name, value in own.items()}
        compression = {} if _COMPRESSION[0] in own else {_COMPRESSION[0]: self._compression()}
        return _made(
            Producer,
            self._shared()
            | {
                "linger.ms": "0",  # somebody waits; what a turn sends at once still leaves in a few requests
                "enable.idempotence": "true",
                "message.max.bytes": "67108864",
            }
            | _without(self.properties, (*_CONSUMER_ONLY, *_COMPRESSION))
            | {"partitioner": "murmur2_random"}
            | compression
            | own,
        )

    def _compression(self) -> str:
        """What an operator's property says, else the setting; one that some clients can not read is said once."""
        given = next((self.properties[name] for name in _COMPRESSION if name in self.properties), self.compression)
        if given.lower() in _SOME_CAN_NOT_READ and not self._compression_said:
            self._compression_said = True
            log.warning(
                "compression_not_read_by_all",
                compression=given,
                unreadable_for="kafkajs and NestJS, unless they bring a codec for it",
                remedy="every client reads none and gzip: set compression, or compression.type in kafka_properties",
            )
        return given

    def admin(self) -> AdminClient:
        """An admin client; keep a reference until its futures are done."""
        return _made(AdminClient, self._shared() | _without(self.properties, _CONSUMER_ONLY))

    def _shared(self) -> dict[str, Any]:
        return {
            "bootstrap.servers": self.bootstrap_servers,
            "client.id": "alsobought",
            "error_cb": self._on_error,
            "logger": _library_log(),
            "log.connection.close": "false",
        }

    def _on_error(self, error: KafkaError) -> None:
        hint = _HINTS.get(error.code(), "")
        self.last_error = f"{error.str()}{'; ' + hint if hint else ''}"
        now = time.monotonic()
        if now - self._said.get(error.code(), -_REPEAT_S) >= _REPEAT_S:
            self._said[error.code()] = now
            log.warning("kafka_error", code=error.name(), error=error.str(), hint=hint or None)

    def unavailable(self, doing: str, asked: AdminClient | Consumer | Producer | None = None) -> BrokerUnavailable:
        """The error for a cluster that did not answer, with what is known of the cause; `asked` is asked for it."""
        if asked is not None:
            asked.poll(0)  # errors wait in the client's queue until somebody polls
        cause = self.last_error or "no answer; check bootstrap_servers and that the broker runs"
        return BrokerUnavailable(f"{doing}: no answer from Kafka at {self.bootstrap_servers}: {cause}")


class _SaidByUs(logging.Filter):
    """Holds back lines that are said elsewhere, or mean nothing while all is well.

    Of lost connections `_on_error` is told too, and says them once, not each time; for its producer id a new cluster
    lets an idempotent producer wait a moment.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line may pass; librdkafka begins each with one word for its kind."""
        return not record.getMessage().startswith(("FAIL ", "ERROR ", "GETPID "))


_SAID_BY_US = _SaidByUs()


def _library_log() -> logging.Logger:
    logger = logging.getLogger("librdkafka")
    logger.addFilter(_SAID_BY_US)  # a filter that is there already is not added again
    return logger


_CONSUMER_ONLY = ("fetch.", "session.timeout.ms", "heartbeat.interval.ms", "max.poll.interval.ms", "queued.m", "group.")


def _statistics(wanted: tuple[int, Callable[[str], object]] | None) -> dict[str, Any]:
    return {} if wanted is None else {"statistics.interval.ms": wanted[0], "stats_cb": wanted[1]}


def _made(kind: Callable[[dict[str, Any]], AnyClient], properties: dict[str, Any]) -> AnyClient:
    try:
        return kind(properties)
    except KafkaException as error:  # nothing is sent yet: it is a property
        raise ConfigError(f"kafka_properties: {_with_what_was_meant(error.args[0].str())}") from error


def _with_what_was_meant(said: str) -> str:
    unknown = _NO_SUCH_PROPERTY.search(said)
    hint = meant(unknown[1]) if unknown else ""
    return f"{said}; {hint}" if hint else said


def _without(properties: Mapping[str, str], beginnings: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in properties.items() if not name.startswith(beginnings)}


def drain(consumer: Consumer, limit: int, timeout_s: float) -> list[Message]:
    """Wait for one record, then take what is already there: never waits for a full batch."""
    first = consumer.poll(timeout_s)
    if first is None:
        return []
    return [first, *consumer.consume(limit - 1, 0)] if limit > 1 else [first]


def watermarks(consumer: Consumer, topic: str, partition: int, timeout_s: float = 10) -> tuple[int, int]:
    """The first offset that the broker still has, and the next one it will give. Raises `KafkaException`."""
    give_up = time.monotonic() + timeout_s
    while True:
        try:
            found = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=timeout_s, cached=False)
        except KafkaException as error:
            # right after a topic is created the metadata name a leader that does not know of it yet
            if error.args[0].code() not in _NOT_YET or time.monotonic() >= give_up:
                raise
            time.sleep(0.05)
            continue
        if found is None:
            raise KafkaException(
                KafkaError(KafkaError._TIMED_OUT, f"no offsets of {topic}[{partition}] in {timeout_s} s")
            )
        return int(found[0]), int(found[1])


def produce(
    producer: Producer,
    topic: str,
    value: bytes | None,
    *,
    on_delivery: Callable[[KafkaError | None, Message], None],
    **record: Any,
) -> None:
    """Hand a record to the producer; when its queue is full let the network work and try again."""
    while True:
        try:
            producer.produce(topic, value, on_delivery=on_delivery, **record)
        except BufferError:
            producer.poll(0.05)
        else:
            return
