"""`alsobought run`: what it waits for, what it refuses, and how it ends."""

import http.client
import json
import os
import signal
import socket
import threading
import time
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

import psutil
import pytest
from structlog.testing import capture_logs

from config.errors import ConfigError
from config.settings import Settings
from consumers.kafka.clients import BrokerUnavailable
from consumers.pace import Pace
from serving.demo.show import PROPERTIES
from serving.runtime.data_folder import exclusive
from serving.runtime.service import Service, run_service
from tests.builders.running import new_broker, running, send, still_running

STOP_S = 5


@pytest.fixture(scope="module")
def broker():
    with new_broker() as broker:
        yield broker


@pytest.fixture(autouse=True)
def logs():
    with capture_logs() as lines:
        yield lines


def settings_for(folder, **changed):
    return Settings(**{"bootstrap_servers": "127.0.0.1:1", "data_dir": folder, "http_port": 0} | changed)


def get(url, path):
    """(status, JSON) of a GET."""
    where = urlsplit(url)
    with closing(http.client.HTTPConnection(where.hostname, where.port, timeout=5)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def bought(profile):
    return {"profile_id": profile, "items": [{"product_id": "tea"}]}


def test_ready_says_what_is_waited_for_until_nothing_is(broker, folder):
    settings = settings_for(
        folder, bootstrap_servers=broker.bootstrap, kafka_properties=PROPERTIES, role="worker", group_id="ready"
    )
    said = []
    deadline = time.monotonic() + 20
    with ExitStack() as stack:
        service = Service(settings)
        server = stack.enter_context(service.http())

        def stopping():
            status, body = get(server.url, "/ready")
            if not said or said[-1] != (status, body["reasons"]):
                said.append((status, body["reasons"]))
            assert time.monotonic() < deadline
            return status == 200

        stopping()
        service.run(service.open(stack, lambda: False), stopping)

    assert said[0] == (503, ["waiting for Kafka"])
    assert said[1][1][0] == "no partitions were assigned yet"
    assert said[-1] == (200, [])


def test_a_stopping_service_says_that_it_is_not_ready(broker, folder):
    settings = settings_for(folder, bootstrap_servers=broker.bootstrap, kafka_properties=PROPERTIES, role="worker")
    with ExitStack() as stack:
        service = Service(settings)
        service.run(service.open(stack, lambda: False), lambda: True)

        assert service.not_ready_because() == ["waiting for the end: stopping"]


def test_a_folder_in_use_is_refused(tmp_path):
    with exclusive(tmp_path), pytest.raises(ConfigError, match="is in use by another alsobought process"):
        run_service(settings_for(tmp_path))


def test_a_port_that_is_taken_is_refused_before_kafka_is_asked(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(ConfigError, match=f"http_port = {port} is taken"):
            run_service(settings_for(tmp_path, http_port=port))

    assert not (tmp_path / "run.json").exists()


def test_a_broker_that_does_not_answer_is_waited_for_and_then_named_with_what_to_check(tmp_path, logs):
    with pytest.raises(BrokerUnavailable) as caught:
        run_service(settings_for(tmp_path), pace=Pace(broker_wait_s=0.1))

    assert "127.0.0.1:1" in str(caught.value)
    assert "Connection refused" in str(caught.value)
    assert "check bootstrap_servers and that the broker runs" in str(caught.value)


def test_a_stop_while_kafka_is_waited_for_is_heard(tmp_path, logs):
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
    begun = time.monotonic()

    run_service(settings_for(tmp_path))

    assert time.monotonic() - begun < STOP_S
    assert logs[-1]["event"] == "stopped"


def test_the_versions_say_which_one_answers_and_which_are_kept(broker, folder):
    settings = settings_for(folder, bootstrap_servers=broker.bootstrap, kafka_properties=PROPERTIES, role="worker")
    with ExitStack() as stack:
        service = Service(settings)
        service.open(stack, lambda: False)

        listed = service.model_versions()

    assert [(row["version"].split("-")[0], row["state"], row["kind"]) for row in listed] == [
        ("v2", "kept", "full"),
        ("v1", "kept", "full"),
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.slow("a service and its trainer as processes")
def test_a_signal_ends_the_service_and_its_trainer_in_time_with_exit_code_0(tmp_path, number):
    with new_broker() as broker, running(broker, tmp_path / "data") as service:
        send(broker, "purchases", *((f"c-{n}", bought(f"c-{n}")) for n in range(50)))
        note = json.loads((service.folder / "run.json").read_text())
        children = psutil.Process(service.process.pid).children(recursive=True)

        service.process.send_signal(number)
        code = service.process.wait(STOP_S)

    assert (code, note["pid"], still_running(children)) == (0, service.process.pid, [])
    assert children
    assert not (service.folder / "run.json").exists()
    assert "stopped" in service.log_tail().splitlines()[-1]
