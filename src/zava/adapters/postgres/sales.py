"""What was sold, from PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from zava.adapters.postgres.analysis import compile_analysis
from zava.adapters.postgres.sessions import Answers, PrincipalSessions, Question
from zava.core.model import (
    AnalysisFigures,
    AnalysisPlan,
    AnalysisQuery,
    ChainStanding,
    DateRange,
    PerformanceFigures,
    Principal,
    Sales,
    Slice,
    SliceSales,
    StockAtRisk,
    Totals,
)
from zava.core.periods import Period
from zava.core.ports import SalesRepository

BEST_SELLERS = 5
STOCK_LISTED = 5


@dataclass(frozen=True, slots=True)
class VisitsRow:
    orders: int
    customers: int
    returned_amount: Decimal


@dataclass(frozen=True, slots=True)
class SliceRow:
    slice: Literal["all", "category", "product"]
    name: str
    revenue: Decimal
    cost: Decimal
    units: int
    previous_revenue: Decimal
    previous_cost: Decimal
    previous_units: int
    price_effect: Decimal


@dataclass(frozen=True, slots=True)
class AnalysisRow:
    """What is not asked for is not answered."""

    key_1: str | int | date = ""
    key_2: str | int | date = ""
    key_3: str | int | date = ""
    revenue: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    units: int = 0
    orders: int = 0
    customers: int = 0
    returned_amount: Decimal = Decimal(0)
    discount_amount: Decimal = Decimal(0)
    repeat_customers: int = 0
    new_customers: int = 0
    revenue_target: Decimal | None = None
    slice_count: int | None = None


@dataclass(frozen=True, slots=True)
class RollupRow:
    as_of: datetime
    unrolled_days: int


@dataclass(frozen=True, slots=True)
class TargetRow:
    revenue_target: Decimal | None


VISITS = Question.load("store_performance_visits", VisitsRow)
SLICES = Question.load("store_performance_slices", SliceRow)
TARGET = Question.load("store_performance_target", TargetRow)
STOCK = Question.load("store_performance_stock", StockAtRisk)
STANDING = Question.load("chain_standing", ChainStanding)
ROLLUP = Question.load("analyze_rollup", RollupRow)


@dataclass(frozen=True)
class PostgresSalesRepository(SalesRepository):
    """Sums the order lines under the row policies."""

    sessions: PrincipalSessions

    async def store_performance(
        self, principal: Principal, stores: Sequence[UUID], period: Period
    ) -> PerformanceFigures:
        parameters = {
            "stores": list(stores),
            "first_day": period.elapsed.first_day,
            "last_day": period.elapsed.last_day,
            "ends_on": period.ends_on,
            "previous_first_day": period.previous.first_day if period.previous else None,
            "previous_last_day": period.previous.last_day if period.previous else None,
            "today": period.today,
            "products": BEST_SELLERS,
            "stock": STOCK_LISTED,
        }
        if not period.recent:
            return _figures(await self.sessions.ask(principal, parameters, VISITS, SLICES, TARGET), ())
        answers = await self.sessions.ask(principal, parameters, VISITS, SLICES, TARGET, STOCK)
        return _figures(answers, answers[STOCK])

    async def analyze(self, principal: Principal, query: AnalysisQuery) -> AnalysisFigures:
        compiled = compile_analysis(query)
        question = Question("analyze", compiled.sql, AnalysisRow, keep=False)
        answers = await self.sessions.ask(principal, compiled.parameters, question, ROLLUP)
        (rollup,) = answers[ROLLUP]
        rows = answers[question]
        slices = tuple(
            Slice(
                (row.key_1, row.key_2, row.key_3)[: len(query.dimensions)],
                Totals(
                    revenue=row.revenue,
                    cost=row.cost,
                    units=row.units,
                    orders=row.orders,
                    customers=row.customers,
                    returned_amount=row.returned_amount,
                    discount_amount=row.discount_amount,
                    repeat_customers=row.repeat_customers,
                    new_customers=row.new_customers,
                    revenue_target=row.revenue_target,
                ),
            )
            for row in rows
        )
        # Said by the database only where not all slices are wanted.
        slice_count = rows[0].slice_count if rows else None
        return AnalysisFigures(slices, slice_count or len(rows), rollup.as_of, compiled.tables, rollup.unrolled_days)

    def explain(self, query: AnalysisQuery) -> AnalysisPlan:
        compiled = compile_analysis(query)
        parameters = {name: str(value) for name, value in compiled.parameters.items() if value is not None}
        return AnalysisPlan(compiled.tables, compiled.sql.strip(), parameters)

    async def chain_standing(self, principal: Principal, days: DateRange, least_shops: int) -> Sequence[ChainStanding]:
        parameters = {"first_day": days.first_day, "last_day": days.last_day, "least_shops": least_shops}
        return (await self.sessions.ask(principal, parameters, STANDING))[STANDING]


def _figures(answers: Answers, stock_at_risk: Sequence[StockAtRisk]) -> PerformanceFigures:
    visits, previous_visits = answers[VISITS]
    slices = answers[SLICES]
    (every,) = (_slice(row) for row in slices if row.slice == "all")
    return PerformanceFigures(
        current=_totals(every.current, visits),
        previous=_totals(every.previous, previous_visits),
        revenue_target=answers[TARGET][0].revenue_target,
        products=tuple(_slice(row) for row in slices if row.slice == "product"),
        categories=tuple(_slice(row) for row in slices if row.slice == "category"),
        stock_at_risk=tuple(stock_at_risk),
    )


def _totals(sales: Sales, visits: VisitsRow) -> Totals:
    return Totals(
        revenue=sales.revenue,
        cost=sales.cost,
        units=sales.units,
        orders=visits.orders,
        customers=visits.customers,
        returned_amount=visits.returned_amount,
    )


def _slice(row: SliceRow) -> SliceSales:
    return SliceSales(
        name=row.name,
        current=Sales(revenue=row.revenue, cost=row.cost, units=row.units),
        previous=Sales(revenue=row.previous_revenue, cost=row.previous_cost, units=row.previous_units),
        price_effect=row.price_effect,
    )
