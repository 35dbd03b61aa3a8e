"""Catalogue records into the store: titles, categories, prices and what is withdrawn, the bad ones buried.

How far each partition was read is stored with the entries, in one transaction.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from consumers.decoding.purchases import InvalidRecord, checked_id, parsed, text
from consumers.ingest.dead_letters import DeadLetter, LetterBox, bury
from consumers.kafka.records import Record
from consumers.observability.metrics import Metrics
from model.purchases.changes import Product
from model.store.writer import Store


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

    A product that nobody knows yet is withdrawn where it has no brand: its first purchase may be read later than this.
    Raises `InvalidRecord`.
    """
    value = record.value
    if value is None:
        product_id = checked_id(text(record.key, "key"), "key")
        return [Product(brand, product_id, withdrawn=True) for brand in brands_of(product_id) or [""]]
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
        bury(self.dead_letters, letters, self.metrics)
        return self.store.list_products(products, positions)
