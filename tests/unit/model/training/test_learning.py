"""From purchases to a draft: full and incremental, for one brand or all, and always able to be repeated."""

from functools import partial

import numpy as np
import pytest

from model.embeddings import item2vec
from model.embeddings.parameters import TooLittleData, TrainingParameters
from model.progress import silent
from model.snapshots.metadata import versions
from model.snapshots.writer import write_snapshot
from model.training.learning import learn, newest_ancestor
from model.training.schedule import Limits
from tests.builders.learnt import PARAMETERS, contents, recipe

STAMP = "20261124T101500Z"


def drafted(bought, ancestor=None, **changed):
    return learn(bought, recipe(**changed), ancestor, silent, 1_800_000_000.0)


@pytest.fixture
def models(tmp_path):
    """A folder with one model of 20 customers."""
    write_snapshot(tmp_path, drafted(contents()), STAMP)
    return tmp_path


def ancestor_in(models, **asked):
    return newest_ancestor(models, versions(models), asked.pop("brand_id", None), **asked)


def test_the_first_model_is_learnt_in_full():
    metadata = drafted(contents()).metadata

    assert (metadata.kind, metadata.reason, metadata.parent) == ("full", "there is no model yet", None)
    assert (metadata.customers, metadata.lines, metadata.vocabulary) == (20, 60, 6)
    assert (metadata.offsets, metadata.events) == ({"0": 20}, 20)


def test_the_products_of_the_model_come_with_numbers_counts_and_prices():
    products = drafted(contents()).products

    names = ["lamp", "stove", "sugar", "tea", "teapot", "tent"]
    assert sorted(products.names(slice(None))) == [("", name) for name in names]
    assert sorted(products.numbers.tolist()) == [1, 2, 3, 4, 5, 6]
    assert products.counts.tolist() == [10] * 6
    assert products.prices.tolist() == [2.5] * 6


def test_a_few_new_customers_make_an_increment(models):
    metadata = drafted(contents(23), ancestor_in(models)).metadata

    assert (metadata.kind, metadata.reason) == ("increment", "9 new lines")
    assert (metadata.parent, metadata.updates_since_full) == (f"v1-{STAMP}", 1)


def test_an_increment_of_an_increment_counts_from_the_last_full_training(models):
    write_snapshot(models, drafted(contents(22), ancestor_in(models)), STAMP)

    metadata = drafted(contents(24), ancestor_in(models)).metadata

    assert (metadata.kind, metadata.updates_since_full, metadata.vocabulary_at_full) == ("increment", 2, 6)
    assert metadata.reason == "6 new lines"


@pytest.mark.parametrize(
    ("bought", "changed", "reason"),
    [
        (contents(23, database_id="other"), {}, "another database"),
        (contents(23, erased=1), {}, "customers were erased since"),
        (contents(23, offset=19), {}, "read anew, or from another topic"),
        (contents(23), {"parameters": TrainingParameters(vector_size=4, min_customers=4)}, "parameters were changed"),
        (
            contents(40, more=[("ink", "pen", "paper")]),
            {"limits": Limits(vocabulary_growth=0.2)},
            "the vocabulary grew",
        ),
        (contents(23), {"limits": Limits(updates=0)}, "0 updates since the last full training"),
        (contents(60), {"limits": Limits(new_lines=0.5)}, "new lines are 200%"),
        (contents(23), {"limits": Limits(age_s=-1)}, "the last full training is"),
    ],
)
def test_everything_is_learnt_anew_when_increments_would_go_too_far(models, bought, changed, reason):
    metadata = drafted(bought, ancestor_in(models), **changed).metadata

    assert (metadata.kind, metadata.parent, metadata.updates_since_full) == ("full", None, 0)
    assert reason in metadata.reason


@pytest.mark.parametrize("customers", [0, 1, 3])
def test_too_little_data_says_what_there_is_and_what_is_needed(customers):
    with pytest.raises(TooLittleData, match="learning starts at 4 customers"):
        drafted(contents(customers))


def test_a_brands_model_knows_its_own_products_only():
    bought = contents(40, brands=("acme", "zeta"))

    draft = drafted(bought, brand_id="acme")
    metadata = draft.metadata

    assert (metadata.brand_id, metadata.customers, metadata.lines) == ("acme", 20, 60)
    assert draft.products.brand_names() == ["acme"]


def test_a_brand_that_nobody_bought_is_too_little_data():
    with pytest.raises(TooLittleData):
        drafted(contents(40, brands=("acme", "zeta")), brand_id="nobody")


def test_a_brands_model_goes_on_from_its_own_and_no_other(models):
    bought = contents(40, brands=("acme", "zeta"))
    write_snapshot(models, drafted(bought, brand_id="acme"), STAMP)

    assert ancestor_in(models, brand_id="acme").version.startswith("v2-")
    assert ancestor_in(models).version.startswith("v1-")
    assert ancestor_in(models, brand_id="zeta") is None


def test_a_damaged_model_is_said_and_the_one_before_it_is_gone_on_from(models):
    version, _ = write_snapshot(models, drafted(contents(21)), STAMP)
    (models / version / f"item2vec_{version}.model").write_bytes(b"damaged")
    refused = []

    ancestor = ancestor_in(models, on_refused=lambda version, why: refused.append((version, why.reason)))

    assert ancestor.version.startswith("v1-")
    assert refused == [(version, "checksum")]


def test_metadata_that_can_not_be_read_keep_nobody_from_learning(models):
    next(models.glob("v1-*/recommendations_metadata_*")).write_bytes(b"\xff{")

    assert ancestor_in(models) is None


def test_the_metadata_say_everything_to_repeat_the_training():
    bought = contents(30)
    first = drafted(bought, parameters=TrainingParameters(vector_size=8, min_customers=4, seed=7, epochs=3))

    again = learn(
        bought,
        recipe(
            parameters=first.metadata.parameters,
            scoring=first.metadata.ranking.scoring,
            brand_id=first.metadata.brand_id,
        ),
        None,
        silent,
        0.0,
    )

    assert np.array_equal(first.item2vec.vectors, again.item2vec.vectors)
    assert np.array_equal(first.model.index.outputs, again.model.index.outputs)
    assert set(first.metadata.made_with) == {"python", "gensim", "numpy", "faiss"}


def test_customers_of_one_group_are_never_offered_the_other():
    draft = drafted(contents(60), parameters=TrainingParameters(vector_size=8, min_customers=4))
    names = [product_id for _, product_id in draft.products.names(slice(None))]
    rows = dict(zip(names, range(6), strict=True))

    _, found = draft.model.index.search(draft.item2vec.vectors[[rows["tea"], rows["tent"]]], 2)

    assert {names[row] for row in found[0]} == {"teapot", "sugar"}
    assert {names[row] for row in found[1]} == {"stove", "lamp"}


def test_the_ancestor_is_not_opened_before_it_is_needed(models, monkeypatch):
    opened = []
    monkeypatch.setattr(item2vec, "load", partial(opened.append))

    drafted(contents(23, erased=1), ancestor_in(models))

    assert opened == []


def test_the_parameters_of_these_tests_are_kept_as_they_are(models):
    assert ancestor_in(models).parent.parameters == PARAMETERS
