"""One worker, three, two, one, under load: whoever answers holds the customer's whole history, and nobody is forgotten.

The workers have no model and offer what the customer does not own; what each offers is compared with the oracle.
"""

import json
import time

import pytest

from tests.kafka.brokers.broker import eventually
from tests.kafka.chaos.asking import Asking
from tests.kafka.chaos.scenario import Scenario, slowest
from tests.kafka.chaos.verdict import wrong
from tests.kafka.support import load

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


@pytest.fixture(params=["classic", "consumer"])
def start_worker(request, shop_topics, start_service):
    """(topics, `start(name)`): workers of one group, by each protocol."""
    topics = shop_topics(PARTITIONS)
    settings = {
        "group_protocol": request.param,
        "kafka_properties": json.dumps(PROPERTIES[request.param]),
        "request_max_age_ms": "600000",
    }
    return topics, lambda name: start_service(topics, role="worker", name=name, wait=False, **settings)


@pytest.mark.chaos(weight=2, least_s=1)
def test_workers_come_and_go(scenario: Scenario, broker, start_worker, shop):
    (topics, start), chance = start_worker, scenario.chance
    workers = [start("one")]
    workers[0].wait_ready()
    took_s: list[float] = []
    killed = 0
    with (
        load.Selling(broker, topics.purchases, seed=chance.randrange(10**6), crowd=CROWD, per_s=300) as selling,
        Asking(broker, topics, selling.somebody) as asking,
    ):
        for number in scenario.rounds():
            if number:
                for worker in workers[1:]:
                    worker.start(wait=False)
            else:
                workers += [start("two"), start("three")]
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

    scenario.tell(
        f"{len(took_s)} rebalances between 1, 3, 2 and 1 workers, {killed} of them by kill -9",
        f"shared and restored in {slowest(took_s)}",
    )
    assert wrong(scenario, records, workers[0].database, asking) == []
