"""One worker, three, two, one, under load: whoever answers holds the customer's whole history, and nobody is forgotten.

The workers have no model and offer what the customer does not own; what each offers is compared with the oracle.
"""

import json
import time

import pytest

from tests.kafka import load, oracle
from tests.kafka.answers import wrong_answers
from tests.kafka.brokers import eventually
from tests.kafka.chaos.asking import Asking
from tests.kafka.chaos.scenario import Scenario, slowest

pytestmark = pytest.mark.needs_real_broker(one=True)

PARTITIONS = 6
CROWD = load.Crowd(customers=150, stay=1500)
PROPERTIES = {
    "classic": {"session.timeout.ms": "3000", "heartbeat.interval.ms": "300"},
    "consumer": {},
}


def share(services) -> list[int]:
    """How many partitions each owns, -1 while it restores one."""
    seen = [service.metrics() for service in services]
    return [-1 if now["alsobought_partitions_restoring"] else int(now["alsobought_partitions_owned"]) for now in seen]


def wait_until_shared(services) -> float:
    """Until all partitions are shared evenly and restored; how many seconds that took."""
    began, even = time.monotonic(), [PARTITIONS // len(services)] * len(services)
    eventually(lambda: share(services) == even, f"{len(services)} workers own {even} partitions", 120)
    return time.monotonic() - began


@pytest.mark.chaos(weight=2, least_s=1)
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_workers_come_and_go(scenario: Scenario, broker, shop_topics, start_service, shop, protocol):
    topics, chance = shop_topics(PARTITIONS), scenario.chance
    settings = {
        "group_protocol": protocol,
        "kafka_properties": json.dumps(PROPERTIES[protocol]),
        "request_max_age_ms": "600000",
    }
    workers = [start_service(topics, role="worker", name="one", **settings)]
    took_s: list[float] = []
    killed = 0
    with (
        load.Selling(broker, topics.purchases, seed=chance.randrange(10**6), crowd=CROWD, per_s=300) as selling,
        Asking(broker, topics, selling.somebody) as asking,
    ):
        for number in scenario.rounds():
            joining = workers[1:] or [start_service(topics, role="worker", name=name, wait=False, **settings) for name in ("two", "three")]
            if number:
                for worker in joining:
                    worker.start(wait=False)
            workers = [workers[0], *joining]
            took_s.append(wait_until_shared(workers))
            chance.shuffle(workers)
            for left in (2, 1):
                if chance.random() < 0.5:
                    workers[left].kill()
                    killed += 1
                else:
                    assert workers[left].stop() == 0
                took_s.append(wait_until_shared(workers[:left]))
    records = shop.read_all(topics.purchases)
    last = workers[0]
    eventually(lambda: oracle.positions(last.database) == oracle.ends(records), "all records are stored", 120)
    expected, stored = oracle.expected(records), oracle.stored(last.database)

    scenario.tell(
        f"{len(took_s)} rebalances between 1, 3, 2 and 1 workers, {killed} of them by kill -9",
        f"{len(records):,} records, {sum(stored.get(name) == sequence for name, sequence in expected.items()):,} of "
        f"{len(expected):,} sequences as the oracle's",
        f"{len(asking.replies):,} answers checked, {asking.repeated} of them given twice, {asking.unanswered} missing",
        f"shared and restored in {slowest(took_s)}, longest time without an answer {asking.longest_gap_s():.1f} s",
    )
    assert stored == expected
    assert wrong_answers(asking.replies.values(), records) == []
    assert (asking.unanswered, asking.refused) == (0, 0)
