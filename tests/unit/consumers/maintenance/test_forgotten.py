"""`alsobought forgotten`: until which model what was erased is still in one, exactly, from the topic and the models."""

import json

import pytest

from config.settings import Settings
from consumers.kafka.clients import KafkaClients, produce
from consumers.kafka.records import Record
from consumers.maintenance.forgotten import Trace
from consumers.training.train_once import train_once
from serving.demo.show import PROPERTIES
from tests.builders.learnt import GROUPS
from tests.builders.running import environment, new_broker, ran, send
from tests.programs.test_rebuild import LEARNING, order

KEY = "a secret of the shop"
SOURCE = "cluster/purchases/id"


def traced(*records):
    """The trace of (partition, offset, whether it is a tombstone)."""
    found = Trace(SOURCE)
    for partition, offset, tombstone in records:
        found.note(Record("purchases", partition, offset, b"ada", None if tombstone else b"{}", (), 5))
    return found


BOUGHT, FORGOT = False, True


@pytest.mark.parametrize(
    ("read", "verdict"), [(5, "nothing"), (6, "holds"), (10, "holds"), (11, "nothing"), (99, "nothing")]
)
def test_a_model_holds_a_customer_from_the_first_purchase_to_the_tombstone(read, verdict):
    assert traced((0, 5, BOUGHT), (0, 7, BOUGHT), (0, 10, FORGOT)).in_model(SOURCE, {"0": read}) == verdict


@pytest.mark.parametrize(
    ("read", "verdict"),
    [(6, "holds"), (11, "nothing"), (15, "nothing"), (21, "holds"), (31, "nothing"), (41, "nothing")],
)
def test_who_was_forgotten_twice_is_in_the_models_of_each_time_between(read, verdict):
    twice = traced((0, 5, BOUGHT), (0, 10, FORGOT), (0, 20, BOUGHT), (0, 30, FORGOT), (0, 32, FORGOT), (0, 40, BOUGHT))

    assert twice.in_model(SOURCE, {"0": read}) == verdict
    assert twice.bought_since


def test_a_tombstone_reaches_purchases_that_another_partition_brought():
    found = traced((1, 5, BOUGHT), (0, 10, FORGOT))

    assert found.in_model(SOURCE, {"0": 10, "1": 6}) == "holds"
    assert found.in_model(SOURCE, {"0": 11, "1": 6}) == "nothing"


def test_offsets_of_another_topic_say_nothing():
    assert traced((0, 5, BOUGHT), (0, 10, FORGOT)).in_model("", {"0": 99}) == "unknown"


# -- the command


@pytest.fixture
def broker():
    with new_broker() as broker:
        yield broker


@pytest.fixture
def env(broker, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return environment(broker.bootstrap, tmp_path / "data") | {"ALSOBOUGHT_PHONE_HASH_KEY": KEY}


@pytest.fixture
def learn(broker, env, tmp_path):
    """Take up what the topic says and learn from it."""
    given = {"data_dir": tmp_path / "data", "bootstrap_servers": broker.bootstrap}
    settings = Settings(**given, kafka_properties=json.dumps(PROPERTIES), phone_hash_key=KEY, **LEARNING)

    def take_up_and_learn():
        assert ran("rebuild", "--discard", env=env).exit_code == 0
        return train_once(settings)

    return take_up_and_learn


def forget(broker, key):
    producer = KafkaClients(broker.bootstrap, PROPERTIES).producer()
    produce(producer, on_delivery=lambda *_: None, topic="purchases", key=key.encode(), value=None)
    assert producer.flush(10) == 0


def test_a_customer_is_in_the_model_learnt_before_and_in_none_learnt_after(broker, env, learn):
    send(broker, "purchases", *(order(number, f"c-{number}", GROUPS[number % 2]) for number in range(20)))
    first = learn()
    forget(broker, "c-5")
    before = ran("forgotten", "c-5", env=env)
    second = learn()
    after = ran("forgotten", "c-5", env=env)

    assert f"{first.version}: learnt from purchases that were erased since (it answers now)" in before.stdout
    assert "in a model that answers" in before.stdout
    assert f"{second.version}: holds nothing that was erased (it answers now)" in after.stdout
    assert f"in no model that answers; until {first.version} on disk" in after.stdout


def test_a_phone_number_asks_for_the_customer_that_it_became(broker, env, learn):
    calls = {"event_id": "by-phone", "phone": "+49 30 1234567", "items": [{"product_id": "tea"}]}
    send(broker, "purchases", ("caller", calls), *(order(n, f"c-{n}", GROUPS[n % 2]) for n in range(20)))
    first = learn()
    forget(broker, "+49 30 1234567")
    asked = ran("forgotten", "004930 1234567", env=env)

    assert f"{first.version}: learnt from purchases that were erased since" in asked.stdout
    assert "1234567" not in asked.output


@pytest.mark.parametrize(("profile", "said"), [("c-5", "; there are purchases"), ("zoe", ", nor any purchase")])
def test_who_was_never_forgotten_is_told_so(broker, env, profile, said):
    send(broker, "purchases", order(1, "c-5", GROUPS[0]))

    assert ran("forgotten", profile, env=env).stdout.strip().endswith(f"has no null value under this key{said}")


def test_what_is_no_profile_id_is_refused(env):
    assert ran("forgotten", "a\nb", env=env).exit_code == 2
