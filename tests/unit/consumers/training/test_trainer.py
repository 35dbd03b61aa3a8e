"""The trainer: learns when it is due, announces what it learnt, and stands what goes wrong."""

import os
import shutil
import time

import pytest
from confluent_kafka import KafkaError

from config.settings import Settings
from consumers.kafka.clients import BrokerUnavailable
from consumers.observability.metrics import Metrics
from consumers.releases import announcer
from consumers.releases.announcement import read_announcement
from consumers.training import trainer as trainer_module
from consumers.training.train_once import announcer_of, train_once
from consumers.training.trainer import Trainer
from consumers.training.trainer_process import TrainerProcess
from consumers.training.training_reports import TrainingReports
from model.purchases.changes import LogRecord, Purchase
from model.purchases.histories import customer_of_line
from model.snapshots.metadata import read_about, version_number, versions
from model.store import reader
from model.store.writer import Store
from tests.builders.learnt import GROUPS
from tests.builders.shop_histories import shop_histories
from tests.builders.topics import records_on
from tests.builders.worker_world import clients_of


@pytest.fixture
def settings(broker, tmp_path):
    topic = f"models-{tmp_path.name}"
    broker.create_topic(topic, 1)
    given = {"train_min_customers": 4, "vector_size": 8, "epochs": 2, "train_min_new_events": 10, "keep_versions": 2}
    return Settings(data_dir=tmp_path, bootstrap_servers=broker.bootstrap, models_topic=topic, **given)


@pytest.fixture
def shop(settings):
    """Purchases that can be added to."""
    store = Store(settings.database)
    store.open_log("cluster", "purchases", "", 0)

    def sell(customers, brand=""):
        start = store.next_offset(0)
        orders = [
            Purchase(f"c-{start + n}", brand, 1_800_000_000 + n, GROUPS[n % 2], (1.0, 2.0, 3.0))
            for n in range(customers)
        ]
        store.apply([LogRecord(0, start + n, order) for n, order in enumerate(orders)])

    yield sell
    store.close()


TRAINED = {
    "version": "v2",
    "kind": "full",
    "seconds": 2.0,
    "verdict": "refused",
    "outcome": "worse",
    "why": "it is",
    "candidate_ndcg": 0.5,
    "serving_ndcg": 1.0,
    "popular_ndcg": None,
}


class Heard(list):
    """What the trainer told, progress left out."""

    def __call__(self, event, about):
        if event != "progress":
            self.append((event, about))

    @property
    def events(self):
        return [event for event, _ in self]


def turned(settings, *, seconds=3, producer=None):
    heard = Heard()
    trainer = Trainer(settings, heard, producer)
    for second in range(1, seconds + 1):
        trainer.turn(trainer._due.learnt_at_s + second)
    return trainer, heard


def announced(settings, broker):
    records = records_on(clients_of(broker), settings.models_topic)
    return [(brand, said.version) for brand, said in map(read_announcement, records)]


def test_without_a_database_there_is_nothing_to_do(settings):
    assert turned(settings)[1] == []


def test_enough_purchases_make_a_model_that_is_announced(settings, shop, broker):
    shop(40)

    _, heard = turned(settings)

    assert heard.events == ["trained"]
    assert announced(settings, broker) == [("", versions(settings.models_folder)[0])]


@pytest.mark.slow("learns two models")
def test_a_first_model_answers_before_a_calibrated_one_is_made(settings, broker):
    histories, keys = shop_histories(days=90)
    orders = [
        Purchase(f"c-{customer}", "", time_s, (keys[product],), (1.0,))
        for customer, product, time_s in zip(
            customer_of_line(histories).tolist(), histories.products.tolist(), histories.times.tolist(), strict=True
        )
    ]
    store = Store(settings.database)
    store.open_log("cluster", "purchases", "", 0)
    store.apply([LogRecord(0, offset, order) for offset, order in enumerate(orders)])
    store.close()

    _, heard = turned(settings.model_copy(update={"min_count": 1}))

    newest, first = (read_about(settings.models_folder, version) for version in versions(settings.models_folder))
    assert heard.events == ["trained", "trained"]
    assert (first.ranking.calibration, newest.ranking.calibration.windows) == (None, 2)
    assert (newest.kind, newest.reason) == ("full", "how to rank is not calibrated yet")
    assert announced(settings, broker)[0] == ("", first.version)


def test_too_little_data_is_no_error_and_waits_for_more(settings, shop):
    shop(3)
    trainer, heard = turned(settings, seconds=40)
    early = list(heard.events)

    shop(40)
    now_s = trainer._due.learnt_at_s + 100
    trainer.turn(now_s)
    trainer.turn(now_s + 1)

    assert early == ["too_little_data"]
    assert heard.events == ["too_little_data", "trained"]


def test_a_restarted_trainer_announces_nothing_again_and_learns_nothing_twice(settings, shop, broker):
    shop(40)
    turned(settings)

    _, heard = turned(settings)

    assert heard == []
    assert len(announced(settings, broker)) == 1


def test_a_restarted_trainer_announces_what_a_new_topic_lacks(settings, shop, broker):
    shop(40)
    turned(settings)
    other = settings.model_copy(update={"models_topic": f"{settings.models_topic}-new"})
    broker.create_topic(other.models_topic, 1)

    turned(other)

    assert announced(other, broker) == announced(settings, broker)


def test_the_newest_of_each_brand_is_announced(settings, shop, broker):
    shop(40)
    shop(40, brand="acme")
    everybody = train_once(settings, announce=False).version
    acme = train_once(settings, brand_id="acme", announce=False).version

    turned(settings, seconds=1)

    assert sorted(announced(settings, broker)) == [("", everybody), ("acme", acme)]


def test_a_model_that_could_not_be_announced_is_announced_later(settings, shop, broker, monkeypatch):
    shop(40)
    send = announcer.send_announcement
    monkeypatch.setattr(announcer, "send_announcement", refuse)
    trainer, heard = turned(settings)
    early = list(announced(settings, broker))

    monkeypatch.setattr(announcer, "send_announcement", send)
    trainer.turn(0.0)

    assert (early, set(heard.events)) == ([], {"unannounced"})
    assert announced(settings, broker) == [("", versions(settings.models_folder)[0])]
    assert len(versions(settings.models_folder)) == 1


def refuse(*_, **__):
    raise BrokerUnavailable("no answer")


def test_whatever_breaks_is_told_and_the_trainer_goes_on(settings, shop, monkeypatch):
    shop(40)

    def broken(*_, **__):
        raise RuntimeError("a bug in a library")

    monkeypatch.setattr(trainer_module, "train_once", broken)

    _, heard = turned(settings, seconds=5)

    assert heard == [("failed", {"message": "a bug in a library", "error": "RuntimeError"})]


def test_a_damaged_newest_model_is_told_and_a_sound_one_is_learnt(settings, shop):
    shop(40)
    turned(settings)
    damaged = versions(settings.models_folder)[0]
    (settings.models_folder / damaged / f"item2vec_{damaged}.model").write_bytes(b"damaged")
    shop(20)

    _, heard = turned(settings)

    assert heard.events == ["refused", "trained"]
    assert heard[1][1]["kind"] == "full"


def test_an_announced_model_that_got_damaged_is_told_and_the_one_before_it_is_announced(settings, shop, broker):
    shop(40)
    turned(settings)
    train_once(settings, full=True)
    damaged, sound = versions(settings.models_folder)
    (settings.models_folder / damaged / f"faiss_index_{damaged}.index").write_bytes(b"damaged")

    _, heard = turned(settings, seconds=1)

    assert heard.events == ["refused"]
    assert [version for _, version in announced(settings, broker)][-2:] == [damaged, sound]


def test_only_so_many_versions_stay_on_disk(settings, shop):
    shop(40)
    for _ in range(3):
        train_once(settings, full=True)

    assert [version.partition("-")[0] for version in versions(settings.models_folder)] == ["v3", "v2"]


def test_without_announcing_no_version_is_removed_since_nobody_knows_which_answers(settings, shop):
    shop(40)
    for _ in range(3):
        train_once(settings, full=True, announce=False)

    assert len(versions(settings.models_folder)) == 3


def test_progress_is_told_to_its_end(settings, shop):
    shop(40)
    told = []

    train_once(settings, announce=False, progress=lambda what, done: told.append((what, done)))

    assert told[-1][1] == 1.0
    assert [done for _, done in told] == sorted(done for _, done in told)


def test_a_broker_that_refuses_the_announcement_is_said_by_the_command(settings, shop, broker):
    shop(40)
    announcer = announcer_of(settings)
    broker.fail_next(0, [KafkaError.TOPIC_AUTHORIZATION_FAILED])

    with pytest.raises(BrokerUnavailable, match="could not be announced"):
        train_once(settings, announcer=announcer)


@pytest.mark.parametrize(
    ("event", "about", "metric", "labels"),
    [
        ("trained", TRAINED, "trainings_total", {"outcome": "trained"}),
        ("trained", TRAINED, "training_seconds_count", {"kind": "full"}),
        ("trained", TRAINED, "gate_verdicts_total", {"outcome": "worse"}),
        ("trained", TRAINED, "gate_ndcg", {"by": "serving"}),
        ("too_little_data", {"message": "wait"}, "trainings_total", {"outcome": "too_little_data"}),
        ("failed", {"message": "disk", "error": "OSError"}, "trainings_total", {"outcome": "failed"}),
        ("progress", {"what": "learning", "done": 1.0}, "training_progress", {}),
    ],
)
def test_what_the_process_tells_is_counted(event, about, metric, labels):
    metrics = Metrics()

    TrainingReports(metrics).heard(event, about)

    assert metrics.registry.get_sample_value(f"alsobought_{metric}", labels) == 1


@pytest.mark.parametrize("event", ["refused", "unannounced"])
def test_what_is_no_training_is_not_counted_as_one(event):
    metrics = Metrics()

    TrainingReports(metrics).heard(event, {"version": "v1", "message": "x"})

    assert metrics.registry.get_sample_value("alsobought_trainings_total", {"outcome": event}) is None


@pytest.mark.slow("a trainer as a process of its own")
def test_the_process_learns_tells_and_ends(settings, shop):
    shop(40)
    metrics = Metrics()
    process = TrainerProcess(settings, TrainingReports(metrics))
    try:
        while not metrics.registry.get_sample_value("alsobought_trainings_total", {"outcome": "trained"}):
            assert process._running.pipe.poll(30), "the trainer told nothing"
            process.turn()
    finally:
        process.stop()

    assert not process._running.process.is_alive()
    assert len(versions(settings.models_folder)) == 1


def test_a_process_that_died_is_started_again_some_seconds_later(settings, monkeypatch):
    metrics = Metrics()
    process = TrainerProcess(settings, TrainingReports(metrics))
    first = process.pid
    process._running.process.kill()
    process._running.process.join(10)
    try:
        process.turn()
        pause_s, meanwhile = process._restart_at_s - time.monotonic(), process.pid
        process._restart_at_s = 0.0  # the seconds have passed
        process.turn()
        second = process.pid
    finally:
        process.stop()

    assert 0 < pause_s <= 5
    assert metrics.registry.get_sample_value("alsobought_trainer_restarts_total") == 1
    assert meanwhile is None
    assert second not in (None, first)


def test_what_a_model_has_learnt_is_on_the_disk_before_it(settings, shop, monkeypatch):
    shop(40)
    log = settings.database.with_name(f"{settings.database.name}-wal")
    synced = []
    monkeypatch.setattr(reader.os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))

    train_once(settings, announce=False)

    assert synced[:2] == [log.stat().st_ino, (settings.database).stat().st_ino]
    assert (settings.models_folder / versions(settings.models_folder)[0]).stat().st_ino in synced[2:]


@pytest.mark.parametrize("gone", [False, True], ids=["spoilt", "gone"])
def test_the_only_model_that_got_damaged_is_told_and_another_is_learnt_at_once(settings, shop, broker, gone):
    shop(40)
    first = train_once(settings, full=True).version
    folder = settings.models_folder / first
    if gone:
        shutil.rmtree(folder)
    else:
        next(folder.glob("item_vectors*")).write_bytes(b"?")

    _, heard = turned(settings, seconds=1)

    newest = versions(settings.models_folder)[0]
    assert heard.events == ["refused", "trained"]
    assert announced(settings, broker)[-1] == ("", newest)
    assert version_number(newest) > version_number(first), "else it would never come to answer"
