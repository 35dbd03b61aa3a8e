"""One training from beginning to end: read the store, learn, write the snapshot, announce it, remove the oldest."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog
from confluent_kafka import KafkaException, Producer

from config.settings import Settings
from consumers.announcements import Announcement, send_announcement
from consumers.clients import BrokerUnavailable, KafkaClients
from model.metadata import About, SnapshotRefused, read_about, versions
from model.reading import read_contents
from model.snapshot_writing import remove_old, write_snapshot
from model.training import Progress, silent

log = structlog.get_logger(__name__)

DATABASE = "alsobought.db"


def log_refused(version: str, refused: SnapshotRefused) -> None:
    """Say that a version is damaged and is not gone on from."""
    log.error("model_damaged", version=version, reason=refused.reason, message=str(refused))


def train_once(
    settings: Settings,
    *,
    brand_id: str | None = None,
    full: bool = False,
    announce: bool = True,
    producer: Producer | None = None,
    progress: Progress = silent,
    on_refused: Callable[[str, SnapshotRefused], None] = log_refused,
) -> About:
    """Learn from all there is, write the snapshot, announce it, and remove the oldest ones.

    Raises `TooLittleData`, or what kept it from reading, writing or announcing.
    """
    # gensim and SciPy take a second and 100 MB: only a process that trains imports them
    from consumers.recipes import recipe_of  # noqa: PLC0415
    from model.learning import learn, newest_ancestor  # noqa: PLC0415

    models = settings.models_folder
    if announce and producer is None:  # learning takes minutes: know before whether anybody can be told
        clients = KafkaClients(settings.bootstrap_servers, settings.kafka_properties)
        producer = clients.producer()
        _check_reachable(clients, producer)
    contents = read_contents(settings.data_dir / DATABASE)
    recipe = recipe_of(settings, brand_id)
    ancestor = None if full else newest_ancestor(models, versions(models), brand_id, on_refused)
    draft = learn(contents, recipe, ancestor, progress, time.time())
    version, digest = write_snapshot(models, draft, datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"))
    about = read_about(models, version)
    remove_old(models, settings.keep_versions)
    if announce and producer is not None:
        try:
            send_announcement(producer, settings.models_topic, announcement_of(about, digest))
        except BrokerUnavailable as error:
            where = f"the model is in {models / version}, and the trainer announces it when it starts"
            raise BrokerUnavailable(f"{error}; {where}") from error
    return about


def _check_reachable(clients: KafkaClients, producer: Producer) -> None:
    try:
        producer.list_topics(timeout=10)
    except KafkaException as error:
        doing = "looking for somebody to announce the model to (--no-announce learns without)"
        raise clients.unavailable(doing, producer) from error


def announcement_of(about: About, manifest_sha256: str) -> Announcement:
    """The announcement of a snapshot."""
    return Announcement(
        version=about.version,
        uri=about.version,
        sha256=manifest_sha256,
        created_at=datetime.fromtimestamp(about.created_at_s, UTC).isoformat(timespec="seconds"),
        brand_id=about.brand_id,
        dim=about.parameters.vector_size,
        products=about.vocabulary,
        offsets=about.offsets,
    )
