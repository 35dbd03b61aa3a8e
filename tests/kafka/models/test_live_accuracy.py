"""Live accuracy through a broker: new purchases are judged before they count, history that is read again never is."""

import pytest

from tests.kafka.brokers.broker import eventually
from tests.kafka.support import learnt_models
from tests.kafka.support.learnt_models import CUSTOMERS
from tests.kafka.support.load import CAMPING_THINGS, TEA_THINGS, two_interests
from tests.kafka.support.records import Record, purchase
from tests.kafka.support.running_shop import RunningShop, running_shop

JUDGED = 'alsobought_judged_purchases_total{brand="none"}'


@pytest.fixture
def judging(broker, tmp_path, once_per_run):
    """A shop whose model has learnt from every purchase but the fifth product of each customer."""
    learnt = once_per_run("two-interests", learnt_models.learn)
    with running_shop(broker, tmp_path, partitions=learnt_models.PARTITIONS) as shop:
        shop.buy(*two_interests(CUSTOMERS))
        stored = lambda: shop.service.metric('alsobought_events_total{outcome="applied"}') == CUSTOMERS * 3  # noqa: E731
        eventually(stored, "all of it is stored")
        learnt_models.take(shop, learnt)
        eventually(lambda: shop.service.metric(JUDGED) == 0, "nothing was judged yet")
        yield shop


def the_one_missing(customer: int, **fields: object) -> Record:
    """Each customer of two_interests has bought four of five things: the order of the fifth."""
    things = (TEA_THINGS, CAMPING_THINGS)[customer % 2]
    return purchase(f"learnt-{customer}", things[(customer // 2 + 4) % 5], **fields)


def judged(shop: RunningShop, by: str, name: str) -> float:
    return shop.service.metrics().get(f'alsobought_{name}{{brand="none",by="{by}"}}', 0)


def test_the_model_and_what_sells_are_judged_on_the_same_purchases_before_they_count(judging):
    old = "2020-01-01T00:00:00Z"  # a history that is sent to the topic now is news
    for customer in range(12):
        judging.buy(the_one_missing(customer, occurred_at=old))
    eventually(lambda: judging.service.metric(JUDGED) == 12, "all of them are judged")

    assert judged(judging, "model", "hits_total") == 12
    assert judged(judging, "popularity", "hits_total") <= 12
    assert judged(judging, "model", "mrr") > judged(judging, "popularity", "mrr") > 0


def test_history_that_is_read_again_is_not_judged_and_what_comes_after_it_is(judging):
    judging.buy(*(the_one_missing(customer) for customer in range(20)))
    judging.service.stop()
    for file in judging.service.data_dir.glob("alsobought.db*"):
        file.unlink()

    judging.service.start()
    eventually(lambda: judging.service.metric("alsobought_model_version") > 0, "the model answers again", 30)
    restored = judging.service.metric("alsobought_events_total"), judging.service.metric(JUDGED)
    judging.buy(the_one_missing(30))
    eventually(lambda: judging.service.metric(JUDGED) == 1, "the new purchase is judged")

    assert restored == (CUSTOMERS * 3 + 20, 0)
