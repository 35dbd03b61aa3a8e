"""Long and steady: half of what can be answered, training every minute; nothing grows that should not."""

import statistics
from datetime import UTC, datetime

import pytest

from tests.kafka.brokers.broker import eventually
from tests.kafka.chaos.asking import Asking
from tests.kafka.chaos.capacity import capacity_per_s
from tests.kafka.chaos.scenario import Scenario
from tests.kafka.chaos.verdict import wrong_sequences
from tests.kafka.chaos.vital_figures import DRAWN, MIB, VitalFigures
from tests.kafka.support import load
from tests.kafka.support.running_shop import RunningShop, running_shop
from tests.kafka.support.service import ROOT

pytestmark = pytest.mark.needs_real_broker(one=True)

CROWD = load.Crowd(customers=2000, tastes=8)
PURCHASES_PER_S = 50
LOOKS = 200
EXPIRED = "alsobought_requests_expired_total"
PICTURE = ROOT / ".chaos" / "soak.png"
SETTINGS = {
    "train_min_new_events": "1000000000",  # the time alone decides
    "vector_size": "32",
    "window": "5",
    "negative": "5",
    "epochs": "5",
    "dedupe_window_events": "500",  # what is kept in memory up to a limit is to reach it early
    "fold_every_events": "2000",
}


def at_half_capacity(scenario: Scenario, shop: RunningShop) -> tuple[VitalFigures, Asking]:
    """Let the shop sell and its customers ask for the time of the scenario; what was seen meanwhile."""
    every_s = max(scenario.seconds / LOOKS, 0.5)
    half = capacity_per_s(shop, lambda: CROWD.somebody(scenario.chance, 0), {}) / 2
    figures, seen = VitalFigures(shop.service), 0
    selling = load.Selling(shop.broker, shop.topics.purchases, seed=2, crowd=CROWD, per_s=PURCHASES_PER_S)
    with selling, Asking(shop.broker, shop.topics, selling.somebody, per_s=half, keep=False) as asking:
        for _ in scenario.rounds(least=9):
            shop.service.run_for(every_s)
            fresh = asking.latencies_s[seen:]
            seen += len(fresh)
            figures.look(fresh, len(fresh) / every_s)
    return figures, asking


def settled(figures: VitalFigures, *names: str) -> list[str]:
    """In words, for each of these: how it stood in the middle third of the time and in the last."""
    return ["{}: {:.0f}, then {:.0f}".format(DRAWN[name], *figures.thirds(name)) for name in names]


@pytest.mark.chaos(weight=5, least_s=0)
def test_long_and_steady(scenario: Scenario, broker, tmp_path):
    settings = SETTINGS | {"train_max_wait_s": str(min(60.0, scenario.seconds / 4))}
    with running_shop(broker, tmp_path, role="both", **settings) as shop:
        shop.buy(*load.purchases(5000, seed=1, crowd=CROWD))
        eventually(lambda: shop.service.metric("alsobought_model_version") > 0, "a model answers", 300)
        figures, asking = at_half_capacity(scenario, shop)
        records = shop.client.read_all(shop.topics.purchases)
        wrong = wrong_sequences(scenario, records, shop.service.database)
        trainings, expired = shop.service.metric("alsobought_trainings_total"), shop.service.metric(EXPIRED)
    minutes, lines = scenario.seconds / 60, sum(len(read.json["items"]) for read in records if read.value)
    per_s = asking.sent / scenario.seconds
    figures.draw(
        PICTURE,
        f"{minutes:.0f} minutes of {per_s:,.0f} requests and {PURCHASES_PER_S} purchases a second, "
        f"{trainings:.0f} trainings, {datetime.now(UTC):%Y-%m-%d}",
    )

    scenario.tell(
        f"{minutes:.1f} minutes, {asking.sent:,} requests ({per_s:,.0f} a second), {trainings:.0f} trainings",
        *settled(figures, "worker_mib", "trainer_mib", "files"),
        f"{figures.series['database_mib'][-1] * MIB / lines:.0f} bytes of database for each product bought, "
        f"its log {max(figures.series['log_mib']):.0f} MiB at most",
        f"median answer {1000 * statistics.median(asking.latencies_s):.0f} ms, "
        f"slowest {max(asking.latencies_s):.1f} s, {expired:.0f} dropped",
        f"drawn in {PICTURE.relative_to(ROOT)}",
    )
    assert wrong == []
    assert asking.unanswered == expired
    assert_settled(figures, "worker_mib", by=60)
    assert_settled(figures, "files", by=20)


def assert_settled(figures: VitalFigures, name: str, *, by: float) -> None:
    before, after = figures.thirds(name)
    assert after < before + by, f"{DRAWN[name]} grew from {before:.0f} to {after:.0f}"
