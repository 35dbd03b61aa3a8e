"""Where a partition is read from, what waits for it, and what is said when the broker's log is not the stored one."""

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from structlog.testing import capture_logs

from consumers.kafka.clients import BrokerUnavailable
from consumers.loop.partitions import Partitions
from consumers.observability.metrics import Metrics
from model.purchases.changes import LogRecord, Purchase
from model.store.reader import read_watermark
from model.store.writer import Store


class FakeConsumer:
    """A consumer of a log whose ends can be chosen, which the embedded broker does not allow."""

    def __init__(self):
        self.ends = {}
        self.commits = {}
        self.assigned, self.paused, self.positions = [], set(), {}
        self.failing = None

    def get_watermark_offsets(self, part, **_):
        if self.failing:
            raise KafkaException(self.failing)
        return self.ends.get((part.topic, part.partition), (0, 0))

    def committed(self, parts, **_):
        return [TopicPartition(p.topic, p.partition, self.commits.get(p.partition, -1001)) for p in parts]

    def assign(self, parts):
        self.assigned = [(part.topic, part.partition, part.offset) for part in parts]

    incremental_assign = assign

    def incremental_unassign(self, parts):
        self.assigned = [part for part in self.assigned if part[:2] not in {(p.topic, p.partition) for p in parts}]

    def position(self, parts):
        at = {(p.topic, p.partition): self.positions.get((p.topic, p.partition), -1001) for p in parts}
        return [TopicPartition(*key, offset) for key, offset in at.items()]

    def pause(self, parts):
        self.paused |= {(part.topic, part.partition) for part in parts}

    def resume(self, parts):
        self.paused -= {(part.topic, part.partition) for part in parts}


class WatchedPartitions(Partitions):
    """With room for what a test wants to remember."""


def parts(*numbers):
    return [TopicPartition(topic, number) for topic in ("purchases", "requests") for number in numbers]


@pytest.fixture
def consumer():
    return FakeConsumer()


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "alsobought.db")
    yield store
    store._db.close()


@pytest.fixture
def partitions(store):
    ids = {"now": "id-1"}
    made = WatchedPartitions(
        store=store,
        metrics=Metrics(),
        cluster_id="cluster",
        purchases="purchases",
        requests="requests",
        topic_id=lambda: ids["now"],
        incremental=False,
    )
    made.told = []
    made.on_new_topic = lambda: made.told.append(ids["now"])
    made.ids = ids
    return made


def store_up_to(store, offset, partition=0, topic_id="id-1"):
    store.open_log("cluster", "purchases", topic_id, partition)
    store.apply([LogRecord(partition, offset - 1, Purchase("ada", "", 1, ("tea",), (1.0,), ""))])


def lost(partitions):
    return partitions.metrics.registry.get_sample_value("alsobought_history_lost_records_total")


def test_the_stored_offset_wins(partitions, consumer, store):
    store_up_to(store, 41)
    consumer.ends["purchases", 0] = (0, 41)
    consumer.commits[0] = 7

    partitions.on_assign(consumer, [TopicPartition("purchases", 0, -1001)])

    assert consumer.assigned == [("purchases", 0, 41)]
    assert partitions.answerable(0)


def test_a_partition_that_was_never_read_is_read_from_its_first_record(partitions, consumer):
    consumer.ends["purchases", 0] = (0, 41)

    partitions.on_assign(consumer, parts(0))

    assert consumer.assigned[0] == ("purchases", 0, 0)
    assert partitions.restoring == {0: 41}


def test_requests_are_paused_until_their_purchases_are_restored(partitions, consumer):
    consumer.ends["purchases", 0] = (0, 41)
    partitions.on_assign(consumer, parts(0, 1))
    waiting = set(consumer.paused)
    partitions.reached(consumer, 0, 40)
    still = set(consumer.paused)

    partitions.reached(consumer, 0, 41)

    assert waiting == still == {("requests", 0)}
    assert consumer.paused == set()


def test_the_end_of_the_partition_ends_the_restore_however_far_the_store_is(partitions, consumer):
    consumer.ends["purchases", 0] = (0, 41)  # the last two may be transaction markers
    partitions.on_assign(consumer, parts(0))

    partitions.reached(consumer, 0, 39, at_end=True)

    assert partitions.answerable(0)


def test_records_that_the_broker_has_deleted_are_counted_and_said_loudly(partitions, consumer, store):
    store_up_to(store, 5)
    consumer.ends["purchases", 0] = (12, 20)

    with capture_logs() as logs:
        partitions.on_assign(consumer, parts(0))

    (said,) = [line for line in logs if line["event"] == "purchases_lost_on_the_broker"]
    assert (said["log_level"], said["lost"], said["stored"], said["first"]) == ("error", 7, 5, 12)
    assert (consumer.assigned[0], store.next_offset(0), lost(partitions)) == (("purchases", 0, 12), 12, 7)
    assert len(store.histories(["ada"]).products) == 1


def test_a_log_that_is_shorter_than_stored_is_read_again_from_its_start(partitions, consumer, store):
    store_up_to(store, 41)
    consumer.ends["purchases", 0] = (0, 20)

    with capture_logs() as logs:
        partitions.on_assign(consumer, parts(0))

    assert "purchases_log_is_shorter_than_stored" in [line["event"] for line in logs]
    assert (consumer.assigned[0], partitions.restoring) == (("purchases", 0, 0), {0: 20})
    assert len(store.histories(["ada"]).products) == 0
    assert partitions.told == ["id-1"]  # what it had counted no longer counts


def test_a_topic_made_anew_is_read_from_its_start(partitions, consumer, store):
    store_up_to(store, 41)
    consumer.ends["purchases", 0] = (0, 41)
    partitions.on_assign(consumer, parts(0))
    partitions.ids["now"] = "id-2"
    consumer.ends["purchases", 0] = (0, 60)  # longer than the old one: no error would ever say so

    found = partitions.check_topic_id(consumer)

    assert (found, partitions.told) == (True, ["id-2"])
    assert sorted(consumer.assigned) == [("purchases", 0, 0), ("requests", 0, 0)]
    assert consumer.paused == {("requests", 0)}
    assert len(store.histories(["ada"]).products) == 0


def test_a_topic_whose_id_can_not_be_asked_now_is_taken_for_the_same(partitions, consumer):
    partitions.on_assign(consumer, parts(0))
    partitions.ids["now"] = ""

    assert not partitions.check_topic_id(consumer)
    assert partitions.current_id == "id-1"


def test_a_topic_whose_id_becomes_known_only_later_is_read_under_it(partitions, consumer, store):
    partitions.ids["now"] = ""
    partitions.on_assign(consumer, parts(0))
    partitions.ids["now"] = "id-1"

    assert partitions.check_topic_id(consumer)
    assert partitions.told == ["id-1"]
    assert read_watermark(store.path).offsets == {0: 0}


@pytest.mark.parametrize(("committed", "start"), [(-1001, 3), (7, 7), (2, 3), (99, 3)])
def test_requests_begin_where_the_group_left_off_else_at_the_oldest(partitions, consumer, committed, start):
    consumer.ends["requests", 0] = (3, 9)
    consumer.commits[0] = committed

    partitions.on_assign(consumer, parts(0))

    assert consumer.assigned[1] == ("requests", 0, start)


def test_out_of_range_requests_go_on_at_the_oldest(partitions, consumer):
    partitions.on_assign(consumer, parts(0))
    consumer.ends["requests", 0] = (30, 90)
    consumer.positions["purchases", 0] = 12

    partitions.place_again(consumer, [TopicPartition("requests", 0)])

    assert sorted(consumer.assigned) == [("purchases", 0, 12), ("requests", 0, 30)]


def test_what_was_given_back_is_neither_answered_nor_owned(partitions, consumer, store):
    partitions.on_assign(consumer, parts(0, 1))

    partitions.on_revoke(consumer, parts(1))

    assert partitions.owned == {("purchases", 0), ("requests", 0)}
    assert (partitions.answerable(0), partitions.answerable(1)) == (True, False)


def test_what_was_lost_is_dropped(partitions, consumer):
    partitions.on_assign(consumer, parts(0))

    partitions.on_lost(consumer, parts(0))

    assert partitions.owned == set()


def test_a_failure_while_assigning_is_kept_and_nothing_is_assigned(partitions, consumer):
    consumer.failing = KafkaError(KafkaError._TIMED_OUT, "no leader")

    partitions.on_assign(consumer, parts(0))

    assert isinstance(partitions.failure, BrokerUnavailable)
    assert "start again when Kafka answers" in str(partitions.failure)
    assert (consumer.assigned, partitions.owned) == ([], set())


def test_the_newer_protocol_hands_out_parts_and_empty_lists_mean_nothing(partitions, consumer):
    partitions.incremental = True
    partitions.on_assign(consumer, parts(0))

    partitions.on_assign(consumer, [])
    partitions.on_revoke(consumer, parts(0))

    assert partitions.assigned
    assert (consumer.assigned, partitions.owned) == ([], set())


def test_an_empty_assignment_of_the_classic_protocol_counts_as_one(partitions, consumer):
    partitions.on_assign(consumer, [])

    assert partitions.assigned


def test_what_was_read_before_a_partition_was_placed_again_is_stale(partitions, consumer):
    partitions.on_assign(consumer, parts(0, 1))
    before = partitions.epoch

    partitions.on_revoke(consumer, parts(0))
    partitions.on_assign(consumer, parts(0))

    assert partitions.moved_since(before, "purchases", 0)
    assert not partitions.moved_since(before, "purchases", 1)
    assert not partitions.moved_since(partitions.epoch, "purchases", 0)


def test_held_purchases_stay_held_when_partitions_come_until_they_are_let_go(partitions, consumer):
    partitions.on_assign(consumer, parts(0))

    partitions.hold_purchases(consumer, hold=True)
    partitions.on_assign(consumer, parts(0, 1))
    held = sorted(consumer.paused)
    partitions.hold_purchases(consumer, hold=False)

    assert held == [("purchases", 0), ("purchases", 1)]
    assert not consumer.paused
