"""What each figure means, on totals made by hand."""

from dataclasses import replace
from decimal import Decimal

import pytest

from zava.core.metrics import CENT, METRICS, TENTH, gross_margin_percent, percent, ratio
from zava.core.model import Sales, Totals

TOTALS = Totals(
    revenue=Decimal("1000.00"),
    cost=Decimal("637.50"),
    units=40,
    orders=16,
    customers=9,
    returned_amount=Decimal("50.10"),
)
NO_SALES = Totals(Decimal(0), Decimal(0), 0, 0, 0, Decimal(0))


def figures(totals: Totals) -> dict[str, str]:
    return {name: str(metric.value(totals)) for name, metric in METRICS.items()}


def test_each_metric_counts_what_its_definition_says() -> None:
    assert figures(TOTALS) == {
        "revenue": "1000.00",
        "returned_amount": "50.10",
        "net_revenue": "949.90",
        "units": "40",
        "orders": "16",
        "average_order_value": "62.50",
        "gross_margin": "362.50",
        "gross_margin_percent": "36.3",
        "customers": "9",
    }


def test_without_sales_averages_and_shares_have_no_meaning_and_the_rest_is_nothing() -> None:
    assert figures(NO_SALES) == {
        "revenue": "0",
        "returned_amount": "0",
        "net_revenue": "0",
        "units": "0",
        "orders": "0",
        "average_order_value": "None",
        "gross_margin": "0",
        "gross_margin_percent": "None",
        "customers": "0",
    }


def test_more_returns_than_sales_make_net_revenue_negative() -> None:
    assert METRICS["net_revenue"].value(replace(NO_SALES, returned_amount=Decimal("19.00"))) == Decimal("-19.00")


def test_selling_below_cost_makes_the_margin_negative() -> None:
    assert gross_margin_percent(Sales(Decimal(80), Decimal(100), 1)) == Decimal("-25.0")


@pytest.mark.parametrize(
    ("part", "whole", "to", "expected"),
    [
        (1, 8, CENT, "0.13"),
        (1, 3, CENT, "0.33"),
        (2, 3, CENT, "0.67"),
        (-1, 8, CENT, "-0.13"),
        (Decimal("62.45"), 1, TENTH, "62.5"),
        (0, 7, CENT, "0.00"),
        (-1, 1000, CENT, "0.00"),
    ],
)
def test_a_ratio_is_rounded_half_up(part: Decimal | int, whole: int, to: Decimal, expected: str) -> None:
    assert str(ratio(part, whole, to=to)) == expected


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [(1, 16, "6.3"), (1, 3, "33.3"), (-1, 16, "-6.3"), (3, 2, "150.0"), (Decimal("0.01"), Decimal("1000.00"), "0.0")],
)
def test_a_percentage_is_given_to_a_tenth(part: Decimal | int, whole: Decimal | int, expected: str) -> None:
    assert str(percent(part, whole)) == expected


@pytest.mark.parametrize("whole", [0, Decimal(0), Decimal("0.00")])
def test_nothing_is_no_part_of_nothing(whole: Decimal | int) -> None:
    assert ratio(5, whole, to=CENT) is None
    assert percent(5, whole) is None


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_defined_in_a_sentence_of_its_own(name: str) -> None:
    metric = METRICS[name]
    assert metric.name == name
    assert metric.definition[0].isupper()
    assert metric.definition.endswith(".")
    assert len(metric.definition.split()) >= 3
    assert [other.name for other in METRICS.values() if other.definition == metric.definition] == [name]


@pytest.mark.parametrize(
    ("unit", "names"),
    [
        ("money", {"revenue", "returned_amount", "net_revenue", "average_order_value", "gross_margin"}),
        ("count", {"units", "orders", "customers"}),
        ("percent", {"gross_margin_percent"}),
    ],
)
def test_every_metric_has_a_unit(unit: str, names: set[str]) -> None:
    assert {name for name, metric in METRICS.items() if metric.unit == unit} == names
