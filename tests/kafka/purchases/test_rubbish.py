"""Bad records by the thousand among good ones: nothing stops, every one of them is accounted for, memory stays flat.

20,000 of them here; ALSOBOUGHT_RUBBISH=1000000 before a release. Resident memory is printed as it goes along.
"""

import itertools
import os
import random
from collections import Counter

import psutil
import pytest

from consumers.ingest.dead_letters import origin_of
from consumers.kafka.clients import KafkaClients
from tests.builders.topics import records_on
from tests.kafka.brokers.broker import eventually
from tests.kafka.purchases.test_poison import POISON
from tests.kafka.support import oracle
from tests.kafka.support.records import Record, Shape, purchase, request
from tests.kafka.support.running_shop import running_shop

pytestmark = [pytest.mark.needs_real_broker(one=True), pytest.mark.timeout(3600)]

BAD = int(os.environ.get("ALSOBOUGHT_RUBBISH", "20000"))
AT_ONCE = 2_000
BAD_FOR_A_GOOD_ONE = 20
SETTLED = 0.2  # by then caches and the allocator have what they need
MAY_GROW_BYTES = 100 * 2**20
SMALL = [value for value, _ in POISON.values() if len(value) < 2_000]


class Memory:
    """Resident bytes of a process, noted as bad records go by."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self.noted: list[tuple[int, int]] = []

    def note(self, done: int) -> None:
        self.noted.append((done, self._process.memory_info().rss))

    def growth(self) -> int:
        """How much more it was at most than when it had settled."""
        settled = [rss for done, rss in self.noted if done >= SETTLED * self.noted[-1][0]]
        return max(settled) - settled[0]

    def __str__(self) -> str:
        shown = self.noted[:: max(len(self.noted) // 10, 1)]
        return ", ".join(f"{done:,}: {rss / 2**20:.0f} MiB" for done, rss in shown)


def rubbish(count: int):
    """Bad purchases of every small kind, some with odd keys and headers, and a good one now and then."""
    chance = random.Random(8)
    for number, value in enumerate(itertools.islice(itertools.cycle(SMALL), count)):
        key = chance.choice([b"c-%d" % (number % 50), None, b"", b"\xff\xfe"])
        yield Record(key, value, chance.choice([(), (("x-brand-id", b"\xff"),), (("content-type", b"\xff"),)]))
        if number % BAD_FOR_A_GOOD_ONE == 0:
            yield purchase(f"c-{number % 50}", f"p-{number % 20}")


def send_in_lots(shop, topic, records, after_each=lambda _sent: None):
    """Where each record lies, in order."""
    places = []
    for lot in iter(lambda: list(itertools.islice(records, AT_ONCE)), []):
        places += shop.client.send(topic, *lot)
        after_each(len(places))
    return places


def is_bad(record: Record) -> bool:
    return record.value in SMALL


def test_bad_purchases_are_dead_letters_the_good_ones_count_and_memory_is_flat(broker, tmp_path):
    with running_shop(broker, tmp_path, ingest_batch_records="500") as shop:
        memory = Memory(shop.service.process.pid)
        bad = 'alsobought_events_total{outcome="dead"}'

        def caught_up(sent: int) -> None:
            done = sent - sent // (BAD_FOR_A_GOOD_ONE + 1) - AT_ONCE
            eventually(lambda: shop.service.metric(bad) >= done, f"{done} bad records are dealt with", 120)
            memory.note(sent)

        places = send_in_lots(shop, shop.topics.purchases, rubbish(BAD), caught_up)
        eventually(lambda: shop.service.metric(bad) == BAD, "every bad record is dealt with", 120)
        wrong = {place for place, record in zip(places, rubbish(BAD), strict=True) if is_bad(record)}
        letters = Counter(origin_of(letter)[1:] for letter in records_on(clients(broker), shop.topics.dead_letters))
        bought = sum(map(len, oracle.stored(shop.service.database).values()))
        ends = oracle.positions(shop.service.database)

    print(f"\n{BAD:,} bad records among {bought:,} good ones; resident memory after so many: {memory}")
    assert letters == Counter(wrong), "each once, and no good one"
    assert bought == len(places) - BAD
    assert ends == {part: max(offset for at, offset in places if at == part) + 1 for part in ends}
    assert memory.growth() < MAY_GROW_BYTES


def test_bad_requests_are_error_replies_and_the_good_ones_are_answered(broker, tmp_path):
    bodies = [
        b"{no json",
        b'{"k": 0}',
        b'{"profile_id": [7]}',
        b'{"profile_id": "c-1", "filters": {"colour": []}}',
        b"",
    ]
    with running_shop(broker, tmp_path, request_max_age_ms="3600000") as shop:
        memory = Memory(shop.service.process.pid)
        address = request({}, Shape.SPRING, shop.topics.replies).record.headers
        count = max(BAD // 10, 1_000)
        sent = (Record(b"c-1", bodies[at % 5], address if at % 2 else ()) for at in range(count))
        send_in_lots(shop, shop.topics.requests, sent, memory.note)

        def dealt_with() -> tuple[float, float]:
            return tuple(shop.service.metric(f"alsobought_{name}_total") for name in ("error_replies", "dead_letters"))

        eventually(lambda: sum(dealt_with()) == count, "every bad request is dealt with", 120)
        memory.note(count)
        replies = Counter(read.header("error") is not None for read in shop.client.read_all(shop.topics.replies))
        answer = shop.ask("c-1")

    print(f"\n{count:,} bad requests; resident memory after so many: {memory}")
    assert replies == {True: count}, "where the answers would have gone, whether it was named or not"
    assert answer["degraded"] == "new_customer"
    assert memory.growth() < MAY_GROW_BYTES


def clients(broker) -> KafkaClients:
    properties = {name: str(value) for name, value in broker.client_properties.items() if name != "bootstrap.servers"}
    return KafkaClients(broker.bootstrap, properties | {"log.connection.close": "false"})
