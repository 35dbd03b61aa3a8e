"""From a micro-batch of requests to answers: one read of histories, one index search, and honest fallbacks.

Each answer says what it is made of (`strategy`), what spoke for it (`because`), and when it is not the model's why
(`degraded`). What the model can not fill is filled with what sells lately, and what even that can not fill is stated.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import structlog
from numpy.typing import NDArray

from model.demand import Demand
from model.histories import Bought, Histories, distinct
from model.popular import Popular
from model.ranking import Owned, Ranked, because, display_scores, owned, query_vectors, rank
from model.store import Store
from serving.live_model import LiveModel, LiveModels
from serving.requests import Request

log = structlog.get_logger(__name__)
_NOW = np.uint32(2**32 - 1)  # later than any purchase: a basket is the customer's latest order
_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Item:
    """One recommended product."""

    number: int
    score: float  # 0..1, the order within its kind and nothing more
    kind: str
    strategy: str
    because: Sequence[int] = ()  # product numbers


@dataclass(slots=True)
class Answer:
    """What a request gets."""

    items: list[Item] = field(default_factory=list)
    degraded: str | None = None
    model_version: str | None = None
    asked: int = 0
    known: bool = True  # whether the customer has bought anything that is stored here


@dataclass(slots=True)
class _Case:
    """A request with what is known about it."""

    request: Request
    answer: Answer
    bought: NDArray[np.int64]  # product numbers in the history
    basket: list[int]  # product numbers named by the request
    excluded: NDArray[np.int64]  # product numbers that must not be shown
    only: NDArray[np.int64] | None  # product numbers that may be shown; None = all


class Recommender:
    """Answers from the store, the demand and the live models. Not shared between threads."""

    def __init__(self, store: Store, demand: Demand, models: LiveModels) -> None:
        self._store = store
        self._demand = demand
        self._models = models
        self._popular: dict[str | None, Popular] = {}

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """One answer for each request, in their order."""
        histories = self._store.histories([request.profile_id for request in requests])
        baskets = [self._numbers(request, request.product_ids) for request in requests]
        in_query = [
            basket if request.kind != "similar" else [] for request, basket in zip(requests, baskets, strict=True)
        ]
        bought = distinct(with_baskets(histories, in_query))
        cases = [self._case(request, bought, histories, i, baskets[i]) for i, request in enumerate(requests)]
        self._recommend(cases, bought)
        for i, case in enumerate(cases):
            if case.request.kind in ("similar", "all"):
                self._similar(case, histories, i)
            if case.request.kind in ("popular", "all"):
                self._fill(case, "popular")
        return [case.answer for case in cases]

    def renew_popular(self) -> None:
        """Products came back into the catalogue: the kept orders must be worked out anew."""
        self._popular.clear()

    def _case(self, request: Request, bought: Bought, histories: Histories, i: int, basket: list[int]) -> _Case:
        mine = histories.products[histories.starts[i] : histories.starts[i + 1]].astype(np.int64)
        excluded = [np.array(self._numbers(request, request.exclude), np.int64), np.array(basket, np.int64)]
        if request.exclude_purchased:
            excluded.append(mine)
        only = None if request.only is None else np.array(self._numbers(request, request.only), np.int64)
        kinds = 3 if request.kind == "all" else 1
        answer = Answer(asked=kinds * request.k, known=bool(len(mine)))
        return _Case(request, answer, mine, basket, np.concatenate(excluded), only)

    def _numbers(self, request: Request, product_ids: Sequence[str]) -> list[int]:
        """The numbers of these ids: of the request's brand, else of every brand that has such a product."""
        numbers = []
        for product_id in product_ids:
            brands = self._store.brands_of(product_id) if request.brand_id is None else (request.brand_id,)
            found = (self._store.number_of(brand, product_id) for brand in brands)
            numbers += [number for number in found if number is not None]
        return numbers

    # -- recs

    def _recommend(self, cases: Sequence[_Case], bought: Bought) -> None:
        """Rank for all requests that a model can answer together, then fill what is missing."""
        groups: dict[int, tuple[LiveModel, list[int]]] = {}
        wanted = [i for i, case in enumerate(cases) if case.request.kind in ("recs", "all")]
        for i in wanted:
            model = self._models.for_brand(cases[i].request.brand_id)
            if model is None:
                cases[i].answer.degraded = "no_model" if len(cases[i].bought) else "new_customer"
            else:
                groups.setdefault(id(model), (model, []))[1].append(i)
        for model, members in groups.values():
            self._rank_guarded(model, cases, bought, members)
        for i in wanted:
            self._fill(cases[i], "recs")

    def _rank_guarded(self, model: LiveModel, cases: Sequence[_Case], bought: Bought, members: list[int]) -> None:
        try:
            self._rank(model, cases, bought, members)
        except Exception:  # whatever a model does, its customers get an answer
            if len(members) > 1:  # one request must not degrade the others
                for i in members:
                    self._rank_guarded(model, cases, bought, [i])
                return
            log.exception("model_failed", version=model.version)
            answer = cases[members[0]].answer
            answer.items.clear()
            answer.degraded = "model_error"

    def _rank(self, model: LiveModel, cases: Sequence[_Case], bought: Bought, members: list[int]) -> None:
        recency = model.snapshot.metadata.scoring.recency
        history = owned(bought, model.row_of_number, recency)
        sizes = np.diff(history.starts)
        able = []
        for i in members:
            answer = cases[i].answer
            answer.model_version = model.version
            if sizes[i]:
                able.append(i)
            else:
                answer.degraded = "unknown_history" if len(cases[i].bought) or cases[i].basket else "new_customer"
        if not able:
            return
        queries = query_vectors(model.vectors, history, model.snapshot.metadata.scoring.scale)[able]
        ranked = rank(
            model.snapshot.index,
            queries,
            [cases[i].request.k for i in able],
            [_rows(model, cases[i].excluded) for i in able],
            [self._allowed(model, cases[i]) for i in able],
        )
        shown = [_for_sale(found) for found in ranked]
        reasons = because(
            model.vectors, model.snapshot.index.outputs, _of(history, able), [found.rows for found in shown]
        )
        for i, found, named in zip(able, shown, reasons, strict=True):
            cases[i].answer.items += self._items(model, found, named)

    @staticmethod
    def _allowed(model: LiveModel, case: _Case) -> NDArray[np.int64] | None:
        """The rows that may be shown, None for all."""
        brand = case.request.brand_id
        own = None if brand is None else model.rows_of_brand.get(brand, _NONE)
        if case.only is None:
            return own
        rows = _rows(model, case.only)
        return rows if own is None else np.intersect1d(rows, own)

    @staticmethod
    def _items(model: LiveModel, found: Ranked, reasons: Sequence[Sequence[int]]) -> list[Item]:
        shown = display_scores(found.scores, model.snapshot.metadata.score_scale).tolist()
        numbers = model.number_of_row[found.rows].tolist()
        return [
            Item(number, score, "recs", "item2vec", model.number_of_row[list(named)].tolist() if named else ())
            for number, score, named in zip(numbers, shown, reasons, strict=True)
        ]

    # -- similar

    def _similar(self, case: _Case, histories: Histories, i: int) -> None:
        model = self._models.for_brand(case.request.brand_id)
        asked = case.basket if case.request.product_ids else self._latest_order(histories, i)
        rows = _NONE if model is None else _rows(model, np.array(asked, np.int64))
        if model is None or not len(rows):
            if case.request.kind == "similar":
                case.answer.degraded = "no_model" if model is None else "unknown_products"
            self._fill(case, "similar")
            return
        case.answer.model_version = model.version
        excluded = np.concatenate([_rows(model, case.excluded), rows, np.flatnonzero(model.withdrawn)])
        query = model.similar.direction(rows)[None, :]
        (found,) = rank(model.similar, query, [case.request.k], [excluded], [self._allowed(model, case)])
        reasons = model.number_of_row[rows[:2]].tolist()
        numbers = model.number_of_row[found.rows].tolist()
        for number, cosine in zip(numbers, found.scores.tolist(), strict=True):
            case.answer.items.append(Item(number, max(0.0, min(1.0, cosine)), "similar", "similar", reasons))
        self._fill(case, "similar")

    @staticmethod
    def _latest_order(histories: Histories, i: int) -> list[int]:
        lines = slice(histories.starts[i], histories.starts[i + 1])
        times = histories.times[lines]
        return [] if not len(times) else histories.products[lines][times == times.max()].tolist()

    # -- popular

    def _fill(self, case: _Case, kind: str) -> None:
        """Add what sells lately until k products of this kind are there, or nothing more may be shown."""
        there = [item.number for item in case.answer.items if item.kind == kind]
        missing = case.request.k - len(there)
        if missing <= 0:
            return
        excluded = np.concatenate([case.excluded, np.array(there, np.int64)])
        numbers = self._best_sellers(case, missing, excluded)
        if not len(numbers):
            return
        sales = self._demand.sales_order(numbers).astype(np.float64)
        top = max(float(self._demand.sales_order(self._popular_of(case.request.brand_id).top(1)).max(initial=0)), 1.0)
        ceiling = min((item.score for item in case.answer.items if item.kind == kind), default=1.0)
        for number, sold in zip(numbers.tolist(), sales.tolist(), strict=True):
            case.answer.items.append(Item(number, ceiling * min(sold / top, 1.0), kind, "popular"))

    def _best_sellers(self, case: _Case, count: int, excluded: NDArray[np.int64]) -> NDArray[np.int64]:
        if case.only is None:
            return self._popular_of(case.request.brand_id).top(count, excluded)
        allowed = np.setdiff1d(case.only, excluded)
        allowed = allowed[self._sellable(case.request.brand_id, allowed)]
        order = np.lexsort((allowed, ~self._demand.sales_order(allowed)))
        return allowed[order][:count]

    def _popular_of(self, brand_id: str | None) -> Popular:
        popular = self._popular.get(brand_id)
        if popular is None:
            popular = Popular(self._demand, lambda numbers: self._sellable(brand_id, numbers))
            if brand_id is None or brand_id in self._store.brands:  # else anybody could fill the memory with names
                self._popular[brand_id] = popular
        return popular

    def _sellable(self, brand_id: str | None, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        known = self._store.products()
        chosen = (known[number] for number in numbers.tolist())
        fits = (not product.withdrawn and (brand_id is None or product.brand == brand_id) for product in chosen)
        return np.fromiter(fits, bool, len(numbers))


def _rows(model: LiveModel, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    rows = model.row_of_number[numbers[numbers < len(model.row_of_number)]]
    return rows[rows >= 0]


def _for_sale(found: Ranked) -> Ranked:
    kept = np.isfinite(found.scores)
    return Ranked(found.rows[kept], found.scores[kept])


def _of(history: Owned, customers: Sequence[int]) -> Owned:
    """The entries of some customers, in the order given."""
    slices = history.slices()
    chosen = [slices[i] for i in customers]
    starts = np.concatenate(([0], np.cumsum([part.stop - part.start for part in chosen]))).astype(np.int64)
    rows = np.concatenate([history.rows[part] for part in chosen])
    return Owned(starts, rows, np.concatenate([history.weights[part] for part in chosen]))


def with_baskets(histories: Histories, baskets: Sequence[Sequence[int]]) -> Histories:
    """The histories with each customer's basket appended as the latest order."""
    if not any(baskets):
        return histories
    sizes = np.array([len(basket) for basket in baskets])
    ends = np.repeat(histories.starts[1:], sizes)
    added = np.array([number for basket in baskets for number in basket], np.uint32)
    starts = histories.starts + np.concatenate(([0], np.cumsum(sizes)))
    products = np.insert(histories.products, ends, added)
    times = np.insert(histories.times, ends, _NOW)
    return Histories(histories.customers, starts, products, times)
