"""The queries by which the product search is measured."""

import json
from collections import Counter, defaultdict
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from zava.demo.catalogue import read_catalogue

FILE = Path(__file__).parents[1] / "search" / "judged_queries.jsonl"
AT_LEAST = {"paraphrase": 70, "need": 120, "sku": 20, "size": 25, "category": 20, "misspelling": 20}


class JudgedQuery(BaseModel):
    """`right` holds SKUs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query: str
    kind: str
    right: tuple[str, ...]


QUERIES = [JudgedQuery.model_validate(json.loads(line)) for line in FILE.read_text("utf-8").splitlines()]
PRODUCTS = {product.sku: product for product in read_catalogue().products}


def test_there_are_enough_queries_of_each_kind() -> None:
    counts = Counter(judged.kind for judged in QUERIES)
    assert counts.keys() == AT_LEAST.keys()
    assert all(counts[kind] >= number for kind, number in AT_LEAST.items()), counts


def test_no_query_occurs_twice() -> None:
    counts = Counter(judged.query.casefold() for judged in QUERIES)
    assert [query for query, times in counts.items() if times > 1] == []


def test_right_products_are_distinct() -> None:
    assert [judged.query for judged in QUERIES if len(set(judged.right)) < len(judged.right)] == []


def test_every_query_has_right_products_and_all_are_sold_today() -> None:
    on_sale = {sku for sku, product in PRODUCTS.items() if product.discontinued is None}
    assert [judged for judged in QUERIES if not judged.right or not on_sale.issuperset(judged.right)] == []


def test_each_kind_asks_for_products_of_every_department() -> None:
    departments: defaultdict[str, set[int]] = defaultdict(set)
    for judged in QUERIES:
        departments[judged.kind].update(PRODUCTS[sku].category_number for sku in judged.right)
    assert {kind: len(numbers) for kind, numbers in departments.items()} == dict.fromkeys(AT_LEAST, 9)


def test_at_least_ten_needs_are_met_by_each_department() -> None:
    counts = Counter(
        department
        for judged in QUERIES
        if judged.kind == "need"
        for department in {PRODUCTS[sku].category_number for sku in judged.right}
    )
    assert {department for department, number in counts.items() if number >= 10} == set(range(9)), counts


def test_needs_are_said_in_three_to_twelve_words() -> None:
    needs = [judged.query for judged in QUERIES if judged.kind == "need"]
    assert [query for query in needs if not 3 <= len(query.split()) <= 12] == []
