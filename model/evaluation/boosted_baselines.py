"""Peers that were given what ours has: recency of the history, and the popularity and trend of products.

score = n * log(peer's score) + b * popularity + k * trend, over the whole catalogue. Recency, EASE's regularisation and
the weights are chosen on windows before the test window, by the very code that learns our own weights.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from model.evaluation.baselines import Material, Scorer, Spread, by_recency, ease_spread, item_knn_spread, recommend
from model.offline.measures import hits_of, measure
from model.offline.splits import Split, sampled
from model.progress import Progress, silent
from model.ranking.parameters import FEATURES, Weights
from model.training.weight_fitting import Examples, examples_of, fit_weights

_USED = ("popularity", "trend", "votes")
_START = Weights(affinity=0.0, popularity=0.0, trend=1.0, neighbours=0.0, votes=1.0)
_CANDIDATES = 200
_MOST_CUSTOMERS = 1_500  # of a window
_LEAST_SCORE = 1e-3  # of the best score of a customer: keeps the logarithm finite
_RECENCIES = (1.0, 0.9)
_TREND_DAYS = 14
_K = 10
_MANY_ITEMS = 6_000  # products from which EASE costs minutes: fewer settings are tried

Maker = Callable[[Material, float], Spread]  # what there is to learn from, and a setting of the peer's own


@dataclass(frozen=True, slots=True)
class Boost:
    """What was chosen for a peer: its own setting, the recency and the weights."""

    setting: float
    recency: float
    weights: Weights
    ndcg: float  # at 10, the mean over the windows it was chosen on


@dataclass(frozen=True, slots=True)
class _Window:
    material: Material
    split: Split
    prior: NDArray[np.float32]  # (2, n_columns): popularity and trend


def tuned(
    maker: Maker, settings: Sequence[float], splits: Sequence[Split], progress: Progress = silent, what: str = "tuning"
) -> Boost:
    """The best of all settings and recencies by mean NDCG over the windows, each tried with weights learnt on them."""
    windows = [_window(split) for split in splits]
    found: list[Boost] = []
    for at, setting in enumerate(settings):
        progress(what, at / len(settings))
        spreads = [maker(window.material, setting) for window in windows]
        found += [_boost(windows, spreads, setting, recency) for recency in _RECENCIES]
    progress(what, 1.0)
    return max(found, key=lambda boost: boost.ndcg)


def item_peers(products: int) -> dict[str, tuple[Maker, Sequence[float]]]:
    """Peers made of votes of products for products, with the settings that are tried for each."""
    few = products > _MANY_ITEMS
    return {
        "item-kNN (BM25)": (item_knn_spread, (20, 100, 400)),
        "EASE": (ease_spread, (500,) if few else (100, 300, 1000, 2000)),
        "EASE-rn": (partial(ease_spread, power=0.5), (600, 2000) if few else (600, 1600, 4000)),
    }


def boosted(material: Material, spread: Spread, boost: Boost) -> Scorer:
    """The peer under what was chosen for it."""
    scorer, prior = by_recency(material, spread, boost.recency), _prior(material)
    return lambda positions: _boosted_scores(scorer(positions), prior, boost.weights)


def _boost(windows: Sequence[_Window], spreads: Sequence[Spread], setting: float, recency: float) -> Boost:
    scorers = [by_recency(w.material, spread, recency) for w, spread in zip(windows, spreads, strict=True)]
    examples = [_examples(window, scorer) for window, scorer in zip(windows, scorers, strict=True)]
    weights = fit_weights(examples, _USED)
    ndcg = [_ndcg(window, scorer, weights) for window, scorer in zip(windows, scorers, strict=True)]
    return Boost(setting, recency, weights, float(np.mean(ndcg)))


def _window(split: Split) -> _Window:
    material = Material.of(split.train)
    return _Window(material, Split(split.train, sampled(split.truth, _MOST_CUSTOMERS, 0), 0), _prior(material))


def _prior(material: Material) -> NDArray[np.float32]:
    demand = material.demand(_TREND_DAYS)
    return np.stack([demand.bias(material.numbers, 1.0, 0.0), demand.bias(material.numbers, 0.0, 1.0)])


def _logs(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    best = np.maximum(scores.max(axis=1, keepdims=True), np.float32(1e-9))
    logs: NDArray[np.float32] = np.log(np.maximum(scores / best, 0) + np.float32(_LEAST_SCORE))
    return logs


def _boosted_scores(scores: NDArray[np.float32], prior: NDArray[np.float32], weights: Weights) -> NDArray[np.float32]:
    both = np.array([weights.popularity, weights.trend], np.float32) @ prior
    return np.float32(weights.votes) * _logs(scores) + both


def _examples(window: _Window, scorer: Scorer) -> Examples:
    truth = window.split.truth
    starting: Scorer = lambda positions: _boosted_scores(scorer(positions), window.prior, _START)  # noqa: E731
    shown = recommend(window.material, starting, truth.customers, _CANDIDATES)
    columns = np.searchsorted(window.material.numbers, shown)
    values = np.zeros((*shown.shape, len(FEATURES)), np.float32)
    for start in range(0, len(shown), 256):
        rows = slice(start, start + 256)
        logs = _logs(scorer(truth.customers[rows]))
        values[rows, :, FEATURES.index("votes")] = np.take_along_axis(logs, columns[rows], axis=1)
    values[..., FEATURES.index("popularity")] = window.prior[0, columns]
    values[..., FEATURES.index("trend")] = window.prior[1, columns]
    sizes = np.full(len(shown), shown.shape[1])
    return examples_of(sizes, values.reshape(-1, len(FEATURES)), hits_of(shown, truth).ravel())


def _ndcg(window: _Window, scorer: Scorer, weights: Weights) -> float:
    truth = window.split.truth
    scores: Scorer = lambda positions: _boosted_scores(scorer(positions), window.prior, weights)  # noqa: E731
    shown = recommend(window.material, scores, truth.customers, _K)
    return measure(shown, truth, window.material.demand(1).total).mean("ndcg")
