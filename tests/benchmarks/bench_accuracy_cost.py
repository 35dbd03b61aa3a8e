"""What live accuracy costs: ingest with and without it, alternately, and what comparing one purchase takes.

A worker with a store of known customers and a model learnt from them takes more of the same shop's purchases, in
batches of 2,000; no broker and no decoding is in between, so that what is compared weighs more than it ever does in the
service. "shipped" is the default of accuracy_sample_per_s; "everything" compares as much as it can.
Bar: as shipped, ingest keeps 95 % of its pace.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from config.settings import Settings
from consumers.observability.metrics import Metrics
from consumers.training.train_once import train_once
from model.purchases.changes import LogRecord
from model.signals.demand import Demand
from model.store.reader import read_contents
from model.store.writer import Store
from serving.accuracy.progressive_validation import LiveValidation
from serving.accuracy.sampling import Allowance
from serving.live_models.live_model import bind, open_model
from serving.live_models.live_models import LiveModels
from serving.recommendation.recommender import Recommender
from tests.benchmarks.figures import Figures
from tests.benchmarks.generated import Shop
from tests.benchmarks.options import Options
from tests.benchmarks.setting import introduce, scratch
from tests.benchmarks.verdicts import Verdicts

BATCH = 2000
WITHOUT, SHIPPED, EVERYTHING = "without", "shipped", "everything"
RATES = {WITHOUT: 0.0, SHIPPED: float(Settings().accuracy_sample_per_s), EVERYTHING: 10_000.0}


def main() -> None:
    options = Options(__doc__)
    options.size("--events", 200_000, 600, "half of them are known before, half are taken in")
    options.size("--customers", 20_000, 100)
    options.size("--products", 5000, 50)
    options.size("--rounds", 5, 1)
    chosen = options.chosen()
    introduce(
        "Ingest with live accuracy beside ingest without it",
        events=chosen.events, customers=chosen.customers, products=chosen.products, rounds=chosen.rounds,
        shipped_setting=f"{RATES[SHIPPED]:g} a second",
    )  # fmt: skip
    verdicts = Verdicts.of(chosen)
    log = Shop(chosen.events, chosen.customers, chosen.products).log()
    known, new = log[: len(log) // 2], log[len(log) // 2 :]
    with scratch() as folder:
        models = _taught(folder / "first", known)
        figures = Figures(*RATES)
        compared: dict[str, list[int]] = {name: [] for name in RATES}
        for turn in range(chosen.rounds):
            for name in Random(turn).sample(list(RATES), len(RATES)):
                share = new[: len(new) // 10] if name == EVERYTHING else new
                count, measured = _taken(folder / f"{name}{turn}", models, known, share, RATES[name])
                compared[name].append(count)
                figures.add(name, **measured)
    figures.show(yardstick=WITHOUT)
    print(f"compared in each round: {compared}")
    per_s = figures.values["events per CPU second"]
    each_us = [
        1e6 * (1 / everything - 1 / without) * len(new[: len(new) // 10]) / max(count, 1)
        for everything, without, count in zip(per_s[EVERYTHING], per_s[WITHOUT], compared[EVERYTHING], strict=True)
    ]
    verdicts.told("comparing one purchase when all are compared, CPU", each_us, " µs")
    kept = [100 * share for share in figures.ratios("events per CPU second", SHIPPED, WITHOUT)]
    verdicts.at_least("pace of ingest that live accuracy as shipped leaves, by CPU", kept, 95, " %")


def _taught(folder: Path, known: Sequence[LogRecord]) -> Path:
    """A models folder with one model, learnt from what is known."""
    settings = Settings(data_dir=folder, epochs=3)
    folder.mkdir()
    store = _store(folder, known)
    store.close()
    train_once(settings, announce=False)
    return settings.models_folder


def _store(folder: Path, known: Sequence[LogRecord]) -> Store:
    store = Store(folder / "alsobought.db")
    store.open_log("cluster", "purchases", "id", 0)
    for at in range(0, len(known), BATCH):
        store.apply(known[at : at + BATCH])
    store.fold()
    return store


def _taken(
    folder: Path, models: Path, known: Sequence[LogRecord], new: Sequence[LogRecord], per_s: float
) -> tuple[int, dict[str, float]]:
    """Take in the new purchases on top of the known ones; how many were compared, and how fast it went."""
    folder.mkdir()
    store, demand, metrics = _store(folder, known), Demand(), Metrics()
    histories = read_contents(store.path).histories
    demand.add(histories.products, histories.times)
    live = LiveModels(models, store, demand, metrics)
    (version,) = [entry.name for entry in models.iterdir() if entry.name.startswith("v")]
    live.live[""] = bind(open_model(models, version), store, demand)
    live.turn()
    validation = LiveValidation(
        store, live, Recommender(store, demand, live).answer, metrics, lambda *_: True, 10,
        Allowance(per_s), 1000,
    )  # fmt: skip
    began, began_cpu = time.perf_counter(), time.process_time()
    for at in range(0, len(new), BATCH):
        batch = new[at : at + BATCH]
        if per_s:
            validation.compare(batch)
        applied = store.apply(batch)
        demand.add(applied.products, applied.times)
        live.turn()
    took, took_cpu = time.perf_counter() - began, time.process_time() - began_cpu
    count = metrics.registry.get_sample_value("alsobought_judged_purchases_total", {"brand": "none"}) or 0
    store.close()
    return int(count), {"events/s": len(new) / took, "events per CPU second": len(new) / took_cpu}


if __name__ == "__main__":
    main()
