"""Which offsets have no record, and when that is a loss."""

import pytest
from structlog.testing import capture_logs

from consumers.kafka.missing_records import COMPACTION, RETENTION, UNCLEAR, MissingRecords, holes
from consumers.kafka.records import Record
from consumers.observability.metrics import Metrics
from model.purchases.changes import LogRecord
from model.store.writer import Store


def records(partition, *offsets):
    return [Record("purchases", partition, offset, b"k", b"v") for offset in offsets]


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "a.db")
    store.open_log("cluster", "purchases", "id", 0)
    yield store
    store.close()


def test_holes_are_counted_from_what_is_stored_to_the_last_record():
    assert holes(records(0, 3, 4, 9) + records(1, 5, 6), {0: 0, 1: 5}) == {0: 7}


def test_what_was_stored_before_is_neither_a_record_nor_a_hole():
    assert holes(records(0, 3, 4, 9), {0: 5}) == {0: 4}
    assert holes(records(0, 3, 4), {0: 5}) == {}


def test_without_compaction_a_hole_is_no_loss(store):
    missing = MissingRecords(store, Metrics())

    assert missing.between(records(0, 2), {0: 0}) == {(0, UNCLEAR): 2}


def test_what_is_missing_is_remembered_with_the_batch_and_over_a_restart(store):
    metrics = Metrics()
    missing = MissingRecords(store, metrics, lambda: True, "purchases")
    store.skip_to(0, 4)
    gone = missing.between(records(0, 6), {0: 4})
    store.apply([LogRecord(0, 6, None)], gone)
    with capture_logs() as said:
        missing.stored(gone)
        missing.say(now_s=100)
        missing.say(now_s=500)
    store.close()
    again = Store(store.path)
    again.open_log("cluster", "purchases", "id", 0)
    known = again.missing()
    again.close()

    assert known == {(0, RETENTION): 4, (0, COMPACTION): 2}
    assert missing.lost == 6
    assert metrics.registry.get_sample_value("alsobought_history_lost_records_total") == 2
    assert [(line["event"], line["lost"], line["partitions"]) for line in said] == [
        ("purchases_compacted_away", 2, {0: 2})
    ]
