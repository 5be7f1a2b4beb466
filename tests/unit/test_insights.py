"""What deserves a sentence: each rule on either side of its threshold."""

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zava.core.insights import Insight, find_insights
from zava.core.model import PerformanceFigures, Sales, SliceSales, StockAtRisk, Totals


def sales(revenue: str = "0", units: int = 0, cost: str = "0") -> Sales:
    return Sales(Decimal(revenue), Decimal(cost), units)


def category(current: Sales, previous: Sales, price_effect: str = "0", name: str = "Paint") -> SliceSales:
    return SliceSales(name, current, previous, Decimal(price_effect))


def totals(revenue: str = "0", returned: str = "0") -> Totals:
    return Totals(Decimal(revenue), Decimal(0), 0, 0, 0, Decimal(returned))


def at_risk(product: str = "Claw hammer", cover: str = "1.25", more: int = 3) -> StockAtRisk:
    return StockAtRisk("Seattle", product, 5, Decimal(cover), 7, more)


def found(
    *categories: SliceSales,
    current: Totals | None = None,
    stock: tuple[StockAtRisk, ...] = (),
    compared: bool = True,
    recent: bool = True,
) -> tuple[Insight, ...]:
    figures = PerformanceFigures(
        current=current or totals(),
        previous=totals(),
        revenue_target=None,
        products=(),
        categories=categories,
        stock_at_risk=stock,
    )
    return find_insights(figures, compared=compared, recent=recent, currency="USD")


def kinds(insights: tuple[Insight, ...]) -> list[str]:
    return [insight.kind for insight in insights]


def change(*categories: SliceSales) -> Insight:
    (insight,) = [insight for insight in found(*categories) if insight.kind == "biggest_change"]
    return insight


def test_without_sales_there_is_nothing_to_say() -> None:
    assert found() == ()


@pytest.mark.parametrize(("revenue", "expected"), [("100.01", ["biggest_change"]), ("100.00", [])])
def test_a_change_of_one_cent_is_a_change(revenue: str, expected: list[str]) -> None:
    assert kinds(found(category(sales(revenue, 10), sales("100.00", 10)))) == expected


def test_only_the_category_that_moved_most_is_named_whether_up_or_down() -> None:
    up = category(sales("150", 10), sales("100", 10), name="Paint")
    down = category(sales("10", 1), sales("100", 10), name="Hand tools")
    assert change(up, down).text.startswith("Hand tools moved most: -90.00 USD")


# Each is (revenue and units now, revenue and units before, price effect).
RISES = {
    "volume (units sold)": (("200", 20), ("100", 10), "0"),
    "price": (("130", 9), ("100", 10), "40"),
    "mix (dearer or cheaper products)": (("150", 10), ("100", 10), "5"),
}
FALLS = {
    "volume (units sold)": (("55", 5), ("100", 10), "5"),
    "price": (("60", 12), ("100", 10), "-60"),
    "mix (dearer or cheaper products)": (("60", 11), ("100", 10), "20"),
}


@pytest.mark.parametrize("reason", RISES)
def test_a_rise_names_what_pulled_up_most(reason: str) -> None:
    now, before, price = RISES[reason]
    assert f"mainly by {reason}: +" in change(category(sales(*now), sales(*before), price)).text


@pytest.mark.parametrize("reason", FALLS)
def test_a_fall_names_what_pulled_down_most(reason: str) -> None:
    now, before, price = FALLS[reason]
    assert f"mainly by {reason}: -" in change(category(sales(*now), sales(*before), price)).text


def test_a_new_category_grew_by_its_units() -> None:
    insight = change(category(sales("80.00", 4), sales()))
    assert insight.text == "Paint moved most: +80.00 USD, mainly by volume (units sold): +80.00 USD."
    assert insight.numbers == {
        "change": Decimal(80),
        "volume_effect": Decimal(80),
        "price_effect": Decimal(0),
        "mix_effect": Decimal(0),
    }


def test_a_category_that_no_longer_sells_fell_by_its_units() -> None:
    assert change(category(sales(), sales("80.00", 4))).numbers["volume_effect"] == Decimal(-80)


def test_a_change_splits_into_price_volume_and_mix() -> None:
    # Two of ten units more at 10.00 each; dearer prices brought 6.00; dearer products the rest.
    insight = change(category(sales("131.00", 12), sales("100.00", 10), "6.004"))
    assert insight.numbers == {
        "change": Decimal("31.00"),
        "volume_effect": Decimal("20.00"),
        "price_effect": Decimal("6.00"),
        "mix_effect": Decimal("5.00"),
    }


AMOUNTS = st.decimals(0, 10_000_000, places=2)
EFFECTS = st.decimals(-1_000_000, 1_000_000, places=6)


@given(AMOUNTS, st.integers(0, 100_000), AMOUNTS, st.integers(0, 100_000), EFFECTS)
def test_price_volume_and_mix_add_up_to_the_change_to_the_cent(
    revenue: Decimal, units: int, previous_revenue: Decimal, previous_units: int, price_effect: Decimal
) -> None:
    sold = SliceSales(
        "Paint",
        Sales(revenue, Decimal(0), units),
        Sales(previous_revenue, Decimal(0), previous_units),
        price_effect,
    )
    for insight in found(sold):
        effects = [amount for name, amount in insight.numbers.items() if name.endswith("_effect")]
        assert len(effects) == 3
        assert sum(effects) == insight.numbers["change"] == revenue - previous_revenue
        assert all(effect == round(effect, 2) for effect in effects)


@pytest.mark.parametrize(
    ("cost", "expected"),
    [("57.00", ["margin"]), ("57.10", []), ("63.00", ["margin"]), ("62.90", [])],
)
def test_a_margin_is_out_of_line_when_it_moved_by_three_points(cost: str, expected: list[str]) -> None:
    same_revenue = category(sales("100.00", 10, cost), sales("100.00", 10, "60.00"))
    assert kinds(found(same_revenue, current=totals("100.00"))) == expected


@pytest.mark.parametrize(("revenue", "expected"), [("5000.00", ["margin"]), ("5300.00", [])])
def test_a_margin_matters_when_its_category_brings_two_percent_of_revenue(revenue: str, expected: list[str]) -> None:
    same_revenue = category(sales("100.00", 10, "10.00"), sales("100.00", 10, "60.00"))
    assert kinds(found(same_revenue, current=totals(revenue))) == expected


def test_a_margin_is_told_with_both_figures_and_their_difference() -> None:
    (margin,) = found(category(sales("100.00", 10, "70.00"), sales("100.00", 10, "60.00")), current=totals("100.00"))
    assert margin.text == "The gross margin of Paint went from 40.0 % to 30.0 %."
    assert margin.numbers == {
        "margin_percent": Decimal("30.0"),
        "previous_margin_percent": Decimal("40.0"),
        "points": Decimal("-10.0"),
    }


@pytest.mark.parametrize("before", [True, False])
def test_a_category_that_sold_in_one_period_only_has_no_margin_to_compare(before: bool) -> None:  # noqa: FBT001
    sold = (sales("100.00", 10, "10.00"), sales())
    current, previous = reversed(sold) if before else sold
    assert "margin" not in kinds(found(category(current, previous), current=totals("100.00")))


@pytest.mark.parametrize(
    ("revenue", "returned", "expected"),
    [
        ("1000.00", "50.00", ["returns"]),
        ("1000.00", "49.00", []),
        ("0", "50.00", []),
        ("1000.00", "0", []),
    ],
)
def test_returns_deserve_a_sentence_from_five_percent_of_revenue(
    revenue: str, returned: str, expected: list[str]
) -> None:
    assert kinds(found(current=totals(revenue, returned))) == expected


def test_returns_are_told_with_their_share_and_amount() -> None:
    (returns,) = found(current=totals("20000.00", "1500.50"))
    assert returns.text == "Returns took 7.5 % of revenue (1,500.50 USD)."
    assert returns.numbers == {"returned_amount": Decimal("1500.50"), "returned_percent": Decimal("7.5")}


def test_stock_at_risk_is_told_with_its_most_urgent_product() -> None:
    (stock,) = found(stock=(at_risk(), at_risk("Wall paint", "6")))
    assert stock.text == (
        "As of today, 3 products will run out before the supplier can deliver, first Claw hammer in Seattle: "
        "5 left, enough for 1.3 days, while delivery takes 7 days."
    )
    assert stock.numbers == {
        "products_at_risk": Decimal(3),
        "stock_level": Decimal(5),
        "days_of_cover": Decimal("1.3"),
        "lead_days": Decimal(7),
    }


def test_stock_that_is_gone_is_said_to_be_gone() -> None:
    (stock,) = found(stock=(replace(at_risk(), stock_level=0, days_of_cover=Decimal(0), lead_days=1),))
    assert stock.text.endswith("in Seattle: none left, while delivery takes 1 day.")


def test_todays_stock_is_no_finding_about_a_period_long_ago() -> None:
    assert found(stock=(at_risk(),), recent=False) == ()


def test_one_product_at_risk_is_one_product() -> None:
    (stock,) = found(stock=(at_risk(more=1),))
    assert stock.text.startswith("As of today, 1 product will run out")


def test_without_a_comparison_nothing_is_said_of_changes_and_margins() -> None:
    moved = category(sales("100.00", 10, "70.00"), sales("50.00", 5, "10.00"))
    current = totals("100.00", "10.00")
    insights = found(moved, current=current, stock=(at_risk(),))
    assert kinds(insights) == ["biggest_change", "margin", "returns", "stock"]
    assert found(moved, current=current, stock=(at_risk(),), compared=False) == insights[2:]


FIGURE = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")


@given(AMOUNTS, st.integers(1, 100_000), AMOUNTS, st.integers(0, 100_000), EFFECTS, AMOUNTS)
def test_every_figure_of_a_sentence_is_among_its_numbers(  # noqa: PLR0913, PLR0917
    revenue: Decimal,
    units: int,
    previous_revenue: Decimal,
    previous_units: int,
    price_effect: Decimal,
    amount: Decimal,
) -> None:
    sold = SliceSales(
        "Paint",
        Sales(revenue, amount, units),
        Sales(previous_revenue, revenue, previous_units),
        price_effect,
    )
    current = Totals(revenue, amount, units, 1, 1, amount)
    risk = StockAtRisk("Seattle", "Claw hammer", units, abs(price_effect), previous_units, units)
    insights = found(sold, current=current, stock=(risk,))
    assert "stock" in kinds(insights)
    for insight in insights:
        told = {Decimal(figure.replace(",", "")) for figure in FIGURE.findall(insight.text)}
        assert told
        assert told <= set(insight.numbers.values())
