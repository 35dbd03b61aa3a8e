from dataclasses import replace

import pytest

from model.embeddings.parameters import TooLittleData, TrainingParameters
from model.training.schedule import Limits, Parent, Situation, full_training_reason

PARAMETERS = TrainingParameters()
PARENT = Parent(
    database_id="a",
    parameters=PARAMETERS,
    vocabulary_at_full=100,
    updates_since_full=3,
    full_at_s=1000.0,
    lines_learnt=1000,
    customers_erased=2,
)
NOW = Situation(database_id="a", parameters=PARAMETERS, vocabulary=110, new_lines=100, now_s=2000.0, customers_erased=2)


def test_a_small_change_is_learnt_by_an_increment():
    assert full_training_reason(PARENT, NOW, Limits()) is None


def test_without_a_model_everything_is_learnt():
    assert full_training_reason(None, NOW, Limits()) == "there is no model yet"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"database_id": "b"}, "another database"),
        ({"parameters": TrainingParameters(window=5)}, "parameters were changed"),
        ({"customers_erased": 3}, "customers were erased"),
        ({"vocabulary": 201}, "vocabulary grew by 101%"),
        ({"now_s": 1000.0 + 25 * 3600}, "25.0 h old, the limit is 24.0 h"),
        ({"new_lines": 1010}, "101% of those learnt, more than 100%"),
    ],
)
def test_a_full_training_says_why(change, words):
    assert words in full_training_reason(PARENT, replace(NOW, **change), Limits())


def test_increments_are_followed_by_a_full_training_in_the_end():
    reason = full_training_reason(replace(PARENT, updates_since_full=24), NOW, Limits())

    assert reason == "24 updates since the last full training, the limit is 24"


@pytest.mark.parametrize(("pairs", "epochs"), [(0, 200), (1_000, 200), (20_000, 100), (90_000, 25), (10**7, 25)])
def test_small_data_gets_more_epochs(pairs, epochs):
    assert TrainingParameters().scaled_to(pairs).epochs == epochs


def test_small_data_is_not_subsampled():
    assert [TrainingParameters().scaled_to(pairs).sample for pairs in (99_999, 100_000)] == [0.0, 1e-4]


def test_parameters_given_to_the_letter_stay_as_they_are():
    given = TrainingParameters(epochs=3, scale_to_data=False)

    assert given.scaled_to(10) == given


def test_too_little_data_says_what_there_is_and_what_it_takes():
    message = str(TooLittleData(12, 50, products_have=7, min_count=2))

    assert "12 customers" in message
    assert "at 50 customers" in message
