"""Products as bytes, found by number or by name: what a product costs when there are a million and few are asked for.

Some 85 bytes each, where an object, its name and an entry of a dictionary are 250. Names are found by hash tables of
numbers with open addressing: many small ones, so that none holds up an answer when it grows.
"""

from array import array
from collections.abc import Iterator, Sequence
from typing import overload

import msgspec

from model.purchases import Product

_KEPT = 16_384  # products asked for lately that are kept as objects
_TABLES = 1024
_SLOTS = 8  # of a table when it is new

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Product).decode
_OF_A_PRODUCT = _pack(Product("", ""))[:1]  # a packed product begins with how many fields it has, then brand and id


class PackedProducts(Sequence[Product]):
    """The products by number. Number 0 is a placeholder that no name finds."""

    def __init__(self) -> None:
        self._packed = [_pack(Product("", ""))]
        self._tables = [array("I", bytes(4 * _SLOTS)) for _ in range(_TABLES)]  # numbers, 0 = free
        self._filled = [0] * _TABLES  # slots of each
        self._lately: dict[int, Product] = {}

    def __len__(self) -> int:
        return len(self._packed)

    @overload
    def __getitem__(self, number: int) -> Product: ...
    @overload
    def __getitem__(self, number: slice) -> list[Product]: ...
    def __getitem__(self, number: int | slice) -> Product | list[Product]:
        if isinstance(number, slice):
            return [_unpack(packed) for packed in self._packed[number]]
        product = self._lately.get(number)
        if product is None:
            if len(self._lately) >= _KEPT:
                self._lately.clear()
            product = self._lately[number] = _unpack(self._packed[number])
        return product

    def __iter__(self) -> Iterator[Product]:
        return map(_unpack, self._packed)

    def find(self, brand: str, product_id: str) -> int | None:
        """The number of the product of this name, None when there is none."""
        name = _packed_name(brand, product_id)
        place = hash(name)
        table = self._tables[place % _TABLES]
        last = len(table) - 1
        slot = place // _TABLES & last
        while number := table[slot]:
            if self._packed[number].startswith(name):
                return number
            slot = (slot + 1) & last
        return None

    def add(self, product: Product) -> int:
        """Give a product that is not there yet the next number."""
        number = len(self._packed)
        self._packed.append(_pack(product))
        place = hash(_packed_name(product.brand, product.product_id))
        at = place % _TABLES
        self._filled[at] += 1
        if 2 * self._filled[at] > len(self._tables[at]):
            self._grow(at)
        _put(self._tables[at], place, number)
        return number

    def replace(self, number: int, product: Product) -> None:
        """Another product of the same name in the place of this one."""
        self._packed[number] = _pack(product)
        self._lately.pop(number, None)

    def _grow(self, at: int) -> None:
        known = [number for number in self._tables[at] if number]
        self._tables[at] = array("I", bytes(2 * 4 * len(self._tables[at])))
        for number in known:
            brand, product_id, *_ = _unpack(self._packed[number])
            _put(self._tables[at], hash(_packed_name(brand, product_id)), number)


def _put(table: "array[int]", place: int, number: int) -> None:
    last = len(table) - 1
    slot = place // _TABLES & last
    while table[slot]:
        slot = (slot + 1) & last
    table[slot] = number


def _packed_name(brand: str, product_id: str) -> bytes:
    """What a packed product of this name begins with, and no other."""
    return _OF_A_PRODUCT + _pack((brand, product_id))[1:]
