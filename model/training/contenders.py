"""What each model would have recommended at a moment in the past: the gate compares the answers.

A model's answer is made as the service makes it: ranked with the demand of that moment, without what was bought or
withdrawn, and filled up with what sold lately; recent popularity alone is what answers without a model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.catalogue.product import Product
from model.offline.held_out import HeldOut
from model.purchases.histories import Bought, Histories, distinct, of_customers
from model.ranking.model import RankingModel
from model.ranking.retrieval import Ranked
from model.signals.bestsellers import Bestsellers
from model.signals.demand import Demand


@dataclass(frozen=True, slots=True)
class Moment:
    """What the service would have known, had the tested customers asked at the cut."""

    known: Histories  # of everybody
    customers: NDArray[np.int64]  # numbers of the tested ones
    bought: Bought  # of the tested ones, in their order
    demand: Demand
    withdrawn: NDArray[np.bool_]  # by product number

    def sellable(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """The mask of those that may be offered."""
        return ~self.withdrawn[numbers]

    def owned_by(self, customer: int) -> NDArray[np.int64]:
        """The product numbers of one tested customer."""
        return self.bought.products[self.bought.starts[customer] : self.bought.starts[customer + 1]].astype(np.int64)


def moment_of(held: HeldOut, products: Sequence[Product], trend_days: int) -> Moment:
    """The moment of the cut."""
    demand = Demand(trend_days)
    demand.add(held.known.products, held.known.times)
    tested = of_customers(held.known, held.truth.customers)
    withdrawn = np.array([product.withdrawn for product in products], bool)
    return Moment(
        known=held.known,
        customers=tested.customers.astype(np.int64),
        bought=distinct(tested),
        demand=demand,
        withdrawn=withdrawn,
    )


def next_products(model: RankingModel, moment: Moment, k: int) -> NDArray[np.int64]:
    """int64 (n_customers, k): the product numbers that each tested customer would have been shown, -1 = no more."""
    numbers = model.number_of_row.astype(np.int64, copy=False)
    return popular_products(moment, k, [numbers[found.rows] for found in _ranked(model, moment, k)])


def popular_products(moment: Moment, k: int, besides: Sequence[NDArray[np.int64]] | None = None) -> NDArray[np.int64]:
    """int64 (n_customers, k): what sold lately, behind the products of `besides` where these are given."""
    popular = Bestsellers(moment.demand, moment.sellable)
    customers = len(moment.bought.starts) - 1
    shown = np.full((customers, k), -1, np.int64)
    for customer in range(customers):
        first = np.zeros(0, np.int64) if besides is None else besides[customer]
        unwanted = np.concatenate((moment.owned_by(customer), first))
        more = popular.top(k - len(first), unwanted) if len(first) < k else first[:0]
        shown[customer, : len(first) + len(more)] = np.concatenate((first, more))
    return shown


def _ranked(model: RankingModel, moment: Moment, k: int) -> list[Ranked]:
    """The model's own best for each customer, none for one of whom it knows nothing."""
    then = model.at(moment.demand, moment.known, moment.withdrawn)
    batch = then.batch(moment.customers, moment.bought)
    bought = batch.history.rows_of_each()
    return then.rank(batch, [k if len(rows) else 0 for rows in bought], bought)
