"""A database that another program locks for longer than Kafka waits for a worker: nothing is lost, and it says so."""

import json
import sqlite3
import time
from contextlib import closing

import pytest

from tests.kafka.brokers.broker import eventually
from tests.kafka.chaos.asking import Asking
from tests.kafka.chaos.scenario import Scenario, slowest
from tests.kafka.chaos.verdict import wrong
from tests.kafka.support import load
from tests.kafka.support.running_shop import running_shop

pytestmark = pytest.mark.needs_real_broker(one=True)

CROWD = load.Crowd(customers=150, stay=1500)
MAX_POLL_MS = 6000
LOCKED_S = 7.5  # longer than Kafka waits, shorter than SQLite does
QUICK = {"max.poll.interval.ms": str(MAX_POLL_MS), "session.timeout.ms": "6000", "heartbeat.interval.ms": "500"}
TOO_SLOW = "alsobought_loop_too_slow_total"


@pytest.mark.chaos(weight=1, least_s=1)
def test_a_database_locked_for_longer_than_kafka_waits(scenario: Scenario, broker, tmp_path):
    recoveries_s: list[float] = []
    with running_shop(broker, tmp_path, request_max_age_ms="600000", kafka_properties=json.dumps(QUICK)) as shop:
        seed, topics, service = scenario.chance.randrange(10**6), shop.topics, shop.service
        with (
            load.Selling(broker, topics.purchases, seed=seed, crowd=CROWD, per_s=200) as selling,
            Asking(broker, topics, selling.somebody) as asking,
        ):
            eventually(lambda: asking.answered_since(0), "requests are answered", 60)
            for _ in scenario.rounds():
                with closing(sqlite3.connect(service.database, isolation_level=None, timeout=30)) as other:
                    other.execute("BEGIN IMMEDIATE")
                    service.run_for(LOCKED_S)
                    other.execute("ROLLBACK")
                freed = time.monotonic()
                eventually(lambda: asking.answered_since(freed), "requests are answered again", 60)  # noqa: B023
                recoveries_s.append(time.monotonic() - freed)
        records = shop.client.read_all(topics.purchases)
        scenario.tell(
            f"locked {len(recoveries_s)} times for {LOCKED_S:g} s, where Kafka waits {MAX_POLL_MS / 1000:g} s; "
            f"answered again in {slowest(recoveries_s)}"
        )
        found = wrong(scenario, records, service.database, asking)
        counted, said = service.metric(TOO_SLOW), service.log_lines()

    assert found == []
    assert counted == len([line for line in said if line["event"] == "loop_too_slow"]) >= 1
