"""What a run with phones, poison and secrets writes to its log, at its most talkative: none of them."""

import json
import secrets
import sqlite3

from tests.kafka.brokers.broker import eventually
from tests.kafka.support.records import Record, Shape, product, purchase, request, tombstone
from tests.kafka.support.running_shop import running_shop
from tests.kafka.support.service import run_command

PHONES = ("+49301234567", "+49 (30) 765-4321", "0049 30 9876543")
DIGITS = ("1234567", "765-4321", "7654321", "9876543")
MARK = "zebra"  # stands in every value, key and header that is sent


def sold() -> list[Record]:
    key = f"{MARK}-customer".encode()
    by_phone = [
        Record(
            phone.encode(), json.dumps({"event_id": phone, "phone": phone, "items": [{"product_id": MARK}]}).encode()
        )
        for phone in PHONES
    ]
    bad = [
        b'{"profile_id": "zebra',
        b'{"profile_id": "zebra", "items": "zebra"}',
        b'{"profile_id": "zebra", "items": [{"product_id": "zebra", "price": "zebra"}]}',
        b'{"profile_id": "zebra", "occurred_at": "zebra", "items": [{"product_id": "zebra"}]}',
        b'{"phone": "zebra +49301234567", "items": [{"product_id": "zebra"}]}',
        b'{"event_type": "order.refused", "profile_id": "zebra", "items": [{"product_id": "zebra"}]}',
        b'{"event_type": "+49 30 1234567", "profile_id": "zebra", "items": [{"product_id": "zebra"}]}',
        b"zebra \xff +49301234567",
    ]
    odd = [Record(key, value, ((f"{MARK}-header", b"zebra"), ("x-brand-id", b"\xffzebra"))) for value in bad]
    good = [purchase(f"{MARK}-{number}", f"{MARK}-tea", f"{MARK}-cup") for number in range(60)]
    return [*by_phone, *odd, *good, tombstone(PHONES[0]), tombstone(f"{MARK}-7")]


def asked(replies: str) -> list[Record]:
    bodies = [
        {"phone": PHONES[1]},
        {"phone": f"{MARK} {PHONES[1]}"},
        {"profile_id": MARK, "kind": MARK},
        {"profile_id": MARK, "filters": {MARK: []}},
        {"profile_id": MARK, "reply_topic": f"{MARK}.replies"},
        {"profile_id": f"{MARK}-1", "product_ids": [MARK]},
    ]
    return [request(body, shape, replies).record for body in bodies for shape in (Shape.SPRING, Shape.FASTSTREAM)]


def test_no_secret_no_phone_number_and_no_payload_is_in_any_log(broker, tmp_path):
    key, token = secrets.token_hex(16), secrets.token_hex(16)
    hidden = {"phone_hash_key": key, "http_token": token, "log_level": "debug"}
    with running_shop(broker, tmp_path, role="both", cold=True, train_min_new_events="10", **hidden) as shop:
        shop.buy(*sold())
        shop.client.send(shop.topics.catalog, product(f"{MARK}-tea", title=MARK), Record(MARK.encode(), b"{zebra"))
        shop.client.send(shop.topics.requests, *asked(shop.topics.replies))
        shop.client.send(shop.topics.models, Record(b"*", b'{"version": "zebra"}'), Record(b"zebra", b"zebra"))
        eventually(lambda: len(shop.client.read_all(shop.topics.dead_letters)) >= 7, "the poison is buried", 30)
        answer = shop.ask(f"{MARK}-1")
        shop.service.stop()
        told = [run_command(shop.service, *command)[1] for command in (["config"], ["dead-letters", "list"])]
        with sqlite3.connect(shop.service.database) as db:
            names = [name for (name,) in db.execute("SELECT profile FROM customer")]
        db.close()
        log = shop.service.log.read_text()

    found = [secret for secret in (key, token, *DIGITS) if secret in log + "".join(told)]
    assert found == []
    assert MARK not in log
    assert "order.refused" in log, "the type of an event is said, unless it reads like a number"
    assert "http_listening" in log
    assert answer["recommendations"]
    assert not any(digits in name for name in names for digits in DIGITS), "nor is a phone number stored"
