"""How much longer an answer takes while there is other work: a full training, a million purchases to catch up on.

One request in flight on one official broker, alternately with nothing else to do and with that work going on. The
trainer's share is a full training by `alsobought train`, as niced as the service's own. The purchases come into sight
all at once, so that only broker, worker and asker want a processor. Bars: p99 <= 1.3 x the idle one's while a model is
learnt, <= 2.5 x while the worker catches up.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import Producer

from config.settings import Settings
from consumers.kafka.clients import KafkaClients
from serving.runtime.logs import set_up_logging
from tests.benchmarks.asking import Asker
from tests.benchmarks.figures import Figures
from tests.benchmarks.generated import Shop
from tests.benchmarks.options import Options
from tests.benchmarks.setting import introduce, java_broker, real_data, scratch
from tests.benchmarks.trials import TOPICS, teach
from tests.benchmarks.verdicts import Verdicts
from tests.kafka.support.service import Service

IDLE, LEARNING, CATCHING_UP = "idle", "a full training beside it", "catching up"


def main() -> None:
    options = Options(__doc__)
    options.size("--purchases", 1_000_000, 3000, "to catch up on, in all rounds together")
    options.size("--rounds", 3, 1)
    options.size("--singles", 400, 30, "requests of an idle round, and at least of the others")
    options.size("--events", 200_000, 3000, "that a made-up shop begins with")
    options.size("--customers", 20_000, 300, "of a made-up shop")
    options.size("--products", 5000, 300, "of a made-up shop")
    options.size("--epochs", Settings().epochs, 1, "of the model that answers, and of the training beside it")
    options.size("--calibrate-hours", Settings().calibrate_hours, 0, "of the training beside it")
    chosen = options.chosen()
    verdicts, data = Verdicts.of(chosen), None if chosen.little else real_data()
    set_up_logging("console", "error")
    introduce("Answers while there is other work", purchases="online_retail" if data else "made up",
              to_catch_up_on=chosen.purchases, rounds=chosen.rounds)  # fmt: skip
    figures = Figures(IDLE, LEARNING, CATCHING_UP)
    with scratch() as folder, java_broker(folder) as broker:
        service = Service(broker, TOPICS, folder / "service", group="bench", role="worker", settings={})
        service.start()
        try:
            profiles = teach(
                broker, service, data, Shop(chosen.events, chosen.customers, chosen.products), chosen.epochs
            )
            asker = Asker(broker.bootstrap, TOPICS.requests, TOPICS.replies, profiles)
            asker.latencies_s(chosen.singles)
            events = Shop(chosen.purchases // chosen.rounds, chosen.customers, chosen.products)
            producer = KafkaClients(broker.bootstrap, {}).producer(linger_ms="50", transactional_id="bench")
            producer.init_transactions()
            for _ in range(chosen.rounds):
                figures.add(IDLE, **_quantiles(asker.latencies_s(chosen.singles)))
                figures.add(LEARNING, **_quantiles(_while_learning(asker, chosen, service)))
                figures.add(CATCHING_UP, **_quantiles(_while_catching_up(asker, service, producer, events)))
            asker.close()
        finally:
            service.kill()
    figures.show(yardstick=IDLE)
    for name, bar in ((LEARNING, 1.3), (CATCHING_UP, 2.5)):
        verdicts.at_most(
            f"p99 of an answer, {name}, beside an idle one", figures.ratios("p99 ms", name, IDLE), bar, " x"
        )


def _while_learning(asker: Asker, chosen: argparse.Namespace, service: Service) -> list[float]:
    command = [sys.executable, "-m", "serving", "train", "--full", "--no-announce", "--data-dir", str(service.data_dir)]
    learning = os.environ | {
        "ALSOBOUGHT_EPOCHS": str(chosen.epochs),
        "ALSOBOUGHT_CALIBRATE_HOURS": str(chosen.calibrate_hours),
        "ALSOBOUGHT_TRAIN_MIN_CUSTOMERS": "2",
    }
    with subprocess.Popen(["nice", "-n", "19", *command], env=learning, stdout=subprocess.DEVNULL) as training:
        return _asked_while(asker, chosen.singles, lambda: training.poll() is None)


def _while_catching_up(asker: Asker, service: Service, producer: Producer, events: Shop) -> list[float]:
    _produce(producer, events)
    return _asked_while(asker, 20, lambda: _behind(service))


def _produce(producer: Producer, events: Shop) -> None:
    """All in one transaction: the worker sees nothing until it is committed, and then everything at once."""
    producer.begin_transaction()
    for key, value in events.records():
        while True:
            try:
                producer.produce(TOPICS.purchases, key=key, value=value)
                break
            except BufferError:
                producer.poll(0.05)
    producer.commit_transaction()


def _behind(service: Service) -> bool:
    lag = service.metrics()
    return any(value > 0 for name, value in lag.items() if name.startswith("alsobought_lag") and "purchases" in name)


def _asked_while(asker: Asker, least: int, going_on: Callable[[], bool]) -> list[float]:
    """Latencies in seconds until the work is done, and at least so many."""
    taken: list[float] = []
    look_at = time.monotonic() + 0.5
    while len(taken) < least or time.monotonic() < look_at or going_on():
        taken += asker.latencies_s(5)
    return taken


def _quantiles(taken_s: list[float]) -> dict[str, Any]:
    cuts = statistics.quantiles([1000 * taken for taken in taken_s], n=100)
    return {"p50 ms": cuts[49], "p99 ms": cuts[98]}


if __name__ == "__main__":
    main()
