"""Answers that are drawn in tests, and charts with names that mean harm."""

from datetime import date
from decimal import Decimal

from zava.core.model import DateRange, ResultColumn
from zava.core.use_cases.analyze_sales import Cell, SalesAnalysis
from zava.core.use_cases.get_store_performance import PeriodDates

JANUARY = DateRange(date(2026, 1, 1), date(2026, 1, 31))
FEBRUARY = DateRange(date(2026, 2, 1), date(2026, 2, 28))
MARCH = DateRange(date(2026, 3, 1), date(2026, 3, 31))
MARCH_2025 = DateRange(date(2025, 3, 1), date(2025, 3, 31))
QUARTER = DateRange(date(2026, 1, 1), date(2026, 3, 31))

HOSTILE = (
    '<b>Paint</b> & "roller"',
    "</text><script>alert(1)</script>",
    "${datum.x} __proto__ constructor",
    "',datum.value)//",
    "🔨 Hammer 👩‍🔧🎨",
    "مطرقة فولاذية",
    "פטיש",
    "漆",
    "evil \u202egnp.exe\nsecond line\0",
    "half a character \ud83d",
    "Z̵̡̨͇a̷̢͓l̴̡͖g̵̢̦o̶̧͙",
    "x" * 10_000,
    "x" * 10_001,
    "",
    " \t ",
)


def period(days: DateRange, ends_on: date | None = None, compared: DateRange | None = None) -> PeriodDates:
    return PeriodDates(
        "asked", days.first_day, days.last_day, ends_on or days.last_day, compared, "America/Los_Angeles"
    )


def analysis(
    columns: str,
    *rows: tuple[object, ...],
    days: PeriodDates | None = None,
    compared: DateRange | None = None,
    slices: int | None = None,
    stores: tuple[str, ...] = ("Seattle",),
) -> SalesAnalysis:
    """An analysis with these columns and rows; floats become Decimals."""
    return SalesAnalysis(
        columns=tuple(ResultColumn(name, "text") for name in columns.split()),
        rows=tuple(tuple(map(_cell, row)) for row in rows),
        row_count=len(rows),
        slices=len(rows) if slices is None else slices,
        totals=None,
        period=days or period(MARCH),
        compared_with=compared,
        currency="USD",
        stores=stores,
        as_of=None,
        tables=(),
        unrolled_days=0,
        explanation=None,
    )


def _cell(value: object) -> Cell:
    if isinstance(value, float):
        return Decimal(str(value))
    assert value is None or isinstance(value, str | int | date | Decimal)
    return value
