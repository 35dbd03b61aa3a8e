"""Three brokers, and always one too few: the leader of each topic dies in turn while purchases and requests flow."""

import time

import pytest

from tests.kafka.brokers.broker import eventually
from tests.kafka.brokers.java import JavaBroker
from tests.kafka.chaos.asking import Asking
from tests.kafka.chaos.scenario import Scenario, slowest
from tests.kafka.chaos.verdict import wrong
from tests.kafka.support import load
from tests.kafka.support.running_shop import running_shop

CROWD = load.Crowd(customers=150, tastes=4, stay=1500)


def in_sync(cluster: JavaBroker, topics: tuple[str, ...]) -> bool:
    """Whether every copy of these topics is up to date, so that another node may be lost."""
    known = cluster.admin.list_topics(timeout=15).topics
    partitions = [partition for name in topics for partition in known[name].partitions.values()]
    return all(len(partition.isrs) == cluster.nodes for partition in partitions)


def lose_leader(cluster: JavaBroker, topic: str, asking: Asking) -> float:
    """Kill the node that leads the topic; how many seconds later a request of then was answered."""
    began = time.monotonic()
    cluster.kill(cluster.leader(topic))
    eventually(lambda: asking.answered_since(began), f"requests are answered without the leader of {topic}", 120)
    return time.monotonic() - began


@pytest.mark.chaos(weight=3, least_s=1)
def test_the_leader_of_each_topic_killed_in_turn(scenario: Scenario, java_cluster, tmp_path):
    cluster, chance = java_cluster(nodes=3), scenario.chance
    recoveries_s: list[float] = []
    with running_shop(cluster, tmp_path, request_max_age_ms="600000") as shop:
        topics = shop.topics
        with (
            load.Selling(cluster, topics.purchases, seed=chance.randrange(10**6), crowd=CROWD, per_s=300) as selling,
            Asking(cluster, topics, selling.somebody) as asking,
        ):
            eventually(lambda: asking.answered_since(0), "requests are answered", 60)
            for number in scenario.rounds():
                if number:
                    cluster.restart()
                    eventually(lambda: in_sync(cluster, topics.all()), "the returned node is in sync", 120)
                recoveries_s.append(lose_leader(cluster, topics.all()[number % len(topics.all())], asking))
        records = shop.client.read_all(topics.purchases)
        scenario.tell(f"{len(recoveries_s)} leaders of three nodes killed, answered again in {slowest(recoveries_s)}")
        found = wrong(scenario, records, shop.service.database, asking)

    assert found == []
