"""What is announced of models, read from their topic and written to it: for the trainer and for operators.

The topic is the one place that says which model answers for which brand. It is read to its end before anything is
announced, so a restart of the trainer undoes nothing that was decided elsewhere.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog
from confluent_kafka import KafkaException, Producer

from consumers.kafka.clients import KafkaClients
from consumers.kafka.topic_reader import read_all
from consumers.releases.announcement import Announcement, UnreadableAnnouncement, read_announcement, send_announcement
from consumers.releases.decisions import Decision, after_trainings
from model.snapshots.metadata import About, SnapshotRefused, read_about, versions
from model.snapshots.reader import check_files, manifest_digest
from model.snapshots.writer import remove_old

log = structlog.get_logger(__name__)

Announced = Mapping[str, Announcement]  # by brand, "" = every brand
OnRefused = Callable[[str, SnapshotRefused], None]
_TOPIC_S = 10


def log_refused(version: str, refused: SnapshotRefused) -> None:
    """Say that a version is damaged and is not gone on from."""
    log.error("model_damaged", version=version, reason=refused.reason, message=str(refused))


def once(tell: OnRefused) -> OnRefused:
    """Tell of each version once, though it is wanted for more than one thing."""
    told: set[str] = set()

    def tell_once(version: str, refused: SnapshotRefused) -> None:
        if version not in told:
            told.add(version)
            tell(version, refused)

    return tell_once


def announced_now(clients: KafkaClients, topic: str) -> Announced:
    """What is announced for each brand; empty before the topic is there. Raises `BrokerUnavailable`."""
    found: dict[str, Announcement] = {}
    if not _is_there(clients, topic):
        return found
    for record in read_all(clients, topic):
        try:
            brand, announcement = read_announcement(record)
        except UnreadableAnnouncement:  # the workers pass it over, too, and say so
            continue
        if announcement is None:
            found.pop(brand, None)
        else:
            found[brand] = announcement
    return found


def _is_there(clients: KafkaClients, topic: str) -> bool:
    admin = clients.admin()
    try:
        return topic in admin.list_topics(timeout=_TOPIC_S).topics
    except KafkaException as error:
        raise clients.unavailable(f"reading {topic}", admin) from error


def on_disk(models: Path, on_refused: OnRefused = log_refused) -> dict[str, list[About]]:
    """What the readable versions say of themselves, by brand, newest first."""
    found: dict[str, list[About]] = {}
    for version in versions(models):
        try:
            about = read_about(models, version)
        except SnapshotRefused as refused:
            on_refused(version, refused)
            continue
        found.setdefault(about.brand_id or "", []).append(about)
    return found


def announcement_of(about: About, manifest_sha256: str, decision: Decision | None = None) -> Announcement:
    """The announcement of a snapshot; without a decision that of a model that has just been accepted."""
    made = Announcement(
        version=about.version,
        uri=about.version,
        sha256=manifest_sha256,
        created_at=datetime.fromtimestamp(about.created_at_s, UTC).isoformat(timespec="seconds"),
        brand_id=about.brand_id,
        dim=about.parameters.vector_size,
        products=about.vocabulary,
        offsets=about.offsets,
    )
    return made if decision is None else _decided(made, decision)


@dataclass(frozen=True, slots=True)
class Announcer:
    """Brings the topic up to date with the folder."""

    models: Path
    topic: str
    keep_versions: int
    clients: KafkaClients
    producer: Producer

    def catch_up(self, on_refused: OnRefused = log_refused) -> None:
        """Announce what trainings have earned and nobody has announced yet, and remove the oldest versions.

        The version announced, the pinned one among them, and the one before it stay. Raises `BrokerUnavailable`.
        """
        announced = dict(announced_now(self.clients, self.topic))
        for brand, found in on_disk(self.models, on_refused).items():
            now = announced.get(brand)
            abouts = self._sound(found, now, on_refused)
            if not abouts:
                continue
            if now is not None and now.version not in {about.version for about in abouts}:
                now = None  # what is announced is damaged or gone: the newest sound one takes its place
            try:
                decision = after_trainings(now, abouts)
                if decision is not None:
                    announced[brand] = self.decide(brand, decision, now)
            except SnapshotRefused as refused:
                on_refused(abouts[0].version, refused)
            else:
                self._say_pinned(now, abouts)
        remove_old(self.models, self.keep_versions, _needed(announced))

    def _sound(self, abouts: Sequence[About], now: Announcement | None, on_refused: OnRefused) -> list[About]:
        """Without damaged ones; only the newest and the announced one are looked at, no other may be announced."""
        sound: list[About] = []
        for about in abouts:
            try:
                if not sound or (now is not None and about.version == now.version):
                    check_files(self.models, about.version)
            except SnapshotRefused as refused:
                on_refused(about.version, refused)
                continue
            sound.append(about)
        return sound

    def decide(self, brand: str, decision: Decision, now: Announcement | None) -> Announcement:
        """Announce a decision. Raises `SnapshotRefused` without the folder, and `BrokerUnavailable`."""
        try:
            about = read_about(self.models, decision.version)
            announcement = announcement_of(about, manifest_digest(self.models, decision.version), decision)
        except SnapshotRefused:
            if now is None or now.version != decision.version:
                raise
            announcement = _decided(now, decision)  # it answers already: its folder is the workers' affair
        send_announcement(self.producer, self.topic, announcement)
        log.info(
            "model_announced",
            version=announcement.version,
            brand=brand or None,
            serves=announcement.serves,
            pinned=announcement.pinned,
            previous=announcement.previous,
        )
        return announcement

    def _say_pinned(self, now: Announcement | None, abouts: Sequence[About]) -> None:
        if now is not None and now.pinned and abouts[0].judgement.answers == "candidate":
            newest = abouts[0].version
            if newest != now.version:
                log.info("model_kept_aside", version=newest, pinned=now.version, brand=now.brand_id)


def _decided(announcement: Announcement, decision: Decision) -> Announcement:
    return msgspec.structs.replace(
        announcement,
        serves=decision.serves,
        pinned=decision.pinned,
        previous=decision.previous,
        newest=decision.newest,
    )


def _needed(announced: Announced) -> set[str]:
    """The versions that must stay on disk: those announced, and those that a rollback goes to."""
    found = {said.version for said in announced.values()}
    return found | {said.previous for said in announced.values() if said.previous is not None}
