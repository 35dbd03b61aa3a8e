"""Item vectors learnt from histories, anew or by an increment.

A customer's distinct products are one sentence, and a training step is the question the service asks: the mean of some
products' IN vectors against the OUT vector of another. Learning gives a new value and never touches the model passed
in, which can be served meanwhile. The same data and seed give the same vectors (one worker).
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gensim.models import Word2Vec
from numpy.typing import NDArray

from model.embeddings.gensim_word2vec import FastWord2Vec, learn, set_counts, untrained
from model.embeddings.parameters import TooLittleData, TrainingParameters, UpdateParameters
from model.embeddings.sentences import FullSentences, NewSentences
from model.embeddings.vocabulary import in_vocabulary
from model.progress import Progress, silent
from model.purchases.histories import Bought, Histories, distinct, starts_where

_ONE_FILE = 1 << 62  # bytes from which gensim would put an array into a file of its own


@dataclass(frozen=True, slots=True)
class Item2vec:
    """A trained model. Row i of every array belongs to `keys[i]`; the arrays are read-only views of gensim's."""

    keys: list[str]
    vectors: NDArray[np.float32]  # IN (n_items, vector_size): what a bought product contributes to a query
    outputs: NDArray[np.float32]  # OUT (n_items, vector_size): what a query is compared with
    counts: NDArray[np.int64]  # (n_items,) customers who bought it
    gensim: Any  # the Word2Vec itself, to go on from and to save

    def rows_of(self, keys: Sequence[str]) -> NDArray[np.int64]:
        """int64 (len(keys),): the row of each key, -1 where it is not in the vocabulary."""
        index: dict[str, int] = self.gensim.wv.key_to_index
        return np.fromiter((index.get(key, -1) for key in keys), np.int64, len(keys))

    def save(self, path: Path) -> None:
        """Write gensim's own format, in one file that plain `gensim.models.Word2Vec.load` opens."""
        plain = copy.copy(self.gensim)
        plain.__class__ = Word2Vec
        plain.save(str(path), sep_limit=_ONE_FILE)


def load(path: Path) -> Item2vec:
    """Read what `save` wrote. It is a pickle, which runs code: only ever open files of our own."""
    model = Word2Vec.load(str(path))
    model.__class__ = FastWord2Vec
    return _wrapped(model)


def train(
    histories: Histories,
    keys: Sequence[str],
    parameters: TrainingParameters,
    progress: Progress = silent,
) -> Item2vec:
    """Learn everything from the beginning. `keys` is indexed by product number.

    Raises `TooLittleData` when fewer than `parameters.min_customers` customers have two products of the vocabulary.
    """
    buyers, vocabulary, sentences, scaled = _material(histories, keys, parameters)
    model = untrained(scaled)
    counts = {keys[number]: int(buyers[number]) for number in vocabulary}
    model.build_vocab_from_freq(counts, corpus_count=len(sentences))
    learn(model, sentences, scaled.epochs, (scaled.alpha, scaled.alpha / 500), progress)
    return _wrapped(model)


def check_enough(histories: Histories, keys: Sequence[str], parameters: TrainingParameters) -> None:
    """Raise the `TooLittleData` that `train` would, without the training."""
    _material(histories, keys, parameters)


def update(
    item2vec: Item2vec,
    new: Histories,
    histories: Histories,
    keys: Sequence[str],
    parameters: TrainingParameters,
    *,
    increment: UpdateParameters | None = None,
    progress: Progress = silent,
) -> Item2vec:
    """Go on from a model with the lines of `new`, which are also in `histories` (all there are).

    A product enters the vocabulary when `min_count` customers have bought it, however the purchases were spread over
    increments, and is then learnt with all who bought it. Nothing to learn gives the same vectors with fresh counts.
    """
    increment = increment or UpdateParameters()
    bought = distinct(histories)
    buyers = _buyers(bought, len(keys))
    row_of_product = item2vec.rows_of(keys)
    known = row_of_product >= 0
    entering = _vocabulary(np.where(known, 0, buyers), parameters.min_count)
    row_of_product[entering] = len(item2vec.keys) + np.arange(len(entering))
    is_new = _pairs_of(new, histories, bought) | np.isin(bought.products, entering)

    model = copy.deepcopy(item2vec.gensim)
    model.sample = parameters.scaled_to(len(bought.products)).sample
    if len(entering):
        model.build_vocab_from_freq({keys[n]: int(buyers[n]) for n in entering}, update=True)
    set_counts(model, buyers, row_of_product)
    sentences = NewSentences(
        in_vocabulary(_where(bought, is_new), row_of_product),
        in_vocabulary(_where(bought, ~is_new), row_of_product),
        model.wv.index_to_key,
        replay=increment.replay,
        context_products=increment.context_products,
        seed=parameters.seed + model.train_count,
    )
    if len(sentences.customers):
        learn(model, sentences, increment.epochs, (increment.alpha, increment.end_alpha), progress)
    return _wrapped(model)


def vocabulary_size(histories: Histories, min_count: int) -> int:
    """How many products a full training would learn now."""
    buyers = np.bincount(distinct(histories).products)
    return int(np.count_nonzero(buyers >= min_count))


def _material(
    histories: Histories, keys: Sequence[str], parameters: TrainingParameters
) -> tuple[NDArray[np.int64], NDArray[np.int64], FullSentences, TrainingParameters]:
    """Buyers by product number, the vocabulary, what is learnt from, and the parameters for so much of it."""
    bought = distinct(histories)
    buyers = _buyers(bought, len(keys))
    scaled = parameters.scaled_to(len(bought.products))
    vocabulary = _vocabulary(buyers, scaled.min_count)
    sets = in_vocabulary(bought, _row_of_product(vocabulary, len(keys)))
    sentences = FullSentences(sets, [keys[number] for number in vocabulary], scaled.seed)
    needed = max(parameters.min_customers, 1)
    if len(sentences.customers) < needed:
        raise TooLittleData(len(sentences.customers), needed, products_have=len(vocabulary), min_count=scaled.min_count)
    return buyers, vocabulary, sentences, scaled


def _wrapped(model: FastWord2Vec) -> Item2vec:
    counts = np.asarray(model.wv.expandos["count"], np.int64)
    arrays = [np.asarray(array).view() for array in (model.wv.vectors, model.syn1neg, counts)]
    for array in arrays:
        array.flags.writeable = False
    return Item2vec(
        keys=list(model.wv.index_to_key), vectors=arrays[0], outputs=arrays[1], counts=arrays[2], gensim=model
    )


def _buyers(bought: Bought, products: int) -> NDArray[np.int64]:
    return np.bincount(bought.products, minlength=products)


def _vocabulary(buyers: NDArray[np.int64], min_count: int) -> NDArray[np.int64]:
    """The numbers of the products to learn, most bought first."""
    numbers = np.flatnonzero(buyers >= max(min_count, 1))
    return numbers[np.argsort(-buyers[numbers], kind="stable")]


def _row_of_product(vocabulary: NDArray[np.int64], products: int) -> NDArray[np.int64]:
    rows = np.full(products, -1, np.int64)
    rows[vocabulary] = np.arange(len(vocabulary))
    return rows


def _pairs_of(new: Histories, histories: Histories, bought: Bought) -> NDArray[np.bool_]:
    """Which of the pairs `bought` out of `histories` also are in `new`."""
    assert np.isin(new.customers, histories.customers).all(), "new lines are among all lines"
    fresh = distinct(new)
    position = np.searchsorted(histories.customers, new.customers)
    return np.isin(_pair_keys(bought, np.arange(len(histories.customers))), _pair_keys(fresh, position))


def _pair_keys(bought: Bought, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    return (np.repeat(positions, np.diff(bought.starts)) << 32) | bought.products


def _where(bought: Bought, mask: NDArray[np.bool_]) -> Bought:
    return Bought(starts_where(bought.starts, mask), bought.products[mask], bought.ranks[mask])
