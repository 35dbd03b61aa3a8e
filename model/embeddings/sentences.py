"""Sentences for item2vec: a customer's distinct products as tokens, in another random order at every pass.

gensim iterates a corpus once for each epoch. Pass number and seed decide every draw, so the same data gives the same
sentences; nothing is cut, for sets longer than gensim takes become several sentences.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from model.embeddings.vocabulary import Sets

LONGEST = 10_000  # gensim silently drops the rest of a longer sentence (MAX_WORDS_IN_BATCH)


class FullSentences:
    """All customers with two or more products, customers and products shuffled anew at each pass."""

    def __init__(self, sets: Sets, tokens: Sequence[str], seed: int) -> None:
        """`tokens` is indexed by row."""
        self._sets = sets
        self._tokens = np.array(tokens, object)
        self._seed = seed
        self._passes = 0
        self.customers: NDArray[np.int64] = np.flatnonzero(sets.sizes() > 1)

    def __len__(self) -> int:
        """Sentences in a pass."""
        return int(_pieces(self._sets.sizes()[self.customers]).sum())

    def __iter__(self) -> Iterator[list[str]]:
        rng = np.random.default_rng((self._seed, self._passes))
        self._passes += 1
        for customer in rng.permutation(self.customers):
            for piece in _split(rng.permutation(self._sets.of(customer))):
                yield self._tokens[piece].tolist()


class NewSentences:
    """What is new of each customer, and among it whole sets of randomly chosen customers, so that nothing is forgotten.

    A customer with few new products gets older ones of the same customer as their context. A replayed set longer than
    `LONGEST` is represented by so many of its products, others in each pass.
    """

    def __init__(
        self, new: Sets, old: Sets, tokens: Sequence[str], *, replay: int, context_products: int, seed: int
    ) -> None:
        """`new` and `old` have the same customers: the products not yet learnt, and all others of the customer."""
        self._new, self._old = new, old
        self._tokens = np.array(tokens, object)
        self._context = context_products
        self._seed = seed
        self._passes = 0
        sizes, all_sizes = new.sizes(), new.sizes() + old.sizes()
        self.customers: NDArray[np.int64] = np.flatnonzero((sizes >= 1) & (all_sizes > 1))
        self._replayable = np.flatnonzero(all_sizes > 1)
        self._replays = replay * len(self.customers)

    def __len__(self) -> int:
        """Sentences in a pass."""
        return int(_pieces(self._new.sizes()[self.customers]).sum()) + self._replays

    def __iter__(self) -> Iterator[list[str]]:
        rng = np.random.default_rng((self._seed, self._passes))
        self._passes += 1
        replayed = rng.choice(self._replayable, self._replays) if self._replays else self.customers[:0]
        jobs = np.concatenate((self.customers, -1 - replayed))  # negative: replay the whole set
        for job in rng.permutation(jobs):
            pieces = _split(self._fresh(job, rng)) if job >= 0 else [self._whole(-1 - job, rng)]
            for piece in pieces:
                yield self._tokens[piece].tolist()

    def _fresh(self, customer: int, rng: np.random.Generator) -> NDArray[np.int64]:
        rows = self._new.of(customer)
        missing = self._context - len(rows)
        if missing > 0:
            old = self._old.of(customer)
            rows = np.concatenate((rows, rng.choice(old, min(missing, len(old)), replace=False)))
        return rng.permutation(rows)

    def _whole(self, customer: int, rng: np.random.Generator) -> NDArray[np.int64]:
        return rng.permutation(np.concatenate((self._new.of(customer), self._old.of(customer))))[:LONGEST]


def _pieces(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    return -(-sizes // LONGEST)


def _split(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    if len(rows) <= LONGEST:
        return [rows]
    return np.array_split(rows, -(-len(rows) // LONGEST))
