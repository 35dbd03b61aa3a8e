"""Made-up models of any size, and micro-batches of customers who ask for anything that may be asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from model.index.item_index import ItemIndex
from model.purchases.histories import DAY_S, Histories
from model.ranking.asked import AskedBatch
from model.ranking.kernel.compilation import Compilation
from model.ranking.model import RankingModel, unbound_model
from model.ranking.parameters import Ranking, Scoring, Weights
from model.signals.demand import Demand
from model.signals.product_votes import ProductVotes

NOW_S = 1_700_006_400
_WEIGHTS, _SCORING = Weights(), Scoring()
NEVER_SOLD = 3  # the last rows stand for products that were never sold here


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What one customer asks. Rows are rows of the model."""

    products: Sequence[int]  # product numbers, in order of arrival
    times: Sequence[int]
    customer: int = 0
    k: int = 10
    repeats: bool = False
    excluded: Sequence[int] = ()
    only: Sequence[int] | None = None
    allowed: np.ndarray | None = None
    addend: np.ndarray | None = None


def asked_batch(asks: Sequence[Ask], *, dtype=np.int64, read_only: bool = False) -> AskedBatch:
    """The batch as the service would make it; rows of this dtype."""
    sizes = [len(ask.products) for ask in asks]
    columns = Histories(
        np.array([ask.customer for ask in asks], np.uint32),
        np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
        np.array([product for ask in asks for product in ask.products], np.uint32),
        np.array([time for ask in asks for time in ask.times], np.uint32),
    )
    for array in (columns.customers, columns.starts, columns.products, columns.times) if read_only else ():
        array.flags.writeable = False
    return AskedBatch(
        histories=columns,
        k=[ask.k for ask in asks],
        repeats=[ask.repeats for ask in asks],
        excluded=[np.array(ask.excluded, dtype) for ask in asks],
        only=[None if ask.only is None else np.array(ask.only, dtype) for ask in asks],
        allowed=[ask.allowed for ask in asks] if any(ask.allowed is not None for ask in asks) else (),
        addends=[ask.addend for ask in asks] if any(ask.addend is not None for ask in asks) else (),
    )


def ask_of(histories: Histories, position: int, **changed: object) -> Ask:
    """A customer of the histories asks with what there is of it."""
    mine = slice(histories.starts[position], histories.starts[position + 1])
    asked = Ask(
        products=histories.products[mine].tolist(),
        times=histories.times[mine].tolist(),
        customer=int(histories.customers[position]),
    )
    return replace(asked, **changed)


def made_up_histories(products: int, customers: int, *, seed: int = 1, longest: int = 30) -> Histories:
    """Customers of one to `longest` products over 90 days, the beginning of the numbers being bought more."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, longest + 1, customers)
    bought = (products * random.random(int(sizes.sum())) ** 2).astype(np.uint32) + 1
    days = random.integers(0, 90, len(bought))
    owner = np.repeat(np.arange(customers), sizes)
    days = days[np.lexsort((days, owner))]
    return Histories(
        np.arange(1, customers + 1, dtype=np.uint32),
        np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
        bought,
        (NOW_S - (89 - days) * DAY_S).astype(np.uint32),
    )


def made_up_model(
    histories: Histories,
    items: int,
    *,
    dimension: int = 16,
    weights: Weights | None = _WEIGHTS,
    scoring: Scoring = _SCORING,
    lists: bool = False,
    neighbours: bool = True,
    seed: int = 1,
) -> RankingModel:
    """A model of the histories' products in some order, bound to them; the reference answers until it is `alive`."""
    random = np.random.default_rng(seed)
    groups = random.normal(size=(max(items // 50, 2), dimension))
    middles = groups[random.integers(0, len(groups), items)]
    vectors, outputs = ((middles + 0.6 * random.normal(size=middles.shape)).astype(np.float32) for _ in range(2))
    numbers = random.permutation(items) + 1
    numbers[-NEVER_SOLD:] = 0
    demand = Demand(scoring.trend_days)
    demand.add(histories.products, histories.times)
    queries = vectors[random.integers(0, items, (512, 5))].mean(axis=1) * np.float32(scoring.scale)
    bias = demand.bias(numbers, scoring.popularity_weight, scoring.trend_weight)
    bound = unbound_model(
        vectors=vectors,
        index=ItemIndex.build(outputs, bias, queries, large=0 if lists else items + 1),
        ranking=Ranking(scoring=scoring, weights=weights),
        votes=_votes(random, items),
        centre=vectors.mean(axis=0),
    ).bind(numbers.astype(np.int32), demand=demand)
    return bound.with_neighbours(histories) if neighbours else bound


def alive(model: RankingModel, compilation: Compilation) -> RankingModel:
    """The same, answered by the kernel, every bias fresh."""
    bound = model.bind(
        model.number_of_row,
        model.row_of_number,
        withdrawn=model.withdrawn,
        demand=model.demand,
        compilation=compilation,
    )
    bound = replace(bound, neighbours=model.neighbours)
    bound.refresh(np.arange(len(bound.index)))
    return bound


def _votes(random: np.random.Generator, items: int, width: int = 20) -> ProductVotes:
    """Two thirds of all products vote; the last places of their lines are empty."""
    place = np.zeros(items, np.int32)
    voters = random.permutation(items)[: items * 2 // 3]
    place[voters] = np.arange(1, len(voters) + 1)
    shape = 1 + len(voters), min(width, items)
    rows = np.argsort(random.random((shape[0], min(items, 4 * width))), axis=1)[:, : shape[1]].astype(np.int32)
    rows = (rows + random.integers(0, items, (shape[0], 1))).astype(np.int32) % items
    weights = random.random(shape, np.float32) ** 3
    rows[0], weights[0] = 0, 0
    rows[:, -2:], weights[:, -2:] = 0, 0
    return ProductVotes(place, rows, weights)
