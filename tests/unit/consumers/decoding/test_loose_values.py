"""Numbers as ids and texts as numbers: one meaning each, or a refusal that does not repeat the value."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.decoding.loose_values import id_text, number, truth, whole_number


@given(st.integers(0, 2**53 - 1))
def test_a_whole_number_is_the_same_id_as_its_text_however_it_is_written(value):
    assert id_text(value) == id_text(float(value)) == id_text(str(value)) == str(value)


@given(st.text())
def test_a_text_stays_as_it_is(value):
    assert id_text(value) == value


@pytest.mark.parametrize("value", [-1, -1.0, 0.5, 2.0**53, 1e300, 10**256])
def test_what_may_be_another_id_is_refused(value):
    with pytest.raises(ValueError, match="is a number") as refused:
        id_text(value)

    assert str(value) not in str(refused.value)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**15), 10**15))
def test_a_number_in_a_text_is_the_number(value):
    assert number(json.dumps(value)) == number(float(value)) == float(value)


@pytest.mark.parametrize(
    "text", ["", " ", "4,50", "1.234,50", "€4", "4 EUR", "0x10", "1_000", "NaN", "inf", "٤", "--1", "."]
)
def test_a_text_that_may_be_another_number_is_refused(text):
    with pytest.raises(ValueError, match="no number"):
        number(text)


@pytest.mark.parametrize("value", [5, 5.0, "5", " 5 ", "+5"])
def test_a_whole_number_may_be_written_in_many_ways(value):
    assert whole_number(value) == 5


@pytest.mark.parametrize("value", [5.5, "5.5", "five", "", "\u0665"])
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises(ValueError, match="no whole number"):
        whole_number(value)


@pytest.mark.parametrize("value", ["no", "0", "True", "", 1])
def test_only_true_and_false_are_truths(value):
    with pytest.raises(ValueError, match="neither true nor false"):
        truth(value)
