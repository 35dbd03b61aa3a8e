"""What comes from the models topic names a folder by its version and nothing else, or is refused."""

import msgspec
import pytest
from confluent_kafka import KafkaError

from consumers.kafka.clients import BrokerUnavailable
from consumers.kafka.embedded_broker import EmbeddedBroker
from consumers.kafka.records import Record
from consumers.releases.announcement import Announcement, UnreadableAnnouncement, read_announcement, send_announcement
from tests.builders.topics import records_on
from tests.builders.worker_world import clients_of

VERSION = "v3-20261124T101500Z"
SAID = {"version": VERSION, "uri": VERSION, "sha256": "0" * 64, "created_at": "2026-11-24T10:15:00Z"}


def record(value, key=b"*"):
    raw = msgspec.json.encode(value) if isinstance(value, dict) else value
    return Record("models", 0, 7, key, raw)


def test_an_announcement_for_every_brand_is_read():
    brand, announcement = read_announcement(record(SAID | {"unknown": 1}))

    assert (brand, announcement.version, announcement.brand_id) == ("", VERSION, None)


def test_an_announcement_for_a_brand_is_read():
    brand, announcement = read_announcement(record(SAID | {"brand_id": "acme"}, key=b"acme"))

    assert (brand, announcement.brand_id) == ("acme", "acme")


@pytest.mark.parametrize(("key", "brand"), [(b"*", ""), (b"acme", "acme")])
def test_a_null_value_takes_the_model_of_its_key_away(key, brand):
    assert read_announcement(record(None, key)) == (brand, None)


@pytest.mark.parametrize(
    "uri", ["../../etc", "/tmp/model", f"{VERSION}/../x", "file:///x", "", "v4-20261124T101500Z", f"{VERSION}\n"]
)
def test_a_uri_that_is_not_the_version_is_refused(uri):
    with pytest.raises(UnreadableAnnouncement, match="its uri is not its version"):
        read_announcement(record(SAID | {"uri": uri}))


@pytest.mark.parametrize("version", ["../../etc", "/etc", "v1", "", "latest", "v3-20261124T101500Z/.."])
def test_a_version_that_is_no_version_is_refused(version):
    with pytest.raises(UnreadableAnnouncement, match="is no version"):
        read_announcement(record(SAID | {"version": version, "uri": version}))


@pytest.mark.parametrize("key", [b"acme", b"\xff"])
def test_a_key_that_names_another_brand_than_the_value_is_refused(key):
    with pytest.raises(UnreadableAnnouncement, match="name different brands"):
        read_announcement(record(SAID, key))


@pytest.mark.parametrize("value", [b"", b"\xff\xfe", b"{}", b"[]", b'{"version":"\xff"}', b"[" * 100_000, b"tea"])
def test_a_value_that_is_no_announcement_is_refused(value):
    with pytest.raises(UnreadableAnnouncement):
        read_announcement(record(value))


def test_a_record_without_a_key_is_refused():
    with pytest.raises(UnreadableAnnouncement, match="it has no key"):
        read_announcement(record(SAID, key=None))


def test_what_is_sent_is_what_is_read():
    announcement = Announcement(**SAID | {"brand_id": "acme", "dim": 8, "offsets": {"0": 41}})
    with EmbeddedBroker({"models": 1}) as broker:
        send_announcement(clients_of(broker).producer(), "models", announcement)
        (sent,) = records_on(clients_of(broker), "models")

    assert read_announcement(sent) == ("acme", announcement)


def test_a_broker_that_does_not_take_it_is_said():
    with EmbeddedBroker({"models": 1}) as broker:
        producer = clients_of(broker).producer()
        broker.fail_next(0, [KafkaError.TOPIC_AUTHORIZATION_FAILED] * 5)
        with pytest.raises(BrokerUnavailable, match=f"model {VERSION} could not be announced"):
            send_announcement(producer, "models", Announcement(**SAID))
        del producer
