"""How much slower than a bare echo real answers are, one and thousands in flight, and what processor time they cost.

The service (worker, trained model) and an echo process with replies of equal size are asked in turn on one official
broker, after a warm-up of both. Goals: one in flight p50 <= 1.25 x and p99 <= 1.5 x the echo's; >= 50 % of its answers
a second; its processor time >= 15 % of ours.
Asked are three models: one of real purchases, where there are some (ALSOBOUGHT_DATA), and one of a made-up shop with
50,000 products, ranked with the second stage and by the index alone.
"""

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil
from confluent_kafka import TopicPartition

from config.settings import Settings
from consumers.file_import.purchase_files import Columns, open_purchases
from consumers.file_import.sender import import_purchases
from consumers.kafka.clients import KafkaClients
from consumers.training.train_once import train_once
from model.store.reader import read_contents, read_watermark
from model.store.schema import open_to_read
from serving.runtime.logs import set_up_logging
from tests.benchmarks.asking import Asker
from tests.benchmarks.bench_ingest import PARTITIONS, TOPIC, fill
from tests.benchmarks.echo import Echo
from tests.benchmarks.generated import Shop
from tests.benchmarks.setting import Figures, introduce, java_broker, real_data, scratch, until
from tests.kafka.brokers.java import JavaBroker
from tests.kafka.support.service import Service, ShopTopics

OURS, ECHO = "answers", "echo"
REAL, LARGE, INDEX_ALONE = MODELS = ("real", "large", "large, index alone")
TOPICS = ShopTopics(
    purchases=TOPIC,
    catalog="catalog",
    requests="recommendation-requests",
    replies="recommendation-replies",
    models="recommendation-models",
    dead_letters="alsobought-dead-letters",
    reply_patterns=("recommendation-replies",),
)
_ECHO_REQUESTS = "echo-requests"
_ECHO_MORE = 4
_RECORDED = 1000  # replies that the echo sends back


@dataclass(frozen=True, slots=True)
class Trial:
    """One of the two, ready to be asked."""

    asker: Asker
    pid: int


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", choices=MODELS, action="append", help="ask only this one; may be given again")
    options.add_argument("--products", type=int, default=50_000, help="of the made-up shop")
    options.add_argument("--events", type=int, default=200_000, help="made-up purchases")
    options.add_argument("--epochs", type=int, default=5, help="the model need not be good, only real")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--singles", type=int, default=400, help="requests of a round with one in flight")
    options.add_argument("--answers", type=int, default=8000, help="requests of a round with thousands in flight")
    options.add_argument("--in-flight", type=int, default=4000)
    options.add_argument("--warm-up", type=int, default=10_000, help="requests to each before the clock starts")
    options.add_argument(
        "--batch", type=int, default=Settings().request_batch_records, help="requests answered together"
    )
    chosen = options.parse_args()
    set_up_logging("console", "error")
    for model in chosen.model or MODELS:
        compare(model, chosen)


def compare(model: str, chosen: argparse.Namespace) -> None:
    """Ask about one of MODELS and print the figures."""
    data = real_data() if model == REAL else None
    if model == REAL and data is None:
        print(f"{REAL}: not measured, there is no real data (ALSOBOUGHT_DATA)")
        return
    introduce(
        "Answers beside a bare echo",
        purchases="online_retail" if data else f"made up, {chosen.events:,} events",
        rounds=chosen.rounds,
        answers_at_a_time=chosen.batch,
        ranked_by="the index alone" if model == INDEX_ALONE else "the index and the second stage",
    )
    figures = Figures(OURS, ECHO)
    second_stage = model != INDEX_ALONE
    with (
        scratch() as folder,
        java_broker(folder) as broker,
        trials(broker, folder, data, chosen, second_stage=second_stage) as both,
    ):
        for _ in range(chosen.rounds):
            for name, trial in both.items():
                figures.add(name, **_single(trial, chosen.singles))
            for name, trial in both.items():
                # processor time is counted in hundredths of a second: the echo needs more requests to fill some
                count = chosen.answers * (_ECHO_MORE if name == ECHO else 1)
                figures.add(name, **_many(trial, count, chosen.in_flight))
    figures.show(yardstick=ECHO)
    ratio = figures.ratio
    print(f"one in flight p50 {ratio('p50 ms, one in flight', OURS, ECHO):.2f} x (goal 1.25), "
          f"p99 {ratio('p99 ms, one in flight', OURS, ECHO):.2f} x (goal 1.5)")  # fmt: skip
    print(f"{100 * ratio('answers/s', OURS, ECHO):.0f} % of the echo's answers/s (goal 50 %); "
          f"the echo's CPU is {100 * ratio('CPU µs each', ECHO, OURS):.0f} % of ours (goal 15 %)")  # fmt: skip


@contextmanager
def trials(
    broker: JavaBroker, folder: Path, data: Path | None, chosen: argparse.Namespace, *, second_stage: bool = True
) -> Iterator[dict[str, Trial]]:
    """Both, warm."""
    with ExitStack() as stack:
        service = Service(
            broker, TOPICS, folder / "service", group="bench", role="worker",
            settings={"request_batch_records": str(chosen.batch)},
        )  # fmt: skip
        stack.callback(service.kill)
        service.start()
        shop = Shop(chosen.events, 20_000, chosen.products)
        profiles = teach(broker, service, data, shop, chosen.epochs, second_stage=second_stage)
        asker = Asker(broker.bootstrap, TOPICS.requests, TOPICS.replies, profiles)
        stack.callback(asker.close)
        replies = asker.replies(chosen.warm_up, chosen.in_flight)[-_RECORDED:]
        _check(replies)
        broker.create_topic(_ECHO_REQUESTS, PARTITIONS)
        broker.create_topic("echo-replies", PARTITIONS)
        requests = [TopicPartition(_ECHO_REQUESTS, partition) for partition in range(PARTITIONS)]
        echo = stack.enter_context(Echo(broker.bootstrap, requests, replies, chosen.batch))
        echo_asker = Asker(broker.bootstrap, _ECHO_REQUESTS, "echo-replies", profiles)
        stack.callback(echo_asker.close)
        echo_asker.replies(chosen.warm_up, chosen.in_flight)
        yield {OURS: Trial(asker, service.process.pid), ECHO: Trial(echo_asker, echo.pid)}
        print(f"  what the service logged as a warning or worse: {_complaints(service)}")
        service.stop()


def teach(
    broker: JavaBroker, service: Service, data: Path | None, shop: Shop, epochs: int, *, second_stage: bool = True
) -> list[str]:
    """Bring purchases and a model, good or not, into a running service; returns its customers."""
    clients = KafkaClients(broker.bootstrap, {})
    if data is None:
        fill(clients, shop)
        events = shop.events
    else:
        latest_ms = round(time.time() * 1000)
        with open_purchases(data / "online_retail" / "transactions.parquet", Columns(), latest_ms=latest_ms) as file:
            events = import_purchases(clients, TOPIC, file).records
    database = Settings(data_dir=service.data_dir).database
    until(service, lambda: read_watermark(database).events >= events, "the purchases are stored", 300)
    settings = Settings(
        bootstrap_servers=broker.bootstrap,
        data_dir=service.data_dir,
        epochs=epochs,
        train_min_customers=2,
        calibrate_hours=168 if second_stage else 0,
        gate_customers=0,
    )
    about = train_once(settings)
    until(service, lambda: service.metric("alsobought_model_version") > 0, "the model answers", 60)
    lines = len(read_contents(database).histories.products) / max(about.customers, 1)
    print(
        f"  model     {about.vocabulary:,} products, {about.parameters.vector_size} numbers each, "
        f"of {about.customers:,} customers with {lines:.0f} order lines each",
        flush=True,
    )
    with_database = open_to_read(database)
    try:
        return [profile for (profile,) in with_database.execute("SELECT profile FROM customer")]
    finally:
        with_database.close()


def _check(replies: Sequence[bytes]) -> None:
    """The echo must not be compared with something that gives up early."""
    decoded = [msgspec.json.decode(reply) for reply in replies]
    good = sum(reply.get("degraded") is None and len(reply.get("recommendations", ())) == 10 for reply in decoded)
    print(f"  replies   {statistics.mean(map(len, replies)):.0f} bytes each; {good:,} of {len(replies):,} have ten "
          "products of the model", flush=True)  # fmt: skip
    assert good > len(replies) / 2, "too few answers of the model to measure"


def _single(trial: Trial, count: int) -> dict[str, float]:
    taken_ms = [1000 * taken for taken in trial.asker.latencies_s(count)]
    cuts = statistics.quantiles(taken_ms, n=100)
    return {"p50 ms, one in flight": cuts[49], "p99 ms, one in flight": cuts[98]}


def _many(trial: Trial, count: int, in_flight: int) -> dict[str, float]:
    process = psutil.Process(trial.pid)
    begin, begin_cpu = time.perf_counter(), _cpu_s(process)
    trial.asker.replies(count, in_flight)
    return {
        "answers/s": count / (time.perf_counter() - begin),
        "CPU µs each": 1e6 * (_cpu_s(process) - begin_cpu) / count,
    }


def _cpu_s(process: psutil.Process) -> float:
    used = process.cpu_times()
    return used.user + used.system


def _complaints(service: Service) -> str:
    levels = [line.get("level") for line in service.log_lines()]
    return f"{sum(level in ('warning', 'error', 'critical') for level in levels)} lines"


if __name__ == "__main__":
    main()
