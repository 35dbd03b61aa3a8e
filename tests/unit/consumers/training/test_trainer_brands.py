"""The trainer with many brands: which get a model of their own, one after the other, each announced under its name."""

import pytest

from config.settings import Settings
from consumers.releases.announcement import read_announcement
from consumers.training.trainer import Trainer
from model.purchases.changes import LogRecord, Purchase
from model.snapshots.metadata import read_about, versions
from model.store.writer import Store
from tests.builders.learnt import GROUPS
from tests.builders.topics import records_on
from tests.builders.worker_world import clients_of


@pytest.fixture
def settings(broker, tmp_path):
    topic = f"models-{tmp_path.name}"
    broker.create_topic(topic, 1)
    return settings_of(broker, tmp_path, topic)


def settings_of(broker, folder, topic, **changed):
    given = {"train_min_customers": 20, "vector_size": 8, "epochs": 2, "train_min_new_events": 10, "gate_customers": 0}
    return Settings(data_dir=folder, bootstrap_servers=broker.bootstrap, models_topic=topic, **given | changed)


@pytest.fixture
def sell(settings):
    """Purchases of one brand by customers of its own."""
    store = Store(settings.database)
    store.open_log("cluster", "purchases", "", 0)

    def add(brand, customers, *, of="", time_s=1_800_000_000):
        start = store.next_offset(0)
        orders = [
            Purchase(f"{of or brand}-{n}", brand, time_s + n, GROUPS[n % 2], (1.0,) * 3) for n in range(customers)
        ]
        store.apply([LogRecord(0, start + n, order) for n, order in enumerate(orders)])

    yield add
    store.close()


def learnt(settings, *, turns=5):
    """Brand and number of each model, in the order in which they were learnt in so many turns."""
    heard = []
    trainer = Trainer(settings, lambda event, about: heard.append((event, about)))
    for second in range(1, turns + 1):
        trainer.turn(trainer._due.learnt_at_s + second)
    assert {event for event, _ in heard} <= {"progress", "trained"}
    return [about["brand"] for event, about in heard if event == "trained"]


def announced(settings, broker):
    records = records_on(clients_of(broker), settings.models_topic)
    return {brand: said.version for brand, said in map(read_announcement, records)}


def test_each_brand_with_enough_customers_gets_a_model_after_the_one_of_every_brand(settings, sell, broker):
    sell("acme", 30)
    sell("zeta", 40)
    sell("tiny", 5)

    assert learnt(settings) == [None, "zeta", "acme"]
    assert set(announced(settings, broker)) == {"", "acme", "zeta"}


def test_a_brands_model_knows_its_own_products_only(settings, sell):
    sell("acme", 30)
    sell("zeta", 40)
    learnt(settings)

    abouts = [read_about(settings.models_folder, version) for version in versions(settings.models_folder)]
    assert {about.brand_id: about.vocabulary for about in abouts} == {None: 12, "zeta": 6, "acme": 6}


def test_without_brands_nothing_but_the_model_of_every_brand_is_learnt(settings, sell):
    sell("", 40)

    assert learnt(settings) == [None]


def test_brands_that_share_their_customers_are_left_to_the_model_of_every_brand(settings, sell, broker):
    sell("acme", 30)
    sell("zeta", 30, of="acme")

    assert learnt(settings) == [None]

    told_so = settings_of(broker, settings.data_dir, settings.models_topic, brand_models="on")
    assert learnt(told_so) == ["acme", "zeta"]


def test_turned_off_no_brand_learns(settings, sell, broker):
    sell("acme", 30)

    assert learnt(settings_of(broker, settings.data_dir, settings.models_topic, brand_models="off")) == [None]


def test_a_brand_learns_again_when_it_has_news_and_others_do_not(settings, sell):
    sell("acme", 30)
    sell("zeta", 40)
    learnt(settings)

    sell("acme", 20, time_s=1_800_100_000)

    assert set(learnt(settings)) == {None, "acme"}


def test_a_restart_learns_nothing_twice(settings, sell):
    sell("acme", 30)
    learnt(settings)

    assert learnt(settings) == []


def test_one_brand_learns_in_a_turn_so_that_every_brands_model_does_not_wait_for_all(settings, sell):
    for brand in ("a", "b", "c"):
        sell(brand, 30)
    trainer = Trainer(settings, lambda _event, _about: None)
    begun = trainer._due.learnt_at_s

    seen = []
    for second in (1, 2, 3):
        trainer.turn(begun + second)
        seen.append(len(versions(settings.models_folder)))

    assert seen in ([0, 2, 3], [2, 3, 4])  # the first look may find an import going on
