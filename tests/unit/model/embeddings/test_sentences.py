from collections import Counter

import numpy as np

from model.embeddings.sentences import LONGEST, FullSentences, NewSentences
from model.embeddings.vocabulary import Sets

TOKENS = [f"p{row}" for row in range(40)]


def sets(*customers):
    rows = np.array([row for customer in customers for row in customer], np.int64)
    return Sets(np.cumsum([0, *map(len, customers)]).astype(np.int64), rows)


def new_sentences(new, old, *, replay=0, context_products=5, tokens=TOKENS):
    return NewSentences(new, old, tokens, replay=replay, context_products=context_products, seed=1)


def test_a_sentence_is_everything_a_customer_bought():
    sentences = FullSentences(sets([1, 2, 3], [4, 5]), TOKENS, seed=1)

    assert sorted(map(sorted, sentences)) == [["p1", "p2", "p3"], ["p4", "p5"]]


def test_customers_with_fewer_than_two_products_teach_nothing():
    assert list(FullSentences(sets([1], [], [2]), TOKENS, seed=1)) == []


def test_every_pass_has_another_order_and_the_same_content():
    sentences = FullSentences(sets(range(20), range(20, 40)), TOKENS, seed=1)
    first, second = list(sentences), list(sentences)

    assert first != second
    assert sorted(map(sorted, first)) == sorted(map(sorted, second))


def test_the_same_seed_gives_the_same_passes():
    one, other = (FullSentences(sets(range(20), range(20, 40)), TOKENS, seed=7) for _ in range(2))

    assert [list(one), list(one)] == [list(other), list(other)]


def test_a_huge_history_is_split_and_nothing_of_it_is_lost():
    tokens = [str(row) for row in range(2 * LONGEST + 5)]
    sentences = FullSentences(sets(range(len(tokens)), [1, 2]), tokens, seed=1)
    made = list(sentences)

    assert max(map(len, made)) <= LONGEST
    assert Counter(word for sentence in made for word in sentence) == Counter([*tokens, "1", "2"])
    assert len(sentences) == len(made)


def test_a_single_new_product_is_learnt_beside_older_ones_of_the_customer():
    sentences = new_sentences(sets([1], []), sets([2, 3, 4, 5, 6, 7, 8, 9], [10, 11]))
    passes = [list(sentences) for _ in range(3)]

    assert all(len(made) == 1 and len(made[0]) == 5 and "p1" in made[0] for made in passes)
    assert len({frozenset(made[0]) for made in passes}) > 1  # another context each time


def test_a_customer_with_enough_new_products_needs_no_older_ones():
    assert [sorted(s) for s in new_sentences(sets([1, 2, 3, 4, 5]), sets([20, 21]))] == [["p1", "p2", "p3", "p4", "p5"]]


def test_a_first_purchase_alone_has_no_context_and_teaches_nothing():
    assert list(new_sentences(sets([1]), sets([]), replay=3)) == []


def test_replay_brings_whole_sets_of_customers_in_the_stated_number():
    sentences = new_sentences(sets([1, 2], [], []), sets([], [10, 11, 12], [13, 14]), replay=3, context_products=0)
    made = [list(sentences) for _ in range(20)]
    seen = {frozenset(sentence) for once in made for sentence in once}

    assert {len(once) for once in made} == {len(sentences)} == {4}
    assert seen == {frozenset(s) for s in (["p1", "p2"], ["p10", "p11", "p12"], ["p13", "p14"])}


def test_a_huge_replayed_set_is_represented_by_other_products_in_each_pass():
    tokens = [str(row) for row in range(2 * LONGEST)]
    sentences = NewSentences(
        sets([0, 1], []), sets([], range(2, 2 * LONGEST)), tokens, replay=9, context_products=0, seed=1
    )
    long = [sentence for _ in range(2) for sentence in sentences if len(sentence) > 2]

    assert {len(sentence) for sentence in long} == {LONGEST}
    assert len({frozenset(sentence) for sentence in long}) == len(long)
