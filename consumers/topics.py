"""The topics: created when missing, checked at start, and told apart from a topic of the same name made anew.

Purchases and requests must have the same number of partitions, since the partition that brings a customer's purchases must
bring that customer's requests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its own names, imported there without __all__
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from consumers.clients import BrokerUnavailable, KafkaClients

log = structlog.get_logger(__name__)
_DAY_MS = 86_400_000
_EMBEDDED = "mockCluster"  # librdkafka's mock cluster calls itself so


class TopicsUnfit(Exception):
    """The topics are missing or do not fit each other; the message says how to mend them."""


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """A topic as it is created when it is missing."""

    name: str
    partitions: int
    config: Mapping[str, str]
    setting: str  # which setting names it


@dataclass(frozen=True, slots=True)
class TopicNames:
    """The names in force."""

    purchases: str
    catalog: str
    requests: str
    replies: str
    models: str
    dead_letters: str

    def plans(self, partitions: int) -> list[TopicPlan]:
        """The policies of the design: purchases for ever, the catalogue and models by their last value, the rest for a while."""
        for_ever = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
        return [
            TopicPlan(self.purchases, partitions, for_ever, "purchases_topic"),
            TopicPlan(self.catalog, 1, {"cleanup.policy": "compact"}, "catalog_topic"),
            TopicPlan(self.requests, partitions, _kept_ms(3_600_000), "requests_topic"),
            TopicPlan(self.replies, partitions, _kept_ms(600_000), "replies_topic"),
            TopicPlan(self.models, 1, {"cleanup.policy": "compact"}, "models_topic"),
            TopicPlan(self.dead_letters, partitions, _kept_ms(30 * _DAY_MS), "dead_letters_topic"),
        ]


def _kept_ms(retention_ms: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(retention_ms)}


@dataclass(slots=True)
class Topics:
    """The cluster's side of the topics."""

    clients: KafkaClients
    names: TopicNames
    _admin: AdminClient | None = None
    _known: dict[str, int] = field(default_factory=dict)  # reply topic -> partitions, 0 = missing

    @property
    def admin(self) -> AdminClient:
        """One admin client for all questions."""
        if self._admin is None:
            self._admin = self.clients.admin()
        return self._admin

    def cluster_id(self, timeout_s: float = 10) -> str:
        """The cluster's own name. Raises `BrokerUnavailable`."""
        try:
            return str(self.admin.list_topics(timeout=timeout_s).cluster_id)
        except KafkaException as error:
            raise self.clients.unavailable("reading the list of topics") from error

    def partition_counts(self, timeout_s: float = 10) -> dict[str, int]:
        """Partitions of every topic of the cluster. Raises `BrokerUnavailable`."""
        try:
            listed = self.admin.list_topics(timeout=timeout_s).topics
        except KafkaException as error:
            raise self.clients.unavailable("reading the list of topics") from error
        return {name: len(topic.partitions) for name, topic in listed.items() if topic.error is None}

    def ensure(self, *, create: bool, partitions: int, replication_factor: int) -> dict[str, int]:
        """Create what is missing, where allowed, and return the partition counts. Raises `TopicsUnfit`."""
        counts = self.partition_counts()
        # a missing one of the two must fit the one that is there
        pair = counts.get(self.names.purchases) or counts.get(self.names.requests) or partitions
        missing = [plan for plan in self.names.plans(pair) if plan.name not in counts]
        if missing and create:
            self._create(missing, replication_factor)
            counts = self._until_known([plan.name for plan in self.names.plans(pair)])
        for plan in missing:
            if plan.name not in counts:
                raise TopicsUnfit(
                    f"topic {plan.name} ({plan.setting}) does not exist and create_topics is off; create it: kafka-topics.sh "
                    f"--create --topic {plan.name} --partitions {plan.partitions} "
                    + " ".join(f"--config {name}={value}" for name, value in plan.config.items())
                )
        self.check_pair(counts)
        return counts

    def check_pair(self, counts: Mapping[str, int]) -> int:
        """The common partition count of purchases and requests. Raises `TopicsUnfit` when they differ."""
        purchases, requests = counts[self.names.purchases], counts[self.names.requests]
        if purchases != requests:
            low = min((purchases, self.names.purchases), (requests, self.names.requests))[1]
            raise TopicsUnfit(
                f"{self.names.purchases} has {purchases} partitions and {self.names.requests} has {requests}: they must be "
                f"equal, or a customer's requests reach a worker without the customer's purchases. Add partitions to "
                f"{low} before it is used: kafka-topics.sh --alter --topic {low} --partitions {max(purchases, requests)}; "
                "a topic in use is better made anew, since more partitions send its keys elsewhere"
            )
        return purchases

    def check_again(self) -> None:
        """Look at the partition counts while running: more partitions of one topic only are said, with what it means."""
        try:
            self.check_pair(self.partition_counts(timeout_s=2))
        except BrokerUnavailable:
            return  # the loop says so
        except (TopicsUnfit, KeyError) as error:
            log.error("topics_no_longer_fit", message=str(error))

    def _create(self, plans: Sequence[TopicPlan], replication_factor: int) -> None:
        largest = self._config(self.names.purchases, "max.message.bytes")
        new = []
        for plan in plans:
            config = dict(plan.config)
            if plan.name == self.names.dead_letters and largest:
                config["max.message.bytes"] = str(int(largest) + 65_536)  # what came in must fit, headers and all
            new.append(NewTopic(plan.name, plan.partitions, replication_factor, config=config))
        for name, future in self.admin.create_topics(new, operation_timeout=20).items():
            try:
                future.result()
                log.info("topic_created", topic=name)
            except KafkaException as error:
                reason = error.args[0]
                if reason.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise TopicsUnfit(f"topic {name} is missing and can not be created: {reason.str()}") from error

    def _until_known(self, names: Sequence[str]) -> dict[str, int]:
        for _ in range(50):  # metadata lag create_topics on several brokers
            counts = self.partition_counts()
            if all(name in counts for name in names):
                break
            self.admin.poll(0.2)
        return counts

    def _config(self, topic: str, name: str) -> str | None:
        try:
            resource = ConfigResource(ResourceType.TOPIC, topic)
            (future,) = self.admin.describe_configs([resource], request_timeout=5).values()
            return str(future.result()[name].value)
        except (KafkaException, KeyError):  # a missing topic, or no right to ask: then the broker's default holds
            return None

    def topic_id(self, topic: str) -> str:
        """The id that tells a topic from one of the same name made anew; "" where the broker gives none."""
        if self.cluster_id().startswith(_EMBEDDED):  # it never answers this question
            return ""
        try:
            (future,) = self.admin.describe_topics(TopicCollection([topic]), request_timeout=5).values()
            return str(future.result().topic_id)
        except KafkaException as error:
            log.debug("topic_id_unknown", topic=topic, error=str(error))
            return ""

    def partitions_of_reply_topic(self, topic: str) -> int:
        """Partitions of a topic that a reply may go to, 0 when it does not exist; asked once and remembered when it does."""
        if not self._known.get(topic):
            try:
                found = self.admin.list_topics(topic, timeout=2).topics[topic]
            except (KafkaException, KeyError):
                return 0
            self._known[topic] = 0 if found.error is not None else len(found.partitions)
        return self._known[topic]
