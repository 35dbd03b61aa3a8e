"""From the store to the next model: what is new, an increment or a full training, a snapshot ready to be written.

Nothing here runs in the worker. The draft says everything needed to repeat the training.
"""

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import faiss
import gensim
import numpy as np
from numpy.typing import NDArray

from model import item2vec
from model.demand import Demand
from model.histories import Histories, distinct, not_yet_learnt
from model.index import ItemIndex
from model.item2vec import Item2vec
from model.metadata import About, Metadata, Products, SnapshotRefused, file_names, read_about
from model.purchases import Product
from model.ranking import ScoreScale, Scoring, owned, query_vectors, rank, score_scale
from model.reading import Contents
from model.snapshot import check_files, self_tests
from model.snapshot_writing import Draft
from model.training import Limits, Parent, Progress, Situation, TrainingParameters, rebuild_reason

_SAMPLE_CUSTOMERS = 512
_SHOWN = 10  # products of the answers that the shown score is scaled by


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what is learnt, beside the data."""

    parameters: TrainingParameters
    scoring: Scoring
    limits: Limits
    brand_id: str | None = None  # learn from this brand's products only


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A model to go on from."""

    version: str
    parent: Parent
    load: Callable[[], Item2vec]
    learnt: NDArray[np.uint32]  # lines learnt, by customer number
    offsets: Mapping[str, int]  # next offset of each partition


@dataclass(frozen=True, slots=True)
class _Learnt:
    """What came out of a training, and how it came about."""

    model: Item2vec
    ancestor: Ancestor | None  # None: it was a full training
    reason: str
    seconds: float


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
    learnt = np.load(folder / names["learnt"], allow_pickle=False)
    return Ancestor(about.version, parent, partial(item2vec.load, folder / names["model"]), learnt, about.offsets)


def learn(
    contents: Contents,
    recipe: Recipe,
    ancestor: Ancestor | None,
    progress: Progress,
    now_s: float,
    *,
    why_full: str | None = None,
) -> Draft:
    """Learn the next model; `why_full` says why no ancestor is given. Raises `TooLittleData`."""
    started = time.perf_counter()
    keys = [product.key for product in contents.products]
    histories = of_brand(contents.histories, contents.products, recipe.brand_id)
    new = histories if ancestor is None else _new_lines(contents, recipe, ancestor)
    situation = Situation(
        database_id=contents.watermark.database_id,
        parameters=recipe.parameters,
        vocabulary=item2vec.vocabulary_size(histories, recipe.parameters.min_count),
        new_lines=len(new.products),
        now_s=now_s,
        customers_erased=contents.customers_erased,
    )
    full_reason = _rebuild_reason(contents, situation, recipe, ancestor)
    if full_reason is None and ancestor is not None:
        reason = f"{situation.new_lines} new lines"
        model = item2vec.update(ancestor.load(), new, histories, keys, recipe.parameters, progress=progress)
    else:
        ancestor, reason = None, why_full or full_reason or ""
        model = item2vec.train(histories, keys, recipe.parameters, progress)
    learnt = _Learnt(model, ancestor, reason, time.perf_counter() - started)
    return _drafted(contents, recipe, histories, learnt, now_s)


def _rebuild_reason(contents: Contents, now: Situation, recipe: Recipe, ancestor: Ancestor | None) -> str | None:
    if ancestor is None:
        return rebuild_reason(None, now, recipe.limits)
    offsets = contents.watermark.offsets
    if any(offsets.get(int(partition), 0) < offset for partition, offset in ancestor.offsets.items()):
        return "the purchases are read anew, or from another topic"
    return rebuild_reason(ancestor.parent, now, recipe.limits)


def of_brand(histories: Histories, products: Sequence[Product], brand_id: str | None) -> Histories:
    """The lines of one brand's products, all lines for None; customers without any are left out."""
    if brand_id is None:
        return histories
    mine = np.array([product.brand == brand_id for product in products])[histories.products]
    sizes = np.add.reduceat(np.append(mine, False), histories.starts)[:-1] * (np.diff(histories.starts) > 0)
    some = sizes > 0
    starts = np.concatenate(([0], np.cumsum(sizes[some]))).astype(np.int64)
    return Histories(histories.customers[some], starts, histories.products[mine], histories.times[mine])


def lines_of_customers(histories: Histories) -> NDArray[np.uint32]:
    """uint32 by customer number: how many lines each has."""
    size = int(histories.customers[-1]) + 1 if len(histories.customers) else 0
    lines = np.zeros(size, np.uint32)
    lines[histories.customers] = np.diff(histories.starts)
    return lines


def _new_lines(contents: Contents, recipe: Recipe, ancestor: Ancestor) -> Histories:
    new = not_yet_learnt(contents.histories, ancestor.learnt)
    return of_brand(new, contents.products, recipe.brand_id)


def _drafted(contents: Contents, recipe: Recipe, histories: Histories, learnt: _Learnt, now_s: float) -> Draft:
    model = learnt.model
    numbers = _numbers_of(model, contents.products)
    demand = Demand(recipe.scoring.trend_days)
    demand.add(histories.products, histories.times)
    bias = demand.bias(numbers, recipe.scoring.popularity_weight, recipe.scoring.trend_weight)
    index = ItemIndex.build(model.outputs, bias)
    parent = None if learnt.ancestor is None else learnt.ancestor.parent
    metadata = Metadata(
        brand_id=recipe.brand_id,
        kind="full" if parent is None else "increment",
        reason=learnt.reason,
        parent=None if learnt.ancestor is None else learnt.ancestor.version,
        created_at_s=now_s,
        seconds=learnt.seconds,
        database_id=contents.watermark.database_id,
        offsets={str(partition): offset for partition, offset in contents.watermark.offsets.items()},
        events=contents.watermark.events,
        customers=len(histories.customers),
        lines=len(histories.products),
        vocabulary=len(model.keys),
        vocabulary_at_full=len(model.keys) if parent is None else parent.vocabulary_at_full,
        updates_since_full=0 if parent is None else parent.updates_since_full + 1,
        full_at_s=now_s if parent is None else parent.full_at_s,
        customers_erased=contents.customers_erased,
        parameters=recipe.parameters,
        scoring=recipe.scoring,
        score_scale=_scale(histories, model, numbers, index, recipe.scoring),
        made_with=_made_with(),
        products=_columns(contents.products, numbers, demand),
        self_test=self_tests(index, model.vectors),
    )
    return Draft(model, index, metadata, lines_of_customers(contents.histories))


def _numbers_of(model: Item2vec, products: Sequence[Product]) -> NDArray[np.int64]:
    number_of = {product.key: number for number, product in enumerate(products)}
    return np.array([number_of[key] for key in model.keys], np.int64)


def _columns(products: Sequence[Product], numbers: NDArray[np.int64], demand: Demand) -> Products:
    chosen = [products[number] for number in numbers]
    return Products(
        brand_ids=[product.brand for product in chosen],
        product_ids=[product.product_id for product in chosen],
        numbers=numbers.tolist(),
        counts=demand.total[numbers].tolist(),
        prices=[product.price for product in chosen],
    )


def _scale(
    histories: Histories, model: Item2vec, numbers: NDArray[np.int64], index: ItemIndex, scoring: Scoring
) -> ScoreScale:
    """The scale of the shown score, from customers spread evenly over all."""
    chosen = np.unique(np.linspace(0, len(histories.customers) - 1, _SAMPLE_CUSTOMERS).astype(np.int64))
    lines = np.concatenate([np.arange(histories.starts[i], histories.starts[i + 1]) for i in chosen])
    starts = np.concatenate(([0], np.cumsum(np.diff(histories.starts)[chosen]))).astype(np.int64)
    sample = Histories(histories.customers[chosen], starts, histories.products[lines], histories.times[lines])
    row_of_product = np.full(int(numbers.max()) + 1, -1, np.int64)
    row_of_product[numbers] = np.arange(len(numbers))
    history = owned(distinct(sample), row_of_product, scoring.recency)
    queries = query_vectors(model.vectors, history, scoring.scale)
    bought = [history.rows[mine] for mine in history.slices()]
    return score_scale(rank(index, queries, [_SHOWN] * len(bought), bought))


def _made_with() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "gensim": gensim.__version__,
        "numpy": np.__version__,
        "faiss": faiss.__version__,
    }
