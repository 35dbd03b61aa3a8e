"""The gate: a good model passes, one that is spoilt does not, and chance alone decides nothing."""

from dataclasses import replace

import numpy as np
import pytest

from model.embeddings import item2vec
from model.embeddings.parameters import TooLittleData
from model.offline.held_out import hold_out
from model.offline.measures import Measured
from model.progress import silent
from model.snapshots.metadata import read_about, versions
from model.snapshots.reader import open_snapshot
from model.snapshots.writer import write_snapshot
from model.training import gated_learning
from model.training.contenders import moment_of, next_products, popular_products
from model.training.gate import GateRules, decide, judgement
from model.training.gated_learning import Serving, learn_judged
from model.training.learning import newest_ancestor
from tests.builders.judged_shop import EACH, RECIPE, bought

RULES = GateRules(customers=100)
STAMP = "20261124T101500Z"


def learnt(contents, ancestor=None, serving=None, *, rules=RULES, recipe=RECIPE):
    return learn_judged(contents, recipe, ancestor, serving, rules, progress=silent, now_s=1_800_000_000.0)


def serving_in(models):
    version = versions(models)[0]
    return Serving(open_snapshot(models, version), np.load(models / version / f"learnt_lines_{version}.npy"))


def ancestor_in(models):
    return newest_ancestor(models, versions(models), None)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with one good model."""
    folder = tmp_path_factory.mktemp("models")
    write_snapshot(folder, learnt(bought()), STAMP)
    return folder


def shuffled(model):
    """The same model whose products have swapped their vectors."""
    order = np.random.default_rng(1).permutation(len(model.keys))
    return replace(model, vectors=model.vectors[order], outputs=model.outputs[np.roll(order, 7)])


@pytest.fixture
def sabotage(monkeypatch):
    for name in ("train", "update"):
        right = getattr(item2vec, name)
        monkeypatch.setattr(item2vec, name, lambda *given, right=right, **more: shuffled(right(*given, **more)))


def test_the_first_good_model_is_accepted_for_being_above_recent_popularity(models):
    found = read_about(models, versions(models)[0]).judgement

    assert (found.verdict, found.answers, found.serving, found.serving_ndcg) == ("accepted", "candidate", None, None)
    assert found.candidate_ndcg > 2 * found.popular_ndcg
    assert found.above_popular.low > 0
    assert found.customers == 100


def test_a_first_model_that_is_spoilt_is_refused_and_popularity_is_to_answer(sabotage):
    found = learnt(bought()).metadata.judgement

    assert (found.verdict, found.answers) == ("refused", "popular")
    assert found.outcome == "not_above_popular"


def test_a_good_increment_is_accepted_beside_the_serving_model(models):
    serving = serving_in(models)
    found = learnt(bought(more_orders=1), ancestor_in(models), serving).metadata

    assert found.kind == "increment"
    assert (found.judgement.verdict, found.judgement.serving) == ("accepted", serving.about.version)
    assert found.judgement.above_serving.mean > -0.05 * found.judgement.serving_ndcg


@pytest.mark.parametrize("full", [False, True])
def test_a_spoilt_candidate_is_refused_and_the_serving_model_goes_on(models, sabotage, full):
    ancestor = None if full else ancestor_in(models)

    found = learnt(bought(more_orders=1), ancestor, serving_in(models)).metadata.judgement

    assert (found.verdict, found.outcome, found.answers) == ("refused", "worse", "serving")
    assert found.above_serving.high < 0
    assert f"{found.candidate_ndcg:.4f} against {found.serving_ndcg:.4f} of the serving model" in found.why


def test_neither_model_has_learnt_what_they_are_judged_with(models):
    contents, serving = bought(more_orders=1), serving_in(models)
    draft = learnt(contents, ancestor_in(models), serving)

    all_lines = np.diff(contents.histories.starts)
    held = all_lines - draft.learnt[contents.histories.customers]
    assert held.sum() == draft.metadata.judgement.lines > 0
    assert (serving.learnt <= draft.learnt[: len(serving.learnt)]).all()


def test_what_was_left_out_is_learnt_the_next_time(models, tmp_path):
    first = learnt(bought())
    write_snapshot(tmp_path, first, STAMP)

    second = learnt(bought(more_orders=1), ancestor_in(tmp_path), rules=GateRules(customers=0))

    assert second.metadata.kind == "increment"
    assert second.learnt.sum() == len(bought(more_orders=1).histories.products)


def test_too_few_customers_give_no_verdict_and_everything_is_learnt():
    draft = learnt(bought(60))

    assert (draft.metadata.judgement.verdict, draft.metadata.judgement.answers) == ("unjudged", "candidate")
    assert "fewer than 30 known customers" in draft.metadata.judgement.why
    assert draft.learnt.sum() == len(bought(60).histories.products)


def test_a_gate_that_is_turned_off_says_so():
    assert learnt(bought(60), rules=GateRules(customers=0)).metadata.judgement.why == "the gate is turned off"


def test_what_is_left_out_never_makes_the_rest_too_little(monkeypatch):
    calls = []
    right = gated_learning.learn

    def learn(contents, *given, **more):
        calls.append(len(contents.histories.products))
        if len(calls) == 1:
            raise TooLittleData(1, 2, products_have=3, min_count=2)
        return right(contents, *given, **more)

    monkeypatch.setattr(gated_learning, "learn", learn)

    assert learnt(bought()).metadata.judgement.verdict == "unjudged"
    assert calls[1] == len(bought().histories.products)


def test_a_serving_model_of_another_database_is_not_compared_with(models):
    serving = serving_in(models)
    contents = bought(more_orders=1)
    other = replace(contents, watermark=replace(contents.watermark, database_id="other"))

    found = learnt(other, None, serving).metadata.judgement

    assert (found.verdict, found.serving) == ("accepted", None)


def test_a_brands_model_is_judged_by_its_own_products(models):
    found = learnt(bought(brand="acme"), recipe=replace(RECIPE, brand_id="acme")).metadata

    assert (found.brand_id, found.judgement.verdict) == ("acme", "accepted")


# -- the answers that are compared


@pytest.fixture(scope="module")
def held():
    return hold_out(bought().histories, np.zeros(0, np.uint32), 100, least=30)


def opened_model(models):
    """The newest model, bound to the numbers that it was learnt with."""
    snapshot = open_snapshot(models, versions(models)[0])
    return snapshot.model.bind(snapshot.products.numbers.astype(np.int64))


def test_nobody_is_shown_what_he_owns_nor_what_is_withdrawn(models, held):
    products = bought().products
    products[7] = products[7]._replace(withdrawn=True)
    moment = moment_of(held, products, 14)

    for shown in (next_products(opened_model(models), moment, 10), popular_products(moment, 10)):
        assert 7 not in shown
        assert all(not set(shown[i]) & set(moment.owned_by(i).tolist()) for i in range(len(shown)))
        assert (shown > 0).all()


def test_a_good_model_shows_products_of_the_customers_own_interest(models, held):
    moment = moment_of(held, bought().products, 14)

    shown = next_products(opened_model(models), moment, 3)

    interest = np.array([(moment.owned_by(i)[0] - 1) // EACH for i in range(len(shown))])
    assert np.mean((shown - 1) // EACH == interest[:, None]) > 0.8  # by chance: a sixth


def test_a_customer_of_whom_the_model_knows_nothing_is_shown_what_sold_lately(models, held):
    moment = moment_of(held, bought().products, 14)
    stranger = opened_model(models)
    stranger = stranger.bind(np.zeros_like(stranger.number_of_row))

    np.testing.assert_array_equal(next_products(stranger, moment, 10), popular_products(moment, 10))


def test_a_moment_knows_nothing_of_what_came_after_it(held):
    moment = moment_of(held, bought().products, 14)

    assert moment.demand.now_s <= held.since_s
    assert int(moment.demand.total.sum()) == len(held.known.products)


def test_a_model_judged_against_itself_is_accepted_with_no_difference(models, held):
    found = judgement(opened_model(models), opened_model(models), held, bought().products, RULES)

    assert (found.verdict, found.above_serving.mean, found.above_serving.low) == ("accepted", 0.0, 0.0)


# -- the verdict


def judged(*ndcg):
    values = np.array(ndcg, float)
    return Measured(values, values, values, values, 0.0, 0.0)


def spread(mean, noise=0.1, customers=400):
    """The same noise for everybody, so that differences are exact; `noise` differs by customer."""
    return mean + noise * np.sin(np.arange(customers))


def test_a_candidate_that_is_better_is_accepted():
    found = decide(judged(*spread(0.20)), judged(*spread(0.18)), judged(*spread(0.10)), 0.05)

    assert (found.verdict, found.outcome, found.answers) == ("accepted", "accepted", "candidate")


@pytest.mark.parametrize(("mean", "verdict"), [(0.191, "accepted"), (0.189, "refused")])
def test_the_margin_is_a_share_of_the_serving_models_ndcg(mean, verdict):
    assert decide(judged(*spread(mean)), judged(*spread(0.20)), judged(*spread(0.1)), 0.05).verdict == verdict


def test_a_difference_that_may_be_chance_refuses_nothing():
    candidate = 0.17 + 0.5 * np.cos(np.arange(40))

    found = decide(judged(*candidate), judged(*spread(0.20, customers=40)), judged(*spread(0.1, customers=40)), 0.05)

    assert found.verdict == "accepted"


def test_below_popularity_the_better_of_the_others_answers():
    low, high = judged(*spread(0.1, noise=0)), judged(*spread(0.12, noise=0))

    assert decide(low, None, high, 0.05).answers == "popular"
    assert decide(low, judged(*spread(0.11, noise=0)), high, 0.05).answers == "popular"
    assert decide(low, judged(*spread(0.13, noise=0)), high, 0.05).answers == "serving"
    assert decide(low, None, low, 0.05).outcome == "not_above_popular"


def test_where_nobody_foresaw_anything_there_is_no_verdict():
    nothing = judged(*np.zeros(50))

    assert decide(nothing, nothing, nothing, 0.05).verdict == "unjudged"
    assert decide(nothing, None, nothing, 0.05).verdict == "unjudged"
