"""`alsobought run` that notes when each request of a batch passed each point, for `bench_one_in_flight`.

Nothing of the service is left out or replaced: some calls are timed from outside. The clock is the monotonic one, which
all processes of a machine share. At the end the notes are written to the file that BENCH_MARKS names.
"""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple
from unittest.mock import patch

import msgspec
from confluent_kafka import Consumer

import consumers.loop.answering
from consumers.kafka.records import Record
from consumers.loop.read_ahead import ReadAhead
from serving.cli.main import main
from serving.kafka_api.responder import KafkaResponder
from tests.kafka.support.service import Service

_FILE = "BENCH_MARKS"


class Marks(NamedTuple):
    """One batch: when things happened to it, in seconds of the monotonic clock."""

    appended_ms: int  # the broker's timestamp of its first request, milliseconds since 1970
    polled: float  # the client handed it out
    responding: float  # the responder has it
    responded: float
    produced: float  # the last reply is handed to the producer


class TracedService(Service):
    """The service of the tests, started by way of this module."""

    program = ("tests.benchmarks.traced_worker",)

    def __init__(self, *about: Any, **more: Any) -> None:
        super().__init__(*about, cold=True, **more)
        self.environment[_FILE] = str(self.marks)

    @property
    def marks(self) -> Path:
        """Where its notes are, once it has ended."""
        return self.folder / "marks.json"


class _TimedConsumer:
    """The consumer, which notes when it last handed out a message."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self.polled = 0.0

    def poll(self, wait_s: float) -> Any:
        message = self._consumer.poll(wait_s)
        self.polled = monotonic()
        return message

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)


class _Notes:
    """What is noted, batch by batch."""

    def __init__(self) -> None:
        self.marks: list[Marks] = []
        self.consumer: _TimedConsumer | None = None
        self._open: tuple[int, float, float, float] | None = None

    def read(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """In the place of `ReadAhead._read`."""

        def read(ahead: ReadAhead, most: int, wait_s: float) -> Any:
            if not isinstance(ahead.consumer, _TimedConsumer):
                self.consumer = _TimedConsumer(ahead.consumer)
                ahead.consumer = self.consumer  # type: ignore[assignment]  # stands in for it
            return original(ahead, most, wait_s)

        return read

    def respond(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """In the place of `KafkaResponder.respond`."""

        def respond(responder: KafkaResponder, records: Sequence[Record]) -> Any:
            began = monotonic()
            replies = original(responder, records)
            polled = began if self.consumer is None else self.consumer.polled
            self._open = (records[0].timestamp_ms, polled, began, monotonic())
            return replies

        return respond

    def answer(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """In the place of `Answering._answer`."""

        def answer(answering: Any, records: Sequence[Record]) -> None:
            original(answering, records)
            if self._open is not None:
                self.marks.append(Marks(*self._open, monotonic()))

        return answer


def run() -> None:
    """Be the service."""
    notes = _Notes()
    with ExitStack() as stack:
        for owner, name, wrapped in (
            (ReadAhead, "_read", notes.read),
            (KafkaResponder, "respond", notes.respond),
            (consumers.loop.answering.Answering, "_answer", notes.answer),
        ):
            stack.enter_context(patch.object(owner, name, wrapped(getattr(owner, name))))
        sys.argv = ["alsobought", "run"]
        try:
            main()
        finally:
            Path(os.environ[_FILE]).write_bytes(msgspec.json.encode(notes.marks))


def read_marks(file: Path) -> list[Marks]:
    """What a traced process has noted."""
    return msgspec.json.decode(file.read_bytes(), type=list[Marks])


if __name__ == "__main__":
    run()
