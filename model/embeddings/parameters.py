"""How item vectors are learnt: the settings of a training, and when to start over instead of going on.

Defaults are the recipe that validation chose for shops with full baskets. Small data is given more epochs and no
subsampling: a few thousand pairs need many passes, and none of them can be spared.
"""

from dataclasses import dataclass, replace

_FEW_PAIRS = 100_000
_PAIRS_TO_SEE = 2_000_000
_MOST_EPOCHS = 200


class TooLittleData(Exception):
    """There are not yet enough purchases to learn from; no error of anybody's, it takes more time."""

    def __init__(self, customers_have: int, customers_need: int, *, products_have: int, min_count: int) -> None:
        """`customers_have` counts customers with two or more products that at least `min_count` customers bought."""
        self.customers_have = customers_have
        self.customers_need = customers_need
        self.products_have = products_have
        super().__init__(
            f"{customers_have} customers have bought two or more products that at least {min_count} customers bought "
            f"({products_have} such products); learning starts at {customers_need} customers"
        )


@dataclass(frozen=True, slots=True)
class TrainingParameters:
    """A full training: gensim's parameters by gensim's names, and two rules of our own."""

    vector_size: int = 128
    window: int = 30
    negative: int = 20
    ns_exponent: float = 0.5
    alpha: float = 0.05
    epochs: int = 25
    sample: float = 1e-4
    min_count: int = 2  # customers who bought it, for a product to be learnt
    seed: int = 1
    workers: int = 1  # more than 1 is faster where cores are free, and not reproducible
    min_customers: int = 50  # below, recent popularity is the better answer
    scale_to_data: bool = True  # let `scaled_to` adapt epochs and sample to small data

    def scaled_to(self, pairs: int) -> "TrainingParameters":
        """For this many customer-product pairs: epochs = clip(2e6 / pairs, epochs, 200), and sample = 0 below 1e5."""
        if not self.scale_to_data:
            return self
        epochs = max(self.epochs, min(_PAIRS_TO_SEE // max(pairs, 1), _MOST_EPOCHS))
        return replace(self, epochs=epochs, sample=0.0 if pairs < _FEW_PAIRS else self.sample)


@dataclass(frozen=True, slots=True)
class UpdateParameters:
    """An increment: fewer epochs at a lower rate than a full training, with customers replayed so as not to forget."""

    alpha: float = 0.025
    end_alpha: float = 0.0025
    epochs: int = 6
    replay: int = 1  # random customers' whole sets for each customer with something new, drawn anew in every epoch
    context_products: int = 5  # a sentence shorter than this is filled up with older products of its customer
