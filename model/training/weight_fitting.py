"""Weights of features learnt from what customers then bought: a listwise softmax logistic regression.

In: lists of candidates, one list a customer, with their features and which were bought. Out: the weights under which
the bought ones get the greatest probability. It is convex, so the answer does not depend on where the search starts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped]  # scipy ships no types

from model.ranking.parameters import FEATURES, Weights

_CAUTION = 100.0  # customers that the prior weights count for: with fewer than these, little is learnt
_NEVER_AGAINST = {"affinity", "neighbours", "votes"}  # a negative weight of these could only be noise


@dataclass(frozen=True, slots=True)
class Examples:
    """Candidates of customers of whom at least one candidate was bought."""

    starts: NDArray[np.int64]  # (n_customers,) where each customer's candidates begin; none is empty
    features: NDArray[np.float32]  # (n_candidates, 5), in the order of blend.FEATURES
    bought: NDArray[np.bool_]  # (n_candidates,)


def examples_of(sizes: NDArray[np.int64], features: NDArray[np.float32], bought: NDArray[np.bool_]) -> Examples:
    """The examples in lists of `sizes`, laid end to end; lists without a hit teach nothing and are left out."""
    owner = np.repeat(np.arange(len(sizes)), sizes)
    useful = np.bincount(owner, bought, minlength=len(sizes)) > 0
    kept = useful[owner]
    ends = np.cumsum(sizes[useful])
    return Examples(ends - sizes[useful], features[kept], bought[kept])


def fit_weights(
    windows: Sequence[Examples],
    names: Sequence[str] = FEATURES,
    *,
    prior: Weights | None = None,
    caution: float = _CAUTION,
) -> Weights:
    """The weights of the features `names`, 0 for the others. Each customer counts by 1 / sqrt(hits).

    They are drawn towards those of `prior` (default: 0) by a squared penalty of `caution` / customers.
    """
    together = _together(windows)
    chosen = [FEATURES.index(name) for name in names]
    values, spread = _standardised(together, chosen)
    centre = np.zeros(len(names)) if prior is None else prior.array()[chosen]
    alive = np.isfinite(spread)
    centre[alive] *= spread[alive]
    centre[~alive] = 0.0
    likelihood = _Likelihood(together, values, caution / max(len(together.starts), 1), centre)
    bounds = [(0.0, None) if name in _NEVER_AGAINST else (None, None) for name in names]
    found = minimize(likelihood.loss, centre, jac=True, method="L-BFGS-B", bounds=bounds)
    return Weights(**(dict.fromkeys(FEATURES, 0.0) | dict(zip(names, (found.x / spread).tolist(), strict=True))))


def mean_log_likelihood(windows: Sequence[Examples], weights: Weights) -> float:
    """The mean over customers of the log-probability of a bought candidate: closer to 0 is better."""
    together = _together(windows)
    likelihood = _Likelihood(together, together.features.astype(np.float64), 0.0, np.zeros(len(FEATURES)))
    return -likelihood.loss(weights.array())[0]


def _together(windows: Sequence[Examples]) -> Examples:
    before = np.cumsum([0, *(len(window.bought) for window in windows)])
    return Examples(
        np.concatenate([window.starts + start for window, start in zip(windows, before[:-1], strict=True)]),
        np.concatenate([window.features for window in windows]),
        np.concatenate([window.bought for window in windows]),
    )


def _standardised(examples: Examples, chosen: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Features less each customer's mean (which no softmax sees), over their spread inside a list; a dead one is 0."""
    values = examples.features[:, chosen].astype(np.float64)
    sizes = np.diff(np.append(examples.starts, len(values)))[:, None]
    values -= np.repeat(np.add.reduceat(values, examples.starts) / sizes, sizes.ravel(), axis=0)
    spread = np.sqrt(np.mean(values**2, axis=0))
    spread[spread < 1e-6] = np.inf  # noqa: PLR2004 - a feature that says the same of all candidates
    return values / spread, spread


class _Likelihood:
    """The penalised loss of a weight vector, and its gradient."""

    def __init__(
        self, examples: Examples, values: NDArray[np.float64], penalty: float, centre: NDArray[np.float64]
    ) -> None:
        self._values, self._penalty, self._centre = values, penalty, centre
        self._starts = examples.starts
        self._sizes = np.diff(np.append(examples.starts, len(values)))
        hits = np.add.reduceat(examples.bought.astype(np.float64), examples.starts)
        weight = 1.0 / np.sqrt(hits)
        weight /= (weight * hits).sum()
        self._hits = weight * hits  # (n_customers,)
        self._target = examples.bought * np.repeat(weight, self._sizes)  # (n_candidates,)

    def loss(self, weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = self._values @ weights
        scores -= np.repeat(np.maximum.reduceat(scores, self._starts), self._sizes)
        odds = np.exp(scores)
        total = np.add.reduceat(odds, self._starts)
        away = weights - self._centre
        loss = self._hits @ np.log(total) - self._target @ scores + self._penalty * (away @ away)
        expected = odds * np.repeat(self._hits / total, self._sizes)
        return float(loss), self._values.T @ (expected - self._target) + 2 * self._penalty * away
