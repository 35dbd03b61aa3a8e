"""How item vectors are learnt: the settings of a training, and when to start over instead of going on.

Defaults are the recipe that validation chose for shops with full baskets. Small data is given more epochs and no
subsampling: a few thousand pairs need many passes, and none of them can be spared.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

Progress = Callable[[str, float], None]  # (what is being done, the part that is done: 0..1)

_FEW_PAIRS = 100_000
_PAIRS_TO_SEE = 2_000_000
_MOST_EPOCHS = 200


def silent(_what: str, _done: float) -> None:
    """The progress that nobody sees."""


class TooLittleData(Exception):
    """There are not yet enough purchases to learn from; no error of anybody's, it takes more time."""

    def __init__(self, customers_have: int, customers_need: int, *, products_have: int, min_count: int) -> None:
        """`customers_have` counts customers with two or more products that at least `min_count` customers bought."""
        self.customers_have = customers_have
        self.customers_need = customers_need
        self.products_have = products_have
        super().__init__(
            f"{customers_have} customers have bought two or more products that at least {min_count} customers bought "
            f"({products_have} such products); learning starts at {customers_need} customers"
        )


@dataclass(frozen=True, slots=True)
class TrainingParameters:
    """A full training: gensim's parameters by gensim's names, and two rules of our own."""

    vector_size: int = 128
    window: int = 30
    negative: int = 20
    ns_exponent: float = 0.5
    alpha: float = 0.05
    epochs: int = 25
    sample: float = 1e-4
    min_count: int = 2  # customers who bought it, for a product to be learnt
    seed: int = 1
    workers: int = 1  # more than 1 is faster where cores are free, and not reproducible
    min_customers: int = 50  # below, recent popularity is the better answer
    scale_to_data: bool = True  # let `scaled_to` adapt epochs and sample to small data

    def scaled_to(self, pairs: int) -> "TrainingParameters":
        """For this many customer-product pairs: epochs = clip(2e6 / pairs, epochs, 200), and sample = 0 below 1e5."""
        if not self.scale_to_data:
            return self
        epochs = max(self.epochs, min(_PAIRS_TO_SEE // max(pairs, 1), _MOST_EPOCHS))
        return replace(self, epochs=epochs, sample=0.0 if pairs < _FEW_PAIRS else self.sample)


@dataclass(frozen=True, slots=True)
class UpdateParameters:
    """An increment: fewer epochs at a lower rate than a full training, with customers replayed so as not to forget."""

    alpha: float = 0.025
    end_alpha: float = 0.0025
    epochs: int = 6
    replay: int = 1  # random customers' whole sets for each customer with something new, drawn anew in every epoch
    context_products: int = 5  # a sentence shorter than this is filled up with older products of its customer


@dataclass(frozen=True, slots=True)
class Limits:
    """How far increments may go before everything is learnt anew."""

    vocabulary_growth: float = 1.0  # of the last full training's: 1 = twice as many products
    updates: int = 24
    age_s: float = 86_400.0
    new_lines: float = 1.0  # of the lines learnt so far


@dataclass(frozen=True, slots=True)
class Parent:
    """What is known of the model that an increment would go on from."""

    database_id: str
    parameters: TrainingParameters
    vocabulary_at_full: int
    updates_since_full: int
    full_at_s: float  # seconds since 1970 UTC
    lines_learnt: int
    customers_erased: int  # in the database when it was learnt


@dataclass(frozen=True, slots=True)
class Situation:
    """What there is to learn now."""

    database_id: str
    parameters: TrainingParameters
    vocabulary: int  # products that would be in the vocabulary now
    new_lines: int
    now_s: float
    customers_erased: int


def rebuild_reason(parent: Parent | None, now: Situation, limits: Limits) -> str | None:
    """Why everything must be learnt anew, in words for a log; None when an increment will do."""
    if parent is None:
        return "there is no model yet"
    if parent.database_id != now.database_id:
        return "the model was learnt from another database"
    if parent.parameters != now.parameters:
        return "the training parameters were changed"
    if now.customers_erased != parent.customers_erased:
        return "customers were erased since: what was learnt from them must go"
    return _gone_too_far(parent, now, limits)


def _gone_too_far(parent: Parent, now: Situation, limits: Limits) -> str | None:
    growth = now.vocabulary / max(parent.vocabulary_at_full, 1) - 1
    if growth > limits.vocabulary_growth:
        limit = limits.vocabulary_growth
        return f"the vocabulary grew by {growth:.0%} since the last full training, more than {limit:.0%}"
    if parent.updates_since_full >= limits.updates:
        return f"{parent.updates_since_full} updates since the last full training, the limit is {limits.updates}"
    age_s = now.now_s - parent.full_at_s
    if age_s > limits.age_s:
        return f"the last full training is {age_s / 3600:.1f} h old, the limit is {limits.age_s / 3600:.1f} h"
    share = now.new_lines / max(parent.lines_learnt, 1)
    if share > limits.new_lines:
        return f"new lines are {share:.0%} of those learnt, more than {limits.new_lines:.0%}"
    return None
