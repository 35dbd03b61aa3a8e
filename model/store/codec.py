"""The bytes of the store: a batch of orders for the tail, and a customer's order lines.

A line is two little-endian uint32: product number, seconds since 1970. A tail blob is columns, one after the other;
what `pack` wrote, `unpack` returns.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.purchases.histories import Histories

LINE_BYTES = 8
_MANY_LINES = 1000
UINT32 = np.dtype("<u4")
_HEADER = np.dtype("<u4")
_SIZE = np.dtype("<u2")
_PRICE = np.dtype("<f4")
_HASH = np.dtype("<u8")


@dataclass(frozen=True, slots=True)
class Orders:
    """A batch of orders in the order of arrival, as columns."""

    customers: NDArray[np.uint32]  # (n,) customer numbers
    logs: NDArray[np.uint32]  # (n,) the log each came from
    times: NDArray[np.uint32]  # (n,) seconds since 1970
    sizes: NDArray[np.uint16]  # (n,) lines of each
    hashes: NDArray[np.uint64]  # (n,) of event ids, 0 = none
    products: NDArray[np.uint32]  # (m,) product numbers, m = sum(sizes)
    prices: NDArray[np.float32]  # (m,) NaN = not said

    @classmethod
    def joined(cls, batches: Sequence["Orders"]) -> "Orders":
        """The orders of all these batches (at least one), one after the other."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(orders, name) for orders in batches]) for name in names))

    def without_lines_of(self, customers: Collection[int]) -> "Orders":
        """These orders with those of `customers` empty and nobody's; their hashes stay."""
        gone = np.isin(self.customers, np.fromiter(customers, np.uint32))
        kept = ~np.repeat(gone, self.sizes)
        zeroed = (np.where(gone, column.dtype.type(0), column) for column in (self.customers, self.times, self.sizes))
        nobody, never, empty = zeroed
        return Orders(
            customers=nobody,
            logs=self.logs,
            times=never,
            sizes=empty,
            hashes=self.hashes,
            products=self.products[kept],
            prices=self.prices[kept],
        )

    def between(self, low: int, high: int) -> "Orders":
        """The orders of the customers with numbers from `low` to below `high`."""
        chosen = (self.customers >= low) & (self.customers < high)
        lines = np.repeat(chosen, self.sizes)
        return Orders(
            customers=self.customers[chosen],
            logs=self.logs[chosen],
            times=self.times[chosen],
            sizes=self.sizes[chosen],
            hashes=self.hashes[chosen],
            products=self.products[lines],
            prices=self.prices[lines],
        )

    def by_customer(self, size: int, paid: Mapping[int, float]) -> list["Orders"]:
        """These orders, customers ascending, in parts of some `size` orders; all that a customer has is in one part.

        Each customer's lines keep their order. The prices said are those in `paid`, by product number, each once.
        Orders of nobody are left out, and so are hashes.
        """
        order = np.argsort(self.customers, kind="stable")
        order = order[self.customers[order] > 0]
        customers, sizes = self.customers[order], self.sizes[order]
        products = self.products[self._lines_of(order)]
        prices = np.full(len(products), np.nan, np.float32)
        if paid:
            numbers, places = np.unique(products, return_index=True)
            prices[places[np.searchsorted(numbers, list(paid))]] = list(paid.values())
        firsts = np.flatnonzero(np.diff(customers, prepend=np.uint32(0)))
        wanted = np.searchsorted(firsts, np.arange(size, len(customers), size))
        cuts = np.unique(firsts[wanted[wanted < len(firsts)]]).tolist()
        ends = [0, *np.cumsum(sizes, dtype=np.int64).tolist()]
        return [
            Orders(
                customers=customers[start:stop],
                logs=self.logs[order[start:stop]],
                times=self.times[order[start:stop]],
                sizes=sizes[start:stop],
                hashes=np.zeros(stop - start, np.uint64),
                products=products[ends[start] : ends[stop]],
                prices=prices[ends[start] : ends[stop]],
            )
            for start, stop in pairwise([0, *cuts, len(customers)])
        ]

    def _lines_of(self, orders: NDArray[np.int64]) -> NDArray[np.int64]:
        """The places of these orders' lines, order by order."""
        sizes = self.sizes[orders].astype(np.int64)
        begins = np.cumsum(self.sizes, dtype=np.int64) - self.sizes
        places: NDArray[np.int64] = np.arange(sizes.sum()) + np.repeat(begins[orders] - np.cumsum(sizes) + sizes, sizes)
        return places

    def lines(self) -> NDArray[np.uint32]:
        """uint32 (m, 2): product number and time of every line."""
        lines = np.empty((len(self.products), 2), UINT32)
        lines[:, 0] = self.products
        lines[:, 1] = self.line_times()
        return lines

    def line_times(self) -> NDArray[np.uint32]:
        """uint32 (m,): the time of every line."""
        return np.repeat(self.times, self.sizes)

    def prices_paid(self, since: int = 0) -> dict[int, float]:
        """The last price that was said of each product, of those with a number from `since` on."""
        said = self.products >= since
        return last_prices(self.products[said], self.prices[said])


def last_prices(products: NDArray[np.uint32], prices: NDArray[np.float32]) -> dict[int, float]:
    """The last price that was said of each product in lines (m,) of both; NaN says none."""
    said = np.flatnonzero(~np.isnan(prices))
    products, prices = products[said], prices[said]
    if len(products) > _MANY_LINES:  # each product once: a dictionary takes longer than this
        places, last = np.arange(len(products)), np.empty(int(products.max()) + 1, np.int64)
        last[products] = places
        once = last[products] == places
        products, prices = products[once], prices[once]
    return dict(zip(products.tolist(), prices.tolist(), strict=True))


def pack(orders: Orders) -> bytes:
    """The columns as one blob."""
    header = np.array([len(orders.customers), len(orders.products)], _HEADER)
    columns = (
        header,
        orders.customers.astype(UINT32, copy=False),
        orders.logs.astype(UINT32, copy=False),
        orders.times.astype(UINT32, copy=False),
        orders.sizes.astype(_SIZE, copy=False),
        orders.hashes.astype(_HASH, copy=False),
        orders.products.astype(UINT32, copy=False),
        orders.prices.astype(_PRICE, copy=False),
    )
    return b"".join(column.tobytes() for column in columns)


def unpack(blob: bytes) -> Orders:
    """Read a blob made by `pack`; the arrays are views of it."""
    n, m = np.frombuffer(blob, _HEADER, 2).tolist()
    at = 2 * _HEADER.itemsize
    columns: list[NDArray[Any]] = []
    for dtype, length in ((UINT32, n), (UINT32, n), (UINT32, n), (_SIZE, n), (_HASH, n), (UINT32, m), (_PRICE, m)):
        columns.append(np.frombuffer(blob, dtype, length, at))
        at += dtype.itemsize * length
    return Orders(*columns)


def lines_of(blob: bytes) -> NDArray[np.uint32]:
    """uint32 (n, 2) view of a customer's packed lines."""
    return np.frombuffer(blob, UINT32).reshape(-1, 2)


def histories_of(customers: Sequence[int], blobs: Sequence[bytes]) -> Histories:
    """The order lines in each customer's blob, in the order given."""
    lines = lines_of(b"".join(blobs))
    starts = np.zeros(len(blobs) + 1, np.int64)
    np.cumsum([len(blob) // LINE_BYTES for blob in blobs], out=starts[1:])
    return Histories(np.array(customers, np.uint32), starts, lines[:, 0], lines[:, 1])


def refuse_unknown(products: NDArray[np.uint32], known: int) -> None:
    """Raise ValueError for a product number that is not below `known`: arrays by number would grow to it."""
    if len(products) and int(products.max()) >= known:
        raise ValueError(f"product number {int(products.max())} of {known - 1}")
