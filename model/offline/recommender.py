"""Everything alsobought learns from histories, put together as it serves: item2vec, index, neighbours, product votes.

This is what evaluation judges and calibration tries, made of the modules that the service runs. Rows are the model's,
positions are places in the histories' `customers`, and what is recommended comes as product numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from model.embeddings import item2vec
from model.embeddings.item2vec import Item2vec
from model.embeddings.parameters import TrainingParameters
from model.embeddings.queries import Encoder, Owned, owned, query_vectors
from model.embeddings.vocabulary import in_vocabulary
from model.index.item_index import ItemIndex
from model.progress import Progress, silent
from model.purchases.histories import Bought, Histories, distinct, part_of
from model.ranking.parameters import Scoring, Weights
from model.ranking.reranking import Asking, Evidence, rank_blended
from model.ranking.retrieval import Ranked, rank
from model.signals.demand import Demand
from model.signals.ease import learn_votes
from model.signals.neighbours import NeighbourParameters, neighbours_of
from model.signals.product_votes import VoteParameters

_BATCH = 256


@dataclass(frozen=True, slots=True)
class OwnRecipe:
    """What decides the answers, beside the data. `weights` None: the first stage alone."""

    parameters: TrainingParameters = field(default_factory=TrainingParameters)
    scoring: Scoring = field(default_factory=Scoring)
    weights: Weights | None = field(default_factory=Weights)
    neighbours: NeighbourParameters = field(default_factory=NeighbourParameters)
    votes: VoteParameters = field(default_factory=VoteParameters)

    @property
    def needs_votes(self) -> bool:
        """Whether a table of votes weighs anything."""
        return self.weights is not None and self.weights.votes != 0


@dataclass(frozen=True, slots=True)
class OwnModel:
    """A model that can be asked."""

    histories: Histories
    bought: Bought
    row_of_product: NDArray[np.int64]  # by product number, -1 = not in the vocabulary
    item2vec: Item2vec
    evidence: Evidence
    recipe: OwnRecipe

    def history_of(self, positions: NDArray[np.integer]) -> Owned:
        """The vocabulary rows that these customers bought."""
        return owned(part_of(self.bought, positions), self.row_of_product, self.recipe.scoring.recency)

    def asking(self, positions: NDArray[np.integer]) -> Asking:
        """A micro-batch of these customers."""
        history = self.history_of(positions)
        customers = self.histories.customers[positions].astype(np.int64)
        return Asking(customers, query_vectors(self.item2vec.vectors, history, 1.0), history)

    def candidates(self, asking: Asking, count: int, *, repeat: bool = False) -> list[Ranked]:
        """The first stage's best rows for each customer, those bought already left out unless `repeat`."""
        queries = asking.vectors * np.float32(self.recipe.scoring.scale)
        return rank(self.evidence.index, queries, [count] * len(queries), _excluded(asking, repeat=repeat))

    def recommend(self, positions: NDArray[np.integer], k: int, *, repeat: bool = False) -> NDArray[np.int64]:
        """int64 (n, k): product numbers, best first, -1 where there are no more."""
        shown = np.full((len(positions), k), -1, np.int64)
        for start in range(0, len(positions), _BATCH):
            asking = self.asking(positions[start : start + _BATCH])
            for i, found in enumerate(self._ranked(asking, k, repeat=repeat), start):
                shown[i, : len(found.rows)] = self.evidence.number_of_row[found.rows]
        return shown

    def _ranked(self, asking: Asking, k: int, *, repeat: bool) -> list[Ranked]:
        return rank_blended(
            self.evidence,
            self.recipe.weights,
            asking,
            scale=self.recipe.scoring.scale,
            k=[k] * len(asking.customers),
            excluded=_excluded(asking, repeat=repeat),
        )

    def with_weights(self, weights: Weights | None) -> "OwnModel":
        """This model with other weights of the second stage."""
        return replace(self, recipe=replace(self.recipe, weights=weights))

    def with_scoring(self, scoring: Scoring) -> "OwnModel":
        """This model's vectors under another first stage; neighbours follow where recency has changed."""
        recipe = replace(self.recipe, scoring=scoring)
        evidence = _evidence(self.histories, self.item2vec, self.row_of_product, recipe)
        return replace(self, recipe=recipe, evidence=replace(evidence, votes=self.evidence.votes))

    def with_votes(self, votes: VoteParameters) -> "OwnModel":
        """This model with a table of product votes."""
        sets = in_vocabulary(self.bought, self.row_of_product)
        table = learn_votes(sets, len(self.item2vec.keys), votes)
        return replace(self, recipe=replace(self.recipe, votes=votes), evidence=replace(self.evidence, votes=table))


def learn_own(histories: Histories, keys: Sequence[str], recipe: OwnRecipe, progress: Progress = silent) -> OwnModel:
    """Learn everything. `keys` is indexed by product number. Raises `TooLittleData`."""
    learnt = item2vec.train(histories, keys, recipe.parameters, progress)
    model = put_together(histories, keys, learnt, recipe)
    return model.with_votes(recipe.votes) if recipe.needs_votes else model


def put_together(histories: Histories, keys: Sequence[str], learnt: Item2vec, recipe: OwnRecipe) -> OwnModel:
    """All but the product votes, around item vectors that are there."""
    bought = distinct(histories)
    row_of_product = learnt.rows_of(keys)
    evidence = _evidence(histories, learnt, row_of_product, recipe)
    return OwnModel(histories, bought, row_of_product, learnt, evidence, recipe)


def _evidence(histories: Histories, learnt: Item2vec, row_of_product: NDArray[np.int64], recipe: OwnRecipe) -> Evidence:
    scoring = recipe.scoring
    number_of_row = np.zeros(len(learnt.keys), np.int64)
    known = np.flatnonzero(row_of_product >= 0)
    number_of_row[row_of_product[known]] = known
    demand = Demand(scoring.trend_days)
    demand.add(histories.products, histories.times)
    bias = demand.bias(number_of_row, scoring.popularity_weight, scoring.trend_weight)
    encoder = Encoder(learnt.vectors, row_of_product, scoring.recency)
    neighbours = neighbours_of(encoder, histories, encoder.centre(histories), recipe.neighbours)
    return Evidence(ItemIndex.build(learnt.outputs, bias), demand, number_of_row, neighbours)


def _excluded(asking: Asking, *, repeat: bool) -> list[NDArray[np.int64]]:
    nothing = np.zeros(0, np.int64)
    return [nothing if repeat else asking.history.rows[mine] for mine in asking.history.slices()]
