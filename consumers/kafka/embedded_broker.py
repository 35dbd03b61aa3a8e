"""A Kafka broker inside this process, for the demo and for tests: librdkafka's mock cluster.

Topics with any number of partitions go in, an address on 127.0.0.1 comes out that every Kafka client on this machine
can use. It forgets everything when it closes, keeps 5 MiB of each partition (older records go without a word), compacts
nothing and answers no admin requests. Close every client first: one that outlives it reports a refused connection.
librdkafka calls this interface experimental, so its minor version is pinned in pyproject.toml. Where its functions are
missing, the configuration key `test.mock.num.brokers` makes a plainer broker: 4 partitions a topic, no injected errors.
"""

import ctypes as ct
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Protocol, Self

from confluent_kafka import Producer, cimpl

CLIENT_PROPERTIES: Final[Mapping[str, int | bool | str]] = MappingProxyType({"log.connection.close": False})
"""What every client of this broker should set: it is no news that connections close when the broker does."""

CONSUMER_PROPERTIES: Final[Mapping[str, int | bool | str]] = MappingProxyType(
    {
        **CLIENT_PROPERTIES,
        # An empty fetch sleeps its whole time, new records or not (rdkafka_mock_handlers.c): this bounds the latency.
        "fetch.wait.max.ms": 5,
        # A rebalance waits for session.timeout.ms - 1 s (mock_cgrp.c), 44 s by default.
        "session.timeout.ms": 2000,
        "heartbeat.interval.ms": 300,
    }
)
"""What its consumers should set. With `group.protocol=consumer` leave out the last two: librdkafka refuses them."""

_PLAIN_PARTITIONS = 4
_TOPIC_EXISTS = 36
_PRODUCER = 0
_START_TIMEOUT_S = 10.0


class _Host(Protocol):
    bootstrap: str

    def create_topic(self, name: str, partitions: int) -> int: ...

    def fail_next(self, api_key: int, codes: Sequence[int]) -> None: ...

    def close(self) -> None: ...


class EmbeddedBroker:
    """A broker in this process; `bootstrap` is its address ("127.0.0.1:port"), until `close`.

    `topics` are made at once: name -> number of partitions. A topic nobody made appears, with 4 partitions, when a
    producer first names it.
    """

    def __init__(self, topics: Mapping[str, int] = MappingProxyType({}), *, brokers: int = 1) -> None:
        self._host: _Host | None = _host(brokers)
        self.bootstrap = self._host.bootstrap
        for name, partitions in topics.items():
            self.create_topic(name, partitions)

    def create_topic(self, name: str, partitions: int) -> int:
        """Make a topic; its number of partitions comes back: the one asked for, or 4 from the plain broker.

        ValueError when the topic is there already or `partitions` is not 1 or more.
        """
        if partitions < 1:
            raise ValueError(f"topic {name!r} with {partitions} partitions: ask for 1 or more")
        return self._open().create_topic(name, partitions)

    def fail_next(self, api_key: int, codes: Sequence[int]) -> None:
        """Answer the next requests of a kind, whoever sends them, with these Kafka error codes; 0 lets one through.

        `api_key` as in the Kafka protocol: 0 Produce, 1 Fetch, 8 OffsetCommit, 11 JoinGroup, 12 Heartbeat.
        NotImplementedError from the plain broker.
        """
        self._open().fail_next(api_key, codes)

    def close(self) -> None:
        """Stop it and forget its records. A second call does nothing."""
        host, self._host = self._host, None
        if host:
            host.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> _Host:
        if self._host is None:
            raise ValueError(f"the embedded broker at {self.bootstrap} is closed: make a new one")
        return self._host


def _host(brokers: int) -> _Host:
    try:
        librdkafka = _Librdkafka()
    except (AttributeError, OSError):  # a build of librdkafka that does not export the mock cluster
        return _PlainHost(brokers)
    return _MockHost(librdkafka, brokers)


class _Librdkafka:
    """The functions used here, from the very library that confluent_kafka has loaded.

    AttributeError names the first that is missing.
    """

    def __init__(self) -> None:
        # A look-up in an extension module searches what it is linked to as well: no path has to be guessed.
        self._library = ct.CDLL(cimpl.__file__)
        pointer, text, number, size = ct.c_void_p, ct.c_char_p, ct.c_int, ct.c_size_t
        self.conf_new = self._function("rd_kafka_conf_new", pointer)
        self.conf_set = self._function("rd_kafka_conf_set", number, pointer, text, text, text, size)
        self.new = self._function("rd_kafka_new", pointer, number, pointer, text, size)
        self.destroy = self._function("rd_kafka_destroy", None, pointer)
        self.cluster_new = self._mock("cluster_new", pointer, pointer, number)
        self.cluster_destroy = self._mock("cluster_destroy", None, pointer)
        self.bootstraps = self._mock("cluster_bootstraps", text, pointer)
        self.topic_create = self._mock("topic_create", number, pointer, text, number, number)
        self.rebalance_delay_ms = self._mock("group_initial_rebalance_delay_ms", None, pointer, ct.c_int32)
        self.group_heartbeat_ms = self._mock("set_group_consumer_heartbeat_interval_ms", None, pointer, number)
        self.group_session_ms = self._mock("set_group_consumer_session_timeout_ms", None, pointer, number)
        codes = ct.POINTER(number)
        self.push_errors = self._mock("push_request_errors_array", None, pointer, ct.c_int16, size, codes)

    def _mock(self, name: str, result: type | None, *arguments: type) -> "ct._NamedFuncPointer":
        return self._function(f"rd_kafka_mock_{name}", result, *arguments)

    def _function(self, name: str, result: type | None, *arguments: type) -> "ct._NamedFuncPointer":
        function = getattr(self._library, name)
        function.restype, function.argtypes = result, arguments
        return function  # type: ignore[no-any-return]  # ctypes gives whatever name is asked for


class _MockHost:
    """The mock cluster by its own functions. It lives in a client that does nothing else."""

    def __init__(self, librdkafka: _Librdkafka, brokers: int) -> None:
        self._librdkafka = librdkafka
        self._client = _quiet_client(librdkafka)
        self._cluster = librdkafka.cluster_new(self._client, brokers)
        if not self._cluster:
            librdkafka.destroy(self._client)
            raise ValueError(f"librdkafka starts no mock cluster of {brokers} brokers: ask for 1 or more")
        librdkafka.rebalance_delay_ms(self._cluster, 0)
        librdkafka.group_heartbeat_ms(self._cluster, CONSUMER_PROPERTIES["heartbeat.interval.ms"])
        librdkafka.group_session_ms(self._cluster, CONSUMER_PROPERTIES["session.timeout.ms"])
        self.bootstrap: str = librdkafka.bootstraps(self._cluster).decode()

    def create_topic(self, name: str, partitions: int) -> int:
        code = self._librdkafka.topic_create(self._cluster, name.encode(), partitions, 1)
        if code:
            why = "is there already" if code == _TOPIC_EXISTS else f"is refused (librdkafka error {code})"
            raise ValueError(f"topic {name!r} with {partitions} partitions {why}")
        return partitions

    def fail_next(self, api_key: int, codes: Sequence[int]) -> None:
        self._librdkafka.push_errors(self._cluster, api_key, len(codes), (ct.c_int * len(codes))(*codes))

    def close(self) -> None:
        self._librdkafka.cluster_destroy(self._cluster)
        self._librdkafka.destroy(self._client)


def _quiet_client(librdkafka: _Librdkafka) -> int:
    error = ct.create_string_buffer(512)
    conf = librdkafka.conf_new()
    # log_level 0 hides "Mock cluster enabled"; it is not the log level of anybody's clients.
    for name, value in ((b"client.id", b"embedded-broker"), (b"log_level", b"0")):
        if librdkafka.conf_set(conf, name, value, error, len(error)):
            raise OSError(f"librdkafka refuses {name.decode()}: {error.value.decode()}")
    client: int | None = librdkafka.new(_PRODUCER, conf, error, len(error))
    if not client:
        raise OSError(f"librdkafka starts no client: {error.value.decode()}")
    return client


class _PlainHost:
    """The mock cluster by configuration key: what can be had without the experimental functions."""

    def __init__(self, brokers: int) -> None:
        self._producer = Producer({"test.mock.num.brokers": brokers, "log_level": 0})
        found = self._producer.list_topics(timeout=_START_TIMEOUT_S).brokers.values()
        self.bootstrap = ",".join(f"{broker.host}:{broker.port}" for broker in found)

    def create_topic(self, name: str, partitions: int) -> int:
        if name in self._producer.list_topics(timeout=_START_TIMEOUT_S).topics:
            raise ValueError(f"topic {name!r} with {partitions} partitions is there already")
        self._producer.list_topics(name, timeout=_START_TIMEOUT_S)  # asking for a topic makes it
        return _PLAIN_PARTITIONS

    def fail_next(self, api_key: int, codes: Sequence[int]) -> None:
        raise NotImplementedError(
            f"request {api_key} cannot be made to fail with {list(codes)}: "
            "this librdkafka exports no rd_kafka_mock functions; use confluent-kafka's own wheel"
        )

    def close(self) -> None:
        del self._producer  # the last reference: librdkafka stops the cluster with its client
