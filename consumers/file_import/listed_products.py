"""Products on the topics, to be held beside those of a file: all that the catalogue lists, and those ordered lately."""

from collections.abc import Callable, Iterator, Sequence

import msgspec
from confluent_kafka import KafkaException

from consumers.file_import.remarks import ProductIds, listed_ids
from consumers.kafka.clients import KafkaClients
from consumers.kafka.records import Record
from consumers.kafka.topic_reader import extents, read_extent

Progress = Callable[[str, float], None]

_LATELY = 20_000  # records: enough to see whether ids are shared, and read in a moment


class _Product(msgspec.Struct, gc=False):
    product_id: str


class _Order(msgspec.Struct, gc=False):
    items: list[_Product]


_LISTED = msgspec.json.Decoder(_Product)
_ORDERED = msgspec.json.Decoder(_Order)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def listed_products(clients: KafkaClients, topic: str, progress: Progress | None = None) -> ProductIds:
    """Read the catalogue topic to its present end; what is no product is passed over. Raises BrokerUnavailable."""
    return _products(clients, topic, "catalog_topic", progress, None)


def ordered_lately(clients: KafkaClients, topic: str, progress: Progress | None = None) -> ProductIds:
    """Read the last 20,000 records of purchases; other forms than the plain one are passed over.

    Raises BrokerUnavailable.
    """
    return _products(clients, topic, "purchases_topic", progress, _LATELY)


def _products(
    clients: KafkaClients, topic: str, setting: str, progress: Progress | None, last: int | None
) -> ProductIds:
    ids: set[str] = set()
    consumer = clients.consumer("alsobought-import-products", enable_partition_eof="true")
    try:
        parts = extents(consumer, topic, setting)
        if last is not None:
            parts = [part._replace(first=max(part.first, part.end - last // len(parts))) for part in parts]
        total, read = sum(part.end - part.first for part in parts), 0
        for part in parts:
            for records in read_extent(consumer, topic, part):
                ids.update(_named(records))
                read += len(records)
                if progress:
                    progress(f"reading {topic}", min(read / total, 1))
    except KafkaException as error:
        raise clients.unavailable(f"reading {topic}", consumer) from error
    finally:
        consumer.close()
    return listed_ids(sorted(ids))


def _named(records: Sequence[Record]) -> Iterator[str]:
    for record in records:
        if record.value is None:
            continue
        try:
            if b'"items"' in record.value:
                yield from (item.product_id for item in _ORDERED.decode(record.value).items)
            else:
                yield _LISTED.decode(record.value).product_id
        except _UNREADABLE:
            continue
