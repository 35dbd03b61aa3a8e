"""The model that answers: a snapshot bound to this worker's product numbers, kept fresh by every purchase.

What sold moves the biases; who bought moves among the neighbours, a few customers in each turn of the loop, so that no
answer waits for a crowd. `open_model` reads and checks a snapshot and makes of it what needs no store, in any thread;
`bind_in_steps` does the rest in the loop's thread. `live_models` says when.
"""

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.catalogue.packed_products import PackedProducts
from model.index.item_index import SimilarItems
from model.ranking.kernel.compilation import Compilation
from model.ranking.model import RankingModel
from model.signals.demand import Demand
from model.signals.neighbours import Neighbours, take_up
from model.signals.recent_buyers import RecentBuyers
from model.snapshots.metadata import Metadata, SnapshotRefused
from model.snapshots.reader import Snapshot, open_snapshot
from model.store.writer import Store

_BOUND_TOGETHER = 512  # rows: some 1 ms
_PLACED_TOGETHER = 65_536  # rows: some 0.5 ms
_REWRITTEN_TOGETHER = 8192  # biases: some 1 ms
_LOOKED_AT_TOGETHER = 32  # customers: some 2 ms of work, so that a turn ends soon after its time is up


@dataclass(slots=True)
class LiveModel:
    """A model as requests use it, bound to this worker's product numbers."""

    metadata: Metadata
    model: RankingModel
    similar: SimilarItems  # the products' neighbours
    numbers: Sequence[int]  # product numbers by row, for looking up one at a time
    rows_of_brand: dict[str, NDArray[np.int32]]
    average_output: NDArray[np.float32]  # mean of the OUT vectors (dimension,)
    _demand_seen: int | None = None
    _next_row: int = 0  # to be rewritten, while rows are
    _rows_left: int = 0  # that are still to be rewritten, from there on and around
    _buyers_seen: int = -1
    _stale: dict[int, None] = field(default_factory=dict)  # customers to look at again, the most pressing one last

    @property
    def version(self) -> str:
        """The snapshot's version."""
        return self.metadata.version

    def begin(self) -> Generator[None, None, None]:
        """Bring every bias up to date, a part at a time; `follow` goes on from there."""
        self._demand_seen = self.model.demand.changes
        rows = len(self.numbers)
        for start in range(0, rows, _REWRITTEN_TOGETHER):
            self.model.refresh(np.arange(start, min(start + _REWRITTEN_TOGETHER, rows)))
            yield

    def follow(self) -> None:
        """Rewrite the biases of the products that sold since the last call.

        When those are more than 8,192, all are rewritten, so many in each call: the others have those of before a few
        turns longer.
        """
        demand, rows = self.model.demand, len(self.numbers)
        change = None if self._demand_seen is None else demand.since(self._demand_seen)
        self._demand_seen = demand.changes
        if change is None or len(change.products) > _REWRITTEN_TOGETHER:
            self._rows_left = rows
        else:
            self.model.refresh(self.rows_of(change.products))
        if self._rows_left:
            end = min(self._next_row + min(_REWRITTEN_TOGETHER, self._rows_left), rows)
            self.model.refresh(np.arange(self._next_row, end))
            self._rows_left -= end - self._next_row
            self._next_row = end % rows

    @property
    def waiting(self) -> int:
        """How many customers are still to be looked at by `follow_buyers`."""
        return len(self._stale)

    def follow_buyers(self, buyers: RecentBuyers, store: Store, share_s: float) -> None:
        """Bring the neighbours up to date, those who bought last first, for about so many seconds."""
        neighbours = self.model.neighbours
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
        take_up(neighbours, self.model.encoder, histories, self.model.demand.now_s)

    def withdraw(self, numbers: NDArray[np.int64], *, withdrawn: bool) -> None:
        """The catalogue took these products out, or back in."""
        rows = self.rows_of(numbers)
        self.model.withdrawn[rows] = withdrawn
        self.model.refresh(rows)

    def rows_of(self, numbers: NDArray[np.integer]) -> NDArray[np.integer]:
        """The rows of these product numbers; those that the model does not know are left out."""
        row_of_number = self.model.row_of_number
        rows: NDArray[np.integer] = row_of_number[numbers[numbers < len(row_of_number)]]
        return rows[rows >= 0]


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A sound snapshot, and what was made of it without the store."""

    snapshot: Snapshot
    rows_of_brand: dict[str, NDArray[np.int32]]
    average_output: NDArray[np.float32]


def open_model(models: Path, version: str, manifest_sha256: str | None = None) -> OpenedModel:
    """Read and check a version. Raises `SnapshotRefused`."""
    snapshot = open_snapshot(models, version, manifest_sha256)
    if snapshot.model.index.lists is not None:
        _ = snapshot.model.index.lists.layout  # for the kernel: here nobody waits for it
    return OpenedModel(snapshot, snapshot.products.rows_of_brands(), snapshot.model.index.average_output())


def bind(opened: OpenedModel, store: Store, demand: Demand, compilation: Compilation | None = None) -> LiveModel:
    """All of `bind_in_steps` at once."""
    steps = bind_in_steps(opened, store, demand, compilation)
    while True:
        try:
            next(steps)
        except StopIteration as bound:
            live: LiveModel = bound.value
            return live


def bind_in_steps(
    opened: OpenedModel, store: Store, demand: Demand, compilation: Compilation | None = None
) -> Generator[None, None, LiveModel]:
    """Bind a snapshot's rows to the store's product numbers; products the store has never seen are taken up.

    Without `compilation` the reference ranks.

    Call it in the loop's thread: it may write to the store. Each step takes a few milliseconds, however large the
    model. Raises `SnapshotRefused` when the products do not fit.
    """
    snapshot, rows = opened.snapshot, len(opened.snapshot.products)
    number_of_row, withdrawn = yield from _numbered(snapshot, store)
    row_of_number = np.empty(int(number_of_row.max()) + 1, np.int32)
    for start in range(0, len(row_of_number), _PLACED_TOGETHER):  # the memory comes as it is touched
        row_of_number[start : start + _PLACED_TOGETHER] = -1
        yield
    for start in range(0, rows, _PLACED_TOGETHER):
        part = slice(start, min(start + _PLACED_TOGETHER, rows))
        row_of_number[number_of_row[part]] = np.arange(part.start, part.stop, dtype=np.int32)
        yield
    if np.count_nonzero(row_of_number >= 0) != rows:
        raise SnapshotRefused("self_test", f"{snapshot.folder}: a product stands there twice")
    yield
    live = LiveModel(
        metadata=snapshot.metadata,
        model=snapshot.model.bind(
            number_of_row, row_of_number, withdrawn=withdrawn, demand=demand, compilation=compilation
        ),
        similar=snapshot.similar,
        numbers=number_of_row.data,
        rows_of_brand=opened.rows_of_brand,
        average_output=opened.average_output,
    )
    yield
    yield from live.begin()
    return live


def _numbered(snapshot: Snapshot, store: Store) -> Generator[None, None, tuple[NDArray[np.int32], NDArray[np.bool_]]]:
    """The number of each row's product here, and whether it is withdrawn."""
    products, rows = snapshot.products, len(snapshot.products)
    number_of_row, withdrawn = np.zeros(rows, np.int32), np.zeros(rows, bool)
    same_database = snapshot.metadata.database_id == store.database_id
    for start in range(0, rows, _BOUND_TOGETHER):
        part = slice(start, start + _BOUND_TOGETHER)
        names, known = products.names(part), store.products()
        numbers = products.numbers[part].tolist()
        if not same_database or not _numbered_alike(names, numbers, known):
            numbers = store.numbers_of(names)
        number_of_row[part] = numbers
        withdrawn[part] = [product.withdrawn for product in known.of(numbers)]
        yield
    return number_of_row, withdrawn


def _numbered_alike(names: list[tuple[str, str]], numbers: Sequence[int], known: PackedProducts) -> bool:
    """Whether these numbers mean the same products here; a database may be older than a model, out of a backup."""
    inside = min(numbers) > 0 and max(numbers) < len(known)
    return inside and [product[:2] for product in known.of(numbers)] == names
