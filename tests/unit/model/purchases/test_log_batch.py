"""Records as columns are the same records."""

from itertools import pairwise

import hypothesis.strategies as st
from hypothesis import given

from model.purchases.changes import Forget, LogRecord, Purchase
from model.purchases.log_batch import LogBatch, PurchaseColumns

lines = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([0.5, 1.0, 2.0])), max_size=3)
purchases = st.builds(
    lambda profile, bought, event_id: Purchase(
        profile, "", 7, tuple(product for product, _ in bought), tuple(price for _, price in bought), event_id
    ),
    st.sampled_from(["ada", "bob"]),
    lines,
    st.sampled_from(["", "o-1"]),
)
changes = purchases | st.builds(Forget, st.sampled_from(["ada", "bob"])) | st.none()
records = st.lists(st.builds(LogRecord, st.integers(0, 1), st.integers(0, 9), changes), max_size=8)


def columns(orders):
    made = PurchaseColumns()
    for order in orders:
        made.append(order)
    return made


@given(records)
def test_a_batch_is_the_records_that_it_was_made_of(given_records):
    batch = LogBatch.of(given_records)

    assert list(batch) == given_records
    assert batch[1:3] == given_records[1:3]


@given(records)
def test_runs_are_the_records_partition_by_partition_and_know_their_purchases(given_records):
    batch = LogBatch.of(given_records)

    runs = list(batch.runs())

    assert [place for _, places in runs for place in places] == list(range(len(given_records)))
    assert all(one != another for (one, _), (another, _) in pairwise(runs))
    for partition, places in runs:
        read = [given_records[place] for place in places]
        assert {record.partition for record in read} == {partition}
        profiles = [record.change.profile for record in read if isinstance(record.change, Purchase)]
        assert batch.purchases.profiles[batch.rows(places)] == profiles


@given(st.lists(st.tuples(purchases, st.booleans()), max_size=6))
def test_orders_that_were_left_out_and_put_back_are_where_they_were(orders):
    all_orders = [order for order, _ in orders]
    kept = columns(all_orders).kept([keep for _, keep in orders])
    left_out = []
    for at, (order, keep) in enumerate(orders):
        if not keep:
            left_out.append((sum(kept_before for _, kept_before in orders[:at]), order))

    assert list(kept) == [order for order, keep in orders if keep]
    assert list(kept.with_inserted(left_out)) == all_orders
