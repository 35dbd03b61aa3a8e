"""The loop on an embedded broker: everything stored once, bad records buried, requests answered in full."""

import math
import threading
import time
from types import SimpleNamespace

import pytest
from confluent_kafka import OFFSET_INVALID, KafkaError

from consumers.ingest.dead_letters import origin_of
from consumers.kafka.clients import BrokerUnavailable
from consumers.kafka.embedded_broker import EmbeddedBroker
from consumers.kafka.records import ReadError
from consumers.pace import Pace
from model.store.schema import StoreUnavailable
from tests.builders.worker_world import World

PRODUCE = 0
FETCH = 1


@pytest.fixture
def own_broker():
    """For what would trouble the other tests."""
    with EmbeddedBroker() as started:
        yield started


@pytest.fixture
def worlds(broker, tmp_path):
    """Makes a world whose worker has other parts than usual."""
    made = []

    def make(**worker):
        made.append(World(broker, tmp_path / "alsobought.db", **worker))
        return made[-1]

    yield make
    for world in made:
        world.consumer.close()
        world.store.close()


def test_purchases_are_stored_and_committed(world):
    world.buy("tea")
    world.buy("cup")

    world.run_until(lambda: len(world.bought()) == 2)

    assert world.bought() == ["tea", "cup"]
    assert world.committed("purchases") == 2
    assert world.metric("events_total", outcome="applied") == 2


def test_a_poison_record_between_two_good_ones_is_buried_and_the_loop_goes_on(world):
    world.buy("tea")
    world.send("purchases", b"\xff poison", headers=[("trace", b"\x00\x01"), ("nothing", None)])
    world.buy("cup")

    world.run_until(lambda: len(world.bought()) == 2)

    (letter,) = world.dead()
    assert (letter.key, letter.value) == (b"ada", b"\xff poison")
    assert letter.headers[:2] == (("trace", b"\x00\x01"), ("nothing", None))
    assert origin_of(letter) == (world.topic("purchases"), 0, 1)
    assert world.metric("dead_letters_total", topic="purchases", reason="not_json") == 1
    assert world.metric("events_total", outcome="dead") == 1


def test_a_record_that_was_buried_is_not_buried_again_when_it_is_read_again(world):
    world.send("purchases", b"poison")
    world.begin()
    world.step_until(lambda: world.store.next_offset(0) == 1)
    world.consumer.seek(world.consumer.assignment()[0])  # to the beginning

    world.buy("tea")
    world.step_until(lambda: world.bought() == ["tea"])

    assert len(world.dead()) == 1


def test_a_header_whose_name_is_no_text_makes_a_dead_letter_and_no_crash(world, broker, unreadable_header):
    value = b'{"profile_id":"ada","items":[{"product_id":"ink"}]}'
    unreadable_header(broker.bootstrap, world.topic("purchases").encode(), value, times=50)
    world.buy("tea", partition=0)
    world.buy("tea", partition=1)

    world.run_until(lambda: len(world.bought()) == 2)

    assert world.bought() == ["tea", "tea"]
    assert world.metric("dead_letters_total", topic="purchases", reason="wrong_type") == 50


def test_a_request_is_answered_from_the_purchases_that_came_before_it(world):
    for _ in range(300):
        world.buy("tea", profile="eve", partition=0)
    world.send("requests", b"{}", key=b"eve")

    world.run_until(lambda: world.responder.asked)

    assert world.replies() == [b"300"]
    assert world.committed("requests") == 1


def test_more_requests_than_a_micro_batch_holds_are_answered_turn_by_turn_and_committed_as_far(worlds):
    world = worlds(request_batch=2)
    for _ in range(5):
        world.send("requests", b"{}")
    world.begin()
    world.step_until(lambda: world.responder.asked)
    answered = len(world.responder.asked)
    world.producer.flush(5)
    done = world.worker.answering.committable().get((world.topic("requests"), 0), 0)
    world.step_until(lambda: len(world.responder.asked) == 5)

    assert [record.offset for record in world.responder.asked] == [0, 1, 2, 3, 4]
    assert done <= answered < 5


def test_requests_wait_until_their_partition_is_restored(world):
    world.buy("tea")
    world.buy("cup")
    world.send("requests", b"{}")
    world.worker.ingest_batch = 1  # one record a turn: the request could be read before the second purchase

    world.begin()
    waiting = not world.partitions.answerable(0), world.partitions.answerable(1)
    world.step_until(lambda: world.responder.asked)

    assert waiting == (True, True)
    assert world.bought() == ["tea", "cup"]
    world.worker._leave()
    assert world.replies() == [b"2"]


def test_the_end_of_a_partition_opens_its_requests_when_markers_stand_there(world, monkeypatch):
    world.buy("tea")
    # transaction markers take offsets at the end of the log and are never handed out
    monkeypatch.setattr("consumers.loop.partitions.watermarks", lambda *_: (0, 3))

    world.begin()
    world.step_until(lambda: world.partitions.answerable(0) and world.partitions.answerable(1))

    assert world.store.next_offset(0) == 1


def test_a_restart_goes_on_where_the_store_is_not_where_kafka_is(world, broker, tmp_path):
    world.buy("tea")
    world.run_until(lambda: world.bought() == ["tea"])
    world.buy("cup")
    world.store.close()

    again = World(broker, tmp_path / "alsobought.db", like=world)
    again.run_until(lambda: len(again.bought()) == 2)

    assert again.bought() == ["tea", "cup"]
    assert again.metric("events_total", outcome="replayed") == 0
    again.store.close()


def test_a_lost_folder_is_rebuilt_from_the_topic(world, broker, tmp_path):
    world.buy("tea")
    world.run_until(lambda: world.bought() == ["tea"])

    empty = World(broker, tmp_path / "another.db", like=world)
    empty.run_until(lambda: empty.bought() == ["tea"])

    assert empty.committed("purchases") == 1
    empty.store.close()


def test_two_workers_share_the_partitions_and_the_one_that_stays_takes_over(world, broker, tmp_path):
    for partition in (0, 1):
        world.buy("tea", profile=f"customer-{partition}", partition=partition)
    other = World(broker, tmp_path / "other.db", like=world)
    world.begin()
    other.worker.consumer.subscribe(
        [world.topic("purchases"), world.topic("requests")],
        on_assign=other.partitions.on_assign,
        on_revoke=other.partitions.on_revoke,
    )

    def step_both(reached):
        for _ in range(200):
            if reached():
                return True
            world.worker.step()
            other.worker.step()
        return False

    shared = step_both(lambda: len(world.partitions.owned) == len(other.partitions.owned) == 2)
    numbers = [{number for _, number in one.partitions.owned} for one in (world, other)]
    other.consumer.close()
    alone = step_both_alone(world)

    assert shared
    assert sorted(map(sorted, numbers)) == [[0], [1]]
    assert alone
    assert (world.bought("customer-0"), world.bought("customer-1")) == (["tea"], ["tea"])
    other.store.close()


def step_both_alone(world):
    world.step_until(lambda: len(world.partitions.owned) == 4 and not world.partitions.restoring)
    return True


def test_a_topic_made_anew_is_read_from_its_start_and_the_old_orders_are_set_aside(world, broker):
    world.buy("old")
    world.begin()
    world.step_until(lambda: world.bought() == ["old"])

    world.topic_id = "id-2"  # here the same records stand for those of the new topic
    found = world.partitions.check_topic_id(world.consumer)
    world.step_until(lambda: world.store.next_offset(0) == 1 and not world.partitions.restoring)

    assert (found, world.new_topics) == (True, 1)
    assert world.bought() == ["old"]
    assert world.metric("events_total", outcome="applied") == 2


def test_a_store_that_takes_nothing_stops_the_loop_and_commits_nothing(world):
    world.buy("tea")
    world.store._db.execute("CREATE TRIGGER no BEFORE INSERT ON tail BEGIN SELECT RAISE(ABORT, 'disk trouble'); END")

    with pytest.raises(StoreUnavailable, match="disk trouble"):
        world.worker.run(lambda: False)

    assert world.committed("purchases") < 0


def test_a_broker_that_takes_no_dead_letters_stops_the_loop_and_nothing_is_skipped(own_broker, tmp_path):
    broker, world = own_broker, World(own_broker, tmp_path / "alsobought.db")
    world.buy("tea")
    world.send("purchases", b"poison")
    broker.fail_next(PRODUCE, [KafkaError.TOPIC_AUTHORIZATION_FAILED] * 5)

    with pytest.raises(BrokerUnavailable, match="does not take dead letters"):
        world.worker.run(lambda: False)

    assert world.committed("purchases") < 2
    world.store.close()


def test_a_failure_while_partitions_are_assigned_stops_the_loop(world, monkeypatch):
    def locked(*_):
        raise StoreUnavailable("the file is locked")

    monkeypatch.setattr(world.store, "open_log", locked)

    with pytest.raises(StoreUnavailable, match="the file is locked"):
        world.worker.run(lambda: False)


def test_a_reply_that_is_refused_at_once_holds_nobody_up(world):
    world.worker.answering.responder = Nowhere(world.responder)
    world.send("requests", b"{}")
    world.send("requests", b"{}")

    world.run_until(lambda: len(world.responder.asked) == 2)

    assert world.worker.answering.deliveries.failed == 2
    assert world.committed("requests") == 2


class Nowhere:
    """Answers into a partition that does not exist."""

    def __init__(self, inner):
        self.inner = inner
        self.deadlines_ms = inner.deadlines_ms

    def respond(self, records):
        return [reply.__class__(reply.topic, 7, None, b"", headers=[]) for reply in self.inner.respond(records)]


def test_lag_is_told_for_owned_partitions_and_forgotten_with_them(world):
    world.buy("tea")
    world.begin()
    world.step_until(lambda: world.metric("lag_records", topic="purchases", partition="0") == 0)

    world.worker._on_lost(world.consumer, world.consumer.assignment())

    assert world.metric("lag_records", topic="purchases", partition="0") is None
    assert world.metric("rebalances_total", kind="lost") == 1


def test_what_is_given_back_is_committed_first_and_what_was_lost_is_not(world):
    world.worker._next_chores = math.inf  # which commit, too
    world.buy("tea")
    world.begin()
    world.step_until(lambda: world.bought() == ["tea"])
    held = world.consumer.assignment()

    world.worker._on_lost(world.consumer, [part for part in held if part.partition == 1])
    lost = world.committed("purchases")
    world.worker._on_revoke(world.consumer, [part for part in held if part.partition == 0])

    assert (lost, world.committed("purchases")) == (OFFSET_INVALID, 1)
    assert world.partitions.owned == set()


def test_a_turn_that_took_too_long_for_kafka_is_told_and_counted(world, capsys, caplog):
    code = KafkaError._MAX_POLL_EXCEEDED
    world.worker._on_error(ReadError("", 0, -1001, code, "_MAX_POLL_EXCEEDED", "exceeded by 472 ms", fatal=False))

    assert world.metric("loop_too_slow_total") == 1
    assert "loop_too_slow" in capsys.readouterr().out + caplog.text  # wherever a test before this one sent the log


def test_a_close_that_never_ends_is_not_waited_for(world):
    world.worker.pace = Pace(leave_s=0.1)
    never = threading.Event()
    world.worker.consumer = SimpleNamespace(close=never.wait)

    world.worker._leave()

    assert not never.is_set()
    never.set()


def test_a_worker_whose_broker_is_gone_leaves_within_seconds(own_broker, tmp_path):
    world = World(own_broker, tmp_path / "alsobought.db")
    world.buy("tea")
    world.begin()
    world.step_until(lambda: world.bought() == ["tea"])
    own_broker.close()
    started = time.monotonic()

    world.worker._leave()

    assert time.monotonic() - started < 8  # a commit would wait for the session, and close now and then for ever
    world.store.close()


def test_purchases_are_judged_before_they_are_stored_and_never_those_read_again(worlds):
    seen = []

    class Noting:
        def compare(self, records):
            new = [record for record in records if world.partitions.is_news(record.partition, record.offset)]
            seen.append((len(records), len(new), len(world.bought())))

    world = worlds(validation=Noting())
    world.buy("tea")
    world.begin()
    world.step_until(lambda: world.bought() == ["tea"] and not world.partitions.restoring)
    world.buy("cup")
    world.step_until(lambda: len(world.bought()) == 2)

    assert seen == [(1, 0, 0), (1, 1, 1)]
