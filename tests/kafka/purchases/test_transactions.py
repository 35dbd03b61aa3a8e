"""A shop that sells in Kafka transactions: what it aborts was never bought, and its markers hold nothing up."""

import pytest
from confluent_kafka import Producer

from tests.kafka.brokers.broker import eventually
from tests.kafka.support import oracle
from tests.kafka.support.records import purchase
from tests.kafka.support.running_shop import running_shop

pytestmark = pytest.mark.needs_real_broker(one=True)


def sell_in_transactions(broker, topic: str, *sales) -> None:
    """`sales` are (purchases, whether to commit them), a transaction each."""
    producer = Producer(broker.client_properties | {"transactional.id": topic, "partitioner": "murmur2_random"})
    producer.init_transactions(20)
    for purchases, commit in sales:
        producer.begin_transaction()
        for record in purchases:
            producer.produce(topic, record.value, record.key)
        producer.flush(20)
        producer.commit_transaction(20) if commit else producer.abort_transaction(20)


def test_aborted_purchases_do_not_count_and_a_marker_at_the_end_does_not_hold_up_a_restore(broker, tmp_path):
    with running_shop(broker, tmp_path, partitions=1) as shop:
        shop.service.stop()
        sell_in_transactions(
            broker,
            shop.topics.purchases,
            ([purchase("c-1", "tea"), purchase("c-2", "lamp")], True),
            ([purchase("c-1", "cup"), purchase("c-3", "rope")], False),
        )
        shop.service.start()  # ready: the restore has come to its end
        answer = shop.ask("c-1")

        assert oracle.stored(shop.service.database) == {"c-1": ["tea"], "c-2": ["lamp"]}
        assert [item["product_id"] for item in answer["recommendations"]] == ["lamp"]
        lag = f'alsobought_lag_records{{partition="0",topic="{shop.topics.purchases}"}}'
        eventually(lambda: shop.service.metrics().get(lag) == 0, "the markers are no lag")


def test_purchases_after_an_aborted_transaction_are_in_the_next_answer(broker, tmp_path):
    with running_shop(broker, tmp_path, partitions=1) as shop:
        sales = ([purchase("c-1", "tea")], False), ([purchase("c-1", "cup")], True)
        sell_in_transactions(broker, shop.topics.purchases, *sales)
        place = shop.buy(purchase("c-2", "rope"))[0]
        answer = shop.ask_after(place, "c-1")

    assert [item["product_id"] for item in answer["recommendations"]] == ["rope"]
