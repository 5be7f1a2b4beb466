"""What each figure means: defined here once, for every tool, chart and document."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from zava.core.model import Fact, Sales, Totals

CENT = Decimal("0.01")
TENTH = Decimal("0.1")

LINES: frozenset[Fact] = frozenset(("lines",))
ORDERS: frozenset[Fact] = frozenset(("orders",))
CUSTOMERS: frozenset[Fact] = frozenset(("customers",))
FIRST_ORDERS: frozenset[Fact] = frozenset(("first_orders",))
TARGETS: frozenset[Fact] = frozenset(("targets",))
RETURNS: frozenset[Fact] = frozenset(("returns",))

Unit = Literal["money", "count", "percent"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of a period.

    Attributes:
        definition: what it counts, in one sentence; shown to people and models.
        unit: money is in the currency of the business, percent is 0 to 100.
        value: computes it; None where it has no meaning, such as a margin without sales.
        facts: where its sums come from.
        additive: whether parts of it make up the whole, so that a share of it means something.
    """

    name: str
    definition: str
    unit: Unit
    value: Callable[[Totals], Decimal | None]
    facts: frozenset[Fact]
    additive: bool = False


def ratio(part: Decimal | int, whole: Decimal | int, *, to: Decimal) -> Decimal | None:
    """Part ÷ whole, rounded half up; None when there is nothing to divide by."""
    # Adding nothing turns -0.0 into 0.0.
    return (Decimal(part) / whole).quantize(to, ROUND_HALF_UP) + 0 if whole else None


def percent(part: Decimal | int, whole: Decimal | int) -> Decimal | None:
    """Part of whole in percent, to a tenth; None when the whole is nothing."""
    return ratio(Decimal(part) * 100, whole, to=TENTH)


def change(metric: Metric, value: Decimal | None, previous: Decimal | None) -> Decimal | None:
    """How much it changed in percent of what it was, or in points; None when one of them has no meaning."""
    if value is None or previous is None:
        return None
    # The difference of two percentages is in points; a percentage of it would mislead.
    return value - previous if metric.unit == "percent" else percent(value - previous, abs(previous))


def gross_margin(sales: Sales) -> Decimal:
    return sales.revenue - sales.cost


def gross_margin_percent(sales: Sales) -> Decimal | None:
    return percent(gross_margin(sales), sales.revenue)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "revenue",
            "Line totals of orders that were not cancelled, before returns.",
            "money",
            lambda totals: totals.revenue,
            LINES,
            additive=True,
        ),
        Metric(
            "returned_amount",
            "Refunds for goods that came back in the period, whenever they were sold.",
            "money",
            lambda totals: totals.returned_amount,
            RETURNS,
            additive=True,
        ),
        Metric(
            "net_revenue",
            "Revenue less returned amount.",
            "money",
            lambda totals: totals.revenue - totals.returned_amount,
            LINES | RETURNS,
            additive=True,
        ),
        Metric(
            "units",
            "Pieces sold in orders that were not cancelled.",
            "count",
            lambda totals: Decimal(totals.units),
            LINES,
            additive=True,
        ),
        Metric("orders", "Orders that were not cancelled.", "count", lambda totals: Decimal(totals.orders), ORDERS),
        Metric(
            "average_order_value",
            "Revenue per order.",
            "money",
            lambda totals: ratio(totals.revenue, totals.orders, to=CENT),
            LINES | ORDERS,
        ),
        Metric(
            "gross_margin",
            "Revenue less cost of the goods sold, cost as it was at the sale.",
            "money",
            gross_margin,
            LINES,
            additive=True,
        ),
        Metric(
            "gross_margin_percent",
            "Gross margin in percent of revenue.",
            "percent",
            gross_margin_percent,
            LINES,
        ),
        Metric(
            "customers",
            "Distinct known customers with an order that was not cancelled.",
            "count",
            lambda totals: Decimal(totals.customers),
            CUSTOMERS,
        ),
    )
}

# Those that an analysis may ask for besides.
ANALYSIS_METRICS: dict[str, Metric] = METRICS | {
    metric.name: metric
    for metric in (
        Metric(
            "discount_amount",
            "What was taken off the prices of goods sold.",
            "money",
            lambda totals: totals.discount_amount,
            LINES,
            additive=True,
        ),
        Metric(
            "discount_percent",
            "Discount amount in percent of revenue before discount.",
            "percent",
            lambda totals: percent(totals.discount_amount, totals.revenue + totals.discount_amount),
            LINES,
        ),
        Metric(
            "units_per_order",
            "Pieces per order.",
            "count",
            lambda totals: ratio(totals.units, totals.orders, to=CENT),
            LINES | ORDERS,
        ),
        Metric(
            "new_customers",
            "Known customers whose first order in any of your stores is among the orders.",
            "count",
            lambda totals: Decimal(totals.new_customers),
            FIRST_ORDERS,
            additive=True,
        ),
        Metric(
            "repeat_customer_percent",
            "Known customers with two or more of the orders, in percent of all known ones.",
            "percent",
            lambda totals: percent(totals.repeat_customers, totals.customers),
            CUSTOMERS,
        ),
        Metric(
            "target_progress",
            "Revenue in percent of the target of the period's whole months, if every store has one for each.",
            "percent",
            lambda totals: None if totals.revenue_target is None else percent(totals.revenue, totals.revenue_target),
            LINES | TARGETS,
        ),
    )
}

# Those by which a store is told where it stands in the chain. The others depend on who asks, or on targets.
CHAIN_METRICS = METRICS.keys() | {"discount_amount", "discount_percent", "units_per_order"}
