"""The trainer as a process beside the worker: started, listened to, started again when it died."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import NamedTuple

import structlog

from config.settings import Settings
from consumers.pace import SHOPS_PACE, Pace
from consumers.training.trainer import Trainer
from consumers.training.training_reports import TrainingReports

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


class _Running(NamedTuple):
    """A process, and our end of its pipe."""

    process: SpawnProcess
    pipe: Connection


class TrainerProcess:
    """The worker's hold on the trainer, which runs from here on; one turn after each batch of the loop.

    `prepare` is what the process does first, such as setting up its logs; it is pickled.
    """

    def __init__(
        self,
        settings: Settings,
        reports: TrainingReports,
        prepare: Callable[[], None] = _nothing,
        *,
        pace: Pace = SHOPS_PACE,
    ) -> None:
        self._settings = settings
        self._pace = pace
        self._reports = reports
        self._prepare = prepare
        self._restart_at_s = 0.0
        self._running: _Running | None = self._started()

    def _started(self) -> _Running:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_main, args=(self._settings, self._pace, theirs, self._prepare), name="trainer", daemon=True
        )
        process.start()
        theirs.close()
        log.info("trainer_started", pid=process.pid, niceness=self._settings.trainer_niceness)
        return _Running(process, ours)

    @property
    def pid(self) -> int | None:
        """The process's id; None while it is not running."""
        return None if self._running is None else self._running.process.pid

    def turn(self) -> None:
        """Report what the process told, and start it again some seconds after it died."""
        if self._running is None:
            if time.monotonic() >= self._restart_at_s:
                self._running = self._started()
            return
        try:
            while self._running.pipe.poll(0):
                self._reports.heard(*self._running.pipe.recv())
        except (EOFError, OSError):
            self._died(self._running)

    def _died(self, gone: _Running) -> None:
        gone.process.join(1)
        self._reports.broken_off()
        action = f"starting it again in {self._pace.restart_s:.0f} s"
        log.error("trainer_died", exit_code=gone.process.exitcode, action=action)
        gone.pipe.close()
        self._running = None
        self._restart_at_s = time.monotonic() + self._pace.restart_s

    def stop(self) -> None:
        """End the process; a training that runs is dropped, its half-written snapshot is never seen."""
        if self._running is None:
            return
        process, pipe = self._running
        pipe.close()  # it ends itself when nobody is at the other end
        process.join(1)
        if process.is_alive():
            process.kill()
            process.join(3)
