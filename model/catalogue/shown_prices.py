"""Prices as they are shown: paid prices are kept in 32 bits, and 2.08 must not come back as 2.0799999237060547."""

import struct

import numpy as np

_FLOAT32 = struct.Struct("f")
_TWO_DECIMALS_BELOW = 65_536  # there all numbers with two decimals differ as float32, so none is shorter


def shortest_price(price: float) -> float:
    """The number with the fewest decimals that is the same in 32 bits; `price` is finite and fits them."""
    rounded = round(price, 2)
    if -_TWO_DECIMALS_BELOW < rounded < _TWO_DECIMALS_BELOW and _FLOAT32.unpack(_FLOAT32.pack(rounded))[0] == price:
        return rounded
    return float(str(np.float32(price)))
