"""A service as a process of its own on an embedded broker, and `alsobought` commands here that talk to it."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from click.testing import CliRunner, Result

from config.settings import Settings
from consumers.from_settings import topic_names
from consumers.kafka.clients import KafkaClients, produce
from consumers.kafka.embedded_broker import EmbeddedBroker
from serving.cli.main import alsobought
from serving.demo.service import RunningService, running_service
from serving.demo.show import PROPERTIES

PARTITIONS = 2


def new_broker() -> EmbeddedBroker:
    plans = topic_names(Settings()).plans(PARTITIONS)
    return EmbeddedBroker({plan.name: plan.partitions for plan in plans})


def environment(bootstrap: str, folder: Path) -> dict[str, str]:
    return {
        "ALSOBOUGHT_BOOTSTRAP_SERVERS": bootstrap,
        "ALSOBOUGHT_KAFKA_PROPERTIES": json.dumps(PROPERTIES),
        "ALSOBOUGHT_DATA_DIR": str(folder),
    }


@contextmanager
def running(broker: EmbeddedBroker, folder: Path) -> Iterator[RunningService]:
    """The service, once it owns its partitions."""
    folder.mkdir(exist_ok=True)
    with running_service(folder, broker.bootstrap, PROPERTIES) as service:
        until(lambda: service.metrics().get("alsobought_partitions_owned") == PARTITIONS, service)
        yield service


def until(holds: Callable[[], bool], service: RunningService, timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        service.check()
        assert time.monotonic() < deadline, service.log_tail()
        time.sleep(0.05)


def still_running(processes: Sequence[psutil.Process], timeout_s: float = 2) -> list[psutil.Process]:
    """Which of them have not ended in time; one that nobody has waited for has ended."""
    deadline = time.monotonic() + timeout_s
    while (left := [process for process in processes if _runs(process)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def send(broker: EmbeddedBroker, topic: str, *records: tuple[str, Mapping[str, Any] | bytes]) -> None:
    producer = KafkaClients(broker.bootstrap, PROPERTIES).producer()
    for key, body in records:
        value = body if isinstance(body, bytes) else json.dumps(body).encode()
        produce(producer, on_delivery=lambda *_: None, topic=topic, key=key.encode(), value=value)
    assert producer.flush(10) == 0


def ran(*arguments: str, env: Mapping[str, str]) -> Result:
    return CliRunner().invoke(alsobought, arguments, env=dict(env))
