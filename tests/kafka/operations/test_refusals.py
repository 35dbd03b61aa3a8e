"""What keeps a service from starting or going on is said in one line, with what to do, and never with a secret."""

import sqlite3
from contextlib import closing

from tests.kafka.brokers.broker import Broker, eventually
from tests.kafka.brokers.java import free_ports
from tests.kafka.support import oracle
from tests.kafka.support.records import purchase
from tests.kafka.support.running_shop import named_topics, running_shop
from tests.kafka.support.service import Service, run_command

PASSWORD = "open-sesame-4711"
WRONG = "closed-barley-0815"


class NoBroker(Broker):
    """An address where nothing listens."""

    def __init__(self) -> None:
        self.bootstrap = f"127.0.0.1:{free_ports(1)[0]}"

    @property
    def client_properties(self):
        return {"bootstrap.servers": self.bootstrap}


def warnings(service: Service, event: str) -> str:
    """What it logged under this event, as one text."""
    return "\n".join(f"{line}" for line in service.log_lines() if line["event"] == event)


def test_a_second_process_on_the_same_folder_is_refused_and_the_first_goes_on(trained):
    status, said = run_command(trained.service, "run")

    assert status == 2
    assert "is in use by another alsobought process" in said
    assert "Traceback" not in said
    assert trained.service.get("/ready")[0] == 200


def test_a_folder_of_a_newer_version_is_refused_untouched(broker, tmp_path):
    with running_shop(broker, tmp_path) as shop:
        shop.ask_after(shop.buy(purchase("c-1", "tea"))[0], "c-1")
        shop.service.stop()
        with closing(sqlite3.connect(shop.service.database)) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            db.execute(f"PRAGMA user_version={version + 1}")
        code = shop.service.start(wait=False).wait_exit()
        said = shop.service.log_tail(3)
        with closing(sqlite3.connect(shop.service.database)) as db:
            db.execute(f"PRAGMA user_version={version}")
        kept = oracle.stored(shop.service.database)

    assert code == 1
    assert f"its schema version is {version + 1}" in said
    assert "run the newer alsobought again" in said
    assert kept == {"c-1": ["tea"]}


def test_a_damaged_database_is_said_with_what_to_do(broker, tmp_path):
    with running_shop(broker, tmp_path) as shop:
        shop.service.stop()
        shop.service.database.write_bytes(b"no database " * 1000)
        code = shop.service.start(wait=False).wait_exit()

        assert code == 1
        assert "alsobought rebuild" in shop.service.log_tail(3)
        assert "Traceback" not in shop.service.log_tail()


def test_while_no_broker_answers_it_waits_alive_and_says_what_to_check(tmp_path):
    nothing = NoBroker()
    service = Service(nothing, named_topics("none"), tmp_path, group="none", role="worker").start(wait=False)
    try:
        eventually(lambda: bool(warnings(service, "waiting_for_kafka")), "it says that it waits", 20)
        health, ready = service.get("/health"), service.get("/ready")
        code = service.stop(timeout_s=10)
    finally:
        service.kill()

    assert "check bootstrap_servers" in warnings(service, "waiting_for_kafka")
    assert nothing.bootstrap in warnings(service, "waiting_for_kafka")
    assert (health[0], ready[0], "waiting for Kafka" in ready[1]) == (200, 503, True)
    assert code == 0
    assert len(service.log_lines()) < 20, "what goes on and on is said once"


def test_a_broker_that_demands_a_password(java_cluster, tmp_path):
    broker = java_cluster(sasl_users={"shop": PASSWORD})
    with running_shop(broker, tmp_path / "right") as shop:
        assert shop.ask_after(shop.buy(purchase("c-1", "tea"))[0], "c-1")["profile_id"] == "c-1"
        right, topics = shop.service, shop.topics
    guess = Service(broker, topics, tmp_path / "wrong", group="g", role="worker")
    plain = Service(broker, topics, tmp_path / "plain", group="g", role="worker", settings={"kafka_properties": "{}"})
    guess.environment["ALSOBOUGHT_KAFKA_PROPERTIES"] = guess.environment["ALSOBOUGHT_KAFKA_PROPERTIES"].replace(
        PASSWORD, WRONG
    )
    try:
        for service in (guess, plain):
            service.start(wait=False)
        for service in (guess, plain):
            eventually(lambda: bool(warnings(service, "waiting_for_kafka")), "it says that it waits", 20)  # noqa: B023
            assert service.stop(timeout_s=10) == 0
    finally:
        guess.kill()
        plain.kill()

    assert "check sasl.username and sasl.password" in warnings(guess, "waiting_for_kafka")
    assert "security.protocol" in warnings(plain, "waiting_for_kafka")
    assert not any(secret in service.log.read_text() for secret in (PASSWORD, WRONG) for service in (right, guess))


def test_an_address_that_others_reach_is_refused_without_a_token(tmp_path):
    service = Service(NoBroker(), named_topics("none"), tmp_path, group="none", settings={"http_host": "0.0.0.0"})
    code = service.start(wait=False).wait_exit()

    assert code == 2
    assert "set http_token" in service.log_tail(3)
    assert "Traceback" not in service.log_tail()
