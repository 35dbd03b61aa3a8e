"""From a micro-batch of requests to answers: one read of histories, one index search, and honest fallbacks.

Each answer says what it is made of (`strategy`), what spoke for it (`because`), and when it is not the model's why
(`degraded`). What the model can not fill is filled with what sells lately, and what even that can not fill is stated.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain, pairwise

import numpy as np
import structlog
from numpy.typing import NDArray

from model.catalogue.eligibility import Eligibility
from model.purchases.histories import Histories, of_customers
from model.signals.bestsellers import Bestsellers
from model.signals.demand import Demand
from model.store.writer import Store
from serving.live_models.live_model import LiveModel
from serving.live_models.live_models import LiveModels
from serving.recommendation import model_answers
from serving.recommendation.answer import NO_NUMBERS, Answer, Case, Part
from serving.recommendation.request import Request

log = structlog.get_logger(__name__)
_NOW = np.uint32(2**32 - 1)  # later than any purchase: a basket is the customer's latest order
_PARTS = ("recs", "similar", "popular")  # what `all` is made of, in the order of the answer
_PARTS_OF = {"all": _PARTS} | {kind: (kind,) for kind in _PARTS}

Timed = Callable[[str], AbstractContextManager[object]]
Ask = Callable[[LiveModel, Sequence[int]], list[Part | None]]  # model and places in the batch -> the part of each


class Recommender:
    """Answers from the store, the demand and the live models. Not shared between threads.

    `timed` wraps the stages of a batch: histories, search and popular.
    """

    def __init__(
        self,
        store: Store,
        demand: Demand,
        models: LiveModels,
        timed: Timed = nullcontext,
    ) -> None:
        self._store = store
        self._demand = demand
        self._models = models
        self._timed = timed
        self._eligibility = Eligibility(store.products())
        self._popular: dict[str | None, Bestsellers] = {}
        self._most: dict[str | None, tuple[int, float]] = {}  # brand -> changes of the demand, what its best sells
        self._failed: set[str] = set()  # versions whose failure was said

    def answer(self, requests: Sequence[Request], timed: Timed | None = None) -> list[Answer]:
        """One answer for each request, in their order. `timed` stands in for the one given at first."""
        timed = timed or self._timed
        with timed("histories"):
            histories = self._store.histories([request.profile_id for request in requests])
            cases = self._cases(requests, histories)
        with timed("search"):
            self._from_models(cases, histories)
        with timed("popular"):
            for brand in {case.request.brand_id for case in cases} & self._popular.keys():
                self._popular[brand].keep_up()
            for case in cases:
                for kind in _parts(case.request):
                    self._fill(case, kind)
                if case.request.kind == "all":
                    case.answer.parts.sort(key=lambda part: _PARTS.index(part.kind))
        return [case.answer for case in cases]

    def turn(self) -> None:
        """Keep up with what is sold and what sells, so that no answer waits until a million products were looked at."""
        self._eligibility.follow()
        self._popular_of(None).keep_up()

    def catalogue_changed(self, numbers: Sequence[int]) -> None:
        """The catalogue has new words for these products: some may be withdrawn, or back."""
        if self._eligibility.changed(numbers):
            self._popular.clear()  # the kept orders lack what is back
        self._most.clear()

    def _cases(self, requests: Sequence[Request], histories: Histories) -> list[Case]:
        """The requests with what is known; one that names no products needs nothing looked up."""
        cases = []
        for request, (start, end) in zip(requests, pairwise(histories.starts.tolist()), strict=True):
            answer = Answer(request.k * len(_parts(request)), start < end)
            case = Case(request, answer, histories, slice(start, end))
            if request.names_products:
                self._look_up_names(case)
            if "similar" in _parts(request):
                case.page = case.basket if request.product_ids else _latest_order(histories, case.lines)
            cases.append(case)
        return cases

    def _look_up_names(self, case: Case) -> None:
        request = case.request
        case.basket = self._numbers(request, request.product_ids)
        case.named = [*case.basket, *self._numbers(request, request.exclude)]
        if request.only is not None:
            case.only = np.array(self._numbers(request, request.only), np.int64)

    def _numbers(self, request: Request, product_ids: Sequence[str]) -> list[int]:
        """The numbers of these ids: of the request's brand, else of every brand that has such a product."""
        numbers = []
        for product_id in product_ids:
            brands = self._store.brands_of(product_id) if request.brand_id is None else (request.brand_id,)
            found = (self._store.number_of(brand, product_id) for brand in brands)
            numbers += [number for number in found if number is not None]
        return numbers

    # -- what models say

    def _from_models(self, cases: Sequence[Case], histories: Histories) -> None:
        """Let each model answer all requests that are its own together."""
        baskets = [case.basket if case.basket and _counts(case) else () for case in cases]
        spoken_for = with_baskets(histories, baskets)

        def recommended(model: LiveModel, places: Sequence[int]) -> list[Part | None]:
            part = spoken_for if len(places) == len(cases) else of_customers(spoken_for, np.asarray(places))
            return model_answers.recommended(model, [cases[i] for i in places], part)

        def similar(model: LiveModel, places: Sequence[int]) -> list[Part | None]:
            return model_answers.similar(model, [cases[i] for i in places])

        for kind, ask in (("recs", recommended), ("similar", similar)):
            for model, places in self._by_model(cases, kind):
                for i, part in zip(places, self._guarded(ask, model, cases, places), strict=True):
                    if part is not None:
                        cases[i].answer.parts.append(part)

    def _by_model(self, cases: Sequence[Case], kind: str) -> list[tuple[LiveModel, list[int]]]:
        """Which model answers which of the requests for this kind."""
        groups: dict[int, tuple[LiveModel, list[int]]] = {}
        of_brand: dict[str | None, list[LiveModel]] = {}
        for i, case in enumerate(cases):
            if kind not in _parts(case.request):
                continue
            brand = case.request.brand_id
            models = of_brand.get(brand)
            if models is None:
                models = of_brand[brand] = self._models.asked(brand)
            if len(models) > 1:
                model = self._models.for_brand(brand, _spoken_for(case, kind))
            else:
                model = models[0] if models else None
            if model is not None:
                groups.setdefault(id(model), (model, []))[1].append(i)
            else:
                known = case.answer.known or case.request.product_ids
                case.answer.degraded = self._models.why_none(case.request.brand_id) if known else "new_customer"
        return list(groups.values())

    def _guarded(self, ask: Ask, model: LiveModel, cases: Sequence[Case], places: Sequence[int]) -> list[Part | None]:
        """What the model answers; a request that it fails at does not cost the others theirs."""
        try:
            return ask(model, places)
        except Exception:  # whatever a model does, its customers get an answer
            if len(places) > 1:
                half = len(places) // 2
                return [
                    *self._guarded(ask, model, cases, places[:half]),
                    *self._guarded(ask, model, cases, places[half:]),
                ]
            if model.version not in self._failed:  # once a model: the metrics count the answers
                self._failed.add(model.version)
                log.exception("model_failed", version=model.version)
            cases[places[0]].answer.degraded = "model_error"
            return [None]

    # -- what sells

    def _fill(self, case: Case, kind: str) -> None:
        """Add what sells lately until k products of this kind are there, or nothing more may be shown."""
        there = [part for part in case.answer.parts if part.kind == kind]
        missing = case.request.k - sum([len(part.numbers) for part in there])
        if missing <= 0:
            return
        shown = [*chain.from_iterable(part.numbers for part in there), *(case.page if kind == "similar" else ())]
        excluded = np.concatenate((case.excluded, np.array(shown, np.int64))) if shown else case.excluded
        numbers = self._best_sellers(case, missing, excluded)
        if not len(numbers):
            return
        sales = self._demand.sales_order(numbers).astype(np.float64)
        most = self._most_sold(case.request.brand_id)
        ceiling = min([part.scores[-1] for part in there], default=1.0)
        scores = (ceiling * np.minimum(sales / most, 1.0)).tolist()
        case.answer.parts.append(Part(kind, "popular", numbers.tolist(), scores))

    def _best_sellers(self, case: Case, count: int, excluded: NDArray[np.int64]) -> NDArray[np.int64]:
        brand = case.request.brand_id
        if case.only is not None:
            allowed = np.setdiff1d(case.only, excluded)
            allowed = allowed[self._eligibility.sellable(brand, allowed)]
            order = np.lexsort((allowed, ~self._demand.sales_order(allowed)))
            return allowed[order][:count]
        if brand is not None and not self._eligibility.knows_brand(
            brand
        ):  # else anybody could fill the memory with names
            return NO_NUMBERS
        return self._popular_of(brand).top(count, excluded)

    def _most_sold(self, brand_id: str | None) -> float:
        """How much the brand's best seller sells, 1 at least; worked out once for each change of the demand."""
        known = self._most.get(brand_id)
        if known is None or known[0] != self._demand.changes:
            best = self._popular_of(brand_id).top(1)
            known = self._demand.changes, max(float(self._demand.sales_order(best).max(initial=0)), 1.0)
            self._most[brand_id] = known
        return known[1]

    def _popular_of(self, brand_id: str | None) -> Bestsellers:
        popular = self._popular.get(brand_id)
        if popular is None:
            popular = Bestsellers(self._demand, lambda numbers: self._eligibility.sellable(brand_id, numbers))
            self._popular[brand_id] = popular
        return popular


def _parts(request: Request) -> Sequence[str]:
    return _PARTS_OF[request.kind]


def _counts(case: Case) -> bool:
    """Whether the products that the request names are a basket, which speaks for what goes with it."""
    return bool(case.basket) and case.request.kind in ("recs", "all")


def _spoken_for(case: Case, kind: str) -> NDArray[np.int64]:
    """The products that a model must know to have something to say."""
    if kind == "similar":
        return np.array(case.page, np.int64)
    return np.concatenate((case.bought, np.array(case.basket, np.int64))) if _counts(case) else case.bought


def _latest_order(histories: Histories, lines: slice) -> list[int]:
    times = histories.times[lines]
    return histories.products[lines][times == times.max()].tolist() if len(times) else []


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
