"""What each customer has bought weighs what `distinct` and `weighted_history` say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.embeddings.queries import Encoder
from model.purchases.histories import Histories, distinct
from model.ranking.kernel.memory import fixed

ITEMS = 60


@pytest.fixture(scope="module")
def weigh(compilation):
    """The function, once it is machine code."""
    from model.ranking.kernel import histories, kernel  # noqa: PLC0415 - numba must know the folder first

    def weighed(packed, row_of_number, number_of_row, recency):
        starts, room = np.empty(len(packed.starts), np.int64), len(packed.products)
        rows, weights = np.empty(room, np.int64), np.empty(room, np.float32)
        seen = np.full(ITEMS, -1, np.int32)
        used = histories.weigh(
            fixed(packed.starts, np.int64), fixed(packed.products, np.uint32), fixed(packed.times, np.uint32),
            fixed(row_of_number, np.int32), fixed(number_of_row, np.int32), kernel._powers(recency), seen, starts,
            rows, weights,
        )  # fmt: skip
        assert (seen < 0).all()
        return starts, rows[:used], weights[:used]

    return weighed


def packed(customers):
    """Histories of (product, time) lines."""
    lines = [line for customer in customers for line in customer]
    table = np.array(lines, np.uint32).reshape(-1, 2)
    return Histories(
        np.arange(1, len(customers) + 1, dtype=np.uint32),
        np.concatenate(([0], np.cumsum([len(customer) for customer in customers]))).astype(np.int64),
        np.ascontiguousarray(table[:, 0]),
        np.ascontiguousarray(table[:, 1]),
    )


def assert_alike(weigh, histories, recency=0.9, seed=1):
    number_of_row = np.random.default_rng(seed).permutation(np.arange(1, ITEMS + 1))
    row_of_number = np.full(ITEMS + 1, -1)
    row_of_number[number_of_row] = np.arange(ITEMS)
    row_of_number[7] = -1
    expected = Encoder(np.zeros((ITEMS, 1), np.float32), row_of_number, recency).history(distinct(histories))
    starts, rows, weights = weigh(histories, row_of_number, number_of_row, recency)

    assert starts.tolist() == expected.starts.tolist()
    assert rows.tolist() == expected.rows.tolist()
    np.testing.assert_array_equal(weights, expected.weights)


LINES = st.lists(st.tuples(st.integers(0, ITEMS + 9), st.integers(0, 12)), max_size=25)


@settings(max_examples=200, deadline=None)
@given(customers=st.lists(LINES, max_size=6), recency=st.sampled_from([0.0, 0.5, 0.9, 1.0]))
def test_any_histories_weigh_what_they_should(weigh, customers, recency):
    assert_alike(weigh, packed(customers), recency)


@pytest.mark.parametrize("times", [range(300), range(300, 0, -1), [5] * 300], ids=["in order", "backwards", "at once"])
def test_a_long_history_weighs_what_it_should(weigh, times):
    assert_alike(weigh, packed([[(1 + i * 7 % ITEMS, time) for i, time in enumerate(times)]]))


def test_an_order_long_ago_weighs_the_least(weigh):
    assert_alike(weigh, packed([[(1 + i % ITEMS, i) for i in range(9000)]]), recency=0.9999)
