"""`alsobought rebuild` on real topics: the state comes back as it was, and what the broker no longer has is said."""

import re

import pytest
from confluent_kafka import TopicPartition

from tests.kafka.brokers.broker import eventually
from tests.kafka.support import load, oracle
from tests.kafka.support.records import Record, product, purchase, tombstone
from tests.kafka.support.running_shop import running_shop
from tests.kafka.support.service import run_command


def digests(said: str) -> set[str]:
    return set(re.findall(r"digest ([0-9a-f]{64})", said))


@pytest.mark.parametrize("fold_every_events", ["50", "1000000"], ids=["folded", "unfolded"])
def test_the_state_comes_back_with_repeats_poison_forgetting_and_withdrawals(broker, tmp_path, fold_every_events):
    with running_shop(broker, tmp_path, fold_every_events=fold_every_events) as shop:
        shop.buy(*load.purchases(1500, seed=5, poison=True))
        shop.client.send(shop.topics.catalog, product("p-1", title="One", price=2.5), product("p-2", withdrawn=True))
        shop.client.send(shop.topics.catalog, tombstone("p-3"), Record(b"p-4", b"{no json"))
        records = shop.client.read_all(shop.topics.purchases)
        stored = lambda: oracle.positions(shop.service.database) == oracle.ends(records)  # noqa: E731
        eventually(stored, "all records are stored", 30)
        eventually(lambda: len(shop.client.read_all(shop.topics.dead_letters)) > 0, "the poison is buried")
        letters = len(shop.client.read_all(shop.topics.dead_letters))
        shop.service.kill()
        code, said = run_command(shop.service, "rebuild")
        shop.service.start()
        kept = oracle.stored(shop.service.database)
        place = shop.buy(purchase("c-1", "p-9"))[0]

        assert code == 0, said
        assert "NOT the same state as before" not in said
        assert len(digests(said)) == 1
        assert kept == oracle.expected(records)
        assert shop.ask_after(place, "c-1")["watermark"]["offset"] == place[1]
        assert len(shop.client.read_all(shop.topics.dead_letters)) == letters, "no dead letter is written anew"


@pytest.mark.needs_real_broker(one=True)
def test_what_the_broker_no_longer_has_is_said_and_the_old_file_stays(broker, tmp_path):
    with running_shop(broker, tmp_path, partitions=1) as shop:
        place = shop.buy(*load.purchases(200, seed=6))[-1]
        eventually(lambda: oracle.positions(shop.service.database) == {0: place[1] + 1}, "all records are stored")
        shop.service.stop()
        admin = broker.admin
        for done in admin.delete_records([TopicPartition(shop.topics.purchases, 0, 150)]).values():
            done.result()
        code, said = run_command(shop.service, "rebuild", "--discard")
        left = list(shop.service.data_dir.glob("alsobought.db.before-*"))

    assert code == 0, said
    assert "the broker no longer has the first 150 records" in said
    assert "NOT the same state as before" in said
    assert len(left) == 1


def test_a_service_that_runs_is_not_rebuilt_under_its_feet(broker, tmp_path):
    with running_shop(broker, tmp_path) as shop:
        place = shop.buy(purchase("c-1", "tea"))[0]
        shop.ask_after(place, "c-1")
        code, said = run_command(shop.service, "rebuild")

        assert code == 2
        assert "in use by another alsobought process: stop that one" in said
        assert shop.ask("c-1")["profile_id"] == "c-1"
