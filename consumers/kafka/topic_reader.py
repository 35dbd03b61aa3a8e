"""Reading a topic from its first record to the end that it has at the start, without a group and without commits."""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from consumers.kafka.clients import BrokerUnavailable, KafkaClients, drain, watermarks
from consumers.kafka.records import Record, sorted_out

_AT_ONCE = 500
_PATIENCE_S = 60


class Extent(NamedTuple):
    """A partition and what the broker has of it: offsets from `first` to below `end`."""

    partition: int
    first: int
    end: int


def extents(consumer: Consumer, topic: str, setting: str) -> list[Extent]:
    """The partitions of the topic that `setting` names. Raises `BrokerUnavailable`, `KafkaException`."""
    listed = consumer.list_topics(topic, timeout=10).topics[topic]
    if listed.error is not None:
        raise BrokerUnavailable(f"topic {topic}: {listed.error.str()}; {setting} names another?")
    return [Extent(number, *watermarks(consumer, topic, number)) for number in sorted(listed.partitions)]


def read_extent(
    consumer: Consumer, topic: str, extent: Extent, *, at_once: int = _AT_ONCE
) -> Iterator[Sequence[Record]]:
    """The records of a partition in batches; the consumer must be one that is told of a partition's end.

    Raises `BrokerUnavailable` when nothing comes for a minute, and `KafkaException`.
    """
    partition, first, end = extent
    if first >= end:
        return
    consumer.assign([TopicPartition(topic, partition, first)])
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        records, errors = sorted_out(drain(consumer, at_once, 0.5))
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


def read_all(clients: KafkaClients, topic: str) -> Iterator[Record]:
    """Every dead letter that is on the topic now, partition by partition."""
    consumer = clients.consumer("alsobought-dead-letters", enable_partition_eof="true")
    try:
        for extent in extents(consumer, topic, "dead_letters_topic"):
            for records in read_extent(consumer, topic, extent):
                yield from records
    except KafkaException as error:
        raise clients.unavailable(f"reading {topic}", consumer) from error
    finally:
        consumer.close()
