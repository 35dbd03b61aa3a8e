"""Live accuracy: before purchases are counted, what would have been recommended is compared with what was bought.

Asked is exactly what a request of kind `recs` with the default k would ask, and beside it what sells lately. Judged is
what the customer had not bought before; a purchase that was there before the worker, or that the model has learnt from,
is not. No failure here keeps a purchase from being stored.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np
import structlog

from consumers.observability.brand_labels import EVERY_BRAND
from consumers.observability.metrics import Metrics
from model.purchases.changes import LogRecord, Purchase
from model.store.schema import StoreUnavailable
from model.store.writer import Store
from serving.accuracy.sampling import BY, Allowance, LastCompared, candidates, reciprocal_rank
from serving.live_models.live_models import LiveModels
from serving.recommendation.answer import Answer
from serving.recommendation.request import Request

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Case:
    """A purchase to be compared."""

    profile: str
    brand: str
    # Product numbers that are new to the customer; those that the store does not know are not in.
    bought: frozenset[int]


@dataclass(slots=True)
class LiveValidation:
    """Compares for the worker; runs in the loop's thread."""

    store: Store
    models: LiveModels
    answer: Callable[[Sequence[Request]], Sequence[Answer]]
    metrics: Metrics
    is_news: Callable[[int, int], bool]  # partition, offset: whether the record came after the restore
    k: int
    allowance: Allowance
    window: int  # purchases that the gauges speak of
    clock_s: Callable[[], float] = time.monotonic
    chance: Random = field(default_factory=lambda: Random(1))  # noqa: S311 - a sample, no secret
    _last: dict[str, LastCompared] = field(default_factory=dict)  # by brand label
    _failed: bool = False

    def compare(self, records: Sequence[LogRecord]) -> None:
        """Judge some of a batch that is not counted yet. Raises `StoreUnavailable`."""
        most = self.allowance.left(len(records), self.clock_s())
        if not most or not self.models.live:
            return
        try:
            found = candidates(records, self._is_news)
            chosen = self.chance.sample(found, most) if len(found) > most else found
            self.allowance.spend(len(chosen))
            self._compare(chosen)
        except StoreUnavailable:
            raise
        except Exception:  # whatever goes wrong here, the purchases must be stored
            if not self._failed:  # once: the count of compared purchases stands still for all to see
                self._failed = True
                log.exception("purchase_not_judged")

    def _is_news(self, purchase: Purchase, partition: int, offset: int) -> bool:
        """Neither a replay of history, nor something that the model that answers has learnt from already."""
        models = self.models.asked(purchase.brand or None)
        if not models or not self.is_news(partition, offset):
            return False
        return all(offset >= model.metadata.offsets.get(str(partition), 0) for model in models)

    def _compare(self, purchases: Sequence[Purchase]) -> None:
        cases = self._cases(purchases)
        if not cases:
            return
        asked = [Request(case.profile, case.brand or None, "recs", self.k) for case in cases]
        asked += [Request(case.profile, case.brand or None, "popular", self.k) for case in cases]
        shown = [answer.numbers for answer in self.answer(asked)]
        touched = {EVERY_BRAND}
        for i, case in enumerate(cases):
            ranks = [reciprocal_rank(shown[i + by * len(cases)], case.bought) for by in range(len(BY))]
            touched.add(self._count(case, ranks))
        for label in touched:
            self._show(label)

    def _cases(self, purchases: Sequence[Purchase]) -> list[_Case]:
        """Those by known customers that hold something new to them."""
        histories = self.store.histories([purchase.profile for purchase in purchases])
        cases = []
        for i, purchase in enumerate(purchases):
            before = set(histories.products[histories.starts[i] : histories.starts[i + 1]].tolist())
            if not before:
                continue
            numbers = [self.store.number_of(purchase.brand, product_id) for product_id in purchase.products]
            if all(number in before for number in numbers):
                self.metrics.accuracy.repurchases(self.metrics.brand_label(purchase.brand)).inc()
                continue
            new = frozenset(number for number in numbers if number is not None and number not in before)
            cases.append(_Case(purchase.profile, purchase.brand, new))
        return cases

    def _count(self, case: _Case, ranks: Sequence[float]) -> str:
        label = self.metrics.brand_label(case.brand)
        self.metrics.accuracy.judged_purchases(label).inc()
        bought = np.array(list(case.bought), np.int64)
        if not any(len(model.rows_of(bought)) for model in self.models.asked(case.brand or None)):
            self.metrics.accuracy.judged_unknown(label).inc()
        for by, rank in zip(BY, ranks, strict=True):
            self.metrics.accuracy.hits(by, label).inc(rank > 0)
            self.metrics.accuracy.reciprocal_ranks(by, label).inc(rank)
        for name in (label, EVERY_BRAND):
            self._last.setdefault(name, LastCompared(self.window)).add(ranks)
        return label

    def _show(self, label: str) -> None:
        last = self._last[label]
        for by, hits, mrr in zip(BY, last.hit_rates().tolist(), last.mean_reciprocal_ranks().tolist(), strict=True):
            self.metrics.accuracy.hit_rate(by, label).set(hits)
            self.metrics.accuracy.mrr(by, label).set(mrr)
