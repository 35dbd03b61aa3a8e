"""`alsobought run`: opens Kafka and the store, runs worker, trainer and HTTP, and takes them down again in order."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from threadpoolctl import threadpool_limits

from config.settings import Settings
from consumers.from_settings import clients_of, store_of, topic_names
from consumers.ingest.missing_records import MissingRecords
from consumers.kafka.clients import BrokerUnavailable
from consumers.kafka.hearing import BrokerHearing
from consumers.kafka.retention import TopicPolicies
from consumers.kafka.topic_compression import warn_of_hard_to_read
from consumers.kafka.topics import Topics
from consumers.observability.metrics import Metrics
from consumers.pace import SHOPS_PACE, Pace
from consumers.releases.folder_watch import FolderWatch
from consumers.training.trainer_process import TrainerProcess
from consumers.training.training_reports import TrainingReports
from model.signals.demand import Demand
from model.signals.recent_buyers import RecentBuyers
from model.store.writer import Store
from serving.http_api.access import Access
from serving.http_api.server import HttpServer, Probes, start_http
from serving.live_models.memory import seldom_collecting
from serving.live_models.versions import list_versions
from serving.runtime.assembly import Parts, assemble
from serving.runtime.data_folder import announced_in, exclusive
from serving.runtime.logs import set_up_logging
from serving.runtime.opened import Base
from serving.runtime.stop_signal import stop_signal

log = structlog.get_logger(__name__)


def run_service(settings: Settings, *, pace: Pace = SHOPS_PACE) -> None:
    """Run until SIGTERM or SIGINT. Raises what keeps it from starting or going on, each with its remedy."""
    with stop_signal() as stopping, ExitStack() as stack:
        stack.enter_context(exclusive(settings.data_dir))
        service = Service(settings, pace)
        stack.enter_context(service.http())
        parts = service.open(stack, stopping)
        if parts is not None and not stopping():
            service.run(parts, stopping)
        log.info("stopping")
    log.info("stopped")


@dataclass(slots=True)
class Service:
    """One running process: what it is made of, as far as it has been built."""

    settings: Settings
    pace: Pace = field(default_factory=Pace)
    metrics: Metrics = field(init=False)
    _watch: FolderWatch = field(init=False)
    _watching: threading.Lock = field(default_factory=threading.Lock)
    waiting_for: str = "Kafka"
    parts: Parts | None = None

    def __post_init__(self) -> None:
        """Make the metrics, which HTTP shows from the first moment on."""
        self.metrics = Metrics(self.settings.metrics_brands)
        self._watch = FolderWatch(self.settings.models_folder)

    # -- HTTP

    @contextmanager
    def http(self) -> Iterator[HttpServer]:
        """Serve metrics and health from now on; the address is left in run.json."""
        settings = self.settings
        probes = Probes(
            self.metrics.partitions.heartbeat.age_s, self.not_ready_because, self.model_versions, warnings=self.warnings
        )
        token = settings.http_token
        access = Access(None if token is None else token.get_secret_value(), settings.http_open)
        server = start_http(settings.http_host, settings.http_port, self.metrics.registry, probes, access)
        try:
            with announced_in(settings.data_dir, server.url):
                log.info("http_listening", url=server.url)
                yield server
        finally:
            server.close()

    def not_ready_because(self) -> list[str]:
        """Why requests are not yet answered as they should be; empty when they are. Called by HTTP's threads."""
        parts = self.parts
        if self.waiting_for or parts is None:
            return [f"waiting for {self.waiting_for}"]
        reasons = []
        if not parts.partitions.assigned:
            reasons.append("no partitions were assigned yet")
        elif restoring := list(parts.partitions.restoring):
            reasons.append(f"restoring partitions {sorted(restoring)}")
        if not parts.broadcasts.caught_up:
            reasons.append("reading which models were announced")
        if not parts.models.settled:
            reasons.append("opening a model")
        return reasons + self._troubles(parts)

    def _troubles(self, parts: Parts) -> list[str]:
        """What keeps a service that was ready from answering."""
        hearing, limit_s = parts.hearing, self.settings.kafka_silence_s
        reasons = []
        if hearing.is_silent:
            reasons.append(f"Kafka was not heard for {hearing.silence_s():.0f} s (kafka_silence_s = {limit_s:g})")
        if late := parts.worker.lateness.why_late():
            reasons.append(late)
        return reasons

    def _warn_of_compression(self, topics: Topics) -> None:
        if not topics.is_embedded:  # it never answers this question
            names = topics.names
            warn_of_hard_to_read(topics.admin, [names.purchases, names.catalog, names.replies, names.dead_letters])

    def warnings(self) -> list[str]:
        """What is wrong though requests are answered. Called by HTTP's threads."""
        if self.parts is None:
            return []
        said = [finding.what for finding in self.parts.policies.found]
        if self.parts.missing.lost:
            said.append(f"{self.parts.missing.lost} purchases were gone from the topic before they were read")
        said += [f"the model is damaged: {why}" for why in self.parts.models.damage()]
        return said

    def model_versions(self) -> list[dict[str, Any]]:
        """What is in the models folder, newest first, and which of it answers."""
        with self._watching:
            damaged = self._watch.damaged()
        return list_versions(self.settings.models_folder, self.parts.models if self.parts else None, damaged)

    # -- from start to end

    def open(self, stack: ExitStack, stopping: Callable[[], bool]) -> Parts | None:
        """Build everything that needs Kafka and the store; None when `stopping` came first."""
        settings = self.settings
        clients = clients_of(settings)
        topics = Topics(clients, topic_names(settings))
        cluster = self._reach(topics, stopping)
        if cluster is None:
            return None
        counts = topics.ensure(
            create=settings.create_topics,
            partitions=settings.partitions,
            replication_factor=settings.replication_factor,
        )
        self._warn_of_compression(topics)
        policies = self._policies(topics)
        policies.check_at_start()
        threadpool_limits(1, "blas")  # other cores have other work, and waking them takes longer than a product does
        self.waiting_for = "the store"
        store = store_of(settings)
        stack.callback(store.close)
        base = Base(
            settings=settings,
            metrics=self.metrics,
            clients=clients,
            topics=topics,
            cluster=cluster,
            partition_count=topics.check_pair(counts),
            store=store,
            demand=Demand(settings.trend_days),
            buyers=RecentBuyers(),
            pace=self.pace,
            policies=policies,
            missing=self._missing(store, policies),
            hearing=self._hearing(),
        )
        base.use_topic()
        return self._put_together(stack, base)

    def _put_together(self, stack: ExitStack, base: Base) -> Parts:
        """The trainer where there is one, and the worker around it."""
        beside = [] if self.settings.role == "worker" else [self._trainer(stack)]
        self.parts = parts = assemble(base, beside)
        stack.callback(parts.broadcasts.consumer.close)
        self.waiting_for = ""
        return parts

    def _reach(self, topics: Topics, stopping: Callable[[], bool]) -> str | None:
        """The cluster's id, once Kafka answers; None when asked to stop. Raises `BrokerUnavailable`, in the end."""
        give_up, say_at = time.monotonic() + self.pace.broker_wait_s, 0.0
        while not stopping():
            self.metrics.partitions.heartbeat.beat()
            try:
                return topics.cluster_id(self.pace.broker_try_s)
            except BrokerUnavailable as error:
                if time.monotonic() >= give_up:
                    raise
                if time.monotonic() >= say_at:
                    say_at = time.monotonic() + self.pace.say_waiting_s
                    log.warning("waiting_for_kafka", message=str(error), for_s=self.pace.broker_wait_s)
        return None

    def _policies(self, topics: Topics) -> TopicPolicies:
        settings, loses_records = self.settings, self.metrics.records.topic_loses_records
        return TopicPolicies(
            topics,
            settings.bootstrap_servers,
            settings.history_at_risk,
            on_looked_at=lambda topic, loses: loses_records(topic).set(loses),
        )

    def _missing(self, store: Store, policies: TopicPolicies) -> MissingRecords:
        return MissingRecords(
            store=store,
            metrics=self.metrics,
            compacted=lambda: policies.purchases_compacted,
            topic=self.settings.purchases_topic,
            pace=self.pace,
        )

    def _hearing(self) -> BrokerHearing:
        hearing = BrokerHearing(self.settings.kafka_silence_s)
        self.metrics.partitions.kafka_silence.set_function(hearing.silence_s)
        return hearing

    def _trainer(self, stack: ExitStack) -> TrainerProcess:
        prepare = partial(set_up_logging, self.settings.log_format, self.settings.log_level)
        trainer = TrainerProcess(self.settings, TrainingReports(self.metrics), prepare, pace=self.pace)
        stack.callback(trainer.stop)
        return trainer

    def run(self, parts: Parts, stopping: Callable[[], bool]) -> None:
        """Work with what `open` built until asked to stop."""
        log.info("running", role=self.settings.role, group=self.settings.group_id, data_dir=str(self.settings.data_dir))

        def leaving() -> bool:
            leaves = stopping()
            if leaves:
                self.waiting_for = "the end: stopping"
            return leaves

        with seldom_collecting():
            parts.worker.run(leaving)
