"""The model that answers: a snapshot tied to this worker's product numbers, kept fresh by every purchase.

What sold moves the biases; who bought moves among the neighbours, a few customers in each turn of the loop, so that no
answer waits for a crowd. `open_model` reads and checks a snapshot and makes of it what needs no store, in any thread;
`tie` does the rest in the loop's thread. `live_models.py` says when.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.blend import Evidence
from model.demand import Demand
from model.index import SimilarItems
from model.metadata import Products
from model.neighbours import Encoder, Neighbours, take_up
from model.purchases import Product
from model.recent_buyers import RecentBuyers
from model.snapshot import Snapshot, SnapshotRefused, open_snapshot
from model.store import Store

_LOOKED_AT_TOGETHER = 32  # customers: some 2 ms of work, so that a turn ends soon after its time is up
NOT_FOR_SALE = np.float32(-np.inf)  # the bias of a withdrawn product: no search finds it


@dataclass(slots=True)
class LiveModel:
    """A model as requests use it. Rows are the index's; numbers are this worker's product numbers."""

    snapshot: Snapshot
    similar: SimilarItems
    number_of_row: NDArray[np.int64]  # (n_rows,)
    numbers: list[int]  # the same, for looking up one at a time
    row_of_number: NDArray[np.int64]  # by product number, -1 = not in the vocabulary; may end before the newest product
    withdrawn: NDArray[np.bool_]  # (n_rows,)
    rows_of_brand: dict[str, NDArray[np.int64]]
    vectors: NDArray[np.float32]  # IN (n_rows, dimension)
    average_output: NDArray[np.float32]  # mean of the OUT vectors (dimension,)
    encoder: Encoder
    evidence: Evidence | None  # of the second stage, where the model has one
    _demand_seen: int | None = None
    _buyers_seen: int = -1
    _stale: dict[int, None] = field(default_factory=dict)  # customers to look at again, the most pressing one last

    @property
    def version(self) -> str:
        """The snapshot's version."""
        return self.snapshot.metadata.version

    def follow(self, demand: Demand) -> None:
        """Rewrite the biases of the products that sold since the last call."""
        change = None if self._demand_seen is None else demand.since(self._demand_seen)
        rows = np.arange(len(self.number_of_row)) if change is None else self.rows_of(change.products)
        self._demand_seen = demand.changes
        self._rewrite(demand, rows)

    def follow_buyers(self, buyers: RecentBuyers, store: Store, share_s: float) -> None:
        """Bring the neighbours up to date, those who bought last first, for about so many seconds."""
        if self.evidence is None or self.evidence.neighbours is None:
            return
        if self._buyers_seen < buyers.loaded_at:
            self.evidence.neighbours.clear()
            self._stale.clear()
        for customer in reversed(buyers.since(self._buyers_seen)):
            self._stale.pop(customer, None)
            self._stale[customer] = None
        self._buyers_seen = buyers.changes
        end_s = time.perf_counter() + share_s
        while self._stale and time.perf_counter() < end_s:
            self._look_again(self.evidence.neighbours, store)

    def _look_again(self, neighbours: Neighbours, store: Store) -> None:
        chosen = [self._stale.popitem()[0] for _ in range(min(_LOOKED_AT_TOGETHER, len(self._stale)))]
        histories = store.histories_of(chosen)
        for gone in set(chosen) - set(histories.customers.tolist()):
            neighbours.remove(gone)
        assert self.evidence is not None, "who has neighbours has evidence"
        take_up(neighbours, self.encoder, histories, self.evidence.demand.now_s)

    def withdraw(self, demand: Demand, numbers: NDArray[np.int64], *, withdrawn: bool) -> None:
        """The catalogue took these products out, or back in."""
        rows = self.rows_of(numbers)
        self.withdrawn[rows] = withdrawn
        self._rewrite(demand, rows)

    def rows_of(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of these product numbers; those that the model does not know are left out."""
        rows = self.row_of_number[numbers[numbers < len(self.row_of_number)]]
        return rows[rows >= 0]

    def _rewrite(self, demand: Demand, rows: NDArray[np.int64]) -> None:
        if not len(rows):
            return
        scoring = self.snapshot.metadata.ranking.scoring
        bias = demand.bias(self.number_of_row[rows], scoring.popularity_weight, scoring.trend_weight)
        bias[self.withdrawn[rows]] = NOT_FOR_SALE
        self.snapshot.index.set_bias(rows, bias)


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A sound snapshot, and what was made of it without the store."""

    snapshot: Snapshot
    similar: SimilarItems
    rows_of_brand: dict[str, NDArray[np.int64]]
    average_output: NDArray[np.float32]


def open_model(models: Path, version: str, manifest_sha256: str | None = None) -> OpenedModel:
    """Read and check a version. Raises `SnapshotRefused`."""
    snapshot = open_snapshot(models, version, manifest_sha256)
    rows: dict[str, list[int]] = {}
    for row, brand in enumerate(snapshot.metadata.products.brand_ids):
        rows.setdefault(brand, []).append(row)
    return OpenedModel(
        snapshot,
        SimilarItems.build(np.asarray(snapshot.vectors), snapshot.index.outputs),
        {brand: np.array(mine, np.int64) for brand, mine in rows.items()},
        snapshot.index.outputs.mean(axis=0),
    )


def tie(opened: OpenedModel, store: Store, demand: Demand) -> LiveModel:
    """Tie a snapshot's rows to the store's product numbers; products the store has never seen are taken up.

    Call it in the loop's thread: it may write to the store. Raises `SnapshotRefused` when the products do not fit.
    """
    metadata = opened.snapshot.metadata
    products = metadata.products
    if metadata.database_id != store.database_id or not _numbered_alike(products, store.products()):
        numbers = store.numbers_of(list(zip(products.brand_ids, products.product_ids, strict=True)))
    else:
        numbers = products.numbers
    known = store.products()
    number_of_row = np.array(numbers, np.int64)
    row_of_number = np.full(int(number_of_row.max()) + 1, -1, np.int64)
    row_of_number[number_of_row] = np.arange(len(numbers))
    if np.count_nonzero(row_of_number >= 0) != len(numbers):
        raise SnapshotRefused("self_test", f"{opened.snapshot.folder}: a product stands there twice")
    vectors = np.asarray(opened.snapshot.vectors)
    return LiveModel(
        snapshot=opened.snapshot,
        similar=opened.similar,
        number_of_row=number_of_row,
        numbers=list(numbers),
        row_of_number=row_of_number,
        withdrawn=np.array([known[number].withdrawn for number in numbers], bool),
        rows_of_brand=opened.rows_of_brand,
        vectors=vectors,
        average_output=opened.average_output,
        encoder=Encoder(vectors, row_of_number, metadata.ranking.scoring.recency),
        evidence=_evidence(opened.snapshot, number_of_row, demand),
    )


def _evidence(snapshot: Snapshot, number_of_row: NDArray[np.int64], demand: Demand) -> Evidence | None:
    """What the second stage looks at; its neighbours are still to be taken up."""
    ranking = snapshot.metadata.ranking
    if ranking.weights is None:
        return None
    centre = np.array(snapshot.metadata.centre, np.float32)
    neighbours = Neighbours(centre, len(snapshot.index), ranking.neighbours) if ranking.weights.neighbours else None
    return Evidence(snapshot.index, demand, number_of_row, neighbours, snapshot.votes)


def _numbered_alike(products: Products, known: Sequence[Product]) -> bool:
    """Whether the snapshot's numbers mean the same products here; a database may be older than it, out of a backup."""
    if len(products.numbers) != len(products.product_ids):
        return False
    return all(
        0 < number < len(known) and known[number].product_id == product_id and known[number].brand == brand
        for number, brand, product_id in zip(products.numbers, products.brand_ids, products.product_ids, strict=True)
    )
