"""The arrays that the compiled functions read and write, by what they belong to."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class VoteTable(NamedTuple):
    """As `ProductVotes`."""

    lines: NDArray[np.int32]  # (n_items,)
    rows: NDArray[np.int32]  # (1 + n_voters, width)
    weights: NDArray[np.float32]  # (1 + n_voters, width)


class Purchases(NamedTuple):
    """As `RecentPurchases`: what the customer in each slot bought lately."""

    starts: NDArray[np.int64]  # by slot
    sizes: NDArray[np.int64]  # by slot
    rows: NDArray[np.int64]
    counts: NDArray[np.float64]


class Demand(NamedTuple):
    """What sells, by row of the model, as the last `refresh` left it."""

    bias: NDArray[np.float32]  # of the first stage, minus infinity for what is withdrawn
    popularity: NDArray[np.float32]
    trend: NDArray[np.float32]


class History(NamedTuple):
    """As `WeightedHistory`."""

    starts: NDArray[np.int64]
    rows: NDArray[np.int64]
    weights: NDArray[np.float32]


class Limits(NamedTuple):
    """What each customer may be shown; lists end to end, customer i owns starts[i]:starts[i + 1]."""

    repeats: NDArray[np.bool_]  # (n,)
    excluded_starts: NDArray[np.int64]  # (n + 1,)
    excluded: NDArray[np.int64]
    listed: NDArray[np.bool_]  # (n,) whether `only` counts
    only_starts: NDArray[np.int64]  # (n + 1,)
    only: NDArray[np.int64]
    mask_of: NDArray[np.int32]  # (n,) the line of `masks` that holds, -1 = none
    masks: NDArray[np.bool_]  # (m, n_items)
    addend_of: NDArray[np.int32]  # (n,) the line of `addends` that is added, -1 = none
    addends: NDArray[np.float32]  # (m, n_items)


class Candidates(NamedTuple):
    """What the first stage found, in no order: a line for each customer, of which `counts` are in use."""

    counts: NDArray[np.int64]  # (n,)
    rows: NDArray[np.int32]  # (n, room)
    scores: NDArray[np.float32]  # (n, room) of the first stage
    affinity: NDArray[np.float32]  # (n, room) query vector . OUT vector


class Nearest(NamedTuple):
    """Each customer's neighbours."""

    slots: NDArray[np.int32]  # (n, m)
    weights: NDArray[np.float64]  # (n, m) adding up to 1 or 0
    factor: float  # what a purchase of the origin counts now
    everyone: float  # the same for a customer in the mean of all who are in the index
    enough: float  # 0..1, of the neighbours that an answer asks for
    known: bool  # whether there is an index of customers, and be it empty


class KeptNearest(NamedTuple):
    """The nearest slots of customers who were asked for, each customer at the place of the number modulo the places."""

    customers: NDArray[np.int64]  # (places,) 0 = nobody
    prints: NDArray[np.int64]  # (places,) of the customer's point
    changes: NDArray[np.int64]  # (places,) of the neighbours' points, that the list knows of
    sizes: NDArray[np.int64]  # (places,) of the list
    floors: NDArray[np.float32]  # (places,) no slot outside the list has a greater cosine
    slots: NDArray[np.int32]  # (places, width)
    cosines: NDArray[np.float32]  # (places, width)


class Shown(NamedTuple):
    """The best of the candidates, best first."""

    counts: NDArray[np.int64]  # (n,)
    rows: NDArray[np.int32]  # (n, most)
    scores: NDArray[np.float32]  # (n, most)


class Lent(NamedTuple):
    """Memory that calls use one after the other."""

    place: NDArray[np.int32]  # (n_items,) where each row's sums are; below 0 between calls, see `features`
    scores: NDArray[np.float32]  # (n_items,)
    passed: NDArray[np.float32]  # (n_items or more,)
    places: NDArray[np.int32]  # as long as `passed`


class Lists(NamedTuple):
    """As `InvertedRows`: rows of half precision in lists."""

    halves: NDArray[np.uint16]
    begins: NDArray[np.int64]  # (lists,) where each begins in `halves`
    sizes: NDArray[np.int64]  # (lists,) rows
    row_starts: NDArray[np.int64]  # (lists,) where each begins in `rows`
    rows: NDArray[np.int32]  # (n_items,) list after list
    list_of: NDArray[np.int32]  # (n_items,)
    place_of: NDArray[np.uint32]  # (n_items,) where each begins in `halves`
    risen: NDArray[np.int64]  # rows above what their list promises
    width: int  # numbers of a row
    bias_at: int  # of them, those in front of the bias
