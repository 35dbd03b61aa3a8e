"""What others read is in a form that every client reads, unless somebody chose another; then the log says who can not.

The codec is read where the Java broker keeps it: in the head of each batch of its log files.
"""

import json
from pathlib import Path

import pytest

from tests.kafka.brokers.broker import eventually
from tests.kafka.brokers.java import JavaBroker
from tests.kafka.support.records import Record, purchase
from tests.kafka.support.running_shop import RunningShop, running_shop
from tests.kafka.support.service import run_command

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
_BATCH_HEAD = 12  # base offset (8 bytes) and length (4), which does not count these
_ATTRIBUTES = slice(21, 23)  # after leader epoch (4), magic (1) and checksum (4)
FILE = "order_id,customer_id,product_id,ts\n" + "".join(
    f"o-{order},c-{order % 7},p-{order % 5},2026-03-0{1 + order % 9}T10:00:00Z\n" for order in range(200)
)


def codecs(broker: JavaBroker, topic: str) -> set[str]:
    """Which codecs the batches of a topic have, as they lie in the broker's files."""
    found = set()
    for segment in broker.folder.glob(f"n*/{topic}-*/*.log"):
        data, at = segment.read_bytes(), 0
        while at + _BATCH_HEAD < len(data):
            head = data[at:]
            found.add(CODECS[int.from_bytes(head[_ATTRIBUTES], "big") & 7])
            at += _BATCH_HEAD + int.from_bytes(head[8:12], "big")
    return found


def use_everything(shop: RunningShop, folder: Path) -> None:
    """Import a file, ask, be told of a mistake, and leave a dead letter."""
    file = folder / "orders.csv"
    file.write_text(FILE)
    code, said = run_command(shop.service, "import", str(file))
    assert code == 0, said
    shop.ask("c-1")
    shop.client.send(shop.topics.purchases, Record(b"c-1", b"{no json"))
    eventually(lambda: bool(shop.client.read_all(shop.topics.dead_letters)), "the dead letter is there")


def warnings(shop: RunningShop, event: str) -> list[dict]:
    lines = map(json.loads, shop.service.log.read_text().splitlines())
    return [line for line in lines if line["event"] == event]


@pytest.fixture
def java(broker):
    if not isinstance(broker, JavaBroker):
        pytest.skip("the files of this broker are not at hand: --broker=java")
    return broker


@pytest.mark.needs_real_broker(one=True)
@pytest.mark.parametrize(
    ("settings", "codec"),
    [
        ({}, "none"),
        ({"compression": "zstd"}, "zstd"),
        ({"kafka_properties": '{"compression.codec": "snappy"}', "compression": "gzip"}, "snappy"),
    ],
)
def test_replies_dead_letters_and_imports_are_compressed_as_chosen_and_what_some_can_not_read_is_said(
    java, tmp_path, settings, codec
):
    with running_shop(java, tmp_path, **settings) as shop:
        use_everything(shop, tmp_path)
        others_read = [shop.topics.replies, shop.topics.dead_letters]
        imported = codecs(java, shop.topics.purchases) - {"none"}  # the test's own record among them
        said = warnings(shop, "compression_not_read_by_all")

    assert [codecs(java, topic) for topic in others_read] == [{codec}, {codec}]
    assert imported == {codec} - {"none"}
    assert [line["compression"] for line in said] == ([codec] if codec not in ("none", "gzip") else [])
    assert all("kafkajs and NestJS" in line["unreadable_for"] for line in said)


@pytest.mark.needs_real_broker(one=True)
def test_a_topic_that_the_broker_compresses_anew_is_said_at_start(java, tmp_path):
    with running_shop(java, tmp_path, dead_letters_config={"compression.type": "zstd"}) as shop:
        shop.buy(purchase("c-1", "tea"))
        said = warnings(shop, "topic_not_read_by_all")

    assert [(line["topic"], line["compression"]) for line in said] == [(shop.topics.dead_letters, "zstd")]
    assert "--add-config compression.type=producer" in said[0]["remedy"]
