"""Brands in metric labels: few series, whatever a shop calls its brands."""

from consumers.observability.brand_labels import BrandLabels


def test_the_first_brands_get_their_own_label_and_keep_it():
    label = BrandLabels(2)

    assert [label(brand) for brand in ("acme", "zeta", "third", "acme")] == ["acme", "zeta", "other", "acme"]


def test_no_brand_takes_no_place():
    label = BrandLabels(1)

    assert [label(brand) for brand in ("", "acme", "")] == ["none", "acme", "none"]


def test_a_brand_that_is_called_like_a_word_of_ours_is_not_mistaken_for_it():
    label = BrandLabels(9)

    assert [label(brand) for brand in ("*", "none", "other")] == ["other"] * 3
