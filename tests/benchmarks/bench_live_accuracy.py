"""Live accuracy of real purchases: the history but its last days is sent to a running service, which learns from it.

Then the last days go through the broker at the pace given, and the metrics are scraped as Prometheus would: hit rate
and mean reciprocal rank of the answers, and of recent popularity on the very same purchases. The service goes on
learning meanwhile, as it would in use.
"""

import time
from collections.abc import Iterable
from pathlib import Path

from confluent_kafka import Producer

from config.settings import Settings
from consumers.file_import.purchase_files import Columns, PurchaseRecord, open_purchases
from consumers.kafka.clients import KafkaClients
from tests.benchmarks.options import Options
from tests.benchmarks.setting import introduce, java_broker, real_data, scratch, table, until
from tests.benchmarks.verdicts import Verdicts
from tests.kafka.support.running_shop import make_topics, named_topics
from tests.kafka.support.service import Service

DAY_MS = 86_400_000
TOPICS = named_topics("bench")
_QUESTION = "answers beside recent popularity, live over the last days of real purchases"
SHOWN = ("judged_purchases_total", "judged_unknown_total", "repurchases_total")


def main() -> None:
    options = Options(__doc__)
    options.size("--days", 30, 2, "that are sent one after the other")
    options.size("--seconds-a-day", 3.0, 0.5)
    options.size("--epochs", Settings().epochs, 1)
    options.size("--calibrate-hours", Settings().calibrate_hours, 0)
    chosen = options.chosen()
    verdicts = Verdicts.of(chosen)
    data = real_data()
    if data is None:
        verdicts.not_measured(_QUESTION, "it needs the real purchases, named in ALSOBOUGHT_DATA")
        return
    before, replayed = divided(data / "online_retail" / "transactions.parquet", chosen.days)
    introduce(
        "Live accuracy over the last days of real purchases, sent through the broker",
        purchases="online_retail", days=chosen.days, seconds_a_day=f"{chosen.seconds_a_day:g}",
        orders_before=len(before), orders_replayed=len(replayed),
    )  # fmt: skip
    settings = {
        "accuracy_sample_per_s": "10000", "accuracy_window_purchases": "100000", "ingest_batch_records": "50",
        "train_min_new_events": "500", "epochs": str(chosen.epochs), "calibrate_hours": str(chosen.calibrate_hours),
    }  # fmt: skip
    with scratch() as folder, java_broker(folder) as broker:
        make_topics(broker, TOPICS)
        service = Service(broker, TOPICS, folder / "service", group="bench", settings=settings)
        producer = KafkaClients(broker.bootstrap, {}).producer()
        try:
            service.start()
            send(producer, before)
            until(service, lambda: service.metric("alsobought_model_version") > 0, "a model answers", 600)
            replay(producer, replayed, chosen.seconds_a_day)
            wanted = len(before) + len(replayed)
            until(service, lambda: service.metric("alsobought_events_total") >= wanted, "all is stored", 300)
            show(service, verdicts)
        finally:
            service.kill()


def divided(path: Path, days: int) -> tuple[list[PurchaseRecord], list[PurchaseRecord]]:
    """All orders but those of the last days, and those; oldest first."""
    with open_purchases(path, Columns(), latest_ms=round(time.time() * 1000)) as file:
        events = [event for batch in file.batches() for event in batch]
    cut_ms = events[-1].time_ms - days * DAY_MS
    return [event for event in events if event.time_ms < cut_ms], [e for e in events if e.time_ms >= cut_ms]


def send(producer: Producer, events: Iterable[PurchaseRecord]) -> None:
    for event in events:
        while True:
            try:
                producer.produce(TOPICS.purchases, key=event.key, value=event.value)
                break
            except BufferError:
                producer.poll(0.05)
    assert producer.flush(60) == 0, "not everything was delivered"


def replay(producer: Producer, events: list[PurchaseRecord], seconds_a_day: float) -> None:
    """Order by order, each when its time has come."""
    begin, first_ms = time.monotonic(), events[0].time_ms
    for event in events:
        due_s = begin + (event.time_ms - first_ms) / DAY_MS * seconds_a_day
        while (left_s := due_s - time.monotonic()) > 0:
            producer.poll(min(left_s, 0.05))
        producer.produce(TOPICS.purchases, key=event.key, value=event.value)
    producer.flush(60)


def show(service: Service, verdicts: Verdicts) -> None:
    found = service.metrics()
    for name, what in (("hit_rate", "hit rate@10"), ("mrr", "MRR@10")):
        ours, popular = (found[f'alsobought_{name}{{brand="*",by="{by}"}}'] for by in ("model", "popularity"))
        verdicts.at_least(f"{_QUESTION}, {what}", ours / popular if popular else 0.0, 1.2, " x")
    rows = [
        (by, *(f"{found[f'alsobought_{name}{labels}']:.4f}" for name in ("hit_rate", "mrr")))
        for by in ("model", "popularity")
        for labels in ('{brand="*",by="' + by + '"}',)
    ]
    table(("by", "hit rate@10", "MRR@10"), rows)
    for name in SHOWN:
        print(f"{name}: {service.metric(f'alsobought_{name}'):,.0f}")
    print(f"models that answered one after the other: {service.metric('alsobought_model_swaps_total'):.0f}")


if __name__ == "__main__":
    main()
