"""The best of the rows that a customer was compared with by lists; where few may be shown, these one by one."""

import numpy as np

from model.ranking.kernel.compiled import F32, I32, I64, U32, compiled
from model.ranking.kernel.features import NOWHERE
from model.ranking.kernel.lists import widen
from model.ranking.kernel.selection import best_of_passed, select
from model.ranking.kernel.tables import Candidates, Demand, History, Lent, Limits, Lists

_NARROW = 8  # below this part of the catalogue permitted rows are compared one by one


@compiled
def choose(
    first: int,
    queries: F32,
    scale: np.float32,
    wanted: I64,
    probed: I32,
    totals: I64,
    scores: F32,
    rows: I32,
    lists: Lists,
    demand: Demand,
    history: History,
    limits: Limits,
    lent: Lent,
    found: Candidates,
) -> None:
    """The `wanted` best rows for the customers from `first` on, of those in `rows` with `scores` (group, …)."""
    offset_of = np.full(len(lists.sizes), -1, np.int64)
    for at in range(len(queries)):
        customer = first + at
        count, enough = 0, wanted[customer]
        if history.starts[customer] == history.starts[customer + 1] or enough == 0:
            found.counts[customer] = 0
            continue
        kept, best = found.scores[customer], found.rows[customer]
        _forbid(customer, history, limits, lent.place, True)
        if not _one_by_one(customer, limits, len(demand.bias)):
            _set_offsets(probed[at], lists.sizes, offset_of, True)
            total = _with_risen(queries[at], totals[at], lists, demand, offset_of, lent.place, scores[at], rows[at])
            _drop(customer, history, limits, lists, offset_of, scores[at])
            _drop_unlisted(customer, limits, total, scores[at], rows[at], lent)
            _set_offsets(probed[at], lists.sizes, offset_of, False)
            count = select(scores[at, :total], enough, lent.passed, lent.places, kept, best)
            for i in range(count):
                best[i] = rows[at, best[i]]
        if count < enough:
            count = _compared_one_by_one(customer, queries[at], enough, lists, demand, limits, lent, kept, best)
        _forbid(customer, history, limits, lent.place, False)
        found.counts[customer] = count
        _affinities(customer, scale, demand, limits, found)


@compiled
def _affinities(customer: int, scale: np.float32, demand: Demand, limits: Limits, found: Candidates) -> None:
    """What is left of the scores without bias and addend."""
    rows, affinity = found.rows[customer], found.affinity[customer]
    for i in range(found.counts[customer]):
        affinity[i] = (found.scores[customer, i] - demand.bias[rows[i]]) / scale
    if limits.addend_of[customer] >= 0:
        for i in range(found.counts[customer]):
            affinity[i] -= limits.addends[limits.addend_of[customer], rows[i]] / scale


@compiled
def _one_by_one(customer: int, limits: Limits, items: int) -> bool:
    few = limits.only_starts[customer + 1] - limits.only_starts[customer] < items / _NARROW
    return limits.addend_of[customer] >= 0 or (limits.listed[customer] and few)


@compiled
def _forbid(customer: int, history: History, limits: Limits, place: I32, forbidden: bool) -> None:
    """Mark, or unmark, the rows that this customer must not be shown."""
    for at in range(limits.excluded_starts[customer], limits.excluded_starts[customer + 1]):
        row = limits.excluded[at]
        place[row] = 0 if forbidden else -1 - row % NOWHERE
    if not limits.repeats[customer]:
        for at in range(history.starts[customer], history.starts[customer + 1]):
            row = history.rows[at]
            place[row] = 0 if forbidden else -1 - row % NOWHERE


@compiled
def _set_offsets(probed: I32, sizes: I64, offset_of: I64, on: bool) -> None:
    """By list: where its rows begin among those that the customer was compared with, -1 = it was not read."""
    total = 0
    for number in probed:
        if number < 0:
            break
        offset_of[number] = total if on else -1
        total += sizes[number]


@compiled
def _drop(customer: int, history: History, limits: Limits, lists: Lists, offset_of: I64, scores: F32) -> None:
    """Let the customer not be shown what is forbidden, where the lists gave it."""
    for at in range(limits.excluded_starts[customer], limits.excluded_starts[customer + 1]):
        _drop_row(limits.excluded[at], lists, offset_of, scores)
    if not limits.repeats[customer]:
        for at in range(history.starts[customer], history.starts[customer + 1]):
            _drop_row(history.rows[at], lists, offset_of, scores)


@compiled
def _drop_row(row: int, lists: Lists, offset_of: I64, scores: F32) -> None:
    number = lists.list_of[row]
    if offset_of[number] >= 0:
        scores[offset_of[number] + (np.int64(lists.place_of[row]) - lists.begins[number]) // lists.width] = -np.inf


@compiled
def _drop_unlisted(customer: int, limits: Limits, total: int, scores: F32, rows: I32, lent: Lent) -> None:
    """Let the customer not be shown what is not permitted."""
    if limits.listed[customer]:
        among = limits.only[limits.only_starts[customer] : limits.only_starts[customer + 1]]
        for row in among:
            lent.scores[row] = 1
        for i in range(total):
            scores[i] = scores[i] if lent.scores[rows[i]] == 1 else -np.inf
        for row in among:
            lent.scores[row] = 0
    if limits.mask_of[customer] >= 0:
        mask = limits.masks[limits.mask_of[customer]]
        for i in range(total):
            scores[i] = scores[i] if mask[rows[i]] else -np.inf


@compiled
def _with_risen(
    query: F32, total: int, lists: Lists, demand: Demand, offset_of: I64, place: I32, scores: F32, rows: I32
) -> int:
    """Add the rows that have risen above what their list promises, where that was not read; returns how many in all."""
    bits = np.empty(lists.width, np.uint32)
    for row in lists.risen:
        if offset_of[lists.list_of[row]] < 0 and place[row] < 0:
            scores[total], rows[total] = _score(row, query, lists, demand, bits), row
            total += 1
    return total


@compiled
def _score(row: int, query: F32, lists: Lists, demand: Demand, bits: U32) -> np.float32:
    numbers = widen(lists.halves, int(lists.place_of[row]), lists.width, bits)
    score = demand.bias[row]
    for d in range(lists.bias_at):
        score += numbers[d] * query[d]
    return score


@compiled
def _compared_one_by_one(
    customer: int,
    query: F32,
    enough: int,
    lists: Lists,
    demand: Demand,
    limits: Limits,
    lent: Lent,
    kept: F32,
    best: I32,
) -> int:
    bits = np.empty(lists.width, np.uint32)
    found = 0
    if limits.listed[customer]:
        among = limits.only[limits.only_starts[customer] : limits.only_starts[customer + 1]]
    else:
        among = np.arange(len(demand.bias))
    for row in among:
        if lent.place[row] >= 0 or (limits.mask_of[customer] >= 0 and not limits.masks[limits.mask_of[customer], row]):
            continue
        score = _score(row, query, lists, demand, bits)
        if limits.addend_of[customer] >= 0:
            score += limits.addends[limits.addend_of[customer], row]
        if score > -np.inf:
            lent.passed[found], lent.places[found] = score, row
            found += 1
    return best_of_passed(lent.passed, lent.places, found, enough, kept, best)
