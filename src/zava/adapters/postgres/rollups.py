"""Where sums of sales are read from, rather than from the orders: by day, by category, by product."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import LiteralString

from zava.core.model import DateRange
from zava.core.periods import add_months

# A rollup and the marks of its days are read in one snapshot. What is marked, or does not belong to the days asked for
# as a whole, is summed from the orders: `unrolled` are those stretches of days, store by store.
MARKED_DAYS: LiteralString = """
marked AS MATERIALIZED (
    SELECT DISTINCT change.store_id, change.day
    FROM retail.sales_changes AS change
    WHERE change.day BETWEEN %(rolled_from)s AND %(rolled_until)s
),

-- Days that follow each other are one stretch: they differ from their number by the same.
unrolled AS MATERIALIZED (
    SELECT numbered.store_id, min(numbered.day) AS first_day, max(numbered.day) AS last_day
    FROM (
        SELECT
            marked.*,
            marked.day - row_number() OVER (PARTITION BY marked.store_id ORDER BY marked.day)::integer AS stretch
        FROM marked
    ) AS numbered
    GROUP BY numbered.store_id, numbered.stretch
)"""
MARKED_MONTHS: LiteralString = """
marked AS MATERIALIZED (
    SELECT DISTINCT change.store_id, date_trunc('month', change.day)::date AS day
    FROM retail.sales_changes AS change
    WHERE change.day BETWEEN %(rolled_from)s AND %(rolled_until)s
),

unrolled AS MATERIALIZED (
    SELECT marked.store_id, marked.day AS first_day, (marked.day + interval '1 month')::date - 1 AS last_day
    FROM marked
    UNION ALL
    SELECT store.store_id, edge.first_day, edge.last_day
    FROM retail.stores AS store
    CROSS JOIN (
        VALUES
            (%(first_day)s::date, %(rolled_from)s::date - 1),
            (%(rolled_until)s::date + 1, %(last_day)s::date)
    ) AS edge (first_day, last_day)
    WHERE edge.first_day <= edge.last_day
)"""

PRODUCT_TYPES: LiteralString = """
    INNER JOIN retail.products AS product ON raw.product_id = product.product_id
    INNER JOIN retail.product_types AS product_type ON product.product_type_id = product_type.product_type_id
"""


@dataclass(frozen=True)
class Rollup:
    """A table of sums.

    Attributes:
        table: its name.
        day: its column of days, or of first days of months.
        marked: the marks that concern it.
        part_column: what it splits sums by besides; empty where by nothing.
        part: the same of a row `raw` of the orders.
        joins: what that takes.
        splits: the dimension by which its counts of orders add up; an order has several of the others.
    """

    table: LiteralString
    day: LiteralString = "day"
    marked: LiteralString = MARKED_DAYS
    part_column: LiteralString = ""
    part: LiteralString = ""
    joins: LiteralString = ""
    splits: str | None = None

    def days_of(self, days: DateRange) -> DateRange | None:
        """Those of these days that it has as a whole, if there are any."""
        if self.day == "day":
            return days
        first_day = days.first_day if days.first_day.day == 1 else add_months(days.first_day, 1)
        last_day = add_months(days.last_day + timedelta(days=1), 0) - timedelta(days=1)
        return DateRange(first_day, last_day) if first_day < last_day else None


BY_DAY = Rollup("retail.sales_by_day")
BY_CATEGORY = Rollup(
    "retail.sales_by_category",
    part_column="category_id",
    part="product_type.category_id",
    joins=PRODUCT_TYPES,
    splits="category",
)
BY_PRODUCT = Rollup(
    "retail.sales_by_product",
    day="month",
    marked=MARKED_MONTHS,
    part_column="product_id",
    part="raw.product_id",
    splits="product",
)
OF_CATEGORIES = frozenset(("category",))
OF_PRODUCTS = frozenset(("product_type", "product"))
OF_DAYS = frozenset(("day", "week", "weekday"))


def rollup_for(used: Collection[str], days: DateRange) -> Rollup | None:
    """The smallest rollup that can be split by these dimensions, if one can."""
    if "hour" in used:
        return None
    if OF_PRODUCTS.intersection(used):
        return None if OF_DAYS.intersection(used) or BY_PRODUCT.days_of(days) is None else BY_PRODUCT
    return BY_CATEGORY if OF_CATEGORIES.intersection(used) else BY_DAY
