"""What a live model answers to a micro-batch of requests: what is for these customers, and what is like a product.

Pure but for the answers' `degraded` and `model_version`, which say what became of each. Whatever a model does wrong
comes out as an exception, and the recommender finds out whose request it was.
"""

from collections.abc import Sequence
from itertools import accumulate, islice, pairwise

import numpy as np
from numpy.typing import NDArray

from model.embeddings.queries import WeightedHistory
from model.purchases.histories import Bought, entries_of
from model.ranking.retrieval import Ranked, rank
from model.ranking.shown_scores import display_scores
from serving.live_models.live_model import LiveModel
from serving.recommendation.answer import Case, Item

_MOST_REASONS = 2


def recommended(
    live: LiveModel, cases: Sequence[Case], bought: Bought, customers: NDArray[np.integer]
) -> list[list[Item]]:
    """For each case what its history speaks for; `bought` holds the cases' products, their baskets among them.

    `customers` are the customers' numbers, 0 = unknown.
    """
    history = live.model.encoder.history(bought)
    able = np.flatnonzero(np.diff(history.starts)).tolist()
    _mark_unable(live, cases, set(able))
    items: list[list[Item]] = [[] for _ in cases]
    if not able:
        return items
    chosen = [cases[i] for i in able]
    history = _part(history, able)
    allowed = [_allowed(live, case) for case in chosen]
    ranked = live.model.rank(
        live.model.batch_of(customers[able].astype(np.int64), history),
        [case.request.k for case in chosen],
        [live.rows_of(case.excluded) for case in chosen],
        allowed,
    )
    rows_shown = [found.rows for found in ranked]
    reasons = live.model.because(history, rows_shown, average=live.average_output, most=_MOST_REASONS)
    shown = _shown_scores(live, ranked)
    for i, case, rows, found, scores, named in zip(able, chosen, allowed, ranked, shown, reasons, strict=True):
        items[i] = _items(live, found, scores, named)
        if rows is not None and not len(rows) and _names_products(case):
            case.answer.degraded = "unknown_products"
    return items


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


def _part(history: WeightedHistory, places: Sequence[int]) -> WeightedHistory:
    if len(places) == len(history.starts) - 1:
        return history
    starts, entries = entries_of(history.starts, places)
    return WeightedHistory(starts, history.rows[entries], history.weights[entries])


def _mark_unable(live: LiveModel, cases: Sequence[Case], able: set[int]) -> None:
    for i, case in enumerate(cases):
        case.answer.model_version = live.version
        if i not in able:
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


def _shown_scores(live: LiveModel, ranked: Sequence[Ranked]) -> list[list[float]]:
    """What is shown for the scores of each; worked out for all at once, which costs a tenth."""
    shown = display_scores(np.concatenate([found.scores for found in ranked]), live.metadata.score_scale)
    ends = accumulate((len(found.scores) for found in ranked), initial=0)
    flat = shown.tolist()
    return [flat[start:end] for start, end in pairwise(ends)]


def _items(live: LiveModel, found: Ranked, scores: Sequence[float], reasons: Sequence[Sequence[int]]) -> list[Item]:
    """What was found, with its reasons; that it was bought before is none."""
    numbers = live.numbers
    return [
        Item(numbers[row], score, "recs", "item2vec", [numbers[reason] for reason in named if reason != row])
        for row, score, named in zip(found.rows.tolist(), scores, reasons, strict=True)
    ]


def _like_page(live: LiveModel, case: Case, found: Ranked) -> list[Item]:
    known = (number for number in dict.fromkeys(case.page) if len(live.rows_of(np.array([number]))))
    reasons = list(islice(known, _MOST_REASONS))
    return [
        Item(live.numbers[row], min(cosine, 1.0), "similar", "similar", reasons)
        for row, cosine in zip(found.rows.tolist(), found.scores.tolist(), strict=True)
        if cosine > 0
    ]
