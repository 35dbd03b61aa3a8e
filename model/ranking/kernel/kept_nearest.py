"""The nearest slots of customers who were asked for before, repaired by what changed: exact, and no look at the others.

More are kept than an answer needs, and the floor, above which no other slot is. A slot that was written since leaves
the list and is compared again. When too few are left, all slots have to be compared.
"""

import numpy as np

from model.ranking.kernel.compiled import F32, F64, I32, I64, compiled
from model.ranking.kernel.features import weigh_neighbours
from model.ranking.kernel.selection import best_of_passed
from model.ranking.kernel.tables import KeptNearest

_PRIME = 1_099_511_628_211
_BLOCK = 16  # cosines that are compared with the floor at once


@compiled
def fingerprints(bits: I32, prints: I64) -> None:
    """Of points, `bits` int32 (n, dimension) as they stand in memory, into `prints` int64 (n,)."""
    for i in range(len(bits)):
        mixed = 0
        for j in range(bits.shape[1]):
            mixed = (mixed ^ bits[i, j]) * _PRIME
            mixed ^= mixed >> 29
        prints[i] = mixed


@compiled
def divide(customers: I64, prints: I64, least: int, kept: KeptNearest, known: I64, others: I64) -> int:
    """Who has a list of this very point that knows of `least` changes, into `known`, all others into `others`.

    Positions in the batch; returns how many are known.
    """
    found = 0
    for i in range(len(customers)):
        place = customers[i] % len(kept.customers)
        same = kept.customers[place] == customers[i] and kept.prints[place] == prints[i]
        if customers[i] > 0 and same and kept.changes[place] >= least:
            known[found] = i
            found += 1
        else:
            others[i - found] = i
    return found


@compiled
def repair(
    known: I64,
    cosines: F32,
    changed: I64,
    changed_at: I64,
    changes: int,
    count: int,
    customers: I64,
    own: I64,
    kept: KeptNearest,
    slots: I32,
    weights: F64,
    others: I64,
) -> int:
    """The `count` nearest slots and their weights for who is `known`; who fell short goes into `others`.

    `cosines` float32 (known, changed), with the slots that changed since any of their lists was made. Returns how
    many fell short.
    """
    short = 0
    for at in range(len(known)):
        i = known[at]
        place = customers[i] % len(kept.customers)
        _drop(place, changed_at, kept)
        _take_in(place, cosines[at], changed, changed_at, kept)
        kept.changes[place] = changes
        size = kept.sizes[place]
        if size >= count or kept.floors[place] <= 0:  # below 0 nobody weighs anything
            show(kept.cosines[place], kept.slots[place], size, count, own[i], slots[i], weights[i])
        else:
            others[short] = i
            short += 1
    return short


@compiled
def keep(customer: int, fingerprint: int, changes: int, best: F32, places: I32, some: int, kept: KeptNearest) -> None:
    """Put the list of a customer in the place of whoever had it: the `some` first of `best` and `places`."""
    place = customer % len(kept.customers)
    width = kept.slots.shape[1]
    size = best_of_passed(best, places, some, width, kept.cosines[place], kept.slots[place])
    kept.customers[place], kept.prints[place], kept.changes[place] = customer, fingerprint, changes
    kept.sizes[place] = size
    kept.floors[place] = kept.cosines[place, _least(kept.cosines[place], size)] if size == width else -np.inf


@compiled
def show(best: F32, places: I32, some: int, count: int, own: int, slots: I32, weights: F64) -> None:
    """The `count` nearest of the `some` first and their weights, 0 where there are fewer."""
    cosines = np.empty(count, np.float32)
    shown = best_of_passed(best, places, some, count, cosines, slots)
    slots[shown:] = 0
    weights[shown:] = 0.0
    weigh_neighbours(cosines, slots, shown, own, weights)


@compiled
def _drop(place: int, changed_at: I64, kept: KeptNearest) -> None:
    """Slots that were written since leave the list."""
    slots, cosines = kept.slots[place], kept.cosines[place]
    size = 0
    for i in range(kept.sizes[place]):
        slots[size], cosines[size] = slots[i], cosines[i]
        size += changed_at[slots[i]] <= kept.changes[place]
    kept.sizes[place] = size


@compiled
def _take_in(place: int, cosines: F32, changed: I64, changed_at: I64, kept: KeptNearest) -> None:
    """Slots that were written since and are above the floor come into the list."""
    for start in range(0, len(changed), _BLOCK):
        stop = min(start + _BLOCK, len(changed))
        best = cosines[start]
        for i in range(start + 1, stop):
            best = max(best, cosines[i])
        if best > kept.floors[place]:
            for i in range(start, stop):
                if cosines[i] > kept.floors[place] and changed_at[changed[i]] > kept.changes[place]:
                    _insert(place, changed[i], cosines[i], kept)


@compiled
def _insert(place: int, slot: int, cosine: np.float32, kept: KeptNearest) -> None:
    """Into the list; where it is full, the least of all stays outside and is the floor."""
    slots, cosines, size = kept.slots[place], kept.cosines[place], kept.sizes[place]
    if size < len(slots):
        slots[size], cosines[size] = slot, cosine
        kept.sizes[place] += 1
        return
    least = _least(cosines, size)
    kept.floors[place] = min(cosine, cosines[least])
    if cosine > cosines[least]:
        slots[least], cosines[least] = slot, cosine


@compiled
def _least(cosines: F32, size: int) -> int:
    lowest = cosines[0]
    for i in range(1, size):
        lowest = min(lowest, cosines[i])
    for i in range(size):
        if cosines[i] == lowest:
            return i
    return 0
