"""Who bought last: the customers that answers take as neighbours, with what has changed since somebody last looked.

A customer who was forgotten counts as changed, too: whoever follows then finds that there is no history any more.
"""

from collections import OrderedDict
from collections.abc import Iterable

import numpy as np

from model.purchases.histories import Histories


class RecentBuyers:
    """The `most` customers whose purchases arrived last, by customer number."""

    def __init__(self, most: int = 20_000) -> None:
        """Start with nobody."""
        self.changes = 0  # so far; give it to `since` later
        self.loaded_at = 0  # `changes` when all was loaded: what was known before that is void
        self._most = most
        # customer -> `changes`, the last changed at the end; a dict would look for its oldest among all that are gone
        self._changed_at: OrderedDict[int, int] = OrderedDict()

    def load(self, histories: Histories) -> None:
        """Start again from these histories, which hold the customers' numbers."""
        self._changed_at.clear()
        self.changes += 1
        self.loaded_at = self.changes
        some = np.flatnonzero(np.diff(histories.starts))
        newest = np.maximum.reduceat(histories.times, histories.starts[some]) if len(some) else histories.times
        self.changed(histories.customers[some][np.argsort(newest, kind="stable")[-self._most :]].tolist())

    def changed(self, customers: Iterable[int]) -> None:
        """These customers bought something, in this order, or were forgotten."""
        changed_at, to_the_end = self._changed_at, self._changed_at.move_to_end
        for change, customer in enumerate(customers, self.changes + 1):
            changed_at[customer] = self.changes = change
            to_the_end(customer)
        while len(changed_at) > self._most:
            changed_at.popitem(last=False)

    def since(self, changes: int) -> list[int]:
        """The customers that have changed since then, the last one first."""
        found = []
        for customer, at in reversed(self._changed_at.items()):
            if at <= changes:
                break
            found.append(customer)
        return found
