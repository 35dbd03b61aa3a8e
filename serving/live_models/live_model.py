"""The model that answers: a snapshot tied to this worker's product numbers, kept fresh by every purchase.

What sold moves the biases; who bought moves among the neighbours, a few customers in each turn of the loop, so that no
answer waits for a crowd. `open_model` reads and checks a snapshot and makes of it what needs no store, in any thread;
`tie_in_steps` does the rest in the loop's thread. `live_models` says when.
"""

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.catalogue.packed_products import PackedProducts
from model.embeddings.queries import Encoder
from model.index.item_index import SimilarItems
from model.ranking.reranking import Evidence
from model.signals.demand import Demand
from model.signals.neighbours import Neighbours, take_up
from model.signals.recent_buyers import RecentBuyers
from model.snapshots.metadata import SnapshotRefused
from model.snapshots.product_columns import Products
from model.snapshots.reader import Snapshot, open_snapshot
from model.store.writer import Store

_TIED_TOGETHER = 512  # rows: some 1 ms
_PLACED_TOGETHER = 65_536  # rows: some 0.5 ms
_REWRITTEN_TOGETHER = 8192  # biases: some 1 ms
_LOOKED_AT_TOGETHER = 32  # customers: some 2 ms of work, so that a turn ends soon after its time is up
NOT_FOR_SALE = np.float32(-np.inf)  # the bias of a withdrawn product: no search finds it


@dataclass(slots=True)
class LiveModel:
    """A model as requests use it. Rows are the index's; numbers are this worker's product numbers."""

    snapshot: Snapshot
    number_of_row: NDArray[np.int32]  # (n_rows,)
    numbers: Sequence[int]  # the same, for looking up one at a time
    row_of_number: NDArray[np.int32]  # by product number, -1 = not in the vocabulary; may end before the newest product
    withdrawn: NDArray[np.bool_]  # (n_rows,)
    rows_of_brand: dict[str, NDArray[np.int32]]
    vectors: NDArray[np.float32]  # IN (n_rows, dimension)
    average_output: NDArray[np.float32]  # mean of the OUT vectors (dimension,)
    encoder: Encoder
    evidence: Evidence  # of the second stage; without one there are no neighbours in it
    _demand_seen: int | None = None
    _behind: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))  # rows with an old bias
    _buyers_seen: int = -1
    _stale: dict[int, None] = field(default_factory=dict)  # customers to look at again, the most pressing one last

    @property
    def version(self) -> str:
        """The snapshot's version."""
        return self.snapshot.metadata.version

    @property
    def similar(self) -> SimilarItems:
        """The products' neighbours."""
        return self.snapshot.similar

    def begin(self, demand: Demand) -> None:
        """Take out what is withdrawn; `follow` brings the other biases up to date."""
        self._rewrite(demand, np.flatnonzero(self.withdrawn))

    def follow(self, demand: Demand) -> None:
        """Rewrite the biases of the products that sold since the last call.

        When that is a great part of a large catalogue, 8,192 of them at once: the others have those of before a few
        turns longer.
        """
        change = None if self._demand_seen is None else demand.since(self._demand_seen)
        self._demand_seen = demand.changes
        if change is None or len(change.products) > len(self.number_of_row) // 2:
            self._behind = np.arange(len(self.number_of_row), dtype=np.int32)
        elif len(change.products) > _REWRITTEN_TOGETHER:
            self._behind = np.union1d(self._behind, self.rows_of(change.products))
        else:
            self._rewrite(demand, self.rows_of(change.products))
        now, self._behind = self._behind[:_REWRITTEN_TOGETHER], self._behind[_REWRITTEN_TOGETHER:]
        self._rewrite(demand, now)

    def follow_buyers(self, buyers: RecentBuyers, store: Store, share_s: float) -> None:
        """Bring the neighbours up to date, those who bought last first, for about so many seconds."""
        neighbours = self.evidence.neighbours
        if neighbours is None:
            return
        if self._buyers_seen < buyers.loaded_at:
            neighbours.clear()
            self._stale.clear()
        for customer in reversed(buyers.since(self._buyers_seen)):
            self._stale.pop(customer, None)
            self._stale[customer] = None
        self._buyers_seen = buyers.changes
        end_s = time.perf_counter() + share_s
        while self._stale and time.perf_counter() < end_s:
            self._look_again(neighbours, store)

    def _look_again(self, neighbours: Neighbours, store: Store) -> None:
        chosen = [self._stale.popitem()[0] for _ in range(min(_LOOKED_AT_TOGETHER, len(self._stale)))]
        histories = store.histories_of(chosen)
        for gone in set(chosen) - set(histories.customers.tolist()):
            neighbours.remove(gone)
        take_up(neighbours, self.encoder, histories, self.evidence.demand.now_s)

    def withdraw(self, demand: Demand, numbers: NDArray[np.int64], *, withdrawn: bool) -> None:
        """The catalogue took these products out, or back in."""
        rows = self.rows_of(numbers)
        self.withdrawn[rows] = withdrawn
        self._rewrite(demand, rows)

    def rows_of(self, numbers: NDArray[np.integer]) -> NDArray[np.int32]:
        """The rows of these product numbers; those that the model does not know are left out."""
        rows: NDArray[np.int32] = self.row_of_number[numbers[numbers < len(self.row_of_number)]]
        return rows[rows >= 0]

    def _rewrite(self, demand: Demand, rows: NDArray[np.integer]) -> None:
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
    products: Products
    rows_of_brand: dict[str, NDArray[np.int32]]
    average_output: NDArray[np.float32]


def open_model(models: Path, version: str, manifest_sha256: str | None = None) -> OpenedModel:
    """Read and check a version. Raises `SnapshotRefused`."""
    snapshot = open_snapshot(models, version, manifest_sha256)
    products = snapshot.products()
    return OpenedModel(snapshot, products, products.rows_of_brands(), snapshot.index.average_output())


def tie(opened: OpenedModel, store: Store, demand: Demand) -> LiveModel:
    """All of `tie_in_steps` at once."""
    steps = tie_in_steps(opened, store, demand)
    while True:
        try:
            next(steps)
        except StopIteration as tied:
            model: LiveModel = tied.value
            return model


def tie_in_steps(opened: OpenedModel, store: Store, demand: Demand) -> Generator[None, None, LiveModel]:
    """Tie a snapshot's rows to the store's product numbers; products the store has never seen are taken up.

    Call it in the loop's thread: it may write to the store. Each step takes a few milliseconds, however large the
    model. Raises `SnapshotRefused` when the products do not fit.
    """
    snapshot, rows = opened.snapshot, len(opened.products)
    number_of_row, withdrawn = yield from _numbered(opened, store)
    row_of_number = np.full(int(number_of_row.max()) + 1, -1, np.int32)
    for start in range(0, rows, _PLACED_TOGETHER):
        part = slice(start, min(start + _PLACED_TOGETHER, rows))
        row_of_number[number_of_row[part]] = np.arange(part.start, part.stop, dtype=np.int32)
        yield
    if np.count_nonzero(row_of_number >= 0) != rows:
        raise SnapshotRefused("self_test", f"{snapshot.folder}: a product stands there twice")
    yield
    vectors = np.asarray(snapshot.vectors)
    model = LiveModel(
        snapshot=snapshot,
        number_of_row=number_of_row,
        numbers=number_of_row.data,
        row_of_number=row_of_number,
        withdrawn=withdrawn,
        rows_of_brand=opened.rows_of_brand,
        vectors=vectors,
        average_output=opened.average_output,
        encoder=Encoder(vectors, row_of_number, snapshot.metadata.ranking.scoring.recency),
        evidence=_evidence(snapshot, number_of_row, demand),
    )
    yield
    model.begin(demand)
    return model


def _numbered(opened: OpenedModel, store: Store) -> Generator[None, None, tuple[NDArray[np.int32], NDArray[np.bool_]]]:
    """The number of each row's product here, and whether it is withdrawn."""
    products, rows = opened.products, len(opened.products)
    number_of_row, withdrawn = np.zeros(rows, np.int32), np.zeros(rows, bool)
    same_database = opened.snapshot.metadata.database_id == store.database_id
    for start in range(0, rows, _TIED_TOGETHER):
        part = slice(start, start + _TIED_TOGETHER)
        names, known = products.names(part), store.products()
        numbers = products.numbers[part].tolist()
        if not same_database or not _numbered_alike(names, numbers, known):
            numbers = store.numbers_of(names)
        number_of_row[part] = numbers
        withdrawn[part] = [product.withdrawn for product in known.of(numbers)]
        yield
    return number_of_row, withdrawn


def _evidence(snapshot: Snapshot, number_of_row: NDArray[np.int32], demand: Demand) -> Evidence:
    """What ranking looks at; the neighbours, where there are to be any, are still to be taken up."""
    ranking, neighbours = snapshot.metadata.ranking, None
    if ranking.weights is not None and ranking.weights.neighbours:
        centre = np.array(snapshot.metadata.centre, np.float32)
        neighbours = Neighbours(centre, len(snapshot.index), ranking.neighbours)
    return Evidence(snapshot.index, demand, number_of_row, neighbours, snapshot.votes)


def _numbered_alike(names: list[tuple[str, str]], numbers: Sequence[int], known: PackedProducts) -> bool:
    """Whether these numbers mean the same products here; a database may be older than a model, out of a backup."""
    inside = min(numbers) > 0 and max(numbers) < len(known)
    return inside and [product[:2] for product in known.of(numbers)] == names
