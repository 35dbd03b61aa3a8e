"""The trainer as a process beside the worker: started, listened to, started again when it died."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import structlog

from config.settings import Settings
from consumers.observability.metrics import Metrics
from consumers.observability.training_log import TrainingLog
from consumers.pace import Pace
from consumers.training.trainer import Trainer

log = structlog.get_logger(__name__)


def _main(settings: Settings, pace: Pace, pipe: Connection, prepare: Callable[[], None]) -> None:
    """The process's entry."""
    prepare()
    for number in (signal.SIGINT, signal.SIGTERM):  # they may go to the whole group: the parent ends us in its turn
        signal.signal(number, signal.SIG_IGN)
    os.nice(settings.trainer_niceness)
    threading.Thread(target=_end_with_parent, args=(pipe,), daemon=True).start()
    Trainer(settings, lambda event, about: pipe.send((event, about)), pace=pace).run(lambda: False)


def _end_with_parent(pipe: Connection) -> None:
    """Nothing is ever sent this way: reading ends when the parent does, however it ended."""
    try:
        pipe.recv()
    except (EOFError, OSError):
        os._exit(0)


def _nothing() -> None:
    pass


@dataclass(slots=True)
class TrainerProcess:
    """The worker's hold on the trainer; one turn after each batch of the loop."""

    settings: Settings
    metrics: Metrics
    prepare: Callable[[], None] = _nothing  # what the process does first, such as setting up its logs; it is pickled
    pace: Pace = field(default_factory=Pace)
    _process: Any = None
    _pipe: Connection | None = None
    _restart_at_s: float | None = None
    _log: TrainingLog = field(default_factory=TrainingLog)
    _context: Any = field(default_factory=lambda: multiprocessing.get_context("spawn"))

    def start(self) -> None:
        """Start the process."""
        ours, theirs = self._context.Pipe()
        self._process = self._context.Process(
            target=_main, args=(self.settings, self.pace, theirs, self.prepare), name="trainer", daemon=True
        )
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
        alive = True
        try:
            while self._pipe.poll(0):
                self._heard(*self._pipe.recv())
        except (EOFError, OSError):
            alive = False
        if not alive:
            self._died(self._pipe)

    def _died(self, pipe: Connection) -> None:
        self._process.join(1)
        self.metrics.trainer_restarts.inc()
        self.metrics.training_progress.set(0)
        self._log.heard("", 0.0)
        action = f"starting it again in {self.pace.restart_s:.0f} s"
        log.error("trainer_died", exit_code=self._process.exitcode, action=action)
        pipe.close()
        self._restart_at_s = time.monotonic() + self.pace.restart_s

    def _heard(self, event: str, about: dict[str, Any]) -> None:
        if event == "progress":
            self.metrics.training_progress.set(about["done"])
            self._log.heard(about["what"], about["done"], about.get("brand"))
        elif event == "refused":
            log.error("model_damaged", **about)
        elif event == "unannounced":
            log.warning("model_not_announced", **about, action="trying again")
        else:
            self.metrics.trainings(event).inc()
            self._report(event, about)

    def _report(self, event: str, about: dict[str, Any]) -> None:
        if event == "trained":
            self.metrics.training_seconds(about["kind"]).observe(about["seconds"])
            self._count_verdict(about)
            log.info("model_trained", **about)
            if about["verdict"] == "refused":
                log.warning("candidate_refused", version=about["version"], why=about["why"])
        elif event == "too_little_data":
            log.info("too_little_data_to_learn", **about)
        else:
            log.error("training_failed", **about)

    def _count_verdict(self, about: dict[str, Any]) -> None:
        self.metrics.gate_verdicts(about["outcome"]).inc()
        if about.get("brand"):
            return
        for contender in ("candidate", "serving", "popular"):
            ndcg = about[f"{contender}_ndcg"]
            if ndcg is not None:
                self.metrics.gate_ndcg(contender).set(ndcg)
            elif about["verdict"] != "unjudged":
                self.metrics.gate_ndcg.forget(contender)

    def stop(self) -> None:
        """End the process; a training that runs is dropped, its half-written snapshot is never seen."""
        if self._pipe is not None:
            self._pipe.close()  # it ends itself when nobody is at the other end
        if self._process is not None:
            self._process.join(1)
            if self._process.is_alive():
                self._process.kill()
                self._process.join(3)
