"""Whether the models that are announced to answer are still sound on disk, looked at every five seconds.

In: the folder, as `FolderWatch` sees it, and what is announced. Out: the brands whose model has come to damage.
Promise: the topic is read only when something in the folder has changed for the worse, or something was announced.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from consumers.kafka.clients import BrokerUnavailable
from consumers.releases.announcement import Announcement
from consumers.releases.folder_watch import FolderWatch
from model.snapshots.metadata import SnapshotRefused, read_about, versions

_LOOK_S = 5.0


@dataclass(slots=True)
class AnnouncedDamage:
    """Belongs to the trainer; `tell` hears of each damaged version."""

    watch: FolderWatch
    announced_now: Callable[[], Mapping[str, Announcement]]
    tell: Callable[[str, SnapshotRefused], None]
    _look_at_s: float = 0.0
    _looked: bool = False  # at what is announced now

    def announced(self) -> None:
        """Something was announced: the next look is at that, too."""
        self._looked = False

    def news(self, now_s: float) -> dict[str, bool]:
        """Brands whose announced model is damaged or gone -> whether a sound version is there; `now_s` is monotonic."""
        if now_s < self._look_at_s:
            return {}
        self._look_at_s = now_s + _LOOK_S
        if not self.watch.news() and self._looked:
            return {}
        try:
            announced = self.announced_now()
        except BrokerUnavailable:  # who announces says so
            self._looked = False
            return {}
        self._looked = True
        found: dict[str, bool] = {}
        for brand, said in announced.items():
            problem = self.watch.problem(said.version) if said.serves == "model" else None
            if problem is not None:
                self.tell(said.version, problem)
                found[brand] = self._has_another(brand)
        return found

    def _has_another(self, brand: str) -> bool:
        """Whether a sound version can answer for the brand meanwhile."""
        return any(self._brand_of(version) == brand for version in versions(self.watch.models))

    def _brand_of(self, version: str) -> str | None:
        """The brand of a sound version, "" for every brand; None for a damaged one."""
        if self.watch.problem(version) is not None:
            return None
        try:
            return read_about(self.watch.models, version).brand_id or ""
        except SnapshotRefused:
            return None
