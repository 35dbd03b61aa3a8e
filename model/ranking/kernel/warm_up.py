"""A small model that is asked for everything once, so that every function is machine code for the types it will see."""

import numpy as np

from model.index.item_index import ItemIndex
from model.purchases.histories import DAY_S, Histories
from model.ranking.asked import AskedBatch
from model.ranking.kernel.kernel import Kernel
from model.ranking.kernel.nearest_search import NearestSearch
from model.ranking.kernel.tables import Demand, Lent
from model.ranking.model import RankingModel, unbound_model
from model.ranking.parameters import Ranking, Scoring, Weights
from model.signals.neighbours import Neighbours
from model.signals.product_votes import ProductVotes

_ITEMS, _SIZE = 16, 8


def warm_up() -> None:
    """Ask a model with both stages, and one that ranks by the index alone."""
    for weights, large in ((Weights(), False), (None, False), (Weights(), True)):
        model = _model(weights, large=large)
        kernel = Kernel(model, Demand(*(np.zeros(_ITEMS, np.float32) for _ in range(3))))
        kernel.recommend(_asked(), average=np.zeros(_SIZE, np.float32), most=2, shares=True)
        if model.neighbours is not None:
            _search_again(model.neighbours)


def _search_again(neighbours: Neighbours) -> None:
    """Ask twice, so that a list is repaired."""
    search, arrays = NearestSearch(places=1, width=2, least_slots=0), neighbours.arrays()
    passed, places = np.zeros(len(arrays.points), np.float32), np.zeros(len(arrays.points), np.int32)
    lent = Lent(places, passed, passed, places)
    one = np.ones(1, np.int64)
    slots, weights = np.zeros((1, 1), np.int32), np.zeros((1, 1))
    for _ in range(2):
        search.find(one, np.ones((1, _SIZE), np.float32), one, arrays, 1, lent, slots, weights)


def _model(weights: Weights | None, *, large: bool) -> RankingModel:
    random = np.random.default_rng(1)
    vectors, outputs = random.standard_normal((2, _ITEMS, _SIZE), np.float32)
    votes = ProductVotes(
        np.ones(_ITEMS, np.int32), np.zeros((2, 2), np.int32), np.array([[0, 0], [0.5, 0]], np.float32)
    )
    numbers = np.arange(1, _ITEMS + 1, dtype=np.int32)
    model = unbound_model(
        vectors=vectors,
        index=ItemIndex.build(outputs, np.zeros(_ITEMS, np.float32), vectors, large=0 if large else _ITEMS + 1),
        ranking=Ranking(scoring=Scoring(), weights=weights),
        votes=votes,
        centre=np.zeros(_SIZE, np.float32),
    ).bind(numbers)
    return model.with_neighbours(_histories())


def _histories() -> Histories:
    times = np.full(200, 1_700_000_000, np.uint32) + np.arange(200, dtype=np.uint32) % DAY_S
    return Histories(
        np.arange(1, 101, dtype=np.uint32),
        np.arange(0, 201, 2, dtype=np.int64),
        (np.arange(200) % _ITEMS + 1).astype(np.uint32),
        times,
    )


def _asked() -> AskedBatch:
    histories = Histories(
        np.array([1, 0], np.uint32), np.array([0, 2, 4]), np.array([1, 2, 3, 4], np.uint32),
        np.array([5, 4, 4, 5], np.uint32),
    )  # fmt: skip
    return AskedBatch(
        histories=histories,
        k=[3, 100],
        repeats=[False, True],
        excluded=[np.array([5]), np.zeros(0, np.int64)],
        only=[None, np.array([6, 7])],
        allowed=[np.ones(_ITEMS, bool), None],
        addends=[np.zeros(_ITEMS, np.float32), None],
    )
