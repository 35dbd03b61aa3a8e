"""What customers bought, as arrays, and pure questions to it.

Everything that learns or ranks reads histories in this one layout: the lines of all customers end to end, a customer's
in order of arrival. Nothing here changes its input.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_PART = 16_384  # rows: some 0.5 ms that other threads wait


@dataclass(frozen=True, slots=True)
class Histories:
    """What customers bought, in order of arrival within a customer (a CSR layout).

    A line is one product in one order; the lines of one order share the time.
    """

    customers: NDArray[np.uint32]  # (n_customers,) customer numbers, ascending
    starts: NDArray[np.int64]  # (n_customers + 1,) customer i owns lines starts[i]:starts[i + 1]
    products: NDArray[np.uint32]  # (n_lines,) product numbers
    times: NDArray[np.uint32]  # (n_lines,) seconds since 1970 UTC


@dataclass(frozen=True, slots=True)
class Bought:
    """Each customer's products, once each and ascending by number, with the rank of the latest order that held it."""

    starts: NDArray[np.int64]  # (n_customers + 1,) customer i owns entries starts[i]:starts[i + 1]
    products: NDArray[np.uint32]  # (n_pairs,) product numbers
    ranks: NDArray[np.int64]  # (n_pairs,) 0 = in the customer's latest order, 1 = in the one before, ...


def customer_of_line(histories: Histories) -> NDArray[np.int64]:
    """int64 (n_lines,): the position in `customers`, not the number, of each line's customer."""
    return np.repeat(np.arange(len(histories.customers)), np.diff(histories.starts))


def in_time_order(histories: Histories) -> Histories:
    """The histories with each customer's lines oldest first; lines of the same time keep their order."""
    return _sorted_by_time(histories, customer_of_line(histories))[0]


def order_ranks(histories: Histories) -> NDArray[np.int64]:
    """int64 (n_lines,), in the order of the lines given: 0 for the customer's latest order, 1 for the one before, ...

    An order is what was bought at one time: lines of equal time share a rank.
    """
    owner = customer_of_line(histories)
    ordered, places = _sorted_by_time(histories, owner)
    if not len(owner):
        return np.zeros(0, np.int64)
    begins = np.empty(len(owner), bool)  # the owners are ascending, so they are the same before and after sorting
    begins[0] = True
    begins[1:] = (ordered.times[1:] != ordered.times[:-1]) | (owner[1:] != owner[:-1])
    order = np.cumsum(begins)
    last_order = order[np.maximum(histories.starts[1:] - 1, 0)]
    ranks: NDArray[np.int64] = last_order[owner] - order
    if places is None:
        return ranks
    unsorted = np.empty_like(ranks)
    unsorted[places] = ranks
    return unsorted


def distinct(histories: Histories) -> Bought:
    """Every customer's products, repeats dropped; the latest purchase of a product gives its rank."""
    owner = customer_of_line(histories)
    ranks = order_ranks(histories)
    key = (owner.astype(np.uint64) << np.uint64(32)) | histories.products
    places = np.lexsort((ranks, key))
    key = key[places]
    first = np.ones(len(key), bool)
    first[1:] = key[1:] != key[:-1]
    places = places[first]
    counts = np.bincount(owner[places], minlength=len(histories.customers))
    return Bought(_starts(counts), histories.products[places], ranks[places])


def not_yet_learnt(histories: Histories, learnt: NDArray[np.integer]) -> Histories:
    """The lines from position `learnt[customer number]` of each customer on; who has no such line is left out.

    `learnt` counts lines by customer number; customers beyond its end have learnt nothing.
    """
    known = np.zeros(len(histories.customers), np.int64)
    inside = histories.customers < len(learnt)
    known[inside] = learnt[histories.customers[inside]]
    owner = customer_of_line(histories)
    position = np.arange(len(owner)) - histories.starts[owner]
    fresh = position >= known[owner]
    counts = np.bincount(owner[fresh], minlength=len(histories.customers))
    some = counts > 0
    return Histories(
        histories.customers[some], _starts(counts[some]), histories.products[fresh], histories.times[fresh]
    )


def starts_where(starts: NDArray[np.int64], kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """int64 (n_customers + 1,): the `starts` of the entries that are left when only those marked `kept` stay."""
    before = np.zeros(len(kept) + 1, np.int64)
    np.cumsum(kept, out=before[1:])
    return before[starts]


def _starts(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))


def _sorted_by_time(histories: Histories, owner: NDArray[np.int64]) -> tuple[Histories, NDArray[np.int64] | None]:
    """The histories in time order, and the places the lines were taken from; None when nothing had to move."""
    times = histories.times
    if not np.any((times[1:] < times[:-1]) & (owner[1:] == owner[:-1])):
        return histories, None  # nearly always: purchases arrive in the order they were made
    places = np.lexsort((times, owner))
    return Histories(histories.customers, histories.starts, histories.products[places], times[places]), places


def entries_of(
    starts: NDArray[np.int64], positions: NDArray[np.integer] | Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For the customers at these positions, in that order: where each begins then, and the places of what is theirs."""
    chosen = np.asarray(positions, np.int64)
    sizes = np.diff(starts)[chosen]
    begins = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))
    return begins, np.arange(begins[-1]) + np.repeat(starts[chosen] - begins[:-1], sizes)


def part_of(bought: Bought, positions: NDArray[np.integer] | Sequence[int]) -> Bought:
    """The products of the customers at these positions, in that order."""
    starts, entries = entries_of(bought.starts, positions)
    return Bought(starts, bought.products[entries], bought.ranks[entries])


def lines_of_customers(histories: Histories) -> NDArray[np.uint32]:
    """uint32 by customer number: how many lines each has."""
    size = int(histories.customers[-1]) + 1 if len(histories.customers) else 0
    lines = np.zeros(size, np.uint32)
    lines[histories.customers] = np.diff(histories.starts)
    return lines


def in_parts(count: int) -> list[NDArray[np.int64]]:
    """The places from 0 to `count` - 1 in parts, for work on rows that other threads and the memory can bear."""
    return np.array_split(np.arange(count), max(-(-count // _PART), 1))


def spread_over(count: int, most: int) -> NDArray[np.int64]:
    """int64 (<= most,): places spread evenly over so many, from the first to the last."""
    return np.unique(np.linspace(0, count - 1, most).astype(np.int64))


def lines_where(histories: Histories, kept: NDArray[np.bool_]) -> Histories:
    """The marked lines; customers who have none are left out."""
    starts = starts_where(histories.starts, kept)
    some = np.diff(starts) > 0
    return Histories(
        histories.customers[some],
        np.append(starts[:-1][some], starts[-1]),
        histories.products[kept],
        histories.times[kept],
    )


def of_customers(histories: Histories, positions: NDArray[np.integer]) -> Histories:
    """The histories of the customers at these positions, in that order: `customers` need not ascend then."""
    starts, lines = entries_of(histories.starts, positions)
    return Histories(histories.customers[positions], starts, histories.products[lines], histories.times[lines])


DAY_S = 86_400
