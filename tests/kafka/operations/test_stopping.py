"""SIGTERM while purchases and requests pour in: a clean end in time, replies delivered, nothing lost, nothing twice."""

import time

import pytest

from tests.kafka.brokers.broker import eventually
from tests.kafka.support import load, oracle
from tests.kafka.support.running_shop import running_shop

pytestmark = pytest.mark.every_broker

STOP_WITHIN_S = 10.0


@pytest.fixture
def busy(broker, tmp_path):
    """A shop whose service is at work on a stream of purchases."""
    with (
        running_shop(broker, tmp_path, cold=True, ingest_batch_records="100", request_max_age_ms="600000") as shop,
        load.Selling(broker, shop.topics.purchases, seed=11),
    ):
        eventually(lambda: shop.service.metric("alsobought_events_total") > 200, "purchases are coming in")
        yield shop


def test_sigterm_under_load_ends_it_cleanly_and_in_time(busy):
    topics, client = busy.topics, busy.client
    asked = client.request_each(topics.requests, ({"profile_id": f"c-{n % 60}"} for n in range(500)), topics.replies)
    client.reply(topics.replies, asked[0])  # it is in the midst of them

    began = time.monotonic()
    code = busy.service.stop()
    took_s = time.monotonic() - began
    busy.service.start()
    replies = [client.reply(topics.replies, correlation) for correlation in asked]

    assert (code, took_s < STOP_WITHIN_S) == (0, True)
    assert [reply.json["profile_id"] for reply in replies] == [f"c-{n % 60}" for n in range(500)]
    assert len(client.replies(topics.replies, *asked)) == len(asked)


def test_after_sigterm_under_load_a_restart_loses_and_doubles_nothing(busy):
    code = busy.service.stop()
    stood_at = oracle.positions(busy.service.database)
    known = busy.client.read_all(busy.topics.purchases)
    expected = oracle.expected(read for read in known if read.offset < stood_at.get(read.partition, 0))

    assert code == 0
    assert oracle.stored(busy.service.database) == expected
    busy.service.start()
    eventually(lambda: sum(oracle.positions(busy.service.database).values()) > len(known), "it goes on")


def test_a_second_sigterm_ends_it_at_once(busy):
    busy.service.process.terminate()
    code = busy.service.stop(timeout_s=STOP_WITHIN_S)

    assert code in {0, -15}


def test_what_it_said_on_the_way_out_is_no_error(busy):
    busy.service.stop()
    said = busy.service.log_lines()

    assert [line["event"] for line in said[-2:]] == ["stopping", "stopped"]
    assert [line for line in said if line["level"] in {"error", "critical"}] == []
    assert not (busy.service.data_dir / "run.json").exists()
