"""Three brokers, and always one too few: the leader of each topic dies in turn while purchases and requests flow."""

import time

import pytest

from tests.kafka import load, oracle
from tests.kafka.answers import wrong_answers
from tests.kafka.brokers import eventually
from tests.kafka.chaos.asking import Asking
from tests.kafka.chaos.scenario import Scenario, slowest
from tests.kafka.java_broker import JavaBroker
from tests.kafka.running_shop import running_shop

CROWD = load.Crowd(customers=150, tastes=4, stay=1500)


def in_sync(cluster: JavaBroker, topics: tuple[str, ...]) -> bool:
    """Whether every copy of these topics is up to date, so that another node may be lost."""
    known = cluster.admin.list_topics(timeout=15).topics
    partitions = [partition for name in topics for partition in known[name].partitions.values()]
    return all(len(partition.isrs) == cluster.nodes for partition in partitions)


def lose_leader(cluster: JavaBroker, topic: str, asking: Asking) -> tuple[int, float]:
    """Kill the node that leads the topic; which it was, and how many seconds later new requests were answered."""
    node, began = cluster.leader(topic), time.monotonic()
    cluster.kill(node)
    eventually(lambda: asking.answered_since(began), f"requests are answered without the leader of {topic}", 120)
    return node, time.monotonic() - began


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
                _, took_s = lose_leader(cluster, topics.all()[number % len(topics.all())], asking)
                recoveries_s.append(took_s)
        records = shop.client.read_all(topics.purchases)
        database = shop.service.database
        eventually(lambda: oracle.positions(database) == oracle.ends(records), "all records are stored", 120)
        stored, expected = oracle.stored(database), oracle.expected(records)
        failed_commits = shop.service.metric("alsobought_commit_failures_total")

    scenario.tell(
        f"{len(recoveries_s)} leaders of three nodes killed",
        f"{len(records):,} records, {sum(stored.get(name) == sequence for name, sequence in expected.items()):,} of "
        f"{len(expected):,} sequences as the oracle's",
        f"{len(asking.replies):,} answers checked, {asking.repeated} of them given twice, {asking.unanswered} missing",
        f"requests answered again in {slowest(recoveries_s)}, longest time without an answer "
        f"{asking.longest_gap_s():.1f} s, {failed_commits:.0f} failed commits",
    )
    assert stored == expected
    assert wrong_answers(asking.replies.values(), records) == []
    assert (asking.unanswered, asking.refused) == (0, 0)
