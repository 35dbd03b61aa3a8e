"""Whether the next training is a full one, and why."""

from dataclasses import dataclass

from model.embeddings.parameters import TrainingParameters


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


def full_training_reason(parent: Parent | None, now: Situation, limits: Limits) -> str | None:
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
