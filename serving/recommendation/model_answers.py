"""What a live model answers to a micro-batch of requests: what is for these customers, and what is like a product.

Pure but for the answers' `degraded` and `model_version`, which say what became of each. Whatever a model does wrong
comes out as an exception, and the recommender finds out whose request it was.
"""

from collections.abc import Sequence
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray

from model.purchases.histories import Histories
from model.ranking.asked import AskedBatch, Recommended
from model.ranking.retrieval import Ranked, rank
from model.ranking.shown_scores import display_scores
from serving.live_models.live_model import LiveModel
from serving.recommendation.answer import Case, Item

_MOST_REASONS = 2


def recommended(live: LiveModel, cases: Sequence[Case], histories: Histories) -> list[list[Item]]:
    """For each case what its history speaks for; `histories` are the cases', their baskets among them."""
    allowed = [_allowed(live, case) for case in cases]
    shown = live.model.recommend(
        AskedBatch(
            histories=histories,
            k=[case.request.k for case in cases],
            repeats=[True] * len(cases),  # what was bought is among what is excluded
            excluded=[live.rows_of(case.excluded) for case in cases],
            only=allowed,
        ),
        average=live.average_output,
        most=_MOST_REASONS,
    )
    _mark_unable(live, cases, shown)
    for case, rows, able in zip(cases, allowed, shown.able.tolist(), strict=True):
        if able and rows is not None and not len(rows) and _names_products(case):
            case.answer.degraded = "unknown_products"
    return _items(live, shown)


def similar(live: LiveModel, cases: Sequence[Case]) -> list[list[Item]]:
    """For each case what is bought in the same company as its page; only what points the same way counts as similar."""
    pages = [np.unique(live.rows_of(np.array(case.page, np.int64))) for case in cases]
    able = [i for i, rows in enumerate(pages) if len(rows)]
    for case, rows in zip(cases, pages, strict=True):
        case.answer.model_version = live.version
        if not len(rows) and case.request.kind == "similar":
            case.answer.degraded = _why_no_page(case)
    items: list[list[Item]] = [[] for _ in cases]
    if not able:
        return items
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
        items[i] = _like_page(live, case, found)
    return items


def _mark_unable(live: LiveModel, cases: Sequence[Case], shown: Recommended) -> None:
    for case, able in zip(cases, shown.able.tolist(), strict=True):
        case.answer.model_version = live.version
        if not able:
            case.answer.degraded = "unknown_history" if len(case.bought) or case.basket else "new_customer"


def _allowed(live: LiveModel, case: Case) -> NDArray[np.integer] | None:
    """The rows that may be shown, None for all."""
    brand = case.request.brand_id
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
    return "unknown_history" if len(case.bought) else "new_customer"


def _items(live: LiveModel, shown: Recommended) -> list[list[Item]]:
    """What is shown, with its reasons; that it was bought before is none."""
    numbers = live.model.number_of_row
    scores = display_scores(shown.scores, live.metadata.score_scale).tolist()
    reasons = np.where(shown.reasons == shown.rows[:, None], -1, shown.reasons)
    named = np.where(reasons >= 0, numbers[reasons], 0).tolist()
    items = [
        Item(number, score, "recs", "item2vec", [reason for reason in because if reason])
        for number, score, because in zip(numbers[shown.rows].tolist(), scores, named, strict=True)
    ]
    return [items[start:end] for start, end in pairwise(shown.ends)]


def _like_page(live: LiveModel, case: Case, found: Ranked) -> list[Item]:
    known = (number for number in dict.fromkeys(case.page) if len(live.rows_of(np.array([number]))))
    reasons = list(islice(known, _MOST_REASONS))
    return [
        Item(number=live.numbers[row], score=min(cosine, 1.0), kind="similar", strategy="similar", because=reasons)
        for row, cosine in zip(found.rows.tolist(), found.scores.tolist(), strict=True)
        if cosine > 0
    ]
