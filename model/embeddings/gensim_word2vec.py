"""gensim's Word2Vec, set up and driven as item2vec needs it.

gensim 4.4 updates a vocabulary as if the increment were all there is: min_count and subsampling look at the increment
alone, and replayed words are counted again. So counts, keep probabilities and the table of negatives are set here.
"""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from gensim.models import Word2Vec
from numpy.typing import NDArray

from model.embeddings.parameters import TrainingParameters
from model.progress import Progress


class Sentences(Protocol):
    """A corpus that can be iterated once for each epoch."""

    def __len__(self) -> int:
        """Exactly so many sentences in a pass: gensim warns when it meets another number."""

    def __iter__(self) -> Iterator[list[str]]:
        """One pass."""


class FastWord2Vec(Word2Vec):  # type: ignore[misc]  # gensim is untyped
    """Word2Vec with the table of negatives made by numpy: gensim's loop costs seconds for a large catalogue."""

    def make_cum_table(self, domain: int = 2**31 - 1) -> None:
        """Set `cum_table` (uint32) to what gensim's own method gives."""
        n = len(self.wv.index_to_key)
        if not n:
            self.cum_table = np.zeros(0, np.uint32)
            return
        cumulative = np.cumsum(self.wv.expandos["count"][:n].astype(np.float64) ** float(self.ns_exponent))
        self.cum_table = np.rint(cumulative / cumulative[-1] * domain).astype(np.uint32)


def untrained(parameters: TrainingParameters) -> FastWord2Vec:
    """CBOW with negative sampling and no vocabulary yet; who enters it is decided by the caller."""
    model = FastWord2Vec(
        sg=0,
        cbow_mean=1,
        hs=0,
        vector_size=parameters.vector_size,
        window=parameters.window,
        shrink_windows=True,
        negative=parameters.negative,
        ns_exponent=parameters.ns_exponent,
        sample=parameters.sample,
        min_count=1,
        sorted_vocab=0,
        seed=parameters.seed,
        workers=parameters.workers,
    )
    model.lifecycle_events = None  # a log inside the model that grows with every call
    return model


def learn(
    model: FastWord2Vec,
    sentences: Sentences,
    epochs: int,
    alphas: tuple[float, float],
    progress: Progress,
) -> None:
    """Train for so many passes while the rate falls from the first to the second of `alphas`."""
    model.min_alpha_yet_reached = alphas[0]  # an increment starts higher than the last training ended, on purpose
    model.train(
        sentences,
        total_examples=len(sentences),
        epochs=epochs,
        start_alpha=alphas[0],
        end_alpha=alphas[1],
        callbacks=[_Epochs(epochs, progress)],
    )
    model.corpus_count = len(sentences)


class _Epochs:
    """gensim's callbacks, made into progress."""

    def __init__(self, epochs: int, progress: Progress) -> None:
        self._epochs, self._done, self._progress = epochs, 0, progress

    def on_train_begin(self, _model: object) -> None:
        self._progress("learning", 0.0)

    def on_epoch_begin(self, _model: object) -> None:
        pass

    def on_epoch_end(self, _model: object) -> None:
        self._done += 1
        self._progress("learning", self._done / self._epochs)

    def on_train_end(self, _model: object) -> None:
        pass


def set_counts(model: FastWord2Vec, buyers: NDArray[np.int64], row_of_product: NDArray[np.int64]) -> None:
    """Make everything that gensim derives from counts what it would be had all histories come at once."""
    n = len(model.wv.index_to_key)
    counts = np.ones(n, np.int64)  # a product nobody bought any more keeps its row
    inside = row_of_product >= 0
    counts[row_of_product[inside]] = np.maximum(buyers[inside], 1)
    keep = np.ones(n)
    if model.sample:
        threshold = model.sample * float(counts.sum())
        keep = np.minimum((np.sqrt(counts / threshold) + 1) * threshold / counts, 1.0)
    model.wv.expandos["count"] = counts
    model.wv.expandos["sample_int"] = (keep * (2**32 - 1)).astype(np.uint32)
    model.make_cum_table()
