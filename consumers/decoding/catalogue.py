"""From the bytes of a catalogue record to what it says of a product, or to `InvalidRecord` with the reason."""

import math
from collections.abc import Callable, Sequence

import msgspec

from consumers.decoding.fields import InvalidRecord, checked_id, parsed, text
from consumers.kafka.records import Record
from model.catalogue.product import Product


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
