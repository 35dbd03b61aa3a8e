"""Models are announced by reference on a compacted topic: the key is the brand, the value a folder and its checksum.

Whoever reads folds the last value of each key. The reference is the folder's name inside models_dir, never a path: what
comes from a topic must not choose which files are opened.
"""

from typing import Literal

import msgspec
from confluent_kafka import Producer

from consumers.kafka.clients import BrokerUnavailable
from consumers.kafka.delivery import DeliveryReports
from consumers.kafka.records import Record
from model.snapshots.metadata import SnapshotRefused, version_number

ALL_BRANDS = "*"  # the key of the model of every brand; no brand id can be an empty key


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """A model that workers should answer from; or not, when `serves` says that recent popularity is the better answer.

    `previous`, `newest` and `pinned` are for whoever announces next; workers need not understand them.
    """

    version: str
    uri: str  # the folder's name inside models_dir
    sha256: str  # of the folder's manifest
    created_at: str  # RFC 3339
    brand_id: str | None = None
    dim: int = 0
    products: int = 0
    offsets: dict[str, int] = {}
    serves: Literal["model", "popular"] = "model"
    pinned: bool = False  # no training may replace it
    previous: str | None = None  # the version that answered before
    newest: str | None = None  # the newest version there was when this was decided: only a newer one may replace it

    @property
    def decided_at(self) -> int:
        """The number of the newest version that this decision knew of."""
        return max(version_number(self.version), version_number(self.newest or self.version))


class UnreadableAnnouncement(Exception):
    """A record of the models topic that says nothing usable."""


_DECODER = msgspec.json.Decoder(Announcement)


def read_announcement(record: Record) -> tuple[str, Announcement | None]:
    """Brand ("" = every brand) and announcement, None where the model is taken away.

    Raises `UnreadableAnnouncement`.
    """
    key, value = record.key, record.value
    if key is None:
        raise UnreadableAnnouncement("it has no key; the key is the brand, or * for every brand")
    name = key.decode("utf-8", "replace")
    brand = "" if name == ALL_BRANDS else name
    if value is None:
        return brand, None
    try:
        announcement = _DECODER.decode(value)
        for version in (announcement.version, announcement.previous, announcement.newest):
            version_number(version or announcement.version)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, SnapshotRefused) as error:
        raise UnreadableAnnouncement(str(error)) from error
    if announcement.uri != announcement.version:
        raise UnreadableAnnouncement("its uri is not its version: models are found by their folder's name only")
    if (announcement.brand_id or "") != brand:
        raise UnreadableAnnouncement("its key and its brand_id name different brands")
    return brand, announcement


def send_announcement(producer: Producer, topic: str, announcement: Announcement, timeout_s: float = 30) -> None:
    """Announce a model and wait until Kafka has it. Raises `BrokerUnavailable`."""
    reports: DeliveryReports[None] = DeliveryReports(producer)
    key = (announcement.brand_id or ALL_BRANDS).encode()
    reports.send(None, topic=topic, key=key, value=msgspec.json.encode(announcement))
    if why := reports.why_not_all(timeout_s):
        raise BrokerUnavailable(f"topic {topic}: the model {announcement.version} could not be announced: {why}")
