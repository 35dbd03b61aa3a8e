"""What a Kafka broker for tests is told: small, quick to rebalance, nothing created by accident.

One set of properties for the Java broker (a file) and for the container (environment variables), so both behave alike.
A node is broker and controller in one (KRaft); with three nodes everything is kept three times.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.kafka.brokers.certificates import Certificate

_QUICK = {
    "auto.create.topics.enable": "false",
    "num.partitions": "6",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # KIP-848: the minimum is 45 s by default and has to come down before the timeout
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "500",
    # compaction tests: the cleaner wakes fast; per topic set min.cleanable.dirty.ratio=0.01, segment.ms=100
    "log.cleaner.dedupe.buffer.size": "2097152",
    "log.cleaner.backoff.ms": "200",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "num.network.threads": "2",
    "num.io.threads": "4",
    # a lost node of three is noticed in 3 s instead of 9
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "controller.quorum.election.timeout.ms": "500",
    "controller.quorum.fetch.timeout.ms": "1000",
}


@dataclass(frozen=True, slots=True)
class Node:
    """Where one node of the cluster listens: on `listen_on` (empty: everywhere), announced as 127.0.0.1."""

    id: int
    port: int
    controller_port: int
    listen_on: str = "127.0.0.1"


def server_properties(
    node: Node,
    voters: list[Node],
    log_folder: str,
    sasl_users: Mapping[str, str] | None = None,
    certificate: Certificate | None = None,
) -> dict[str, str]:
    """All of this node's server.properties; `voters` are all nodes.

    With users, clients must log in as one of them; with a certificate, too, they must do so over TLS.
    """
    listener = ("SASL_SSL" if certificate else "SASL_PLAINTEXT") if sasl_users else "PLAINTEXT"
    listen, copies = node.listen_on, str(len(voters))
    enough = str(max(1, len(voters) - 1))
    properties = _QUICK | {
        "process.roles": "broker,controller",
        "node.id": str(node.id),
        "controller.quorum.voters": ",".join(f"{voter.id}@127.0.0.1:{voter.controller_port}" for voter in voters),
        "listeners": f"{listener}://{listen}:{node.port},CONTROLLER://{listen}:{node.controller_port}",
        "advertised.listeners": f"{listener}://127.0.0.1:{node.port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": listener,
        "listener.security.protocol.map": f"CONTROLLER:PLAINTEXT,{listener}:{listener}",
        "log.dirs": log_folder,
        "default.replication.factor": copies,
        "min.insync.replicas": enough,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": enough,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": enough,
    }
    if sasl_users:
        properties |= _sasl(sasl_users, f"listener.name.{listener.lower()}")
    return properties | (_tls(certificate) if certificate else {})


def proxied(node: Node, port: int, proxy_port: int) -> dict[str, str]:
    """A second listener, for clients that are to reach the node by a proxy; without TLS and SASL."""
    plain = f"PLAINTEXT://{node.listen_on}:{node.port}"
    return {
        "listeners": f"{plain},PROXIED://127.0.0.1:{port},CONTROLLER://{node.listen_on}:{node.controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{node.port},PROXIED://127.0.0.1:{proxy_port}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT",
    }


def _tls(certificate: Certificate) -> dict[str, str]:
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(certificate.keystore),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificate.authority),
    }


def _sasl(users: Mapping[str, str], prefix: str) -> dict[str, str]:
    name, password = next(iter(users.items()))  # the first user is also the one the brokers use among themselves
    known = " ".join(f'user_{user}="{secret}"' for user, secret in users.items())
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    return {
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        f"{prefix}.plain.sasl.jaas.config": f'{login} username="{name}" password="{password}" {known};',
        f"{prefix}.scram-sha-512.sasl.jaas.config": scram,  # its users are in the metadata, see StorageTool
    }
