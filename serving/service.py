"""`alsobought run`: builds the worker, the trainer and HTTP from the settings, and takes them down again in order."""

import fcntl
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec
import structlog
from confluent_kafka import KafkaException, murmur2

from config.errors import ConfigError
from config.settings import Settings, matches_topic
from consumers.broadcasts import Broadcasts
from consumers.clients import BrokerUnavailable, KafkaClients
from consumers.dead_letters import DeadLetters
from consumers.events import PurchaseDecoder
from consumers.metrics import Metrics
from consumers.partitions import Partitions
from consumers.topics import TopicNames, Topics
from consumers.trainer import DATABASE, TrainerProcess
from consumers.worker import Worker
from model.demand import Demand
from model.reading import read_contents
from model.snapshot import SnapshotRefused, read_about, versions
from model.store import Applied, Store
from serving.addresses import ReplyTopics
from serving.http import HttpServer, Probes, start_http
from serving.live_model import LiveModels
from serving.recommender import Recommender
from serving.requests import RequestRules
from serving.responder import KafkaResponder, Ownership

log = structlog.get_logger(__name__)
_BROKER_WAIT_S = 60.0
_BROKER_TRY_S = 5.0


def run_service(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises what keeps it from starting or going on, each with its remedy."""
    with stop_signal() as stopping, ExitStack() as stack:
        stack.enter_context(exclusive(settings.data_dir))
        service = Service(settings)
        stack.enter_context(service.http())
        service.open(stack, stopping)
        if not stopping():
            service.run(stopping)
        log.info("stopping")
    log.info("stopped")


@contextmanager
def stop_signal() -> Iterator[Callable[[], bool]]:
    """Whether to stop: set by the first SIGTERM or SIGINT; a second one ends the process as usual."""
    asked: list[int] = []

    def ask(number: int, _frame: Any) -> None:
        asked.append(number)
        signal.signal(number, previous[signal.Signals(number)])

    previous = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def exclusive(data_dir: Path) -> Iterator[IO[str]]:
    """Hold the folder for this process alone. Raises `ConfigError` when another one has it."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        file = (data_dir / "lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"data_dir = {data_dir}: {error.strerror}; give a folder that this user may write to"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(
                f"data_dir = {data_dir} is in use by another alsobought process: stop that one, or give this one "
                "another data_dir (workers that share the partitions each have their own)"
            ) from error
        yield file


@dataclass(slots=True)
class Service:
    """One running process: what it is made of, as far as it has been built."""

    settings: Settings
    metrics: Metrics = field(default_factory=Metrics)
    waiting_for: str = "Kafka"
    partitions: Partitions | None = None
    broadcasts: Broadcasts | None = None
    models: LiveModels | None = None
    worker: Worker | None = None

    # -- HTTP

    @contextmanager
    def http(self) -> Iterator[HttpServer]:
        """Serve metrics and health from now on; the address is left in run.json."""
        settings = self.settings
        probes = Probes(self.metrics.heartbeat.age_s, self.not_ready_because, self.model_versions)
        server = start_http(settings.http_host, settings.http_port, self.metrics.registry, probes)
        note = settings.data_dir / "run.json"
        note.write_text(json.dumps({"pid": os.getpid(), "http": server.url}), encoding="utf-8")
        log.info("http_listening", url=server.url)
        try:
            yield server
        finally:
            note.unlink(missing_ok=True)
            server.close()

    def not_ready_because(self) -> list[str]:
        """Why requests are not yet answered as they should be; empty when they are."""
        if self.waiting_for:
            return [f"waiting for {self.waiting_for}"]
        reasons = []
        if self.partitions is None or not self.partitions.assigned:
            reasons.append("no partitions were assigned yet")
        elif self.partitions.restoring:
            reasons.append(f"restoring partitions {sorted(self.partitions.restoring)}")
        if self.broadcasts is not None and not self.broadcasts.caught_up:
            reasons.append("reading which models were announced")
        if self.models is not None and not self.models.settled:
            reasons.append("opening a model")
        return reasons

    def model_versions(self) -> list[dict[str, Any]]:
        """What is in the models folder, newest first, and which of it answers."""
        return list_versions(self.settings.models_folder, self.models)

    # -- building

    def open(self, stack: ExitStack, stopping: Callable[[], bool]) -> None:
        """Build everything that needs Kafka and the store."""
        settings = self.settings
        clients = KafkaClients(settings.bootstrap_servers, settings.kafka_properties)
        topics = Topics(clients, topic_names(settings))
        cluster = self._reach(topics, stopping)
        if cluster is None:
            return
        counts = topics.ensure(
            create=settings.create_topics,
            partitions=settings.partitions,
            replication_factor=settings.replication_factor,
        )
        self.waiting_for = "the store"
        store = Store(
            settings.data_dir / DATABASE,
            fold_every_events=settings.fold_every_events,
            dedupe_window_events=settings.dedupe_window_events,
        )
        stack.callback(store.close)
        demand = Demand(settings.trend_days)
        self._use_topic(store, demand, cluster, topics)
        self._build_worker(clients, topics, store, demand, cluster, counts)
        if settings.role != "worker":
            trainer = TrainerProcess(settings, self.metrics)
            stack.callback(trainer.stop)
            trainer.start()
            assert self.worker is not None, "just built"
            self.worker.listeners = [*self.worker.listeners, trainer]
        self.waiting_for = ""

    def _reach(self, topics: Topics, stopping: Callable[[], bool]) -> str | None:
        """The cluster's id, once Kafka answers; None when asked to stop. Raises `BrokerUnavailable` after a minute."""
        give_up = time.monotonic() + _BROKER_WAIT_S
        while not stopping():
            self.metrics.heartbeat.beat()
            try:
                return topics.cluster_id(_BROKER_TRY_S)
            except BrokerUnavailable as error:
                if time.monotonic() >= give_up:
                    raise
                log.warning("waiting_for_kafka", message=str(error))
        return None

    def _use_topic(self, store: Store, demand: Demand, cluster: str, topics: Topics) -> None:
        name = topics.names.purchases
        set_aside = store.use_topic(cluster, name, topics.topic_id(name))
        if set_aside:
            log.warning(
                "purchases_of_another_topic_set_aside",
                records=set_aside,
                topic=name,
                cluster=cluster,
                action="this topic is read from where it was left, or from its start; the others stay in the file",
            )
        demand.forget()
        histories = read_contents(store.path).histories
        demand.add(histories.products, histories.times)

    def _build_worker(
        self,
        clients: KafkaClients,
        topics: Topics,
        store: Store,
        demand: Demand,
        cluster: str,
        counts: dict[str, int],
    ) -> None:
        settings, names = self.settings, topics.names
        serves = settings.role != "trainer"
        producer = clients.producer()
        dead_letters = DeadLetters(producer, names.dead_letters)
        group = settings.group_id if serves else f"{settings.group_id}-trainer"
        consumer = clients.consumer(group, **group_properties(settings), enable_partition_eof="true")
        self.partitions = Partitions(
            store=store,
            metrics=self.metrics,
            cluster_id=cluster,
            purchases=names.purchases,
            requests=names.requests if serves else None,
            topic_id=lambda: topics.topic_id(names.purchases),
            incremental=settings.group_protocol == "consumer",
            on_new_topic=lambda: self._use_topic(store, demand, cluster, topics),
        )
        decoder = decoder_of(settings)
        self.models = LiveModels(settings.models_folder, store, demand, self.metrics)
        recommender = Recommender(store, demand, self.models)
        count = topics.check_pair(counts)
        self.broadcasts = Broadcasts(
            consumer=clients.consumer(f"{group}-broadcasts", enable_partition_eof="true"),
            store=store,
            dead_letters=dead_letters,
            metrics=self.metrics,
            cluster_id=cluster,
            catalog=names.catalog,
            models=names.models,
            on_announced=self.models.announced if serves else lambda brand, announcement: None,
            on_catalogue=lambda numbers: _listed(self.models, recommender, numbers),
        )
        try:
            self.broadcasts.start()
        except KafkaException as error:
            raise clients.unavailable("reading the catalogue and the models") from error
        partitions = self.partitions
        responder = KafkaResponder(
            recommender=recommender,
            rules=RequestRules(settings.default_k, settings.max_k, decoder),
            addresses=ReplyTopics(
                default=names.replies,
                allowed=lambda topic: any(matches_topic(allowed, topic) for allowed in settings.allowed_reply_topics),
                partitions_of=topics.partitions_of_reply_topic,
            ),
            ownership=Ownership(store.next_offset, lambda key, _: partitions.answerable(murmur2(key, count))),
            metrics=self.metrics,
            product=lambda number: store.products()[number],
            price=store.price_of,
            max_age_ms=settings.request_max_age_ms,
            error_header=settings.error_header,
        )
        self.worker = Worker(
            consumer=consumer,
            producer=producer,
            store=store,
            decoder=decoder,
            dead_letters=dead_letters,
            partitions=partitions,
            partition_count=count,
            metrics=self.metrics,
            responder=responder if serves else None,
            listeners=[self.broadcasts, self.models],
            on_applied=lambda applied: _sold(demand, applied),
            check_topics=topics.check_again,
            ingest_batch=settings.ingest_batch_records,
            request_batch=settings.request_batch_records,
        )

    def run(self, stopping: Callable[[], bool]) -> None:
        """Work until asked to stop."""
        assert self.worker is not None, "open comes first"
        log.info("running", role=self.settings.role, group=self.settings.group_id, data_dir=str(self.settings.data_dir))

        def leaving() -> bool:
            if stopping():
                self.waiting_for = "the end: stopping"
            return stopping()

        self.worker.run(leaving)
        if self.broadcasts is not None:
            self.broadcasts.consumer.close()


def _sold(demand: Demand, applied: Applied) -> None:
    if len(applied.products):
        demand.add(applied.products, applied.times)


def _listed(models: LiveModels | None, recommender: Recommender, numbers: Any) -> None:
    recommender.renew_popular()
    if models is not None:
        models.catalogue_changed(numbers)


def topic_names(settings: Settings) -> TopicNames:
    """The topic names in force."""
    return TopicNames(
        purchases=settings.purchases_topic,
        catalog=settings.catalog_topic,
        requests=settings.requests_topic,
        replies=settings.replies_topic,
        models=settings.models_topic,
        dead_letters=settings.dead_letters_topic,
    )


def decoder_of(settings: Settings) -> PurchaseDecoder:
    """The decoder of purchases in force."""
    key = settings.phone_hash_key
    return PurchaseDecoder(None if key is None else key.get_secret_value().encode(), settings.max_future_s)


def group_properties(settings: Settings) -> dict[str, str]:
    """How the group shares partitions: purchases and requests of one number always to the same worker."""
    if settings.group_protocol == "consumer":
        own = {"group_protocol": "consumer", "group_remote_assignor": "range"}
    else:
        own = {"partition_assignment_strategy": "range"}
    if settings.group_instance_id is not None:
        own["group_instance_id"] = settings.group_instance_id
    return own


def list_versions(folder: Path, models: LiveModels | None = None) -> list[dict[str, Any]]:
    """The versions in the folder as plain values, newest first; `state` says which of them answers here."""
    listed = []
    serving = {model.version for model in models.live.values()} if models is not None else set()
    refused = models.refused if models is not None else {}
    for version in versions(folder):
        try:
            row = msgspec.to_builtins(read_about(folder, version))
        except SnapshotRefused as error:
            row = {"version": version, "problem": str(error)}
        row["state"] = "serving" if version in serving else "refused" if version in refused else "kept"
        if version in refused:
            row["problem"] = refused[version]
        listed.append(row)
    return listed
