"""Why a product is recommended: which past purchases speak most for it."""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from model.embeddings.queries import WeightedHistory, shares_in_history
from model.ranking.parameters import Weights
from model.signals.product_votes import LEAST_VOTE, ProductVotes

REASON_HISTORY = 256  # the weightiest products of a history that can be a reason: bounds the cost for great buyers


def because(
    vectors: NDArray[np.float32],
    outputs_of: Callable[[NDArray[np.integer]], NDArray[np.float32]],
    history: WeightedHistory,
    recommended: Sequence[NDArray[np.integer]],
    *,
    weights: Weights,
    votes: ProductVotes | None = None,
    average: NDArray[np.float32] | float = 0.0,
    most: int = 2,
) -> list[list[list[int]]]:
    """For each customer and each row recommended, the rows of the history that speak most for it, strongest first.

    A product speaks by its part in the weighted sum of affinity and votes, and only if that is positive. Its affinity
    is in . (out - average), where `average` is the mean of all OUT vectors: positive when it speaks more for this one
    than for the average product. Its part in the logarithm of the votes is its share of them. What speaks by demand or
    by neighbours alone has no reason in the customer's own history. At most `most` are named; of a long history only
    the 256 weightiest products are asked.
    """
    reasons = Reasons(recommended, most)
    targets = reasons.targets(outputs_of, average, weights.affinity)
    # By row 1 + the place among those recommended; all 0 between customers.
    place = np.zeros(0 if votes is None else len(votes.place), np.int32)
    for mine, rows, of_mine in zip(history.slices(), recommended, targets, strict=True):
        own, own_shares = history.weightiest(mine, REASON_HISTORY)
        if votes is not None:  # alone, affinity speaks in the same order and with the same sign by the bare weights
            own_shares = shares_in_history(own_shares)
        shares = _affinity_shares(vectors, of_mine, own, own_shares)
        if votes is not None and len(rows):
            place[rows] = np.arange(1, len(rows) + 1)
            found = votes_between(votes, own, place, len(rows)) * own_shares
            shares = shares + weights.votes * found / (found.sum(axis=1, keepdims=True) + LEAST_VOTE)
            place[rows] = 0
        reasons.add(shares, own)
    return reasons.lists()


def _affinity_shares(
    vectors: NDArray[np.float32], targets: NDArray[np.float32], rows: NDArray[np.int64], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """float32 (n_targets, n_rows): how much each row of a history speaks for each target vector."""
    shares: NDArray[np.float32] = (targets @ vectors.take(rows, axis=0).T) * weights
    return shares


def votes_between(
    votes: ProductVotes, own: NDArray[np.int64], place: NDArray[np.int32], targets: int
) -> NDArray[np.float64]:
    """float64 (targets, len(own)): how strongly each product of a history votes for each row that has a place."""
    voted, strengths = votes.of(own)
    places = place.take(voted)
    some = np.flatnonzero(places > 0)  # faster than without the comparison: few are
    keys = (places.take(some) - 1) * len(own) + some // max(voted.shape[1], 1)
    sums = np.bincount(keys, strengths.take(some), minlength=targets * len(own))
    return sums.astype(np.float64, copy=False).reshape(targets, len(own))


class Reasons:
    """For each target of each customer the rows with the greatest positive shares, at most `most`, strongest first."""

    def __init__(self, recommended: Sequence[NDArray[np.integer]], most: int) -> None:
        """`recommended`: each customer's targets."""
        self._targets = np.concatenate((np.zeros(0, np.int64), *recommended))
        self._places = [slice(*ends) for ends in pairwise(accumulate(map(len, recommended), initial=0))]
        self._rows = np.full((len(self._targets), most), -1, np.int64)
        self._shares = np.zeros((len(self._targets), most))
        self._used = 0

    def targets(
        self,
        outputs_of: Callable[[NDArray[np.integer]], NDArray[np.float32]],
        average: NDArray[np.float32] | float,
        times: float,
    ) -> list[NDArray[np.float32]]:
        """Each customer's (n_targets, dimension): `times` what the OUT vectors differ by from the average."""
        outputs = outputs_of(self._targets) - average  # looked up at once, as they are multiplied
        outputs *= np.float32(times)
        return [outputs[mine] for mine in self._places]

    def add(self, shares: NDArray[np.floating], rows: NDArray[np.int64]) -> None:
        """The next customer's shares (n_targets, n_rows), which are used up, and the rows whose they are."""
        mine = slice(self._used, self._used + len(shares))
        self._used = mine.stop
        shares = np.ascontiguousarray(shares)  # so that `flat` is the same memory
        flat = shares.reshape(-1)
        begins = np.arange(len(shares)) * len(rows)
        for rank in range(min(self._rows.shape[1], len(rows))):
            best = shares.argmax(axis=1)
            self._rows[mine, rank] = rows.take(best)
            best += begins
            self._shares[mine, rank] = flat.take(best)
            flat[best] = -np.inf

    def lists(self) -> list[list[list[int]]]:
        """By customer, by target."""
        self._rows[self._shares <= 0] = -1
        found = [[row for row in mine if row >= 0] for mine in self._rows.tolist()]
        return [found[mine] for mine in self._places]
