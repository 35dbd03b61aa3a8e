"""Which vectors say best what goes with a product? The made-up shop knows: its products belong to groups.

Printed is the share of the five most similar products that share a group with the product, for cosines of IN vectors,
of OUT vectors, from IN to OUT, and for the sum that the service uses. Bar: no cosine does better than that sum.
"""

from collections import defaultdict
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from model.embeddings import item2vec
from model.embeddings.parameters import TrainingParameters
from model.index.item_index import SimilarItems
from model.purchases.histories import Histories
from serving.demo.shop import Shop
from tests.benchmarks.options import Options
from tests.benchmarks.verdicts import Verdicts

SERVED = "as served"


def histories_of(shop: Shop) -> tuple[Histories, list[str]]:
    numbers: dict[str, int] = {}
    bought = defaultdict(list)
    for purchase in shop.purchases(datetime(2026, 11, 22, tzinfo=UTC)):
        for item in purchase["items"]:
            bought[purchase["profile_id"]].append(numbers.setdefault(item["product_id"], len(numbers) + 1))
    lines = np.array([number for products in bought.values() for number in products], np.uint32)
    starts = np.cumsum([0, *(len(products) for products in bought.values())])
    customers = np.arange(1, len(bought) + 1, dtype=np.uint32)
    return Histories(customers, starts, lines, np.zeros(len(lines), np.uint32)), ["", *numbers]


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths: NDArray[np.float32] = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / lengths


def share_of_friends(shop: Shop, keys: list[str], scores: NDArray[np.float32]) -> float:
    np.fill_diagonal(scores, -np.inf)
    best = np.argsort(-scores, axis=1)[:, :5]
    groups = [shop.goes_with(key) for key in keys]
    return float(np.mean([[bool(groups[i] & groups[j]) for j in row] for i, row in enumerate(best)]))


def main() -> None:
    options = Options(__doc__)
    options.size("--epochs", TrainingParameters().epochs, 1)
    chosen = options.chosen()
    shop = Shop()
    histories, keys = histories_of(shop)
    model = item2vec.train(histories, keys, TrainingParameters(epochs=chosen.epochs))
    ins, outs = unit(model.vectors), unit(model.outputs - model.outputs.mean(axis=0))
    similar = SimilarItems.build(model.vectors, model.outputs)
    served = np.stack([similar.scores_of(direction, np.arange(len(ins))) for direction in ins])
    print(f"{len(keys) - 1} products in {len(shop.groups)} groups, {len(histories.products)} order lines")
    shares = {}
    for name, scores in (
        ("IN . IN", ins @ ins.T),
        ("OUT . OUT", outs @ outs.T),
        ("IN . OUT", ins @ outs.T),
        (SERVED, served),
    ):
        shares[name] = share_of_friends(shop, model.keys, scores)
        print(f"{name:<10} {shares[name]:.3f}")
    best = max(share for name, share in shares.items() if name != SERVED)
    gained = shares[SERVED] / best
    Verdicts.of(chosen).at_least("similar products as served beside the best of plain cosines", gained, 1, " x")


if __name__ == "__main__":
    main()
