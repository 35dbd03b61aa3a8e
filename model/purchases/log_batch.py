"""Records of the purchases topic as columns: a list for each field of the orders instead of an object for each order.

What decoders make of a batch, and what the store plans with. As a sequence it is the same records one by one.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain, compress, repeat
from typing import overload

from model.purchases.changes import Forget, LogRecord, Purchase


@dataclass(slots=True)
class PurchaseColumns:
    """Orders as columns: n of each, and m lines. Fields as in `Purchase`."""

    profiles: list[str] = field(default_factory=list)  # (n,)
    brands: list[str] = field(default_factory=list)  # (n,)
    times_s: list[int] = field(default_factory=list)  # (n,)
    event_ids: list[str] = field(default_factory=list)  # (n,)
    sizes: list[int] = field(default_factory=list)  # (n,) lines of each
    products: list[str] = field(default_factory=list)  # (m,), m = sum(sizes)
    prices: list[float] = field(default_factory=list)  # (m,)

    def __len__(self) -> int:
        """How many orders."""
        return len(self.profiles)

    def append(self, purchase: Purchase) -> None:
        """One order more."""
        self.profiles.append(purchase.profile)
        self.brands.append(purchase.brand)
        self.times_s.append(purchase.time_s)
        self.event_ids.append(purchase.event_id)
        self.sizes.append(len(purchase.products))
        self.products += purchase.products
        self.prices += purchase.prices

    def kept(self, keep: Sequence[bool]) -> "PurchaseColumns":
        """The orders for which `keep` (n,) says so."""
        lines = list(chain.from_iterable(map(repeat, keep, self.sizes)))
        return PurchaseColumns(
            profiles=list(compress(self.profiles, keep)),
            brands=list(compress(self.brands, keep)),
            times_s=list(compress(self.times_s, keep)),
            event_ids=list(compress(self.event_ids, keep)),
            sizes=list(compress(self.sizes, keep)),
            products=list(compress(self.products, lines)),
            prices=list(compress(self.prices, lines)),
        )

    def with_inserted(self, purchases: Sequence[tuple[int, Purchase]]) -> "PurchaseColumns":
        """These orders, and before the order in each (place, purchase), places ascending, that purchase."""
        if not purchases:
            return self
        found, at = PurchaseColumns(), 0
        ends = [0, *accumulate(self.sizes)]
        for place, purchase in purchases:
            found._extend(self, ends, at, place)
            found.append(purchase)
            at = place
        found._extend(self, ends, at, len(self))
        return found

    def _extend(self, other: "PurchaseColumns", ends: Sequence[int], start: int, stop: int) -> None:
        if start == stop:
            return
        self.profiles += other.profiles[start:stop]
        self.brands += other.brands[start:stop]
        self.times_s += other.times_s[start:stop]
        self.event_ids += other.event_ids[start:stop]
        self.sizes += other.sizes[start:stop]
        self.products += other.products[ends[start] : ends[stop]]
        self.prices += other.prices[ends[start] : ends[stop]]

    def __iter__(self) -> Iterator[Purchase]:
        """Each order as an object."""
        about = zip(self.profiles, self.brands, self.times_s, self.event_ids, self.sizes, strict=True)
        at = 0
        for profile, brand, time_s, event_id, size in about:
            lines = slice(at, at + size)
            yield Purchase(
                profile=profile,
                brand=brand,
                time_s=time_s,
                products=tuple(self.products[lines]),
                prices=tuple(self.prices[lines]),
                event_id=event_id,
            )
            at += size


class LogBatch(Sequence[LogRecord]):
    """Records in the order they were read. Each is a purchase, one that forgets, or moves the offset only."""

    def __init__(
        self,
        *,
        partitions: list[int],
        offsets: list[int],
        places: list[int],
        purchases: PurchaseColumns,
        forgets: dict[int, Forget],
    ) -> None:
        """Partition and offset of each record; `places` of the purchases among them, ascending; `forgets` by place."""
        self.partitions = partitions
        self.offsets = offsets
        self.places = places
        self.purchases = purchases
        self.forgets = forgets
        self._records: list[LogRecord] | None = None

    @classmethod
    def of(cls, records: Iterable[LogRecord]) -> "LogBatch":
        """The columns of these records."""
        if isinstance(records, LogBatch):
            return records
        records = list(records)
        purchases = PurchaseColumns()
        places, forgets = [], {}
        for place, record in enumerate(records):
            if isinstance(record.change, Purchase):
                places.append(place)
                purchases.append(record.change)
            elif record.change is not None:
                forgets[place] = record.change
        return cls(
            partitions=[record.partition for record in records],
            offsets=[record.offset for record in records],
            places=places,
            purchases=purchases,
            forgets=forgets,
        )

    def runs(self) -> Iterator[tuple[int, range]]:
        """(partition, places) of records of one partition that follow on each other."""
        first = 0
        for place, (one, next_one) in enumerate(zip(self.partitions, self.partitions[1:], strict=False), 1):
            if one != next_one:
                yield one, range(first, place)
                first = place
        if self.partitions:
            yield self.partitions[-1], range(first, len(self.partitions))

    def rows(self, places: range) -> slice:
        """The rows in `purchases` of the records at these places."""
        if len(self.places) == len(self.partitions):  # every record is a purchase
            return slice(places.start, places.stop)
        return slice(bisect_left(self.places, places.start), bisect_left(self.places, places.stop))

    def __len__(self) -> int:
        return len(self.partitions)

    @overload
    def __getitem__(self, place: int) -> LogRecord: ...
    @overload
    def __getitem__(self, place: slice) -> list[LogRecord]: ...
    def __getitem__(self, place: int | slice) -> LogRecord | list[LogRecord]:
        return self._all()[place]

    def __iter__(self) -> Iterator[LogRecord]:
        return iter(self._all())

    def _all(self) -> list[LogRecord]:
        """Made when somebody asks: whoever only stores does not."""
        if self._records is None:
            changes: list[Purchase | Forget | None] = [None] * len(self)
            for place, purchase in zip(self.places, self.purchases, strict=True):
                changes[place] = purchase
            for place, forget in self.forgets.items():
                changes[place] = forget
            self._records = list(map(LogRecord, self.partitions, self.offsets, changes))
        return self._records
