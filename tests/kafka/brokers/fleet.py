"""The brokers of one test run: which kinds were asked for, each started when first needed and stopped at the end.

A kind that this machine cannot start is remembered with the reason, which the end of the run says loudly.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.kafka.brokers.broker import Broker, EmbeddedKafka, GivenBroker
from tests.kafka.brokers.jars import JARS, Unavailable
from tests.kafka.brokers.java import JavaBroker

ALL = ("embedded", "java", "docker")
MISSING: dict[str, str] = {}
"""Kind -> why it was not there, of this run."""


def kinds(choice: str) -> tuple[str, ...]:
    """The kinds that `--broker=choice` names; ValueError when it names none."""
    if choice == "all":
        return ALL
    if choice in ALL:
        return (choice,)
    if ":" in choice:
        return ("own",)
    raise ValueError(f"--broker={choice}: choose all, {', '.join(ALL)} or the HOST:PORT of a broker of your own")


def may_start(kind: str) -> bool:
    """Whether it looks as if this machine could start one of this kind; only starting it tells for certain."""
    if kind == "java":
        return shutil.which("java") is not None and (JARS.is_dir() or shutil.which("mvn") is not None)
    if kind == "docker":
        return "DOCKER_HOST" in os.environ or Path("/var/run/docker.sock").exists()
    return True


class Fleet:
    """`folder` is where Java brokers live; `choice` as given to --broker."""

    def __init__(self, folder: Path, choice: str) -> None:
        self._start: dict[str, Callable[[], Broker]] = {
            "embedded": EmbeddedKafka,
            "java": lambda: JavaBroker(folder / "java").start(),
            "docker": _container,
            "own": lambda: GivenBroker(choice),
        }
        self._running: dict[str, Broker] = {}

    def get(self, kind: str) -> Broker:
        """The running broker of this kind; Unavailable with the reason, at once when it is known."""
        if kind in MISSING:
            raise Unavailable(MISSING[kind])
        if kind not in self._running:
            try:
                self._running[kind] = self._start[kind]()
            except Unavailable as reason:
                MISSING[kind] = str(reason)
                raise
        return self._running[kind]

    def stop(self) -> None:
        for broker in self._running.values():
            broker.stop()
        self._running.clear()


def _container() -> Broker:
    from tests.kafka.brokers.container import ContainerBroker  # noqa: PLC0415  # half a second that others need not wait

    return ContainerBroker().start()
