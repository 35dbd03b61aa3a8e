"""Reading a topic from its first record to the end that it has at the start, without a group and without commits."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

from confluent_kafka import KafkaException, TopicPartition

from consumers.kafka.clients import BrokerUnavailable, KafkaClients, drain, watermarks
from consumers.kafka.records import Record, sorted_out

_AT_ONCE = 500
_PATIENCE_S = 60


class Extent(NamedTuple):
    """A partition and what the broker has of it: offsets from `first` to below `end`."""

    partition: int
    first: int
    end: int


class TopicReader:
    """Reads topics whole, one partition after the other; `group` is what the brokers know it by.

    For one thread. It holds a connection: leave it by `with`, or close it. All of it raises `BrokerUnavailable`.
    `properties` are librdkafka's, for who reads much at a stretch.
    """

    def __init__(self, clients: KafkaClients, *, group: str, **properties: Any) -> None:
        self._clients = clients
        self._consumer = clients.consumer(group, enable_partition_eof="true", **properties)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave Kafka."""
        self._consumer.close()

    def extents(self, topic: str, setting: str) -> list[Extent]:
        """The partitions of the topic that `setting` names."""
        with self._explained(topic):
            listed = self._consumer.list_topics(topic, timeout=10).topics[topic]
            if listed.error is not None:
                raise BrokerUnavailable(f"topic {topic}: {listed.error.str()}; {setting} names another?")
            return [Extent(number, *watermarks(self._consumer, topic, number)) for number in sorted(listed.partitions)]

    def read(self, topic: str, extent: Extent, *, at_once: int = _AT_ONCE) -> Iterator[Sequence[Record]]:
        """The records of a partition in batches; also an error when nothing comes for a minute."""
        partition, first, end = extent
        if first >= end:
            return
        with self._explained(topic):
            self._consumer.assign([TopicPartition(topic, partition, first)])
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            with self._explained(topic):
                records, errors = sorted_out(drain(self._consumer, at_once, 0.5))
            for error in errors:
                if not error.is_end:
                    raise BrokerUnavailable(f"reading {topic}[{partition}]: {error.text}")
            wanted = [record for record in records if record.offset < end]
            if wanted:
                yield wanted
            if errors or any(record.offset >= end - 1 for record in records):
                return
            if records:
                deadline = time.monotonic() + _PATIENCE_S
        raise BrokerUnavailable(f"reading {topic}[{partition}]: nothing came for {_PATIENCE_S} s")

    @contextmanager
    def _explained(self, topic: str) -> Iterator[None]:
        try:
            yield
        except KafkaException as error:
            raise self._clients.unavailable(f"reading {topic}", self._consumer) from error


def read_topic(clients: KafkaClients, topic: str, *, group: str, setting: str) -> Iterator[Record]:
    """Every record that is on the topic now, partition by partition.

    `setting` is the setting that names the topic. Raises `BrokerUnavailable`.
    """
    with TopicReader(clients, group=group) as reader:
        for extent in reader.extents(topic, setting):
            for records in reader.read(topic, extent):
                yield from records
