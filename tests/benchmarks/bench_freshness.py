"""How soon a purchase is in an answer, beside the round trip of a bare echo.

A customer's purchase is produced and the answer for the same customer is asked for at once, and again until its
watermark has reached the purchase; the clock runs from the first to the last. One at a time, alternately with the echo
of `bench_answers`, on one official broker. Goal: p99 <= 2 x the echo's.
"""

import argparse
import itertools
import random
import statistics
import time
from dataclasses import dataclass, field

import msgspec
from confluent_kafka import KafkaError, Message, Producer

from consumers.kafka.clients import KafkaClients
from serving.runtime.logs import set_up_logging
from tests.benchmarks.asking import Asker
from tests.benchmarks.bench_answers import ECHO, TOPICS, trials
from tests.benchmarks.setting import Figures, introduce, java_broker, scratch

SEEN = "purchase seen"
_PATIENCE_S = 30.0


@dataclass(slots=True)
class Buyer:
    """Produces purchases and waits until answers know of them."""

    producer: Producer
    asker: Asker
    asked: list[int] = field(default_factory=list)  # requests that each purchase took
    _offset: int | None = None  # of the purchase, once it is delivered

    def seen_after_s(self, profile: str, product: str) -> float:
        """Seconds from producing a purchase to an answer that counts it. Raises TimeoutError."""
        begin, self._offset = time.perf_counter(), None
        event = {"event_id": f"fresh-{len(self.asked)}", "profile_id": profile, "items": [{"product_id": product}]}
        self.producer.produce(
            TOPICS.purchases, key=profile.encode(), value=msgspec.json.encode(event), on_delivery=self._delivered
        )
        for asked in itertools.count(1):
            self.producer.poll(0)
            watermark = msgspec.json.decode(self.asker.ask(profile))["watermark"]
            taken_s = time.perf_counter() - begin
            self.producer.poll(0)
            if self._offset is not None and watermark["offset"] >= self._offset:
                self.asked.append(asked)
                return taken_s
            if taken_s > _PATIENCE_S:
                raise TimeoutError(f"a purchase of {profile} was in no answer within {_PATIENCE_S:g} s")
        raise AssertionError("unreachable")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        assert error is None, f"the purchase was not delivered: {error}"
        self._offset = message.offset()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--products", type=int, default=5000, help="of the made-up shop")
    options.add_argument("--events", type=int, default=100_000, help="purchases that the shop begins with")
    options.add_argument("--epochs", type=int, default=2, help="the model need not be good, only real")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--purchases", type=int, default=300, help="of a round, and as many round trips")
    options.add_argument("--warm-up", type=int, default=10_000, help="requests to each before the clock starts")
    options.add_argument("--in-flight", type=int, default=2000, help="of the warm-up")
    options.add_argument("--batch", type=int, default=256, help="requests answered together")
    chosen = options.parse_args()
    set_up_logging("console", "error")
    introduce("A purchase until it is in an answer, beside a bare echo",
              events=chosen.events, products=chosen.products, purchases_a_round=chosen.purchases,
              rounds=chosen.rounds)  # fmt: skip
    figures = Figures(SEEN, ECHO)
    choice = random.Random(1)
    with scratch() as folder, java_broker(folder) as broker, trials(broker, folder, None, chosen) as both:
        ours, echo = both.values()
        buyer = Buyer(KafkaClients(broker.bootstrap, {}).producer(linger_ms="0"), ours.asker)
        for _ in range(chosen.rounds):
            bought = [(f"customer-{choice.randrange(20_000):07}", f"product-{choice.randrange(chosen.products):07}")
                      for _ in range(chosen.purchases)]  # fmt: skip
            figures.add(SEEN, **_quantiles([buyer.seen_after_s(*one) for one in bought]))
            figures.add(ECHO, **_quantiles(echo.asker.latencies_s(chosen.purchases)))
    figures.show(yardstick=ECHO)
    print(f"p99 {figures.ratio('p99 ms', SEEN, ECHO):.2f} x an echo's round trip (goal 2); requests a purchase took: "
          f"{statistics.mean(buyer.asked):.2f} on average, at most {max(buyer.asked)}")  # fmt: skip


def _quantiles(taken_s: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles([1000 * taken for taken in taken_s], n=100)
    return {"p50 ms": cuts[49], "p99 ms": cuts[98]}


if __name__ == "__main__":
    main()
