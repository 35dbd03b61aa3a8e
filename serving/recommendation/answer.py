"""What a request is worked out with, and what it gets: plain values that the recommender's parts hand to each other.

What is shown stays in columns, as the model gave it, from there to the bytes of the reply.
"""

from collections.abc import Iterator, Sequence
from itertools import repeat

import msgspec
import numpy as np
from numpy.typing import NDArray

from model.purchases.histories import Histories
from serving.recommendation.request import Request

NO_NUMBERS = np.zeros(0, np.int64)


class Item(msgspec.Struct, frozen=True, gc=False):
    """One recommended product."""

    number: int
    score: float  # 0..1, the order within its kind and nothing more
    kind: str
    strategy: str
    because: Sequence[int] = ()  # product numbers


class Part(msgspec.Struct, frozen=True, gc=False):
    """The products of one kind that come from one strategy, best first, at least one."""

    kind: str
    strategy: str
    numbers: list[int]  # product numbers
    scores: list[float]  # 0..1, the order within the kind and nothing more
    because: Sequence[Sequence[int]] = ()  # each product's first reason, then each one's second; 0 = none

    def items(self) -> Iterator[Item]:
        """One by one."""
        reasons_of_each = zip(*self.because, strict=True) if self.because else repeat(())
        for number, score, reasons in zip(self.numbers, self.scores, reasons_of_each, strict=False):
            yield Item(number, score, self.kind, self.strategy, because=[reason for reason in reasons if reason])


class Answer(msgspec.Struct, gc=False):
    """What a request gets."""

    asked: int = 0
    known: bool = True  # whether the customer has bought anything that is stored here
    degraded: str | None = None
    model_version: str | None = None
    parts: list[Part] = msgspec.field(default_factory=list)  # in the order in which they are shown

    @property
    def items(self) -> list[Item]:
        """What is shown, one by one: for whoever looks at a few."""
        return [item for part in self.parts for item in part.items()]

    @property
    def numbers(self) -> list[int]:
        """The product numbers that are shown."""
        return [number for part in self.parts for number in part.numbers]


class Case(msgspec.Struct, gc=False):
    """A request with what is known about it."""

    request: Request
    answer: Answer
    histories: Histories  # of the whole micro-batch
    lines: slice  # which of them are the customer's
    basket: Sequence[int] = ()  # product numbers that the request names: a basket, or a product page
    page: Sequence[int] = ()  # what `similar` looks around: the product page, else the latest order
    named: Sequence[int] = ()  # product numbers that the request says must not be shown, the basket among them
    only: NDArray[np.int64] | None = None  # product numbers that may be shown; None = all

    @property
    def bought(self) -> NDArray[np.int64]:
        """The customer's history as product numbers, repeats and all."""
        return self.histories.products[self.lines].astype(np.int64)

    @property
    def excluded(self) -> NDArray[np.int64]:
        """The product numbers that must not be shown: what is named, and what was bought where it counts."""
        named = np.array(self.named, np.int64)
        return np.concatenate((self.bought, named)) if self.request.exclude_purchased else named
