"""Two workers share the partitions; one leaves, one crashes, one comes back. Every answer is from a whole history.

The workers have no model, so they offer whatever the customer does not own. A worker that lacked a part of somebody's
history would offer what that customer owns: each answer is compared with the oracle at the offset that it names.
"""

import json

import pytest

from tests.kafka.brokers.broker import eventually
from tests.kafka.support import load, oracle
from tests.kafka.support.answers import wrong_answers
from tests.kafka.support.shop_client import ShopClient

pytestmark = pytest.mark.needs_real_broker(one=True)

CUSTOMERS = [f"c-{number}" for number in range(60)]
PARTITIONS = 6
CLASSIC = {"session.timeout.ms": "3000", "heartbeat.interval.ms": "300"}
# A restore takes many fetches, and requests come with the first: one that did not wait for the others would be noticed.
SMALL_FETCHES = {"fetch.message.max.bytes": "1000"}


def start_worker(start_service, topics, name: str, protocol: str, **how):
    properties = SMALL_FETCHES | (CLASSIC if protocol == "classic" else {})
    settings = {"group_protocol": protocol, "kafka_properties": json.dumps(properties), "request_max_age_ms": "60000"}
    return start_service(topics, role="worker", name=name, **settings, **how)


def sell(shop: ShopClient, topics, count: int, seed: int) -> None:
    """Many small batches, as a shop sends them over a day."""
    records = list(load.purchases(count, seed=seed))
    for at in range(0, count, 20):
        shop.send(topics.purchases, *records[at : at + 20])


def owned(*services) -> list[int]:
    """How many partitions each of them owns, -1 while it restores one."""
    seen = [service.metrics() for service in services]
    return [-1 if now["alsobought_partitions_restoring"] else int(now["alsobought_partitions_owned"]) for now in seen]


def wait_until_shared(*services) -> None:
    share = [PARTITIONS // len(services)] * len(services)
    eventually(lambda: owned(*services) == share, f"{len(services)} workers own {share} partitions", 30)


def ask_all(shop: ShopClient, topics) -> dict[bytes, str]:
    """A request of every customer, correlation id -> profile id; the replies are not waited for."""
    bodies = [{"profile_id": customer, "k": 100} for customer in CUSTOMERS]
    return dict(zip(shop.request_each(topics.requests, bodies, topics.replies), CUSTOMERS, strict=True))


def answers(shop: ShopClient, topics, asked: dict[bytes, str]) -> list:
    """One reply to each request, after all of them came."""
    found = [shop.reply(topics.replies, correlation) for correlation in asked]
    assert [reply.json["profile_id"] for reply in found] == list(asked.values())
    return found


def newest_offsets(replies) -> dict[int, int]:
    return {reply.json["watermark"]["partition"]: reply.json["watermark"]["offset"] + 1 for reply in replies}


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_every_customer_is_answered_from_the_whole_history_whoever_comes_and_goes(
    start_service, shop_topics, shop, protocol
):
    topics = shop_topics(PARTITIONS)
    sell(shop, topics, 600, seed=4)
    one = start_worker(start_service, topics, "one", protocol, wait=False)
    two = start_worker(start_service, topics, "two", protocol, wait=False)
    wait_until_shared(one, two)
    shared = answers(shop, topics, ask_all(shop, topics))

    sell(shop, topics, 300, seed=5)
    before = ask_all(shop, topics)
    code = one.stop()
    during = ask_all(shop, topics)
    wait_until_shared(two)
    left = answers(shop, topics, before | during)
    replied = len(shop.replies(topics.replies, *before, *during))

    sell(shop, topics, 300, seed=6)
    one.start()
    wait_until_shared(one, two)
    returned = answers(shop, topics, ask_all(shop, topics))

    records = shop.read_all(topics.purchases)
    assert wrong_answers([*shared, *left, *returned], records) == []
    assert newest_offsets(returned) == oracle.ends(records)
    assert (code, replied) == (0, 2 * len(CUSTOMERS))


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_crashed_workers_customers_are_answered_by_the_other(start_service, shop_topics, shop, protocol):
    topics = shop_topics(PARTITIONS)
    sell(shop, topics, 600, seed=7)
    one = start_worker(start_service, topics, "one", protocol, wait=False)
    two = start_worker(start_service, topics, "two", protocol, wait=False)
    wait_until_shared(one, two)

    before = ask_all(shop, topics)
    two.kill()
    sell(shop, topics, 300, seed=8)
    during = ask_all(shop, topics)
    found = answers(shop, topics, before | during)
    wait_until_shared(one)
    after = answers(shop, topics, ask_all(shop, topics))

    records = shop.read_all(topics.purchases)
    assert wrong_answers([*found, *after], records) == []
    assert newest_offsets(after) == oracle.ends(records)
