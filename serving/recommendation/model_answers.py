"""What a live model answers to a micro-batch of requests: what is for these customers, and what is like a product.

Pure but for the answers' `degraded` and `model_version`, which say what became of each. Whatever a model does wrong
comes out as an exception, and the recommender finds out whose request it was.
"""

from collections.abc import Sequence
from itertools import islice, pairwise
from math import isnan

import numpy as np
from numpy.typing import NDArray

from model.purchases.histories import Histories
from model.ranking.asked import AskedBatch, Recommended
from model.ranking.retrieval import Ranked, rank
from model.ranking.shown_scores import display_scores
from serving.live_models.live_model import LiveModel
from serving.recommendation.answer import Case, Part

_MOST_REASONS = 2
_NO_ROWS = np.zeros(0, np.int32)


def recommended(live: LiveModel, cases: Sequence[Case], histories: Histories) -> list[Part | None]:
    """For each case what its history speaks for; `histories` are the cases', their baskets among them."""
    allowed = [_allowed(live, case) for case in cases]
    shown = live.model.recommend(
        AskedBatch(
            histories=histories,
            k=[case.request.k for case in cases],
            repeats=[not case.request.exclude_purchased for case in cases],
            excluded=[live.rows_of(np.unique(case.named)) if case.named else _NO_ROWS for case in cases],
            only=allowed,
        ),
        average=live.average_output,
        most=_MOST_REASONS,
    )
    for case, rows, able in zip(cases, allowed, shown.able.tolist(), strict=True):
        case.answer.model_version = live.version
        if not able:
            case.answer.degraded = "unknown_history" if case.answer.known or case.basket else "new_customer"
        elif rows is not None and not len(rows) and _names_products(case):
            case.answer.degraded = "unknown_products"
    return _parts(live, shown)


def similar(live: LiveModel, cases: Sequence[Case]) -> list[Part | None]:
    """For each case what is bought in the same company as its page; only what points the same way counts as similar."""
    pages = [np.unique(live.rows_of(np.array(case.page, np.int64))) for case in cases]
    able = [i for i, rows in enumerate(pages) if len(rows)]
    for case, rows in zip(cases, pages, strict=True):
        case.answer.model_version = live.version
        if not len(rows) and case.request.kind == "similar":
            case.answer.degraded = _why_no_page(case)
    parts: list[Part | None] = [None] * len(cases)
    if not able:
        return parts
    chosen = [cases[i] for i in able]
    withdrawn = np.flatnonzero(live.model.withdrawn)
    ranked = rank(
        live.similar,
        np.stack([live.similar.direction(pages[i]) for i in able]),
        [case.request.k for case in chosen],
        [np.concatenate((live.rows_of(cases[i].excluded), pages[i], withdrawn)) for i in able],
        [_allowed(live, case) for case in chosen],
    )
    for i, case, found in zip(able, chosen, ranked, strict=True):
        parts[i] = _like_page(live, case, found)
    return parts


def _allowed(live: LiveModel, case: Case) -> NDArray[np.integer] | None:
    """The rows that may be shown, None for all."""
    brand = case.request.brand_id
    if brand is None and case.only is None:
        return None
    own = None if brand is None else live.rows_of_brand.get(brand, np.zeros(0, np.int32))
    if own is not None and len(own) == len(live.numbers):
        own = None
    if case.only is None:
        return own
    rows = live.rows_of(case.only)
    return rows if own is None else np.intersect1d(rows, own)


def _names_products(case: Case) -> bool:
    return bool(case.request.only) or case.request.brand_id is not None


def _why_no_page(case: Case) -> str:
    if case.request.product_ids:
        return "unknown_products"
    return "unknown_history" if case.answer.known else "new_customer"


def _parts(live: LiveModel, shown: Recommended) -> list[Part | None]:
    """What each is shown, with its reasons; that it was bought before is none. Raises for a score that is no number."""
    row_numbers = live.model.number_of_row
    numbers = row_numbers[shown.rows].tolist()
    scores = display_scores(shown.scores, live.metadata.score_scale).tolist()
    if isnan(sum(scores)):
        raise ArithmeticError(f"{live.version} gives a product a score that is no number")
    is_none = (shown.reasons < 0) | (shown.reasons == shown.rows[:, None])
    reasons = np.where(is_none, 0, row_numbers[shown.reasons]).T.tolist()
    return [
        Part(
            "recs", "item2vec", numbers[start:end], scores[start:end], because=[ranked[start:end] for ranked in reasons]
        )
        if start < end
        else None
        for start, end in pairwise(shown.ends)
    ]


def _like_page(live: LiveModel, case: Case, found: Ranked) -> Part | None:
    near = int(np.count_nonzero(found.scores > 0))  # best first
    if not near:
        return None
    known = (number for number in dict.fromkeys(case.page) if len(live.rows_of(np.array([number]))))
    reasons = list(islice(known, _MOST_REASONS))
    numbers = [live.numbers[row] for row in found.rows[:near].tolist()]
    scores = np.minimum(found.scores[:near].astype(np.float64), 1.0).tolist()
    return Part("similar", "similar", numbers, scores, because=[[reason] * near for reason in reasons])
