"""Increments, measured: the history is cut into slices, and each is what the models before it are tested on.

Four schedules learn slice after slice: everything anew, an increment of what is new, an increment with replay, nothing;
and the one that ships, which decides by the service's own rules. All answer with the purchases up to the slice in their
histories, trends and neighbours, as the service does.
"""

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from model.embeddings import item2vec
from model.embeddings.item2vec import Item2vec
from model.embeddings.parameters import UpdateParameters
from model.embeddings.vocabulary import in_vocabulary
from model.offline.measures import Measured, measure
from model.offline.recommender import OfflineRecipe, put_together
from model.offline.splits import Split, between
from model.progress import Progress, silent
from model.purchases.histories import Histories, distinct, lines_of_customers, not_yet_learnt
from model.signals.ease import learn_votes
from model.signals.product_votes import ProductVotes
from model.training.schedule import Limits, Parent, Situation, full_training_reason

SCHEDULES = ("full retrain", "shipped schedule", "update with replay", "update", "frozen")
_K = 10


@dataclass(frozen=True, slots=True)
class Step:
    """One schedule in one slice."""

    schedule: str
    slice: int  # tested on, from 1
    judged: Measured
    seconds: float  # of a processor, to learn up to this slice
    vocabulary: int
    kind: str  # full, increment or nothing


@dataclass(slots=True)
class _Learner:
    """One schedule's model as it goes along."""

    schedule: str
    recipe: OfflineRecipe
    limits: Limits
    increment: UpdateParameters
    model: Item2vec | None = None
    votes: ProductVotes | None = None
    learnt: NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, np.uint32))  # lines by customer number
    parent: Parent | None = None

    def learn(self, histories: Histories, keys: Sequence[str], now_s: float) -> tuple[str, Item2vec]:
        """Learn all there is as the schedule wants it; returns what was done, and the model that there is then."""
        if self.model is not None and self.schedule == "frozen":
            return "nothing", self.model
        if self.model is None or self.schedule == "full retrain" or self._must_rebuild(histories, now_s):
            model = item2vec.train(histories, keys, self.recipe.parameters)
            kind = "full"
        else:
            model = self._updated(self.model, histories, keys)
            kind = "increment"
        if self.recipe.needs_votes:
            sets = in_vocabulary(distinct(histories), model.rows_of(keys))
            self.votes = learn_votes(sets, len(model.keys), self.recipe.votes)
        self.model = model
        self._remember(model, histories, now_s, kind)
        return kind, model

    def _updated(self, model: Item2vec, histories: Histories, keys: Sequence[str]) -> Item2vec:
        new = not_yet_learnt(histories, self.learnt)
        replayed = {"update": 0, "update with replay": max(self.increment.replay, 3)}
        increment = replace(self.increment, replay=replayed.get(self.schedule, self.increment.replay))
        return item2vec.update(model, new, histories, keys, self.recipe.parameters, increment=increment)

    def _must_rebuild(self, histories: Histories, now_s: float) -> bool:
        if self.schedule != "shipped schedule":
            return False
        situation = Situation(
            database_id="",
            parameters=self.recipe.parameters,
            vocabulary=item2vec.vocabulary_size(histories, self.recipe.parameters.min_count),
            new_lines=len(not_yet_learnt(histories, self.learnt).products),
            now_s=now_s,
            customers_erased=0,
        )
        # A slice is weeks long: the limit of age, which is for the wall clock, would always ask for a full training.
        return full_training_reason(self.parent, situation, replace(self.limits, age_s=float("inf"))) is not None

    def _remember(self, model: Item2vec, histories: Histories, now_s: float, kind: str) -> None:
        self.learnt = lines_of_customers(histories)
        full = kind == "full" or self.parent is None
        self.parent = Parent(
            database_id="",
            parameters=self.recipe.parameters,
            vocabulary_at_full=len(model.keys) if full or self.parent is None else self.parent.vocabulary_at_full,
            updates_since_full=0 if full or self.parent is None else self.parent.updates_since_full + 1,
            full_at_s=now_s,
            lines_learnt=len(histories.products),
            customers_erased=0,
        )


def replay(
    histories: Histories,
    keys: Sequence[str],
    recipe: OfflineRecipe,
    *,
    slices: int = 8,
    schedules: Sequence[str] = SCHEDULES,
    limits: Limits | None = None,
    increment: UpdateParameters | None = None,
    progress: Progress = silent,
) -> list[Step]:
    """Learn the first of slices + 1 equal spans of time, then test each next one before learning it.

    `limits` and `increment` are those of the schedule that ships. Raises `TooLittleData` when the first span is too
    small to learn from.
    """
    bounds = _bounds(histories, slices)
    shipped = limits or Limits(), increment or UpdateParameters()
    learners = [_Learner(schedule, recipe, *shipped) for schedule in schedules]
    steps = []
    for at in range(slices):
        split = between(histories, int(bounds[at]), int(bounds[at + 1]))
        for which, learner in enumerate(learners):
            progress(f"slice {at + 1} of {slices}", which / len(learners))
            steps.append(_step(learner, split, keys, at + 1, float(bounds[at])))
        progress(f"slice {at + 1} of {slices}", 1.0)
    return steps


def testable(histories: Histories, slices: int) -> list[int]:
    """How many customers each slice tests; cheap, nothing is learnt."""
    bounds = _bounds(histories, slices)
    return [len(between(histories, int(begin), int(end)).truth.customers) for begin, end in itertools.pairwise(bounds)]


def _bounds(histories: Histories, slices: int) -> NDArray[np.int64]:
    """Where slices begin, and where the last one ends; what precedes the first is as long as a slice."""
    begin, end = int(histories.times.min()), int(histories.times.max())
    return np.linspace(begin, end, slices + 2).astype(np.int64)[1:]


def _step(learner: _Learner, split: Split, keys: Sequence[str], number: int, now_s: float) -> Step:
    started = time.process_time()  # not the clock's: what else the machine does must not count
    kind, item_vectors = learner.learn(split.train, keys, now_s)
    seconds = time.process_time() - started
    made = put_together(split.train, keys, item_vectors, learner.recipe)
    made = made if learner.votes is None else made.with_table(learner.votes)
    shown = made.recommend(split.truth.customers, _K)
    judged = measure(shown, split.truth, np.bincount(split.train.products, minlength=len(keys)))
    return Step(
        schedule=learner.schedule,
        slice=number,
        judged=judged,
        seconds=seconds,
        vocabulary=len(item_vectors.keys),
        kind=kind,
    )


@dataclass(frozen=True, slots=True)
class Summary:
    """A schedule over all slices."""

    schedule: str
    ndcg: float  # mean over slices
    hit_rate: float
    coverage: float
    seconds: float  # of a processor in all, after the first slice, which every schedule learns in full
    vocabulary: int  # at the end
    full_trainings: int


def summaries(steps: Sequence[Step]) -> list[Summary]:
    """One line for each schedule, in the order of their first step."""
    names = dict.fromkeys(step.schedule for step in steps)
    return [_summary(name, [step for step in steps if step.schedule == name]) for name in names]


def _summary(name: str, steps: Sequence[Step]) -> Summary:
    later = [step for step in steps if step.slice > 1]
    judged = [step.judged for step in steps if len(step.judged.ndcg)]
    return Summary(
        schedule=name,
        ndcg=float(np.mean([one.mean("ndcg") for one in judged])),
        hit_rate=float(np.mean([one.mean("hit_rate") for one in judged])),
        coverage=float(np.mean([one.coverage for one in judged])),
        seconds=sum(step.seconds for step in later),
        vocabulary=steps[-1].vocabulary,
        full_trainings=sum(step.kind == "full" for step in later),
    )
