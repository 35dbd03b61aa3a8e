"""Whether answers are right: each is compared with what its customer had bought at the offset that the answer names.

A worker that lacked a part of somebody's history would offer what that customer owns; one that took another's for it
would give reasons that the customer never bought.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from tests.kafka.support.oracle import Ledger
from tests.kafka.support.records import Read


def wrong_answers(replies: Iterable[Read], records: Sequence[Read]) -> list[str]:
    """What is wrong with these replies to plain requests; nothing when each is from the whole history it names.

    `records` are all purchases, sorted by partition and offset.
    """
    wrong: list[str] = []
    answers: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for body in (reply.json for reply in replies):
        if "error" in body:
            wrong.append(f"{body['profile_id']} got an error: {body['error']}")
        else:
            answers[body["watermark"]["partition"], body["watermark"]["offset"]].append(body)
    ledger, left = Ledger(), iter(records)
    upcoming = next(left, None)
    for place in sorted(answers):
        while upcoming is not None and (upcoming.partition, upcoming.offset) <= place:
            ledger.take(upcoming)
            upcoming = next(left, None)
        for body in answers[place]:
            wrong += _wrong_with(body, set(ledger.bought.get(body["profile_id"], ())))
    return wrong


def _wrong_with(body: Any, owns: set[str]) -> list[str]:
    offered = {item["product_id"] for item in body["recommendations"]}
    reasons = {reason for item in body["recommendations"] for reason in item["because"]}
    found = {
        "is offered what they own": owns & offered,
        "is given as a reason what they never bought": reasons - owns,
        "is told the wrong cause": (body["degraded"] == "new_customer") != (not owns),
        "met an error of the model": body["degraded"] == "model_error",
    }
    return [f"{body['profile_id']} {what}: {why} at {body['watermark']}" for what, why in found.items() if why]
