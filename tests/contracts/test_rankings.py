"""What every ranker promises: the compiled kernel answers as the reference does, whatever a customer asks of whichever
model. `alike` says what counts as the same.
"""

import importlib
import json
import pkgutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.embeddings.parameters import TrainingParameters
from model.offline.recommender import OfflineRecipe, learn_offline
from model.purchases.histories import DAY_S, Histories, of_customers
from model.ranking import kernel
from model.ranking.kernel import reference
from model.ranking.model import NOT_FOR_SALE
from model.ranking.parameters import Scoring, Weights
from model.signals.neighbours import NeighbourParameters, take_up
from model.signals.product_votes import VoteParameters
from tests.builders.made_up_models import (
    NOW_S,
    Ask,
    alive,
    ask_of,
    asked_batch,
    made_up_histories,
    made_up_model,
)
from tests.builders.shop_histories import shop_histories
from tests.contracts.alike import ask_both, assert_alike, assert_sums

ITEMS, CUSTOMERS, MANY = 1500, 400, 7000
ALL = np.arange(ITEMS)
ODD = ALL % 2 == 1
BOOST = np.random.default_rng(4).normal(size=ITEMS).astype(np.float32)
HISTORIES = made_up_histories(ITEMS - 100, CUSTOMERS)
FORMS = ("exact", "by lists")


def some(start=0, count=40, **changed):
    return [ask_of(HISTORIES, position, **changed) for position in range(start, start + count)]


@pytest.fixture(scope="module")
def shop(compilation):
    """A made-up shop with all signals; no test changes it."""
    return alive(made_up_model(HISTORIES, ITEMS), compilation)


def bought_of(model, ask):
    """The rows of what the customer has bought."""
    return np.unique(model.row_of_number[np.array(ask.products)]).tolist()


# -- what a customer may ask


PLAIN = {
    "ten": {},
    "repeats": {"repeats": True},
    "nobody known": {"customer": 0},
    "a customer of whom nobody heard": {"customer": 10**6},
    "some left out": {"excluded": range(0, 700, 3)},
    "all but a few left out": {"excluded": range(ITEMS - 4)},
    "all left out": {"excluded": range(ITEMS)},
    "a wide list": {"only": range(0, ITEMS, 2)},
    "a narrow list": {"only": range(5, 90)},
    "an empty list": {"only": ()},
    "a list of one": {"only": (7,)},
    "a list in no order": {"only": tuple(np.random.default_rng(1).permutation(ITEMS)[:300].tolist())},
    "a list with some of it left out": {"only": range(300), "excluded": range(0, 600, 2)},
    "a list all of which is left out": {"only": range(10), "excluded": range(10)},
    "a mask": {"allowed": ODD},
    "a mask of a few": {"allowed": ALL < 20},
    "a mask of nothing": {"allowed": np.zeros(ITEMS, bool)},
    "a mask and a list": {"allowed": ODD, "only": range(400)},
    "a mask, a list, and some left out": {"allowed": ODD, "only": range(400), "excluded": range(50)},
    "an addend": {"addend": BOOST},
    "an addend that forbids": {"addend": np.where(ODD, BOOST, NOT_FOR_SALE).astype(np.float32)},
    "an addend, a mask, a list and repeats": {"addend": BOOST, "allowed": ODD, "only": range(900), "repeats": True},
}


@pytest.mark.parametrize("asked", PLAIN.values(), ids=PLAIN)
def test_every_option_is_answered_alike(shop, asked):
    both = assert_alike(shop, asked_batch(some(**asked)))

    forbidden = set(asked.get("excluded", ()))
    assert not forbidden & set(both.given.rows.tolist())
    if asked.get("only") is not None:
        assert set(both.given.rows.tolist()) <= set(asked["only"])


@pytest.mark.parametrize("k", [0, 1, 2, 64, 65, 199, 200, 201, 500, 1000, ITEMS + 5])
def test_as_many_as_asked_are_given(shop, k):
    both = assert_alike(shop, asked_batch(some(count=4, k=k)))

    own = [len(bought_of(shop, ask)) for ask in some(count=4)]
    assert np.diff(both.given.starts).tolist() == [min(k, ITEMS - mine) for mine in own]


def test_customers_of_one_batch_ask_for_different_things(shop):
    mixed = [replace(ask, **asked) for ask, asked in zip(some(count=len(PLAIN)), PLAIN.values(), strict=True)]

    assert_alike(shop, asked_batch([replace(ask, k=1 + 7 * i) for i, ask in enumerate(mixed)]))


def test_masks_and_addends_of_ones_own_stand_beside_shared_ones(shop):
    own = [{"allowed": i % 3 == ALL % 3, "addend": np.roll(BOOST, i)} for i in range(6)]
    shared = [{"allowed": ODD}, {"addend": BOOST}, {"allowed": ODD, "addend": BOOST}, {}] * 3
    asks = [replace(ask, **asked) for ask, asked in zip(some(count=18), own + shared, strict=True)]

    both = assert_alike(shop, asked_batch(asks))
    for i, ask in enumerate(asks):
        shown = both.given.rows[both.given.starts[i] : both.given.starts[i + 1]]
        assert ask.allowed is None or ask.allowed[shown].all()


def test_a_basket_counts_as_the_latest_order(shop):
    asks = [
        replace(ask, products=[*ask.products, 5, 9, 700], times=[*ask.times, NOW_S + 9, NOW_S + 9, NOW_S + 9])
        for ask in some()
    ]

    assert_alike(shop, asked_batch(asks))


def test_a_brand_is_a_list_and_what_was_bought_of_it_is_left_out(shop):
    brand = np.random.default_rng(6).permutation(ITEMS)[:500]
    asks = [replace(ask, only=brand.tolist(), excluded=bought_of(shop, ask), k=30) for ask in some()]

    assert_alike(shop, asked_batch(asks))


def test_a_history_of_two_thousand_products_is_answered(compilation):
    items = 2600
    model = alive(made_up_model(made_up_histories(items, 300), items), compilation)
    great = made_up_histories(items, 3, longest=2000)
    random = np.random.default_rng(8)
    numbers = random.permutation(items)[:2000] + 1
    times = NOW_S - np.sort(random.integers(0, 90, 2000))[::-1] * DAY_S
    everything = Ask(products=numbers.tolist(), times=times.tolist(), customer=3, k=1000)

    both = assert_alike(model, asked_batch([everything, *(ask_of(great, i, k=50) for i in range(3))]))
    assert both.given.starts[1] == len(set(range(items)) - set(model.row_of_number[numbers].tolist()))


HISTORIES_OF = {
    "empty": Ask(products=[], times=[]),
    "beyond the model": Ask(products=[10**6, ITEMS + 1, 4 * 10**9], times=[1, 2, 3]),
    "partly beyond the model": Ask(products=[10**6, 3, ITEMS + 1], times=[1, 2, 3]),
    "never sold": Ask(products=[0], times=[1]),
    "one": Ask(products=[1], times=[NOW_S]),
    "the same again and again": Ask(products=[4, 4, 9, 4], times=[1, 1, 5, 6]),
    "out of order": Ask(products=[3, 8, 5, 3, 40, 12], times=[50, 40, 60, 10, 60, 50]),
    "backwards": Ask(products=list(range(1, 80)), times=list(range(80, 1, -1))),
    "one order": Ask(products=list(range(300, 400)), times=[7] * 100),
    "many orders": Ask(products=list(range(1, 400)), times=list(range(1, 400))),
}


@pytest.mark.parametrize("ask", HISTORIES_OF.values(), ids=HISTORIES_OF)
def test_every_history_is_answered_alike(shop, ask):
    both = assert_alike(shop, asked_batch([ask]))

    assert both.given.able.tolist() == [any(0 < number <= ITEMS - 3 for number in ask.products)]


def test_histories_of_every_kind_are_answered_in_one_batch(shop):
    assert_alike(shop, asked_batch([*HISTORIES_OF.values(), *some(), *HISTORIES_OF.values()]))


@pytest.mark.parametrize("most", [0, 1, 5])
def test_so_many_reasons_are_given(shop, most):
    assert assert_alike(shop, asked_batch(some()), most=most).given.reasons.shape[1] == most


def test_nobody_asks(shop):
    assert len(assert_alike(shop, asked_batch([])).given.rows) == 0


def test_one_after_the_other_and_all_at_once_are_the_same(shop):
    asks = some(count=256)
    together = ask_both(shop, asked_batch(asks)).given
    apart = [ask_both(shop, asked_batch([ask])).given for ask in asks]

    assert np.concatenate([one.rows for one in apart]).tolist() == together.rows.tolist()
    assert np.concatenate([one.reasons for one in apart]).tolist() == together.reasons.tolist()
    np.testing.assert_allclose(np.concatenate([one.scores for one in apart]), together.scores, rtol=2e-6)


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32])
def test_arrays_may_be_of_any_integers_and_not_for_writing(shop, dtype, read_only):
    asks = some(count=6, excluded=range(50), only=range(25, 900))
    expected = ask_both(shop, asked_batch(asks)).given
    answered = assert_alike(shop, asked_batch(asks, dtype=dtype, read_only=read_only)).given

    assert answered.rows.tolist() == expected.rows.tolist()


# -- whichever model it is


MODELS = {
    "the index alone": {"weights": None},
    "no neighbours weighed": {"weights": Weights(neighbours=0.0)},
    "no votes weighed": {"weights": Weights(votes=0.0)},
    "only votes": {"weights": Weights(affinity=0, popularity=0, trend=0, neighbours=0, votes=1)},
    "only neighbours": {"weights": Weights(affinity=0, popularity=0, trend=0, neighbours=1, votes=0)},
    "affinity against it": {"weights": Weights(affinity=-0.5)},
    "another first stage": {"scoring": Scoring(scale=0.2, popularity_weight=-0.3, recency=1.0, trend_weight=0.0)},
    "only the last order": {"scoring": Scoring(recency=0.0)},
    "nobody is a neighbour": {"neighbours": False},
    "a narrow one": {"dimension": 3},
    "a wide one": {"dimension": 128},
}


@pytest.mark.parametrize("changed", MODELS.values(), ids=MODELS)
def test_every_model_is_answered_alike(compilation, changed):
    model = alive(made_up_model(HISTORIES, ITEMS, **changed), compilation)

    assert_alike(model, asked_batch(some(count=60)))
    assert_alike(model, asked_batch(some(count=8, k=300, addend=BOOST, allowed=ODD)))


def test_an_index_of_neighbours_that_is_empty_says_nothing_for_all(compilation):
    model = made_up_model(HISTORIES, ITEMS)
    model.neighbours.clear()

    assert_alike(alive(model, compilation), asked_batch(some()))


def test_fewer_neighbours_than_are_asked_for_are_not_believed_as_much(compilation):
    few = made_up_model(made_up_histories(ITEMS - 100, 30), ITEMS)
    assert 0 < len(few.neighbours) < NeighbourParameters().nearest

    assert_alike(alive(few, compilation), asked_batch(some()))


def test_neighbours_who_have_left_and_come_again_are_followed(compilation):
    model = alive(made_up_model(HISTORIES, ITEMS), compilation)
    assert_alike(model, asked_batch(some()))
    for customer in range(1, CUSTOMERS, 3):
        model.neighbours.remove(customer)
    assert_alike(model, asked_batch(some()))
    more = made_up_model(made_up_histories(ITEMS - 100, 700, seed=5), ITEMS).neighbours

    assert_alike(replace(model, neighbours=more, live=alive(model, compilation).live), asked_batch(some()))


@pytest.mark.parametrize("form", FORMS)
def test_what_sells_and_what_is_withdrawn_is_in_the_next_answer(compilation, form):
    model = alive(made_up_model(HISTORIES, ITEMS, lists=form == "by lists"), compilation)
    first = ask_both(model, asked_batch(some(k=20))).given
    gone, sold = np.unique(first.rows)[::2], np.arange(20, 40, dtype=np.uint32)
    model.withdrawn[gone] = True
    before = model.demand.popularity_and_trend(model.number_of_row)
    model.demand.add(np.repeat(sold, 30), np.full(600, NOW_S, np.uint32))
    after = model.demand.popularity_and_trend(model.number_of_row)
    rows = np.flatnonzero(np.not_equal(before, after).any(axis=0))
    model.refresh(np.union1d(rows, gone))

    both = ask_both(model, asked_batch(some(k=20)))
    assert not set(gone.tolist()) & set(both.given.rows.tolist())
    assert shared(both) >= (0.99 if form == "by lists" else 1)
    if form == "exact":
        assert_alike(model, asked_batch(some(k=20)))
        assert_alike(model, asked_batch(some(k=20, only=gone.tolist(), addend=BOOST)))


def test_neighbours_that_are_kept_for_a_customer_are_those_of_now(compilation):
    ask_where_many_bought(compilation)


def ask_where_many_bought(compilation):
    """So many customers that the nearest of each are kept: asked, and again after purchases and customers who left."""
    histories = made_up_histories(ITEMS - 100, MANY, longest=12)
    model = alive(made_up_model(histories, ITEMS), compilation)
    assert len(model.neighbours) > 4096
    asks = [ask_of(histories, i) for i in range(0, MANY, MANY // 200)]
    for step in range(3):
        assert_alike(model, asked_batch(asks), ties=1)
        for customer in range(1 + step, MANY, 30):
            model.neighbours.remove(customer)
        moved = of_customers(histories, np.arange(step, MANY, 50))
        shifted = replace(moved, products=(moved.products * 7 + step) % (ITEMS - 100) + 1)
        take_up(model.neighbours, model.encoder, shifted, model.demand.now_s)


def test_a_shop_that_has_withdrawn_everything_shows_nothing(compilation):
    model = made_up_model(HISTORIES, ITEMS)
    model.withdrawn[:] = True

    assert len(assert_alike(alive(model, compilation), asked_batch(some())).given.rows) == 0


def test_of_equals_the_scores_are_equal(compilation):
    made = made_up_model(HISTORIES, ITEMS)
    made.vectors[:] = made.vectors[0]
    both = ask_both(alive(made, compilation), asked_batch(some(k=1000)))

    np.testing.assert_allclose(both.given.scores, both.expected.scores, rtol=2e-6, atol=2e-6)


def test_the_small_shop_is_answered_alike(compilation):
    histories, keys = shop_histories()
    parameters = TrainingParameters(vector_size=16, epochs=5, min_customers=10)
    learnt = learn_offline(histories, keys, OfflineRecipe(parameters, votes=VoteParameters(regularisation=20)))
    model = alive(learnt.model, compilation)

    assert_alike(model, asked_batch([ask_of(histories, i) for i in range(len(histories.customers))]))
    assert_alike(model, asked_batch([ask_of(histories, i, k=60, repeats=True) for i in range(40)]))


# -- by lists


def shared(both):
    """Of what the reference shows, the part that the kernel shows."""
    return common(both.expected, both.given)


def common(one, other):
    """Of what one shows, the part that the other shows; 1 where nothing is."""
    pairs = list(zip(shown_to(one), shown_to(other), strict=True))
    return 1 - sum(len(mine - theirs) for mine, theirs in pairs) / max(sum(len(mine) for mine, _ in pairs), 1)


def shown_to(answer):
    """What each customer is shown."""
    return [set(some.tolist()) for some in np.split(answer.rows, answer.starts[1:-1])]


@pytest.fixture(scope="module")
def divided(compilation):
    """The made-up shop once more, searched by lists."""
    made = alive(made_up_model(HISTORIES, ITEMS, lists=True), compilation)
    assert made.index.lists is not None
    return made


@pytest.mark.parametrize("asked", PLAIN.values(), ids=PLAIN)
def test_every_option_is_kept_to_by_lists(divided, asked):
    both = ask_both(divided, asked_batch(some(**asked)))

    assert shared(both) >= 0.99
    assert both.given.starts.tolist() == both.expected.starts.tolist()
    shown = set(both.given.rows.tolist())
    assert not set(asked.get("excluded", ())) & shown
    assert asked.get("only") is None or shown <= set(asked["only"])
    assert "allowed" not in asked or asked["allowed"][list(shown)].all()
    assert_sums(both.given)


@pytest.mark.parametrize("k", [0, 1, 200, 1000, ITEMS + 5])
def test_as_many_as_asked_are_given_by_lists(divided, k):
    both = ask_both(divided, asked_batch(some(count=12, k=k)))

    assert shared(both) >= 0.99
    assert both.given.starts.tolist() == both.expected.starts.tolist()


def test_customers_of_one_batch_ask_for_different_things_by_lists(divided):
    mixed = [replace(ask, **asked) for ask, asked in zip(some(count=len(PLAIN)), PLAIN.values(), strict=True)]

    both = ask_both(divided, asked_batch([*mixed, *HISTORIES_OF.values()]))
    assert shared(both) >= 0.99
    assert both.given.starts.tolist() == both.expected.starts.tolist()


@pytest.mark.slow("divides 50,000 products into lists")
@pytest.mark.parametrize("weights", [Weights(), None], ids=["both stages", "the index alone"])
def test_a_large_catalogue_is_answered_alike_and_as_well_by_lists(compilation, weights):
    items = 50_000
    histories = made_up_histories(items - 100, 2000)
    made = made_up_model(histories, items, dimension=64, weights=weights, lists=True)
    exact = made_up_model(histories, items, dimension=64, weights=weights)
    exact.refresh(np.arange(items))
    asked = asked_batch([ask_of(histories, i) for i in range(512)])

    both = ask_both(alive(made, compilation), asked)
    assert made.index.lists is not None
    best = reference.recommended(exact, asked, average=exact.index.average_output())
    assert shared(both) >= 0.99
    assert common(best, both.given) >= common(best, both.expected) - 0.001
    assert_sums(both.given)


# -- whatever comes


def small_histories(products, sizes, random):
    """Histories in no order."""
    lines = int(sum(sizes))
    return Histories(
        np.arange(1, len(sizes) + 1, dtype=np.uint32),
        np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
        random.integers(1, products + 1, lines).astype(np.uint32),
        (NOW_S - random.integers(0, 60, lines) * DAY_S).astype(np.uint32),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_small_model_answers_any_requests_alike(compilation, data):
    seed = data.draw(st.integers(0, 2**20), "seed")
    items = data.draw(st.integers(4, 90), "items")
    random = np.random.default_rng(seed)
    sizes = data.draw(st.lists(st.integers(0, 12), min_size=1, max_size=12), "sizes")
    histories = small_histories(items + 5, sizes, random)
    weights = data.draw(
        st.sampled_from([None, Weights(), Weights(neighbours=0), Weights(votes=0.0, trend=-1)]), "weights"
    )
    model = made_up_model(
        histories, items, dimension=data.draw(st.integers(1, 20), "dimension"), weights=weights, seed=seed,
        neighbours=data.draw(st.booleans(), "neighbours"),
    )  # fmt: skip
    model.withdrawn[:] = random.random(items) < data.draw(st.sampled_from([0, 0.3, 1]), "withdrawn")
    rows = st.lists(st.integers(0, items - 1), unique=True, max_size=items)
    asks = [
        ask_of(
            histories, i, k=data.draw(st.integers(0, items + 3)), repeats=data.draw(st.booleans()),
            excluded=data.draw(rows), only=data.draw(st.none() | rows),
            allowed=None if data.draw(st.booleans()) else random.random(items) < 0.6,
            addend=None if data.draw(st.booleans()) else random.normal(size=items).astype(np.float32),
        )
        for i in range(len(sizes))
    ]  # fmt: skip

    assert_alike(alive(model, compilation), asked_batch(asks, dtype=data.draw(st.sampled_from([np.int32, np.int64]))))


# -- the machine code


ASKED_BY_PYTHON = {
    "histories.weigh", "histories.query_vectors", "candidates.find", "lists.probe", "lists.by_list", "lists.read",
    "likely.choose", "nearest.points_of", "nearest.find_nearest", "second_stage.order",
    "second_stage.order_by_first_stage", "explained.explain", "shares.divide",
    "kept_nearest.fingerprints",
    "kept_nearest.divide",
    "kept_nearest.repair",
}  # fmt: skip


def signatures():
    """For how many types each function of the kernel is machine code, by its name."""
    rooms = [one.name for one in pkgutil.iter_modules(kernel.__path__) if one.name != "compile"]
    return {
        f"{room}.{name}": len(value.signatures)
        for room in rooms
        for name, value in vars(importlib.import_module(f"{kernel.__name__}.{room}")).items()
        if hasattr(value, "signatures") and value.__module__.endswith(f".{room}")
    }


@pytest.fixture(scope="module", autouse=True)
def made_before(compilation):
    """What was machine code before anything was asked."""
    return signatures()


def test_no_request_above_had_a_function_compiled_anew(compilation, shop, divided, made_before):
    ask_for_everything(compilation, shop, divided)

    assert signatures() == made_before


@pytest.mark.slow("a process of its own, where nothing else has asked")
def test_warming_up_makes_every_function_for_the_types_of_every_request(compilation):
    asked = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr
    before, after = json.loads(asked.stdout)

    assert after == before
    assert {name: before[name] for name in ASKED_BY_PYTHON} == dict.fromkeys(ASKED_BY_PYTHON, 1)


ALONE = """
import json
from config.settings import Settings
from model.ranking.kernel.compilation import Compilation
from tests.contracts import test_rankings as asked

compilation = Compilation(Settings().kernel_folders)
compilation.run()
before = asked.signatures()
made = (asked.made_up_model(asked.HISTORIES, asked.ITEMS, lists=lists) for lists in (False, True))
asked.ask_for_everything(compilation, *(asked.alive(model, compilation) for model in made))
asked.ask_where_many_bought(compilation)
print(json.dumps([before, asked.signatures()]))
"""


def ask_for_everything(compilation, shop, divided):
    """Every option, of exact and divided models, with whole numbers for weights and arrays of other kinds."""
    whole = Weights(affinity=1, popularity=0, trend=0, neighbours=1, votes=2)
    asks = [replace(ask, **asked) for ask, asked in zip(some(count=len(PLAIN)), PLAIN.values(), strict=True)]
    for model in (shop, divided, alive(made_up_model(HISTORIES, ITEMS, weights=whole), compilation)):
        ask_both(model, asked_batch(asks, dtype=np.int32, read_only=True))
        model.recommend(asked_batch(asks), average=np.zeros(model.vectors.shape[1]))
