"""By what figures can be split, and which splits mean something: one definition each."""

from dataclasses import dataclass
from typing import Literal

from zava.core.model import Fact

BY_MONTH: frozenset[Fact] = frozenset(("lines", "orders", "returns", "customers", "first_orders", "targets"))
BY_DAY = BY_MONTH - {"targets"}
# An order has several products; whose first order it is, it is as a whole.
BY_PRODUCT = BY_DAY - {"first_orders"}
BY_HOUR = BY_DAY - {"returns"}

Type = Literal["text", "integer", "date"]

# How values of the calendar are written.
YEAR = "[0-9]{4}"
QUARTER = "[0-9]{4}-Q[1-4]"
MONTH = "[0-9]{4}-[0-9]{2}-01"
DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"


@dataclass(frozen=True, slots=True)
class Dimension:
    """A way to split figures.

    Attributes:
        definition: what its values are; shown to people and models.
        type: of its values.
        facts: what can be split by it.
        calendar: whether its values are stretches of days.
        written: how its values are written, where not every text is one: a regular expression.
    """

    name: str
    definition: str
    type: Type = "text"
    facts: frozenset[Fact] = BY_MONTH
    calendar: bool = False
    written: str | None = None

    @property
    def runs(self) -> bool:
        """Whether its values follow each other in time."""
        return self.calendar or self.type != "text"


DIMENSIONS: dict[str, Dimension] = {
    dimension.name: dimension
    for dimension in (
        Dimension("store", "Name of the store."),
        Dimension("region", "Group of stores under one regional manager."),
        Dimension("channel", "How it was sold: shop or online."),
        Dimension("category", "Department of the assortment.", facts=BY_PRODUCT),
        Dimension("product_type", "Kind of product within a category.", facts=BY_PRODUCT),
        Dimension("product", "Name of the product.", facts=BY_PRODUCT),
        Dimension("hour", "Hour of the sale, 0 to 23.", "integer", BY_HOUR),
        Dimension("weekday", "1 is Monday, 7 is Sunday.", "integer", BY_DAY),
        Dimension("day", "Date, such as 2026-03-31.", "date", BY_DAY, calendar=True, written=DAY),
        Dimension("week", "First day of the week, such as 2026-03-02.", "date", BY_DAY, calendar=True, written=DAY),
        Dimension("month", "First day of the month, such as 2026-03-01.", "date", calendar=True, written=MONTH),
        Dimension("quarter", "Fiscal quarter, such as 2026-Q2.", calendar=True, written=QUARTER),
        Dimension("year", "Fiscal year, named after the year it ends in.", "integer", calendar=True, written=YEAR),
    )
}
