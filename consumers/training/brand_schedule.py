"""Which brands get a model of their own, and in which order they learn, one after the other.

In: what there is of each brand (`count_brands`), and what was learnt before. Out: the brands that are due, those first
that lack most. The model across brands serves all the others, and customers whom a brand's own model does not know.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from config.settings import Settings
from model.snapshots.metadata import About
from model.training.brand_counts import BrandCount


@dataclass(frozen=True, slots=True)
class BrandRules:
    """When a brand has enough, and when it is due."""

    models: Literal["auto", "on", "off"]
    most: int  # brands with a model of their own
    min_customers: int
    min_new_orders: int
    max_wait_s: float


@dataclass(frozen=True, slots=True)
class BrandAttempt:
    """The last time that a brand learnt, or tried to."""

    orders: int
    at_s: float  # monotonic
    has_model: bool


def rules_of(settings: Settings) -> BrandRules:
    """The rules in force."""
    return BrandRules(
        models=settings.brand_models,
        most=settings.brand_models_max,
        min_customers=settings.train_min_customers,
        min_new_orders=settings.train_min_new_events,
        max_wait_s=settings.train_max_wait_s,
    )


def brands_with_enough(
    counts: Mapping[str, BrandCount], attempts: Mapping[str, BrandAttempt], rules: BrandRules
) -> list[str]:
    """The brands that have a model of their own or should get one, at most `most`.

    Those that have one stay before others, so that no brand goes in and out as sales go up and down.
    """
    enough = [brand for brand, count in counts.items() if _has_enough(count, rules)]
    enough.sort(key=lambda brand: (not _has_model(attempts, brand), -counts[brand].customers, brand))
    return enough[: rules.most]


def brands_due(
    counts: Mapping[str, BrandCount], attempts: Mapping[str, BrandAttempt], rules: BrandRules, now_s: float
) -> list[str]:
    """The brands that should learn now: those without a model first, then those with the most orders not learnt yet."""
    due = [
        brand
        for brand in brands_with_enough(counts, attempts, rules)
        if _is_due(counts[brand], attempts.get(brand), rules, now_s)
    ]
    due.sort(key=lambda brand: (_has_model(attempts, brand), -_new_orders(counts[brand], attempts.get(brand)), brand))
    return due


@dataclass(slots=True)
class BrandTrainings:
    """What the trainer remembers of brands; `known` are the newest models in the folder, by brand."""

    rules: BrandRules
    known: Mapping[str, About]
    attempts: dict[str, BrandAttempt] = field(default_factory=dict)
    _counts: Mapping[str, BrandCount] = field(default_factory=dict)
    _due: list[str] = field(default_factory=list)

    @property
    def wanted(self) -> bool:
        """Whether brands are to be counted at all."""
        return self.rules.models != "off"

    def counted(self, counts: Mapping[str, BrandCount], database_id: str, now_s: float) -> None:
        """There are new counts: look again which brands are due."""
        for brand, about in self.known.items():
            if brand in counts and brand not in self.attempts:
                self.attempts[brand] = _gone_on_from(about, counts[brand], database_id, now_s)
        self._counts = counts
        self._due = brands_due(counts, self.attempts, self.rules, now_s)

    def next(self) -> str | None:
        """The brand that learns next, None when none is due. It is not given out again before the next count."""
        return self._due.pop(0) if self._due else None

    def attempted(self, brand: str, now_s: float, *, has_model: bool) -> None:
        """The brand learnt, or could not."""
        had_model = _has_model(self.attempts, brand)
        self.attempts[brand] = BrandAttempt(self._counts[brand].orders, now_s, has_model or had_model)


def _has_enough(count: BrandCount, rules: BrandRules) -> bool:
    if rules.models == "off" or count.customers < rules.min_customers:
        return False
    return rules.models == "on" or 2 * count.loyal >= count.customers


def _is_due(count: BrandCount, attempt: BrandAttempt | None, rules: BrandRules, now_s: float) -> bool:
    if attempt is None:
        return True
    new = _new_orders(count, attempt)
    return new >= rules.min_new_orders or (new > 0 and now_s - attempt.at_s >= rules.max_wait_s)


def _new_orders(count: BrandCount, attempt: BrandAttempt | None) -> int:
    """Orders not learnt yet; all of them when there are fewer than before, since then they are others."""
    learnt = 0 if attempt is None else attempt.orders
    return count.orders - learnt if count.orders >= learnt else count.orders


def _has_model(attempts: Mapping[str, BrandAttempt], brand: str) -> bool:
    return brand in attempts and attempts[brand].has_model


def _gone_on_from(about: About, count: BrandCount, database_id: str, now_s: float) -> BrandAttempt:
    """What the model in the folder had learnt, in orders; it counted lines."""
    share = min(about.lines / count.lines, 1.0) if about.database_id == database_id else 0.0
    return BrandAttempt(round(share * count.orders), now_s, has_model=True)
