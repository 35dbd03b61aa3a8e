"""The trainer: a process of its own that reads the worker's SQLite file, learns, writes a snapshot and announces it.

It tells what happened over a pipe, one way; `trainer_process` is the worker's hold on it.
"""

import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import Producer

from config.settings import Settings
from consumers.kafka.clients import BrokerUnavailable
from consumers.pace import SHOPS_PACE, Pace
from consumers.releases.announcer import announced_now, on_disk, once
from consumers.releases.damage import AnnouncedDamage
from consumers.releases.folder_watch import FolderWatch
from consumers.training.brand_schedule import BrandTrainings, rules_of
from consumers.training.schedule import Due
from consumers.training.train_once import announcer_of, is_put_off, train_once
from model.embeddings.parameters import TooLittleData
from model.snapshots.metadata import About, SnapshotRefused
from model.store.reader import Watermark, read_contents, read_watermark
from model.store.schema import StoreUnavailable
from model.training.brand_counts import count_brands

_PROGRESS_S = 0.2


Tell = Callable[[str, dict[str, Any]], None]


class Trainer:
    """Learns when it is due. Runs in a process of its own."""

    def __init__(
        self, settings: Settings, tell: Tell, producer: Producer | None = None, *, pace: Pace = SHOPS_PACE
    ) -> None:
        self._settings = settings
        self._pace = pace
        self._tell = tell
        self._database = settings.database
        self._announcer = announcer_of(settings, producer)
        self._due = Due(settings.train_min_new_events, settings.train_max_wait_s, pace, learnt_at_s=time.monotonic())
        self._tell_refused = once(self._refused)
        self._damage = AnnouncedDamage(
            FolderWatch(settings.models_folder),
            lambda: announced_now(self._announcer.clients, self._announcer.topic),
            self._tell_refused,
        )
        self._too_little = False
        self._mend: dict[str, float] = {}  # brand whose model is damaged -> when it is learnt anew, monotonic
        self._behind = True  # the folder may hold what is not announced yet
        newest = {brand: abouts[0] for brand, abouts in on_disk(settings.models_folder, self._tell_refused).items()}
        self._go_on_from(newest.get(""))
        self._brands = BrandTrainings(rules_of(settings), newest)
        self._uncounted = self._due.has_model  # before the first model an import may be going on

    def run(self, stopping: Callable[[], bool]) -> None:
        """Check every `pace.check_s`, for ever."""
        while not stopping():
            self.turn(time.monotonic())
            time.sleep(self._pace.check_s)

    def turn(self, now_s: float) -> None:
        """Announce what has not been announced yet, and learn what is due. `now_s` is monotonic.

        One brand in a turn: so neither do many brands hold up the model of every brand, nor it them.
        """
        self._look_for_damage(now_s)
        if self._behind:
            self._catch_up()
        mark = self._watermark()
        if mark is None:
            return
        self._learn_what_is_damaged(now_s)
        if self._due.check(mark.events, now_s):
            self._learn_of_every_brand(mark, now_s)
        if self._uncounted:
            self._count_brands()
        brand = self._brands.next()
        if brand is not None:
            about = self._learn_guarded(brand)
            self._brands.attempted(brand, time.monotonic(), has_model=about is not None)

    def _look_for_damage(self, now_s: float) -> None:
        """A damaged model is not waited with until training is due: another is announced, and learnt."""
        for brand, has_another in self._damage.news(now_s).items():
            self._mend.setdefault(brand, now_s + (self._pace.fallen_back_s if has_another else 0))
            self._behind = True

    def _learn_what_is_damaged(self, now_s: float) -> None:
        for brand in [brand for brand, at_s in self._mend.items() if now_s >= at_s]:
            about = self._learn_guarded(brand or None)
            if about is not None:
                del self._mend[brand]
                if not brand:
                    self._due.attempted(about.events, time.monotonic(), has_model=True)
            elif self._too_little:
                del self._mend[brand]  # what is missing comes with purchases, and then it is due
            else:
                self._mend[brand] = time.monotonic() + self._pace.mend_again_s

    def _watermark(self) -> Watermark | None:
        try:
            return read_watermark(self._database)
        except StoreUnavailable:  # the worker has not made it yet, or says itself what is wrong with it
            return None

    def _go_on_from(self, newest: About | None) -> None:
        if newest is not None:
            mark = self._watermark()
            same = mark is not None and mark.database_id == newest.database_id
            self._due.attempted(newest.events if same else 0, time.monotonic(), has_model=True)

    def _catch_up(self) -> None:
        """Announce what has earned it; what was decided by hand meanwhile stays."""
        try:
            self._announcer.catch_up(self._tell_refused)
        except BrokerUnavailable as error:
            self._tell("unannounced", {"message": str(error)})  # the next turn tries again
        else:
            self._behind = False

    def _learn_of_every_brand(self, mark: Watermark, now_s: float) -> None:
        before = self._due.learnt_events
        self._due.attempted(mark.events, now_s, has_model=False)
        about = self._learn_guarded(None, lambda: self._due.failed(before, now_s))
        if about is not None:
            self._due.attempted(about.events, time.monotonic(), has_model=True)
        self._uncounted = True

    def _count_brands(self) -> None:
        if self._brands.wanted:
            try:
                contents = read_contents(self._database)
            except StoreUnavailable:  # as above: the next turn tries again
                return
            counts = count_brands(contents.histories, contents.products)
            self._brands.counted(counts, contents.watermark.database_id, time.monotonic())
        self._uncounted = False

    def _learn_guarded(self, brand_id: str | None, on_failure: Callable[[], None] = lambda: None) -> About | None:
        about = self._attempt(brand_id, on_failure)
        if about is not None and is_put_off(self._settings, about):
            about = self._attempt(brand_id, on_failure) or about
        return about

    def _attempt(self, brand_id: str | None, on_failure: Callable[[], None]) -> About | None:
        started = time.monotonic()
        about: About | None = None
        self._too_little = False
        try:
            about = self._learn(brand_id)
        except TooLittleData as little:
            self._too_little = True
            self._tell("too_little_data", {"brand": brand_id, "message": str(little)})
        except BrokerUnavailable as error:  # only the announcement needs Kafka: the snapshot is there
            self._behind = True
            self._tell("unannounced", {"message": str(error)})
        except Exception as error:  # noqa: BLE001 - a process that dies would start over at once, and for ever
            on_failure()
            self._tell("failed", {"message": str(error), "error": type(error).__name__})
        else:
            self._damage.announced()
            self._tell("trained", _told(about) | {"seconds": round(time.monotonic() - started, 2)})
        finally:
            self._tell("progress", {"what": "", "done": 0.0})
        return about

    def _learn(self, brand_id: str | None) -> About:
        told_at_s = 0.0

        def progress(what: str, done: float) -> None:
            nonlocal told_at_s
            if time.monotonic() - told_at_s >= _PROGRESS_S or done >= 1:
                told_at_s = time.monotonic()
                self._tell("progress", {"what": what, "done": max(done, 0.01), "brand": brand_id})

        progress("reading", 0.01)
        return train_once(
            self._settings,
            brand_id=brand_id,
            at_once=True,
            announcer=self._announcer,
            progress=progress,
            on_refused=self._tell_refused,
        )

    def _refused(self, version: str, refused: SnapshotRefused) -> None:
        self._tell("refused", {"version": version, "reason": refused.reason, "message": str(refused)})


def _told(about: About) -> dict[str, Any]:
    return {
        "version": about.version,
        "brand": about.brand_id,
        "kind": about.kind,
        "reason": about.reason,
        "customers": about.customers,
        "lines": about.lines,
        "products": about.vocabulary,
        "learning_s": round(about.seconds, 2),
        "verdict": about.judgement.verdict,
        "outcome": about.judgement.outcome,
        "why": about.judgement.why,
        "candidate_ndcg": about.judgement.candidate_ndcg,
        "serving_ndcg": about.judgement.serving_ndcg,
        "popular_ndcg": about.judgement.popular_ndcg,
    }
