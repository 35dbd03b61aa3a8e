"""The one door from settings to what is built of them: clients, topic names, group, decoder, store.

In: the settings. Out: values that know no setting. A command that wants one of them imports this, not the service.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from config.settings import Settings
from consumers.decoding.event_times import start_of_year_s
from consumers.decoding.event_types import PurchaseTypes
from consumers.decoding.purchases import PurchaseDecoder
from consumers.kafka.clients import KafkaClients
from consumers.kafka.topics import TopicNames

if TYPE_CHECKING:
    from model.store.writer import Store


def clients_of(settings: Settings) -> KafkaClients:
    """The makers of clients for the cluster in force."""
    return KafkaClients(settings.bootstrap_servers, settings.kafka_properties, settings.compression)


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


def group_properties(settings: Settings) -> dict[str, str]:
    """How the group shares partitions: purchases and requests of one number always to the same worker."""
    if settings.group_protocol == "consumer":
        own = {"group_protocol": "consumer", "group_remote_assignor": "range"}
    else:
        own = {"partition_assignment_strategy": "range"}
    if settings.group_instance_id is not None:
        own["group_instance_id"] = settings.group_instance_id
    return own


def decoder_of(settings: Settings) -> PurchaseDecoder:
    """The decoder of purchases in force."""
    key = settings.phone_hash_key
    return PurchaseDecoder(
        phone_hash_key=None if key is None else key.get_secret_value().encode(),
        max_future_s=settings.max_future_s,
        earliest_s=start_of_year_s(settings.earliest_purchase_year),
        types=PurchaseTypes(settings.purchase_types),
    )


def store_of(settings: Settings, path: Path | None = None) -> "Store":
    """The writer of the database, or of one at `path` that is to take its place. Raises `StoreUnavailable`."""
    from model.store.writer import Store  # noqa: PLC0415 - NumPy, which a command that only asks does without

    return Store(
        path or settings.database,
        fold_every_events=settings.fold_every_events,
        dedupe_window_events=settings.dedupe_window_events,
        history_cache_bytes=settings.history_cache_mb * 2**20,
    )
