"""A model of tea things and camping things, learnt in this process once per run, for tests that do not ask who learns.

In: a running shop without a trainer, of PARTITIONS partitions, whose first purchases are `two_interests(CUSTOMERS)`.
Out: its own copy of the models, announced on its topic. That a service learns by itself is asked in test_end_to_end.py
and test_brands.py.
"""

import json
import shutil
import time
from itertools import count
from pathlib import Path

import msgspec
from confluent_kafka import murmur2

from config.settings import Settings
from consumers.releases.announcement import ALL_BRANDS, Announcement
from consumers.releases.announcer import announcement_of
from consumers.training.train_once import train_once
from model.purchases.changes import LogRecord, Purchase
from model.snapshots.metadata import read_about, versions
from model.snapshots.reader import manifest_digest
from model.store.writer import Store
from tests.kafka.brokers.broker import eventually
from tests.kafka.support.load import two_interests
from tests.kafka.support.records import Record
from tests.kafka.support.running_shop import RunningShop

CUSTOMERS = 120
PARTITIONS = 6


def learn(folder: Path) -> None:
    """Fill a data folder that is not there yet: the purchases, at the places they have in a topic, and one model."""
    folder.mkdir()
    store = Store(Settings(data_dir=folder).database)
    for partition in range(PARTITIONS):
        store.open_log("cluster", "purchases", "topic-id", partition)
    places = [count() for _ in range(PARTITIONS)]
    records = [(murmur2(record.key, PARTITIONS), _order(record)) for record in two_interests(CUSTOMERS)]
    store.apply([LogRecord(partition, next(places[partition]), order) for partition, order in records])
    store.close()
    train_once(Settings(data_dir=folder), announce=False)


def take(shop: RunningShop, learnt: Path) -> None:
    """Give the shop a copy of the models in the folder `learnt`, announce the newest and wait until it answers."""
    models = shop.service.data_dir / "models"
    shutil.copytree(learnt / "models", models, dirs_exist_ok=True)
    announced = _announcement(models)
    shop.client.send(shop.topics.models, Record(ALL_BRANDS.encode(), msgspec.json.encode(announced)))
    eventually(lambda: shop.service.metric("alsobought_model_version") > 0, "the model answers", 30)


def _order(record: Record) -> Purchase:
    order = json.loads(record.value or b"")
    products = tuple(item["product_id"] for item in order["items"])
    return Purchase(order["profile_id"], "", int(time.time()), products, (None,) * len(products), order["event_id"])


def _announcement(models: Path) -> Announcement:
    newest = versions(models)[0]
    return announcement_of(read_about(models, newest), manifest_digest(models, newest))
