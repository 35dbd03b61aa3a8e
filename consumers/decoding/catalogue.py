"""From the bytes of a catalogue record to what it says of a product, or to `InvalidRecord` with the reason."""

import math
from collections.abc import Callable, Sequence

import msgspec

from consumers.decoding.fields import InvalidRecord, checked_id, parsed, text
from consumers.decoding.loose_values import Id, id_text, number, truth
from consumers.decoding.purchases import optional_id, taken
from consumers.kafka.records import Record
from model.catalogue.product import Product


class _Listed(msgspec.Struct, gc=False):
    product_id: Id
    brand_id: Id | None = None
    title: Id | None = None  # "1984" is a title too
    category: Id | None = None
    price: float | str | None = None
    withdrawn: bool | str | None = False


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
    price = listed.price if listed.price is None else taken(number, listed.price, "price")
    if price is not None and not (0 <= price < math.inf):
        raise InvalidRecord("out_of_range", "price", "price is below 0 or not finite")
    return [
        Product(
            brand=optional_id(listed.brand_id, "brand_id"),
            product_id=checked_id(taken(id_text, listed.product_id, "product_id"), "product_id"),
            price=price,
            title=_words(listed.title, "title"),
            category=_words(listed.category, "category"),
            withdrawn=listed.withdrawn is not None and taken(truth, listed.withdrawn, "withdrawn"),
        )
    ]


def _words(value: Id | None, name: str) -> str | None:
    words = value if value is None else taken(id_text, value, name)
    if len(words or "") > _MAX_TEXT:
        raise InvalidRecord("out_of_range", name, f"{name} is longer than {_MAX_TEXT} characters")
    return words
