"""Products as bytes, found by number or by name: what a product costs when there are a million and few are asked for.

Some 50 bytes each, where an object, its name and an entry of a dictionary are 250. Names are found by hash tables of
numbers with open addressing: many small ones, so that none holds up an answer when it grows.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import msgspec

from model.catalogue.product import Product

_KEPT = 32_768  # products asked for lately that are kept as objects
_TABLES = 1024
_SLOTS = 64  # of a table when it is new: 256 kB in all
_LEAST_LOST = 65_536  # bytes, below which nothing is copied

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Product).decode
_OF_A_PRODUCT = _pack(Product("", ""))[:1]  # a packed product begins with how many fields it has, then brand and id


class PackedProducts(Sequence[Product]):
    """The products by number. Number 0 is a placeholder that no name finds."""

    def __init__(self) -> None:
        self._bytes = bytearray()  # packed products; not an object each, which garbage collections would look at
        self._begins = array("Q")  # by number, in `_bytes`
        self._sizes = array("I")
        self._lost = 0  # bytes that nothing stands in any more
        self._tables = [array("I", bytes(4 * _SLOTS)) for _ in range(_TABLES)]  # numbers, 0 = free
        self._filled = [0] * _TABLES  # slots of each
        self._lately: dict[int, Product] = {}
        self._append(Product("", ""))

    def __len__(self) -> int:
        return len(self._begins)

    @overload
    def __getitem__(self, number: int) -> Product: ...
    @overload
    def __getitem__(self, number: slice) -> list[Product]: ...
    def __getitem__(self, number: int | slice) -> Product | list[Product]:
        if isinstance(number, slice):
            return self.of(range(*number.indices(len(self))))
        product = self._lately.get(number)
        if product is None:
            if len(self._lately) >= _KEPT:
                self._lately.clear()
            product = self._lately[number] = self._unpacked(number)
        return product

    def __iter__(self) -> Iterator[Product]:
        return map(self._unpacked, range(len(self)))

    def of(self, numbers: Iterable[int]) -> list[Product]:
        """The products of these numbers, none of which is kept: for whoever asks for all, a part at a time."""
        return [self._unpacked(number) for number in numbers]

    def find(self, brand: str, product_id: str) -> int | None:
        """The number of the product of this name, None when there is none."""
        name = _packed_name(brand, product_id)
        place = hash(name)
        table = self._tables[place % _TABLES]
        last = len(table) - 1
        slot = place // _TABLES & last
        while number := table[slot]:
            if self._bytes.startswith(name, self._begins[number]):
                return number
            slot = (slot + 1) & last
        return None

    def add(self, product: Product) -> int:
        """Give a product that is not there yet the next number."""
        number = len(self)
        self._append(product)
        place = hash(_packed_name(product.brand, product.product_id))
        at = place % _TABLES
        self._filled[at] += 1
        if 2 * self._filled[at] > len(self._tables[at]):
            self._grow(at)
        _put(self._tables[at], place, number)
        return number

    def replace(self, number: int, product: Product) -> None:
        """Another product of the same name in the place of this one."""
        self._lost += self._sizes[number]
        self._begins[number], self._sizes[number] = self._put_down(product)
        self._lately.pop(number, None)
        if self._lost > max(len(self._bytes) // 2, _LEAST_LOST):
            self._close_up()

    def _grow(self, at: int) -> None:
        known = [number for number in self._tables[at] if number]
        self._tables[at] = array("I", bytes(2 * 4 * len(self._tables[at])))
        for number in known:
            brand, product_id, *_ = self._unpacked(number)
            _put(self._tables[at], hash(_packed_name(brand, product_id)), number)

    def _unpacked(self, number: int) -> Product:
        return _unpack(self._packed(number))

    def _packed(self, number: int) -> bytearray:
        begin = self._begins[number]
        return self._bytes[begin : begin + self._sizes[number]]

    def _append(self, product: Product) -> None:
        begin, size = self._put_down(product)
        self._begins.append(begin)
        self._sizes.append(size)

    def _put_down(self, product: Product) -> tuple[int, int]:
        """Where it begins, and its size."""
        packed, begin = _pack(product), len(self._bytes)
        self._bytes += packed
        return begin, len(packed)

    def _close_up(self) -> None:
        """Copy what is left, once more is lost than that: some 0.3 s for a million."""
        kept = bytearray()
        for number in range(len(self)):
            packed = self._packed(number)
            self._begins[number] = len(kept)
            kept += packed
        self._bytes, self._lost = kept, 0


def _put(table: "array[int]", place: int, number: int) -> None:
    last = len(table) - 1
    slot = place // _TABLES & last
    while table[slot]:
        slot = (slot + 1) & last
    table[slot] = number


def _packed_name(brand: str, product_id: str) -> bytes:
    """What a packed product of this name begins with, and no other."""
    return _OF_A_PRODUCT + _pack((brand, product_id))[1:]
