"""What several unit tests need: the small shop, learnt once per run, and what Python's client can not do."""

import ctypes as ct
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import cimpl

from config.settings import Settings
from consumers.kafka.clients import KafkaClients
from consumers.kafka.embedded_broker import EmbeddedBroker
from model.ranking.kernel.compilation import Compilation, folder_in
from tests.builders.small_shop import SmallShop, copied, open_shop, trained_folder
from tests.builders.worker_world import World, clients_of

_TOPIC, _VALUE, _HEADERS, _END = 1, 4, 10, 0

os.environ["NUMBA_CACHE_DIR"] = str(folder_in(Settings().kernel_folders[0]))


@pytest.fixture
def unreadable_header():
    """Send records that have a header whose name is no UTF-8, as any C or Go program can."""
    return _send


def _send(bootstrap, topic, value, times=1):
    library = ct.CDLL(cimpl.__file__)
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_headers_new"):
        getattr(library, name).restype = ct.c_void_p
    said = ct.create_string_buffer(512)
    conf = ct.c_void_p(library.rd_kafka_conf_new())
    for name, setting in ((b"bootstrap.servers", bootstrap.encode()), (b"log_level", b"0")):
        assert library.rd_kafka_conf_set(conf, name, setting, said, ct.c_size_t(512)) == 0, said.value
    client = ct.c_void_p(library.rd_kafka_new(0, conf, said, ct.c_size_t(512)))
    for _ in range(times):
        headers = ct.c_void_p(library.rd_kafka_headers_new(ct.c_size_t(1)))
        library.rd_kafka_header_add(headers, b"\xff\xfe", ct.c_ssize_t(2), b"x", ct.c_ssize_t(1))
        failed = library.rd_kafka_producev(
            client,
            *(ct.c_int(_TOPIC), ct.c_char_p(topic)),
            *(ct.c_int(_VALUE), ct.c_char_p(value), ct.c_size_t(len(value))),
            *(ct.c_int(_HEADERS), headers),
            ct.c_int(_END),
        )
        assert failed == 0
    assert library.rd_kafka_flush(client, 5000) == 0
    library.rd_kafka_destroy(client)


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    """A broker for the tests of one module, without topics."""
    with EmbeddedBroker() as started:
        yield started


@pytest.fixture
def topic(broker: EmbeddedBroker, request: pytest.FixtureRequest) -> str:
    """A topic of the test's own, of two partitions."""
    name = re.sub(r"\W", "-", request.node.name)
    broker.create_topic(name, 2)
    return name


@pytest.fixture
def clients(broker: EmbeddedBroker) -> KafkaClients:
    """Clients of that broker."""
    return clients_of(broker)


@pytest.fixture
def world(broker: EmbeddedBroker, tmp_path: Path) -> Iterator[World]:
    """A worker on that broker, to be stepped by hand."""
    made = World(broker, tmp_path / "alsobought.db")
    yield made
    made.consumer.close()
    made.store._db.close()


@pytest.fixture(scope="session")
def trained(once_per_run: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """A folder with a store and two models, learnt once per run; it is not to be changed."""
    return once_per_run("trained", trained_folder)


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained folder."""
    return copied(trained, tmp_path / "data")


@pytest.fixture
def shop(folder: Path) -> Iterator[SmallShop]:
    """The small shop with its first model answering."""
    opened = open_shop(folder)
    yield opened
    opened.store.close()


@pytest.fixture
def untrained_shop(trained: Path, tmp_path: Path) -> Iterator[SmallShop]:
    """The small shop before any model answers."""
    opened = open_shop(copied(trained, tmp_path / "untrained"), with_model=False)
    yield opened
    opened.store.close()


@pytest.fixture(scope="session")
def compilation() -> Compilation:
    """The kernel as machine code, compiled once per machine and source into the user's cache.

    numba asks for its folder when the kernel's functions are first imported: while tests are collected, perhaps.
    """
    complaints: list[str] = []
    made = Compilation(Settings().kernel_folders, on_failure=complaints.append)
    made.run()
    assert complaints == []
    return made
