"""A process among others: it ends when it is asked to, holds its folder alone, and says where it listens."""

import ctypes
import fcntl
import gc
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from config.errors import ConfigError

_ASKS_TO_STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_OBJECTS_BEFORE_COLLECTING = 20_000  # Python's own 700 are there several times in every batch of records


@contextmanager
def stop_signal(*, second_kills: bool = True) -> Iterator[Callable[[], bool]]:
    """Whether to stop: set by the first SIGTERM, SIGINT or SIGHUP.

    A second one ends the process at once, or is ignored when `second_kills` is off. A signal that was ignored before,
    as nohup does, stays ignored.
    """
    asked: list[int] = []

    def ask(number: int, _frame: Any) -> None:
        asked.append(number)
        for heard in previous:
            signal.signal(heard, signal.SIG_DFL if second_kills else signal.SIG_IGN)

    previous: dict[signal.Signals, Any] = {}
    for number in _ASKS_TO_STOP:
        if signal.getsignal(number) != signal.SIG_IGN:
            previous[number] = signal.signal(number, ask) or signal.SIG_DFL
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def give_back_memory() -> None:
    """Have the C library return to the system what it keeps for later, where it can; after work with large arrays.

    glibc keeps what a thread freed for that thread.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Look for reference cycles seldom, and only among what is made from now on: records are objects, not cycles."""
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTING, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


@contextmanager
def exclusive(data_dir: Path) -> Iterator[IO[str]]:
    """Hold the folder for this process alone. Raises `ConfigError` when another one has it."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        file = (data_dir / "lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"data_dir = {data_dir}: {error.strerror}; give a folder that this user may write to"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(
                f"data_dir = {data_dir} is in use by another alsobought process: stop that one, or give this one "
                "another data_dir (workers that share the partitions each have their own)"
            ) from error
        yield file


@contextmanager
def announced_in(folder: Path, url: str) -> Iterator[None]:
    """Leave the address in `run.json` while it answers; it appears whole or not at all."""
    note, aside = folder / "run.json", folder / ".run.json"
    aside.write_text(json.dumps({"pid": os.getpid(), "http": url}), encoding="utf-8")
    aside.replace(note)
    try:
        yield
    finally:
        note.unlink(missing_ok=True)
