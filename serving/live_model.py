"""The model that answers: a snapshot tied to this worker's product numbers, its biases kept fresh by every purchase.

Opening, checking and tying happens in a background thread; the loop then takes the finished model by one assignment, so no
request waits. A snapshot that is refused is said and counted, and the model that answers stays.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np
import structlog
from numpy.typing import NDArray

from consumers.announcements import Announcement
from consumers.metrics import Metrics
from model.demand import Demand
from model.index import SimilarItems
from model.snapshot import Snapshot, SnapshotRefused, open_snapshot, version_number
from model.store import Store

log = structlog.get_logger(__name__)
NOT_FOR_SALE = np.float32(-np.inf)  # the bias of a withdrawn product: it comes last and is left out


@dataclass(slots=True)
class LiveModel:
    """A model as requests use it. Rows are the index's; numbers are this worker's product numbers."""

    snapshot: Snapshot
    similar: SimilarItems
    number_of_row: NDArray[np.int64]  # (n_rows,)
    row_of_number: NDArray[np.int64]  # by product number, -1 = not in the vocabulary; may end before the newest product
    withdrawn: NDArray[np.bool_]  # (n_rows,)
    rows_of_brand: dict[str, NDArray[np.int64]]
    vectors: NDArray[np.float32]
    _demand_seen: int | None = None

    @property
    def version(self) -> str:
        """The snapshot's version."""
        return self.snapshot.metadata.version

    def follow(self, demand: Demand) -> None:
        """Rewrite the biases of the products that sold since the last call."""
        change = None if self._demand_seen is None else demand.since(self._demand_seen)
        if change is None:
            rows = np.arange(len(self.number_of_row))
        else:
            numbers = change.products[change.products < len(self.row_of_number)]
            rows = self.row_of_number[numbers]
            rows = rows[rows >= 0]
        self._demand_seen = demand.changes
        self._rewrite(demand, rows)

    def withdraw(self, demand: Demand, numbers: NDArray[np.int64], *, withdrawn: bool) -> None:
        """The catalogue took these products out, or back in."""
        rows = self.row_of_number[numbers[numbers < len(self.row_of_number)]]
        rows = rows[rows >= 0]
        self.withdrawn[rows] = withdrawn
        self._rewrite(demand, rows)

    def _rewrite(self, demand: Demand, rows: NDArray[np.int64]) -> None:
        if not len(rows):
            return
        scoring = self.snapshot.metadata.scoring
        bias = demand.bias(self.number_of_row[rows], scoring.popularity_weight, scoring.trend_weight)
        bias[self.withdrawn[rows]] = NOT_FOR_SALE
        self.snapshot.index.set_bias(rows, bias)


def tie(snapshot: Snapshot, store: Store) -> LiveModel:
    """Tie a snapshot's rows to the store's product numbers; products the store has never seen are taken up.

    Call it in the loop's thread: it may write to the store.
    """
    products = snapshot.metadata.products
    pairs = list(zip(products.brand_ids, products.product_ids, strict=True))
    if snapshot.metadata.database_id == store.database_id:
        numbers = np.array(products.numbers, np.int64)
    else:
        numbers = np.array(store.numbers_of(pairs), np.int64)
    row_of_number = np.full(int(numbers.max()) + 1, -1, np.int64)
    row_of_number[numbers] = np.arange(len(numbers))
    known = store.products()
    brands = np.array(products.brand_ids)
    return LiveModel(
        snapshot=snapshot,
        similar=SimilarItems(np.asarray(snapshot.vectors), snapshot.index.outputs),
        number_of_row=numbers,
        row_of_number=row_of_number,
        withdrawn=np.array([known[number].withdrawn for number in numbers], bool),
        rows_of_brand={brand: np.flatnonzero(brands == brand) for brand in sorted(set(products.brand_ids))},
        vectors=np.asarray(snapshot.vectors),
    )


@dataclass(slots=True)
class LiveModels:
    """The models that answer, by brand ("" = every brand), and the announced ones on their way in."""

    models: Path
    store: Store
    demand: Demand
    metrics: Metrics
    live: dict[str, LiveModel] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)  # version -> why
    _wanted: dict[str, Announcement] = field(default_factory=dict)
    _opened: "SimpleQueue[tuple[Announcement, Snapshot | SnapshotRefused]]" = field(default_factory=SimpleQueue)
    _opening: set[str] = field(default_factory=set)

    def for_brand(self, brand_id: str | None) -> LiveModel | None:
        """The brand's own model, else the one of every brand, else None."""
        return self.live.get(brand_id or "") or self.live.get("")

    @property
    def settled(self) -> bool:
        """Whether nothing that was announced is still being opened."""
        return not self._opening

    def announced(self, brand: str, announcement: Announcement | None) -> None:
        """The models topic names another model for a brand; None takes the model away."""
        if announcement is None:
            self._wanted.pop(brand, None)
            if self.live.pop(brand, None) is not None:
                log.warning("model_withdrawn", brand=brand or None)
            return
        current = self.live.get(brand)
        if current is not None and current.version == announcement.version:
            return
        self._wanted[brand] = announcement
        self._opening.add(announcement.version)
        threading.Thread(target=self._open, args=(announcement,), name="open-model", daemon=True).start()

    def _open(self, announcement: Announcement) -> None:
        try:
            found: Snapshot | SnapshotRefused = open_snapshot(self.models, announcement.uri, announcement.sha256)
        except SnapshotRefused as refused:
            found = refused
        except Exception as error:  # noqa: BLE001 - a model must never take the worker down
            found = SnapshotRefused("unreadable", f"{announcement.uri[:80]}: {error!r}")
        self._opened.put((announcement, found))

    def turn(self) -> None:
        """Take what was opened, and bring the biases up to date with what sold."""
        while True:
            try:
                announcement, found = self._opened.get_nowait()
            except Empty:
                break
            self._opening.discard(announcement.version)
            if isinstance(found, SnapshotRefused):
                self._refuse(announcement, found)
            elif self._wanted.get(announcement.brand_id or "") == announcement:  # else a newer one is on its way
                self._take(announcement, found)
        for model in self.live.values():
            model.follow(self.demand)

    def _refuse(self, announcement: Announcement, refused: SnapshotRefused) -> None:
        serving = self.live.get(announcement.brand_id or "")
        self.refused[announcement.version] = str(refused)
        self.metrics.model_refused(refused.reason).inc()
        log.error(
            "model_refused",
            version=announcement.version,
            reason=refused.reason,
            message=str(refused),
            serving=serving.version if serving else None,
        )

    def _take(self, announcement: Announcement, snapshot: Snapshot) -> None:
        started = time.perf_counter()
        model = tie(snapshot, self.store)
        model.follow(self.demand)
        self.live[announcement.brand_id or ""] = model
        metadata = snapshot.metadata
        self.metrics.serve_model(
            model.version,
            number=version_number(model.version),
            made_at_s=metadata.created_at_s,
            products=len(model.number_of_row),
        )
        self.metrics.recommended.of_catalogue(model.number_of_row.astype(np.uint32))
        log.info(
            "model_swapped",
            version=model.version,
            kind=metadata.kind,
            products=len(model.number_of_row),
            swap_ms=round(1000 * (time.perf_counter() - started), 1),
        )

    def catalogue_changed(self, numbers: Sequence[int]) -> None:
        """The catalogue has new words for these products: some may be withdrawn, or back."""
        known = self.store.products()
        for withdrawn in (False, True):
            chosen = np.array([number for number in numbers if known[number].withdrawn is withdrawn], np.int64)
            for model in self.live.values():
                model.withdraw(self.demand, chosen, withdrawn=withdrawn)
