"""A purchases topic that loses orders: refused or warned of at start, and what is gone already is said everywhere."""

import json

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from tests.kafka.brokers.broker import eventually
from tests.kafka.support import oracle
from tests.kafka.support.records import purchase
from tests.kafka.support.running_shop import make_topics, named_topics, running_shop
from tests.kafka.support.service import Service, run_command
from tests.kafka.support.shop_client import ShopClient

pytestmark = pytest.mark.needs_real_broker(one=True)

COMPACTED = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.01",
    "segment.ms": "100",
    "max.compaction.lag.ms": "200",
}


def events(service: Service, name: str) -> list[dict]:
    return [line for line in service.log_lines() if line["event"] == name]


@pytest.fixture
def service_of(broker, tmp_path, group):
    """`service_of(topics, **settings)`: a worker that is not started yet."""
    made = []

    def build(topics, **settings: str) -> Service:
        made.append(Service(broker, topics, tmp_path / f"s{len(made)}", group=group, role="worker", settings=settings))
        return made[-1]

    yield build
    for service in made:
        service.kill()


def set_config(broker, topic: str, **config: str) -> None:
    admin = broker.admin
    entries = [
        ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for name, value in config.items()
    ]
    for done in admin.incremental_alter_configs(
        [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)]
    ).values():
        done.result()


def compacted_topics(broker, prefix):
    """Topics whose purchases were compacted: 30 orders of three customers, then one a while later."""
    topics = named_topics(prefix)
    make_topics(broker, topics, partitions=1, purchases_config=COMPACTED)
    with ShopClient(broker) as client:
        orders = [purchase(f"c-{number % 3}", f"p-{number}", event_id=f"e-{number}") for number in range(30)]
        client.send(topics.purchases, *orders)

        def compacted() -> bool:
            client.send(topics.purchases, purchase("c-9", "last"))  # begins a new segment
            return len([r for r in client.read_all(topics.purchases) if r.key != b"c-9"]) <= 3

        eventually(compacted, "the topic is compacted", 60, every_s=0.5)
        left = client.read_all(topics.purchases)
    return topics, left


def test_a_compacted_topic_is_refused_with_the_command_that_mends_it(broker, prefix, service_of):
    topics = named_topics(prefix)
    make_topics(broker, topics, partitions=1, purchases_config={"cleanup.policy": "compact,delete"})
    service = service_of(topics).start(wait=False)

    assert service.wait_exit() == 1
    said = service.log_tail()
    assert "has cleanup.policy = compact,delete: of each customer only the last order would stay" in said
    assert f"kafka-configs.sh --bootstrap-server {broker.bootstrap} --alter --entity-type topics" in said
    assert f"--entity-name {topics.purchases}" in said
    assert "cleanup.policy=delete,retention.ms=-1,retention.bytes=-1" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("config", [{"retention.ms": "604800000"}, {"retention.bytes": "1000000"}])
def test_a_retention_that_ends_is_warned_of_or_refused_as_the_setting_says(broker, prefix, service_of, config):
    topics = named_topics(prefix)
    make_topics(broker, topics, partitions=1, purchases_config=config)
    warned = service_of(topics).start()
    status, ready = warned.get("/ready")
    refused = service_of(topics, history_at_risk="refuse").start(wait=False)

    (said,) = events(warned, "topic_loses_records")
    assert (said["level"], said["topic"]) == ("error", topics.purchases)
    assert next(iter(config)) in said["message"]
    assert "retention.ms=-1,retention.bytes=-1" in said["action"]
    assert warned.metric(f'alsobought_topic_loses_records{{topic="{topics.purchases}"}}') == 1
    assert (status, json.loads(ready)["warnings"]) == (200, [said["message"]])
    assert refused.wait_exit() == 1
    assert "retention.ms=-1" in refused.log_tail()


def test_what_was_compacted_away_is_counted_said_and_stays_known(broker, prefix, service_of):
    topics, left = compacted_topics(broker, prefix)
    gone = left[-1].offset + 1 - len(left)
    service = service_of(topics, history_at_risk="warn").start()
    eventually(lambda: bool(events(service, "purchases_compacted_away")), "it says so", 20)
    counted = service.metric("alsobought_history_lost_records_total")
    service.stop()
    service.start()
    _, ready = service.get("/ready")

    assert oracle.stored(service.database) == oracle.expected(left)
    assert events(service, "purchases_compacted_away")[0]["lost"] == counted == gone
    assert service.metric('alsobought_history_missing_records{reason="compaction"}') == gone
    assert f"{gone} purchases were gone from the topic before they were read" in json.loads(ready)["warnings"]


def test_rebuild_counts_what_it_read_and_not_what_is_gone(broker, prefix, service_of):
    topics = named_topics(prefix)
    make_topics(broker, topics, partitions=1)
    service = service_of(topics).start()
    with ShopClient(broker) as client:
        orders = [purchase(f"c-{number % 3}", f"p-{number}", event_id=f"e-{number}") for number in range(30)]
        last = client.send(topics.purchases, *orders)[-1]
        eventually(lambda: oracle.positions(service.database) == {0: last[1] + 1}, "all is stored")
        service.stop()
        set_config(broker, topics.purchases, **{name.replace(".", "_"): value for name, value in COMPACTED.items()})

        def compacted() -> bool:
            client.send(topics.purchases, purchase("c-9", "last"))
            return len([r for r in client.read_all(topics.purchases) if r.key != b"c-9"]) <= 3

        eventually(compacted, "the topic is compacted", 60, every_s=0.5)
        left = client.read_all(topics.purchases)
    code, said = run_command(service, "rebuild", "--discard")

    gone = left[-1].offset + 1 - len(left)
    assert code == 0, said
    assert f"{len(left):,} records read; digest" in said
    assert f"{len(left):,} records of purchases were read, {gone} are gone from the topic" in said
    assert f"purchases[0]: {gone} records are gone between those that were read, compacted away" in said
    assert "NOT the same state as before" in said
    assert "same records" not in said
    assert list(service.data_dir.glob("alsobought.db.before-*")), "only the old file knows all"


def test_transactions_are_no_loss(broker, tmp_path):
    with running_shop(broker, tmp_path, partitions=1) as shop:
        producer = Producer(broker.client_properties | {"transactional.id": shop.topics.purchases})
        producer.init_transactions(30)
        for number in range(4):
            producer.begin_transaction()
            for order in range(3):
                sent = purchase(f"c-{number}", f"p-{order}")
                producer.produce(shop.topics.purchases, sent.value, sent.key)
            producer.flush(10)
            (producer.commit_transaction if number % 2 else producer.abort_transaction)(30)
        place = shop.buy(purchase("c-9", "last"))[0]
        shop.ask_after(place, "c-9")
        shop.service.stop()
        code, said = run_command(shop.service, "rebuild")
        shop.service.start()

        assert shop.service.metric("alsobought_history_lost_records_total") == 0
        without_purchase = place[1] + 1 - 7  # aborted ones that reached the log, and the ends of transactions
        assert without_purchase >= 4
        assert shop.service.metric('alsobought_history_missing_records{reason="unclear"}') == without_purchase
        assert "warnings" not in json.loads(shop.service.get("/ready")[1])
        assert code == 0
        assert "7 records read" in said
        assert "the same state as before" in said
        assert "10 offsets hold no record: ends of transactions" in said
        assert "gone" not in said


def test_records_deleted_at_the_beginning_stay_known_after_a_restart(broker, prefix, service_of):
    topics = named_topics(prefix)
    make_topics(broker, topics, partitions=1)
    with ShopClient(broker) as client:
        client.send(topics.purchases, *(purchase("c-1", f"p-{number}") for number in range(9)))
    admin = broker.admin
    for done in admin.delete_records([TopicPartition(topics.purchases, 0, 5)], request_timeout=10).values():
        done.result()
    service = service_of(topics).start()
    service.stop()
    service.start()

    assert service.metric('alsobought_history_missing_records{reason="retention"}') == 5
    assert "5 purchases were gone from the topic" in service.get("/ready")[1]
