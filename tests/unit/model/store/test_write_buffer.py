import numpy as np
import pytest

from model.store.codec import Orders
from model.store.write_buffer import WriteBuffer


def orders(random, count):
    sizes = random.integers(1, 4, count).astype(np.uint16)
    lines = int(sizes.sum())
    return Orders(
        random.integers(1, 30, count).astype(np.uint32),
        np.ones(count, np.uint32),
        random.integers(0, 1000, count).astype(np.uint32),
        sizes,
        random.integers(0, 2**63, count).astype(np.uint64),
        random.integers(1, 500, lines).astype(np.uint32),
        np.ones(lines, np.float32),
    )


@pytest.mark.parametrize("most", [1, 3, 200])
def test_however_orders_come_the_same_lines_wait(most):
    random = np.random.default_rng(most)
    batches = [orders(random, int(count)) for count in random.integers(1, most + 1, 100)]
    tail, together = WriteBuffer(), WriteBuffer()
    together.add(Orders.joined(batches))
    for at, batch in enumerate(batches):
        tail.add(batch)
        if at % 3 == 0:  # whoever asks in between changes nothing
            tail.of_customer(at % 30)

    assert list(tail.rows()) == list(together.rows())
    assert [tail.of_customer(i) for i in range(31)] == [together.of_customer(i) for i in range(31)]
    assert tail.events == together.events


def test_dividing_what_came_order_by_order_joins_few_arrays(monkeypatch):
    random = np.random.default_rng(1)
    tail, joined = WriteBuffer(), []
    for _ in range(1000):
        tail.add(orders(random, 1))
    monkeypatch.setattr(Orders, "joined", lambda batches: joined.append(len(batches)) or batches[0])

    tail.joined()

    assert joined[0] <= 10
