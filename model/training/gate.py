"""The gate: may a model just learnt answer? Judged on the newest purchases, which neither contender has learnt from.

Candidate, serving model and recent popularity are asked what they would have shown to the same customers at the same
moment, and compared by NDCG, customer by customer. Pure: models and purchases in, a judgement out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from model.catalogue.product import Product
from model.offline.held_out import HeldOut
from model.offline.measures import Interval, Measured, difference, measure
from model.ranking.model import RankingModel
from model.snapshots.metadata import Judgement
from model.training.contenders import moment_of, next_products, popular_products

LEAST_CUSTOMERS = 30  # below, chance decides: there is no verdict
_MEASURE = "ndcg"


@dataclass(frozen=True, slots=True)
class GateRules:
    """When a candidate may answer. `customers` 0: always."""

    margin: float = 0.05  # of the serving model's NDCG that may be lost
    k: int = 10
    customers: int = 1_000  # at most so many are compared


def judgement(
    candidate: RankingModel,
    serving: RankingModel | None,
    held: HeldOut,
    products: Sequence[Product],
    rules: GateRules,
    *,
    serving_version: str | None = None,
) -> Judgement:
    """Judge a candidate that learnt from `held.kept`, beside the model that serves.

    Both are bound to the numbers of `products`, which is indexed by them; neither is changed.
    """
    moment = moment_of(held, products, candidate.ranking.scoring.trend_days)
    sold = moment.demand.total
    mine = measure(next_products(candidate, moment, rules.k), held.truth, sold)
    theirs = None if serving is None else measure(next_products(serving, moment, rules.k), held.truth, sold)
    popular = measure(popular_products(moment, rules.k), held.truth, sold)
    decided = decide(mine, theirs, popular, rules.margin)
    return Judgement(
        verdict=decided.verdict,
        why=decided.why,
        outcome=decided.outcome,
        answers=decided.answers,
        serving=serving_version,
        k=rules.k,
        margin=rules.margin,
        customers=len(held.truth.customers),
        lines=held.lines,
        since_s=held.since_s,
        candidate_ndcg=mine.mean(_MEASURE),
        serving_ndcg=None if theirs is None else theirs.mean(_MEASURE),
        popular_ndcg=popular.mean(_MEASURE),
        above_serving=None if theirs is None else difference(mine, theirs, _MEASURE),
        above_popular=difference(mine, popular, _MEASURE),
    )


def decide(candidate: Measured, serving: Measured | None, popular: Measured, margin: float) -> Judgement:
    """The verdict alone.

    Refused as `worse` when the candidate loses more than `margin` of the serving model's mean and the whole interval of
    the difference lies below 0, so that chance alone refuses nothing. Refused as `not_above_popular` when its mean is
    not above that of recent popularity.
    """
    mine, sold = candidate.mean(_MEASURE), popular.mean(_MEASURE)
    theirs = None if serving is None else serving.mean(_MEASURE)
    if not np.any([mine, sold, theirs or 0.0]):
        return unjudged("nothing that was bought then could be foreseen by anybody")
    above = None if serving is None else difference(candidate, serving, _MEASURE)
    fallback = _fallback(theirs, sold)
    if above is not None and theirs is not None and above.mean < -margin * theirs and above.high < 0:
        why = (
            f"NDCG {mine:.4f} against {theirs:.4f} of the serving model: {_shown(above)}, more than {margin:.0%} worse"
        )
        return Judgement(verdict="refused", why=why, outcome="worse", answers=fallback)
    if mine <= sold:
        why = f"NDCG {mine:.4f} is not above the {sold:.4f} of recent popularity"
        return Judgement(verdict="refused", why=why, outcome="not_above_popular", answers=fallback)
    why = f"NDCG {mine:.4f} against {sold:.4f} of recent popularity"
    if above is not None:
        why += f" and {theirs:.4f} of the serving model: {_shown(above)}"
    return Judgement(verdict="accepted", why=why, outcome="accepted", answers="candidate")


def unjudged(why: str) -> Judgement:
    """No verdict: the candidate answers."""
    return Judgement(verdict="unjudged", why=why)


def _fallback(serving_ndcg: float | None, popular_ndcg: float) -> Literal["serving", "popular"]:
    return "serving" if serving_ndcg is not None and serving_ndcg > popular_ndcg else "popular"


def _shown(above: Interval) -> str:
    return f"{above.mean:+.4f} ({above.low:+.4f} to {above.high:+.4f})"
