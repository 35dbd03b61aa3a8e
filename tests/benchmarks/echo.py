"""The yardstick of the answers: a process that knows nothing and sends a reply of the right size.

It uses the service's own client settings, the same batches, and replies recorded from the service, so that size and
compression are equal. `Echo` starts and ends it.
"""

import multiprocessing
import signal
from collections.abc import Sequence
from itertools import cycle
from typing import Self

from confluent_kafka import TopicPartition

from consumers.kafka.clients import KafkaClients, drain
from consumers.loop.deliveries import Span


class Echo:
    """The process, running inside a `with`."""

    def __init__(
        self, bootstrap: str, requests: Sequence[TopicPartition], replies: Sequence[bytes], batch: int
    ) -> None:
        spawn = multiprocessing.get_context("spawn")
        where = [(part.topic, part.partition) for part in requests]
        self._process = spawn.Process(target=answer, args=(bootstrap, where, list(replies), batch), daemon=True)

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


def answer(bootstrap: str, requests: list[tuple[str, int]], replies: list[bytes], batch: int) -> None:
    """Answer every request of these partitions from their start until SIGTERM."""
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the benchmark, which ends this one
    clients = KafkaClients(bootstrap, {})
    consumer = clients.consumer("echo")
    producer, span, bodies = clients.producer(), Span(), cycle(replies)
    consumer.assign([TopicPartition(*part, 0) for part in requests])
    while not stopping:
        for message in drain(consumer, batch, 0.1):
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
        producer.poll(0)
    producer.flush(4)
    consumer.close()
