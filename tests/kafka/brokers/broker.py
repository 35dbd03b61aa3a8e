"""The brokers that the suite runs on, behind one face: an address, the properties its clients need, topics.

`embedded` is the mock cluster in this process, `java` the official broker as a subprocess (`java`), `docker`
the official image (`container`), `own` a broker that somebody named. All but the first are real brokers.
"""

import time
from collections.abc import Callable, Mapping
from typing import Self

from confluent_kafka import KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # left out of its __all__
from confluent_kafka.cimpl import NewPartitions, NewTopic

from consumers.kafka.embedded_broker import CLIENT_PROPERTIES, CONSUMER_PROPERTIES, EmbeddedBroker

Properties = dict[str, str | int | float | bool]
ADMIN_TIMEOUT_S = 15.0
_QUIET: Properties = {"log_level": 0, "log.connection.close": False, "reconnect.backoff.max.ms": 200}


class Broker:
    """A running broker.

    `client_properties` and `consumer_properties` (the first and more) are for librdkafka clients, bootstrap.servers
    among them; a service takes the second.
    """

    kind: str
    bootstrap: str

    @property
    def client_properties(self) -> Properties:
        raise NotImplementedError

    @property
    def consumer_properties(self) -> Properties:
        return self.client_properties

    def create_topic(self, name: str, partitions: int, config: Mapping[str, str] | None = None) -> None:
        """Make a topic and wait until clients see it."""
        raise NotImplementedError

    def delete_topics(self, *names: str) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class EmbeddedKafka(Broker):
    """The mock cluster: topic settings are ignored, topics stay until it stops. `host` injects errors."""

    kind = "embedded"

    def __init__(self) -> None:
        self.host = EmbeddedBroker()
        self.bootstrap = self.host.bootstrap

    @property
    def client_properties(self) -> Properties:
        return {"bootstrap.servers": self.bootstrap, **CLIENT_PROPERTIES}

    @property
    def consumer_properties(self) -> Properties:
        return {"bootstrap.servers": self.bootstrap, **CONSUMER_PROPERTIES}

    def create_topic(self, name: str, partitions: int, config: Mapping[str, str] | None = None) -> None:  # noqa: ARG002
        self.host.create_topic(name, partitions)

    def delete_topics(self, *names: str) -> None:
        pass

    def stop(self) -> None:
        self.host.close()


class RealBroker(Broker):
    """What every real broker can do; `nodes` is how many make up the cluster and how often a topic is kept."""

    nodes = 1

    @property
    def client_properties(self) -> Properties:
        return {"bootstrap.servers": self.bootstrap, "log.connection.close": False, **self.security}

    @property
    def security(self) -> Properties:
        return {}

    @property
    def admin(self) -> AdminClient:
        """A new client; keep a reference to it until its futures are done."""
        return AdminClient(self.client_properties | _QUIET)

    def create_topic(self, name: str, partitions: int, config: Mapping[str, str] | None = None) -> None:
        admin = self.admin
        topic = NewTopic(name, partitions, self.nodes, config=dict(config or {}))
        admin.create_topics([topic], request_timeout=ADMIN_TIMEOUT_S)[name].result()
        eventually(
            lambda: _is_led(admin, name, partitions),
            f"every partition of topic {name}, {partitions} in all, has a leader that answers",
            ADMIN_TIMEOUT_S,
        )

    def add_partitions(self, name: str, partitions: int) -> None:
        """Let a topic have so many, and wait until clients see it."""
        admin = self.admin
        admin.create_partitions([NewPartitions(name, partitions)])[name].result()
        eventually(
            lambda: _is_led(
                self.admin, name, partitions
            ),  # a new one: one that knew the topic may go on by what it knew
            f"{name} has {partitions} partitions",
            ADMIN_TIMEOUT_S,
            every_s=0.3,
        )

    def delete_topics(self, *names: str) -> None:
        admin = self.admin
        for done in admin.delete_topics(list(names), request_timeout=ADMIN_TIMEOUT_S).values() if names else ():
            done.result()

    def leader(self, topic: str, partition: int = 0) -> int:
        """The number of the node that leads this partition now; -1 while there is none."""
        found: int = self.admin.list_topics(topic, timeout=ADMIN_TIMEOUT_S).topics[topic].partitions[partition].leader
        return found

    def topic_id(self, topic: str) -> str:
        """Names the topic for its life: one made anew under the same name has another."""
        admin = self.admin
        names = TopicCollection([topic])
        found = admin.describe_topics(names, request_timeout=ADMIN_TIMEOUT_S)[topic].result()
        return str(found.topic_id)

    def is_ready(self, admin: AdminClient, nodes: int) -> bool:
        """Whether so many nodes are in the metadata and a topic on all of them would be created; none is."""
        probe = NewTopic("ready-probe", 1, nodes)
        try:
            known = admin.list_topics(timeout=1).brokers
            admin.create_topics([probe], validate_only=True, request_timeout=5)[probe.topic].result()
        except KafkaException:
            return False
        return len(known) >= nodes


class GivenBroker(RealBroker):
    """A broker somebody else runs. Its topics are made with the broker's own replication factor and deleted again."""

    kind = "own"
    nodes = -1

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        try:
            self.admin.list_topics(timeout=ADMIN_TIMEOUT_S)
        except KafkaException as problem:
            raise ConnectionError(f"no Kafka broker answers at {bootstrap}: {problem}") from problem

    def stop(self) -> None:
        pass


def eventually(holds: Callable[[], bool], what: str, timeout_s: float = 10.0, *, every_s: float = 0.05) -> None:
    """Wait until it holds; AssertionError names what did not come true in time."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(every_s)


def _is_led(admin: AdminClient, topic: str, partitions: int) -> bool:
    # The leaders' own word: the metadata name a leader some milliseconds before it knows.
    newest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the library's, untyped
    asked = {TopicPartition(topic, number): newest for number in range(partitions)}
    try:
        for answer in admin.list_offsets(asked, request_timeout=ADMIN_TIMEOUT_S).values():
            answer.result()
    except KafkaException:
        return False
    return True
