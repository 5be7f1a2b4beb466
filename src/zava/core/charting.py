"""Which chart suits an answer, and what it says. Decided from the shape of the answer and its figures alone."""

import calendar
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TypeAlias

from zava.core.analysis import DIMENSIONS
from zava.core.chart_texts import change_text, days_text, headline, label, moment_text, sentence, short, title_of
from zava.core.charts import (
    FEWEST_OF_A_LINE,
    MOST_BARS,
    MOST_POINTS,
    MOST_SERIES,
    Chart,
    Figure,
    Mark,
    Series,
)
from zava.core.errors import ChartError
from zava.core.metrics import ANALYSIS_METRICS, Metric, Unit
from zava.core.model import DateRange
from zava.core.periods import ONE_DAY, add_months
from zava.core.use_cases.analyze_sales import ZERO, Cell, Row, SalesAnalysis, change_column
from zava.core.use_cases.compare_stores import StoreComparison
from zava.core.use_cases.get_store_performance import PeriodDates, StorePerformance

Moment: TypeAlias = date | int | str
Key: TypeAlias = tuple[Cell, ...]

# From the finest: each is made of those before it, but that a week lies across months.
CALENDAR = ("day", "week", "month", "quarter", "year")
RUNNING = (*CALENDAR, "hour", "weekday")
HEADLINES = ("revenue", "orders", "average_order_value", "gross_margin_percent")


def chart_performance(result: StorePerformance) -> Chart:
    """The headline figures, and the best categories beside what they were."""
    revenue = result.metrics["revenue"]
    compared = result.period.compared_with
    figures = [
        Figure(
            title_of(name),
            short(change.value, change.unit),
            change_text(change.value, change.previous, change.unit) if compared else "",
        )
        for name, change in ((name, result.metrics[name]) for name in HEADLINES)
    ]
    if (target := result.target) and target.reached_percent is not None:
        figures.append(
            Figure("Target", short(target.reached_percent, "percent"), f"of {short(target.revenue_target, 'money')}")
        )
    return bars(
        title=headline("Revenue", revenue.value, revenue.previous, _days(result.period), compared)
        or f"Revenue of {short(revenue.value, 'money')} {revenue.currency}",
        subtitle=(
            f"{revenue.currency}, {label(result.store.name)}, {days_text(_days(result.period))}",
            f"bars: revenue of {'the best ' if len(result.top_categories) > 1 else ''}categories",
            *_ghost(compared),
        ),
        unit="money",
        values=[(label(one.name), one.revenue, one.previous_revenue) for one in result.top_categories],
        compared=compared is not None,
        figures=figures,
    )


def chart_analysis(result: SalesAnalysis) -> Chart:
    """The first metric by what it is split by; without a split, all of them as figures.

    Raises:
        ChartError: nothing to show, too many points, or a part of a stretch of time.
    """
    table = _Analysis(result)
    if not result.rows:
        raise ChartError("there is nothing to show")
    if not table.dimensions:
        return _of_figures(table)
    running = [name for name in table.dimensions if DIMENSIONS[name].runs]
    if not running:
        return _of_names(table)
    return _of_moments(table, next((name for name in RUNNING if name in running), running[0]))


def chart_comparison(result: StoreComparison) -> Chart:
    """The stores by the first metric, beside what they were where that can be compared.

    Raises:
        ChartError: one store, or none, has a figure.
    """
    places = {column.name: place for place, column in enumerate(result.columns)}
    metric = next(ANALYSIS_METRICS[name] for name in places if name in ANALYSIS_METRICS)
    name, previous, changed = title_of(metric.name), f"{metric.name}_previous", change_column(metric)
    compared = result.period.compared_with

    def figure(row: Sequence[Cell], column: str) -> Decimal | None:
        return _decimal(row[places[column]]) if column in places else None

    values = [
        (
            label(str(row[places["store"]])),
            figure(row, metric.name),
            # A store that was not open all the while is not compared.
            figure(row, previous) if figure(row, changed) is not None else None,
        )
        for row in result.rows
    ]
    known = [(store, value) for store, value, _ in values if value is not None]
    if len(known) < 2:  # noqa: PLR2004 - one bar compares nothing
        raise ChartError("there is one store, and nothing beside it")
    currency = f" {result.currency}" if metric.unit == "money" else ""
    store, first = max(known, key=lambda one: one[1])
    moved = None
    if metric.unit != "percent":
        moved = headline(
            name, result.totals.get(metric.name), result.totals.get(previous), _days(result.period), compared
        )
    return bars(
        title=sentence(moved or f"{store} is highest in {name.lower()}: {short(first, metric.unit)}{currency}"),
        subtitle=(
            f"{name}{f' in{currency}' if currency else ''} by store",
            days_text(_days(result.period)),
            *_ghost(compared),
        ),
        unit=metric.unit,
        values=values,
        compared=compared is not None,
    )


def bars(  # noqa: PLR0913 - what a bar chart consists of
    *,
    title: str,
    subtitle: Iterable[str],
    unit: Unit,
    values: Iterable[tuple[str, Decimal | None, Decimal | None]],
    compared: bool,
    of: int = 0,
    figures: Iterable[Figure] = (),
) -> Chart:
    """Bars of names, the longest first; what has no value has no bar.

    Args:
        title: the finding.
        subtitle: in parts.
        unit: of the values.
        values: a name, its value, and its value before.
        compared: whether there is a before.
        of: how many values there are, when these are not all.
        figures: above the bars.
    """
    ranked = [(name, value, before) for name, value, before in values if value is not None]
    ranked.sort(key=lambda one: one[1], reverse=True)
    kept = ranked[:MOST_BARS]
    there_are = max(of, len(ranked))
    left_out = [f"{len(kept)} of {there_are:,}"] if there_are > len(kept) else []
    notes = [
        f"{short(value, unit)}   {change_text(value, before, unit)}".rstrip() if compared else short(value, unit)
        for _, value, before in kept
    ]
    series = [Series("", tuple(value for _, value, _ in kept))]
    if compared:
        series.append(Series("", tuple(before for _, _, before in kept), before=True))
    return Chart(
        mark="bars" if kept else "figures",
        title=title,
        subtitle="; ".join((*subtitle, *left_out)),
        unit=unit,
        labels=tuple(name for name, _, _ in kept),
        series=tuple(series) if kept else (),
        notes=tuple(notes),
        figures=tuple(figures),
    )


@dataclass(frozen=True)
class _Analysis:
    """An analysis, and where in its rows things are."""

    result: SalesAnalysis

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.result.columns]

    @property
    def dimensions(self) -> list[str]:
        return [name for name in self.names if name in DIMENSIONS]

    @property
    def metrics(self) -> list[Metric]:
        return [ANALYSIS_METRICS[name] for name in self.names if name in ANALYSIS_METRICS]

    @property
    def metric(self) -> Metric:
        return self.metrics[0]

    @property
    def complete(self) -> bool:
        return self.result.slices == self.result.row_count

    @property
    def compared(self) -> DateRange | None:
        return self.result.compared_with

    def figure(self, row: Row, name: str) -> Decimal | None:
        """The figure of this column; None where there is none."""
        names = self.names
        return _decimal(row[names.index(name)]) if name in names else None

    def value(self, row: Row) -> Decimal | None:
        return self.figure(row, self.metric.name)

    def before(self, row: Row) -> Decimal | None:
        return self.figure(row, f"{self.metric.name}_previous")

    def keys(self, row: Row, dimensions: Sequence[str]) -> str:
        """What these dimensions are in this row, in words."""
        names = self.names
        return " · ".join(moment_text(name, row[names.index(name)]) for name in dimensions)

    def amount(self, value: Decimal | None) -> str:
        """A figure of the first metric, with its unit."""
        currency = f" {self.result.currency}" if self.metric.unit == "money" else ""
        return f"{short(value, self.metric.unit)}{currency}"

    def headline(self) -> str | None:
        """How the whole moved, where the parts that are shown make it up."""
        if not (self.metric.additive and self.complete and self.compared):
            return None
        rows = self.result.rows
        now = sum((self.value(row) or Decimal(0) for row in rows), Decimal(0))
        before = sum((self.before(row) or Decimal(0) for row in rows), Decimal(0))
        return headline(title_of(self.metric.name), now, before, _days(self.result.period), self.compared)

    def leader(self, values: Sequence[tuple[str, Decimal]]) -> str:
        """Who is first, and with how much of the whole where that means something."""
        name, first = max(values, key=lambda one: one[1])
        metric = title_of(self.metric.name)
        whole = sum((value for _, value in values), Decimal(0))
        if len(values) == 1:
            return f"{name}: {metric.lower()} {self.amount(first)}"
        if not self.complete:
            return f"{name} is highest of the {len(values)} listed: {self.amount(first)}"
        if self.metric.additive and whole > 0 and min(value for _, value in values) >= 0:
            return f"{name} leads with {first * 100 / whole:.0f} % of {metric.lower()}"
        return f"{name} is highest in {metric.lower()}: {self.amount(first)}"

    def subtitle(self, dimensions: Sequence[str]) -> list[str]:
        """Of what, by what, where, when."""
        metric = title_of(self.metric.name)
        unit = f" in {self.result.currency}" if self.metric.unit == "money" else ""
        by = f" by {' and '.join(name.replace('_', ' ') for name in dimensions)}" if dimensions else ""
        stores = self.result.stores
        where = label(stores[0]) if len(stores) == 1 else f"{len(stores)} stores"
        return [f"{metric}{unit}{by}", where, days_text(_days(self.result.period))]


def _of_figures(table: _Analysis) -> Chart:
    row, result = table.result.rows[0], table.result
    value, before = table.value(row), table.before(row)
    moved = None
    if table.compared and table.metric.unit != "percent":
        moved = headline(title_of(table.metric.name), value, before, _days(result.period), table.compared)
    return Chart(
        mark="figures",
        title=moved or f"{title_of(table.metric.name)}: {table.amount(value)}",
        subtitle="; ".join((result.currency, *table.subtitle(())[1:])),
        figures=tuple(_figure(table, row, metric) for metric in table.metrics),
    )


def _figure(table: _Analysis, row: Row, metric: Metric) -> Figure:
    value, before = table.figure(row, metric.name), table.figure(row, f"{metric.name}_previous")
    moved = f"{change_text(value, before, metric.unit)} from {short(before, metric.unit)}" if table.compared else ""
    return Figure(title_of(metric.name), short(value, metric.unit), moved.strip())


def _of_names(table: _Analysis) -> Chart:
    values = [(table.keys(row, table.dimensions), table.value(row), table.before(row)) for row in table.result.rows]
    known = [(name, value) for name, value, _ in values if value is not None]
    if not known:
        raise ChartError("there is nothing to show")
    return bars(
        title=sentence(table.headline() or table.leader(known)),
        subtitle=(*table.subtitle(table.dimensions), *_ghost(table.compared)),
        unit=table.metric.unit,
        values=values,
        compared=table.compared is not None,
        of=table.result.slices,
    )


def _of_moments(table: _Analysis, moment: str) -> Chart:
    result = table.result
    _check_points(max(result.slices, len(result.rows)))
    if not table.complete:
        raise ChartError(
            f"a line through {result.row_count} of {result.slices} rows would mislead; ask again with limit "
            f"{result.slices}"
        )
    # Those that a month or a quarter lies in say nothing more.
    others = [name for name in table.dimensions if name != moment and not DIMENSIONS[name].calendar]
    place = table.names.index(moment)
    lines: dict[Key, dict[Moment, Decimal | None]] = {}
    # Two that are shown alike stay two.
    shown: dict[Key, str] = {}
    before: dict[Moment, Decimal | None] = {}
    for row in result.rows:
        at = row[place]
        if at is None or isinstance(at, Decimal):
            raise ChartError(f"a row has no {moment}")
        key = tuple(row[table.names.index(name)] for name in others)
        shown[key] = table.keys(row, others)
        line = lines.setdefault(key, {})
        if at in line:
            raise ChartError(f"one {moment} has several rows; group by one stretch of time")
        line[at], before[at] = table.value(row), table.before(row)
    moments = _without_gaps(moment, {at for line in lines.values() for at in line})
    nothing = table.metric.value(ZERO)
    sums = {
        key: sum((value for value in line.values() if value is not None), Decimal(0)) for key, line in lines.items()
    }
    of_a_week = set(table.dimensions) == {"hour", "weekday"}
    # Such as the title speaks of: who has most of the whole, or who was highest once.
    rank = sums if table.metric.additive else {key: _highest(line.values()) for key, line in lines.items()}
    highest = sorted(lines, key=lambda key: rank[key], reverse=True)[:MOST_SERIES]
    kept = sorted(lines, key=str) if of_a_week else highest
    series = [Series(shown[key], tuple(lines[key].get(at, nothing) for at in moments)) for key in kept]
    if table.compared and not others:
        series = [
            Series(days_text(_days(result.period)), series[0].values),
            Series(days_text(table.compared), tuple(before.get(at, nothing) for at in moments), before=True),
        ]
    few = len(moments) < FEWEST_OF_A_LINE or (not DIMENSIONS[moment].calendar and not others)
    mark: Mark = "heat" if of_a_week else "columns" if few else "line"
    left_out = [f"{len(kept)} highest of {len(lines)}"] if len(lines) > len(kept) else []
    return Chart(
        mark=mark,
        title=sentence(
            _title_over(
                table,
                moment,
                [(shown[key], line) for key, line in lines.items()],
                [] if of_a_week else [(shown[key], whole) for key, whole in sums.items()],
            )
        ),
        subtitle="; ".join(
            (
                *table.subtitle((moment, *others)),
                *left_out,
                *_in_part(result.period, moment, moments),
            )
        ),
        unit=table.metric.unit,
        from_zero=nothing is not None,
        labels=tuple(at if mark == "line" and isinstance(at, date) else moment_text(moment, at) for at in moments),
        series=tuple(series),
    )


def _highest(values: Iterable[Decimal | None]) -> Decimal:
    return max((value for value in values if value is not None), default=Decimal("-Infinity"))


def _check_points(points: int) -> None:
    if points > MOST_POINTS:
        raise ChartError(
            f"{points:,} points are more than the {MOST_POINTS:,} that can be read; group by a longer stretch of time, "
            "or by fewer names"
        )


def _title_over(
    table: _Analysis,
    moment: str,
    lines: Sequence[tuple[str, dict[Moment, Decimal | None]]],
    sums: Sequence[tuple[str, Decimal]],
) -> str:
    """How the whole moved, or who leads, or when it was highest."""
    if moved := table.headline():
        return moved
    if table.metric.additive and len(sums) > 1:
        return table.leader(sums)
    known = [(value, at, name) for name, line in lines for at, value in line.items() if value is not None]
    if not known:
        raise ChartError("there is nothing to show")
    value, at, name = max(known, key=lambda one: one[0])
    metric = title_of(table.metric.name)
    if name in calendar.day_abbr:
        day = _when("weekday", list(calendar.day_abbr).index(name) + 1)
        return f"{metric} highest {day} {_when(moment, at)}: {table.amount(value)}"
    if name:
        return f"{name} is highest in {metric.lower()}: {table.amount(value)} {_when(moment, at)}"
    return f"{metric} highest {_when(moment, at)}: {table.amount(value)}"


def _when(moment: str, at: Moment) -> str:
    text = moment_text(moment, at)
    if moment == "weekday" and isinstance(at, int):
        return f"on {calendar.day_name[at - 1]}s"
    return f"{ {'day': 'on', 'week': 'in the week of', 'hour': 'at'}.get(moment, 'in') } {text}"


def _without_gaps(moment: str, moments: set[Moment]) -> list[Moment]:
    """From the first to the last; days without sales are days."""
    found: list[Moment] = sorted(moments, key=lambda at: (isinstance(at, str), at))
    first, last = found[0], found[-1]
    if isinstance(first, int) and isinstance(last, int):
        return list(range(1, 8)) if moment == "weekday" else list(range(first, last + 1))
    if not (isinstance(first, date) and isinstance(last, date)):
        return found
    filled = [first]
    while filled[-1] < last:
        _check_points(len(filled) + 1)
        at = filled[-1]
        filled.append(add_months(at, 1) if moment == "month" else at + (7 * ONE_DAY if moment == "week" else ONE_DAY))
    return list(filled)


def _in_part(period: PeriodDates, moment: str, moments: Sequence[Moment]) -> list[str]:
    """Which of them the period covers in part, so that nobody takes its dip for a fall."""
    if moment not in CALENDAR:
        return []
    first, last = moments[0], moments[-1]
    parts = []
    if isinstance(first, date) and first < period.first_day:
        parts.append("first")
    next_day = period.last_day + ONE_DAY
    whole = {
        "week": isinstance(last, date) and last + 7 * ONE_DAY <= next_day,
        "month": next_day.day == 1,
        "quarter": next_day.day == 1,
        "year": next_day.day == 1,
    }.get(moment, True)
    if not whole or period.ends_on > period.last_day:
        parts.append("last")
    return [f"{' and '.join(parts)} {moment} in part"] if parts else []


def _ghost(compared: DateRange | None) -> tuple[str, ...]:
    return (f"grey: {days_text(compared)}",) if compared else ()


def _days(period: PeriodDates) -> DateRange:
    return DateRange(period.first_day, period.last_day)


def _decimal(cell: Cell) -> Decimal | None:
    return Decimal(cell) if isinstance(cell, Decimal | int) else None
