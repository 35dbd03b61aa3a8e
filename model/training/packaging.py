"""A model just learnt made ready to be written: its index, its votes, its ranking, and the metadata that tell of all.

In: item vectors, the histories they were learnt from, and how it came about. Out: a `Draft`. The draft says everything
needed to repeat the training.
"""

import platform
from collections.abc import Sequence
from dataclasses import dataclass

import faiss
import gensim
import numpy as np

from model.catalogue.product import Product
from model.embeddings.item2vec import Item2vec
from model.embeddings.parameters import TrainingParameters
from model.index.item_index import SimilarItems
from model.purchases.histories import Histories, distinct, lines_of_customers
from model.ranking.model import RankingModel, calibrating_sample, learnt_model
from model.ranking.parameters import Ranking
from model.ranking.shown_scores import ScoreScale, score_scale
from model.signals.product_votes import ProductVotes
from model.snapshots.metadata import Metadata
from model.snapshots.product_columns import columns_of
from model.snapshots.reader import self_tests
from model.snapshots.writer import Draft
from model.store.reader import StoreContents
from model.training.schedule import Parent

_SHOWN = 10  # products of the answers that the shown score is scaled by


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What came out of a training, and how it came about."""

    item2vec: Item2vec
    votes: ProductVotes
    ranking: Ranking
    parameters: TrainingParameters
    brand_id: str | None
    parent_version: str | None  # None: it was a full training
    parent: Parent | None
    reason: str
    seconds: float


def drafted(contents: StoreContents, histories: Histories, learnt: TrainedModel, now_s: float) -> Draft:
    """The draft of a model that has learnt from `histories`, which are all of `contents` or one brand's part."""
    model, parent = _ranking_model(learnt, contents.products, histories), learnt.parent
    similar = SimilarItems.build(model.vectors, learnt.item2vec.outputs)
    metadata = Metadata(
        brand_id=learnt.brand_id,
        kind="full" if parent is None else "increment",
        reason=learnt.reason,
        parent=learnt.parent_version,
        created_at_s=now_s,
        seconds=learnt.seconds,
        database_id=contents.watermark.database_id,
        offsets={str(partition): offset for partition, offset in contents.watermark.offsets.items()},
        source=contents.watermark.source,
        events=contents.watermark.events,
        customers=len(histories.customers),
        lines=len(histories.products),
        vocabulary=len(model.vectors),
        vocabulary_at_full=len(model.vectors) if parent is None else parent.vocabulary_at_full,
        updates_since_full=0 if parent is None else parent.updates_since_full + 1,
        full_at_s=now_s if parent is None else parent.full_at_s,
        customers_erased=contents.customers_erased,
        parameters=learnt.parameters,
        ranking=learnt.ranking,
        index=model.index.form,
        similar=similar.form,
        score_scale=_scale(model, calibrating_sample(histories)),
        made_with=_made_with(),
        centre=model.centre.tolist(),
        self_test=self_tests(model.index, model.vectors),
    )
    products = columns_of(contents.products, model.number_of_row, model.demand.total)
    return Draft(
        item2vec=learnt.item2vec,
        model=model,
        similar=similar,
        products=products,
        metadata=metadata,
        learnt=lines_of_customers(contents.histories),
    )


def _ranking_model(learnt: TrainedModel, products: Sequence[Product], histories: Histories) -> RankingModel:
    """Bound to the numbers of `products`, with its neighbours where they weigh anything."""
    model = learnt_model(
        vectors=learnt.item2vec.vectors,
        outputs=learnt.item2vec.outputs,
        row_of_number=learnt.item2vec.rows_of([product.key for product in products]),
        ranking=learnt.ranking,
        votes=learnt.votes,
        histories=histories,
    )
    return model.with_neighbours(histories) if model.weighs_neighbours else model


def _scale(model: RankingModel, sample: Histories) -> ScoreScale:
    """The scale of the shown score, from what these customers would be shown."""
    batch = model.batch(sample.customers.astype(np.int64), distinct(sample))
    bought = batch.history.rows_of_each()
    return score_scale(model.rank(batch, [_SHOWN] * len(bought), bought))


def _made_with() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "gensim": gensim.__version__,
        "numpy": np.__version__,
        "faiss": faiss.__version__,
    }
