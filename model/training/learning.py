"""From the store to the next model: what is new, an increment or a full training, a snapshot ready to be written.

A full training also learns the table of product votes and, now and then, how to rank. An increment keeps how to rank,
and the table where learning it anew would take longer than all the rest. Nothing here runs in the worker.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from model.catalogue.product import Product
from model.embeddings import item2vec
from model.embeddings.item2vec import Item2vec
from model.embeddings.parameters import TrainingParameters
from model.embeddings.vocabulary import in_vocabulary
from model.offline.recommender import OfflineRecipe
from model.offline.splits import Cut
from model.progress import Progress
from model.purchases.histories import Histories, distinct, not_yet_learnt
from model.ranking.parameters import CalibrationReport, Ranking, Scoring, Weights
from model.signals.ease import learn_votes
from model.signals.product_votes import ProductVotes, no_votes
from model.snapshots.metadata import About, SnapshotRefused, file_names, read_about
from model.snapshots.reader import check_files
from model.snapshots.writer import Draft
from model.store.reader import StoreContents
from model.training.calibration import calibrate, can_calibrate
from model.training.packaging import TrainedModel, drafted
from model.training.schedule import Limits, Parent, Situation, full_training_reason

PARTS = ("neighbours", "votes")  # of the second stage, that can be switched off
_WEEK_S = 7 * 86_400.0
_QUICK_VOTES = 6_000  # products for which the table takes seconds; it is a minute for 12,000
_MOST_VOTELESS = 0.05  # of the vocabulary: new products have no votes in an old table, and answers without them age


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what is learnt, beside the data."""

    parameters: TrainingParameters
    scoring: Scoring
    limits: Limits
    brand_id: str | None = None  # learn from this brand's products only
    parts: Sequence[str] = PARTS  # of the second stage; none: the index alone
    calibrate_every_s: float = _WEEK_S  # a full training learns anew how to rank when that is so old; 0 = never
    cut: Cut = field(default_factory=Cut)  # the windows it learns that from

    @property
    def calibrates(self) -> bool:
        """Whether there is anything to calibrate."""
        return bool(self.parts) and self.calibrate_every_s > 0

    def offline(self) -> OfflineRecipe:
        """The recipe as calibration takes it: the stated weights of the parts that are switched on."""
        weights = Weights().without([part for part in PARTS if part not in self.parts])
        return OfflineRecipe(parameters=self.parameters, scoring=self.scoring, weights=weights)


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A model to go on from."""

    version: str
    parent: Parent
    load: Callable[[], Item2vec]
    votes: Callable[[], ProductVotes]
    ranking: Ranking
    learnt: NDArray[np.uint32]  # lines learnt, by customer number
    offsets: Mapping[str, int]  # next offset of each partition


def newest_ancestor(
    models: Path,
    candidates: Sequence[str],
    brand_id: str | None,
    on_refused: Callable[[str, SnapshotRefused], None] = lambda _version, _refused: None,
) -> Ancestor | None:
    """The newest sound version for this brand; its checksums are compared before its pickle is opened.

    `candidates` come newest first. A damaged one is told to `on_refused` and passed over.
    """
    for version in candidates:
        try:
            about = read_about(models, version)
            if about.brand_id == brand_id:
                return _ancestor(check_files(models, version), about)
        except SnapshotRefused as refused:
            on_refused(version, refused)
    return None


def _ancestor(folder: Path, about: About) -> Ancestor:
    names = file_names(about.version)
    parent = Parent(
        database_id=about.database_id,
        parameters=about.parameters,
        vocabulary_at_full=about.vocabulary_at_full,
        updates_since_full=about.updates_since_full,
        full_at_s=about.full_at_s,
        lines_learnt=about.lines,
        customers_erased=about.customers_erased,
    )
    return Ancestor(
        version=about.version,
        parent=parent,
        load=partial(item2vec.load, folder / names["model"]),
        votes=partial(ProductVotes.read, folder / names["votes"]),
        ranking=about.ranking,
        learnt=np.load(folder / names["learnt"], allow_pickle=False),
        offsets=about.offsets,
    )


def learn(
    contents: StoreContents,
    recipe: Recipe,
    ancestor: Ancestor | None,
    progress: Progress,
    now_s: float,
    *,
    why_full: str | None = None,
    ranking: Ranking | None = None,
    at_once: bool = False,
) -> Draft:
    """Learn the next model; `why_full` says why no ancestor is given. Raises `TooLittleData`.

    `ranking` is that of the models before, which a full training keeps while it is not too old. `at_once`: a model is
    waited for, so that a first calibration, which takes two more trainings, is put off where there is one to be made.
    """
    started = time.perf_counter()
    histories = of_brand(contents.histories, contents.products, recipe.brand_id)
    new = histories if ancestor is None else _new_lines(contents, recipe, ancestor)
    situation = _situation(contents, histories, new, recipe, now_s)
    full_reason = _rebuild_reason(contents, situation, recipe, ancestor)
    keys = [product.key for product in contents.products]
    if full_reason is None and ancestor is not None:
        reason = f"{situation.new_lines} new lines"
        model = item2vec.update(ancestor.load(), new, histories, keys, recipe.parameters, progress=progress)
        chosen = _kept(ancestor.ranking, recipe)
    else:
        ancestor, reason = None, why_full or full_reason or ""
        model = item2vec.train(histories, keys, recipe.parameters, progress)
        chosen = _chosen_ranking(histories, keys, recipe, ranking, progress, now_s=now_s, at_once=at_once)
    votes = _votes(model, histories, keys, chosen, ancestor)
    learnt = TrainedModel(
        item2vec=model,
        votes=votes,
        ranking=chosen,
        parameters=recipe.parameters,
        brand_id=recipe.brand_id,
        parent_version=None if ancestor is None else ancestor.version,
        parent=None if ancestor is None else ancestor.parent,
        reason=reason,
        seconds=time.perf_counter() - started,
    )
    return drafted(contents, histories, learnt, now_s)


def _situation(
    contents: StoreContents, histories: Histories, new: Histories, recipe: Recipe, now_s: float
) -> Situation:
    return Situation(
        database_id=contents.watermark.database_id,
        parameters=recipe.parameters,
        vocabulary=item2vec.vocabulary_size(histories, recipe.parameters.min_count),
        new_lines=len(new.products),
        now_s=now_s,
        customers_erased=contents.customers_erased,
    )


def _rebuild_reason(contents: StoreContents, now: Situation, recipe: Recipe, ancestor: Ancestor | None) -> str | None:
    if ancestor is None:
        return full_training_reason(None, now, recipe.limits)
    offsets = contents.watermark.offsets
    if any(offsets.get(int(partition), 0) < offset for partition, offset in ancestor.offsets.items()):
        return "the purchases are read anew, or from another topic"
    return full_training_reason(ancestor.parent, now, recipe.limits)


def of_brand(histories: Histories, products: Sequence[Product], brand_id: str | None) -> Histories:
    """The lines of one brand's products, all lines for None; customers without any are left out."""
    if brand_id is None:
        return histories
    mine = np.array([product.brand == brand_id for product in products])[histories.products]
    sizes = np.add.reduceat(np.append(mine, False), histories.starts)[:-1] * (np.diff(histories.starts) > 0)
    some = sizes > 0
    starts = np.concatenate(([0], np.cumsum(sizes[some]))).astype(np.int64)
    return Histories(histories.customers[some], starts, histories.products[mine], histories.times[mine])


def _new_lines(contents: StoreContents, recipe: Recipe, ancestor: Ancestor) -> Histories:
    new = not_yet_learnt(contents.histories, ancestor.learnt)
    return of_brand(new, contents.products, recipe.brand_id)


# -- how to rank


def _chosen_ranking(
    histories: Histories,
    keys: Sequence[str],
    recipe: Recipe,
    before: Ranking | None,
    progress: Progress,
    *,
    now_s: float,
    at_once: bool,
) -> Ranking:
    """That of the models before while it is fresh, else a calibrated one; the stated scoring alone without either."""
    kept = Ranking(scoring=recipe.scoring) if before is None else _kept(before, recipe)
    found = kept.calibration
    if not recipe.calibrates or (found is not None and found.windows and now_s - found.at_s < recipe.calibrate_every_s):
        return kept
    if at_once and found is None and can_calibrate(histories, recipe.cut):
        return kept
    offline = recipe.offline()
    made = calibrate(histories, keys, offline, recipe.cut, progress=progress)
    report = CalibrationReport(
        source=made.source, windows=made.windows, customers=made.customers, ndcg=made.ndcg, at_s=now_s
    )
    return Ranking(
        scoring=made.scoring, weights=made.weights, neighbours=offline.neighbours, votes=made.votes, calibration=report
    )


def _kept(ranking: Ranking, recipe: Recipe) -> Ranking:
    """The ranking of a model before, unless a part of it was switched off: the other weights mean little then."""
    stated = Ranking(scoring=recipe.scoring)
    if not recipe.calibrates:
        return stated
    if ranking.weights is None:
        return replace(stated, calibration=ranking.calibration)
    off = [part for part in PARTS if getattr(ranking.weights, part) and part not in recipe.parts]
    return stated if off else ranking


def _votes(
    model: Item2vec, histories: Histories, keys: Sequence[str], ranking: Ranking, ancestor: Ancestor | None
) -> ProductVotes:
    items = len(model.keys)
    if ranking.weights is None or not ranking.weights.votes:
        return no_votes(items)
    if ancestor is not None and _QUICK_VOTES < items <= (1 + _MOST_VOTELESS) * ancestor.parent.vocabulary_at_full:
        return ancestor.votes().extended(items)
    return learn_votes(in_vocabulary(distinct(histories), model.rows_of(keys)), items, ranking.votes)
