"""The newest purchases, left out of a training so that the gate can judge with them what neither model has learnt.

In: all histories, and how many lines of each customer any of the models has learnt already. Out: a cut in time; what
came after it is the test, what came before it is learnt from. Nothing here is random.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.offline.splits import Truth, sampled, split_at
from model.purchases.histories import Histories, customer_of_line, lines_where

_MOST_SHARE = 0.1  # of all lines: what is left out of learning waits for the next one
# Of the lines not learnt yet: with a few new ones each time the test still grows to three times as many.
_MOST_OF_NEW = 0.75
# What is left out makes vectors older. On online_retail (50 orders a day) a day cost nothing that could be measured,
# 3 to 4 days 2 % of NDCG and 16 days 15 %: so a day's customers are tested, or these few when there are not so many.
_MOST_S = 86_400
_FEW_CUSTOMERS = 100
_SEED = 1


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Histories cut in two for one judgement."""

    kept: Histories  # what is learnt from, every brand's lines
    known: Histories  # of these the judged brand's: what is known of a tested customer when asked
    truth: Truth  # of that brand: what tested customers bought then, positions in `known`
    lines: int  # left out of learning
    since_s: int  # the cut: what was left out is newer, seconds since 1970


def hold_out(
    histories: Histories,
    learnt: NDArray[np.integer],
    customers: int,
    *,
    least: int,
    judged: NDArray[np.bool_] | None = None,
) -> HeldOut | None:
    """Leave out the newest lines of enough customers; None when that would not test `least` of them.

    `learnt`: by customer number, how many lines some model has learnt; those are never left out. `customers`: how many
    to test, where there are so many. `judged` marks the lines that count, those of one brand; None = all. At most a
    tenth of these are left out, at most three quarters of those not learnt yet, and of a customer all from some line
    on. What is older than a day is left out only where it takes more to test 100 customers.
    """
    if not len(histories.products) or customers < least:
        return None
    keys = _order_of_leaving(histories, learnt)
    mine = np.ones(len(keys), bool) if judged is None else judged
    cut_s = _cut(keys[mine], customer_of_line(histories)[mine], customers)
    if cut_s is None:
        return None
    later = keys > cut_s
    split = split_at(lines_where(histories, mine), later[mine])
    if len(split.truth.customers) < least:
        return None
    truth = sampled(split.truth, customers, _SEED)
    return HeldOut(lines_where(histories, ~later), split.train, truth, int(np.count_nonzero(later)), cut_s)


def _order_of_leaving(histories: Histories, learnt: NDArray[np.integer]) -> NDArray[np.int64]:
    """int64 (n_lines,): a line is left out when this is above the cut; -1 = never.

    It is the earliest time among the line and all that arrived after it from the same customer: what is left is then
    what had arrived up to some moment, as `not_yet_learnt` needs it.
    """
    owner = customer_of_line(histories)
    spread = owner << 33  # keeps customers apart: times are below 2 ** 32
    earliest = np.minimum.accumulate((histories.times + spread)[::-1])[::-1] - spread
    known = np.zeros(len(histories.customers), np.int64)
    inside = histories.customers < len(learnt)
    known[inside] = learnt[histories.customers[inside]]
    position = np.arange(len(owner)) - histories.starts[owner]
    return np.where(position < known[owner], -1, earliest)


def _cut(keys: NDArray[np.int64], owner: NDArray[np.int64], customers: int) -> int | None:
    """The latest time after which so many known customers bought, as far back as is allowed."""
    free = np.sort(keys[keys >= 0])
    most = int(min(_MOST_SHARE * len(keys), _MOST_OF_NEW * len(free)))
    if not most:
        return None
    cuts = np.unique(free[-most - 1 :])[:-1]  # after the first of them at most `most` lines are left out
    if not len(cuts):
        return None
    _, firsts = np.unique(owner, return_index=True)  # keys ascend within a customer
    lasts = np.append(firsts[1:], len(owner)) - 1
    tested = _above(keys[lasts], cuts) - _above(keys[firsts], cuts)  # bought after the cut, and were known before it
    wanted, few = (_latest(cuts, tested >= least) for least in (customers, min(customers, _FEW_CUSTOMERS)))
    within = cuts[cuts >= free[-1] - _MOST_S]
    return max(wanted, min(few, int(within[0]) if len(within) else few))


def _latest(cuts: NDArray[np.int64], enough: NDArray[np.bool_]) -> int:
    """The latest of the cuts that is enough, the earliest one when none is."""
    return int(cuts[enough][-1] if enough.any() else cuts[0])


def _above(values: NDArray[np.int64], cuts: NDArray[np.int64]) -> NDArray[np.int64]:
    return len(values) - np.searchsorted(np.sort(values), cuts, "right")
