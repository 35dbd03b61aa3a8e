import hashlib
import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gensim.models import Word2Vec

from model.embeddings.gensim_word2vec import FastWord2Vec
from model.embeddings.item2vec import load, train, update, vocabulary_size
from model.embeddings.parameters import TooLittleData, TrainingParameters, UpdateParameters
from model.purchases.histories import Histories

QUICK = TrainingParameters(vector_size=16, epochs=20, sample=0.0, min_customers=2, scale_to_data=False)
TEA, CAMPING = range(1, 11), range(11, 21)
KEYS = ["", *(f"tea-{n}" for n in TEA), *(f"camp-{n}" for n in CAMPING), "new-1", "new-2"]
NEW_1 = 21


def shop(customers=120, seed=0):
    """Two groups of shoppers with nothing in common: each buys five products of tea or of camping."""
    rng = np.random.default_rng(seed)
    return [rng.choice(TEA if i % 2 else CAMPING, 5, replace=False).tolist() for i in range(customers)]


def histories(baskets, first=1):
    """One customer for each basket, numbered from `first` on; each line a second later than the one before."""
    products = [product for basket in baskets for product in basket]
    return Histories(
        np.arange(first, first + len(baskets), dtype=np.uint32),
        np.cumsum([0, *map(len, baskets)]).astype(np.int64),
        np.array(products, np.uint32),
        np.arange(len(products), dtype=np.uint32),
    )


@pytest.fixture(scope="module")
def trained():
    return train(histories(shop()), KEYS, QUICK)


def best(model, key, count=5):
    """The products that a buyer of `key` would be offered."""
    row = model.rows_of([key])[0]
    order = np.argsort(-(model.outputs @ model.vectors[row]))
    return [model.keys[i] for i in order if i != row][:count]


def test_a_buyer_in_one_group_is_never_offered_the_other(trained):
    assert {key.split("-")[0] for n in TEA for key in best(trained, f"tea-{n}")} == {"tea"}
    assert {key.split("-")[0] for n in CAMPING for key in best(trained, f"camp-{n}")} == {"camp"}


def test_counts_are_the_customers_who_bought_and_not_the_lines():
    model = train(histories([[1, 1, 1, 2], [1, 2, 2], [1, 3]]), KEYS, QUICK)

    assert dict(zip(model.keys, model.counts.tolist(), strict=True)) == {"tea-1": 3, "tea-2": 2}


def test_a_product_of_a_single_customer_is_not_learnt():
    baskets = [[1, 2], [1, 2], [1, 3]]

    assert "tea-3" not in train(histories(baskets), KEYS, QUICK).keys
    assert vocabulary_size(histories(baskets), min_count=2) == 2


def test_too_little_data_is_told_with_both_numbers():
    with pytest.raises(TooLittleData, match=r"2 customers .* learning starts at 50 customers") as caught:
        train(histories([[1, 2], [1, 2], [1]]), KEYS, TrainingParameters())

    assert (caught.value.customers_have, caught.value.customers_need) == (2, 50)


def test_no_data_at_all_is_too_little():
    with pytest.raises(TooLittleData, match=r"^0 customers"):
        train(histories([]), KEYS, QUICK)


def digest_of_a_training_and_an_update():
    baskets = [*shop(), [1, 2, NEW_1], [3, NEW_1]]
    model = train(histories(baskets[:120]), KEYS, QUICK)
    model = update(model, histories(baskets[120:], 121), histories(baskets), KEYS, QUICK)
    return hashlib.sha256(model.vectors.tobytes() + model.outputs.tobytes()).hexdigest()


@pytest.mark.parametrize("hash_seed", ["0", "1"])
@pytest.mark.slow("learns in two more processes")
def test_the_same_data_and_seed_give_the_same_vectors_in_any_process(hash_seed):
    code = "import test_item2vec as here; print(here.digest_of_a_training_and_an_update())"
    root = Path(__file__).parents[4]
    path = os.pathsep.join((str(root), str(Path(__file__).parent)))
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": path}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    assert printed.stdout.strip() == digest_of_a_training_and_an_update()


def test_progress_rises_to_one():
    seen = []
    train(histories(shop()), KEYS, QUICK, lambda what, done: seen.append((what, done)))

    assert seen == [("learning", epoch / 20) for epoch in range(21)]


def test_normal_training_warns_about_nothing(caplog, capsys):
    caplog.set_level(logging.WARNING)
    baskets = [*shop(), [1, 2, 3]]
    model = train(histories(baskets[:120]), KEYS, QUICK)
    update(model, histories([[1, 2, 3]], 121), histories(baskets), KEYS, QUICK)

    assert caplog.records == []
    assert capsys.readouterr() == ("", "")


def test_the_file_opens_with_plain_gensim_and_there_is_one_only(trained, tmp_path):
    trained.save(tmp_path / "item2vec_v1.model")
    plain = Word2Vec.load(str(tmp_path / "item2vec_v1.model"))

    assert [file.name for file in tmp_path.iterdir()] == ["item2vec_v1.model"]
    assert type(plain) is Word2Vec
    np.testing.assert_array_equal(plain.wv["tea-1"], trained.vectors[trained.rows_of(["tea-1"])[0]])


def test_a_model_read_back_learns_on_as_the_original_would(trained, tmp_path):
    trained.save(tmp_path / "m.model")
    baskets = [*shop(), [1, 2, 3]]
    new, everything = histories(baskets[120:], 121), histories(baskets)
    one, other = (update(model, new, everything, KEYS, QUICK) for model in (trained, load(tmp_path / "m.model")))

    np.testing.assert_array_equal(one.vectors, other.vectors)
    np.testing.assert_array_equal(one.outputs, other.outputs)


def test_an_update_leaves_the_served_model_as_it_is(trained):
    before = trained.vectors.copy(), trained.outputs.copy(), trained.counts.copy(), list(trained.keys)
    baskets = [*shop(), *([[1, NEW_1]] * 5)]
    after = update(trained, histories(baskets[120:], 121), histories(baskets), KEYS, QUICK)

    np.testing.assert_array_equal(np.hstack(before[:2]), np.hstack((trained.vectors, trained.outputs)))
    assert (before[2].tolist(), before[3]) == (trained.counts.tolist(), trained.keys)
    assert not np.array_equal(after.vectors[: len(before[3])], before[0])


def test_a_product_bought_once_in_each_increment_is_learnt_in_the_end(trained):
    baskets, model, known = shop(), trained, []
    for _ in range(3):
        baskets.append([1, 2, 3, NEW_1])
        new = histories(baskets[-1:], len(baskets))
        model = update(model, new, histories(baskets), KEYS, QUICK)
        known.append("new-1" in model.keys)

    assert known == [False, True, True]
    assert model.counts[model.rows_of(["new-1"])[0]] == 3


def test_a_new_product_is_placed_beside_what_its_buyers_have(trained):
    bought_before = shop()
    everything = [basket + ([NEW_1] if i < 40 and i % 2 else []) for i, basket in enumerate(bought_before)]
    buyers = np.arange(1, 40, 2)
    new = Histories(
        (buyers + 1).astype(np.uint32),
        np.arange(len(buyers) + 1),
        np.full(len(buyers), NEW_1, np.uint32),
        np.full(len(buyers), 10_000, np.uint32),
    )
    model = update(trained, new, histories(everything), KEYS, QUICK)

    assert {key.split("-")[0] for key in best(model, "new-1")} == {"tea"}


def test_a_product_that_enters_is_learnt_with_those_who_bought_it_before(trained):
    parameters = replace(QUICK, min_count=9)
    baskets = [*shop(), *([11, 12, 13, NEW_1] for _ in range(8))]
    first = update(trained, histories(baskets[120:], 121), histories(baskets), KEYS, parameters)
    baskets.append([NEW_1])  # alone it has no context: only the earlier buyers can teach what belongs to it
    second = update(first, histories(baskets[128:], 129), histories(baskets), KEYS, parameters)

    assert "new-1" not in first.keys
    assert {key.split("-")[0] for key in best(second, "new-1", 3)} == {"camp"}


def test_learning_the_same_increment_again_counts_nobody_twice(trained):
    baskets = [*shop(), [1, 2, 3]]
    new, everything = histories(baskets[120:], 121), histories(baskets)
    once = update(trained, new, everything, KEYS, QUICK)
    twice = update(once, new, everything, KEYS, QUICK)

    assert once.counts.tolist() == twice.counts.tolist()
    assert once.counts[once.rows_of(["tea-1"])[0]] == trained.counts[trained.rows_of(["tea-1"])[0]] + 1


def test_an_update_samples_and_draws_as_if_all_histories_had_come_at_once():
    parameters = TrainingParameters(vector_size=4, epochs=1, sample=0.01, min_customers=1, scale_to_data=False)
    baskets = [*shop(), *([[1, 2, 3, NEW_1]] * 30)]
    whole = train(histories(baskets), KEYS, parameters)
    model = update(
        train(histories(baskets[:120]), KEYS, parameters),
        histories(baskets[120:], 121),
        histories(baskets),
        KEYS,
        parameters,
    )

    def by_key(item2vec):
        table = np.diff(item2vec.gensim.cum_table.astype(np.int64), prepend=0)
        keep = item2vec.gensim.wv.expandos["sample_int"].astype(np.int64)
        return {key: (keep[i], table[i]) for i, key in enumerate(item2vec.keys)}

    expected, found = by_key(whole), by_key(model)
    assert found.keys() == expected.keys()
    np.testing.assert_allclose([found[k] for k in expected], list(expected.values()), atol=1)
    assert max(keep for keep, _ in found.values()) < 2**32 - 1


def test_an_increment_with_nothing_to_learn_changes_no_vector(trained):
    nothing = histories([])
    same = update(trained, nothing, histories(shop()), KEYS, QUICK)

    np.testing.assert_array_equal(same.vectors, trained.vectors)


def test_an_increment_moves_old_products_less_than_learning_them_did(trained):
    baskets = [*shop(), [1, 2, 3]]
    gentle = UpdateParameters(alpha=0.001, end_alpha=0.0001, epochs=1, replay=0)
    after = update(trained, histories(baskets[120:], 121), histories(baskets), KEYS, QUICK, increment=gentle)

    assert np.abs(after.vectors - trained.vectors).max() < 0.05 * np.abs(trained.vectors).max()


def test_arrays_of_a_model_can_not_be_written(trained):
    with pytest.raises(ValueError, match="read-only"):
        trained.vectors[0, 0] = 1


@pytest.mark.parametrize("exponent", [0.5, 0.75, -0.5])
def test_the_table_of_negatives_is_the_one_that_gensim_makes(exponent):
    rng = np.random.default_rng(0)
    counts = {str(i): int(n) for i, n in enumerate(rng.zipf(1.3, 2000).clip(1, 10**6))}
    tables = []
    for kind in (Word2Vec, FastWord2Vec):
        model = kind(vector_size=2, min_count=1, negative=5, ns_exponent=exponent)
        model.build_vocab_from_freq(dict(counts))
        tables.append(model.cum_table)

    assert tables[0].dtype == tables[1].dtype
    np.testing.assert_array_equal(tables[0], tables[1])
