"""The service and a bare echo, both warm, on one broker: who is asked by the benchmarks of answers."""

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from confluent_kafka import TopicPartition

from config.settings import Settings
from consumers.file_import.purchase_files import Columns, open_purchases
from consumers.file_import.sender import import_purchases
from consumers.kafka.clients import KafkaClients
from model.store.reader import read_watermark
from model.store.schema import open_to_read
from tests.benchmarks.asking import Asker
from tests.benchmarks.bench_ingest import PARTITIONS, TOPIC, fill
from tests.benchmarks.echo import Echo
from tests.benchmarks.generated import Shop
from tests.benchmarks.learnt_models import Source, describe, learn_or_reuse
from tests.benchmarks.options import Options
from tests.benchmarks.setting import until
from tests.kafka.brokers.java import JavaBroker
from tests.kafka.support.service import Service, ShopTopics

OURS, ECHO = "answers", "echo"
TOPICS = ShopTopics(
    purchases=TOPIC,
    catalog="catalog",
    requests="recommendation-requests",
    replies="recommendation-replies",
    models="recommendation-models",
    dead_letters="alsobought-dead-letters",
    reply_patterns=("recommendation-replies",),
)
ECHO_TOPICS = ("echo-requests", "echo-replies")
_RECORDED = 1000  # replies that the echo sends back


@dataclass(frozen=True, slots=True)
class Trial:
    """One of the two, ready to be asked."""

    asker: Asker
    pid: int
    service: Service | None = None  # None of the echo


def warm_up_options(options: Options) -> None:
    """What `trials` wants to know beside the shop's size."""
    options.size("--customers", 20_000, 300, "of the made-up shop; nearly all of them are active neighbours")
    options.size("--epochs", Settings().epochs, 1, "that the model is learnt for")
    options.size("--in-flight", 4000, 200, "requests that are unanswered at most")
    options.size("--warm-up", 10_000, 300, "requests to each before the clock starts")
    options.size("--batch", Settings().request_batch_records, 256, "requests answered together")


@contextmanager
def trials(
    broker: JavaBroker,
    folder: Path,
    data: Path | None,
    chosen: argparse.Namespace,
    *,
    second_stage: bool = True,
    kind: type[Service] = Service,
    properties: Mapping[str, str] | None = None,
    echo_marks: Path | None = None,
    topic_config: dict[str, str] | None = None,
) -> Iterator[dict[str, Trial]]:
    """Both, warm. `properties` are librdkafka's, for all clients; the echo notes in `echo_marks` when it did what."""
    given = {"kafka_properties": json.dumps(properties)} if properties else {}
    with ExitStack() as stack:
        service = kind(
            broker, TOPICS, folder / "service", group="bench", role="worker",
            settings={"request_batch_records": str(chosen.batch), "request_max_age_ms": "60000", **given},
        )  # fmt: skip
        stack.callback(service.kill)
        service.start()
        shop = Shop(chosen.events, chosen.customers, chosen.products)
        profiles = teach(broker, service, data, shop, chosen.epochs, second_stage=second_stage)
        asker = Asker(broker.bootstrap, TOPICS.requests, TOPICS.replies, profiles, properties=properties)
        stack.callback(asker.close)
        replies = asker.replies(chosen.warm_up, chosen.in_flight)[-_RECORDED:]
        _check(replies)
        for topic in ECHO_TOPICS:
            broker.create_topic(topic, PARTITIONS, topic_config)
        requests = [TopicPartition(ECHO_TOPICS[0], partition) for partition in range(PARTITIONS)]
        echo = stack.enter_context(
            Echo(broker.bootstrap, requests, replies, chosen.batch, properties=properties or {}, marks=echo_marks)
        )
        echo_asker = Asker(broker.bootstrap, *ECHO_TOPICS, profiles, properties=properties)
        stack.callback(echo_asker.close)
        echo_asker.replies(chosen.warm_up, chosen.in_flight)
        yield {OURS: Trial(asker, service.process.pid, service), ECHO: Trial(echo_asker, echo.pid)}
        print(f"  what the service logged as a warning or worse: {_complaints(service)}")
        assert service.stop() == 0, service.log_tail()


def teach(
    broker: JavaBroker, service: Service, data: Path | None, shop: Shop, epochs: int, *, second_stage: bool = True
) -> list[str]:
    """Bring purchases and a model into a running service; returns its customers."""
    clients = KafkaClients(broker.bootstrap, {})
    if data is None:
        fill(clients, shop)
        events, source = shop.events, Source(repr(shop))
    else:
        path, latest_ms = data / "online_retail" / "transactions.parquet", round(time.time() * 1000)
        with open_purchases(path, Columns(), latest_ms=latest_ms) as file:
            events = import_purchases(clients, TOPIC, file).records
        source = Source.file(path)
    settings = Settings(
        bootstrap_servers=broker.bootstrap,
        data_dir=service.data_dir,
        epochs=epochs,
        train_min_customers=2,
        calibrate_hours=168 if second_stage else 0,
        gate_customers=0,
    )
    until(service, lambda: read_watermark(settings.database).events >= events, "the purchases are stored", 300)
    about = learn_or_reuse(settings, source)
    until(service, lambda: service.metric("alsobought_model_version") > 0, "the model answers", 60)
    until(service, lambda: not service.metric("alsobought_neighbours_waiting"), "neighbours are known", 120)
    describe(about, settings)
    database = open_to_read(settings.database)
    try:
        return [profile for (profile,) in database.execute("SELECT profile FROM customer")]
    finally:
        database.close()


def _check(replies: Sequence[bytes]) -> None:
    """The echo must not be compared with something that gives up early."""
    decoded = [msgspec.json.decode(reply) for reply in replies]
    good = sum(reply.get("degraded") is None and len(reply.get("recommendations", ())) == 10 for reply in decoded)
    print(f"  replies   {statistics.mean(map(len, replies)):.0f} bytes each; {good:,} of {len(replies):,} have ten "
          "products of the model", flush=True)  # fmt: skip
    assert good > len(replies) / 2, "too few answers of the model to measure"


def _complaints(service: Service) -> str:
    levels = [line.get("level") for line in service.log_lines()]
    return f"{sum(level in ('warning', 'error', 'critical') for level in levels)} lines"
