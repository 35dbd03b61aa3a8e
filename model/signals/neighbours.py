"""The customers most like this one, and what they newly bought lately: votes that need no training.

Every customer who bought something for the first time in the last days is a point: the query vector less the mean of
all customers, at length 1. `put` takes a customer's present history and replaces what was known of the customer, so a
purchase is in the next answer's votes; calling it again changes nothing. Rows are rows of the model.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from model.embeddings.queries import Encoder
from model.index.flat import nearest_rows
from model.purchases.histories import (
    DAY_S,
    Histories,
    customer_of_line,
    of_customers,
    starts_where,
)
from model.signals.demand import now_of
from model.signals.neighbour_purchases import RecentPurchases

_TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True, slots=True)
class NeighbourParameters:
    """Who is near, and how long what they bought counts."""

    nearest: int = 100
    days: int = 30  # first-time purchases count so long
    decay_days: float = 15.0  # and e times less for each of these
    most: int = 20_000  # customers in the index, those who bought last: bounds the time of a search


@dataclass(frozen=True, slots=True)
class FirstPurchases:
    """What customers bought for the first time, and when."""

    starts: NDArray[np.int64]  # (n_customers + 1,)
    rows: NDArray[np.int64]  # (n,) rows of the model
    times: NDArray[np.int64]  # (n,) seconds since 1970


@dataclass(frozen=True, slots=True)
class NeighbourArrays:
    """What `Neighbours` holds."""

    centre: NDArray[np.float32]  # (dimension,)
    points: NDArray[np.float32]  # (slots, dimension) of length 1, or 0 where nobody is
    starts: NDArray[np.int64]  # by slot, into `rows` and `counts`; may be longer than there are slots
    sizes: NDArray[np.int64]  # by slot
    rows: NDArray[np.int64]  # rows of the model
    counts: NDArray[np.float64]  # what a purchase counts at the origin
    sums: NDArray[np.float64]  # (items,) of all counts, by row of the model
    factor: float  # what 1 at the origin counts now
    enough: float  # `share_of_enough`
    changed_at: NDArray[np.int64]  # (slots,) the change that wrote this slot's point last
    changes: int  # that there were, since the start


def first_purchases(histories: Histories, row_of_product: NDArray[np.integer], since_s: int) -> FirstPurchases:
    """Each customer's first purchase of each product of the vocabulary, those before `since_s` left out.

    `row_of_product`: -1 = none; it may end before the newest product.
    """
    owner = customer_of_line(histories)
    key = (owner << 32) | histories.products
    order = np.lexsort((histories.times, key))
    first = np.ones(len(order), bool)
    first[1:] = key[order[1:]] != key[order[:-1]]
    lines = order[first]
    numbers = histories.products[lines].astype(np.int64)
    inside = numbers < len(row_of_product)
    rows = np.where(inside, row_of_product[np.where(inside, numbers, 0)], -1)
    kept = (rows >= 0) & (histories.times[lines] >= since_s)
    starts = np.concatenate(
        (np.zeros(1, np.int64), np.cumsum(np.bincount(owner[lines], minlength=len(histories.customers))))
    )
    return FirstPurchases(
        starts_where(starts, kept), rows[kept].astype(np.int64), histories.times[lines[kept]].astype(np.int64)
    )


class Neighbours:
    """The index of active customers and their recent purchases. One thread; not safe to search while it is written."""

    def __init__(self, centre: NDArray[np.float32], items: int, parameters: NeighbourParameters) -> None:
        """`centre` float32 (dimension,): the mean query vector of all customers; `items`: rows of the model."""
        self.parameters = parameters
        self._centre = centre.astype(np.float32)
        self._items = items
        self.now_s = 0
        self._changes = 0
        self._changed_at = np.zeros(parameters.most, np.int64)
        self.clear()

    def clear(self) -> None:
        """Forget everybody."""
        self._flat: Any = faiss.IndexFlatIP(len(self._centre))
        # by customer, who was put last comes last; a dict would look for its first among all that are gone
        self._slot_of: OrderedDict[int, int] = OrderedDict()
        self._free: list[int] = []  # slots that nobody has now: a point of zeros, which is near nobody
        self._bought = RecentPurchases()
        self._sum = np.zeros(self._items)  # of what purchases count, by row
        self._origin_s: int | None = None
        self._changes += self.parameters.most  # as if every slot had been written
        self._changed_at[:] = self._changes

    def __len__(self) -> int:
        """Customers in the index."""
        return len(self._slot_of)

    def begin(self, now_s: int) -> int:
        """Move on to this time and forget what is too old; returns from when on purchases count, in seconds.

        A purchase after this time counts as one of now, until a day begins that it belongs to.
        """
        begins = now_s // DAY_S > self.now_s // DAY_S
        self.now_s = max(self.now_s, now_s)
        since_s = self.now_s - self.parameters.days * DAY_S
        if self._origin_s is None or begins:
            self._origin_s = self.now_s
            self._forget_before(since_s)
        return since_s

    def put(self, customers: NDArray[np.integer], vectors: NDArray[np.float32], bought: FirstPurchases) -> None:
        """Replace what is known of these customers: query vectors (n, dimension), unscaled, and what counts of theirs.

        Call `begin` first and take `bought` since what it returns. Who has bought nothing new leaves the index.
        """
        points = self._points(vectors)
        for i, customer in enumerate(customers.tolist()):
            mine = slice(bought.starts[i], bought.starts[i + 1])
            self.remove(customer)
            if mine.start < mine.stop:
                self._add(customer, points[i], bought.rows[mine], bought.times[mine])

    def remove(self, customer: int) -> None:
        """Forget a customer; one who is not there is no error."""
        slot = self._slot_of.pop(customer, None)
        if slot is None:
            return
        np.subtract.at(self._sum, *self._bought.drop(slot))
        self._stored()[slot] = 0.0
        self._changed(slot)
        self._free.append(slot)

    def nearest(
        self, customers: NDArray[np.integer], vectors: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Weights and slots of each customer's neighbours, (n, m) both, the weights of a row adding up to 1 or 0.

        A neighbour weighs by the square of the cosine; the customer's own slot and those pointing away weigh nothing.
        """
        count = min(self.parameters.nearest + 1, len(self))
        if not count or not len(vectors):
            return np.zeros((len(vectors), 0)), np.zeros((len(vectors), 0), np.int64)
        cosines, slots = nearest_rows(self._flat, self._points(vectors), count)
        own = np.array(self.slots_of(customers.tolist()))
        weights = np.maximum(cosines.astype(np.float64), 0.0) ** 2
        weights[slots == own[:, None]] = 0.0
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), _TINY)
        return weights, slots

    def purchases_of(
        self, weights: NDArray[np.float64], slots: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """What the neighbours bought whom `nearest` found: position of who asks, row, and what it counts, with repeats.

        A purchase counts weight * exp(-age / decay).
        """
        some = weights > 0
        places, sizes = self._bought.places(slots[some])
        owner = np.repeat(np.nonzero(some)[0], sizes)
        counts = self._bought.counts.take(places) * np.repeat(weights[some] * self._now_factor(), sizes)
        return owner, self._bought.rows.take(places), counts

    def slots_of(self, customers: Iterable[int]) -> list[int]:
        """Each customer's own slot, -1 = none."""
        slot_of = self._slot_of
        return [slot_of.get(customer, -1) for customer in customers]

    def arrays(self) -> NeighbourArrays:
        """All there is as arrays, not to be written; valid until the next change."""
        return NeighbourArrays(
            centre=self._centre,
            points=self._stored(),
            starts=self._bought.starts,
            sizes=self._bought.sizes,
            rows=self._bought.rows,
            counts=self._bought.counts,
            sums=self._sum,
            factor=self._now_factor(),
            enough=self.share_of_enough(),
            changed_at=self._changed_at[: self._flat.ntotal],
            changes=self._changes,
        )

    def share_of_enough(self) -> float:
        """0..1: how many customers are in the index, of the number that an answer asks for."""
        return min(len(self) / self.parameters.nearest, 1.0)

    def everyones(self, rows: NDArray[np.integer]) -> NDArray[np.float64]:
        """What the purchases of all in the index count for these rows, a customer in the mean."""
        factor = self._now_factor() / max(len(self), 1)
        counts: NDArray[np.float64] = np.maximum(self._sum[rows], 0.0) * factor
        return counts

    def _now_factor(self) -> float:
        return float(np.exp(((self._origin_s or 0) - self.now_s) / (self.parameters.decay_days * DAY_S)))

    def _counts(self, times: NDArray[np.int64]) -> NDArray[np.float64]:
        """float64 (n,): what purchases at these times count at the origin."""
        counts: NDArray[np.float64] = np.exp(
            (np.minimum(times, self.now_s) - (self._origin_s or 0)) / (self.parameters.decay_days * DAY_S)
        )
        return counts

    def _points(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        moved = np.ascontiguousarray(vectors - self._centre, np.float32)
        moved /= np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), _TINY)
        return moved

    def _stored(self) -> NDArray[np.float32]:
        """The index's own memory (n, dimension); valid until something is added."""
        size = self._flat.ntotal * self._flat.d
        stored: NDArray[np.float32] = faiss.rev_swig_ptr(self._flat.get_xb(), size).reshape(-1, self._flat.d)
        return stored

    def _add(
        self, customer: int, point: NDArray[np.float32], rows: NDArray[np.int64], times: NDArray[np.int64]
    ) -> None:
        slot = self._slot_for()
        if slot == self._flat.ntotal:
            self._flat.add(point[None])
        else:
            self._stored()[slot] = point
        self._changed(slot)
        self._slot_of[customer] = slot
        counts = self._counts(times)
        self._bought.put(slot, rows, times, counts)
        np.add.at(self._sum, rows, counts)

    def _changed(self, slot: int) -> None:
        self._changes += 1
        self._changed_at[slot] = self._changes

    def _slot_for(self) -> int:
        """A free slot, a new one, or that of the customer who was put longest ago."""
        if not self._free and len(self) < self.parameters.most:
            return int(self._flat.ntotal)
        if not self._free:
            self.remove(next(iter(self._slot_of)))
        return self._free.pop()

    def _forget_before(self, since_s: int) -> None:
        """Let what is older count nothing, and what is left what it counts at the origin, which has moved."""
        customers, slots = list(self._slot_of), np.fromiter(self._slot_of.values(), np.int64, len(self._slot_of))
        rows, counts, nothing_left = self._bought.recount(slots, since_s, self._counts)
        self._sum = np.bincount(rows, counts, minlength=self._items).astype(np.float64)
        for at in np.flatnonzero(nothing_left).tolist():
            self.remove(customers[at])


def take_up(neighbours: Neighbours, encoder: Encoder, histories: Histories, now_s: int) -> None:
    """Put these customers into the index as they are now; `histories.customers` are their numbers."""
    since_s = neighbours.begin(now_s)
    bought = first_purchases(histories, encoder.row_of_product, since_s)
    neighbours.put(histories.customers, encoder.queries(histories), bought)


def neighbours_of(
    encoder: Encoder, histories: Histories, centre: NDArray[np.float32], parameters: NeighbourParameters
) -> Neighbours:
    """The index of those who bought last, as it is now in the sense of `demand.now_of`."""
    neighbours = Neighbours(centre, len(encoder.vectors), parameters)
    now_s = now_of(histories.times)
    lately = np.flatnonzero(histories.times >= neighbours.begin(now_s))
    lately = lately[np.argsort(histories.times[lately], kind="stable")]
    owners = customer_of_line(histories)[lately[::-1]]
    active = np.sort(owners[np.sort(np.unique(owners, return_index=True)[1])[: parameters.most]])
    take_up(neighbours, encoder, of_customers(histories, active), now_s)
    return neighbours
