"""Calibration: the first stage, recency and the weights of the second stage, learnt on the windows before now.

For each window a model is trained on what precedes it and shown what was then bought. What is learnt on the older
windows is tried on the newest, beside the stated weights, the index alone and what sells lately; the best of these
serves, and if that is the learnt, it is learnt anew on all windows. With too little data the index alone answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from model.embeddings.parameters import TooLittleData
from model.offline.measures import hits_of, measure
from model.offline.recommender import OfflineRecipe, OfflineRecommender, learn_offline
from model.offline.splits import Cut, Truth, sampled
from model.progress import Progress, silent
from model.purchases.histories import Histories
from model.ranking.parameters import FEATURES, Scoring, Weights
from model.ranking.reranking import CANDIDATES
from model.signals.product_votes import VoteParameters
from model.training.weight_fitting import Examples, examples_of, fit_weights, mean_log_likelihood

POPULARITY = Weights(affinity=0.0, popularity=1.0, trend=1.0, neighbours=0.0, votes=0.0)
_FIRST_STAGE = ("affinity", "popularity", "trend")
_LEAST_CUSTOMERS = 50  # tested in a window, for it to teach anything
_MOST_CUSTOMERS = 3_000  # of a window, drawn at random: more say the same and cost time
_FEW_CUSTOMERS = 800  # for choices among whole settings, where every choice costs the features anew
_RECENCIES = (0.7, 0.9, 1.0)
_REGULARISATIONS = (400.0, 1000.0, 2500.0)
_CHEAP_ITEMS = 6_000  # up to so many products trying several tables costs seconds
_WORTH = 0.002  # of mean log-likelihood: a smaller gain does not move a setting from its default
_K = 10


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was learnt, and what it is worth."""

    scoring: Scoring
    weights: Weights | None  # None: the first stage alone
    votes: VoteParameters
    source: str  # learnt, "learnt, first stage too", stated, index or popularity: whose weights these are
    windows: int  # looked at
    customers: int  # tested in the newest
    ndcg: dict[str, float]  # at 10 on the newest window, by source, learnt on the older windows only


@dataclass(frozen=True, slots=True)
class Trial:
    """A model that was learnt from what precedes a window, and what was bought in the window."""

    recommender: OfflineRecommender
    truth: Truth


def calibrate(
    histories: Histories,
    keys: Sequence[str],
    recipe: OfflineRecipe,
    cut: Cut | None = None,
    *,
    windows: int = 2,
    progress: Progress = silent,
) -> Calibration:
    """Train on what precedes each of the newest windows, then `calibrate_on` them. Costs a training for each window."""
    trials = []
    for at, split in enumerate((cut or Cut()).windows(histories, 0, windows)):
        if len(split.truth.customers) < _LEAST_CUSTOMERS:
            continue
        progress("calibrating", at / windows)
        try:
            trials.append(Trial(learn_offline(split.train, keys, recipe), split.truth))
        except TooLittleData:
            break
    found = calibrate_on(trials, recipe)
    progress("calibrating", 1.0)
    return found


def can_calibrate(histories: Histories, cut: Cut, windows: int = 2) -> bool:
    """Whether any of the newest windows has enough customers to teach something; cheap."""
    splits = cut.windows(histories, 0, windows)
    return any(len(split.truth.customers) >= _LEAST_CUSTOMERS for split in splits)


def calibrate_on(trials: Sequence[Trial], recipe: OfflineRecipe) -> Calibration:
    """Learn from trials, newest window first. A single window is halved by customers, to try what it taught."""
    usable = [replace(trial, truth=sampled(trial.truth, _MOST_CUSTOMERS, seed=0)) for trial in trials]
    usable = [trial for trial in usable if len(trial.truth.customers) >= _LEAST_CUSTOMERS]
    if not usable or recipe.weights is None:
        return Calibration(
            scoring=recipe.scoring, weights=None, votes=recipe.votes, source="index", windows=0, customers=0, ndcg={}
        )
    plain = _with_settings(usable, recipe.weights)
    staged = _with_first_stage(plain)
    tried: dict[str, tuple[Sequence[Trial], Weights | None]] = {
        "learnt": (plain, _taught(plain, recipe.weights)),
        "learnt, first stage too": (staged, _taught(staged, recipe.weights)),
        "stated": (usable, recipe.weights),
        "index": (usable, None),
        "popularity": (plain, POPULARITY),
    }
    ndcg = {source: _ndcg(_to_try(which), weights) for source, (which, weights) in tried.items()}
    source = max(ndcg, key=lambda name: ndcg[name])  # of equals the first
    chosen, weights = tried[source]
    if source.startswith("learnt"):
        weights = _weights(chosen, recipe.weights)
    settled = chosen[0].recommender.recipe
    tested = len(_to_try(chosen).truth.customers)
    return Calibration(
        scoring=settled.scoring,
        weights=weights,
        votes=settled.votes,
        source=source,
        windows=len(usable),
        customers=tested,
        ndcg=ndcg,
    )


def calibrated(recipe: OfflineRecipe, found: Calibration) -> OfflineRecipe:
    """The recipe with what calibration found."""
    return replace(recipe, scoring=found.scoring, weights=found.weights, votes=found.votes)


def reweighted(trials: Sequence[Trial], recipe: OfflineRecipe, without: Sequence[str]) -> OfflineRecipe:
    """A calibrated recipe with some features switched off and the weights of the others learnt anew on the windows."""
    prior = (recipe.weights or Weights()).without(without)
    settled = [replace(trial, recommender=_under(trial.recommender, recipe)) for trial in trials]
    return replace(recipe, weights=_weights(settled, prior) if settled else prior)


def _under(made: OfflineRecommender, recipe: OfflineRecipe) -> OfflineRecommender:
    voting = made if made.recipe.votes == recipe.votes else made.with_votes(recipe.votes)
    return voting.with_scoring(recipe.scoring)


def _with_settings(trials: Sequence[Trial], prior: Weights) -> list[Trial]:
    """The trials under the table and the recency that explain the purchases best."""
    few = [replace(trial, truth=sampled(trial.truth, _FEW_CUSTOMERS, seed=1)) for trial in trials]
    candidates = [_candidates(trial) for trial in few]
    variants = [few]
    if prior.votes and max(len(trial.recommender.item2vec.keys) for trial in few) <= _CHEAP_ITEMS:
        now = few[0].recommender.recipe.votes.regularisation
        variants += [_with_votes(few, other) for other in _REGULARISATIONS if other != now]
    best = _likeliest(variants, candidates, prior)
    scoring = best[0].recommender.recipe.scoring
    recencies = [replace(scoring, recency=other) for other in _RECENCIES if other != scoring.recency]
    best = _likeliest([best, *(_with_scoring(best, other) for other in recencies)], candidates, prior)
    return [replace(trial, truth=whole.truth) for trial, whole in zip(best, trials, strict=True)]


def _likeliest(
    variants: Sequence[list[Trial]], candidates: Sequence[Sequence[NDArray[np.int64]]], prior: Weights
) -> list[Trial]:
    """The variant that explains best which of the same candidates were bought; the first unless it is worth it."""
    worth = []
    for variant in variants:
        windows = [_examples(trial, rows) for trial, rows in zip(variant, candidates, strict=True)]
        worth.append(mean_log_likelihood(windows, fit_weights(windows, _used(prior), prior=prior)))
    best = int(np.argmax(worth))
    return variants[best if worth[best] > worth[0] + _WORTH else 0]


def _with_first_stage(trials: Sequence[Trial]) -> list[Trial]:
    """The trials under a first stage whose three weights are learnt from its own candidates."""
    found = fit_weights([_examples(trial, _candidates(trial)) for trial in trials], _FIRST_STAGE)
    now = trials[0].recommender.recipe.scoring
    learnt = replace(now, scale=found.affinity, popularity_weight=found.popularity, trend_weight=found.trend)
    return _with_scoring(trials, learnt)


def _taught(trials: Sequence[Trial], prior: Weights) -> Weights:
    """What the older windows teach; of a single window one half of the customers."""
    return _weights(trials[1:] or [_half(trials[0], 1)], prior)


def _to_try(trials: Sequence[Trial]) -> Trial:
    """What did not teach."""
    return trials[0] if len(trials) > 1 else _half(trials[0], 0)


def _weights(trials: Sequence[Trial], prior: Weights) -> Weights:
    return fit_weights([_examples(trial, _candidates(trial)) for trial in trials], _used(prior), prior=prior)


def _used(prior: Weights) -> list[str]:
    """The features that are switched on."""
    return [name for name in FEATURES if getattr(prior, name)]


def _candidates(trial: Trial) -> list[NDArray[np.int64]]:
    batch = trial.recommender.batch(trial.truth.customers)
    return [found.rows for found in trial.recommender.candidates(batch, CANDIDATES)]


def _examples(trial: Trial, candidates: Sequence[NDArray[np.int64]]) -> Examples:
    model = trial.recommender.model
    values = model.features(trial.recommender.batch(trial.truth.customers), candidates)
    sizes = np.array([len(rows) for rows in candidates])
    shown = np.full((len(sizes), int(sizes.max())), -1, np.int64)
    inside = np.arange(shown.shape[1]) < sizes[:, None]
    shown[inside] = model.number_of_row[np.concatenate(candidates)]
    return examples_of(sizes, values, hits_of(shown, trial.truth)[inside])


def _ndcg(trial: Trial, weights: Weights | None) -> float:
    shown = trial.recommender.with_weights(weights).recommend(trial.truth.customers, _K)
    return measure(shown, trial.truth, trial.recommender.model.demand.total).mean("ndcg")


def _with_votes(trials: Sequence[Trial], regularisation: float) -> list[Trial]:
    changed = []
    for trial in trials:
        votes = replace(trial.recommender.recipe.votes, regularisation=regularisation)
        changed.append(replace(trial, recommender=trial.recommender.with_votes(votes)))
    return changed


def _with_scoring(trials: Sequence[Trial], scoring: Scoring) -> list[Trial]:
    return [replace(trial, recommender=trial.recommender.with_scoring(scoring)) for trial in trials]


def _half(trial: Trial, which: int) -> Trial:
    kept = np.arange(len(trial.truth.customers)) % 2 == which
    return replace(trial, truth=trial.truth.where(kept))
