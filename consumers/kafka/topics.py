"""The topics: created when missing, checked at start, and told apart from a topic of the same name made anew.

Purchases and requests must have the same number of partitions, since the partition that brings a customer's purchases
must bring that customer's requests.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its own names, imported there without __all__
    AdminClient,
    ClusterMetadata,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from consumers.kafka.clients import BrokerUnavailable, KafkaClients

log = structlog.get_logger(__name__)
_DAY_MS = 86_400_000
_EMBEDDED = "mockCluster"  # librdkafka's mock cluster calls itself so
_ASK_AGAIN_S = 60.0
_ASK_AGAIN_FOR_A_MISSING_TOPIC_S = 5.0
_ATTEMPTS = 3


class TopicsUnfit(Exception):
    """The topics are missing or do not fit each other; the message says how to mend them."""


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """A topic as it is created when it is missing."""

    name: str
    partitions: int
    config: Mapping[str, str]
    setting: str  # which setting names it

    @property
    def how_to_create(self) -> str:
        """The command that creates it."""
        config = " ".join(f"--config {name}={value}" for name, value in self.config.items())
        return f"kafka-topics.sh --create --topic {self.name} --partitions {self.partitions} {config}"


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
        """The policies of the design: purchases for ever, catalogue and models by last value, others for a while."""
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
    _cluster_id: str = ""
    _topic_ids: dict[str, str] = field(default_factory=dict)  # as they were last told
    _counts: Mapping[str, int] = field(default_factory=dict)  # partitions of every topic, as they were last told
    _counts_at_s: float = -_ASK_AGAIN_S
    purchase_partitions: int = 0  # as they were last told; 0: not asked yet
    _said: str = ""  # what no longer fitted when it was last looked at

    @property
    def admin(self) -> AdminClient:
        """One admin client for all questions."""
        if self._admin is None:
            self._admin = self.clients.admin()
        return self._admin

    @property
    def is_embedded(self) -> bool:
        """Whether it is librdkafka's mock cluster, which leaves questions of administration without an answer.

        Known once `cluster_id` was asked.
        """
        return self._cluster_id.startswith(_EMBEDDED)

    def cluster_id(self, timeout_s: float = 10) -> str:
        """The cluster's own name. Raises `BrokerUnavailable`."""
        self._cluster_id = str(self._listed(timeout_s).cluster_id)
        return self._cluster_id

    def partition_counts(self, timeout_s: float = 10) -> dict[str, int]:
        """Partitions of every topic of the cluster. Raises `BrokerUnavailable`."""
        listed = self._listed(timeout_s).topics
        return {name: len(topic.partitions) for name, topic in listed.items() if topic.error is None}

    def _listed(self, timeout_s: float) -> ClusterMetadata:
        try:
            return self.admin.list_topics(timeout=timeout_s)
        except KafkaException as error:
            raise self.clients.unavailable("reading the list of topics", self.admin) from error

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
                why = "was created, but the brokers do not name it yet" if create else "create_topics is off"
                raise TopicsUnfit(
                    f"topic {plan.name} ({plan.setting}) does not exist: {why}; create it: {plan.how_to_create}"
                )
        self.check_pair(counts)
        return counts

    def check_pair(self, counts: Mapping[str, int]) -> int:
        """The common partition count of purchases and requests. Raises `TopicsUnfit` when they differ."""
        purchases, requests = counts[self.names.purchases], counts[self.names.requests]
        self._note_added(purchases)
        if purchases != requests:
            low = min((purchases, self.names.purchases), (requests, self.names.requests))[1]
            raise TopicsUnfit(
                f"{self.names.purchases} has {purchases} partitions and {self.names.requests} has {requests}: they "
                "must be equal, or a customer's requests reach a worker without the customer's purchases. Add "
                f"partitions to {low} before it is used: kafka-topics.sh --alter --topic {low} "
                f"--partitions {max(purchases, requests)}; a topic in use is better made anew, since more partitions "
                "send its keys elsewhere"
            )
        return purchases

    def _note_added(self, purchases: int) -> None:
        before, self.purchase_partitions = self.purchase_partitions, purchases
        if before and before < purchases:
            log.error(
                "partitions_added",
                topic=self.names.purchases,
                before=before,
                now=purchases,
                action="one worker goes on with whole histories; several would each know a part of a customer's, since "
                "keys go to other partitions now: let one run, or make the topic anew and import the history",
            )

    def check_again(self) -> None:
        """Look at the partition counts while running: a topic that is gone, or has more partitions, is said, once."""
        message = self._what_no_longer_fits()
        if message and message != self._said:
            log.error("topics_no_longer_fit", message=message)
        self._said = message

    def _what_no_longer_fits(self) -> str:
        try:
            counts = self.partition_counts(timeout_s=2)
            missing = {self.names.purchases, self.names.requests} - counts.keys()
            if missing:
                return f"{' and '.join(sorted(missing))} no longer exists; it is created when the service starts again"
            self.check_pair(counts)
        except BrokerUnavailable:
            return ""  # the client says so itself
        except TopicsUnfit as error:
            return str(error)
        return ""

    def _create(self, plans: Sequence[TopicPlan], replication_factor: int) -> None:
        largest = self._largest_message_bytes(self.names.purchases)
        new = []
        for plan in plans:
            config = dict(plan.config)
            if plan.name == self.names.dead_letters and largest is not None:
                config["max.message.bytes"] = str(largest + 65_536)  # what came in must fit, headers and all
            new.append(NewTopic(plan.name, plan.partitions, replication_factor, config=config))
        futures = self.admin.create_topics(new, operation_timeout=20, request_timeout=25)
        for plan in plans:
            try:
                futures[plan.name].result()
                log.info("topic_created", topic=plan.name)
            except KafkaException as error:
                reason = error.args[0]
                if reason.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise TopicsUnfit(
                        f"topic {plan.name} ({plan.setting}) is missing and can not be created: {reason.str()}; "
                        f"create it: {plan.how_to_create}"
                    ) from error

    def _until_known(self, names: Sequence[str]) -> dict[str, int]:
        for _ in range(50):  # metadata lag create_topics on several brokers
            counts = self.partition_counts()
            if all(name in counts for name in names):
                break
            self.admin.poll(0.2)
        return counts

    def _largest_message_bytes(self, topic: str) -> int | None:
        try:
            resource = ConfigResource(ResourceType.TOPIC, topic)
            (future,) = self.admin.describe_configs([resource], request_timeout=5).values()
            return int(future.result()["max.message.bytes"].value)
        except (KafkaException, KeyError, TypeError):  # no such topic, or no right to ask: the broker's default holds
            return None

    def topic_id(self, topic: str) -> str:
        """The id that tells a topic from one of the same name made anew; "" where the broker gives none.

        While it can not be asked, what it told last.
        """
        if self.is_embedded:  # it never answers this question
            return ""
        for _ in range(1 if topic in self._topic_ids else _ATTEMPTS):
            try:
                (future,) = self.admin.describe_topics(TopicCollection([topic]), request_timeout=5).values()
                self._topic_ids[topic] = str(future.result().topic_id)
                break
            except KafkaException as error:
                log.debug("topic_id_unknown", topic=topic, error=str(error))
        return self._topic_ids.setdefault(topic, "")

    def partitions_of_reply_topic(self, topic: str) -> int:
        """Partitions of a topic that a reply may go to, 0 when it does not exist; remembered for a minute."""
        age_s = time.monotonic() - self._counts_at_s
        if age_s >= (_ASK_AGAIN_S if topic in self._counts else _ASK_AGAIN_FOR_A_MISSING_TOPIC_S):
            self._counts_at_s = time.monotonic()  # also after a failure: a request must not wait for each attempt
            try:
                self._counts = self.partition_counts(timeout_s=2)  # of all: asking for one by name may create it
            except BrokerUnavailable as error:
                log.debug("reply_topics_unknown", error=str(error))
        return self._counts.get(topic, 0)
