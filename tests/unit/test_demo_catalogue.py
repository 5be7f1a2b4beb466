"""What the sample shop sells."""

import re
from collections import Counter

import pytest

from zava.demo.catalogue import read_catalogue

CATALOGUE = read_catalogue()


def test_there_are_nine_categories_with_about_a_hundred_types_and_more_than_420_products() -> None:
    assert len(CATALOGUE.categories) == 9
    assert 90 <= len(CATALOGUE.types) <= 110
    assert len(CATALOGUE.products) >= 420


def test_every_type_has_several_products_and_belongs_into_a_basket_with_others() -> None:
    for product_type in CATALOGUE.types:
        assert len(product_type.products) >= 4, product_type.name
        assert product_type.related, product_type.name
        assert product_type.number not in product_type.related, product_type.name


def test_skus_names_and_descriptions_are_unique() -> None:
    for values in (
        [product.sku for product in CATALOGUE.products],
        [product.product_id for product in CATALOGUE.products],
        [product.name for product in CATALOGUE.products],
        [product.description for product in CATALOGUE.products],
        [product_type.name for product_type in CATALOGUE.types],
    ):
        assert [value for value, times in Counter(values).items() if times > 1] == []


def test_a_sku_names_category_and_type() -> None:
    for product in CATALOGUE.products:
        assert re.fullmatch(r"[A-Z]{3}-[A-Z]{4}-00[1-9]", product.sku), product.sku


def test_every_description_is_a_few_plain_sentences() -> None:
    for product in CATALOGUE.products:
        sentences = product.description.split(". ")
        assert 3 <= len(sentences) <= 6, product.description
        assert all(sentence[0].isupper() for sentence in sentences), product.description
        assert product.description.endswith("."), product.description
        assert product.description.isascii(), product.description
        assert not re.search(r"[{}]|\s\s|\.\.", product.description), product.description
        assert 140 <= len(product.description) <= 600, product.description


def test_what_people_come_for_ends_every_description_of_a_type() -> None:
    for product_type in CATALOGUE.types:
        endings = {product.description.rsplit(". ", 1)[1] for product in product_type.products}
        assert len(endings) == 1, endings


@pytest.mark.parametrize(
    ("words", "types"),
    [
        ("drip", {"Tap Washers & O-Rings", "Thread Seal Tapes & Pipe Sealants", "Faucet Cartridges & Repair Kits"}),
        ("draft", {"Weatherstripping & Draft Stoppers", "Caulks & Fillers"}),
        ("moss", {"Lawn Care & Fertilizers", "Roof & Gutter Care"}),
    ],
)
def test_what_solves_one_problem_is_found_in_several_types(words: str, types: set[str]) -> None:
    found = {
        CATALOGUE.types[product.type_number].name
        for product in CATALOGUE.products
        if words in product.description.lower()
    }
    assert types <= found


def test_the_seasons_of_a_category_average_to_one_and_garden_peaks_in_spring() -> None:
    for category in CATALOGUE.categories:
        assert sum(category.months) == pytest.approx(12)
    peak = {category.name: category.months.index(max(category.months)) + 1 for category in CATALOGUE.categories}
    assert peak["Garden & Outdoor"] in {4, 5}
    assert peak["Heating & Cooling"] in {12, 1}
    assert peak["Paint & Finishes"] in {6, 7}


def test_a_few_best_sellers_stand_before_a_long_tail() -> None:
    shares = sorted((product.popularity for product in CATALOGUE.products), reverse=True)
    assert sum(shares) == pytest.approx(1)
    assert 0.3 < sum(shares[:50]) < 0.6
    assert shares[0] < 0.03


def test_some_products_are_discontinued() -> None:
    gone = [product for product in CATALOGUE.products if not product.is_sold((2026, 11))]
    assert 5 <= len(gone) <= 30
    assert all(product.is_sold((2020, 1)) for product in CATALOGUE.products)
