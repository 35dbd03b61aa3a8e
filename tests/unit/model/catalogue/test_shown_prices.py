"""A price comes back as it was written, though it is kept in 32 bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.catalogue.shown_prices import shortest_price


def kept(price):
    return float(np.float32(price))


@pytest.mark.parametrize("price", [0, 0.01, 2.08, 4.5, 19.99, 999.95, 65535.99, 70000.01, 0.001, 1e12])
def test_a_price_is_shown_as_it_was_written(price):
    assert shortest_price(kept(price)) == price


@given(st.integers(0, 9_999_999))
def test_every_price_with_two_decimals_below_a_hundred_thousand_comes_back(cents):
    assert shortest_price(kept(cents / 100)) == cents / 100


@given(st.floats(0, 2.0**40, width=32))
def test_what_is_shown_is_the_same_price_and_no_longer_than_need_be(price):
    shown = shortest_price(price)

    assert kept(shown) == price
    assert shown == float(str(np.float32(price)))
