"""The yardstick of the answers: a process that knows nothing and sends a reply of the right size.

It uses the service's own client settings, the same batches, and replies recorded from the service, so that size and
compression are equal. `Echo` starts and ends it.
"""

import multiprocessing
import signal
import time
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Self

import msgspec
from confluent_kafka import TopicPartition

from consumers.kafka.clients import KafkaClients, drain
from consumers.loop.deliveries import Span


class Echo:
    """The process, running inside a `with`."""

    def __init__(
        self,
        bootstrap: str,
        requests: Sequence[TopicPartition],
        replies: Sequence[bytes],
        batch: int,
        *,
        properties: Mapping[str, str],
        marks: Path | None = None,
    ) -> None:
        """`properties` are librdkafka's; with `marks` it notes when it did what and writes that there at its end."""
        spawn = multiprocessing.get_context("spawn")
        where = [(part.topic, part.partition) for part in requests]
        more = {"properties": dict(properties), "marks": marks}
        given = (bootstrap, where, list(replies), batch)
        self._process = spawn.Process(target=answer, args=given, kwargs=more, daemon=True)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None, "not started"
        return self._process.pid

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def answer(
    bootstrap: str,
    requests: list[tuple[str, int]],
    replies: list[bytes],
    batch: int,
    *,
    properties: dict[str, str],
    marks: Path | None,
) -> None:
    """Answer every request of these partitions from their start until SIGTERM."""
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the benchmark, which ends this one
    clients = KafkaClients(bootstrap, properties)
    consumer = clients.consumer("echo")
    producer, span, bodies = clients.producer(), Span(), cycle(replies)
    consumer.assign([TopicPartition(*part, 0) for part in requests])
    noted: list[tuple[int, float, float, float, float]] = []
    while not stopping:
        messages = drain(consumer, batch, 0.1)
        polled = time.monotonic()
        for message in messages:
            if message.error() is None:
                headers: dict[str, bytes] = dict(message.headers() or ())  # type: ignore[arg-type]  # always bytes
                producer.produce(
                    headers["kafka_replyTopic"].decode(),
                    key=message.key(),
                    value=next(bodies),
                    partition=int.from_bytes(headers["kafka_replyPartition"], "big"),
                    headers=[("kafka_correlationId", headers["kafka_correlationId"])],
                    on_delivery=span.delivered,
                )
        if marks is not None and messages:
            noted.append((messages[0].timestamp()[1], polled, polled, polled, time.monotonic()))
        producer.poll(0)
    producer.flush(4)
    if marks is not None:
        marks.write_bytes(msgspec.json.encode(noted))
    consumer.close()
