"""Periods as people say them ("last_month", "2026-Q2"), turned into days. Nothing here reads a clock."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from zava.core.errors import ValidationError
from zava.core.model import BusinessSettings, DateRange, Store

NAMES = (
    "today",
    "yesterday",
    "this_week",
    "last_week",
    "this_month",
    "last_month",
    "month_to_date",
    "quarter_to_date",
    "last_quarter",
    "year_to_date",
    "last_year",
    "last_30_days",
    "all_time",
)
EXPECTED = f"write one of {', '.join(NAMES)}, or 2026-Q2, 2025-11, 2025, or 2026-01-01..2026-03-31"

ONE_DAY = timedelta(days=1)
RECENT = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Period:
    """A named stretch of days that has begun.

    Attributes:
        name: as it was asked for.
        elapsed: its days up to and including today.
        ends_on: its last day, today or later while it runs.
        previous: the comparable days before it, as many as have elapsed; None for all time.
        today: the day it was asked on.
    """

    name: str
    elapsed: DateRange
    ends_on: date
    previous: DateRange | None
    today: date

    @property
    def running(self) -> bool:
        return self.ends_on > self.elapsed.last_day

    @property
    def recent(self) -> bool:
        """Whether it is so near that the stock of now belongs to it: last month is, on the last day of this one."""
        return self.ends_on >= self.today - RECENT

    @property
    def whole(self) -> DateRange:
        return DateRange(self.elapsed.first_day, self.ends_on)


def today_of(business: BusinessSettings, now: datetime) -> date:
    """The shop's date at this moment."""
    return now.astimezone(ZoneInfo(business.time_zone)).date()


def resolve_period_of(stores: Iterable[Store], text: str, *, today: date, business: BusinessSettings) -> Period:
    """As resolve_period; all time begins when the first of these stores opened.

    Raises:
        ValidationError: also when none of them had opened yet.
    """
    opened_on = min(store.opened_on for store in stores)
    period = resolve_period(text, today=today, business=business, opened_on=opened_on)
    if period.elapsed.last_day < min(opened_on, today):
        raise ValidationError("period", text[:100], f"there was no store yet: the first of yours opened on {opened_on}")
    return period


def resolve_period(text: str, *, today: date, business: BusinessSettings, opened_on: date) -> Period:
    """The days that `text` means.

    Args:
        text: a name of NAMES, a fiscal year, quarter, calendar month, or two dates joined by "..".
        today: in the business time zone.
        business: where weeks and fiscal years begin.
        opened_on: the day before which there was no shop; all time begins there.

    Raises:
        ValidationError: the text means no period, a reversed one, or one that has not begun.
    """
    name = text.strip()
    if name == "all_time":
        return Period(name, DateRange(min(opened_on, today), today), today, None, today)
    whole, previous_first_day = _whole_period(name, today, business)
    if whole.first_day > today:
        raise ValidationError("period", text, f"it begins on {whole.first_day}, and today is {today}")
    elapsed = DateRange(whole.first_day, min(whole.last_day, today))
    if elapsed.last_day == whole.last_day:
        previous_last_day = whole.first_day - ONE_DAY
    else:
        # A running period compares with as many days; a shorter month before it ends sooner.
        previous_last_day = min(previous_first_day + timedelta(days=elapsed.days - 1), whole.first_day - ONE_DAY)
    return Period(name, elapsed, whole.last_day, DateRange(previous_first_day, previous_last_day), today)


def _whole_period(name: str, today: date, business: BusinessSettings) -> tuple[DateRange, date]:
    """The whole period, and the first day of the one before it."""
    if named := _NAMED.get(name):
        return named(today, business)
    for pattern, read in _WRITTEN:
        if match := pattern.fullmatch(name):
            try:
                return read(match, business)
            except (ValueError, OverflowError):
                break
    raise ValidationError("period", name[:100], EXPECTED)


def _days(first_day: date, last_day: date) -> tuple[DateRange, date]:
    """Plain days compare with as many days before them."""
    if last_day < first_day:
        raise ValidationError(
            "period", f"{first_day}..{last_day}", "it ends before it begins; write the earlier date first"
        )
    return DateRange(first_day, last_day), first_day - (last_day - first_day) - ONE_DAY


def _week(today: date, business: BusinessSettings, weeks_ago: int = 0) -> tuple[DateRange, date]:
    since_start = (today.isoweekday() - business.week_starts_on) % 7
    first_day = today - timedelta(days=since_start + 7 * weeks_ago)
    return _days(first_day, first_day + timedelta(days=6))


def _months(first_day: date, months: int) -> tuple[DateRange, date]:
    """Whole months compare with as many months before them."""
    return (
        DateRange(first_day, add_months(first_day, months) - ONE_DAY),
        add_months(first_day, -months),
    )


def add_months(first_day: date, months: int) -> date:
    """The first day of the month so many months after, or before, the one of this day."""
    index = first_day.year * 12 + first_day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def _month(today: date, months_ago: int = 0) -> tuple[DateRange, date]:
    return _months(add_months(today.replace(day=1), -months_ago), 1)


def _fiscal(today: date, business: BusinessSettings, months: int) -> tuple[DateRange, date]:
    """The fiscal quarter (3) or year (12) that today is in."""
    since_start = (today.month - business.fiscal_year_starts_in) % months
    return _months(add_months(today, -since_start), months)


def _last_fiscal(today: date, business: BusinessSettings, months: int) -> tuple[DateRange, date]:
    """The one before it, which is over."""
    _, first_day = _fiscal(today, business, months)
    return _months(first_day, months)


def _fiscal_year_start(year: int, business: BusinessSettings) -> date:
    month = business.fiscal_year_starts_in
    return date(year if month == 1 else year - 1, month, 1)


_NAMED: dict[str, Callable[[date, BusinessSettings], tuple[DateRange, date]]] = {
    "today": lambda today, _: _days(today, today),
    "yesterday": lambda today, _: _days(today - ONE_DAY, today - ONE_DAY),
    "this_week": _week,
    "last_week": lambda today, business: _week(today, business, 1),
    "this_month": lambda today, _: _month(today),
    "last_month": lambda today, _: _month(today, 1),
    "month_to_date": lambda today, _: _month(today),
    "quarter_to_date": lambda today, business: _fiscal(today, business, 3),
    "last_quarter": lambda today, business: _last_fiscal(today, business, 3),
    "year_to_date": lambda today, business: _fiscal(today, business, 12),
    "last_year": lambda today, business: _last_fiscal(today, business, 12),
    "last_30_days": lambda today, _: _days(today - timedelta(days=30), today - ONE_DAY),
}

_WRITTEN: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], BusinessSettings], tuple[DateRange, date]]], ...] = (
    (
        re.compile(r"([0-9]{4})"),
        lambda match, business: _months(_fiscal_year_start(int(match[1]), business), 12),
    ),
    (
        re.compile(r"([0-9]{4})-Q([1-4])"),
        lambda match, business: _months(
            add_months(_fiscal_year_start(int(match[1]), business), 3 * (int(match[2]) - 1)), 3
        ),
    ),
    (
        re.compile(r"([0-9]{4})-([0-9]{2})"),
        lambda match, _: _months(date(int(match[1]), int(match[2]), 1), 1),
    ),
    (
        re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})\.\.([0-9]{4}-[0-9]{2}-[0-9]{2})"),
        lambda match, _: _days(date.fromisoformat(match[1]), date.fromisoformat(match[2])),
    ),
)
