"""While a worker has many purchases to catch up on, requests are answered in between, not behind them."""

import os
import signal

import pytest

from tests.kafka.brokers.broker import eventually
from tests.kafka.support.records import purchase
from tests.kafka.support.running_shop import running_shop

BACKLOG = 60_000
APPLIED = 'alsobought_events_total{outcome="applied"}'


@pytest.mark.needs_real_broker(one=True)
def test_a_request_does_not_wait_for_a_backlog_of_purchases(broker, tmp_path):
    with running_shop(broker, tmp_path, partitions=1) as shop:
        shop.buy(purchase("ada", "tea"))
        shop.ask("ada")
        os.kill(shop.service.process.pid, signal.SIGSTOP)
        try:
            places = shop.buy(*(purchase(f"c-{number % 500}", "tea", "cup") for number in range(BACKLOG)))
        finally:
            os.kill(shop.service.process.pid, signal.SIGCONT)

        eventually(lambda: shop.service.metric(APPLIED) > BACKLOG // 20, "the worker is at it", every_s=0.01)

        reply = shop.ask("ada")

        _, end = max(places)
        assert reply["watermark"]["offset"] < end - BACKLOG // 10
        assert shop.ask_after(max(places), "ada")["degraded"] == "no_model"
