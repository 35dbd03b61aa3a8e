"""Everything alsobought learns from histories, put together as it serves: item2vec, index, neighbours, product votes.

This is what evaluation judges and calibration tries, around the `RankingModel` that the service runs. Rows are the
model's, positions are places in the histories' `customers`, and what is recommended comes as product numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from model.embeddings import item2vec
from model.embeddings.item2vec import Item2vec
from model.embeddings.parameters import TrainingParameters
from model.embeddings.vocabulary import in_vocabulary
from model.progress import Progress, silent
from model.purchases.histories import Bought, Histories, distinct, part_of
from model.ranking.model import RankingModel, learnt_model
from model.ranking.parameters import Ranking, Scoring, Weights
from model.ranking.reranking import QueryBatch
from model.ranking.retrieval import Ranked
from model.signals.ease import learn_votes
from model.signals.neighbours import NeighbourParameters
from model.signals.product_votes import ProductVotes, VoteParameters

_BATCH = 256


@dataclass(frozen=True, slots=True)
class OfflineRecipe:
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

    def ranking(self) -> Ranking:
        """The part of it that a model keeps."""
        return Ranking(scoring=self.scoring, weights=self.weights, neighbours=self.neighbours, votes=self.votes)


@dataclass(frozen=True, slots=True)
class OfflineRecommender:
    """A model that can be asked without a service."""

    histories: Histories
    bought: Bought
    item2vec: Item2vec
    recipe: OfflineRecipe
    model: RankingModel  # its neighbours are there even where they weigh nothing: other weights may be tried

    def batch(self, positions: NDArray[np.integer]) -> QueryBatch:
        """A micro-batch of these customers."""
        customers = self.histories.customers[positions].astype(np.int64)
        return self.model.batch(customers, part_of(self.bought, positions))

    def candidates(self, batch: QueryBatch, count: int) -> list[Ranked]:
        """The first stage's best rows for each customer, those bought already left out."""
        return self.model.candidates(batch, count, batch.history.rows_of_each())

    def recommend(self, positions: NDArray[np.integer], k: int, *, repeat: bool = False) -> NDArray[np.int64]:
        """int64 (n, k): product numbers, best first, -1 where there are no more. `repeat`: also what was bought."""
        shown = np.full((len(positions), k), -1, np.int64)
        for start in range(0, len(positions), _BATCH):
            batch = self.batch(positions[start : start + _BATCH])
            bought = batch.history.rows_of_each()
            excluded = [np.zeros(0, np.int64)] * len(bought) if repeat else bought
            for i, found in enumerate(self.model.rank(batch, [k] * len(bought), excluded), start):
                shown[i, : len(found.rows)] = self.model.number_of_row[found.rows]
        return shown

    def with_weights(self, weights: Weights | None) -> "OfflineRecommender":
        """The same model with other weights of the second stage."""
        return self._under(replace(self.recipe, weights=weights))

    def with_scoring(self, scoring: Scoring) -> "OfflineRecommender":
        """The same vectors under another first stage; neighbours follow where recency has changed."""
        now = self.recipe.scoring
        if scoring == now:
            return self
        changed = self._under(replace(self.recipe, scoring=scoring))
        if scoring == replace(now, recency=scoring.recency):  # the index, whose biases are the same, can stay
            model = replace(changed.model, centre=changed.model.encoder.centre(self.histories))
            return replace(changed, model=model.with_neighbours(self.histories))
        made = _put_together(self.histories, self.item2vec, self.model.row_of_number, changed.recipe)
        return replace(changed, model=made).with_table(self.model.votes)

    def with_votes(self, votes: VoteParameters) -> "OfflineRecommender":
        """The same model with a table of product votes that is learnt."""
        sets = in_vocabulary(self.bought, self.model.row_of_number.astype(np.int64))
        table = learn_votes(sets, len(self.item2vec.keys), votes)
        return self._under(replace(self.recipe, votes=votes)).with_table(table)

    def with_table(self, votes: ProductVotes) -> "OfflineRecommender":
        """The same model with a table of product votes that is there."""
        return replace(self, model=replace(self.model, votes=votes))

    def _under(self, recipe: OfflineRecipe) -> "OfflineRecommender":
        return replace(self, recipe=recipe, model=replace(self.model, ranking=recipe.ranking()))


def learn_offline(
    histories: Histories, keys: Sequence[str], recipe: OfflineRecipe, progress: Progress = silent
) -> OfflineRecommender:
    """Learn everything. `keys` is indexed by product number. Raises `TooLittleData`."""
    learnt = item2vec.train(histories, keys, recipe.parameters, progress)
    made = put_together(histories, keys, learnt, recipe)
    return made.with_votes(recipe.votes) if recipe.needs_votes else made


def put_together(
    histories: Histories, keys: Sequence[str], learnt: Item2vec, recipe: OfflineRecipe
) -> OfflineRecommender:
    """All but the product votes, around item vectors that are there."""
    model = _put_together(histories, learnt, learnt.rows_of(keys), recipe)
    return OfflineRecommender(histories, distinct(histories), learnt, recipe, model)


def _put_together(
    histories: Histories,
    learnt: Item2vec,
    row_of_number: NDArray[np.integer],
    recipe: OfflineRecipe,
) -> RankingModel:
    return learnt_model(
        vectors=learnt.vectors,
        outputs=learnt.outputs,
        row_of_number=row_of_number,
        ranking=recipe.ranking(),
        histories=histories,
    ).with_neighbours(histories)
