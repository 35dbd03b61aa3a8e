"""What tuning gained: the settings found and those in force on the test window, which the search has not seen.

Both are learnt with the same seeds from all that precedes the window and answer the same customers, under the weights
that they learnt on the validation windows. A customer counts with the mean over seeds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from model.offline.measures import Interval, Measured, averaged, difference, measure
from model.offline.recommender import OfflineRecipe, learn_offline
from model.offline.splits import Cut, Split, sampled, split
from model.progress import Progress, silent
from model.purchases.histories import Histories
from model.tuning.search import Search
from model.tuning.validation import LEAST_CUSTOMERS, K, TooFewTested

_MOST_CUSTOMERS = 20_000  # tested, drawn at random


class Stopped(Exception):
    """Raised when a measurement was broken off."""


@dataclass(frozen=True, slots=True)
class Gain:
    """Two settings on the same customers of the test window."""

    before: Measured  # the settings in force
    after: Measured  # those found
    seeds: int

    def ndcg(self) -> Interval:
        """How much more NDCG at 10 the found settings have, paired by customer."""
        return difference(self.after, self.before)


@dataclass(frozen=True, slots=True)
class TuningVerdict:
    """Whether to change the settings, and why."""

    change: bool
    why: str


def test_window(histories: Histories, cut: Cut) -> Split:
    """The newest window. Raises `TooFewTested`: a search whose gain can not be measured is not begun."""
    made = split(histories, cut)
    if len(made.truth.customers) < LEAST_CUSTOMERS:
        raise TooFewTested("the newest window", len(made.truth.customers))
    return replace(made, truth=sampled(made.truth, _MOST_CUSTOMERS, seed=0))


def measured(
    tested: Split,
    keys: Sequence[str],
    search: Search,
    cut: Cut,
    *,
    seeds: int,
    is_over: Callable[[], bool] = lambda: False,
    progress: Progress = silent,
) -> Gain:
    """Train both settings once with each seed, and judge them. Raises `Stopped` when it `is_over` before the end."""
    runs: list[list[Measured]] = [[], []]
    recipes = (search.attempts[0].recipe, search.best.recipe)
    for seed in range(seeds):
        for which, recipe in enumerate(recipes):
            part = (2 * seed + which) / (2 * seeds)

            def show(_what: str, done: float, part: float = part) -> None:
                if is_over():
                    raise Stopped
                progress("testing", part + done / (2 * seeds))

            parameters = replace(recipe.parameters, seed=recipe.parameters.seed + seed)
            runs[which].append(_measured_with(tested, keys, replace(recipe, parameters=parameters), cut, show))
    return Gain(averaged(runs[0]), averaged(runs[1]), seeds)


def verdict(search: Search, gain: Gain | None) -> TuningVerdict:
    """Change the settings only if what was found is surely better on validation and not worse on the test window."""
    if not search.found:
        alone = "no other settings could be tried in this time: give more --minutes"
        why = "nothing that was tried beats the settings in force on the validation windows"
        return TuningVerdict(change=False, why=alone if len(search.attempts) == 1 else why)
    if search.gain().low <= 0:
        return TuningVerdict(change=False, why="the gain on the validation windows is within noise")
    if gain is None:
        return TuningVerdict(change=False, why="the gain was not measured on the test window")
    if gain.ndcg().mean <= 0:
        return TuningVerdict(change=False, why="there is no gain on the test window")
    if gain.ndcg().low <= 0:
        return TuningVerdict(
            change=True, why="better on the validation windows; on the test window too, but within noise there"
        )
    return TuningVerdict(change=True, why="better on the validation windows and on the test window")


def _measured_with(tested: Split, keys: Sequence[str], recipe: OfflineRecipe, cut: Cut, progress: Progress) -> Measured:
    model = learn_offline(tested.train, keys, recipe, progress)
    shown = model.recommend(tested.truth.customers, K, repeat=cut.repeat)
    return measure(shown, tested.truth, np.bincount(tested.train.products, minlength=len(keys)))
