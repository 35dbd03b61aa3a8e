"""A shop in which it is plain who recommends well: customers of six interests who never buy anything else.

Recent popularity knows no interests, so a good model is far above it, and one whose vectors are shuffled is not.
"""

from random import Random

import numpy as np

from model.catalogue.product import Product
from model.embeddings.parameters import TrainingParameters
from model.purchases.histories import Histories
from model.ranking.parameters import Scoring
from model.store.reader import StoreContents, Watermark
from model.training.schedule import Limits
from tests.builders.learnt import recipe

PARAMETERS = TrainingParameters(vector_size=16, min_customers=20, epochs=20)
RECIPE = recipe(parameters=PARAMETERS, scoring=Scoring(), limits=Limits(new_lines=0.9), parts=())  # vectors decide
INTERESTS, EACH = 6, 10
DAY_S = 86_400


def bought(
    customers: int = 300, orders: int = 4, *, brand: str = "", more_orders: int = 0, erased: int = 0
) -> StoreContents:
    """Everybody buys two products of one interest in each order; `more_orders` came later."""
    chance = Random(5)
    products = [Product("", "")] + [Product(brand, f"p-{n}", price=1.0) for n in range(INTERESTS * EACH)]
    lines, starts = [], [0]
    for customer in range(customers):
        first = 1 + EACH * (customer % INTERESTS)
        chosen = chance.sample(range(first, first + EACH), EACH)
        for order in range(orders + more_orders):
            time_s = (100 + 10 * order) * DAY_S + customer * 1_000
            lines += [(chosen[(2 * order + step) % EACH], time_s) for step in range(2)]
        starts.append(len(lines))
    table = np.array(lines, np.uint32).reshape(-1, 2)
    numbers = np.arange(1, customers + 1, dtype=np.uint32)
    histories = Histories(numbers, np.array(starts, np.int64), table[:, 0], table[:, 1])
    return StoreContents(Watermark("db", {0: customers * (orders + more_orders)}), histories, products, erased)
