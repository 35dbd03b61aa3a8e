"""Whether a brand is better off with a model of its own than with that of every brand, restricted to its products.

Real purchases are divided at random into two brands, 70 to 30: once the products ("shared": the customers buy both),
once the customers ("apart": each brand has its own copy of the catalogue). Learnt from all but the last 30 days, tested
on what the customers of a brand bought of it then and never before. Both models rank the same products for them.
"""

import argparse
import time
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from config.settings import Settings
from consumers.file_import.purchase_files import Columns, open_purchases
from consumers.training.recipes import recipe_of
from model.catalogue.product import Product
from model.offline.splits import Cut, Split, split
from model.progress import silent
from model.purchases.histories import Histories, distinct, part_of
from model.ranking.retrieval import rank
from model.snapshots.writer import Draft
from model.store.reader import StoreContents, Watermark
from model.training.brand_counts import count_brands
from model.training.learning import learn
from tests.benchmarks.options import Options
from tests.benchmarks.setting import introduce, real_data, table
from tests.benchmarks.verdicts import Verdicts

K = 10
BRANDS = ("large", "small")
_QUESTION = "NDCG@10 that a brand gains by a model of its own"
_SMALL = 0.3  # of the products, or of the customers


def main() -> None:
    options = Options(__doc__)
    options.size("--seed", 1, 1)
    options.size("--epochs", Settings().epochs, 1, "of each of the six models")
    options.size("--calibrate-hours", Settings().calibrate_hours, 0)
    options.size("--customers", 1_000_000, 600, "at most")
    options.size("--products", 1_000_000, 400, "at most")
    chosen = options.chosen()
    verdicts = Verdicts.of(chosen)
    data = real_data()
    if data is None:
        verdicts.not_measured(_QUESTION, "it needs the real purchases, named in ALSOBOUGHT_DATA")
        return
    introduce("A brand's own model beside the model of every brand", purchases="online_retail", seed=chosen.seed)
    lines = purchases(data / "online_retail" / "transactions.parquet")
    lines = lines[(lines[:, 0] < chosen.customers) & (lines[:, 1] < chosen.products)]
    rows = []
    for layout in ("shared", "apart"):
        histories, products = divided(lines, layout)
        counts = count_brands(histories, products)
        past = split(histories, Cut(days=30.0))
        every = learnt(past, products, None, chosen)
        for brand in BRANDS:
            own = learnt(past, products, brand, chosen)
            pair = [ndcg(model, past, products, brand) for model in (every, own)]
            gain = pair[1] - pair[0]
            margin = 1.96 * gain.std() / np.sqrt(len(gain))
            verdicts.told(f"{_QUESTION}, {layout}: the {brand} one", float(gain.mean()), f" ± {margin:.4f}")
            loyal = f"{100 * counts[brand].loyal / counts[brand].customers:.0f} %"
            means = [f"{values.mean():.4f}" for values in pair]
            rows.append((layout, brand, loyal, f"{len(gain):,}", *means, f"{gain.mean():+.4f} ± {margin:.4f}"))
    heading = "customers", "brand", "buy no other", "tested", f"every brand's NDCG@{K}", "its own", "difference, 95 %"
    table(heading, rows)


def purchases(path: Path) -> NDArray[np.int64]:
    """int64 (n, 3): customer, product and time of each line, the first two as numbers from 0."""
    found: list[tuple[str, str, int]] = []
    with open_purchases(path, Columns(), latest_ms=round(time.time() * 1000)) as file:
        for event in (event for batch in file.batches() for event in batch):
            read = msgspec.json.decode(event.value)
            found += {(read["profile_id"], item["product_id"], event.time_ms // 1000) for item in read["items"]}
    customers, products, times = zip(*found, strict=True)
    numbers = [np.unique(names, return_inverse=True)[1] for names in (customers, products)]
    return np.column_stack([*numbers, np.array(times)]).astype(np.int64)


def divided(lines: NDArray[np.int64], layout: str) -> tuple[Histories, list[Product]]:
    """The lines as histories in which each product is of one of the brands."""
    chance = np.random.default_rng(3)
    customer, product, when = lines[np.lexsort((lines[:, 1], lines[:, 2], lines[:, 0]))].T
    size = int(product.max()) + 1
    if layout == "shared":
        small = chance.random(size) < _SMALL
        products = [Product(BRANDS[int(small[number])], str(number)) for number in range(size)]
    else:
        small = chance.random(int(customer.max()) + 1) < _SMALL
        product = product + size * small[customer]
        products = [Product(brand, str(number)) for brand in BRANDS for number in range(size)]
    numbers, starts = np.unique(customer + 1, return_index=True)
    ends = np.append(starts, len(customer)).astype(np.int64)
    histories = Histories(numbers.astype(np.uint32), ends, (product + 1).astype(np.uint32), when.astype(np.uint32))
    return histories, [Product("", ""), *products]


def learnt(past: Split, products: list[Product], brand: str | None, chosen: argparse.Namespace) -> Draft:
    settings = Settings(seed=chosen.seed, epochs=chosen.epochs, calibrate_hours=chosen.calibrate_hours)
    contents = StoreContents(Watermark("bench", {0: 1}), past.train, products)
    return learn(contents, recipe_of(settings, brand), None, silent, time.time())


def ndcg(draft: Draft, past: Split, products: list[Product], brand: str) -> NDArray[np.float64]:
    """NDCG of each tested customer of the brand."""
    model, numbers = draft.model, draft.model.number_of_row
    is_brands = np.array([product.brand == brand for product in products])
    tested = _tested(past, is_brands)
    own_rows = np.flatnonzero(is_brands[numbers])
    bought = part_of(distinct(past.train), list(tested))
    batch = model.batch(past.train.customers[list(tested)].astype(np.int64), bought)
    queries = batch.vectors * np.float32(model.ranking.scoring.scale)
    ranked = rank(model.index, queries, [K] * len(tested), batch.history.rows_of_each(), [own_rows] * len(tested))
    discounts = 1 / np.log2(np.arange(K) + 2)
    gains = [
        discounts[: len(found.rows)][np.isin(numbers[found.rows], truth)].sum() / discounts[: len(truth)].sum()
        for found, truth in zip(ranked, tested.values(), strict=True)
    ]
    return np.array(gains)


def _tested(past: Split, is_brands: NDArray[np.bool_]) -> dict[int, NDArray[np.int64]]:
    """Customers with products of the brand before and in the window -> those in the window."""
    before, truth = past.train, past.truth
    tested = {}
    for i, at in enumerate(truth.customers.tolist()):
        new = truth.products[truth.starts[i] : truth.starts[i + 1]]
        new = new[is_brands[new]]
        if len(new) and is_brands[before.products[before.starts[at] : before.starts[at + 1]]].any():
            tested[at] = new
    return tested


if __name__ == "__main__":
    main()
