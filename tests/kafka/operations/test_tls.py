"""A broker that demands TLS and a login: right properties work, and of wrong ones it is said which they are."""

import json

import pytest

from tests.kafka.brokers.broker import eventually
from tests.kafka.brokers.certificates import self_signed
from tests.kafka.conftest import _or_skip
from tests.kafka.support.records import purchase
from tests.kafka.support.running_shop import running_shop
from tests.kafka.support.service import Service, run_command

PASSWORD = "open-sesame-4711"
STRANGER = "closed-barley-0815"


@pytest.fixture
def certificate(request, tmp_path):
    return _or_skip(request.config, "java", lambda: self_signed(tmp_path / "certificate"))


def said_while_waiting(service: Service) -> str:
    """What a service that can not reach its broker says, before it is stopped."""
    service.start(wait=False)
    try:
        waits = lambda: [line for line in service.log_lines() if line["event"] == "waiting_for_kafka"]  # noqa: E731
        eventually(lambda: bool(waits()), "it says that it waits", 30)
        assert service.stop(timeout_s=15) == 0
    finally:
        service.kill()
    return service.log.read_text()


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_over_tls_with_a_login_everything_works_and_no_secret_is_shown(java_cluster, certificate, tmp_path, mechanism):
    broker = java_cluster(sasl_users={"shop": PASSWORD}, certificate=certificate, mechanism=mechanism)
    with running_shop(broker, tmp_path) as shop:
        answer = shop.ask_after(shop.buy(purchase("c-1", "tea"))[0], "c-1")
        code, said = run_command(shop.service, "config")
        log = shop.service.log.read_text()

    assert answer["profile_id"] == "c-1"
    assert (code, f"sasl.mechanism = {mechanism}" in said) == (0, True)
    assert PASSWORD not in log + said


def test_what_is_wrong_with_the_properties_is_named(java_cluster, certificate, tmp_path):
    broker = java_cluster(sasl_users={"shop": PASSWORD}, certificate=certificate, mechanism="SCRAM-SHA-512")
    with running_shop(broker, tmp_path / "right") as shop:
        topics, right = shop.topics, json.loads(shop.service.environment["ALSOBOUGHT_KAFKA_PROPERTIES"])
    other = self_signed(tmp_path / "other")
    wrong = {
        "check sasl.username and sasl.password": right | {"sasl.password": STRANGER},
        "check ssl.ca.location": right | {"ssl.ca.location": str(other.authority)},
        "security.protocol": {name: value for name, value in right.items() if not name.startswith("s")},
    }

    for hint, properties in wrong.items():
        settings = {"kafka_properties": json.dumps(properties)}
        said = said_while_waiting(
            Service(broker, topics, tmp_path / hint[:9], group="g", role="worker", settings=settings)
        )
        assert hint in said
        assert PASSWORD not in said
        assert STRANGER not in said
