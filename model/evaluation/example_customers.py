"""A few tested customers, to be looked at one by one: what they bought, what they were shown, what they bought then.

In: a split, and what each model showed to the customers at `example_places`. They are drawn at random, not chosen for
their hits.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.offline.splits import Split
from model.purchases.histories import of_customers

_CUSTOMERS = 6
_READABLE = 40  # order lines that an example customer has at most, where there are such


@dataclass(frozen=True, slots=True)
class Example:
    """A tested customer, drawn at random: product numbers all."""

    before: list[int]  # bought before the window, the newest first
    then: list[int]  # bought in the window and tested
    shown: dict[str, list[int]]  # by the name of a row, best first; of the first seed


def example_places(tested: Split) -> NDArray[np.int64]:
    """int64 (<= 6,): places among the tested customers, ascending; the same for the same split."""
    lines = np.diff(tested.train.starts)[tested.truth.customers]
    readable = np.flatnonzero((lines > 1) & (lines <= _READABLE))
    places = readable if len(readable) else np.arange(len(lines))
    return np.sort(np.random.default_rng(0).choice(places, min(_CUSTOMERS, len(places)), replace=False))


def examples(tested: Split, shown: Mapping[str, NDArray[np.int64]]) -> list[Example]:
    """The customers at `example_places`; `shown` (customers, k) by model, -1 where a list is shorter."""
    made = []
    for at, place in enumerate(example_places(tested).tolist()):
        history = of_customers(tested.train, tested.truth.customers[place : place + 1])
        newest = history.products[np.argsort(-history.times.astype(np.int64), kind="stable")].tolist()
        then = tested.truth.products[tested.truth.starts[place] : tested.truth.starts[place + 1]].tolist()
        lists = {name: [number for number in rows[at].tolist() if number >= 0] for name, rows in shown.items()}
        made.append(Example(list(dict.fromkeys(newest)), then, lists))
    return made
