"""The trainer: a process of its own that reads the worker's SQLite file, learns, writes a snapshot and announces it.

`Trainer` is what that process does, `TrainerProcess` the worker's hold on it: started by spawn, niced, restarted when it
dies, ended with its parent. The two talk over a pipe, one way: what happened, for logs and metrics.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Any

import structlog
from confluent_kafka import Producer

from config.settings import Settings
from consumers.announcements import Announcement, send_announcement
from consumers.clients import BrokerUnavailable, KafkaClients
from consumers.metrics import Metrics
from model.reading import Watermark, read_contents, read_watermark
from model.schema import StoreUnavailable
from model.snapshot import About, SnapshotRefused, manifest_digest, read_about, remove_old, versions, write_snapshot
from model.training import Progress, TooLittleData, silent

log = structlog.get_logger(__name__)
_CHECK_S = 1.0
_FIRST_WAIT_S = 30.0  # without a model nobody wants to wait for train_max_wait_s
_SETTLE_S = 30.0
_SETTLED_SHARE = 0.02  # of all events: while a check brings more, a bulk import is going on
_RESTART_S = 5.0

DATABASE = "alsobought.db"
Tell = Callable[[str, dict[str, Any]], None]


@dataclass(slots=True)
class Due:
    """When to learn next: enough is new, or there is something new and time has passed."""

    min_new_events: int
    max_wait_s: float
    learnt_events: int = 0  # at the last attempt
    learnt_at_s: float = 0.0
    has_model: bool = False
    _seen: int = 0
    _busy_since_s: float | None = None

    def check(self, events: int, now_s: float) -> bool:
        """Whether it is time, given all events so far. `now_s` is monotonic."""
        grown, self._seen = events - self._seen, events
        new = events - self.learnt_events
        if new < 0:  # another topic, or a rebuilt file
            self.learnt_events, new = 0, events
        wait_s = self.max_wait_s if self.has_model else min(self.max_wait_s, _FIRST_WAIT_S)
        if new < self.min_new_events and (not new or now_s - self.learnt_at_s < wait_s):
            return False
        if grown > max(_SETTLED_SHARE * events, 1):
            self._busy_since_s = now_s if self._busy_since_s is None else self._busy_since_s
            if now_s - self._busy_since_s < _SETTLE_S:
                return False
        self._busy_since_s = None
        return True

    def attempted(self, events: int, now_s: float, *, has_model: bool) -> None:
        """Learning was tried with this many events."""
        self.learnt_events, self.learnt_at_s = events, now_s
        self.has_model = self.has_model or has_model


class Trainer:
    """Learns when it is due. Runs in a process of its own."""

    def __init__(self, settings: Settings, tell: Tell) -> None:
        self._settings = settings
        self._tell = tell
        self._database = settings.data_dir / DATABASE
        self._models = settings.models_folder
        self._producer = KafkaClients(settings.bootstrap_servers, settings.kafka_properties).producer()
        self._due = Due(settings.train_min_new_events, settings.train_max_wait_s, learnt_at_s=time.monotonic())

    def run(self, stopping: Callable[[], bool]) -> None:
        """Check every second, for ever."""
        self._announce_newest()
        while not stopping():
            time.sleep(_CHECK_S)
            mark = self._watermark()
            if mark is not None and self._due.check(mark.events, time.monotonic()):
                self._learn_guarded()

    def _watermark(self) -> Watermark | None:
        try:
            return read_watermark(self._database)
        except StoreUnavailable:  # the worker has not made it yet, or says itself what is wrong with it
            return None

    def _announce_newest(self) -> None:
        """The topic may be newer than the folder: say again what the newest model is."""
        for version in versions(self._models)[:1]:
            try:
                about = read_about(self._models, version)
                digest = manifest_digest(self._models, version)
            except SnapshotRefused as refused:
                self._tell("refused", {"version": version, "message": str(refused)})
                continue
            self._announce(about, digest)
            self._due.has_model = True
            mark = self._watermark()
            if mark is not None and mark.database_id == about.database_id:
                self._due.learnt_events = about.events

    def _learn_guarded(self) -> None:
        started = time.monotonic()
        try:
            about = self.learn_once()
        except TooLittleData as little:
            self._tell("too_little_data", {"message": str(little)})
        except (StoreUnavailable, SnapshotRefused, BrokerUnavailable, OSError) as error:
            self._tell("failed", {"message": str(error), "error": type(error).__name__})
        else:
            self._tell("trained", _told(about) | {"seconds": round(time.monotonic() - started, 2)})
        finally:
            self._tell("progress", {"what": "", "done": 0.0})

    def learn_once(self) -> About:
        """Learn from all there is. Raises `TooLittleData`, or what kept it from reading, writing or announcing."""
        mark = self._watermark()
        if mark is not None:
            self._due.attempted(mark.events, time.monotonic(), has_model=False)
        self._tell("progress", {"what": "reading", "done": 0.01})
        told = [0.0]

        def progress(what: str, done: float) -> None:
            if time.monotonic() - told[0] >= 0.2 or done >= 1:  # noqa: PLR2004 - five times a second is smooth
                told[0] = time.monotonic()
                self._tell("progress", {"what": what, "done": max(done, 0.01)})

        about = train_once(self._settings, producer=self._producer, progress=progress)
        self._due.attempted(about.events, time.monotonic(), has_model=True)
        return about

    def _announce(self, about: About, digest: str) -> None:
        send_announcement(self._producer, self._settings.models_topic, announcement_of(about, digest))


def train_once(
    settings: Settings,
    *,
    brand_id: str | None = None,
    full: bool = False,
    announce: bool = True,
    producer: Producer | None = None,
    progress: Progress = silent,
) -> About:
    """Learn from all there is, write the snapshot, announce it, and remove the oldest ones.

    Raises `TooLittleData`, or what kept it from reading, writing or announcing.
    """
    # gensim and SciPy take a second and 100 MB: only a process that trains imports them
    from consumers.recipes import recipe_of  # noqa: PLC0415
    from model.learning import learn, newest_ancestor  # noqa: PLC0415

    models = settings.models_folder
    contents = read_contents(settings.data_dir / DATABASE)
    recipe = recipe_of(settings, brand_id)
    ancestor = None if full else newest_ancestor(models, versions(models), brand_id)
    draft = learn(contents, recipe, ancestor, progress, time.time())
    version, digest = write_snapshot(models, draft, datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"))
    about = read_about(models, version)
    if announce:
        producer = producer or KafkaClients(settings.bootstrap_servers, settings.kafka_properties).producer()
        send_announcement(producer, settings.models_topic, announcement_of(about, digest))
    remove_old(models, settings.keep_versions)
    return about


def announcement_of(about: About, manifest_sha256: str) -> Announcement:
    """The announcement of a snapshot."""
    return Announcement(
        version=about.version,
        uri=about.version,
        sha256=manifest_sha256,
        created_at=datetime.fromtimestamp(about.created_at_s, UTC).isoformat(timespec="seconds"),
        brand_id=about.brand_id,
        dim=about.parameters.vector_size,
        products=about.vocabulary,
        offsets=about.offsets,
    )


def _told(about: About) -> dict[str, Any]:
    return {
        "version": about.version,
        "kind": about.kind,
        "reason": about.reason,
        "customers": about.customers,
        "lines": about.lines,
        "products": about.vocabulary,
        "learning_s": round(about.seconds, 2),
    }


def _main(settings: Settings, pipe: Connection) -> None:
    """The process's entry."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent ends us in its turn
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    os.nice(settings.trainer_niceness)
    threading.Thread(target=_end_with_parent, args=(pipe,), daemon=True).start()
    Trainer(settings, lambda event, about: pipe.send((event, about))).run(lambda: False)


def _end_with_parent(pipe: Connection) -> None:
    """Nothing is ever sent this way: reading ends when the parent does, however it ended."""
    try:
        pipe.recv()
    except (EOFError, OSError):
        os._exit(0)


@dataclass(slots=True)
class TrainerProcess:
    """The worker's hold on the trainer; one turn after each batch of the loop."""

    settings: Settings
    metrics: Metrics
    _process: Any = None
    _pipe: Connection | None = None
    _restart_at_s: float | None = None
    _context: Any = field(default_factory=lambda: multiprocessing.get_context("spawn"))

    def start(self) -> None:
        """Start the process."""
        ours, theirs = self._context.Pipe()
        self._process = self._context.Process(target=_main, args=(self.settings, theirs), name="trainer", daemon=True)
        self._process.start()
        theirs.close()
        self._pipe = ours
        log.info("trainer_started", pid=self._process.pid, niceness=self.settings.trainer_niceness)

    def turn(self) -> None:
        """Report what the process told, and start it again some seconds after it died."""
        if self._restart_at_s is not None:
            if time.monotonic() >= self._restart_at_s:
                self._restart_at_s = None
                self.start()
            return
        assert self._pipe is not None, "start comes first"
        try:
            while self._pipe.poll(0):
                self._heard(*self._pipe.recv())
        except (EOFError, OSError):
            self._process.join(1)
            self.metrics.trainer_restarts.inc()
            self.metrics.training_progress.set(0)
            log.error(
                "trainer_died", exit_code=self._process.exitcode, action=f"starting it again in {_RESTART_S:.0f} s"
            )
            self._pipe.close()
            self._restart_at_s = time.monotonic() + _RESTART_S

    def _heard(self, event: str, about: dict[str, Any]) -> None:
        if event == "progress":
            self.metrics.training_progress.set(about["done"])
            return
        self.metrics.trainings(event).inc()
        if event == "trained":
            self.metrics.training_seconds(about["kind"]).observe(about["seconds"])
            log.info("model_trained", **about)
        elif event == "too_little_data":
            log.info("too_little_data_to_learn", **about)
        else:
            log.error(f"training_{event}", **about)

    def stop(self) -> None:
        """End the process; a training that runs is dropped, its half-written snapshot is never seen."""
        if self._process is not None and self._process.is_alive():
            self._process.terminate()
            self._process.join(3)
            if self._process.is_alive():
                self._process.kill()
                self._process.join(3)
        if self._pipe is not None:
            self._pipe.close()
