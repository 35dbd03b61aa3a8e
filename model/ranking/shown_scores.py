"""From a log-score without bounds to the score between 0 and 1 that an answer shows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.ranking.retrieval import Ranked


@dataclass(frozen=True, slots=True)
class ScoreScale:
    """Where the shown score is one half, and how wide its slope is, in units of the log-score."""

    centre: float = 0.0
    spread: float = 1.0


def score_scale(ranked: Sequence[Ranked]) -> ScoreScale:
    """The scale on which the last product of a typical answer shows 0.5 and its first one 0.88."""
    answers = [found.scores for found in ranked if len(found.scores)]
    if not answers:
        return ScoreScale()
    centre = float(np.median([scores[-1] for scores in answers]))
    spread = float(np.median([scores[0] - scores[-1] for scores in answers])) / 2
    return ScoreScale(centre, max(spread, 1e-3))


def display_scores(scores: NDArray[np.floating], scale: ScoreScale) -> NDArray[np.float64]:
    """Log-scores mapped to 0..1 by a logistic curve: the order stays, the number means nothing by itself."""
    z = (np.asarray(scores, np.float64) - scale.centre) / scale.spread
    return 1.0 / (1.0 + np.exp(-np.clip(z, -30.0, 30.0)))
