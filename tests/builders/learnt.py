"""Small purchases to learn from: customers of tea and customers of tents, who have nothing in common."""

import numpy as np

from model.catalogue.product import Product
from model.embeddings.parameters import TrainingParameters
from model.purchases.histories import Histories
from model.ranking.parameters import Scoring
from model.store.reader import StoreContents, Watermark
from model.training.learning import Recipe
from model.training.schedule import Limits

PARAMETERS = TrainingParameters(vector_size=8, epochs=4, min_customers=4, scale_to_data=False, sample=0.0)
GROUPS = (("tea", "teapot", "sugar"), ("tent", "stove", "lamp"))


def recipe(**changed):
    given = {"parameters": PARAMETERS, "scoring": Scoring(), "limits": Limits(new_lines=10.0), "brand_id": None}
    return Recipe(**given | changed)


def contents(customers=20, *, brands=("",), database_id="db", offset=None, erased=0, more=()):
    """Each customer buys one group's products of one brand; `more` are groups that come later."""
    products = [Product("", "")]
    lines = []
    groups = [(brand, group) for brand in brands for group in GROUPS] + [(brands[0], group) for group in more]
    for customer in range(1, customers + 1):
        brand, group = groups[customer % len(groups)]
        for product_id in group:
            product = Product(brand, product_id, price=2.5)
            if product not in products:
                products.append(product)
            lines.append((customer, products.index(product), 1000 + customer))
    table = np.array(lines or np.zeros((0, 3)), np.uint32).reshape(-1, 3)
    numbers, starts = np.unique(table[:, 0], return_index=True)
    histories = Histories(numbers, np.append(starts, len(table)).astype(np.int64), table[:, 1], table[:, 2])
    watermark = Watermark(database_id, {0: customers if offset is None else offset})
    return StoreContents(watermark, histories, products, erased)
