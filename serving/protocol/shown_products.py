"""What a reply says of a product, as text that is ready: made when the product is first shown, kept while it is true.

In: products and prices by number, and word of those that changed. Out: the JSON up to the score, and the JSON of the
id. Bounded: what is kept is let go when it grows past a few megabytes, and made again when it is shown again.
"""

from collections.abc import Callable, Iterable, Sequence
from sys import getsizeof

import msgspec

from model.catalogue.product import Product

MOST_BYTES = 16 * 2**20  # of texts and what holds them: some 350 bytes a product with a title
_HOLDING_BYTES = 150  # the entry, its number and the price that was paid

_encode = msgspec.json.Encoder().encode


class _Told(msgspec.Struct, gc=False):
    """How a recommendation begins on the wire."""

    product_id: str
    brand_id: str | None
    title: str | None
    category: str | None
    price: float | None


class ShownProducts:
    """The texts by product number. `changed` and `paid` must be called with what is new."""

    def __init__(
        self, products: Sequence[Product], price: Callable[[int], float | None], most_bytes: int = MOST_BYTES
    ) -> None:
        self._products = products  # by number, a live view
        self._price = price
        self._paid: dict[int, float | None] = {}  # what the text says, where the catalogue says no price
        # Begins of recommendations, up to the score: {"product_id":…,"score":
        self.begins: dict[int, str] = _Kept(self._begin, most_bytes)
        # Ids of products with a comma; 0 says nothing
        self.ids: dict[int, str] = _Kept(self._id, most_bytes // 4)

    def changed(self, numbers: Iterable[int]) -> None:
        """The catalogue has new words for these products."""
        for number in numbers:
            self.begins.pop(number, None)
            self._paid.pop(number, None)

    def paid(self, numbers: Iterable[int]) -> None:
        """These products were bought, maybe for another price."""
        for number in self._paid.keys() & set(numbers):
            if self._price(number) != self._paid[number]:
                del self._paid[number]
                self.begins.pop(number, None)

    def _begin(self, number: int) -> str:
        brand, product_id, listed, title, category, _ = self._products[number]
        price = self._price(number)
        if not self.begins:
            self._paid.clear()
        if listed is None:
            self._paid[number] = price
        told = _encode(_Told(product_id, brand or None, title, category, price=price))
        return f'{told[:-1].decode()},"score":'

    def _id(self, number: int) -> str:
        return f"{_encode(self._products[number].product_id).decode()}," if number else ""


class _Kept(dict[int, str]):
    """Texts by number, made when they are missed; all are let go when they are too many."""

    def __init__(self, make: Callable[[int], str], most_bytes: int) -> None:
        super().__init__()
        self._make = make
        self._most_bytes = most_bytes
        self._bytes = 0

    def __missing__(self, number: int) -> str:
        if self._bytes >= self._most_bytes:
            self.clear()
            self._bytes = 0
        text = self[number] = self._make(number)
        self._bytes += getsizeof(text) + _HOLDING_BYTES
        return text
