"""Training parameters judged on a window of the past, as the service answers once its weights are calibrated.

A model is learnt from what precedes the window. Its weights are learnt on one half of the window's customers and judged
on the other, and the halves then change places: other parameters make other vectors, and weights that were stated for
the vectors of old would judge how long the new ones are rather than how good.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from model.embeddings import item2vec
from model.offline.measures import measure
from model.offline.recommender import OfflineRecipe, OfflineRecommender, put_together
from model.offline.splits import Cut, Split, sampled
from model.progress import Progress, silent
from model.purchases.histories import Histories
from model.signals.product_votes import ProductVotes
from model.training.calibration import Trial, reweighted

K = 10
LEAST_CUSTOMERS = 50  # tested, for a window to tell parameters apart at all
_MOST_CUSTOMERS = 2_000  # drawn at random: more cost time and change no choice


class TooFewTested(Exception):
    """Raised when a window has too few customers to judge by; the text says what to do."""

    def __init__(self, what: str, customers: int) -> None:
        super().__init__(
            f"{what} tests {customers} customers who had bought before it, {LEAST_CUSTOMERS} are needed: "
            "give windows of other --days, or more purchases"
        )


class Window:
    """What may be learnt from, and what came then. Product votes depend on the vocabulary alone, so few are learnt."""

    def __init__(self, cut: Split) -> None:
        self.train = cut.train
        self.truth = sampled(cut.truth, _MOST_CUSTOMERS, seed=0)
        self._votes: dict[int, ProductVotes] = {}

    def learnt(self, keys: Sequence[str], recipe: OfflineRecipe, progress: Progress = silent) -> Trial:
        """A model of this recipe. What `progress` raises ends the training. Raises `TooLittleData`."""
        vectors = item2vec.train(self.train, keys, recipe.parameters, progress)
        return Trial(self._with_votes(put_together(self.train, keys, vectors, recipe)), self.truth)

    def _with_votes(self, made: OfflineRecommender) -> OfflineRecommender:
        recipe = made.recipe
        if not recipe.needs_votes:
            return made
        least = recipe.parameters.min_count
        if least not in self._votes:
            self._votes[least] = made.with_votes(recipe.votes).model.votes
        return made.with_table(self._votes[least])


def windows_of(histories: Histories, cut: Cut, count: int) -> list[Window]:
    """The newest windows that test enough customers, the newest first. Raises `TooFewTested` when none does."""
    found = [Window(one) for one in cut.windows(histories, 0, count)]
    enough = [window for window in found if len(window.truth.customers) >= LEAST_CUSTOMERS]
    if not enough:
        most = max((len(window.truth.customers) for window in found), default=0)
        raise TooFewTested("the best window before the newest", most)
    return enough


def cross_measured(trial: Trial, *, repeat: bool = False) -> NDArray[np.float64]:
    """float64 (n_customers,): each tested customer's NDCG at 10."""
    customers = trial.truth.customers
    shown = np.full((len(customers), K), -1, np.int64)
    odd = np.arange(len(customers)) % 2 == 1
    for asked in (odd, ~odd):
        model = _taught(trial, ~asked)
        shown[asked] = model.recommend(customers[asked], K, repeat=repeat)
    return measure(shown, trial.truth, trial.recommender.model.demand.total).ndcg


def weighed(trials: Sequence[Trial], recipe: OfflineRecipe) -> OfflineRecipe:
    """The recipe with the weights that these windows teach together; without weights it stays as it is."""
    return recipe if recipe.weights is None else reweighted(trials, recipe, without=())


def _taught(trial: Trial, by: NDArray[np.bool_]) -> OfflineRecommender:
    """The model under the weights that some of the window's customers teach."""
    teaching = replace(trial, truth=trial.truth.where(by))
    return trial.recommender.with_weights(weighed([teaching], trial.recommender.recipe).weights)
