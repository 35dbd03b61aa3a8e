"""Numbers of half precision are widened to what they are, and only lists that hold something are read."""

import numpy as np


def test_every_finite_number_of_half_precision_is_widened_exactly(compilation):
    from model.ranking.kernel.lists import widen  # noqa: PLC0415 - it brings numba, which must know the folder first

    halves = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16)
    halves = halves[np.isfinite(halves.view(np.float16))]
    halves.flags.writeable = False

    widened = widen(halves, 0, len(halves), np.empty(len(halves), np.uint32))
    np.testing.assert_array_equal(widened.view(np.uint32), halves.view(np.float16).astype(np.float32).view(np.uint32))


def test_a_part_is_widened_from_where_it_begins(compilation):
    from model.ranking.kernel.lists import widen  # noqa: PLC0415 - it brings numba, which must know the folder first

    halves = np.array([1, 2, 3, 4, 5], np.float16).view(np.uint16)
    halves.flags.writeable = False

    assert widen(halves, 1, 3, np.empty(5, np.uint32)).tolist() == [2, 3, 4]


def test_a_list_that_promises_nothing_is_not_read_however_many_are_asked_for(compilation):
    from model.ranking.kernel.lists import by_list, probe  # noqa: PLC0415 - as above
    from model.ranking.kernel.tables import Lent  # noqa: PLC0415

    promised = np.array([[1, -np.inf, 3, -np.inf], [2, 1, -np.inf, 0]], np.float32)
    lent = Lent(np.zeros(4, np.int32), *np.zeros((2, 4), np.float32), np.zeros(4, np.int32))
    probed = np.full((2, 4), 1_000_000, np.int32)
    sizes = np.array([5, 0, 7, 2])
    sizes.flags.writeable = False
    starts, offsets, totals = np.zeros(5, np.int64), np.zeros(5, np.int64), np.zeros(2, np.int64)
    customers, places = np.zeros(8, np.int32), np.zeros(8, np.int64)

    probe(0, promised, 4, lent, probed)
    by_list(probed, starts, customers, offsets, places, sizes, totals)

    assert [sorted(mine) for mine in probed.tolist()] == [[-1, -1, 0, 2], [-1, 0, 1, 3]]
    assert starts.tolist() == [0, 2, 3, 4, 5]
    assert totals.tolist() == [12, 7]
