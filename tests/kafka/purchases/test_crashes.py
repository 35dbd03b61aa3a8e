"""kill -9 at the worst moments: whatever a worker was doing, after a restart nothing is lost and nothing is doubled.

What its file then holds is compared with the oracle, which reads the whole topic.
"""

import random

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.kafka.brokers.broker import eventually
from tests.kafka.support import load, oracle
from tests.kafka.support.running_shop import running_shop

pytestmark = pytest.mark.needs_real_broker(one=True)

STATIC = {"group_instance_id": "one"}  # so that a killed worker has its partitions back at once
KILLS = 10
ATTEMPTS = 20


def wait_until_stored(service, records) -> None:
    """Until the service's file is where the records end."""
    eventually(lambda: oracle.positions(service.database) == oracle.ends(records), "all records are stored", 30)


def committed(broker, group: str, topic: str, partitions: int = 6) -> dict[int, int]:
    """What the group has committed to Kafka, 0 where nothing."""
    reader = Consumer(broker.client_properties | {"group.id": group})
    asked = [TopicPartition(topic, number) for number in range(partitions)]
    found = {part.partition: max(part.offset, 0) for part in reader.committed(asked, timeout=10)}
    reader.close()
    return found


def stored_events(service) -> int:
    """How many events the service's file holds."""
    return sum(oracle.positions(service.database).values())


def kill_once_stored(service, before: dict[int, int]) -> dict[int, int]:
    """SIGKILL as soon as the file has moved on from `before`; where it then stands."""
    while oracle.positions(service.database) == before:
        service.run_for(0.001)
    service.kill()
    return oracle.positions(service.database)


def test_killed_between_the_commit_to_sqlite_and_the_one_to_kafka(broker, shop_topics, start_service, shop, group):
    topics = shop_topics()
    service = start_service(topics, role="worker", ingest_batch_records="3", **STATIC)
    stood_at = dict.fromkeys(range(6), 0)
    for attempt in range(ATTEMPTS):  # the moment is a millisecond long; a kill that came later shows nothing
        shop.send(topics.purchases, *load.purchases(300, seed=attempt))
        at_kill = kill_once_stored(service, stood_at)
        behind = committed(broker, group, topics.purchases)
        service.start()
        records = shop.read_all(topics.purchases)
        wait_until_stored(service, records)
        assert oracle.stored(service.database) == oracle.expected(records)
        if sum(behind.values()) < sum(at_kill.values()):
            return
        stood_at = oracle.ends(records)
    pytest.fail(f"none of {ATTEMPTS} kills came between the two commits")


def test_killed_in_the_middle_of_a_burst(shop_topics, start_service, shop):
    topics = shop_topics()
    service = start_service(topics, role="worker", ingest_batch_records="3", **STATIC)
    shop.send(topics.purchases, *load.purchases(3000, seed=2))

    at_kill = kill_once_stored(service, dict.fromkeys(range(6), 0))
    records = shop.read_all(topics.purchases)
    service.start()
    wait_until_stored(service, records)

    assert 0 < sum(at_kill.values()) < len(records)
    assert oracle.stored(service.database) == oracle.expected(records)


def test_killed_again_and_again_under_load(broker, shop_topics, start_service, shop):
    topics, chance = shop_topics(), random.Random(3)
    service = start_service(
        topics, role="worker", ingest_batch_records="20", fold_every_events="300", request_max_age_ms="600000", **STATIC
    )
    asked, stood_at = [], []
    with load.Selling(broker, topics.purchases, seed=3, poison=True):
        for number in range(KILLS):
            asked += [shop.request(topics.requests, {"profile_id": f"c-{number}"}, topics.replies) for _ in range(3)]
            if number % 3:  # every third may well die while it starts
                eventually(lambda: stored_events(service) > stood_at[-1], "it is at work", 60)
            service.run_for(chance.uniform(0.1, 0.9))
            service.kill()
            stood_at.append(stored_events(service))
            service.start(wait=False)
        service.wait_ready()
    records = shop.read_all(topics.purchases)
    wait_until_stored(service, records)

    assert len(set(stood_at)) > KILLS / 2, "most kills found the worker at work"
    assert oracle.stored(service.database) == oracle.expected(records)
    assert buried(shop.read_all(topics.dead_letters)) == {place(read) for read in records if is_poison(read)}
    assert all(shop.reply(topics.replies, correlation) for correlation in asked)


def is_poison(record) -> bool:
    return record.value is not None and record.value.startswith(b"{not json")


def place(record) -> tuple[bytes, bytes]:
    return b"%d" % record.partition, b"%d" % record.offset


def buried(letters) -> set[tuple[bytes, bytes]]:
    """Where the dead letters came from; a crash may have doubled one."""
    names = ("__connect.errors.partition", "__connect.errors.offset")
    return {tuple(letter.header(name) for name in names) for letter in letters}


@pytest.mark.needs_real_broker(one=True)
def test_after_a_kill_without_an_instance_id_it_says_why_it_waits_and_for_how_long(broker, tmp_path):
    session = '{"session.timeout.ms": "20000", "heartbeat.interval.ms": "500"}'
    with running_shop(broker, tmp_path, kafka_properties=session) as shop:
        service = shop.service
        service.kill()
        service.start()
        (said,) = [line for line in service.log_lines() if line["event"] == "waiting_for_partitions"]

    assert "20 s after its last sign (session.timeout.ms)" in said["message"]
    assert 0 < said["at_most_s"] <= 17
    assert "group_instance_id" in said["action"]
