"""A small shop whose answers are plain to see: customers of two disjoint interests, and a model learnt from them.

Who buys tea things never buys camping things. The brands acme and zeta sell products of the same ids, to others. The
model is learnt once per run; each test gets a copy of the folder.
"""

import shutil
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from config.settings import Settings
from consumers.observability.metrics import Metrics
from consumers.releases.announcement import Announcement
from consumers.releases.announcer import announcement_of
from consumers.training.train_once import train_once
from model.catalogue.product import Product
from model.purchases.changes import LogRecord, Purchase
from model.signals.demand import Demand
from model.snapshots.metadata import read_about, versions
from model.snapshots.reader import manifest_digest
from model.store.reader import read_contents
from model.store.writer import Store
from serving.live_models.live_models import LiveModels
from serving.recommendation.answer import Answer
from serving.recommendation.recommender import Recommender
from serving.recommendation.request import Request

TEA = ("tea", "teapot", "cup", "sugar", "honey", "kettle")
CAMPING = ("tent", "stove", "lamp", "mat", "rope", "axe")
BRANDED = ("tea", "mug", "plate", "bowl", "jug")
NOW_S = 1_700_000_000
DAY_S = 86_400
SOURCE = ("cluster", "purchases", "topic-id", 0)


def purchase(profile: str, *products: str, brand: str = "", time_s: int = NOW_S, price: float = 2.5) -> Purchase:
    return Purchase(profile, brand, time_s, products, (price,) * len(products), "")


def everyday_purchases() -> list[Purchase]:
    chance = Random(7)
    orders = []
    for number in range(200):
        group = (TEA, CAMPING)[number % 2]
        for order in range(2):
            time_s = NOW_S - (60 - number % 60 - order) * DAY_S
            orders.append(purchase(f"c-{number}", *chance.sample(group, 2), time_s=time_s))
    for number in range(60):
        brand = ("acme", "zeta")[number % 2]
        orders.append(purchase(f"b-{number}", *chance.sample(BRANDED, 3), brand=brand, time_s=NOW_S - 20 * DAY_S))
    return orders


def small_settings(folder: Path) -> Settings:
    return Settings(data_dir=folder, train_min_customers=10, vector_size=32, negative=5, gate_customers=0)


def learn(folder: Path, brand_id: str | None = None, *, full: bool = False) -> Announcement:
    """The next version, learnt from what is in the folder now."""
    settings = small_settings(folder)
    about = train_once(settings, brand_id=brand_id, full=full, announce=False)
    return announcement_of(about, manifest_digest(settings.models_folder, about.version))


def announcement(folder: Path, number: int) -> Announcement:
    """What is announced of the version with this number."""
    models = small_settings(folder).models_folder
    (version,) = [name for name in versions(models) if name.startswith(f"v{number}-")]
    return announcement_of(read_about(models, version), manifest_digest(models, version))


def trained_folder(folder: Path) -> Path:
    """A store with the everyday purchases, and two versions learnt from it."""
    store = open_store(folder)
    store.apply([LogRecord(0, offset, order) for offset, order in enumerate(everyday_purchases())])
    store.list_products([Product("", "kettle", 20.0, 'Kettle "Ünique" <5 l>', "kitchen")], {})
    store.close()
    learn(folder)
    learn(folder, full=True)
    return folder


def open_store(folder: Path) -> Store:
    folder.mkdir(parents=True, exist_ok=True)
    store = Store(folder / "alsobought.db")
    store.open_log(*SOURCE)
    return store


@dataclass(slots=True, repr=False)
class SmallShop:
    """The recommender on a folder, without Kafka. Nothing is learnt while it is open."""

    folder: Path
    store: Store
    demand: Demand
    models: LiveModels
    recommender: Recommender
    metrics: Metrics = field(default_factory=Metrics)

    def buy(self, profile: str, *products: str, brand: str = "", time_s: int = NOW_S + 60) -> None:
        offset = self.store.next_offset(0)
        applied = self.store.apply([LogRecord(0, offset, purchase(profile, *products, brand=brand, time_s=time_s))])
        self.demand.add(applied.products, applied.times)
        self.models.buyers.changed(applied.buyers.tolist())
        self.models.turn()

    def put_in_catalogue(self, *products: Product) -> None:
        numbers = self.store.list_products(products, {})
        self.recommender.catalogue_changed(numbers)
        self.models.catalogue_changed(numbers)

    def serve(self, *announced: Announcement) -> None:
        for one in announced:
            self.models.announced(one.brand_id or "", one)
        self.settle()

    def settle(self) -> None:
        """Wait until everything that was announced is taken or refused, and every neighbour known."""
        deadline = time.monotonic() + 10
        self.models.turn()
        while self.models.opening:
            assert time.monotonic() < deadline, "no model was opened within 10 s"
            self.models.turn()
        for model in self.models.live.values():
            model.follow_buyers(self.models.buyers, self.store, 10.0)

    def ask(self, profile: str, **asked: object) -> Answer:
        return self.recommender.answer([Request(profile, **asked)])[0]

    def ids(self, answer: Answer, kind: str | None = None) -> list[str]:
        """The recommended products, of one kind or of all: their ids, behind brand and slash where they have one."""
        return self.names([item.number for item in answer.items if kind in (None, item.kind)])

    def product(self, number: int) -> Product:
        return self.store.products()[number]

    def names(self, numbers: Sequence[int]) -> list[str]:
        return [self.product(number).key.replace("\x1f", "/") for number in numbers]


def open_shop(folder: Path, *, with_model: bool = True) -> SmallShop:
    store, metrics, demand = open_store(folder), Metrics(), Demand(14)
    models = LiveModels(folder / "models", store, demand, metrics)
    shop = SmallShop(folder, store, demand, models, Recommender(store, demand, models, nullcontext), metrics)
    histories = read_contents(store.path).histories
    demand.add(histories.products, histories.times)
    models.buyers.load(histories)
    if with_model:
        shop.serve(announcement(folder, 1))
    return shop


def copied(trained: Path, folder: Path) -> Path:
    shutil.copytree(trained, folder)
    return folder
