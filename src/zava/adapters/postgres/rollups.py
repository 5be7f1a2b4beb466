"""Where sums of sales are read from, rather than from the orders: by day, by category, by product."""

from collections.abc import Collection
from dataclasses import dataclass, replace
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
# A month counts as a whole when there is nothing in it but on the days asked for, as in the one that runs.
MARKED_MONTHS: LiteralString = """
marked AS MATERIALIZED (
    SELECT change.store_id, date_trunc('month', change.day)::date AS day
    FROM retail.sales_changes AS change
    WHERE change.day BETWEEN %(rolled_from)s AND %(rolled_until)s
    UNION
    SELECT before.store_id, date_trunc('month', before.day)::date
    FROM retail.sales_by_day AS before
    WHERE before.day BETWEEN %(rolled_from)s AND %(first_day)s::date - 1
    UNION
    SELECT after.store_id, date_trunc('month', after.day)::date
    FROM retail.sales_by_day AS after
    WHERE after.day BETWEEN %(last_day)s::date + 1 AND %(rolled_until)s
),

unrolled AS MATERIALIZED (
    SELECT
        marked.store_id,
        greatest(marked.day, %(first_day)s::date) AS first_day,
        least((marked.day + interval '1 month')::date - 1, %(last_day)s::date) AS last_day
    FROM marked
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
        splits: the dimension by which its counts of orders add up; an order has several of the others. Those of
            products never do: several may have one name.
    """

    table: LiteralString
    day: LiteralString = "day"
    marked: LiteralString = MARKED_DAYS
    part_column: LiteralString = ""
    part: LiteralString = ""
    joins: LiteralString = ""
    splits: str | None = None

    def days_of(self, days: DateRange) -> DateRange:
        """The days of the sums that have a part in these days."""
        if self.day == "day":
            return days
        return DateRange(add_months(days.first_day, 0), add_months(days.last_day, 1) - timedelta(days=1))


BY_DAY = Rollup("retail.sales_by_day")
BY_CATEGORY = Rollup(
    "retail.sales_by_category",
    part_column="category_id",
    part="product_type.category_id",
    joins=PRODUCT_TYPES,
    splits="category",
)
BY_CATEGORY_AND_MONTH = replace(
    BY_CATEGORY, table="retail.sales_by_category_and_month", day="month", marked=MARKED_MONTHS
)
BY_PRODUCT = Rollup(
    "retail.sales_by_product",
    day="month",
    marked=MARKED_MONTHS,
    part_column="product_id",
    part="raw.product_id",
)
OF_PRODUCTS = frozenset(("product_type", "product"))
OF_DAYS = frozenset(("day", "week", "weekday"))
# Up to a year there are few enough of them.
FEW_DAYS = 366


def rollup_for(used: Collection[str], days: DateRange) -> Rollup | None:
    """The smallest rollup that can be split by these dimensions, if one can."""
    by_days = bool(OF_DAYS.intersection(used))
    if "hour" in used:
        return None
    if OF_PRODUCTS.intersection(used):
        return None if by_days else BY_PRODUCT
    if "category" in used:
        return BY_CATEGORY if by_days or days.days <= FEW_DAYS else BY_CATEGORY_AND_MONTH
    return BY_DAY
