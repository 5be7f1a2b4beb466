"""How do these metrics split by these dimensions? Governed: one definition of each, for everybody."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Literal, TypeAlias, TypeVar

from zava.core.analysis import DIMENSIONS
from zava.core.categories import choose_categories
from zava.core.checks import check_range, check_text
from zava.core.errors import ValidationError
from zava.core.metrics import ANALYSIS_METRICS, Metric, change, percent
from zava.core.model import (
    AnalysisFigures,
    AnalysisQuery,
    DateRange,
    Directory,
    Fact,
    Principal,
    Ranking,
    ResultColumn,
    Totals,
)
from zava.core.named_products import choose_product
from zava.core.not_offered import not_offered
from zava.core.periods import Period, resolve_period_of, today_of
from zava.core.ports import ProductRepository, SalesRepository, StoreDirectory
from zava.core.use_cases.get_store_performance import PeriodDates, choose_stores, period_dates

CompareTo: TypeAlias = Literal["previous_period", "previous_year", "previous_year_weekdays"]
Key: TypeAlias = tuple[str | int | date, ...]
Cell: TypeAlias = str | int | date | Decimal | None
Row: TypeAlias = tuple[Cell, ...]
Filters: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]
Named = TypeVar("Named")

MOST_METRICS = 8
MOST_DIMENSIONS = 3
MOST_VALUES = 100
LONGEST_VALUE = 200
MOST_ROWS = 1_000
# Beyond this an analysis is a table dump, and nobody reads it.
MOST_SLICES = 50_000
WEEKDAYS_BACK = 364
# The metrics of these names are the sums themselves, so that whoever sums can rank by them.
SUMS = frozenset(field.name for field in fields(Totals))

# Which calendar slices have a counterpart in the days that one compares with.
LINED_UP: dict[CompareTo, frozenset[str]] = {
    "previous_period": frozenset(("day",)),
    "previous_year": frozenset(("day", "month", "quarter", "year")),
    "previous_year_weekdays": frozenset(("day", "week")),
}

# Why a figure cannot be split as asked, by where it comes from.
UNSPLIT: dict[Fact, str] = {
    "returns": "returns are known by the day",
    "first_orders": "an order is of several products",
    "targets": "targets are for stores and whole months",
}

ZERO = Totals(Decimal(0), Decimal(0), 0, 0, 0, Decimal(0))


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the metrics mean, and the query that finds them."""

    definitions: dict[str, str]
    sql: str
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class SalesAnalysis:
    """Metrics by dimensions.

    Attributes:
        rows: a value a column; money in the currency, percentages 0 to 100.
        row_count: rows shown.
        slices: rows there are.
        totals: the metrics of all slices together; None unless asked for.
        compared_with: the days of the columns that end in _previous.
        currency: of all money.
        stores: whose figures these are.
        as_of: the moment up to which everything is counted; None when nothing was.
        tables: that the figures come from.
        unrolled_days: days of stores that changed since they were summed, and were read from the orders instead.
        explanation: how they would be found; None unless asked for.
    """

    columns: tuple[ResultColumn, ...]
    rows: tuple[Row, ...]
    row_count: int
    slices: int
    totals: dict[str, Decimal | None] | None
    period: PeriodDates
    compared_with: DateRange | None
    currency: str
    stores: tuple[str, ...]
    as_of: datetime | None
    tables: tuple[str, ...]
    unrolled_days: int
    explanation: Explanation | None

    @property
    def cut(self) -> bool:
        """Whether there are more rows than these."""
        return self.row_count < self.slices


@dataclass(frozen=True)
class AnalyzeSales:
    """Decides what may be asked of what, which days are meant, and what the sums amount to."""

    directory: StoreDirectory
    sales: SalesRepository
    products: ProductRepository
    now: Callable[[], datetime]
    most_rows: int = MOST_ROWS

    async def __call__(  # noqa: PLR0913 - as callers may ask
        self,
        principal: Principal,
        metrics: Sequence[str],
        *,
        group_by: Sequence[str] = (),
        period: str,
        compare_to: CompareTo | None = None,
        filters: Mapping[str, Sequence[str]] | None = None,
        order_by: str | None = None,
        limit: int = 100,
        totals: bool = False,
        explain: bool = False,
    ) -> SalesAnalysis:
        """The metrics, a row for each slice.

        Args:
            principal: whose stores count.
            metrics: names of ANALYSIS_METRICS.
            group_by: names of DIMENSIONS; none for one row.
            period: as get_store_performance.
            compare_to: adds columns for other days.
            filters: values that count, by dimension.
            order_by: a column, with "desc" or "asc" behind it if wanted; the dimensions, unless said.
            limit: rows at most.
            totals: whether the metrics of all slices together, and shares of them, are wanted.
            explain: whether to say how the figures would be found, and not to find them.

        Raises:
            ValidationError: a name is unknown, or the combination means nothing. Says what would.
            AuthorizationError: no store is assigned to the principal, or one of the filters is not theirs.
            NotFoundError: there is no store, category or product of a filter.
        """
        wanted = choose_metrics(metrics)
        dimensions = tuple(
            _known("group_by", name, DIMENSIONS).name for name in _distinct("group_by", group_by, MOST_DIMENSIONS, 0)
        )
        chosen = _filters(filters or {})
        check_range("limit", limit, 1, self.most_rows)
        facts = _facts(wanted, {*dimensions, *(name for name, _ in chosen)})
        directory = await self.directory.stores_of(principal)
        stores = choose_stores(directory, None)
        chosen = await self._named(principal, directory, chosen)
        business = directory.business
        days = resolve_period_of(stores, period, today=today_of(business, self.now()), business=business)
        others = _compared(days, compare_to, dimensions)

        columns = _columns(dimensions, wanted, compared=others is not None, shares=totals)
        names = [column.name for column in columns]
        by, descending = _order(names, order_by, dimensions)
        # What is compared with other days is put in order when both are known.
        ranked = others is None and dimensions and by in {*dimensions, *SUMS}
        query = AnalysisQuery(
            dimensions,
            facts,
            chosen,
            days.elapsed,
            target_months(facts, days),
            MOST_SLICES,
            Ranking(by, descending, limit) if ranked else None,
        )
        analysis = SalesAnalysis(
            columns=columns,
            rows=(),
            row_count=0,
            slices=0,
            totals=None,
            period=period_dates(days, business.time_zone),
            compared_with=others,
            currency=business.currency,
            stores=tuple(store.name for store in stores),
            as_of=None,
            tables=(),
            unrolled_days=0,
            explanation=None,
        )
        if explain:
            plan = self.sales.explain(query)
            definitions = {metric.name: metric.definition for metric in wanted}
            return replace(
                analysis, tables=plan.tables, explanation=Explanation(definitions, plan.sql, plan.parameters)
            )

        figures = await self._ask(principal, query)
        now = {one.keys: one.totals for one in figures.slices}
        before: dict[Key, Totals] | None = None
        if others:
            shift = days.elapsed.first_day - others.first_day
            asked = replace(query, days=others, target_months=whole_months(others))
            before = {
                later: one.totals
                for one in (await self._ask(principal, asked)).slices
                if (later := _later(one.keys, dimensions, shift, compare_to)) is not None
            }
        everything = await self._everything(principal, query) if totals else None

        rows: list[Row] = [
            (
                *keys,
                *_figures(wanted, now.get(keys, ZERO), None if before is None else before.get(keys, ZERO), everything),
            )
            # Without dimensions, nothing sold is an answer too.
            for keys in dict.fromkeys((*now, *(before or ()))) or (() if dimensions else ((),))
        ]
        ordered = _ordered(rows, names.index(by), descending=descending)[:limit]
        return replace(
            analysis,
            rows=tuple(ordered),
            row_count=len(ordered),
            slices=max(figures.slice_count, len(rows)),
            totals={metric.name: metric.value(everything) for metric in wanted} if everything else None,
            as_of=figures.as_of,
            tables=figures.tables,
            unrolled_days=figures.unrolled_days,
        )

    async def _named(self, principal: Principal, directory: Directory, filters: Filters) -> Filters:
        """The filters, with names as they are written: one that is none would pass for something without sales."""
        named = dict(filters)
        if stores := named.get("store"):
            named["store"] = tuple(choose_stores(directory, store)[0].name for store in stores)
        for name in ("category", "product_type"):
            if values := named.get(name):
                named[name] = await choose_categories(self.products, principal, values)
        if products := named.get("product"):
            named["product"] = tuple([(await choose_product(self.products, principal, one)).name for one in products])
        known = {
            "region": sorted({store.region for store in directory.stores}),
            "channel": ["online", "shop"],
            "weekday": list(map(str, range(1, 8))),
            "hour": list(map(str, range(24))),
        }
        for name in known.keys() & named.keys():
            named[name] = tuple(_one_of(name, value, known[name]) for value in named[name])
        return tuple(named.items())

    async def _ask(self, principal: Principal, query: AnalysisQuery) -> AnalysisFigures:
        figures = await self.sales.analyze(principal, query)
        if figures.slice_count > query.most:
            raise ValidationError(
                "group_by", None, f"there are more than {query.most:,} rows; choose fewer dimensions, days or values"
            )
        return figures

    async def _everything(self, principal: Principal, query: AnalysisQuery) -> Totals:
        figures = await self.sales.analyze(principal, replace(query, dimensions=(), ranking=None))
        return figures.slices[0].totals if figures.slices else ZERO


def choose_metrics(names: Sequence[str]) -> list[Metric]:
    """The metrics of these names, one to MOST_METRICS.

    Raises:
        ValidationError: there is none of a name; says which is nearest.
    """
    return [_known("metrics", name, ANALYSIS_METRICS) for name in _distinct("metrics", names, MOST_METRICS, 1)]


def _distinct(field: str, names: Sequence[str], most: int, least: int) -> list[str]:
    distinct = list(dict.fromkeys(names))
    if not least <= len(distinct) <= most:
        raise ValidationError(field, len(distinct), f"name {least} to {most}")
    return distinct


def _known(field: str, name: str, known: Mapping[str, Named]) -> Named:
    if name in known:
        return known[name]
    nearest = get_close_matches(name[:LONGEST_VALUE], known, n=1)
    suggestion = f" Did you mean {nearest[0]}?" if nearest else ""
    if field == "metrics" and (missing := not_offered(name[:LONGEST_VALUE])):
        suggestion = f" Zava has no {missing.name}. Nearest to it: {missing.nearest}."
    raise ValidationError(
        field, name[:LONGEST_VALUE], f"there is no {name[:LONGEST_VALUE]!r}.{suggestion} There are: {', '.join(known)}"
    )


def _one_of(dimension: str, value: str, known: Sequence[str]) -> str:
    by_letters = {name.casefold(): name for name in known}
    if value.casefold() not in by_letters:
        raise ValidationError(
            "filters",
            value,
            f"there is no {dimension} {value!r}. There are: {', '.join(known)}. {DIMENSIONS[dimension].definition}",
        )
    return by_letters[value.casefold()]


def _filters(filters: Mapping[str, Sequence[str]]) -> Filters:
    for name, values in filters.items():
        _known("filters", name, DIMENSIONS)
        if not 1 <= len(values) <= MOST_VALUES:
            raise ValidationError("filters", len(values), f"name 1 to {MOST_VALUES} values of {name}")
        for value in values:
            check_text("filters", value, most_bytes=LONGEST_VALUE, empty=f"name a value of {name}")
            if (written := DIMENSIONS[name].written) and not re.fullmatch(written, value):
                raise ValidationError("filters", value, f"{value!r} is no {name}. {DIMENSIONS[name].definition}")
    return tuple((name, tuple(values)) for name, values in filters.items())


def _facts(metrics: Iterable[Metric], dimensions: Collection[str]) -> frozenset[Fact]:
    """Where the figures come from; raises when one of them cannot be split so."""
    for metric in metrics:
        for name in sorted(dimensions):
            if not metric.facts <= DIMENSIONS[name].facts:
                raise ValidationError("metrics", metric.name, f"{metric.name} has no {name}: {_why_not(metric, name)}")
    return frozenset[Fact]().union(*(metric.facts for metric in metrics))


def _why_not(metric: Metric, dimension: str) -> str:
    missing = metric.facts - DIMENSIONS[dimension].facts
    return UNSPLIT[min(missing)]


def target_months(facts: Collection[Fact], days: Period) -> DateRange | None:
    """The whole months whose targets count, if any are wanted.

    Raises:
        ValidationError: the period is not whole months.
    """
    if "targets" not in facts:
        return None
    months = whole_months(days.whole)
    if months is None:
        raise ValidationError(
            "period", days.name, "targets are for whole months; write this_month, last_month, 2025-11, 2026-Q2 or 2025"
        )
    return months


def whole_months(days: DateRange) -> DateRange | None:
    """These days if they are whole months."""
    whole = days.first_day.day == 1 and (days.last_day + timedelta(days=1)).day == 1
    return days if whole else None


def _compared(days: Period, compare_to: CompareTo | None, dimensions: Sequence[str]) -> DateRange | None:
    """The other days, if the slices of both line up."""
    if compare_to is None:
        return None
    calendar = {name for name in dimensions if DIMENSIONS[name].calendar}
    if unlike := sorted(calendar - LINED_UP[compare_to]):
        raise ValidationError(
            "compare_to",
            compare_to,
            f"a {unlike[0]} has no counterpart there; group by {' or '.join(sorted(LINED_UP[compare_to]))}",
        )
    if compare_to == "previous_year":
        return DateRange(_a_year_before(days.elapsed.first_day), _a_year_before(days.elapsed.last_day))
    if compare_to == "previous_year_weekdays":
        back = timedelta(days=WEEKDAYS_BACK)
        return DateRange(days.elapsed.first_day - back, days.elapsed.last_day - back)
    if days.previous is None:
        raise ValidationError("compare_to", compare_to, f"{days.name} has no period before it")
    return days.previous


def _later(key: Key, dimensions: Sequence[str], shift: timedelta, compare_to: CompareTo | None) -> Key | None:
    """The counterpart of an earlier slice; None of a 29 February, which has none a year later."""

    def later(name: str, value: str | int | date) -> str | int | date:
        if not DIMENSIONS[name].calendar:
            return value
        if compare_to != "previous_year":
            return value + shift if isinstance(value, date) else value
        if isinstance(value, date):
            return value.replace(year=value.year + 1)
        return value + 1 if isinstance(value, int) else f"{int(value[:4]) + 1}{value[4:]}"

    try:
        return tuple(map(later, dimensions, key))
    except ValueError:
        return None


def _a_year_before(day: date) -> date:
    try:
        return day.replace(year=day.year - 1)
    except ValueError:  # 29 February
        return day.replace(year=day.year - 1, day=28)


def change_column(metric: Metric) -> str:
    """The name of the column that says how it changed."""
    return f"{metric.name}_change_{'points' if metric.unit == 'percent' else 'percent'}"


def _columns(
    dimensions: Sequence[str], metrics: Sequence[Metric], *, compared: bool, shares: bool
) -> tuple[ResultColumn, ...]:
    columns = [ResultColumn(name, DIMENSIONS[name].type) for name in dimensions]
    for metric in metrics:
        names = [metric.name]
        if compared:
            names += [f"{metric.name}_previous", change_column(metric)]
        if shares and metric.additive:
            names.append(f"{metric.name}_share_percent")
        columns += [ResultColumn(name, "numeric") for name in names]
    return tuple(columns)


def _figures(
    metrics: Iterable[Metric], now: Totals, before: Totals | None, everything: Totals | None
) -> Iterable[Decimal | None]:
    for metric in metrics:
        value = metric.value(now)
        yield value
        if before is not None:
            previous = metric.value(before)
            yield previous
            yield change(metric, value, previous)
        if everything is not None and metric.additive:
            whole = metric.value(everything)
            yield percent(value, whole) if value is not None and whole is not None else None


def _order(names: Sequence[str], order_by: str | None, dimensions: Sequence[str]) -> tuple[str, bool]:
    """The column to sort by, and whether the greatest comes first: the caller's, time, or the first metric."""
    if order_by is None:
        runs = bool(dimensions) and DIMENSIONS[dimensions[0]].runs
        return (names[0], False) if runs else (names[len(dimensions)], True)
    name, _, direction = order_by.strip().partition(" ")
    if name not in names or direction.strip().lower() not in ("", "asc", "desc"):
        raise ValidationError(
            "order_by", order_by[:LONGEST_VALUE], f"name one of {', '.join(names)}, and desc or asc behind it"
        )
    return name, direction.strip().lower() == "desc"


def _ordered(rows: Iterable[Row], column: int, *, descending: bool) -> list[Row]:
    """By a column. Those that are equal come in the order of the dimensions, so that a limit always cuts alike."""
    return sorted(sorted(rows, key=_keys), key=lambda row: _rank(row[column]), reverse=descending)


def _rank(value: Cell) -> tuple[bool, Any]:
    """Nothing is less than anything."""
    return (value is not None, value if value is not None else 0)


def _keys(row: Row) -> list[tuple[bool, Any]]:
    return [_rank(value) for value in row]
