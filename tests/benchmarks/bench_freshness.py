"""How soon a purchase is in an answer, beside the round trip of a bare echo.

A customer's purchase is produced and the answer for the same customer is asked for at once, and again until its
watermark has reached the purchase; the clock runs from the first to the last. One at a time, alternately with the echo
of `bench_answers`, on one official broker. Bar: p99 <= 2.5 x the echo's.
"""

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
from tests.benchmarks.figures import Figures
from tests.benchmarks.options import Options
from tests.benchmarks.setting import introduce, java_broker, scratch
from tests.benchmarks.trials import ECHO, TOPICS, trials, warm_up_options
from tests.benchmarks.verdicts import Verdicts

SEEN = "purchase seen"
_PATIENCE_S = 30.0


@dataclass(slots=True)
class Buyer:
    """Produces purchases and waits until answers know of them."""

    producer: Producer
    asker: Asker
    asked: list[int] = field(default_factory=list)  # requests that each purchase took
    delivered: list[int] = field(default_factory=list)  # offsets of purchases

    def seen_after_s(self, profile: str, product: str) -> float:
        """Seconds from producing a purchase to an answer that counts it. Raises TimeoutError."""
        begin, before = time.perf_counter(), len(self.delivered)
        event = {"event_id": f"fresh-{len(self.delivered)}", "profile_id": profile, "items": [{"product_id": product}]}
        self.producer.produce(
            TOPICS.purchases, key=profile.encode(), value=msgspec.json.encode(event), on_delivery=self._delivered
        )
        for asked in itertools.count(1):
            self.producer.poll(0)
            watermark = msgspec.json.decode(self.asker.ask(profile))["watermark"]
            taken_s = time.perf_counter() - begin
            self.producer.poll(0)
            if len(self.delivered) > before and watermark["offset"] >= self.delivered[-1]:
                self.asked.append(asked)
                return taken_s
            if taken_s > _PATIENCE_S:
                raise TimeoutError(f"a purchase of {profile} was in no answer within {_PATIENCE_S:g} s")
        raise AssertionError("unreachable")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        assert error is None, f"the purchase was not delivered: {error}"
        offset = message.offset()
        assert offset is not None, "delivered without an offset"
        self.delivered.append(offset)


def main() -> None:
    options = Options(__doc__)
    options.size("--products", 5000, 300, "of the made-up shop")
    options.size("--events", 100_000, 3000, "purchases that the shop begins with")
    options.size("--rounds", 5, 1)
    options.size("--purchases", 300, 30, "of a round, and as many round trips")
    warm_up_options(options)
    chosen = options.chosen()
    set_up_logging("console", "error")
    introduce("A purchase until it is in an answer, beside a bare echo",
              events=chosen.events, products=chosen.products, purchases_a_round=chosen.purchases,
              rounds=chosen.rounds)  # fmt: skip
    figures = Figures(SEEN, ECHO)
    choice = random.Random(1)
    with scratch() as folder, java_broker(folder) as broker, trials(broker, folder, None, chosen) as both:
        ours, echo = both.values()
        buyer = Buyer(KafkaClients(broker.bootstrap, {}).producer(linger_ms="0"), ours.asker)
        buyer.seen_after_s("customer-0000000", "product-0000000")  # its producer finds the broker
        buyer.asked.clear()
        for _ in range(chosen.rounds):
            bought = [
                (
                    f"customer-{choice.randrange(chosen.customers):07}",
                    f"product-{choice.randrange(chosen.products):07}",
                )
                for _ in range(chosen.purchases)
            ]
            figures.add(SEEN, **_quantiles([buyer.seen_after_s(*one) for one in bought]))
            figures.add(ECHO, **_quantiles(echo.asker.latencies_s(chosen.purchases)))
    figures.show(yardstick=ECHO)
    print(f"requests a purchase took: {statistics.mean(buyer.asked):.2f} on average, at most {max(buyer.asked)}")
    verdicts = Verdicts.of(chosen)
    verdicts.told(
        "from purchase to answer, p50 beside an echo's round trip", figures.ratios("p50 ms", SEEN, ECHO), " x"
    )
    verdicts.at_most(
        "from purchase to answer, p99 beside an echo's round trip", figures.ratios("p99 ms", SEEN, ECHO), 2.5, " x"
    )


def _quantiles(taken_s: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles([1000 * taken for taken in taken_s], n=100)
    return {"p50 ms": cuts[49], "p99 ms": cuts[98]}


if __name__ == "__main__":
    main()
