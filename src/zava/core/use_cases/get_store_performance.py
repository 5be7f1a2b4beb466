"""How is my store doing? Or all of my stores together."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from zava.core.errors import AuthorizationError, NotFoundError, ValidationError
from zava.core.insights import Insight, find_insights
from zava.core.metrics import METRICS, Unit, gross_margin_percent, percent
from zava.core.model import DateRange, Directory, PerformanceFigures, Principal, SliceSales, Store, Totals
from zava.core.periods import Period, resolve_period_of, today_of
from zava.core.ports import SalesRepository, StoreDirectory

LONGEST_STORE_NAME = 100
STORES_LISTED = 20


@dataclass(frozen=True, slots=True)
class StoreScope:
    """What the figures cover: one store, or all that the principal sees."""

    name: str
    stores: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PeriodDates:
    """The days behind a period's name.

    Attributes:
        name: as it was asked for.
        last_day: that counts; today while the period runs.
        ends_on: its own last day, which lies ahead while it runs.
        compared_with: the comparable days before; None where there are none.
        time_zone: in which days are counted.
    """

    name: str
    first_day: date
    last_day: date
    ends_on: date
    compared_with: DateRange | None
    time_zone: str


@dataclass(frozen=True, slots=True)
class MetricChange:
    """A figure, what it was in the comparable period before, and the difference.

    Attributes:
        value: None where it has no meaning, such as a margin without sales.
        previous: in the days of compared_with.
        change: in the same unit, or in points for percent.
        change_percent: of what it was; None for percent.
        currency: of money; None otherwise.
    """

    value: Decimal | None
    previous: Decimal | None
    change: Decimal | None
    change_percent: Decimal | None
    unit: Unit
    currency: str | None


@dataclass(frozen=True, slots=True)
class TargetProgress:
    """The revenue target of the period's whole months, and how much of it and of its days is done.

    Attributes:
        reached_percent: revenue in percent of the target.
    """

    revenue_target: Decimal
    reached_percent: Decimal | None
    days_elapsed_percent: Decimal | None


@dataclass(frozen=True, slots=True)
class Seller:
    """A product or category and what it brought.

    Attributes:
        previous_revenue: in the comparable period before.
    """

    name: str
    revenue: Decimal
    previous_revenue: Decimal
    units: int
    gross_margin_percent: Decimal | None


@dataclass(frozen=True, slots=True)
class StorePerformance:
    """Metrics of a period beside the one before, with what stands out."""

    store: StoreScope
    period: PeriodDates
    metrics: dict[str, MetricChange]
    target: TargetProgress | None
    top_products: tuple[Seller, ...]
    top_categories: tuple[Seller, ...]
    insights: tuple[Insight, ...]


@dataclass(frozen=True)
class GetStorePerformance:
    """Decides which stores and days a question means, and what in the answer deserves a sentence."""

    directory: StoreDirectory
    sales: SalesRepository
    now: Callable[[], datetime]

    async def __call__(self, principal: Principal, store: str | None, period: str) -> StorePerformance:
        """The performance of one store, or of all the principal's stores when none is named.

        Raises:
            ValidationError: the period or the store name is not well formed.
            AuthorizationError: the store is not among the principal's own, whether it exists or not.
            NotFoundError: the principal sees every store, and there is none of this name.
        """
        directory = await self.directory.stores_of(principal)
        chosen = choose_stores(directory, store)
        business = directory.business
        days = resolve_period_of(chosen, period, today=today_of(business, self.now()), business=business)
        figures = await self.sales.store_performance(principal, [one.store_id for one in chosen], days)
        return StorePerformance(
            store=StoreScope(
                chosen[0].name if len(chosen) == 1 else "All my stores", tuple(one.name for one in chosen)
            ),
            period=period_dates(days, business.time_zone),
            metrics=_changes(figures, days, business.currency),
            target=_progress(figures, days),
            top_products=tuple(_seller(product) for product in figures.products),
            top_categories=tuple(_seller(category) for category in figures.categories[:5]),
            insights=find_insights(
                figures,
                # The hours of today so far, beside a whole day, would only say that it is early.
                compared=days.previous is not None and days.elapsed.first_day < days.today,
                recent=days.recent,
                currency=business.currency,
            ),
        )


def choose_stores(directory: Directory, wanted: str | None) -> tuple[Store, ...]:
    """The store of this name or id among the principal's own; all of them when none is named."""
    if wanted is None:
        if not directory.stores:
            raise AuthorizationError("No store is assigned to you. Ask your administrator for one.")
        return directory.stores
    name = wanted.strip().casefold()
    if not 0 < len(name) <= LONGEST_STORE_NAME:
        raise ValidationError(
            "store",
            wanted[:LONGEST_STORE_NAME],
            "write a store's name or id, or leave it out for all your stores",
        )
    for store in directory.stores:
        if name in (store.name.casefold(), str(store.store_id)):
            return (store,)
    yours = ", ".join(store.name for store in directory.stores[:STORES_LISTED]) or "none"
    if directory.sees_all_stores:
        raise NotFoundError(f"There is no such store. The stores are: {yours}.")
    raise AuthorizationError(f"This store is not among yours. You may ask for: {yours}.")


def period_dates(period: Period, time_zone: str) -> PeriodDates:
    """The days of a period, as results show them."""
    return PeriodDates(
        name=period.name,
        first_day=period.elapsed.first_day,
        last_day=period.elapsed.last_day,
        ends_on=period.ends_on,
        compared_with=period.previous,
        time_zone=time_zone,
    )


def _changes(figures: PerformanceFigures, period: Period, currency: str) -> dict[str, MetricChange]:
    before = figures.previous if period.previous else None
    return {name: _change(name, figures.current, before, currency) for name in METRICS}


def _change(name: str, current: Totals, before: Totals | None, currency: str) -> MetricChange:
    metric = METRICS[name]
    value = metric.value(current)
    previous = metric.value(before) if before else None
    change = value - previous if value is not None and previous is not None else None
    return MetricChange(
        value=value,
        previous=previous,
        change=change,
        # The difference of two percentages is in points; a percentage of it would mislead.
        change_percent=percent(change, abs(previous))
        if change is not None and previous is not None and metric.unit != "percent"
        else None,
        unit=metric.unit,
        currency=currency if metric.unit == "money" else None,
    )


def _progress(figures: PerformanceFigures, period: Period) -> TargetProgress | None:
    if figures.revenue_target is None:
        return None
    return TargetProgress(
        revenue_target=figures.revenue_target,
        reached_percent=percent(figures.current.revenue, figures.revenue_target),
        days_elapsed_percent=percent(period.elapsed.days, period.whole.days),
    )


def _seller(sold: SliceSales) -> Seller:
    return Seller(
        name=sold.name,
        revenue=sold.current.revenue,
        previous_revenue=sold.previous.revenue,
        units=sold.current.units,
        gross_margin_percent=gross_margin_percent(sold.current),
    )
