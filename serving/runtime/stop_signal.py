"""A process ends when it is asked to."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_ASKS_TO_STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


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
