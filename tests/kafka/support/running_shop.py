"""A shop with its topics, its client and a running service, for test modules whose tests share one.

Everything it makes on the broker has a name of its own, so shops may share a broker; tests that share a shop each use
customers of their own.
"""

import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from consumers.pace import Pace
from tests.kafka.brokers.broker import Broker, eventually
from tests.kafka.support.records import Read, Record
from tests.kafka.support.service import Service, ShopTopics
from tests.kafka.support.shop_client import ShopClient


@dataclass(frozen=True, slots=True)
class RunningShop:
    """`service` answers on `topics`, `client` sends and reads."""

    broker: Broker
    topics: ShopTopics
    service: Service
    client: ShopClient

    def buy(self, *purchases: Record) -> list[tuple[int, int]]:
        """Send purchases; (partition, offset) of each. A request sent afterwards may still be read before them."""
        return self.client.send(self.topics.purchases, *purchases)

    def ask(self, profile_id: str, **body: object) -> Any:
        """The body of the reply to this customer's request."""
        return self.reply({"profile_id": profile_id, **body}).json

    def reply(self, body: Mapping[str, object], **how: Any) -> Read:
        """The reply to a request, on the default reply topic; `how` is handed to ShopClient.ask."""
        return self.client.ask(self.topics.requests, body, self.topics.replies, **how)

    def ask_after(self, place: tuple[int, int], profile_id: str, **body: object) -> Any:
        """The first reply that knows of the purchase at `place`."""
        replies: list[Any] = []

        def knows() -> bool:
            replies.append(self.ask(profile_id, **body))
            mark = replies[-1]["watermark"]
            assert mark["partition"] == place[0], "purchases and requests of a customer have one partition number"
            return bool(mark["offset"] >= place[1])

        eventually(knows, f"an answer to {profile_id} knows of the purchase at {place}")
        return replies[-1]


@contextmanager
def running_shop(
    broker: Broker,
    folder: Path,
    *,
    partitions: int = 6,
    role: str = "worker",
    purchases_config: Mapping[str, str] = MappingProxyType({}),
    dead_letters_config: Mapping[str, str] = MappingProxyType({}),
    pace: Pace | None = None,
    cold: bool = False,
    **settings: str,
) -> Iterator[RunningShop]:
    """A shop with fresh topics whose service is ready; all of it ends with the context. `pace`, `cold`: see Service."""
    prefix = f"{_readable(folder.name)}-{uuid.uuid4().hex[:8]}"
    topics = named_topics(prefix)
    make_topics(broker, topics, partitions, purchases_config, dead_letters_config)
    service = Service(
        broker, topics, folder / "service", group=f"{prefix}-group", role=role, settings=settings, pace=pace, cold=cold
    )
    with ShopClient(broker) as client:
        try:
            yield RunningShop(broker, topics, service.start(), client)
        except BaseException as problem:
            problem.add_note(f"alsobought run, {role}: {service.log}\n{service.log_tail()}")
            raise
        finally:
            service.kill()
    if broker.kind == "own":
        broker.delete_topics(*topics.all())


def make_topics(
    broker: Broker,
    topics: ShopTopics,
    partitions: int = 6,
    purchases_config: Mapping[str, str] = MappingProxyType({}),
    dead_letters_config: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Make every topic that a service needs."""
    for name, count, config in (
        (topics.purchases, partitions, {"retention.ms": "-1", **purchases_config}),
        (topics.catalog, 1, {"cleanup.policy": "compact"}),
        (topics.requests, partitions, {}),
        (topics.replies, partitions, {}),
        (topics.models, 1, {"cleanup.policy": "compact"}),
        (topics.dead_letters, 1, dead_letters_config),
    ):
        broker.create_topic(name, count, config)


def named_topics(prefix: str) -> ShopTopics:
    """The names of a shop's topics, none of them made."""
    return ShopTopics(
        purchases=f"{prefix}.purchases",
        catalog=f"{prefix}.catalog",
        requests=f"{prefix}.requests",
        replies=f"{prefix}.replies",
        models=f"{prefix}.models",
        dead_letters=f"{prefix}.dead-letters",
        reply_patterns=(f"{prefix}.replies*", f"{prefix}.requests.reply"),  # the second is what NestJS makes of it
    )


def _readable(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[:40].strip("-")
