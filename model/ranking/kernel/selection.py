"""The best of a row of scores, in no order: what a sample says must be good, then bisection of what is left.

Counting what lies above a bound takes no branches, and so a fraction of what partitioning or a heap would take.
"""

import numpy as np

from model.ranking.kernel.compiled import F32, I32, I64, compiled

_BLOCK = 16  # scores that are compared with the bound at once
_SAMPLE = 512  # scores that say where the bound may be
_LOWEST = np.float32(-1e30)  # of scores that are allowed
_SPARE = 1.4  # times as many as are wanted should pass it, and so many more as samples may err


@compiled
def add_up(products: F32, scale: np.float32, bias: F32, scores: F32) -> None:
    """Put scale * product + bias into `scores`, all float32 (n,)."""
    for i in range(len(scores)):
        scores[i] = scale * products[i] + bias[i]


@compiled
def select(values: F32, count: int, passed: F32, places: I32, kept: F32, rows: I32) -> int:
    """Put the `count` greatest of `values` into `kept` and their places into `rows`; returns how many there are.

    Minus infinity is never taken; of equal values the first are. `passed` float32 and `places` int32 are lent, both as
    long as `values`; `kept` and `rows` are `count` long at least.
    """
    if count <= 0:
        return 0
    share = count / max(len(values), 1)
    found = 0
    while True:
        bound = _likely_bound(values, share, passed)
        found = _above(values, bound, passed, places)
        if found >= count or bound == -np.inf:
            break
        share = 2 * share
    return best_of_passed(passed, places, found, count, kept, rows)


@compiled
def select_among(values: F32, among: I64, count: int, passed: F32, places: I32, kept: F32, rows: I32) -> int:
    """As `select`, of the places in `among` only, each named once."""
    if count <= 0:
        return 0
    found = 0
    for place in np.sort(among):
        passed[found], places[found] = values[place], place
        found += values[place] > -np.inf
    return best_of_passed(passed, places, found, count, kept, rows)


@compiled
def _likely_bound(values: F32, share: float, sample: F32) -> np.float32:
    """A value that somewhat more than this share of all is likely to lie above; minus infinity where few are left."""
    step = max(len(values) // _SAMPLE, 1)
    size = len(values) // step
    expected = share * size
    wanted = int(_SPARE * expected + 2 * np.sqrt(expected) + 2)
    if wanted >= size:
        return np.float32(-np.inf)
    for i in range(size):
        sample[i] = values[i * step]
    return _bound(sample, size, wanted)


@compiled
def _above(values: F32, bound: np.float32, passed: F32, places: I32) -> int:
    """Copy what lies above the bound, and where it stands."""
    found = 0
    whole = len(values) - len(values) % _BLOCK
    for start in range(0, whole, _BLOCK):
        best = values[start]
        for i in range(start + 1, start + _BLOCK):
            best = max(best, values[i])
        if best > bound:
            found = _take(values, start, start + _BLOCK, bound, passed, places, found)
    return _take(values, whole, len(values), bound, passed, places, found)


@compiled
def _take(values: F32, start: int, stop: int, bound: np.float32, passed: F32, places: I32, found: int) -> int:
    for i in range(start, stop):
        passed[found], places[found] = values[i], i
        found += values[i] > bound
    return found


@compiled
def best_of_passed(passed: F32, places: I32, found: int, count: int, kept: F32, rows: I32) -> int:
    """The `count` best of the `found` first of `passed` into `kept`, their `places` into `rows`; returns how many."""
    if found <= count:
        for i in range(found):
            kept[i], rows[i] = passed[i], places[i]
        return found
    bound = _bound(passed, found, count)
    ties = count - _count_above(passed, found, bound)
    used = 0
    for i in range(found):
        if passed[i] > bound or (passed[i] == bound and ties > 0):
            ties -= passed[i] == bound
            kept[used], rows[used] = passed[i], places[i]
            used += 1
    return used


@compiled
def _bound(values: F32, size: int, count: int) -> np.float32:
    """The greatest value that no more than `count` lie above, and at least so many lie above or on; 0 < count < size.

    Where exactly so many lie above some value between two others, that one will do.
    """
    low, high = values[0], values[0]  # more than `count` lie on or above low; at most so many above high
    for i in range(1, size):
        low, high = min(low, values[i]), max(high, values[i])
    while True:
        middle = low + (high - low) * np.float32(0.5)
        if low == -np.inf:
            middle = _LOWEST if high > _LOWEST else low
        if middle <= low or middle >= high:
            break
        above = _count_above(values, size, middle)
        if above == count:
            return middle
        if above > count:
            low = middle
        else:
            high = middle
    return low if _count_above(values, size, low) <= count else high


@compiled
def _count_above(values: F32, size: int, bound: np.float32) -> int:
    above = np.int32(0)
    for i in range(size):
        above += np.int32(values[i] > bound)
    return int(above)
