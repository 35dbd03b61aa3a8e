"""Clients that others wrote, in their own languages: each asks 50 good and 3 bad requests and reads every reply.

What a client got is compared with what a plain confluent-kafka client got for the same requests: the same products and
scores for the same customer. The end of the run says, for each client, how many it asked and read, and how many agreed.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.kafka.brokers.broker import eventually
from tests.kafka.clients.toolchains import go_program, java_program, node_program, run_program
from tests.kafka.support.load import CAMPING_THINGS, TEA_THINGS, two_interests
from tests.kafka.support.records import Record, purchase
from tests.kafka.support.running_shop import RunningShop, running_shop

OF_ITS_OWN = ("recommendation_id", "timestamp")  # every reply has its own
BAD = {
    "out_of_range": '{"profile_id":"buyer-1","k":0}',
    "not_json": '{"profile_id":"buyer-2",',
    "missing_field": '{"k":3}',
}
CLIENTS: dict[str, Callable[[], list[str]]] = {
    "kafkajs": lambda: node_program("kafkajs"),
    "nestjs": lambda: node_program("nestjs"),
    "spring": lambda: java_program("spring"),
    "franz-go": lambda: go_program("franz-go"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """The requests, and for each what a plain client read: the reply without what is each reply's own."""

    shop: RunningShop
    requests: list[tuple[str, str]]
    expected: list[dict[str, Any]]


@pytest.fixture(scope="module")
def answering(broker, tmp_path_factory):
    """A shop that has learnt, and takes NestJS's reply topic, which clients of it name after the requests'."""
    folder = tmp_path_factory.mktemp("foreign")
    learning = {"role": "both", "train_min_new_events": "100", "train_max_wait_s": "1000"}
    with running_shop(broker, folder, **learning, request_max_age_ms="60000") as shop:
        broker.create_topic(f"{shop.topics.requests}.reply", 3)
        shop.buy(*two_interests(120))
        eventually(lambda: shop.service.metric("alsobought_model_version") > 0, "a model answers", timeout_s=60)
        yield shop


@pytest.fixture(scope="module")
def asked(answering: RunningShop) -> Asked:
    """50 customers ask for what they may ask for: another number, kind, page, and what to leave out."""
    things = [*TEA_THINGS, *CAMPING_THINGS]
    bought = [purchase(f"buyer-{number}", things[number % 10]) for number in range(50)]
    for number, place in enumerate(answering.buy(*bought)):
        answering.ask_after(place, f"buyer-{number}")
    bodies = [
        {"k": 1 + number % 7}
        | ({"kind": "similar", "product_ids": [things[number % 10]]} if number % 5 == 3 else {})
        | ({"filters": {"exclude": [things[(number + 1) % 10]]}} if number % 5 == 4 else {})
        for number in range(50)
    ]
    requests = [
        (f"buyer-{number}", json.dumps({"profile_id": f"buyer-{number}"} | body)) for number, body in enumerate(bodies)
    ]
    requests += [("buyer-1", value) for value in BAD.values()]
    return Asked(answering, requests, [plainly_asked(answering, key, value) for key, value in requests])


def plainly_asked(shop: RunningShop, key: str, value: str) -> dict[str, Any]:
    """The body of the reply that a confluent-kafka client reads to exactly these bytes."""
    correlation = f"{key}/{value}".encode()
    headers = (("kafka_correlationId", correlation), ("kafka_replyTopic", shop.topics.replies.encode()))
    shop.client._inbox(shop.topics.replies)
    shop.client.send(shop.topics.requests, Record(key.encode(), value.encode(), headers))
    return comparable(shop.client.reply(shop.topics.replies, correlation).json)


def comparable(reply: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in reply.items() if name not in OF_ITS_OWN}


def arguments(client: str, shop: RunningShop, file: Path) -> list[str]:
    topics = [shop.topics.requests] if client == "nestjs" else [shop.topics.requests, shop.topics.replies]
    return [shop.broker.bootstrap, *topics, str(file)]


def told(error: str) -> str:
    """The code in what a client's error says: NestJS throws the error object, Spring what its checker made of it."""
    return str(json.loads(error)["code"]) if error.startswith("{") else error.partition(":")[0]


@pytest.mark.needs_real_broker(one=True)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_of_its_own_language_reads_every_reply_and_is_told_of_every_bad_request(
    client, asked, tmp_path, or_untried, client_table
):
    command = or_untried(client, CLIENTS[client])
    file = tmp_path / "requests.jsonl"
    file.write_text("".join(json.dumps({"key": key, "value": value}) + "\n" for key, value in asked.requests))

    printed = run_program([*command, *arguments(client, asked.shop, file)], tmp_path)

    replies = [json.loads(line) for line in printed.splitlines()]
    good = [comparable(json.loads(reply["value"])) for reply in replies if reply["error"] is None]
    errors = [told(reply["error"]) for reply in replies if reply["error"] is not None]
    equal = sum(mine == theirs for mine, theirs in zip(good, asked.expected, strict=False))
    client_table.append((client, len(asked.requests), len(replies), equal, len(errors)))
    assert good == asked.expected[:50]
    assert errors == list(BAD)
    assert [expected["error"]["code"] for expected in asked.expected[50:]] == errors
    assert all(1 <= len(reply["recommendations"]) <= 7 for reply in good)
    assert {reply["degraded"] for reply in good} == {None}
