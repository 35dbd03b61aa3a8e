"""Requests at three times capacity: the newest are answered in time, the others dropped and counted."""

import statistics
import time

import psutil
import pytest

from tests.kafka.brokers.broker import eventually
from tests.kafka.chaos.asking import Asking
from tests.kafka.chaos.capacity import capacity_per_s
from tests.kafka.chaos.scenario import Scenario
from tests.kafka.support.records import purchase
from tests.kafka.support.running_shop import running_shop

pytestmark = pytest.mark.needs_real_broker(one=True)

CUSTOMERS = 400
PRODUCTS = 600
DEAR = {"k": 100}  # so that the worker is the bottleneck and not the broker or the customers
ALLOWED_S = 2.0
EXPIRED = "alsobought_requests_expired_total"


@pytest.mark.alone("measures what the service can do, and sends three times as much")
@pytest.mark.chaos(weight=1, least_s=4)
def test_requests_at_three_times_capacity(scenario: Scenario, broker, tmp_path):
    chance = scenario.chance

    def somebody() -> str:
        return f"c-{chance.randrange(CUSTOMERS)}"

    with running_shop(broker, tmp_path, request_max_age_ms="600000") as shop:
        shop.buy(*(purchase(f"c-{n % CUSTOMERS}", f"p-{n % PRODUCTS}", f"p-{n * 7 % PRODUCTS}") for n in range(3000)))
        capacity = capacity_per_s(shop, somebody, DEAR)
        process, expired = psutil.Process(shop.service.process.pid), shop.service.metric(EXPIRED)
        before_mib = process.memory_info().rss / 2**20
        most_mib = before_mib
        with Asking(
            broker, shop.topics, somebody, per_s=3 * capacity, allowed_s=ALLOWED_S, body=DEAR, keep=False
        ) as asking:
            for _ in scenario.rounds():
                shop.service.run_for(0.2)
                most_mib = max(most_mib, process.memory_info().rss / 2**20)
            asking.per_s, ended = capacity / 4, time.monotonic()
            flooded_s = ended - asking.sent_at_s[0]
            eventually(lambda: asking.answered_since(ended), "requests are answered again", 60)
            recovered_s = time.monotonic() - ended
        eventually(
            lambda: shop.service.metric(EXPIRED) - expired + len(asking.latencies_s) >= asking.sent,
            "every request was answered or counted as dropped",
            60,
        )
        dropped = shop.service.metric(EXPIRED) - expired

    latencies_s = asking.latencies_s
    late = sum(latency > ALLOWED_S for latency in latencies_s)
    in_time = len(latencies_s) - late
    scenario.tell(
        f"{capacity:,.0f} requests a second are the capacity, {asking.sent:,} were sent at three times that",
        f"{in_time:,} answered in time ({in_time / (capacity * flooded_s):.0%} of capacity), {late:,} too late, "
        f"{dropped:,.0f} dropped and counted",
        f"median answer {statistics.median(latencies_s):.2f} s of {ALLOWED_S:g} s allowed",
        f"memory {before_mib:.0f} MiB before and {most_mib:.0f} MiB at most",
        f"a new request was answered {recovered_s:.1f} s after the flood ended",
    )
    assert len(asking.latencies_s) + dropped == asking.sent
    assert most_mib < before_mib + 300
