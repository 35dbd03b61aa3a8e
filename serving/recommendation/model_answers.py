"""What a live model answers to a micro-batch of requests: what is for these customers, and what is like a product.

Pure but for the answers' `degraded` and `model_version`, which say what became of each. Whatever a model does wrong
comes out as an exception, and the recommender finds out whose request it was.
"""

from collections.abc import Sequence
from itertools import accumulate, islice, pairwise

import numpy as np
from numpy.typing import NDArray

from model.embeddings.queries import Owned, owned, query_vectors
from model.purchases.histories import Bought, entries_of
from model.ranking.reasons import because
from model.ranking.reranking import Asking, because_blended, rank_blended
from model.ranking.retrieval import Ranked, rank
from model.ranking.shown_scores import display_scores
from serving.live_models.live_model import LiveModel
from serving.recommendation.answer import Case, Item

_MOST_REASONS = 2


def recommended(
    model: LiveModel, cases: Sequence[Case], bought: Bought, customers: NDArray[np.integer]
) -> list[list[Item]]:
    """For each case what its history speaks for; `bought` holds the cases' products, their baskets among them.

    `customers` are the customers' numbers, 0 = unknown.
    """
    history = owned(bought, model.row_of_number, model.encoder.recency)
    able = np.flatnonzero(np.diff(history.starts)).tolist()
    _mark_unable(model, cases, set(able))
    items: list[list[Item]] = [[] for _ in cases]
    if not able:
        return items
    chosen = [cases[i] for i in able]
    history = _part(history, able)
    allowed = [_allowed(model, case) for case in chosen]
    ranked = _ranked(model, chosen, history, customers[able].astype(np.int64), allowed)
    reasons = _because(model, history, [found.rows for found in ranked])
    shown = _shown_scores(model, ranked)
    for i, case, rows, found, scores, named in zip(able, chosen, allowed, ranked, shown, reasons, strict=True):
        items[i] = _items(model, found, scores, named)
        if rows is not None and not len(rows) and _names_products(case):
            case.answer.degraded = "unknown_products"
    return items


def _ranked(
    model: LiveModel,
    cases: Sequence[Case],
    history: Owned,
    customers: NDArray[np.int64],
    allowed: Sequence[NDArray[np.integer] | None],
) -> list[Ranked]:
    """The best rows for each case, in the order of the second stage where there is one."""
    scale, weights = model.snapshot.metadata.ranking.scoring.scale, model.snapshot.metadata.ranking.weights
    k = [case.request.k for case in cases]
    excluded = [model.rows_of(case.excluded) for case in cases]
    asking = Asking(customers, query_vectors(model.vectors, history, 1.0), history)
    return rank_blended(model.evidence, weights, asking, scale=scale, k=k, excluded=excluded, only=allowed)


def _because(model: LiveModel, history: Owned, recommended: Sequence[NDArray[np.int64]]) -> list[list[list[int]]]:
    vectors, average, weights = model.vectors, model.average_output, model.snapshot.metadata.ranking.weights
    if weights is None:
        outputs_of = model.snapshot.index.outputs_of
        return because(vectors, outputs_of, history, recommended, average=average, most=_MOST_REASONS)
    return because_blended(
        model.evidence, weights, history, recommended, vectors=vectors, average=average, most=_MOST_REASONS
    )


def similar(model: LiveModel, cases: Sequence[Case]) -> list[list[Item]]:
    """For each case what is bought in the same company as its page; only what points the same way counts as similar."""
    pages = [np.unique(model.rows_of(np.array(case.page, np.int64))) for case in cases]
    able = [i for i, rows in enumerate(pages) if len(rows)]
    for case, rows in zip(cases, pages, strict=True):
        case.answer.model_version = model.version
        if not len(rows) and case.request.kind == "similar":
            case.answer.degraded = _why_no_page(case)
    items: list[list[Item]] = [[] for _ in cases]
    if not able:
        return items
    chosen = [cases[i] for i in able]
    withdrawn = np.flatnonzero(model.withdrawn)
    ranked = rank(
        model.similar,
        np.stack([model.similar.direction(pages[i]) for i in able]),
        [case.request.k for case in chosen],
        [np.concatenate((model.rows_of(cases[i].excluded), pages[i], withdrawn)) for i in able],
        [_allowed(model, case) for case in chosen],
    )
    for i, case, found in zip(able, chosen, ranked, strict=True):
        items[i] = _like_page(model, case, found)
    return items


def _part(history: Owned, places: Sequence[int]) -> Owned:
    if len(places) == len(history.starts) - 1:
        return history
    starts, entries = entries_of(history.starts, places)
    return Owned(starts, history.rows[entries], history.weights[entries])


def _mark_unable(model: LiveModel, cases: Sequence[Case], able: set[int]) -> None:
    for i, case in enumerate(cases):
        case.answer.model_version = model.version
        if i not in able:
            case.answer.degraded = "unknown_history" if len(case.bought) or case.basket else "new_customer"


def _allowed(model: LiveModel, case: Case) -> NDArray[np.integer] | None:
    """The rows that may be shown, None for all."""
    brand = case.request.brand_id
    own = None if brand is None else model.rows_of_brand.get(brand, np.zeros(0, np.int32))
    if own is not None and len(own) == len(model.number_of_row):
        own = None
    if case.only is None:
        return own
    rows = model.rows_of(case.only)
    return rows if own is None else np.intersect1d(rows, own)


def _names_products(case: Case) -> bool:
    return bool(case.request.only) or case.request.brand_id is not None


def _why_no_page(case: Case) -> str:
    if case.request.product_ids:
        return "unknown_products"
    return "unknown_history" if len(case.bought) else "new_customer"


def _shown_scores(model: LiveModel, ranked: Sequence[Ranked]) -> list[list[float]]:
    """What is shown for the scores of each; worked out for all at once, which costs a tenth."""
    shown = display_scores(np.concatenate([found.scores for found in ranked]), model.snapshot.metadata.score_scale)
    ends = accumulate((len(found.scores) for found in ranked), initial=0)
    flat = shown.tolist()
    return [flat[start:end] for start, end in pairwise(ends)]


def _items(model: LiveModel, found: Ranked, scores: Sequence[float], reasons: Sequence[Sequence[int]]) -> list[Item]:
    """What was found, with its reasons; that it was bought before is none."""
    numbers = model.numbers
    return [
        Item(numbers[row], score, "recs", "item2vec", [numbers[reason] for reason in named if reason != row])
        for row, score, named in zip(found.rows.tolist(), scores, reasons, strict=True)
    ]


def _like_page(model: LiveModel, case: Case, found: Ranked) -> list[Item]:
    known = (number for number in dict.fromkeys(case.page) if len(model.rows_of(np.array([number]))))
    reasons = list(islice(known, _MOST_REASONS))
    return [
        Item(model.numbers[row], min(cosine, 1.0), "similar", "similar", reasons)
        for row, cosine in zip(found.rows.tolist(), found.scores.tolist(), strict=True)
        if cosine > 0
    ]
