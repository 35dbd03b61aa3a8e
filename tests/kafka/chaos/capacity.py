"""How much a service can answer, measured just before more or less than that is asked of it."""

import statistics
from collections.abc import Callable, Mapping

from tests.kafka.brokers.broker import eventually
from tests.kafka.chaos.asking import Asking
from tests.kafka.support.running_shop import RunningShop

_BURST = 1500
_BURSTS = 3


def capacity_per_s(shop: RunningShop, customer: Callable[[], str], body: Mapping[str, object]) -> float:
    """Requests answered in a second when more than a thousand wait: the median of three bursts."""
    return statistics.median(_burst(shop, customer, body) for _ in range(_BURSTS))


def _burst(shop: RunningShop, customer: Callable[[], str], body: Mapping[str, object]) -> float:
    with Asking(shop.broker, shop.topics, customer, per_s=20 * _BURST, body=body, keep=False) as asking:
        eventually(lambda: asking.sent >= _BURST, "a burst is sent", 30)
    return len(asking.latencies_s) / (asking.last_answer_s - asking.sent_at_s[0])
