"""The topics that every worker reads whole: the catalogue (kept in SQLite) and the announcements of models.

They are read beside the group, by a consumer that assigns itself. Announcements are acted on only once the end of the
topic has been seen: of one key only the last counts.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from consumers.announcements import Announcement, UnreadableAnnouncement, read_announcement
from consumers.clients import watermarks
from consumers.dead_letters import DeadLetter, DeadLetters, bury
from consumers.events import InvalidRecord, checked_id, parsed, text
from consumers.metrics import Metrics
from consumers.records import ReadError, Record, sorted_out
from model.purchases import Product
from model.store import Store

log = structlog.get_logger(__name__)
_AT_ONCE = 1000


class _Listed(msgspec.Struct, gc=False):
    product_id: str
    brand_id: str | None = None
    title: str | None = None
    category: str | None = None
    price: float | None = None
    withdrawn: bool = False


_LISTED = msgspec.json.Decoder(_Listed)
_MAX_TEXT = 1_000


def read_listed(record: Record, brands_of: Callable[[str], Sequence[str]]) -> list[Product]:
    """The catalogue entries that a record changes; a null value withdraws the product of its key, in every brand.

    Raises `InvalidRecord`.
    """
    value = record.value
    if value is None:
        product_id = checked_id(text(record.key, "key"), "key")
        return [Product(brand, product_id, withdrawn=True) for brand in brands_of(product_id)]
    listed = parsed(_LISTED, value)
    price = listed.price
    if price is not None and not (0 <= price < math.inf):
        raise InvalidRecord("out_of_range", "price", "price is below 0 or not finite")
    for field_name in ("title", "category"):
        if len(getattr(listed, field_name) or "") > _MAX_TEXT:
            raise InvalidRecord("out_of_range", field_name, f"{field_name} is longer than {_MAX_TEXT} characters")
    return [
        Product(
            checked_id(listed.brand_id, "brand_id") if listed.brand_id else "",
            checked_id(listed.product_id, "product_id"),
            price,
            listed.title,
            listed.category,
            listed.withdrawn,
        )
    ]


@dataclass(slots=True)
class Broadcasts:
    """Reads both topics; one turn after each batch of the loop."""

    consumer: Consumer
    store: Store
    dead_letters: DeadLetters
    metrics: Metrics
    cluster_id: str
    catalog: str
    models: str
    on_announced: Callable[[str, Announcement | None], None]
    on_catalogue: Callable[[Sequence[int]], None]
    _lost_place: bool = False
    _ends: dict[int, int] = field(default_factory=dict)  # partition of models -> offset that is not yet reached
    _announced: dict[str, Announcement | None] = field(default_factory=dict)

    def start(self) -> None:
        """Assign both topics: the catalogue from where it was left, the models from their beginning."""
        parts = []
        known = self.store.catalogue_positions()
        for topic in (self.catalog, self.models):
            for partition in self.consumer.list_topics(topic, timeout=10).topics[topic].partitions:
                low, high = watermarks(self.consumer, topic, partition)
                start = low
                if topic == self.catalog:
                    stored = known.get(self._position(partition), low)
                    start = stored if low <= stored <= high else low
                elif low < high:
                    self._ends[partition] = high
                parts.append(TopicPartition(topic, partition, start))
        self.consumer.assign(parts)

    @property
    def caught_up(self) -> bool:
        """Whether every announcement that was there at the start has been read."""
        return not self._ends

    def turn(self) -> None:
        """Take what has come, without waiting."""
        if self._lost_place:
            self._start_again()
        records, errors = sorted_out(self.consumer.consume(_AT_ONCE, 0))
        listed = [record for record in records if record.topic == self.catalog]
        for record in records:
            if record.topic == self.models:
                self._read_announcement(record)
        for error in errors:
            self._on_error(error)
        if listed:
            self._list(listed)
        if self.caught_up and self._announced:
            announced, self._announced = self._announced, {}
            for brand, announcement in announced.items():
                self.on_announced(brand, announcement)

    def _start_again(self) -> None:
        """Assign anew: a seek is refused once the client has stopped to fetch for want of an offset."""
        try:
            self.start()
            self._lost_place = False
        except KafkaException as error:  # the next turn tries again
            log.warning("kafka_read_error", topic=self.models, code=error.args[0].name(), error=error.args[0].str())

    def _read_announcement(self, record: Record) -> None:
        problem = ""
        try:
            brand, announcement = read_announcement(record)
            self._announced[brand] = announcement
        except UnreadableAnnouncement as error:
            problem = str(error)
        if problem:
            self.metrics.model_refused("unreadable_announcement").inc()
            log.error("announcement_unreadable", topic=self.models, offset=record.offset, message=problem)
        self._reached(record.partition, record.offset + 1)

    def _reached(self, partition: int, offset: int) -> None:
        if offset >= self._ends.get(partition, math.inf):
            del self._ends[partition]

    def _on_error(self, error: ReadError) -> None:
        if error.is_end:
            if error.topic == self.models:  # records below the end may have been compacted away
                self._ends.pop(error.partition, None)
        elif error.is_out_of_range:
            self._lost_place = True
        else:
            log.warning("kafka_read_error", topic=error.topic, code=error.name, error=error.text)

    def _list(self, records: Sequence[Record]) -> None:
        products: list[Product] = []
        letters: list[DeadLetter] = []
        positions: dict[str, int] = {}
        for record in records:
            try:
                products += read_listed(record, self.store.brands_of)
            except InvalidRecord as error:
                letters.append(DeadLetter(record, error.reason, str(error)))
            positions[self._position(record.partition)] = record.offset + 1
        bury(self.dead_letters, letters, self.metrics)
        self.on_catalogue(self.store.list_products(products, positions))

    def _position(self, partition: int) -> str:
        return f"{self.cluster_id}/{self.catalog}/{partition}"
