"""Learning with the gate: leave the newest purchases out, learn the candidate, judge it beside the serving model.

In: everything in the store, the model to go on from and the one that answers. Out: a draft whose metadata hold the
judgement, so that it is under the manifest's checksum like all the rest. What is judged is, byte for byte, what serves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from model.catalogue.product import Product
from model.embeddings.parameters import TooLittleData
from model.offline.held_out import HeldOut, hold_out
from model.progress import Progress
from model.ranking.model import RankingModel
from model.ranking.parameters import Ranking
from model.snapshots.metadata import About, Judgement
from model.snapshots.reader import Snapshot
from model.snapshots.writer import Draft
from model.store.reader import StoreContents
from model.training.gate import LEAST_CUSTOMERS, GateRules, judgement, unjudged
from model.training.learning import Ancestor, Recipe, learn


@dataclass(frozen=True, slots=True)
class Serving:
    """The model that answers while a candidate is learnt."""

    snapshot: Snapshot
    learnt: NDArray[np.uint32]  # lines learnt, by customer number

    @property
    def about(self) -> About:
        """What it says of itself."""
        return self.snapshot.metadata


def learn_judged(
    contents: StoreContents,
    recipe: Recipe,
    ancestor: Ancestor | None,
    serving: Serving | None,
    rules: GateRules,
    *,
    progress: Progress,
    now_s: float,
    why_full: str | None = None,
    ranking: Ranking | None = None,
    at_once: bool = False,
) -> Draft:
    """Learn a candidate and judge it; the rest as for `learning.learn`. Raises `TooLittleData`."""
    learn_from = partial(
        learn,
        recipe=recipe,
        ancestor=ancestor,
        progress=progress,
        now_s=now_s,
        why_full=why_full,
        ranking=ranking,
        at_once=at_once,
    )
    if serving is not None and not _same_log(contents, serving.about.database_id, serving.about.offsets):
        serving = None  # what it has learnt can not be told from what it has not
    held = _held_out(contents, recipe, ancestor, serving, rules)
    if held is not None:
        try:
            draft = learn_from(replace(contents, histories=held.kept))
        except TooLittleData:  # with what was left out it may be enough
            held = None
        else:
            return _with(draft, _judged(draft, serving, held, contents, rules))
    return _with(learn_from(contents), unjudged(_why_unjudged(rules)))


def _why_unjudged(rules: GateRules) -> str:
    if rules.customers < LEAST_CUSTOMERS:
        return "the gate is turned off"
    return f"fewer than {LEAST_CUSTOMERS} known customers bought something new in the part that could be left out"


def _with(draft: Draft, found: Judgement) -> Draft:
    return replace(draft, metadata=msgspec.structs.replace(draft.metadata, judgement=found))


def _held_out(
    contents: StoreContents, recipe: Recipe, ancestor: Ancestor | None, serving: Serving | None, rules: GateRules
) -> HeldOut | None:
    learnt = [] if serving is None else [serving.learnt]
    if ancestor is not None and _same_log(contents, ancestor.parent.database_id, ancestor.offsets):
        learnt.append(ancestor.learnt)
    judged = None
    if recipe.brand_id is not None:
        mine = np.array([product.brand == recipe.brand_id for product in contents.products])
        judged = mine[contents.histories.products]
    return hold_out(contents.histories, _greatest(learnt), rules.customers, least=LEAST_CUSTOMERS, judged=judged)


def _same_log(contents: StoreContents, database_id: str, offsets: Mapping[str, int]) -> bool:
    """Whether customer numbers and lines learnt mean now what they meant to a model."""
    now = contents.watermark
    return database_id == now.database_id and all(
        now.offsets.get(int(partition), 0) >= offset for partition, offset in offsets.items()
    )


def _greatest(learnt: list[NDArray[np.uint32]]) -> NDArray[np.uint32]:
    most = np.zeros(max((len(lines) for lines in learnt), default=0), np.uint32)
    for lines in learnt:
        most[: len(lines)] = np.maximum(most[: len(lines)], lines)
    return most


def _judged(
    draft: Draft, serving: Serving | None, held: HeldOut, contents: StoreContents, rules: GateRules
) -> Judgement:
    if serving is None:
        return judgement(draft.model, None, held, contents.products, rules)
    opponent = _bound(serving.snapshot, contents.products)
    version = serving.about.version
    return judgement(draft.model, opponent, held, contents.products, rules, serving_version=version)


def _bound(snapshot: Snapshot, products: Sequence[Product]) -> RankingModel:
    """The snapshot's model with the product numbers of today; what was never sold here has number 0."""
    number_of = {(product.brand, product.product_id): number for number, product in enumerate(products)}
    numbers = [number_of.get(name, 0) for name in snapshot.products.names(slice(None))]
    return snapshot.model.bind(np.array(numbers, np.int64))
