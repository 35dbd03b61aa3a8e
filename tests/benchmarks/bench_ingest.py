"""What share of a bare consume full ingest reaches: decode, dedupe, SQLite with the offsets in one transaction.

Both read the same topic on the official broker with the same client settings, alternately, from its start to its end;
the clock starts with the first batch, which is not counted. Between them: consume and decode, nothing stored. At last:
what each stage of full ingest costs, in processor time of the thread of the loop. Bar: 9 % by processor time.
"""

import resource
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

from confluent_kafka import Consumer, Message, Producer, TopicPartition

import consumers.loop.worker
from config.settings import Settings
from consumers.decoding.purchases import PurchaseDecoder
from consumers.ingest.purchases import Ingest
from consumers.kafka.clients import KafkaClients, drain
from consumers.kafka.records import sorted_out
from consumers.loop.worker import Worker
from model.store.folding import Folding
from model.store.plan import Applied, BatchPlan
from model.store.writer import Store
from serving.protocol.shown_products import ShownProducts
from serving.runtime.logs import set_up_logging
from serving.runtime.opened import Base
from serving.runtime.service import Service
from tests.benchmarks.figures import Figures
from tests.benchmarks.generated import Shop
from tests.benchmarks.options import Options
from tests.benchmarks.setting import introduce, java_broker, scratch, table
from tests.benchmarks.verdicts import Verdicts

TOPIC, PARTITIONS, BATCH = "purchases", 6, 2000
BARE, DECODED, FULL = "bare consume", "consume and decode", "full ingest"
_TIMEOUT_S = 600
_STAGES: tuple[tuple[str, Any, str], ...] = (
    ("polling", Worker, "_read"),
    ("to records", consumers.loop.worker, "sorted_out"),
    ("decoding", Ingest, "_decoded"),
    ("planning", BatchPlan, "__init__"),
    ("writing", Store, "_write"),
    ("remembering", Store, "_remember"),
    ("beginning a fold", Folding, "_divide"),
    ("folding", Folding, "_move"),
    ("counting what was sold", Base, "sold"),
)
Run = Callable[[Callable[[], bool]], None]  # works until something holds
_WHOLE, _REST = "all", "committing and the rest"


class Clock:
    """Counts events from the end of the first batch to the last event."""

    def __init__(self, events: int) -> None:
        self.wanted, self.seen, self.first = events, 0, 0
        self._begin, self._begin_cpu = 0.0, 0.0
        self.figures: dict[str, float] = {}
        self._give_up = time.monotonic() + _TIMEOUT_S

    def count(self, events: int) -> None:
        """A batch is done."""
        self.seen += events
        if events and not self.first:
            self.first, self._begin, self._begin_cpu = events, time.perf_counter(), time.process_time()
        if self.done and not self.figures:
            counted = self.seen - self.first
            self.figures = {
                "events/s": counted / (time.perf_counter() - self._begin),
                "events per CPU second": counted / (time.process_time() - self._begin_cpu),
            }

    @property
    def done(self) -> bool:
        """Whether all have come. Raises TimeoutError when they do not."""
        if time.monotonic() > self._give_up:
            raise TimeoutError(f"{self.seen:,} of {self.wanted:,} events within {_TIMEOUT_S} s")
        return self.seen >= self.wanted


def main() -> None:
    options = Options(__doc__)
    options.size("--events", 300_000, 12_000)
    options.size("--customers", 100_000, 500)
    options.size("--products", 50_000, 200)
    options.size("--rounds", 3, 1)
    chosen = options.chosen()
    verdicts = Verdicts.of(chosen)
    shop = Shop(chosen.events, chosen.customers, chosen.products)
    introduce(
        "Full ingest beside a bare consume of the same topic",
        events=chosen.events, customers=chosen.customers, products=chosen.products,
        partitions=PARTITIONS, rounds=chosen.rounds,
    )  # fmt: skip
    set_up_logging("console", "warning")
    with scratch() as folder, java_broker(folder) as broker:
        broker.create_topic(TOPIC, PARTITIONS, {"retention.ms": "-1"})
        clients = KafkaClients(broker.bootstrap, {})
        print(f"  an event has {fill(clients, shop):.0f} bytes", flush=True)
        figures, stages = Figures(BARE, DECODED, FULL), []
        for turn in range(chosen.rounds):
            figures.add(BARE, **_consumed(clients, chosen.events, len))
            figures.add(DECODED, **_consumed(clients, chosen.events, _decoded))
            with stage_clock() as spent_s:
                figures.add(FULL, **ingested(broker.bootstrap, folder / f"data{turn}", chosen.events))
            stages.append({stage: 1e6 * seconds / chosen.events for stage, seconds in spent_s.items()})
    figures.show(yardstick=BARE)
    show_stages(stages)
    for what, bar in (("events per CPU second", 9), ("events/s", None)):
        shares = [100 * share for share in figures.ratios(what, FULL, BARE)]
        question = f"full ingest as a share of a bare consume, {what}"
        if bar is None:
            verdicts.told(question, shares, " %")
        else:
            verdicts.at_least(question, shares, bar, " %")
    print(f"greatest memory of this process, broker not counted: {_peak_mb():.0f} MB")


@contextmanager
def stage_clock() -> Iterator[dict[str, float]]:
    """The processor seconds that the loop's thread spends in each stage meanwhile, complete at the end."""
    spent_s: dict[str, float] = defaultdict(float)
    with ExitStack() as stack:
        for stage, owner, name in (*_STAGES, (_WHOLE, Worker, "step")):
            stack.enter_context(patch.object(owner, name, _timed(getattr(owner, name), stage, spent_s)))
        yield spent_s
    spent_s[_REST] = spent_s[_WHOLE] - sum(spent_s[stage] for stage, _, _ in _STAGES)


def _timed(work: Callable[..., Any], stage: str, spent_s: dict[str, float]) -> Callable[..., Any]:
    @wraps(work)
    def timed(*given: Any) -> Any:
        begin = time.thread_time()
        try:
            return work(*given)
        finally:
            spent_s[stage] += time.thread_time() - begin

    return timed


def show_stages(rounds: list[dict[str, float]]) -> None:
    """A line for each stage: median, least and greatest of the rounds, in µs an event."""
    rows = []
    for stage in (*(stage for stage, _, _ in _STAGES), _REST, _WHOLE):
        spent = [measured[stage] for measured in rounds]
        rows.append((stage, f"{statistics.median(spent):.2f}", f"{min(spent):.2f} … {max(spent):.2f}"))
    table(("stage of full ingest", "CPU µs an event", "least … greatest"), rows)


def fill(clients: KafkaClients, shop: Shop) -> float:
    """Produce all events; returns the mean size of a value in bytes."""
    producer: Producer = clients.producer(linger_ms="50", compression_type="lz4")
    total = count = 0
    for key, value in shop.records():
        total, count = total + len(value), count + 1
        while True:
            try:
                producer.produce(TOPIC, key=key, value=value)
                break
            except BufferError:
                producer.poll(0.05)
    assert producer.flush(60) == 0, "not everything was delivered"
    return total / count


def _consumed(clients: KafkaClients, events: int, work: Callable[[list[Message]], int]) -> dict[str, float]:
    """Read the whole topic, doing `work` with each batch."""
    consumer: Consumer = clients.consumer(  # roomy: it has nobody else to serve
        "bare", queued_max_messages_kbytes="32768", fetch_message_max_bytes="1048576"
    )
    consumer.assign([TopicPartition(TOPIC, partition, 0) for partition in range(PARTITIONS)])
    clock = Clock(events)
    while not clock.done:
        clock.count(work(drain(consumer, BATCH, 0.1)))
    consumer.close()
    return clock.figures


def _decoded(messages: list[Message]) -> int:
    records, _ = sorted_out(messages)
    purchases, others = PurchaseDecoder().decode_plain([record.value or b"" for record in records], time.time())
    assert not others, "all of them are plain"
    return len(purchases)


def ingested(bootstrap: str, folder: Path, events: int) -> dict[str, float]:
    """Let a fresh worker read the whole topic into a fresh file."""
    clock = Clock(events)
    with fresh_worker(bootstrap, folder, clock.count) as run:
        run(lambda: clock.done)
    return clock.figures


@contextmanager
def fresh_worker(
    bootstrap: str, folder: Path, count: Callable[[int], None]
) -> Iterator[Callable[[Callable[[], bool]], None]]:
    """The service as `alsobought run --role worker` builds it, in this process, to be run until something holds.

    `count` hears of every batch.
    """
    settings = Settings(bootstrap_servers=bootstrap, data_dir=folder, group_id=folder.name, role="worker")
    folder.mkdir()
    with ExitStack() as stack:
        taken_up = Base.sold

        def applied(base: Base, shown: ShownProducts, batch: Applied) -> None:
            taken_up(base, shown, batch)
            count(batch.applied)

        stack.enter_context(patch.object(Base, "sold", applied))
        service = Service(settings)
        parts = service.open(stack, lambda: False)
        assert parts is not None, "nobody asked it to stop"
        yield partial(service.run, parts)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
