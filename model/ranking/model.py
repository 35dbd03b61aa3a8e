"""A model that can rank: what was learnt, the product numbers it is bound to, and all that moves while it answers.

In: customers and what they have bought. Out: ranked rows with their reasons. The service, the gate, calibration,
`evaluate`, `tune` and the snapshot hold this one value, and so search, order and explain alike. Promise: whatever moves
a bias goes through `refresh`, and every ranking through `rank`; whoever holds the value knows nothing of the two stages
behind it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from model.embeddings.queries import Encoder, WeightedHistory, rows_by_number
from model.index.item_index import ItemIndex
from model.purchases.histories import Bought, Histories, of_customers, spread_over
from model.ranking import reranking
from model.ranking.asked import AskedBatch, Recommended
from model.ranking.kernel import reference
from model.ranking.kernel.compilation import Compilation
from model.ranking.kernel.live_arrays import LiveArrays
from model.ranking.parameters import FEATURES, Ranking, Scoring, Weights
from model.ranking.reasons import because
from model.ranking.reranking import FeatureSources, QueryBatch
from model.ranking.retrieval import Ranked, rank
from model.signals.demand import Demand
from model.signals.neighbours import Neighbours, neighbours_of
from model.signals.product_votes import ProductVotes, no_votes

NOT_FOR_SALE = np.float32(-np.inf)  # the bias of a withdrawn product: no search finds it
_INDEX_ALONE = Weights(affinity=1.0, popularity=0.0, trend=0.0, neighbours=0.0, votes=0.0)
_CALIBRATING_CUSTOMERS = 512  # whose queries say how much of a large index must be read


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingModel:
    """Rows are those of every array; numbers are product numbers of the store or the histories that it is bound to.

    A row of number 0 is a product that was never sold there.
    """

    vectors: NDArray[np.float32]  # IN (n_items, dimension)
    index: ItemIndex  # its OUT vectors, and biases as `refresh` left them
    ranking: Ranking
    votes: ProductVotes
    centre: NDArray[np.float32]  # (dimension,) the mean query vector of all customers
    number_of_row: NDArray[np.integer]  # (n_items,)
    row_of_number: NDArray[np.integer]  # by product number, -1 = none; may end before the newest product
    withdrawn: NDArray[np.bool_]  # (n_items,) not to be offered
    demand: Demand = field(default_factory=Demand)  # what sells, by product number
    neighbours: Neighbours | None = None  # None: they weigh nothing, or nobody was taken up
    live: LiveArrays | None = None  # what the kernel reads; None: the reference answers

    @property
    def encoder(self) -> Encoder:
        """How it makes a query vector of a history."""
        return Encoder(self.vectors, self.row_of_number, self.ranking.scoring.recency)

    @property
    def weighs_neighbours(self) -> bool:
        """Whether what neighbours bought decides anything."""
        return self.ranking.weights is not None and self.ranking.weights.neighbours != 0

    @property
    def ranks_by_kernel(self) -> bool:
        """Whether `recommend` is answered by the kernel, and not by the reference."""
        return self.live is not None and self.live.kernel_of(self) is not None

    # -- made for somewhere, or for some time

    def bind(
        self,
        number_of_row: NDArray[np.integer],
        row_of_number: NDArray[np.integer] | None = None,
        *,
        withdrawn: NDArray[np.bool_] | None = None,
        demand: Demand | None = None,
        compilation: Compilation | None = None,
    ) -> "RankingModel":
        """The same with other product numbers, to be kept fresh with this demand; nobody is a neighbour yet.

        The index is shared: its biases stay what they are until `refresh`, which all rows must have seen before
        `recommend` is asked. With `compilation` the kernel answers as soon as it is compiled.
        """
        return replace(
            self,
            number_of_row=number_of_row,
            row_of_number=rows_by_number(number_of_row) if row_of_number is None else row_of_number,
            withdrawn=np.zeros(len(number_of_row), bool) if withdrawn is None else withdrawn,
            demand=Demand(self.ranking.scoring.trend_days) if demand is None else demand,
            neighbours=self._nobody() if self.weighs_neighbours else None,
            live=None if compilation is None else LiveArrays(len(self.index), compilation),
        )

    def at(self, demand: Demand, known: Histories, withdrawn: NDArray[np.bool_]) -> "RankingModel":
        """The same as it ranks at another time, beside a copy of its index; `withdrawn` is by product number."""
        then = replace(self, demand=demand, withdrawn=withdrawn[self.number_of_row], neighbours=None, live=None)
        then = replace(then, index=self.index.with_bias(then.biases(np.arange(len(self.index)))))
        return then.with_neighbours(known) if self.weighs_neighbours else then

    def with_neighbours(self, histories: Histories) -> "RankingModel":
        """The same with the neighbours among these customers, weighed or not."""
        neighbours = neighbours_of(self.encoder, histories, self.centre, self.ranking.neighbours)
        return replace(self, neighbours=neighbours)

    def _nobody(self) -> Neighbours:
        return Neighbours(self.centre, len(self.index), self.ranking.neighbours)

    # -- kept fresh

    def biases(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """float32 (len(rows),): what the first stage adds to the scores of these rows, minus infinity if withdrawn."""
        bias = _biases(self.demand, self.number_of_row[rows], self.ranking.scoring)
        bias[self.withdrawn[rows]] = NOT_FOR_SALE
        return bias

    def refresh(self, rows: NDArray[np.integer]) -> None:
        """Let the next search see what has sold and what is withdrawn of these rows, none of them named twice."""
        if not len(rows):
            return
        biases = self.biases(rows)
        self.index.set_bias(rows, biases)
        if self.live is not None:
            self.live.set(rows, biases, *self.demand.popularity_and_trend(self.number_of_row[rows]))

    # -- asked

    def batch(self, customers: NDArray[np.int64], bought: Bought) -> QueryBatch:
        """A micro-batch: customer numbers (n,), -1 or 0 = nobody known, and what each has bought."""
        return self.batch_of(customers, self.encoder.history(bought))

    def batch_of(self, customers: NDArray[np.int64], history: WeightedHistory) -> QueryBatch:
        """The same from histories that `encoder.history` made."""
        return QueryBatch(customers, self.encoder.vectors_of(history), history)

    def rank(
        self,
        batch: QueryBatch,
        k: Sequence[int],
        excluded: Sequence[NDArray[np.integer]],
        only: Sequence[NDArray[np.integer] | None] | None = None,
        addends: Sequence[NDArray[np.float32] | None] | None = None,
    ) -> list[Ranked]:
        """The `k[i]` best rows for each customer, none of `excluded[i]`, and all of `only[i]` where that is given.

        `addends[i]` float32 (n_items,) is added to the log-scores, minus infinity never shown. Fewer only when nothing
        more is allowed; a withdrawn product never is.
        """
        return reranking.rank_in_stages(
            self._sources(),
            self.ranking.weights,
            batch,
            scale=self.ranking.scoring.scale,
            k=k,
            excluded=excluded,
            only=only,
            addends=addends,
        )

    def recommend(
        self, asked: AskedBatch, *, average: NDArray[np.float32], most: int = 2, shares: bool = False
    ) -> Recommended:
        """What each customer is to be shown, with its reasons; `average` is the index's `average_output`.

        With `shares` also what each score is made of.
        """
        kernel = None if self.live is None else self.live.kernel_of(self)
        if kernel is None:
            return reference.recommended(self, asked, average=average, most=most, shares=shares)
        return kernel.recommend(asked, average=average, most=most, shares=shares)

    def candidates(self, batch: QueryBatch, k: int, excluded: Sequence[NDArray[np.integer]]) -> list[Ranked]:
        """The first stage alone: the index's `k` best for each customer."""
        queries = batch.vectors * np.float32(self.ranking.scoring.scale)
        return rank(self.index, queries, [k] * len(queries), excluded)

    def features(
        self, batch: QueryBatch, candidates: Sequence[NDArray[np.int64]], names: Sequence[str] = FEATURES
    ) -> NDArray[np.float32]:
        """float32 (candidates of all customers, 5): what the second stage weighs, as `reranking.features`."""
        return reranking.features(self._sources(), batch, candidates, names)

    def because(
        self,
        history: WeightedHistory,
        recommended: Sequence[NDArray[np.integer]],
        *,
        average: NDArray[np.float32],
        most: int = 2,
    ) -> list[list[list[int]]]:
        """As `reasons.because`, by what decides here; `average` is the index's `average_output`."""
        weights = self.ranking.weights or _INDEX_ALONE
        return because(
            self.vectors,
            self.index.outputs_of,
            history,
            recommended,
            average=average,
            weights=weights,
            votes=self.votes if weights.votes else None,
            most=most,
        )

    def _sources(self) -> FeatureSources:
        return FeatureSources(
            index=self.index,
            demand=self.demand,
            number_of_row=self.number_of_row,
            neighbours=self.neighbours,
            votes=self.votes,
        )


def unbound_model(
    *,
    vectors: NDArray[np.float32],
    index: ItemIndex,
    ranking: Ranking,
    votes: ProductVotes,
    centre: NDArray[np.float32],
) -> RankingModel:
    """A model read back, which knows no product numbers until it is bound to some."""
    return RankingModel(
        vectors=vectors,
        index=index,
        ranking=ranking,
        votes=votes,
        centre=centre,
        number_of_row=np.zeros(len(index), np.int32),
        row_of_number=np.zeros(0, np.int32),
        withdrawn=np.zeros(len(index), bool),
    )


def learnt_model(
    *,
    vectors: NDArray[np.float32],
    outputs: NDArray[np.float32],
    row_of_number: NDArray[np.integer],
    ranking: Ranking,
    votes: ProductVotes | None = None,
    histories: Histories,
) -> RankingModel:
    """A model just learnt, bound to the numbers of the histories that it was learnt from; nobody is a neighbour yet.

    `row_of_number` is by product number, -1 = not in the vocabulary; without `votes` nobody votes. A large catalogue is
    searched by lists, which queries of these customers calibrate.
    """
    scoring = ranking.scoring
    number_of_row = np.zeros(len(vectors), np.int64)
    known = np.flatnonzero(row_of_number >= 0)
    number_of_row[row_of_number[known]] = known
    demand = Demand(scoring.trend_days)
    demand.add(histories.products, histories.times)
    encoder = Encoder(vectors, row_of_number, scoring.recency)
    return RankingModel(
        vectors=vectors,
        index=_built(outputs, _biases(demand, number_of_row, scoring), encoder, histories, scoring),
        ranking=ranking,
        votes=no_votes(len(vectors)) if votes is None else votes,
        centre=encoder.centre(histories),
        number_of_row=number_of_row,
        row_of_number=row_of_number,
        withdrawn=np.zeros(len(vectors), bool),
        demand=demand,
    )


def calibrating_sample(histories: Histories) -> Histories:
    """So many customers, spread evenly over all, as say how an index will be asked and what its answers look like."""
    return of_customers(histories, spread_over(len(histories.customers), _CALIBRATING_CUSTOMERS))


def _biases(demand: Demand, numbers: NDArray[np.integer], scoring: Scoring) -> NDArray[np.float32]:
    return demand.bias(numbers, scoring.popularity_weight, scoring.trend_weight)


def _built(
    outputs: NDArray[np.float32], bias: NDArray[np.float32], encoder: Encoder, histories: Histories, scoring: Scoring
) -> ItemIndex:
    queries = encoder.queries(calibrating_sample(histories)) * np.float32(scoring.scale)
    return ItemIndex.build(outputs, bias, queries)
