"""The best of a row of scores are those that sorting would give, the first of equal ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

UNEVEN = np.random.default_rng(1).standard_cauchy(5000).astype(np.float32)
VALUES = {
    "none": np.zeros(0, np.float32),
    "one": np.array([3], np.float32),
    "a few": np.array([3, -1, 7, 0.5], np.float32),
    "any": np.random.default_rng(2).normal(size=3000).astype(np.float32),
    "a block and one": np.arange(17, dtype=np.float32),
    "far apart": UNEVEN,
    "all equal": np.full(2000, 1.5, np.float32),
    "two values": (np.arange(2000) % 2).astype(np.float32),
    "with ties": np.random.default_rng(3).integers(0, 20, 4000).astype(np.float32),
    "ascending": np.arange(5000, dtype=np.float32),
    "descending": -np.arange(5000, dtype=np.float32),
    "the best where no sample looks": (np.arange(6000) % 11 == 5).astype(np.float32),
    "mostly forbidden": np.where(np.arange(3000) % 50 == 7, UNEVEN[:3000], -np.inf).astype(np.float32),
    "forbidden but for equal ones": np.where(np.arange(3000) % 3 == 1, 2, -np.inf).astype(np.float32),
    "all forbidden": np.full(1000, -np.inf, np.float32),
    "next to each other": (1 + np.arange(1500) * np.finfo(np.float32).eps).astype(np.float32),
    "great and small": np.array([1e30, -1e29, 1e-30, 0, -1e-30] * 300, np.float32),
}  # fmt: skip


@pytest.fixture(scope="module")
def selection(compilation):
    """The module, once its functions are machine code."""
    from model.ranking.kernel import selection  # noqa: PLC0415 - it brings numba, which must know the folder first

    return selection


def selected(selection, values, count, among=None):
    """{row: value} of what is selected."""
    room = max(count, 1)
    passed, places = np.empty(len(values) + 1, np.float32), np.empty(len(values) + 1, np.int32)
    kept, rows = np.full(room, np.nan, np.float32), np.full(room, -1, np.int32)
    if among is None:
        used = selection.select(values, count, passed, places, kept, rows)
    else:
        used = selection.select_among(values, np.array(among, np.int64), count, passed, places, kept, rows)
    assert len(set(rows[:used].tolist())) == used
    return dict(zip(rows[:used].tolist(), kept[:used].tolist(), strict=True))


def sorted_out(values, count, among=None):
    """The same by sorting."""
    rows = np.arange(len(values)) if among is None else np.sort(np.array(among, np.int64))
    rows = rows[values[rows] > -np.inf]
    best = rows[np.argsort(-values[rows], kind="stable")][: max(count, 0)]
    return dict(zip(best.tolist(), values[best].tolist(), strict=True))


@pytest.mark.parametrize("count", [0, 1, 2, 5, 16, 199, 1000, 2999, 10_000])
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_the_best_are_selected(selection, values, count):
    assert selected(selection, values, count) == sorted_out(values, count)


@pytest.mark.parametrize("count", [0, 1, 3, 100, 10_000])
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_the_best_of_some_are_selected(selection, values, count):
    for size in (0, len(values) // 3, len(values)):
        among = np.random.default_rng(4).permutation(len(values))[:size]

        assert selected(selection, values, count, among) == sorted_out(values, count, among)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.floats(-100, 100, width=32) | st.sampled_from([0.0, 1.0, -np.inf]), max_size=80), st.integers(0, 90))
def test_the_best_of_any_few_are_selected(selection, values, count):
    some = np.array(values, np.float32)

    assert selected(selection, some, count) == sorted_out(some, count)
