"""What an increment costs beside learning everything anew: 0.3 % new customers, a vocabulary of 100,000.

Both are processor time of what the trainer does between reading the store and writing the snapshot, with the shipped
parameters but for 64 numbers a product. In each round the increment is measured whole, and of
the full training one epoch, all of which take as long. Bar: an increment takes at most 1 % of a full training.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from model.embeddings import item2vec
from model.embeddings.item2vec import Item2vec
from model.embeddings.parameters import TrainingParameters
from model.purchases.histories import Histories
from tests.benchmarks.figures import Figures
from tests.benchmarks.large_catalogue import DIMENSION
from tests.benchmarks.options import Options
from tests.benchmarks.setting import introduce, scratch
from tests.benchmarks.verdicts import Verdicts

FULL, OPENED, LEARNT, TOGETHER = "full", "increment: opening", "increment: learning", "increment"
_CPU = "seconds of a processor"
_CORNER = 100  # products; a customer chooses 85 of 100 in one to three neighbouring corners
_FAITHFUL, _LEAST = 0.85, 2
_BEGIN_S = 1_760_000_000


def main() -> None:
    options = Options(__doc__)
    options.size("--products", 100_000, 1000)
    options.size("--customers", 300_000, 3000)
    options.size("--mean", 16, 16, "products of a customer")
    options.size("--share", 0.003, 0.003, "of the customers, who are new")
    options.size("--epochs", 1, 1, "that are measured of the full training in each round")
    options.size("--rounds", 3, 1)
    chosen = options.chosen()
    verdicts = Verdicts.of(chosen)
    shop = made_up(chosen.customers, chosen.products, chosen.mean)
    keys = [f"product-{at:07}" for at in range(chosen.products + 1)]
    shipped = TrainingParameters(vector_size=DIMENSION)
    introduce("An increment beside a full training", products=chosen.products, customers=chosen.customers,
              lines=len(shop.products), new=f"{chosen.share:.1%} of the customers", rounds=chosen.rounds)  # fmt: skip
    old = int(chosen.customers * (1 - chosen.share))
    new = part(shop, old, chosen.customers)
    figures, vocabulary = Figures(FULL, OPENED, LEARNT, TOGETHER), 0
    with scratch() as folder:
        for _ in range(chosen.rounds):
            model, before, epoch = full(part(shop, 0, old), keys, shipped, chosen.epochs)
            vocabulary = len(model.keys)
            model.save(folder / "before.model")
            del model
            spent = increment(folder / "before.model", new, shop, keys, shipped)
            for name, seconds in zip(figures.who, (before + shipped.epochs * epoch, *spent), strict=True):
                figures.add(name, **{_CPU: seconds})
    print(f"vocabulary {vocabulary:,}; full: vocabulary and {shipped.epochs} times one epoch, of which {chosen.epochs} "
          "was measured in each round")  # fmt: skip
    figures.show(yardstick=FULL)
    shares = [100 * share for share in figures.ratios(_CPU, TOGETHER, FULL)]
    verdicts.at_most("an increment as a share of a full training, by CPU", shares, 1, " %")


def made_up(customers: int, products: int, mean: int) -> Histories:
    """Purchases in which everybody keeps to a corner of the catalogue."""
    random = np.random.default_rng(1)
    sizes = _LEAST + random.geometric(1 / (mean - _LEAST + 1), customers) - 1
    starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    corner = np.repeat(random.integers(0, products // _CORNER, customers), sizes) + random.integers(0, 3, starts[-1])
    faithful = corner % (products // _CORNER) * _CORNER + random.integers(0, _CORNER, starts[-1])
    bought = np.where(random.random(starts[-1]) < _FAITHFUL, faithful, random.integers(0, products, starts[-1]))
    times = np.full(starts[-1], _BEGIN_S, np.uint32)
    return Histories(np.arange(1, customers + 1, dtype=np.uint32), starts, (bought + 1).astype(np.uint32), times)


def part(shop: Histories, start: int, stop: int) -> Histories:
    """The customers at these places."""
    lines = slice(shop.starts[start], shop.starts[stop])
    starts = shop.starts[start : stop + 1] - shop.starts[start]
    return Histories(shop.customers[start:stop], starts, shop.products[lines], shop.times[lines])


def full(
    shop: Histories, keys: list[str], parameters: TrainingParameters, epochs: int
) -> tuple[Item2vec, float, float]:
    """A model of so many epochs; the seconds of a processor before the first, and of one."""
    ends = [time.process_time()]

    def progress(_what: str, _done: float) -> None:
        ends.append(time.process_time())

    measured = TrainingParameters(vector_size=parameters.vector_size, epochs=epochs, scale_to_data=False)
    model = item2vec.train(shop, keys, measured, progress)
    return model, ends[1] - ends[0], (ends[-1] - ends[1]) / epochs


def increment(
    file: Path, new: Histories, shop: Histories, keys: list[str], parameters: TrainingParameters
) -> tuple[float, float, float]:
    """Seconds of a processor to open the model and to learn, and their sum."""
    model, opened = clocked(lambda: item2vec.load(file))
    _, learnt = clocked(lambda: item2vec.update(model, new, shop, keys, parameters))
    return opened, learnt, opened + learnt


def clocked(work: Callable[[], Item2vec]) -> tuple[Item2vec, float]:
    """What it makes, and the seconds of a processor."""
    began = time.process_time()
    made = work()
    return made, time.process_time() - began


if __name__ == "__main__":
    main()
