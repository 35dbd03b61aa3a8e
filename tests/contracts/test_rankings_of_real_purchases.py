"""On real purchases, learnt with the shipped epochs, the compiled kernel answers as the reference does."""

import os
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest

from model.embeddings import item2vec
from model.embeddings.parameters import TrainingParameters
from model.embeddings.vocabulary import in_vocabulary
from model.purchases.histories import Histories, distinct
from model.ranking.model import NOT_FOR_SALE, learnt_model
from model.ranking.parameters import Ranking, Scoring, Weights
from model.signals.ease import learn_votes
from model.signals.product_votes import ProductVotes, VoteParameters
from tests.builders.made_up_models import alive, ask_of, asked_batch
from tests.contracts.alike import assert_alike

pytestmark = [
    pytest.mark.data,
    pytest.mark.slow("learns 25 epochs of real purchases"),
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not os.environ.get("ALSOBOUGHT_DATA"), reason="needs the real purchases: ALSOBOUGHT_DATA"),
]
VOTERS = 4000  # products that vote: the table of more takes minutes to learn and is read no differently
TIED = 0.004  # of the customers may have the 200th candidate, or the 100th neighbour, within 1e-6 of the next
CUSTOMERS = 768
BATCH = 256


def real_histories(name):
    """Customers and products numbered from 1."""
    file = Path(os.environ["ALSOBOUGHT_DATA"]) / name / "transactions.parquet"
    lines = duckdb.execute(
        """SELECT DISTINCT dense_rank() OVER (ORDER BY customer_id) AS customer,
        dense_rank() OVER (ORDER BY product_id) AS product, epoch(ts)::BIGINT AS time FROM read_parquet(?)
        ORDER BY customer, time, product""",
        [str(file)],
    ).fetchnumpy()
    numbers, starts = np.unique(lines["customer"], return_index=True)
    return Histories(
        numbers.astype(np.uint32),
        np.append(starts, len(lines["time"])).astype(np.int64),
        lines["product"].astype(np.uint32),
        lines["time"].astype(np.uint32),
    )


def learnt_into(folder, histories):
    """Vectors and votes, learnt as they ship."""
    keys = ["", *(str(number) for number in range(1, int(histories.products.max()) + 1))]
    learnt = item2vec.train(histories, keys, TrainingParameters())
    rows = learnt.rows_of(keys)
    folder.mkdir()
    np.savez(folder / "vectors.npz", vectors=learnt.vectors, outputs=learnt.outputs, row_of_number=rows)
    sets = in_vocabulary(distinct(histories), rows)
    learn_votes(sets, len(learnt.keys), VoteParameters(most=VOTERS)).write(folder / "votes.npz")


@pytest.fixture(scope="module", params=["online_retail", "tafeng"])
def real(request, once_per_run, compilation):
    """Histories and a model of both stages, with its neighbours."""
    histories = real_histories(request.param)
    folder = once_per_run(f"kernel-{request.param}", lambda aside: learnt_into(aside, histories))
    with np.load(folder / "vectors.npz") as arrays:
        model = learnt_model(
            **arrays,
            ranking=Ranking(scoring=Scoring(), weights=Weights()),
            votes=ProductVotes.read(folder / "votes.npz"),
            histories=histories,
        ).with_neighbours(histories)
    return histories, alive(model, compilation)


def asks(histories, count, seed=1, **asked):
    """As many customers, taken by chance."""
    chosen = np.random.default_rng(seed).permutation(len(histories.customers))[:count]
    return [ask_of(histories, int(position), **asked) for position in chosen]


def assert_batches_alike(model, asked):
    """In micro-batches; of all customers together so few have ties that they can be counted."""
    for start in range(0, len(asked), BATCH):
        some = asked[start : start + BATCH]
        assert_alike(model, asked_batch(some), ties=round(TIED * len(some)))


def test_typical_customers_are_shown_the_same_for_the_same_reasons(real):
    histories, model = real

    assert_batches_alike(model, asks(histories, CUSTOMERS))


def test_every_option_of_a_request_is_answered_alike(real):
    histories, model = real
    items = len(model.index)
    random = np.random.default_rng(2)
    mask, addend = random.random(items) < 0.5, random.normal(size=items).astype(np.float32)
    brand = np.flatnonzero(random.random(items) < 0.2).tolist()
    options = [
        {"k": 1}, {"k": 100}, {"repeats": True}, {"customer": 0}, {"excluded": range(0, items, 3)}, {"only": brand},
        {"only": brand[:40], "excluded": brand[:20]}, {"only": ()}, {"allowed": mask}, {"addend": addend},
        {"allowed": mask, "addend": addend, "only": brand, "k": 50},
    ]  # fmt: skip
    mixed = [replace(ask, **options[i % len(options)]) for i, ask in enumerate(asks(histories, 20 * len(options)))]

    assert_batches_alike(model, mixed)


def test_a_thousand_products_are_in_the_same_order(real):
    histories, model = real

    assert_batches_alike(model, asks(histories, 16, k=1000))


def test_the_index_alone_answers_alike(real, compilation):
    histories, model = real
    alone = replace(model, ranking=replace_weights(model, None), neighbours=None)

    assert_batches_alike(alive(alone, compilation), asks(histories, BATCH, k=20))


def test_what_is_withdrawn_and_what_sells_is_followed(real, compilation):
    histories, model = real
    changed = alive(replace(model, withdrawn=np.random.default_rng(3).random(len(model.index)) < 0.3), compilation)
    assert_batches_alike(changed, asks(histories, BATCH))
    changed.withdrawn[:] = ~changed.withdrawn
    changed.refresh(np.arange(len(changed.index)))

    assert_batches_alike(changed, asks(histories, BATCH))
    assert (changed.index.bias[changed.withdrawn] == NOT_FOR_SALE).all()


def replace_weights(model, weights):
    """The model's ranking with other weights."""
    return Ranking(
        scoring=model.ranking.scoring,
        weights=weights,
        neighbours=model.ranking.neighbours,
        votes=model.ranking.votes,
    )
