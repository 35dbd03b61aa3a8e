"""What decides how a model ranks, beside its vectors: learnt with it, written into its metadata."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from model.signals.neighbours import NeighbourParameters
from model.signals.product_votes import VoteParameters


@dataclass(frozen=True, slots=True)
class Scoring:
    """How much each part of a score weighs, as found by validation."""

    scale: float = 1.0
    popularity_weight: float = 0.5
    recency: float = 0.9  # an order weighs so much of the next newer one
    trend_weight: float = 1.0
    trend_days: int = 14


FEATURES = ("affinity", "popularity", "trend", "neighbours", "votes")


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each feature weighs; 0 spares the work for it. Defaults: learnt on four months of online_retail."""

    affinity: float = 0.14
    popularity: float = -0.23
    trend: float = 1.0
    neighbours: float = 0.1
    votes: float = 1.44

    def array(self) -> NDArray[np.float64]:
        """float64 (5,), in the order of FEATURES."""
        return np.array([getattr(self, name) for name in FEATURES], np.float64)

    def without(self, parts: Sequence[str]) -> "Weights":
        """These weights with some of FEATURES switched off."""
        return replace(self, **dict.fromkeys(parts, 0.0))


class CalibrationReport(msgspec.Struct, frozen=True, kw_only=True):
    """Where the weights of ranking come from: `calibration.calibrate` found them."""

    source: str  # learnt, "learnt, first stage too", stated, index or popularity
    windows: int  # looked at; 0 = too little data
    customers: int  # tested in the newest
    ndcg: dict[str, float]  # at 10 on the newest window, by source
    at_s: float  # seconds since 1970


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the order of products, beside the vectors."""

    scoring: Scoring
    weights: Weights | None = None  # of the second stage; None: the index alone
    neighbours: NeighbourParameters = msgspec.field(default_factory=NeighbourParameters)
    votes: VoteParameters = msgspec.field(default_factory=VoteParameters)
    calibration: CalibrationReport | None = None  # None: not looked at yet, or turned off
