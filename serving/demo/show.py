"""The demo: a shop's year of purchases through an embedded broker into the real service, watched from outside.

This process holds the broker and plays the shop and its customers; `alsobought run` is a process beside it, asked over
Kafka as any client would. Ctrl-C stops all of it.

The same seed shows the same on every day and in every run: purchases have one order of arrival, since their topic has
one partition and the catalogue is read before; they are learnt when all have come; the year ends with yesterday.
"""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from config.settings import Settings
from consumers.from_settings import topic_names
from consumers.kafka.clients import KafkaClients, produce
from consumers.kafka.embedded_broker import CONSUMER_PROPERTIES, EmbeddedBroker
from model.store.reader import read_contents
from serving.client.client import Client
from serving.demo.screen import Offer, Screen
from serving.demo.service import DemoFailed, RunningService, running_service
from serving.demo.shop import Shop
from serving.runtime.stop_signal import stop_signal

PROPERTIES = {name: str(value) for name, value in CONSUMER_PROPERTIES.items()}
_PARTITIONS = 1
_AS_OF = datetime(2026, 11, 22, tzinfo=UTC)  # the day by which the shop knows its seasons
_IN_FLIGHT = (
    10_000  # purchases that the service has not stored yet: the broker drops the oldest of a topic that is full
)
_START_S = 30.0
_LEARN_S = 120.0
_REPLY_S = 10.0
_SHOWN_CUSTOMERS = 3
_K = 6
_NEW_ORDER = 3


class _Stopped(Exception):
    """Ctrl-C was pressed."""


def run_demo(*, customers: int, orders: int, seed: int, once: bool) -> None:
    """Show everything, then run until Ctrl-C, or end when `once`."""
    screen = Screen()
    with (
        stop_signal(second_kills=False) as stopping,  # killed, it would leave the service alone
        tempfile.TemporaryDirectory(prefix="alsobought-demo-", ignore_cleanup_errors=True) as folder,
    ):
        settings = Settings(data_dir=Path(folder), http_port=0)
        names = topic_names(settings)
        planned = {plan.name: plan.partitions for plan in names.plans(_PARTITIONS)}
        with EmbeddedBroker(planned) as broker:
            screen.say(f"a broker inside this process: {broker.bootstrap}")
            when_all_have_come = {"TRAIN_MIN_NEW_EVENTS": str(orders), "CALIBRATE_HOURS": "0"}
            with running_service(settings.data_dir, broker.bootstrap, PROPERTIES, when_all_have_come) as service:
                shop = Shop(customers=customers, orders=orders, seed=seed)
                clients = KafkaClients(broker.bootstrap, PROPERTIES)
                show = _Show(
                    screen=screen,
                    shop=shop,
                    service=service,
                    clients=clients,
                    settings=settings,
                    stopping=stopping,
                    client=Client(clients, settings.requests_topic, settings.replies_topic),
                )
                try:
                    show.play(once=once)
                except _Stopped:
                    pass
                finally:
                    screen.stop_progress()
                    show.close()
                screen.say("stopping")
    screen.say("stopped")


@dataclass(slots=True)
class _Show:
    """The acts of the demo."""

    screen: Screen
    shop: Shop
    service: RunningService
    clients: KafkaClients
    settings: Settings
    stopping: Callable[[], bool]
    client: Client

    def play(self, *, once: bool) -> None:
        """All acts in their order."""
        self._until(lambda: bool(self.service.metrics().get("alsobought_partitions_owned")), "start", _START_S)
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        purchases = list(self.shop.purchases(today, as_of=_AS_OF))
        self._list_catalogue()
        self._stream(purchases)
        self._watch_learning()
        chosen = _typical_customers(purchases)
        for profile in chosen:
            self.screen.answers(profile, self._last_titles(purchases, profile), self._offers(profile))
        self._buy_something(chosen[0], today + timedelta(minutes=1))
        self.screen.closing(
            broker=self.clients.bootstrap_servers,
            metrics=f"{self.service.url()}/metrics",
            ask=self._ask(chosen[0]),
            kcat=self._kcat(chosen[0]),
            stays=not once,
        )
        while not once:
            self._rest()

    def close(self) -> None:
        """Leave Kafka."""
        self.client.close()

    def _rest(self) -> None:
        if self.stopping():
            raise _Stopped
        self.service.check()
        time.sleep(0.1)

    def _until(self, holds: Callable[[], bool], what: str, timeout_s: float) -> None:
        give_up = time.monotonic() + timeout_s
        while not holds():
            self._rest()
            if time.monotonic() > give_up:
                raise DemoFailed(f"the service did not {what} within {timeout_s:.0f} s:\n{self.service.log_tail()}")

    def _list_catalogue(self) -> None:
        producer, catalog = self.clients.producer(), self.shop.catalog()
        for product in catalog:
            value = json.dumps(product).encode()
            key = str(product["product_id"]).encode()
            produce(producer, on_delivery=_ignored, topic=self.settings.catalog_topic, key=key, value=value)
        producer.flush(10)
        self._until(
            lambda: len(read_contents(self.settings.database).products) >= len(catalog), "read the catalogue", _START_S
        )

    def _stream(self, purchases: Sequence[dict[str, Any]]) -> None:
        """Send the year in some seconds, and watch the service store it."""
        # the broker keeps 5 MiB of a partition
        producer = self.clients.producer(linger_ms="20", compression_type="gzip")
        for sent, purchase in enumerate(purchases, 1):
            self._send(producer, purchase)
            if sent % 500 == 0:
                producer.poll(0)
                self._until(partial(self._keeps_up, sent), "keep up with purchases", _START_S)
                self.screen.purchases(self._stored(), len(purchases))
        producer.flush(10)

        def all_stored() -> bool:
            stored = self._stored()
            self.screen.purchases(stored, len(purchases))
            return stored >= len(purchases)

        self._until(all_stored, "store all purchases", _START_S)

    def _keeps_up(self, sent: int) -> bool:
        self._rest()
        return self._stored() > sent - _IN_FLIGHT

    def _stored(self) -> int:
        return int(self.service.metrics().get('alsobought_events_total{outcome="applied"}', 0))

    def _send(self, producer: Any, purchase: dict[str, Any]) -> None:
        produce(
            producer,
            on_delivery=_ignored,
            topic=self.settings.purchases_topic,
            key=str(purchase["profile_id"]).encode(),
            value=json.dumps(purchase).encode(),
        )

    def _watch_learning(self) -> None:
        def learnt() -> bool:
            metrics = self.service.metrics()
            done = metrics.get("alsobought_model_version", 0) > 0
            self.screen.learning(1.0 if done else metrics.get("alsobought_training_progress", 0))
            return done

        self._until(learnt, "learn a model", _LEARN_S)
        self._settle()

    def _settle(self) -> None:
        """Wait until what was bought has moved everything that it moves, so that the same show is shown every time."""
        self._rest()  # a purchase is counted some milliseconds before its turn is over
        self._until(lambda: not self.service.metrics().get("alsobought_neighbours_waiting"), "settle", _START_S)

    def _offers(self, profile: str) -> list[Offer]:
        reply = self.client.ask({"profile_id": profile, "k": _K}, timeout_s=_REPLY_S)
        return [
            Offer(
                item["title"] or item["product_id"],
                item["score"],
                item["strategy"],
                tuple(self.shop.title(product_id) for product_id in item["because"]),
            )
            for item in reply["recommendations"]
        ]

    def _last_titles(self, purchases: Sequence[dict[str, Any]], profile: str) -> list[str]:
        bought = [item["product_id"] for p in purchases if p["profile_id"] == profile for item in p["items"]]
        return [self.shop.title(product_id) for product_id in list(dict.fromkeys(reversed(bought)))[:_K]]

    def _buy_something(self, profile: str, moment: datetime) -> None:
        """Let a customer order from a group never bought from, and ask again: no training in between."""
        before = self._offers(profile)
        order = self._something_new(before)
        producer = self.clients.producer()
        stored = self._stored()
        self._send(
            producer,
            {
                "event_id": "demo-just-now",
                "profile_id": profile,
                "occurred_at": moment.isoformat(),
                "items": [{"product_id": product, "quantity": 1} for product in order],
            },
        )
        producer.flush(10)
        self._until(lambda: self._stored() > stored, "store the purchase", _START_S)
        self._settle()
        bought = ", ".join(self.shop.title(product) for product in order)
        self.screen.before_after(profile, bought, before, self._offers(profile))

    def _something_new(self, before: Sequence[Offer]) -> list[str]:
        """Some products that have nothing to do with what the customer is offered now."""
        ids = {str(product["title"]): str(product["product_id"]) for product in self.shop.catalog()}
        titles = [title for offer in before for title in (offer.title, *offer.because)]
        known = {group for title in titles if title in ids for group in self.shop.goes_with(ids[title])}
        groups = self.shop.groups.values()
        new = next((group for group in groups if group.name not in known), next(iter(groups)))
        return list(new.products)[:_NEW_ORDER]

    def _ask(self, profile: str) -> str:
        return f"{_this_command()} ask --bootstrap-servers {self.clients.bootstrap_servers} {profile}"

    def _kcat(self, profile: str) -> str:
        topic, replies = self.settings.requests_topic, self.settings.replies_topic
        bootstrap = self.clients.bootstrap_servers
        request = json.dumps({"profile_id": profile, "k": 3})
        return (
            f"echo '{profile}|{request}' | kcat -P -b {bootstrap} -t {topic} -K '|' -X topic.partitioner=murmur2_random"
            f" -H kafka_replyPartition=0 && kcat -C -b {bootstrap} -t {replies} -p 0 -o -1 -c 1 -q"
        )


def _this_command() -> str:
    """How to call `alsobought` as it was called: by its name where a shell finds it, else by where it lies."""
    called = Path(sys.argv[0])
    if called.name != "alsobought":
        return f"{sys.executable} -m serving"
    return "alsobought" if shutil.which("alsobought") else str(called)


def _ignored(error: object, message: object) -> None:
    """The demo looks at what the service stored, not at delivery reports."""


def _typical_customers(purchases: Sequence[dict[str, Any]]) -> list[str]:
    """Customers with enough orders to have a taste, and few enough to see it at a glance; the latest buyers first."""
    orders: dict[str, int] = {}
    for purchase in purchases:
        orders[purchase["profile_id"]] = orders.get(purchase["profile_id"], 0) + 1
    lately = dict.fromkeys(purchase["profile_id"] for purchase in reversed(purchases))
    return [profile for profile in lately if orders[profile] in (4, 5, 6)][:_SHOWN_CUSTOMERS]
