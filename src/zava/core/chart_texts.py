"""The words of charts: figures, days and names in few characters, and the finding in a sentence."""

import calendar
import unicodedata
from datetime import date, timedelta
from decimal import Decimal

from zava.core.charts import LONGEST_LABEL
from zava.core.metrics import Unit, percent
from zava.core.model import DateRange
from zava.core.periods import ONE_DAY
from zava.core.use_cases.analyze_sales import WEEKDAYS_BACK, Cell

THOUSAND, MILLION, BILLION = Decimal(1_000), Decimal(1_000_000), Decimal(1_000_000_000)
HALF = Decimal("0.5")
MONTHS_OF_A_YEAR = 12


def headline(
    name: str, now: Decimal | None, before: Decimal | None, days: DateRange, compared: DateRange | None
) -> str | None:
    """Such as "Revenue up 12.3 % on the month before"; None where there is nothing to compare."""
    if now is None or before is None or compared is None:
        return None
    change = percent(now - before, abs(before))
    if change is None:
        return None
    words = before_words(days, compared)
    if not change:
        return f"{name} unchanged from {words}"
    return f"{name} {'up' if change > 0 else 'down'} {abs(change):,} % on {words}"


def before_words(days: DateRange, compared: DateRange) -> str:
    """What the other days are to these."""
    follows = compared.last_day + ONE_DAY == days.first_day
    months, others = _whole_months(days), _whole_months(compared)
    if follows and months and months == others:
        return {1: "the month before", 3: "the quarter before", MONTHS_OF_A_YEAR: "the year before"}.get(
            months, f"the {months} months before"
        )
    if follows and days.days == compared.days:
        return {1: "the day before", 7: "the week before"}.get(days.days, f"the {days.days} days before")
    back = days.first_day - compared.first_day
    if back == timedelta(days=WEEKDAYS_BACK):
        return "the same weekdays a year earlier"
    if (compared.first_day.month, compared.first_day.year + 1) == (days.first_day.month, days.first_day.year):
        return "a year earlier"
    return days_text(compared)


def days_text(days: DateRange) -> str:
    """Such as "2025", "Mar 2026", "Jan to Mar 2026" or "1 to 20 Mar 2026"."""
    first, last = days.first_day, days.last_day
    months = _whole_months(days)
    if months == MONTHS_OF_A_YEAR and first.month == 1:
        return str(first.year)
    day = "" if months else f"{first.day} "
    end = _month_text(last) if months else _day_text(last)
    if months == 1 or first == last:
        return end
    if first.year != last.year:
        return f"{day}{_month_text(first)} to {end}"
    if first.month != last.month:
        return f"{day}{calendar.month_abbr[first.month]} to {end}"
    return f"{day}to {end}"


def moment_text(name: str, value: Cell) -> str:
    """A value of a dimension, as people write it."""
    if isinstance(value, date):
        return _month_text(value) if name == "month" else _day_text(value)
    if name == "weekday" and isinstance(value, int):
        return calendar.day_abbr[value - 1]
    return f"{value}:00" if name == "hour" else label(str(value))


def sentence(text: str) -> str:
    """The text as a sentence begins, whatever name it begins with."""
    return text[:1].upper() + text[1:]


def title_of(metric: str) -> str:
    """The name of a metric, for people."""
    return metric.replace("_percent", " %").replace("_", " ").capitalize()


def label(text: str) -> str:
    """A name as it can be drawn: one short line, without what steers or decorates text."""
    drawn = "".join(
        " " if character.isspace() else character
        for character in unicodedata.normalize("NFC", text)
        if character.isspace() or not _undrawn(character)
    )
    line = " ".join(drawn.split())
    return (f"{line[: LONGEST_LABEL - 1].rstrip()}…" if len(line) > LONGEST_LABEL else line) or "(no name)"


def _undrawn(character: str) -> bool:
    """Controls, directions, halves of characters, private ones; emoji and what colours them."""
    kind = unicodedata.category(character)
    return kind.startswith("C") or kind == "Me" or "\ufe00" <= character <= "\ufe0f" or character >= "\U0001f000"


def short(value: Decimal | None, unit: Unit) -> str:
    """A figure in few characters: 2.46M, 498,123, 145.49, 33.2 %."""
    if value is None:
        return "none"
    if unit == "percent":
        return f"{value:,} %"
    size = abs(value)
    # Thousands are written out: 47k beside 47k says nothing, and beside 8,536 it looks like less.
    for least, divisor, sign in ((BILLION - 5 * MILLION, BILLION, "B"), (MILLION - HALF, MILLION, "M")):
        if size >= least:
            return f"{value / divisor:,.2f}{sign}"
    if size >= THOUSAND or value == value.to_integral_value():
        return f"{value:,.0f}"
    return f"{value:,.2f}"


def change_text(value: Decimal | None, before: Decimal | None, unit: Unit) -> str:
    """Such as "▲ 12.4 %"; the difference of two percentages is in points."""
    if value is None or before is None:
        return ""
    change = value - before if unit == "percent" else percent(value - before, abs(before))
    if change is None:
        return "new" if value else ""
    if not change:
        return "no change"
    return f"{'▲' if change > 0 else '▼'} {abs(change):,} {'points' if unit == 'percent' else '%'}"


def _whole_months(days: DateRange) -> int:
    """How many calendar months these days are; 0 when they are not."""
    after = days.last_day + ONE_DAY
    if days.first_day.day != 1 or after.day != 1:
        return 0
    return (after.year - days.first_day.year) * 12 + after.month - days.first_day.month


def _month_text(day: date) -> str:
    return f"{calendar.month_abbr[day.month]} {day.year}"


def _day_text(day: date) -> str:
    return f"{day.day} {_month_text(day)}"
