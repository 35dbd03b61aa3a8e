"""Catalogue records into the store: titles, categories, prices and what is withdrawn, the bad ones buried.

How far each partition was read is stored with the entries, in one transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from consumers.decoding.catalogue import read_listed
from consumers.decoding.fields import InvalidRecord
from consumers.ingest.dead_letters import DeadLetter, LetterBox, send_dead_letters
from consumers.kafka.records import Record
from consumers.observability.metrics import Metrics
from model.catalogue.product import Product
from model.store.writer import Store


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a batch of the catalogue's records goes through."""

    store: Store
    dead_letters: LetterBox
    metrics: Metrics
    cluster_id: str
    topic: str

    def position(self, partition: int) -> str:
        """The name under which the store keeps how far this partition was read."""
        return f"{self.cluster_id}/{self.topic}/{partition}"

    def take(self, records: Sequence[Record]) -> list[int]:
        """Store a batch; returns the numbers of its products. Raises `StoreUnavailable` or `BrokerUnavailable`."""
        products: list[Product] = []
        letters: list[DeadLetter] = []
        positions: dict[str, int] = {}

        def brands_of(product_id: str) -> list[str]:
            fresh = {product.brand for product in products if product.product_id == product_id}
            return [*fresh.union(self.store.brands_of(product_id))]

        for record in records:
            try:
                products += read_listed(record, brands_of)
            except InvalidRecord as error:
                letters.append(DeadLetter(record, error.reason, str(error)))
            positions[self.position(record.partition)] = record.offset + 1
        send_dead_letters(self.dead_letters, letters, self.metrics)
        return self.store.list_products(products, positions)
