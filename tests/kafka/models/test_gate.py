"""A spoilt model never answers, a good one does, and what a person decides holds on every worker and over restarts.

Requests are answered all the while. The workers have groups of their own and share the folder of models.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from config.settings import Settings
from consumers.training.train_once import train_once
from model.embeddings import item2vec
from model.snapshots.metadata import About
from tests.kafka.brokers.broker import Broker, eventually
from tests.kafka.support.background import Background
from tests.kafka.support.records import Record, purchase
from tests.kafka.support.running_shop import RunningShop, running_shop
from tests.kafka.support.service import Service, run_command
from tests.kafka.support.shop_client import ShopClient

INTERESTS, EACH, CUSTOMERS = 6, 10, 200
QUICK = {"train_min_customers": "20", "vector_size": "16", "epochs": "5"}


def orders(first: int, count: int) -> list[Record]:
    """Each customer buys two products of one interest in an order; orders `first` .. `first + count - 1`."""
    records = []
    for order in range(first, first + count):
        for number in range(CUSTOMERS):
            interest = number % INTERESTS
            wanted = Random(number).sample(range(EACH), EACH)
            things = [f"p-{interest}-{wanted[(2 * order + step) % EACH]}" for step in range(2)]
            when = f"2026-03-{1 + 3 * order:02}T{number // 60:02}:{number % 60:02}:00Z"
            records.append(purchase(f"c-{number}", *things, event_id=f"o-{number}-{order}", occurred_at=when))
    return records


@dataclass
class Plant:
    """Two workers on one folder of models, and trainings in this process."""

    shop: RunningShop
    second: Service
    sold: int = field(default=0)

    @property
    def settings(self) -> Settings:
        """Those of the first worker."""
        given = self.shop.service.environment
        named = {name.removeprefix("ALSOBOUGHT_").lower(): value for name, value in given.items()}
        for name in ("kafka_properties", "reply_topics"):
            named[name] = json.loads(named[name])
        return Settings(**named | {"role": "both"})

    def sell(self, count: int) -> None:
        records = orders(self.sold, count)
        self.shop.buy(*records)
        self.sold += count
        self.until(lambda: all(_applied(one) == self.sold * CUSTOMERS for one in self.workers), "all is stored")

    @property
    def workers(self) -> tuple[Service, Service]:
        return self.shop.service, self.second

    def learn(self, *, full: bool = False) -> About:
        return train_once(self.settings, full=full)

    def answering(self) -> set[str | None]:
        """The versions that answer, over both workers."""
        return {serving(worker) for worker in self.workers}

    def until_both_answer_from(self, version: str | None) -> None:
        self.until(lambda: self.answering() == {version}, f"both answer from {version}")

    @staticmethod
    def until(holds: Callable[[], bool], what: str) -> None:
        eventually(holds, what, 30)

    def command(self, *arguments: str) -> str:
        code, said = run_command(self.shop.service, "models", *arguments)
        assert code == 0, said
        return said


def _applied(service: Service) -> float:
    return service.metric('alsobought_events_total{outcome="applied"}')


def serving(service: Service) -> str | None:
    listed = json.loads(service.get("/models/versions")[1])
    return next((row["version"] for row in listed if row["state"] == "serving"), None)


@pytest.fixture
def plant(broker: Broker, tmp_path: Path) -> Iterator[Plant]:
    settings = QUICK | {"models_dir": str(tmp_path / "models")}
    with running_shop(broker, tmp_path, partitions=1, role="worker", **settings) as shop:
        second = Service(
            broker, shop.topics, tmp_path / "second", group=f"{shop.topics.models}-second", role="worker",
            settings=settings,
        )  # fmt: skip
        try:
            second.start()
            made = Plant(shop, second)
            made.sell(4)
            yield made
        finally:
            second.kill()


def shuffled(model: Any) -> Any:
    order = np.random.default_rng(1).permutation(len(model.keys))
    return replace(model, vectors=model.vectors[order], outputs=model.outputs[np.roll(order, 7)])


def turned_round(model: Any) -> Any:
    """It recommends what does not fit: worse than any shuffling, which in a small shop may be lucky."""
    return replace(model, outputs=-model.outputs)


def spoil(patch: pytest.MonkeyPatch, change: Callable[[Any], Any]) -> None:
    """From now on everything that is learnt is changed like this."""
    for name in ("train", "update"):
        right = getattr(item2vec, name)
        patch.setattr(item2vec, name, lambda *given, right=right, **more: change(right(*given, **more)))


class Asking(Background):
    """Requests are sent and answered until it ends."""

    def __init__(self, plant: Plant) -> None:
        super().__init__("asking")
        self._plant = plant
        self.answers: list[Any] = []

    def work(self) -> None:
        topics = self._plant.shop.topics
        with ShopClient(self._plant.shop.broker) as client:
            while not self.ended.is_set():
                body = {"profile_id": f"c-{len(self.answers) % CUSTOMERS}"}
                self.answers.append(client.ask(topics.requests, body, topics.replies).json)


def test_a_spoilt_model_is_refused_and_a_good_one_accepted_while_requests_are_answered(plant, monkeypatch):
    good = plant.learn()
    plant.until_both_answer_from(good.version)
    plant.sell(1)

    with Asking(plant) as asking:
        with monkeypatch.context() as spoiling:
            spoil(spoiling, shuffled)
            spoilt = plant.learn()
        plant.until(lambda: len(asking.answers) > 20, "requests are answered")
        meanwhile = plant.answering()
        better = plant.learn()
        plant.until_both_answer_from(better.version)
        seen = len(asking.answers)
        plant.until(lambda: len(asking.answers) > seen, "the new model answers")

    assert (good.judgement.verdict, spoilt.judgement.verdict) == ("accepted", "refused")
    assert spoilt.judgement.outcome == "worse"
    assert meanwhile == {good.version}
    assert better.judgement.verdict == "accepted"
    assert better.kind == "full", "nothing goes on from a refused increment"
    assert {answer["model_version"] for answer in asking.answers} == {good.version, better.version}
    assert {answer["degraded"] for answer in asking.answers} == {None}


def test_a_first_model_that_is_spoilt_leaves_popularity_to_answer_until_one_is_promoted(plant, monkeypatch):
    spoil(monkeypatch, turned_round)
    spoilt = plant.learn()
    plant.until(lambda: plant.shop.ask("c-1")["degraded"] == "model_refused", "replies say so")
    refused = plant.shop.ask("c-1")

    plant.command("promote", spoilt.version)
    plant.until_both_answer_from(spoilt.version)

    assert (refused["model_version"], {item["strategy"] for item in refused["recommendations"]}) == (None, {"popular"})
    assert plant.shop.ask("c-1")["degraded"] is None


def test_a_rollback_is_seen_by_two_workers_and_not_undone_by_a_trainer(plant):
    first = plant.learn()
    second = plant.learn(full=True)
    plant.until_both_answer_from(second.version)

    plant.command("rollback")
    plant.until_both_answer_from(first.version)
    trainer = start_trainer(plant)
    try:
        plant.until(lambda: trainer.metric("alsobought_partitions_owned") > 0, "the trainer runs")
        plant.second.stop()
        plant.second.start()
        plant.until_both_answer_from(first.version)
    finally:
        trainer.kill()

    assert [row["version"] for row in announced(plant)][-1] == first.version


def test_a_pin_survives_restarts_and_new_models_until_it_is_taken_back(plant):
    first = plant.learn()
    plant.learn(full=True)
    plant.command("pin", first.version)
    plant.until_both_answer_from(first.version)

    for worker in plant.workers:
        worker.stop()
        worker.start()
    third = plant.learn(full=True)
    pinned = plant.answering()
    listed = plant.command("--json")
    plant.command("unpin")
    fourth = plant.learn(full=True)
    plant.until_both_answer_from(fourth.version)

    assert pinned == {first.version}
    assert {row["version"]: row["state"] for row in json.loads(listed)}[first.version] == "answers, pinned"
    assert third.version in listed
    assert [row["pinned"] for row in announced(plant) if row["version"] == first.version] == [False, True, False]


def announced(plant: Plant) -> list[Any]:
    return [read.json for read in plant.shop.client.read_all(plant.shop.topics.models)]


def start_trainer(plant: Plant) -> Service:
    folder = plant.shop.service.folder.parent / "trainer"
    settings = QUICK | {"models_dir": str(plant.settings.models_folder)}
    group = plant.shop.service.environment["ALSOBOUGHT_GROUP_ID"]
    return Service(plant.shop.broker, plant.shop.topics, folder, group=group, role="trainer", settings=settings).start()
