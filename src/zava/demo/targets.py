"""Monthly revenue targets: what could be expected, seen through the optimism of whoever set them."""

from collections.abc import Iterable, Iterator
from datetime import date
from math import fsum

from zava.core.periods import add_months
from zava.demo.chance import fraction
from zava.demo.demand import demand_of
from zava.demo.rhythm import FIRST_DAY, Rhythm
from zava.demo.stores import Store

MONTHS_AHEAD = 3
# An order in lines of average value: its lines, what baskets, discounts and cancellations make of them.
LINES_OF_AN_ORDER = 1.96
_WHOLE_DOLLARS = 100


def months_with_targets(today: date) -> list[date]:
    months = [FIRST_DAY]
    while months[-1] < add_months(today, MONTHS_AHEAD):
        months.append(add_months(months[-1], 1))
    return months


def targets_of(seed: int, store: Store, rhythm: Rhythm, months: Iterable[date]) -> Iterator[tuple[date, int]]:
    """A target in cents for each of these months."""
    for month in months:
        first, end = (month - FIRST_DAY).days, (add_months(month, 1) - FIRST_DAY).days
        number = (month.year, month.month)
        value = LINES_OF_AN_ORDER * demand_of(store, number).value_of_a_line(number)
        optimism = 0.95 + 0.12 * fraction(seed, "target", store.name, month)
        target = fsum(rhythm.orders[first:end]) * value * optimism
        yield month, round(target / _WHOLE_DOLLARS) * _WHOLE_DOLLARS
