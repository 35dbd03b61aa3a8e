"""What a request is worked out with, and what it gets: plain values that the recommender's parts hand to each other."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from serving.recommendation.request import Request

NO_NUMBERS = np.zeros(0, np.int64)


class Item(msgspec.Struct, frozen=True, gc=False):
    """One recommended product."""

    number: int
    score: float  # 0..1, the order within its kind and nothing more
    kind: str
    strategy: str
    because: Sequence[int] = ()  # product numbers


@dataclass(slots=True)
class Answer:
    """What a request gets."""

    items: list[Item] = field(default_factory=list)
    degraded: str | None = None
    model_version: str | None = None
    asked: int = 0
    known: bool = True  # whether the customer has bought anything that is stored here


@dataclass(slots=True)
class Case:
    """A request with what is known about it. All arrays hold product numbers, int64."""

    request: Request
    answer: Answer
    bought: NDArray[np.int64]  # the history, repeats and all
    basket: list[int]  # named by the request: a basket, or a product page
    page: list[int]  # what `similar` looks around: the product page, else the latest order
    excluded: NDArray[np.int64]  # must not be shown
    only: NDArray[np.int64] | None  # may be shown; None = all
