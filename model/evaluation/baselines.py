"""Other recommenders, judged beside ours on the same split: bestsellers, item-kNN, ALS, BPR, EASE, plain item2vec.

A peer learns from `Material` and gives scores for customers; `recommend` ranks the whole catalogue by them. `implicit`
is an extra of the project and is imported when it is used. Everything is learnt with one thread and a seed.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags  # type: ignore[import-untyped]  # scipy ships no types

from model.embeddings.queries import LEAST_WEIGHT
from model.embeddings.vocabulary import Sets, in_vocabulary
from model.purchases.histories import Bought, Histories, distinct, in_time_order, part_of
from model.signals.demand import Demand
from model.signals.ease import ease, purchases_matrix

_BATCH = 256
_MOST_EASE = 12_000  # products: more would take many minutes and gigabytes

Scorer = Callable[[NDArray[np.int64]], NDArray[np.float32]]  # positions -> scores (n, products of the catalogue)
Spread = Callable[[csr_matrix], NDArray[np.float32]]  # weighted histories (n, n_columns) -> scores (n, n_columns)
Learner = Callable[["Material", int], Scorer]  # what there is to learn from, and a seed


@dataclass(frozen=True, slots=True)
class Material:
    """What every peer learns from. The catalogue is all products that were ever bought; columns are places in it."""

    histories: Histories
    bought: Bought
    numbers: NDArray[np.int64]  # (n_columns,) product numbers, ascending
    sets: Sets  # columns by customer

    @classmethod
    def of(cls, histories: Histories) -> "Material":
        """From histories."""
        bought = distinct(histories)
        numbers = np.unique(bought.products).astype(np.int64)
        column = np.full(int(numbers.max(initial=0)) + 1, -1, np.int64)
        column[numbers] = np.arange(len(numbers))
        return cls(histories, bought, numbers, in_vocabulary(bought, column))

    def matrix(self) -> csr_matrix:
        """float32 (n_customers, n_columns), 1 where bought."""
        return purchases_matrix(self.sets, np.arange(len(self.numbers)), len(self.numbers))

    def weighted(self, positions: NDArray[np.int64], recency: float) -> csr_matrix:
        """float32 (n, n_columns): these customers' products by recency, a row adding up to 1. 1.0: all alike."""
        part = part_of(self.bought, positions)
        weights = np.maximum(recency**part.ranks, LEAST_WEIGHT).astype(np.float32)
        columns = np.searchsorted(self.numbers, part.products)
        matrix = csr_matrix((weights, columns, part.starts), shape=(len(positions), len(self.numbers)))
        return diags(1.0 / np.maximum(np.asarray(matrix.sum(axis=1)).ravel(), 1e-9).astype(np.float32)) @ matrix

    def demand(self, days: int) -> Demand:
        """Order lines ever and of the last days."""
        demand = Demand(days)
        demand.add(self.histories.products, self.histories.times)
        return demand


def recommend(
    material: Material, scorer: Scorer, positions: NDArray[np.int64], k: int, *, repeat: bool = False
) -> NDArray[np.int64]:
    """int64 (n, k): the best product numbers, -1 where there are no more; none bought before unless `repeat`."""
    k_found = min(k, len(material.numbers))
    shown = np.full((len(positions), k), -1, np.int64)
    for start in range(0, len(positions), _BATCH):
        batch = positions[start : start + _BATCH]
        scores = scorer(batch).astype(np.float32)
        if not repeat:
            part = part_of(material.bought, batch)
            owner = np.repeat(np.arange(len(batch)), np.diff(part.starts))
            scores[owner, np.searchsorted(material.numbers, part.products)] = -np.inf
        best = np.argpartition(-scores, k_found - 1, axis=1)[:, :k_found]
        values = np.take_along_axis(scores, best, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        found = material.numbers[np.take_along_axis(best, order, axis=1)]
        found[np.take_along_axis(values, order, axis=1) == -np.inf] = -1
        shown[start : start + _BATCH, :k_found] = found
    return shown


def by_recency(material: Material, spread: Spread, recency: float = 1.0) -> Scorer:
    """Scores of a peer that looks at a history's products one by one."""
    return lambda positions: spread(material.weighted(positions, recency))


# -- the peers


def bestsellers(days: int | None) -> Learner:
    """What sold most ever, or in the last days."""

    def learn(material: Material, _seed: int) -> Scorer:
        demand = material.demand(days or 1)
        order = demand.sales_order(material.numbers).astype(np.float64)
        sales = demand.total[material.numbers].astype(np.float64) if days is None else order
        # Ranks, because float32 would blur the sales themselves.
        ranks = np.argsort(np.argsort(sales, kind="stable")).astype(np.float32)
        return lambda positions: np.tile(ranks, (len(positions), 1))

    return learn


def ease_spread(material: Material, regularisation: float, *, power: float = 0.0) -> Spread:
    """EASE (Steck 2019), as published or with each customer at weight products ** -power."""
    columns, chosen = len(material.numbers), _most_bought(material)
    votes = ease(material.sets, chosen, columns, regularisation, power=power)

    def spread(history: csr_matrix) -> NDArray[np.float32]:
        if len(chosen) == columns:
            return np.asarray(history @ votes, np.float32)
        scores = np.zeros((history.shape[0], columns), np.float32)
        scores[:, chosen] = history[:, chosen] @ votes
        return scores

    return spread


def item_knn_spread(material: Material, neighbours: float, *, kind: str = "BM25") -> Spread:
    """The item-item nearest neighbours of implicit: BM25, TFIDF or Cosine."""
    with _implicit() as implicit:
        model = getattr(implicit.nearest_neighbours, f"{kind}Recommender")(K=int(neighbours), num_threads=1)
        model.fit(material.matrix(), show_progress=False)
    similar = model.similarity.T.tocsr().astype(np.float32)
    return lambda history: np.asarray((history @ similar).toarray(), np.float32)


def als(factors: int = 64) -> Learner:
    """Weighted matrix factorisation, by implicit."""

    def learn(material: Material, seed: int) -> Scorer:
        with _implicit() as implicit:
            model = implicit.als.AlternatingLeastSquares(
                factors=factors, regularization=0.05, alpha=1.0, iterations=15, num_threads=1, random_state=seed
            )
            return _factors(model, material)

    return learn


def bpr(factors: int = 64) -> Learner:
    """Bayesian personalised ranking, by implicit."""

    def learn(material: Material, seed: int) -> Scorer:
        with _implicit() as implicit:
            model = implicit.bpr.BayesianPersonalizedRanking(
                factors=factors, iterations=100, num_threads=1, random_state=seed
            )
            return _factors(model, material)

    return learn


def _factors(model: Any, material: Material) -> Scorer:
    model.fit(material.matrix(), show_progress=False)
    customers, products = np.asarray(model.user_factors), np.asarray(model.item_factors)
    return lambda positions: customers[positions] @ products.T


@contextmanager
def _implicit() -> Iterator[Any]:
    """The library, an extra and untyped, with its warnings off: it warns of its own conversions and of OpenBLAS."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import implicit.als  # type: ignore[import-untyped]  # noqa: PLC0415
        import implicit.bpr  # type: ignore[import-untyped]  # noqa: PLC0415
        import implicit.nearest_neighbours  # type: ignore[import-untyped]  # noqa: PLC0415

        yield implicit


def plain_item2vec(material: Material, seed: int) -> Scorer:
    """The recipe everybody writes first: gensim's defaults on histories in time order, mean vector, cosine."""
    from gensim.models import Word2Vec  # noqa: PLC0415 - takes a while to load

    ordered = in_time_order(material.histories)
    lines = [str(number) for number in ordered.products.tolist()]
    sentences = [lines[a:b] for a, b in zip(ordered.starts[:-1], ordered.starts[1:], strict=True)]
    words = Word2Vec(sentences, vector_size=64, window=5, seed=seed, workers=1).wv
    vectors = np.zeros((len(material.numbers), 64), np.float32)
    known = np.array([str(number) in words.key_to_index for number in material.numbers.tolist()])
    vectors[known] = words[[str(number) for number in material.numbers[known].tolist()]]
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)

    def scores(positions: NDArray[np.int64]) -> NDArray[np.float32]:
        cosines: NDArray[np.float32] = np.asarray(material.weighted(positions, 1.0) @ vectors) @ unit.T
        cosines[:, ~known] = -np.inf
        return cosines

    return scores


def _most_bought(material: Material) -> NDArray[np.int64]:
    buyers = np.bincount(material.sets.rows, minlength=len(material.numbers))
    return np.sort(np.argsort(-buyers, kind="stable")[:_MOST_EASE])


RANDOMISED = ("plain item2vec (mean, cosine)", "ALS", "BPR")  # those that a seed changes


def named_peers(recent_days: int = 7) -> dict[str, Learner]:
    """The peers that are taken as they come, by the name in the table."""
    return {
        "plain item2vec (mean, cosine)": plain_item2vec,
        "popularity, all time": bestsellers(None),
        f"popularity, last {recent_days} days": bestsellers(recent_days),
        "ALS": als(),
        "BPR": bpr(),
    }
