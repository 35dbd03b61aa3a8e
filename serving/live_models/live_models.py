"""The models that answer, one for each brand that has its own, and the announced ones on their way in.

A snapshot is opened and checked in a thread of its own; the loop then takes the finished model by one assignment, so no
request waits. One that is refused is said and counted, and the model that answers stays. The last announcement counts,
also when it names an older version: a worker that starts later reads only that one.
"""

import gc
import threading
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np
import structlog
from numpy.typing import NDArray

from consumers.observability.metrics import Metrics
from consumers.pace import SHOPS_PACE, Pace
from consumers.releases.announcement import Announcement
from model.ranking.kernel.compilation import Compilation
from model.signals.demand import Demand
from model.signals.recent_buyers import RecentBuyers
from model.snapshots.metadata import SnapshotRefused
from model.store.schema import StoreUnavailable
from model.store.writer import Store
from serving.live_models.interpreter import given_back_soon
from serving.live_models.live_model import LiveModel, OpenedModel, bind_in_steps, open_model
from serving.live_models.memory import LettingGo
from serving.live_models.model_figures import ModelFigures

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Opening:
    """A model on its way in."""

    brand: str
    announcement: Announcement


@dataclass(slots=True)
class _Binding:
    """A model that was opened and is being bound to the store."""

    opening: _Opening
    folder: Path
    steps: Generator[None, None, LiveModel]
    began_s: float = field(default_factory=time.perf_counter)
    changed_meanwhile: list[int] = field(default_factory=list)  # products of which the catalogue has new words


@dataclass(slots=True)
class LiveModels:
    """The models that answer, by brand ("" = every brand). All of it runs in the loop's thread, but for opening."""

    models: Path
    store: Store
    demand: Demand
    metrics: Metrics
    buyers: RecentBuyers = field(default_factory=RecentBuyers)
    pace: Pace = SHOPS_PACE
    compilation: Compilation | None = None  # None: the reference ranks
    live: dict[str, LiveModel] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)  # version -> why
    # brands whose model is no better than recent popularity
    answered_by_popularity: set[str] = field(default_factory=set)
    _broken: dict[str, tuple[Announcement, str]] = field(default_factory=dict)  # brand -> what is wanted, and why not
    _open_again_at_s: float = 0.0
    _figures: ModelFigures = field(init=False)
    _wanted: dict[str, Announcement] = field(default_factory=dict)
    _opening: list[_Opening] = field(default_factory=list)
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)
    _binding: "_Binding | None" = None
    _opened: "SimpleQueue[tuple[_Opening, OpenedModel | SnapshotRefused]]" = field(default_factory=SimpleQueue)

    _letting_go: LettingGo = field(default_factory=LettingGo)

    def __post_init__(self) -> None:
        """Put the gauges' part together."""
        self._figures = ModelFigures(self.metrics)

    def for_brand(self, brand_id: str | None, known: NDArray[np.int64] | None = None) -> LiveModel | None:
        """The brand's own model, else the one of every brand, else None.

        One that knows none of the product numbers in `known` stands back for one that does: a brand's own model knows
        nothing of what its customers buy elsewhere.
        """
        models = self.asked(brand_id)
        if known is not None and len(models) > 1:
            knowing = [model for model in models if len(model.rows_of(known))]
            models = knowing or models
        return models[0] if models else None

    def asked(self, brand_id: str | None) -> list[LiveModel]:
        """The models that may answer for a brand, its own first; none where recent popularity does as well."""
        if brand_id in self.answered_by_popularity:
            return []
        names = [brand_id, ""] if brand_id else [""]
        return [self.live[name] for name in names if name in self.live]

    def why_none(self, brand_id: str | None) -> str:
        """Why no model answers for this brand, in the word that replies use."""
        names = {brand_id or "", ""}
        if self.answered_by_popularity & names:
            return "model_refused"
        return "model_damaged" if self._broken.keys() & names else "no_model"

    def damage(self) -> list[str]:
        """Why announced models do not answer, of brands that nothing else answers for; for any thread."""
        return [why for brand, (_, why) in list(self._broken.items()) if brand not in self.live]

    @property
    def settled(self) -> bool:
        """Whether nobody waits for a first model; that of every brand answers until a brand's own is there."""
        known = self.live.keys() | self._broken.keys()  # what is tried again makes nobody wait
        return "" in self.live or all(opening.brand in known for opening in list(self._opening))

    @property
    def opening(self) -> int:
        """How many models are on their way in."""
        return len(self._opening)

    def announced(self, brand: str, announcement: Announcement | None) -> None:
        """The models topic names another model for a brand; None takes the model away.

        Recent popularity answers for the brand, too, when that is announced to be the better answer.
        """
        if announcement is None or announcement.serves == "popular":
            self._withdraw(brand)
            self.answered_by_popularity.discard(brand)
            if announcement is not None:
                self.answered_by_popularity.add(brand)
                log.warning("popularity_answers", brand=brand or None, refused=announcement.newest)
            return
        self._broken.pop(brand, None)
        opening = _Opening(brand, announcement)
        current = self.live.get(brand)
        wanted_already = self._wanted.get(brand) == announcement and opening in self._opening
        self._wanted[brand] = announcement
        if wanted_already or (current is not None and current.version == announcement.version):
            return
        self._begin_opening(opening)

    def _begin_opening(self, opening: _Opening) -> None:
        self._opening.append(opening)
        threading.Thread(target=self._open, args=(opening,), name="open-model", daemon=True).start()

    def _open_again(self) -> None:
        """Try again what was refused: a folder that was away may be back."""
        now_s = time.monotonic()
        if not self._broken or now_s < self._open_again_at_s:
            return
        self._open_again_at_s = now_s + self.pace.open_again_s
        on_their_way = {opening.brand for opening in self._opening}
        for brand, (announcement, _) in self._broken.items():
            if brand not in on_their_way:
                self._begin_opening(_Opening(brand, announcement))

    def turn(self) -> None:
        """Take what was opened, and bring the models up to date with what sold and who bought."""
        self._open_again()
        self._letting_go.turn()
        end_s = time.perf_counter() + self.pace.binding_s
        while (binding := self._begun_binding()) is not None:
            self._bind_further(binding)
            if time.perf_counter() >= end_s:
                break
        for model in self.live.values():
            model.follow()
            model.follow_buyers(self.buyers, self.store, self.pace.neighbours_s / len(self.live))
        by_kernel = [model.model.ranks_by_kernel for model in self.live.values()]
        self.metrics.model.kernel_compiled.set(bool(by_kernel) and all(by_kernel))
        self.metrics.model.neighbours_waiting.set(sum(model.waiting for model in self.live.values()))

    def catalogue_changed(self, numbers: Sequence[int]) -> None:
        """The catalogue has new words for these products: some may be withdrawn, or back."""
        if self._binding is not None:
            self._binding.changed_meanwhile += numbers
        for model in self.live.values():
            self._withdraw_products(model, numbers)

    def _withdraw_products(self, model: LiveModel, numbers: Sequence[int]) -> None:
        known = self.store.products()
        for withdrawn in (False, True):
            chosen = np.array([number for number in numbers if known[number].withdrawn is withdrawn], np.int64)
            model.withdraw(chosen, withdrawn=withdrawn)

    # -- in a thread of its own

    def _open(self, opening: _Opening) -> None:
        announcement = opening.announcement
        found: OpenedModel | SnapshotRefused
        try:
            # one at a time: a start with many brands is to leave the loop its share of the processor
            with self._one_at_a_time, given_back_soon():
                found = open_model(self.models, announcement.uri, announcement.sha256)
            if found.snapshot.metadata.version != announcement.version:
                found = SnapshotRefused("bad_version", f"{found.snapshot.folder} does not hold {announcement.version}")
        except SnapshotRefused as refused:
            found = refused
        except Exception as error:  # noqa: BLE001 - a model must never take the worker down
            found = SnapshotRefused("unreadable", f"{announcement.uri[:80]}: {error!r}")
        self._opened.put((opening, found))

    # -- in the loop's thread

    def _begun_binding(self) -> "_Binding | None":
        """The model that is being bound, begun where there was none; None when none is on its way in."""
        while self._binding is None:
            try:
                opening, found = self._opened.get_nowait()
            except Empty:
                return None
            if isinstance(found, OpenedModel):
                steps = bind_in_steps(found, self.store, self.demand, self.compilation)
                self._binding = _Binding(opening, found.snapshot.folder, steps)
            else:
                self._refuse(opening, found)
                self._opening.remove(opening)
        return self._binding

    def _bind_further(self, binding: "_Binding") -> None:
        """One step; a large model takes many turns, between which requests are answered."""
        refused = None
        try:
            if (
                self._wanted.get(binding.opening.brand) == binding.opening.announcement
            ):  # else another was announced since
                next(binding.steps)
                return
        except StopIteration as bound:
            self._withdraw_products(bound.value, binding.changed_meanwhile)
            self._take(binding.opening.brand, bound.value, time.perf_counter() - binding.began_s)
        except SnapshotRefused as error:
            refused = error
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - a model must never take the worker down
            refused = SnapshotRefused("unreadable", f"{binding.folder}: {error!r}")
        if refused is not None:
            self._refuse(binding.opening, refused)
        self._opening.remove(binding.opening)
        self._binding = None

    def _take(self, brand: str, model: LiveModel, seconds: float) -> None:
        before: list[object] = [self.live[brand]] if brand in self.live else []
        self.live[brand] = model
        self.answered_by_popularity.discard(brand)
        self.refused.pop(model.version, None)
        self._broken.pop(brand, None)
        self._figures.show(self.live)
        if before:
            self._letting_go.free(before)
        gc.freeze()  # what lives as long as the worker: else every full collection looks at all of it, with no answer
        log.info(
            "model_swapped",
            version=model.version,
            kind=model.metadata.kind,
            brand=brand or None,
            products=len(model.numbers),
            swap_ms=round(1000 * seconds, 1),
        )

    def _refuse(self, opening: _Opening, refused: SnapshotRefused) -> None:
        version, serving = opening.announcement.version, self.live.get(opening.brand)
        if self._wanted.get(opening.brand) == opening.announcement:
            self._broken[opening.brand] = opening.announcement, str(refused)
            self._open_again_at_s = time.monotonic() + self.pace.open_again_s
        if self.refused.get(version) == str(refused):
            return  # tried again, and the same still: it was said
        self.refused[version] = str(refused)
        self.metrics.model.refused(refused.reason).inc()
        log.error(
            "model_refused",
            version=version,
            reason=refused.reason,
            message=str(refused),
            serving=serving.version if serving else None,
        )

    def _withdraw(self, brand: str) -> None:
        self._wanted.pop(brand, None)
        self._broken.pop(brand, None)
        gone = self.live.pop(brand, None)
        if gone is not None:
            log.warning("model_withdrawn", version=gone.version, brand=brand or None)
            self._figures.show(self.live)
