"""How do my stores compare? Who sees one store learns in which quarter of the chain it stands."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from statistics import median
from typing import TypeAlias

from zava.core.metrics import CHAIN_METRICS, Metric, change, percent
from zava.core.model import (
    AnalysisFigures,
    AnalysisQuery,
    ChainStanding,
    DateRange,
    Fact,
    Principal,
    ResultColumn,
    Store,
    Totals,
)
from zava.core.periods import Period, resolve_period_of, today_of
from zava.core.ports import SalesRepository, StoreDirectory
from zava.core.use_cases.analyze_sales import ZERO, change_column, choose_metrics, target_months, whole_months
from zava.core.use_cases.get_store_performance import PeriodDates, choose_stores, period_dates

# By column.
Figures: TypeAlias = dict[str, Decimal | None]
ComparedRow: TypeAlias = tuple[str | int | Decimal | None, ...]

# Among fewer nothing is usual.
LEAST_SHOPS_FOR_OUTLIERS = 5
OUTLIER_DEVIATIONS = 5

QUARTERS = ("top", "second", "third", "bottom")


@dataclass(frozen=True, slots=True)
class StoreComparison:
    """Stores side by side.

    Attributes:
        rows: a value a column, a row a store; the highest by the first metric come first. Rank 1 is the highest. A
            change is that of a store which was open during all of both periods.
        totals: of all stores together, by column; nothing with one store.
        like_for_like: of those that were open during all of both periods; nothing when there are none.
        like_for_like_stores: their names.
        outliers: shops with figures or changes far from those of most, by column.
        quartiles: of one's only shop in the chain, by metric; 1 is the quarter with the highest figures.
        notes: sentences on where the shop stands, what is left out, and why.
        currency: of all money.
        as_of: the moment up to which everything is counted.
    """

    columns: tuple[ResultColumn, ...]
    rows: tuple[ComparedRow, ...]
    totals: Figures
    like_for_like: Figures
    like_for_like_stores: tuple[str, ...]
    outliers: dict[str, tuple[str, ...]]
    quartiles: dict[str, int]
    notes: tuple[str, ...]
    period: PeriodDates
    currency: str
    as_of: datetime


@dataclass(frozen=True)
class CompareStores:
    """Decides which stores can be compared with which, and what a store may know of the others.

    Attributes:
        quartiles: whether who sees one store learns where it stands in the chain.
        least_shops: that are compared for it.
    """

    directory: StoreDirectory
    sales: SalesRepository
    now: Callable[[], datetime]
    quartiles: bool
    least_shops: int

    async def __call__(self, principal: Principal, period: str, metrics: Sequence[str]) -> StoreComparison:
        """The principal's stores side by side; for who sees one store, where it stands in the chain.

        Args:
            principal: whose stores are compared.
            period: as get_store_performance.
            metrics: names of ANALYSIS_METRICS; the first ranks the stores.

        Raises:
            ValidationError: a name or the period means nothing. Says what would.
            AuthorizationError: no store is assigned to the principal.
        """
        wanted = choose_metrics(metrics)
        directory = await self.directory.stores_of(principal)
        mine = choose_stores(directory, None)
        business = directory.business
        days = resolve_period_of(mine, period, today=today_of(business, self.now()), business=business)
        facts = frozenset[Fact]().union(*(metric.facts for metric in wanted))
        query = AnalysisQuery(("store",), facts, (), days.elapsed, target_months(facts, days), len(mine))

        found = await self.sales.analyze(principal, query)
        now = _by_store(found)
        before = _by_store(await self.sales.analyze(principal, _at(query, days.previous))) if days.previous else None
        stores = [store for store in mine if store.opened_on <= days.elapsed.last_day or store.name in now]
        alike = [store for store in stores if days.previous and store.opened_on <= days.previous.first_day]
        figures = {
            store.name: _figures(
                wanted,
                now.get(store.name, ZERO),
                None if before is None else before.get(store.name, ZERO),
                changed=store in alike,
            )
            for store in stores
        }
        columns = _columns(wanted, compared=days.previous is not None, several=len(mine) > 1)
        shops = [store for store in stores if not store.is_online]
        totals: Figures = {}
        like_for_like: Figures = {}
        outliers: dict[str, tuple[str, ...]] = {}
        quartiles: dict[str, int] = {}
        if len(mine) == 1:
            standing = await self._standing(principal, mine[0], wanted, days.elapsed)
            quartiles = {one.metric: one.quartile for one in standing}
            notes = tuple(map(_sentence, standing)) or (self._silence(mine[0], wanted),)
        else:
            totals = await self._together(principal, wanted, query, days.previous)
            if alike:
                only = replace(query, filters=(("store", tuple(store.name for store in alike)),))
                like_for_like = (
                    totals if alike == stores else await self._together(principal, wanted, only, days.previous)
                )
            settled = [store.name for store in shops if store.opened_on <= days.elapsed.first_day]
            outliers = dict(_outliers({name: figures[name] for name in settled}))
            notes = tuple(_notes(mine, stores, alike, days))
        return StoreComparison(
            columns=columns,
            rows=_rows(columns, figures, [store.name for store in shops], totals),
            totals=totals,
            like_for_like=like_for_like,
            like_for_like_stores=tuple(store.name for store in alike) if like_for_like else (),
            outliers=outliers,
            quartiles=quartiles,
            notes=notes,
            period=period_dates(days, business.time_zone),
            currency=business.currency,
            as_of=found.as_of,
        )

    async def _together(
        self, principal: Principal, wanted: Sequence[Metric], query: AnalysisQuery, previous: DateRange | None
    ) -> Figures:
        """What these stores amount to together; not all figures add up."""
        every = replace(query, dimensions=())
        now = (await self.sales.analyze(principal, every)).slices
        before = (await self.sales.analyze(principal, _at(every, previous))).slices if previous else None
        return _figures(
            wanted,
            now[0].totals if now else ZERO,
            None if before is None else before[0].totals if before else ZERO,
            changed=True,
        )

    async def _standing(
        self, principal: Principal, store: Store, wanted: Sequence[Metric], days: DateRange
    ) -> list[ChainStanding]:
        """Where the store stands by each metric of which that is told."""
        if not self.quartiles or store.is_online:
            return []
        told = {one.metric: one for one in await self.sales.chain_standing(principal, days, self.least_shops)}
        return [told[metric.name] for metric in wanted if metric.name in told]

    def _silence(self, store: Store, wanted: Sequence[Metric]) -> str:
        """Why it is not told where the store stands."""
        if not self.quartiles:
            return "Where a store stands in the chain is not told here."
        if store.is_online:
            return "The online store is not compared with shops."
        if not CHAIN_METRICS.intersection(metric.name for metric in wanted):
            return f"Where your store stands in the chain is told by {', '.join(sorted(CHAIN_METRICS))}."
        return (
            "Where your store stands in the chain is told for a whole week, month, fiscal quarter or fiscal year that "
            "is over, such as last_week, last_month, 2026-Q2 or 2025; and only if yours and others, at least "
            f"{self.least_shops} shops in all, had sales in it and in the one before."
        )


def _at(query: AnalysisQuery, days: DateRange) -> AnalysisQuery:
    """The same question for other days."""
    return replace(query, days=days, target_months=whole_months(days))


def _by_store(found: AnalysisFigures) -> Mapping[str, Totals]:
    return {str(one.keys[0]): one.totals for one in found.slices}


def _sentence(standing: ChainStanding) -> str:
    quarter = QUARTERS[standing.quartile - 1]
    return f"Your store is in the {quarter} quarter of {standing.metric} in the chain of {standing.shops} shops."


def _columns(wanted: Sequence[Metric], *, compared: bool, several: bool) -> tuple[ResultColumn, ...]:
    columns = [ResultColumn("store", "text")]
    for metric in wanted:
        columns.append(ResultColumn(metric.name, "numeric"))
        if several:
            columns.append(ResultColumn(f"{metric.name}_rank", "integer"))
        if compared:
            columns += [ResultColumn(name, "numeric") for name in (f"{metric.name}_previous", change_column(metric))]
        if several and metric.additive:
            columns.append(ResultColumn(f"{metric.name}_share_percent", "numeric"))
    return tuple(columns)


def _figures(wanted: Sequence[Metric], now: Totals, before: Totals | None, *, changed: bool) -> Figures:
    """Each metric, and what it was before; how it changed, if that means something."""
    figures: Figures = {}
    for metric in wanted:
        value = figures[metric.name] = metric.value(now)
        if before is not None:
            previous = figures[f"{metric.name}_previous"] = metric.value(before)
            figures[change_column(metric)] = change(metric, value, previous) if changed else None
    return figures


def _rows(
    columns: Sequence[ResultColumn], figures: Mapping[str, Figures], ranked: Sequence[str], totals: Figures | None
) -> tuple[ComparedRow, ...]:
    """The figures of each store, with ranks among those that are ranked and shares of the totals."""

    def cell(name: str, column: str) -> str | int | Decimal | None:
        value = figures[name].get(column)
        if column == "store":
            return name
        if column.endswith("_rank"):
            metric = column.removesuffix("_rank")
            value = figures[name][metric]
            rivals = [rival for one in ranked if (rival := figures[one][metric]) is not None]
            return 1 + sum(rival > value for rival in rivals) if name in ranked and value is not None else None
        if column.endswith("_share_percent") and totals:
            metric = column.removesuffix("_share_percent")
            part, whole = figures[name][metric], totals[metric]
            return None if part is None or whole is None else percent(part, whole)
        return value

    def place(name: str) -> tuple[bool, Decimal, str]:
        value = figures[name][columns[1].name]
        return (value is None, -(value or Decimal(0)), name)

    return tuple(tuple(cell(name, column.name) for column in columns) for name in sorted(figures, key=place))


def _outliers(figures: Mapping[str, Figures]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Who has a figure or a change that is far from the median, by column."""
    for column in next(iter(figures.values()), {}):
        known = {name: value for name, one in figures.items() if (value := one[column]) is not None}
        if column.endswith("_previous") or len(known) < LEAST_SHOPS_FOR_OUTLIERS:
            continue
        middle = median(known.values())
        usual = median(abs(value - middle) for value in known.values())
        # Where most are the same, whoever differs a little is no outlier for that.
        if usual and (far := [name for name in known if abs(known[name] - middle) > OUTLIER_DEVIATIONS * usual]):
            yield column, tuple(far)


def _notes(mine: Sequence[Store], stores: Sequence[Store], alike: Sequence[Store], days: Period) -> Iterator[str]:
    if closed := [store.name for store in mine if store not in stores]:
        yield f"Not open yet: {', '.join(closed)}."
    if days.previous and (later := [store.name for store in stores if store not in alike]):
        yield f"No change, since not open during all of both periods: {', '.join(later)}."
    if online := [store.name for store in stores if store.is_online]:
        yield f"Online shops have no rank and are never outliers: {', '.join(online)}."
    yield (
        f"Outliers are more than {OUTLIER_DEVIATIONS} median absolute deviations from the median of "
        f"{LEAST_SHOPS_FOR_OUTLIERS} shops or more."
    )
