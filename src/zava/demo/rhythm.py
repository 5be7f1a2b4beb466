"""When the sample shop is busy: over the years, the months, the week and the hours."""

from bisect import bisect
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import accumulate
from math import fsum
from zoneinfo import ZoneInfo

from zava.demo.catalogue import read_catalogue
from zava.demo.stores import TOTAL_WEIGHT, Store

TIME_ZONE = ZoneInfo("America/Los_Angeles")
FIRST_DAY = date(2020, 1, 1)
# By the end of this day a shop of scale 1 has these orders and customers.
REFERENCE_DAY = date(2026, 11, 24)
ORDERS = 200_000
PEOPLE = 50_000

_ONE_DAY = timedelta(days=1)
_YEARS = (1.0, 1.1, 1.21, 1.15, 1.265, 1.392, 1.531)
_LATER_GROWTH = 1.05
_WEEK = (0.86, 0.83, 0.86, 0.92, 1.08, 1.36, 1.18)
_WEEK_ONLINE = (1.13, 1.08, 1.04, 0.99, 0.90, 0.87, 1.08)
_HOLIDAYS = {(1, 1): 0.5, (7, 4): 0.6, (12, 24): 0.6, (12, 25): 0.0}
_HOURS = (0,) * 7 + (3, 5, 7, 9, 10, 10, 9, 9, 9, 9, 8, 6, 4, 2, 0, 0, 0)
_HOURS_SUNDAY = (0,) * 8 + (3, 6, 9, 11, 11, 11, 10, 9, 7, 5, 4, 3, 0, 0, 0, 0)
_HOURS_ONLINE = (2, 1, 0.5, 0.3, 0.3, 0.5, 1, 2, 3, 4, 4, 4, 5, 5, 4, 4, 4, 5, 6, 8, 10, 10, 8, 4)
_CLOCK_CHANGE = 3 * 3600  # clocks change between 1 and 3 at night

_THURSDAY = 3
_NOVEMBER = 11


@dataclass(frozen=True)
class Rhythm:
    """How many orders and customers are expected of one store, day by day since FIRST_DAY.

    Attributes:
        orders: orders expected on each day.
        people: customers whose home store it is, before each day.
    """

    orders: list[float]
    people: list[float]


def rhythm_of(store: Store, scale: float, last_day: date) -> Rhythm:
    reference = (REFERENCE_DAY - FIRST_DAY).days + 1
    days = max(reference, (last_day - FIRST_DAY).days + 1)
    weights = _day_weights(days, store.is_online)
    share = scale * store.weight / TOTAL_WEIGHT
    per_weight = ORDERS * share / fsum(weights[:reference])
    orders = [weight * per_weight for weight in weights]
    # At first every second order is of a new customer, at the reference day every eighth.
    so_far = [0.0, *(expected / (ORDERS * share or 1) for expected in accumulate(orders))]
    return Rhythm(orders, [PEOPLE * share * 2 * part / (1 + part) for part in so_far])


@lru_cache(maxsize=4)
def _day_weights(days: int, is_online: bool) -> list[float]:  # noqa: FBT001 - the one thing that matters of a store
    return [_day_weight(FIRST_DAY + timedelta(days=day), is_online) for day in range(days)]


def _day_weight(day: date, is_online: bool) -> float:  # noqa: FBT001 - the one thing that matters about the store
    years = day.year - FIRST_DAY.year
    growth = _YEARS[min(years, len(_YEARS) - 1)] * _LATER_GROWTH ** max(0, years - len(_YEARS) + 1)
    weekday = (_WEEK_ONLINE if is_online else _WEEK)[day.weekday()]
    return growth * _season(day.month) * weekday * _occasion(day, is_online)


@lru_cache(maxsize=12)
def _season(month: int) -> float:
    return fsum(category.share * category.months[month - 1] for category in read_catalogue().categories)


def _occasion(day: date, is_online: bool) -> float:  # noqa: FBT001 - as above
    if day.month == _NOVEMBER:
        since_thanksgiving = (day - _thanksgiving(day.year)).days
        if is_online:
            return {0: 1.4, 1: 2.2, 4: 2.4}.get(since_thanksgiving, 1.0)
        return {0: 0.0, 1: 1.9, 2: 1.2}.get(since_thanksgiving, 1.0)
    return 1.0 if is_online else _HOLIDAYS.get((day.month, day.day), 1.0)


def _thanksgiving(year: int) -> date:
    first = date(year, _NOVEMBER, 1)
    return first + timedelta(days=(_THURSDAY - first.weekday()) % 7 + 21)


class Clock:
    """Moments of one day of one store."""

    def __init__(self, store: Store, day: date) -> None:
        self._midnight = _epoch(day, time(0))
        # What the clocks show plus this is the moment, from three in the morning on.
        self._later = _epoch(day, time(12)) - 12 * 3600
        if store.is_online:
            hours: tuple[float, ...] = _HOURS_ONLINE
        else:
            hours = _HOURS_SUNDAY if day.weekday() == 6 else _HOURS  # noqa: PLR2004 - Sunday
        self._cumulative = list(accumulate(hours))

    def moment(self, chance: float, within_hour: float) -> int:
        """Seconds since 1970, likelier in the busy hours."""
        hour = bisect(self._cumulative, chance * self._cumulative[-1])
        second = hour * 3600 + int(within_hour * 3600)
        return (self._later if second >= _CLOCK_CHANGE else self._midnight) + second


def _epoch(day: date, at: time) -> int:
    return int(datetime.combine(day, at, TIME_ZONE).timestamp())


def local_date(moment: datetime) -> date:
    return moment.astimezone(TIME_ZONE).date()


def days(first: date, last: date) -> list[date]:
    return [first + _ONE_DAY * number for number in range((last - first).days + 1)]


def beginning() -> datetime:
    return datetime.combine(FIRST_DAY, time(0), TIME_ZONE).astimezone(UTC) - timedelta(seconds=1)
