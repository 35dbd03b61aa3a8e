"""What the topics keep: a policy that deletes what must stay is refused or said, each with the command that mends it.

In: the topics' configuration, as the brokers tell it. Out: findings, in the log, as metrics and for readiness.
Promise: it is asked for at start, and again while running without ever waiting for the answer.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import ConfigResource, ResourceType  # type: ignore[attr-defined]  # left out of its __all__

from consumers.kafka.topics import TopicNames, Topics, TopicsUnfit
from consumers.observability.metrics import Metrics

log = structlog.get_logger(__name__)
_ASK_S = 10
_FORBIDDEN = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED)
_FOR_EVER = "cleanup.policy=delete,retention.ms=-1,retention.bytes=-1"
_DAY_MS = 86_400_000

AtRisk = Literal["auto", "refuse", "warn"]


@dataclass(frozen=True, slots=True)
class Keeping:
    """What a topic keeps; -1 is for ever."""

    policies: frozenset[str]  # delete, compact
    retention_ms: int
    retention_bytes: int

    @property
    def compacted(self) -> bool:
        """Whether of each key only the last record stays."""
        return "compact" in self.policies

    @property
    def ends(self) -> str:
        """After what records are deleted, in words; "" when never."""
        if "delete" not in self.policies:
            return ""
        ends = [f"{self.retention_ms / _DAY_MS:g} days (retention.ms = {self.retention_ms})"] * (self.retention_ms >= 0)
        ends += [f"{self.retention_bytes} bytes a partition (retention.bytes)"] * (self.retention_bytes >= 0)
        return " or ".join(ends)


@dataclass(frozen=True, slots=True)
class Finding:
    """A topic that will lose what must be kept."""

    topic: str
    what: str
    mend: str  # the command
    refused: bool = False

    def __str__(self) -> str:
        return f"{self.what}; mend it: {self.mend}"


def findings(
    names: TopicNames, kept: Mapping[str, Keeping], bootstrap_servers: str, at_risk: AtRisk = "auto"
) -> list[Finding]:
    """What is wrong with what these topics keep; one that is not known is passed over."""
    found = []
    for topic, keeping in kept.items():
        what, config, refused = _wrong_with(topic, names, keeping, at_risk)
        if what:
            mend = (
                f"kafka-configs.sh --bootstrap-server {bootstrap_servers} --alter --entity-type topics "
                f"--entity-name {topic} --add-config '{config}'"
            )
            found.append(Finding(topic, what, mend, refused))
    return found


def _wrong_with(topic: str, names: TopicNames, keeping: Keeping, at_risk: AtRisk) -> tuple[str, str, bool]:
    """What is wrong ("": nothing), the configuration that is right, and whether it keeps the service from starting."""
    policy = f"cleanup.policy = {','.join(sorted(keeping.policies))}"
    if topic == names.purchases:
        if keeping.compacted:
            what = f"topic {topic} (purchases_topic) has {policy}: of each customer only the last order would stay"
            return what, _FOR_EVER, at_risk != "warn"
        what = (
            f"topic {topic} (purchases_topic) deletes orders after {keeping.ends}: a database that is made anew later, "
            "or another worker's, would not hear of them"
        )
        return what if keeping.ends else "", _FOR_EVER, at_risk == "refuse"
    setting = "catalog_topic" if topic == names.catalog else "models_topic"
    if topic in (names.catalog, names.models):
        what = f"topic {topic} ({setting}) deletes records after {keeping.ends}, also those that nothing has replaced"
        return what if keeping.ends else "", "cleanup.policy=compact", False
    what = f"topic {topic} has {policy}: of records with one key only the last stays, and one without a key is refused"
    return what if keeping.compacted else "", "cleanup.policy=delete", False


@dataclass(slots=True)
class TopicPolicies:
    """Belongs to one process; `found` may be read from another thread."""

    topics: Topics
    metrics: Metrics
    bootstrap_servers: str
    at_risk: AtRisk = "auto"
    found: Sequence[Finding] = ()
    purchases_compacted: bool = False
    _asked: dict[str, "Future[Any]"] = field(default_factory=dict)
    _said: set[str] = field(default_factory=set)

    def check_at_start(self) -> None:
        """Ask, wait for the answer and say what is wrong. Raises `TopicsUnfit` where that is refused."""
        self._ask()
        self._take(wait=True)
        for finding in self.found:
            if finding.refused:
                raise TopicsUnfit(
                    f"{finding.what}. Mend it before the next order is lost: {finding.mend}; what is gone already can "
                    "be imported again. history_at_risk=warn starts all the same"
                )

    def look_again(self) -> None:
        """Take what was answered since the last time, and ask again; never waits."""
        if all(future.done() for future in self._asked.values()):
            self._take(wait=False)
            self._ask()

    def _ask(self) -> None:
        if self.topics.is_embedded:  # it never answers this question, and keeps what it can
            return
        names = self.topics.names
        wanted = (names.purchases, names.catalog, names.requests, names.replies, names.models, names.dead_letters)
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in wanted]
        try:
            answers = self.topics.admin.describe_configs(resources, request_timeout=_ASK_S)
        except KafkaException as error:
            self._unknown("", error.args[0])
            return
        self._asked = {resource.name: future for resource, future in answers.items()}

    def _take(self, *, wait: bool) -> None:
        kept: dict[str, Keeping] = {}
        for topic, future in self._asked.items():
            try:
                kept[topic] = keeping_of(future.result(_ASK_S + 1 if wait else 0))
            except KafkaException as error:
                self._unknown(topic, error.args[0])
            except (TimeoutError, KeyError, ValueError) as error:
                self._say_unknown(topic, repr(error))
        self._asked = {}
        if kept:
            self._note(kept)

    def _note(self, kept: Mapping[str, Keeping]) -> None:
        names = self.topics.names
        if names.purchases in kept:
            self.purchases_compacted = kept[names.purchases].compacted
        still = [finding for finding in self.found if finding.topic not in kept]
        self.found = still + findings(names, kept, self.bootstrap_servers, self.at_risk)
        unfit = {finding.topic for finding in self.found}
        for topic in kept:
            self.metrics.topic_loses_records(topic).set(topic in unfit)
        for finding in self.found:
            if finding.what not in self._said:
                self._said.add(finding.what)
                say = log.error if finding.topic == names.purchases else log.warning
                say("topic_loses_records", topic=finding.topic, message=finding.what, action=finding.mend)

    def _unknown(self, topic: str, error: KafkaError) -> None:
        action = None
        if error.code() in _FORBIDDEN:
            action = "grant DescribeConfigs on it, or see yourself that it keeps everything"
        self._say_unknown(topic, error.str(), action)

    def _say_unknown(self, topic: str, error: str, action: str | None = None) -> None:
        if f"unknown {topic}" not in self._said:
            self._said.add(f"unknown {topic}")
            log.warning("topic_policy_unknown", topic=topic or None, error=error, action=action)


def keeping_of(config: Mapping[str, Any]) -> Keeping:
    """From what the broker answered. Raises KeyError and ValueError when that is not what brokers answer."""
    policies = frozenset(word.strip() for word in str(config["cleanup.policy"].value).split(",") if word.strip())
    return Keeping(policies, int(config["retention.ms"].value), int(config["retention.bytes"].value))
