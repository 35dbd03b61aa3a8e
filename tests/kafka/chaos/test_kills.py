"""kill -9 and power cuts under load: every sequence is the oracle's, every answer from its customer's own history."""

import random
import time

import pytest

from model.snapshots.metadata import versions
from model.snapshots.reader import open_snapshot
from tests.kafka.brokers.broker import eventually
from tests.kafka.chaos.asking import Asking
from tests.kafka.chaos.power import lose_power
from tests.kafka.chaos.scenario import Scenario, slowest
from tests.kafka.chaos.verdict import wrong
from tests.kafka.support import load

pytestmark = pytest.mark.needs_real_broker(one=True)

CROWD = load.Crowd(customers=150, tastes=4, stay=1500)
SETTINGS = {
    "group_instance_id": "one",  # so that a killed worker has its partitions back at once
    "ingest_batch_records": "50",
    "fold_every_events": "700",
    "request_max_age_ms": "600000",
    "train_min_new_events": "1000",
    "train_max_wait_s": "5",
    "vector_size": "16",
    "window": "3",
    "negative": "3",
    "epochs": "2",
    "gate_customers": "0",
    "trainer_niceness": "0",
}


def sell_and_learn(shop, topics, service, count: int) -> None:
    """A beginning: so many purchases, and a model learnt from them. While they pour in the trainer would wait."""
    shop.send(topics.purchases, *load.purchases(count, seed=1, crowd=CROWD))
    eventually(lambda: service.metric("alsobought_model_version") > 0, "a model answers", 120)


def blow(service, how: str, chance: random.Random) -> int:
    """Kill what runs; bytes of the database's log that a power cut lost."""
    if how == "worker":
        service.process.kill()  # its trainer is to notice by itself
        service.process.wait()
        return 0
    service.kill()
    return lose_power(service.database, chance) if how == "power" else 0


@pytest.mark.chaos(weight=5, least_s=8)
def test_killed_at_any_moment(scenario: Scenario, broker, shop_topics, start_service, shop):
    topics, chance = shop_topics(), scenario.chance
    service = start_service(topics, **SETTINGS)
    blows: dict[str, int] = dict.fromkeys(("worker", "both", "power"), 0)
    recoveries_s: list[float] = []
    lost_bytes: list[int] = []
    sell_and_learn(shop, topics, service, 1500)
    with (
        load.Selling(broker, topics.purchases, seed=chance.randrange(2, 10**6), crowd=CROWD, per_s=400) as selling,
        Asking(broker, topics, selling.somebody) as asking,
    ):
        for _ in scenario.rounds(least=3):
            how = chance.choice(list(blows))
            service.run_for(min(chance.expovariate(1.0), 5.0))
            lost_bytes.append(blow(service, how, chance))
            blows[how] += 1
            began = time.monotonic()
            service.start(wait=False)
            if chance.random() < 0.6:  # the others may well die while they start
                service.wait_ready(120)
                recoveries_s.append(time.monotonic() - began)
        service.wait_ready(120)
    records = shop.read_all(topics.purchases)

    scenario.tell(f"{sum(blows.values())} kills ({', '.join(f'{count} {how}' for how, count in blows.items())})")
    found = wrong(scenario, records, service.database, asking)
    scenario.tell(
        f"ready again in {slowest(recoveries_s)}", f"power cuts lost up to {max(lost_bytes) / 1024:,.0f} KiB of the log"
    )
    assert found == []


def kill_trainer_while_it_writes(service, chance: random.Random) -> bool:
    """Kill it some milliseconds after it began to write a snapshot; whether the snapshot was left half written."""
    models = service.data_dir / "models"
    before = set(models.glob(".writing-*"))
    eventually(
        lambda: bool(set(models.glob(".writing-*")) - before), "a snapshot is being written", 120, every_s=0.0005
    )
    time.sleep(chance.uniform(0.0, 0.03))
    trainer = service.trainer()
    assert trainer is not None, "whoever writes runs"
    trainer.kill()
    trainer.wait(10)
    return bool(set(models.glob(".writing-*")) - before)


@pytest.mark.chaos(weight=2, least_s=1)
def test_the_trainer_killed_while_it_writes(scenario: Scenario, broker, shop_topics, start_service, shop):
    topics, chance = shop_topics(), scenario.chance
    service = start_service(topics, **SETTINGS | {"train_min_new_events": "100", "keep_versions": "1000"})
    models, halves, kills = service.data_dir / "models", 0, 0
    sell_and_learn(shop, topics, service, 6000)
    with load.Selling(broker, topics.purchases, seed=chance.randrange(2, 10**6), crowd=CROWD, per_s=60):
        for _ in scenario.rounds():
            halves += kill_trainer_while_it_writes(service, chance)
            kills += 1
            stood_at = service.metric("alsobought_model_version")
            eventually(lambda: service.metric("alsobought_model_version") > stood_at, "the next model answers", 120)  # noqa: B023
    sound = [open_snapshot(models, version).metadata.version for version in versions(models)]

    scenario.tell(
        f"{kills} kills of the trainer, {halves} of them in the middle of a snapshot",
        f"{len(sound)} versions on disk, every one sound",
        f"{service.metric('alsobought_model_refused_total'):.0f} refused by the worker",
    )
    assert sound == versions(models)
    assert service.metric("alsobought_model_refused_total") == 0
    assert service.metric("alsobought_trainer_restarts_total") == kills
