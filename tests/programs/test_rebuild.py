"""`alsobought rebuild`: the database anew from the topics, the old one set aside, and what differs is said."""

import json
import re

import pytest

from config.settings import Settings
from consumers.kafka.clients import KafkaClients, produce
from consumers.training.train_once import train_once
from model.store.reader import read_contents
from serving.demo.show import PROPERTIES
from serving.runtime.data_folder import exclusive
from tests.builders.learnt import GROUPS
from tests.builders.running import environment, new_broker, ran, running, send, until

LEARNING = {"train_min_customers": 4, "vector_size": 8, "epochs": 2}


@pytest.fixture
def broker():
    with new_broker() as broker:
        yield broker


@pytest.fixture
def env(broker, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return environment(broker.bootstrap, tmp_path / "data")


@pytest.fixture
def database(tmp_path):
    return tmp_path / "data" / "alsobought.db"


def order(number, profile, products):
    items = [{"product_id": product} for product in products]
    return profile, {"event_id": f"o-{number}", "profile_id": profile, "items": items}


def sell(broker, customers=20):
    """Orders, a repeat of the first, a record that can not be read, and a catalogue with a product withdrawn."""
    orders = [order(number, f"c-{number}", GROUPS[number % 2]) for number in range(customers)]
    send(broker, "purchases", *orders, orders[0], ("c-3", b"no JSON"))
    send(broker, "catalog", ("tea", {"product_id": "tea", "title": "Tea"}), ("x", {"product_id": "x"}), ("x", b"?"))


def forget(broker, profile):
    producer = KafkaClients(broker.bootstrap, PROPERTIES).producer()
    produce(producer, on_delivery=lambda *_: None, topic="purchases", key=profile.encode(), value=None)
    assert producer.flush(10) == 0


def digests(text):
    return re.findall(r"digest ([0-9a-f]{64})", text)


def test_without_a_database_one_is_made(broker, env, database):
    sell(broker)
    done = ran("rebuild", env=env)

    assert done.exit_code == 0, done.output
    assert "after: 20 customers, 60 order lines, 1 products in the catalogue, 22 records read" in done.output
    assert "2 records can not be used" in done.output
    assert "nothing to compare it with" in done.output
    assert [file.name for file in database.parent.iterdir() if file.name != "lock"] == ["alsobought.db"]


def test_the_state_of_a_running_service_comes_again_from_the_topics(broker, env, database):
    with running(broker, database.parent) as service:
        sell(broker)
        forget(broker, "c-5")
        until(lambda: service.metrics().get('alsobought_events_total{outcome="forgotten"}') == 1, service)
        until(lambda: service.metrics().get('alsobought_events_total{outcome="applied"}') == 20, service)
    checked, done = ran("rebuild", "--check", env=env), ran("rebuild", env=env)

    assert done.exit_code == 0, done.output
    assert "the same state as before" in done.output
    assert digests(done.output) == 2 * digests(checked.output)
    assert "before: 19 customers" in done.output
    assert len(list(database.parent.glob("alsobought.db.before-*"))) == 1


def test_the_old_file_is_removed_where_that_is_asked_for_and_nothing_is_lost_by_it(broker, env, database):
    sell(broker)
    ran("rebuild", env=env)
    done = ran("rebuild", "--discard", env=env)

    assert "the same state as before" in done.output
    assert list(database.parent.glob("alsobought.db.before-*")) == []


def test_an_old_file_that_knows_something_else_is_kept_whatever_is_asked_for(broker, env, database):
    sell(broker)
    ran("rebuild", env=env)
    sell(broker, customers=30)
    done = ran("rebuild", "--discard", env=env)

    assert "had not yet read all of the topic: 32 records more" in done.output
    assert "the old file is kept" in done.output
    assert len(list(database.parent.glob("alsobought.db.before-*"))) == 1


def test_a_damaged_file_is_set_aside_for_a_sound_one(broker, env, database):
    sell(broker)
    before = ran("rebuild", env=env)
    database.write_bytes(b"no database " * 1000)
    checked, done = ran("rebuild", "--check", env=env), ran("rebuild", env=env)

    assert checked.exit_code == 1
    assert "`alsobought rebuild`" in checked.output
    assert done.exit_code == 0, done.output
    assert digests(done.output) == digests(before.output)
    (aside,) = database.parent.glob("alsobought.db.before-*")
    assert aside.read_bytes().startswith(b"no database")


def test_while_a_service_holds_the_folder_nothing_is_rebuilt(broker, env, database):
    with exclusive(database.parent):
        done = ran("rebuild", env=env)

    assert done.exit_code == 2
    assert "in use by another alsobought process: stop that one" in done.output
    assert not database.exists()


def test_a_broker_that_is_not_there_leaves_the_old_file_as_it_was(broker, env, database):
    sell(broker)
    ran("rebuild", env=env)
    content = database.read_bytes()
    done = ran("rebuild", env=env | {"ALSOBOUGHT_BOOTSTRAP_SERVERS": "127.0.0.1:1"})

    assert done.exit_code == 1
    assert "check bootstrap_servers" in done.output
    assert database.read_bytes() == content


def test_what_an_earlier_attempt_left_does_no_harm(broker, env, database):
    sell(broker)
    database.parent.mkdir()
    (database.parent / "alsobought.db.rebuilding").write_bytes(b"half a file")

    assert ran("rebuild", env=env).exit_code == 0
    assert len(read_contents(database).histories.customers) == 20


def test_the_training_after_a_rebuild_starts_from_scratch_and_says_so(broker, env, database):
    settings = Settings(
        data_dir=database.parent,
        bootstrap_servers=broker.bootstrap,
        kafka_properties=json.dumps(PROPERTIES),
        **LEARNING,
    )
    sell(broker)
    ran("rebuild", env=env)
    first, second = train_once(settings, announce=False), train_once(settings, announce=False)
    ran("rebuild", env=env)
    third = train_once(settings, announce=False)

    assert [about.kind for about in (first, second, third)] == ["full", "increment", "full"]
    assert third.reason == "the model was learnt from another database"
