"""How the worker is put together: which part is handed to which.

In: the settings, and what was opened already (Kafka, the topics, the store). Out: the worker, and the parts that say
whether it is ready.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import structlog
from confluent_kafka import KafkaException, Producer, murmur2

from config.settings import matches_topic
from consumers.from_settings import decoder_of, group_properties
from consumers.ingest.dead_letters import DeadLetters
from consumers.ingest.missing_records import MissingRecords
from consumers.kafka.hearing import INTERVAL_MS, BrokerHearing
from consumers.kafka.retention import TopicPolicies
from consumers.loop.deadline_clock import DeadlineClock
from consumers.loop.global_topics import GlobalTopics
from consumers.loop.joining import Joining, session_s
from consumers.loop.lateness import Lateness
from consumers.loop.partitions import Partitions
from consumers.loop.worker import Listener, Worker
from consumers.releases.announcement import Announcement
from serving.accuracy.progressive_validation import LiveValidation
from serving.accuracy.sampling import Allowance
from serving.kafka_api.reply_addresses import ReplyTopics
from serving.kafka_api.responder import KafkaResponder, Ownership
from serving.live_models.kernel_compilation import begin_compiling
from serving.live_models.live_models import LiveModels
from serving.protocol.request_body import RequestRules
from serving.recommendation.recommender import Recommender
from serving.runtime.opened import Base

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """The worker, and what it works with."""

    partitions: Partitions
    broadcasts: GlobalTopics
    models: LiveModels
    worker: Worker
    policies: TopicPolicies
    missing: MissingRecords
    hearing: BrokerHearing


@dataclass(frozen=True, slots=True)
class _Around:
    """What the worker is put together from, beside the base."""

    producer: Producer
    dead_letters: DeadLetters
    partitions: Partitions
    models: LiveModels
    responder: KafkaResponder
    clock: DeadlineClock
    listeners: Sequence[Listener]


def assemble(base: Base, beside: Sequence[Listener] = ()) -> Parts:
    """Build the worker; `beside` takes its turns, too, after all others. Raises `BrokerUnavailable`."""
    producer = base.clients.producer()
    dead_letters = DeadLetters(producer, base.topics.names.dead_letters, delivery_s=base.pace.delivery_s)
    partitions = _partitions(base)
    models = LiveModels(
        models=base.settings.models_folder,
        store=base.store,
        demand=base.demand,
        metrics=base.metrics,
        buyers=base.buyers,
        pace=base.pace,
        compilation=begin_compiling(base.settings.kernel_folders) if _compiles(base) else None,
    )
    recommender, clock = Recommender(base.store, base.demand, models, base.metrics.answers.timed), DeadlineClock()
    responder = _responder(base, partitions, recommender, clock)

    def listed(numbers: Sequence[int]) -> None:
        for changed in (recommender.catalogue_changed, models.catalogue_changed, responder.shown.changed):
            changed(numbers)

    broadcasts = _broadcasts(base, dead_letters, models, listed)
    answering = [recommender] if base.serves else []
    around = _Around(
        producer=producer,
        dead_letters=dead_letters,
        partitions=partitions,
        models=models,
        responder=responder,
        clock=clock,
        listeners=[base.hearing, _joining(base, partitions), broadcasts, models, *answering, *beside],
    )
    return Parts(
        partitions=partitions,
        broadcasts=broadcasts,
        models=models,
        worker=_worker(base, around),
        policies=base.policies,
        missing=base.missing,
        hearing=base.hearing,
    )


def _compiles(base: Base) -> bool:
    return base.serves and base.settings.kernel == "on"


def _worker(base: Base, around: _Around) -> Worker:
    settings, partitions, recommender = base.settings, around.partitions, around.responder.recommender
    return Worker(
        consumer=base.clients.consumer(
            base.group,
            on_commit_failed=base.metrics.records.commit_failures.inc,
            on_statistics=(INTERVAL_MS, base.hearing.on_statistics),
            **group_properties(settings),
            enable_partition_eof="true",
        ),
        producer=around.producer,
        store=base.store,
        decoder=decoder_of(settings),
        dead_letters=around.dead_letters,
        partitions=partitions,
        partition_count=base.partition_count,
        metrics=base.metrics,
        responder=around.responder if base.serves else None,
        listeners=around.listeners,
        on_applied=lambda applied: base.sold(around.responder.shown, applied),
        check_topics=lambda: _check_topics(base),
        validation=_validation(base, partitions, around.models, recommender),
        missing=base.missing,
        lateness=Lateness(settings.late_answer_s),
        clock=around.clock,
        ingest_batch=settings.ingest_batch_records,
        request_batch=settings.request_batch_records,
        pace=base.pace,
    )


def _partitions(base: Base) -> Partitions:
    names = base.topics.names
    return Partitions(
        store=base.store,
        metrics=base.metrics,
        cluster_id=base.cluster,
        purchases=names.purchases,
        requests=names.requests if base.serves else None,
        topic_id=lambda: base.topics.topic_id(names.purchases),
        incremental=base.settings.group_protocol == "consumer",
        on_new_topic=base.use_topic,
        purchase_partitions=lambda: base.topics.purchase_partitions,
        missing=base.missing,
    )


def _broadcasts(
    base: Base, dead_letters: DeadLetters, models: LiveModels, listed: Callable[[Sequence[int]], None]
) -> GlobalTopics:
    def announced(brand: str, announcement: Announcement | None) -> None:
        if base.serves:
            models.announced(brand, announcement)

    names = base.topics.names
    broadcasts = GlobalTopics(
        consumer=base.clients.consumer(f"{base.group}-broadcasts", enable_partition_eof="true"),
        store=base.store,
        dead_letters=dead_letters,
        metrics=base.metrics,
        cluster_id=base.cluster,
        catalog=names.catalog,
        models=names.models,
        on_announced=announced,
        on_catalogue=listed,
    )
    try:
        broadcasts.start()
    except KafkaException as error:
        raise base.clients.unavailable("reading the catalogue and the models") from error
    return broadcasts


def _responder(base: Base, partitions: Partitions, recommender: Recommender, clock: DeadlineClock) -> KafkaResponder:
    settings, topics, store = base.settings, base.topics, base.store
    return KafkaResponder(
        recommender=recommender,
        rules=RequestRules(settings.default_k, settings.max_k, decoder_of(settings), settings.unknown_request_fields),
        addresses=ReplyTopics(
            default=topics.names.replies,
            allowed=lambda topic: any(matches_topic(allowed, topic) for allowed in settings.allowed_reply_topics),
            partitions_of=topics.partitions_of_reply_topic,
        ),
        ownership=Ownership(
            home=lambda key: murmur2(key, base.topics.purchase_partitions or base.partition_count),
            answerable=partitions.answerable,
            next_offset=lambda partition: (
                store.next_offset(partition) if (topics.names.purchases, partition) in partitions.owned else 0
            ),
        ),
        metrics=base.metrics,
        products=store.products(),
        price=store.price_of,
        max_age_ms=settings.request_max_age_ms,
        error_header=settings.error_header,
        now_s=clock.now_s,
    )


def _validation(
    base: Base, partitions: Partitions, models: LiveModels, recommender: Recommender
) -> LiveValidation | None:
    """What compares answers with purchases, where requests are answered and it is not turned off."""
    settings = base.settings
    if not base.serves or not settings.accuracy_sample_per_s:
        return None
    return LiveValidation(
        store=base.store,
        models=models,
        answer=lambda requests: recommender.answer(requests, nullcontext),
        metrics=base.metrics,
        is_news=partitions.is_news,
        k=settings.default_k,
        allowance=Allowance(settings.accuracy_sample_per_s),
        window=settings.accuracy_window_purchases,
    )


def _joining(base: Base, partitions: Partitions) -> Joining:
    settings = base.settings
    return Joining(
        assigned=lambda: partitions.assigned,
        group=base.group,
        session_s=session_s(settings.kafka_properties, settings.group_protocol),
        named=settings.group_instance_id is not None,
    )


def _check_topics(base: Base) -> None:
    base.topics.check_again()
    base.policies.look_again()
