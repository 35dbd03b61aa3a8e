"""A made-up shop for tests of learning: groups of products, and customers who keep to one group."""

from datetime import UTC, datetime

import numpy as np

from model.purchases.histories import Histories

DAY_S = 86_400
GROUPS, PER_GROUP = 4, 15
BEGIN_S = 1_700_006_400


def shop_histories(customers=240, days=120, seed=1):
    """Histories and keys: customer i buys products of group i % 4 only, 8 to 13 of them, and never one twice."""
    random = np.random.default_rng(seed)
    bought, times = [], []
    for customer in range(customers):
        mine = random.permutation(PER_GROUP)[: random.integers(8, 14)] + 1 + PER_GROUP * (customer % GROUPS)
        bought.append(mine)
        times.append(np.sort(random.integers(0, days, len(mine))) * DAY_S + BEGIN_S)
    starts = np.concatenate(([0], np.cumsum([len(mine) for mine in bought]))).astype(np.int64)
    histories = Histories(
        np.arange(1, customers + 1, dtype=np.uint32),
        starts,
        np.concatenate(bought).astype(np.uint32),
        np.concatenate(times).astype(np.uint32),
    )
    return histories, ["", *(f"p{number}" for number in range(1, GROUPS * PER_GROUP + 1))]


def group_of(numbers):
    return (np.asarray(numbers) - 1) // PER_GROUP


def write_csv(path, histories, keys):
    """A file of purchases as `alsobought import` reads it."""
    lines = ["customer_id,order_id,product_id,ts"]
    for i, customer in enumerate(histories.customers.tolist()):
        for line in range(histories.starts[i], histories.starts[i + 1]):
            moment = datetime.fromtimestamp(int(histories.times[line]), UTC).isoformat()
            lines.append(f"c{customer},o{customer}-{histories.times[line]},{keys[histories.products[line]]},{moment}")
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
