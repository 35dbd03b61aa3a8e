"""What an increment costs beside learning everything anew: 0.3 % new customers, a vocabulary of 100,000.

Both are processor time of what the trainer does between reading the store and writing the snapshot, with the shipped
parameters but for 64 numbers a product. The increment is measured whole, several times; of the full training a few of
its epochs, all of which take as long. Goal: an increment takes at most 1 % of a full training.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from model.embeddings import item2vec
from model.embeddings.item2vec import Item2vec
from model.embeddings.parameters import TrainingParameters
from model.purchases.histories import Histories
from tests.benchmarks.large_catalogue import DIMENSION
from tests.benchmarks.setting import introduce, number, scratch, table

_CORNER = 100  # products; a customer chooses 85 of 100 in one to three neighbouring corners
_FAITHFUL, _LEAST = 0.85, 2
_BEGIN_S = 1_760_000_000


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--products", type=int, default=100_000)
    options.add_argument("--customers", type=int, default=300_000)
    options.add_argument("--mean", type=int, default=16, help="products of a customer")
    options.add_argument("--share", type=float, default=0.003, help="of the customers, who are new")
    options.add_argument("--epochs", type=int, default=1, help="that are measured of the full training")
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    shop = made_up(chosen.customers, chosen.products, chosen.mean)
    keys = [f"product-{at:07}" for at in range(chosen.products + 1)]
    shipped = TrainingParameters(vector_size=DIMENSION)
    introduce("An increment beside a full training", products=chosen.products, customers=chosen.customers,
              lines=len(shop.products), new=f"{chosen.share:.1%} of the customers", rounds=chosen.rounds)  # fmt: skip
    old = int(chosen.customers * (1 - chosen.share))
    model, before, epochs = full(part(shop, 0, old), keys, shipped, chosen.epochs)
    whole = before + shipped.epochs * epochs
    new = part(shop, old, chosen.customers)
    with scratch() as folder:
        model.save(folder / "before.model")
        spent = [increment(folder / "before.model", new, shop, keys, shipped) for _ in range(chosen.rounds)]
    rows = [
        (f"full: vocabulary and {shipped.epochs} epochs of {number(epochs)} s", number(whole), "1"),
        *((what, number(float(np.median(seconds))), f"{np.median(seconds) / whole:.4f}")
          for what, seconds in zip(("increment: open the last model", "learn", "together"), np.transpose(spent),
                                   strict=True)),
    ]  # fmt: skip
    table((f"vocabulary {len(model.keys):,}", "seconds of a processor", "ratio"), rows)


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
