"""A model just learnt made ready to be written: its index, its votes, its ranking, and the metadata that tell of all.

In: item vectors, the histories they were learnt from, and how it came about. Out: a `Draft`. The draft says everything
needed to repeat the training.
"""

import platform
from dataclasses import dataclass

import faiss
import gensim
import numpy as np
from numpy.typing import NDArray

from model.catalogue.product import Product
from model.embeddings.item2vec import Item2vec
from model.embeddings.parameters import TrainingParameters
from model.embeddings.queries import Encoder, owned, query_vectors, rows_by_number
from model.index.item_index import ItemIndex, SimilarItems
from model.purchases.histories import Histories, distinct, lines_of_customers, of_customers, spread_over
from model.ranking.parameters import Ranking
from model.ranking.reranking import Asking, Evidence, near_for, rank_blended
from model.ranking.shown_scores import ScoreScale, score_scale
from model.signals.demand import Demand
from model.signals.product_votes import ProductVotes
from model.snapshots.metadata import Metadata
from model.snapshots.product_columns import columns_of
from model.snapshots.reader import self_tests
from model.snapshots.writer import Draft
from model.store.reader import Contents
from model.training.schedule import Parent

_SAMPLE_CUSTOMERS = 512
_SHOWN = 10  # products of the answers that the shown score is scaled by


@dataclass(frozen=True, slots=True)
class Learnt:
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


def drafted(contents: Contents, histories: Histories, learnt: Learnt, now_s: float) -> Draft:
    """The draft of a model that has learnt from `histories`, which are all of `contents` or one brand's part."""
    model, parent, scoring = learnt.item2vec, learnt.parent, learnt.ranking.scoring
    numbers = _numbers_of(model, contents.products)
    demand = Demand(scoring.trend_days)
    demand.add(histories.products, histories.times)
    encoder = Encoder(model.vectors, rows_by_number(numbers), scoring.recency)
    bias = demand.bias(numbers, scoring.popularity_weight, scoring.trend_weight)
    sample = of_customers(histories, spread_over(len(histories.customers), _SAMPLE_CUSTOMERS))
    index = ItemIndex.build(model.outputs, bias, encoder.queries(sample) * np.float32(scoring.scale))
    similar = SimilarItems.build(model.vectors, model.outputs)
    centre = encoder.centre(histories)
    near = near_for(learnt.ranking.weights, encoder, histories, centre, learnt.ranking.neighbours)
    evidence = Evidence(index, demand, numbers, near, learnt.votes)
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
        vocabulary=len(model.keys),
        vocabulary_at_full=len(model.keys) if parent is None else parent.vocabulary_at_full,
        updates_since_full=0 if parent is None else parent.updates_since_full + 1,
        full_at_s=now_s if parent is None else parent.full_at_s,
        customers_erased=contents.customers_erased,
        parameters=learnt.parameters,
        ranking=learnt.ranking,
        index=index.form,
        similar=similar.form,
        score_scale=_scale(evidence, encoder, sample, learnt.ranking),
        made_with=_made_with(),
        centre=centre.tolist(),
        self_test=self_tests(index, model.vectors),
    )
    products = columns_of(contents.products, numbers, demand.total)
    return Draft(model, index, similar, learnt.votes, products, metadata, lines_of_customers(contents.histories))


def _numbers_of(model: Item2vec, products: list[Product]) -> NDArray[np.int64]:
    number_of = {product.key: number for number, product in enumerate(products)}
    return np.array([number_of[key] for key in model.keys], np.int64)


def _scale(evidence: Evidence, encoder: Encoder, sample: Histories, ranking: Ranking) -> ScoreScale:
    """The scale of the shown score, from what these customers would be shown."""
    history = owned(distinct(sample), encoder.row_of_product, encoder.recency)
    bought = [history.rows[mine] for mine in history.slices()]
    asking = Asking(sample.customers.astype(np.int64), query_vectors(encoder.vectors, history, 1.0), history)
    wanted, scale = [_SHOWN] * len(bought), ranking.scoring.scale
    return score_scale(rank_blended(evidence, ranking.weights, asking, scale=scale, k=wanted, excluded=bought))


def _made_with() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "gensim": gensim.__version__,
        "numpy": np.__version__,
        "faiss": faiss.__version__,
    }
