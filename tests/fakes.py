"""The ports over the tiny shop, without a database. They enforce tenancy as the row policies do."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from tests import tiny_shop
from tests.tiny_shop import LineRow, OrderRow, PersonRow
from zava.core.errors import AuthorizationError, InvalidQueryError
from zava.core.model import (
    BusinessSettings,
    ColumnSchema,
    DateRange,
    Directory,
    PerformanceFigures,
    Principal,
    Relationship,
    ResultColumn,
    Sales,
    SliceSales,
    StockAtRisk,
    Store,
    Table,
    TableSchema,
    Totals,
)
from zava.core.periods import Period
from zava.core.ports import SalesRepository, Sandbox, SchemaCatalog, StoreDirectory

BUSINESS = BusinessSettings(time_zone="America/Los_Angeles", week_starts_on=1, fiscal_year_starts_in=1, currency="USD")
ZERO = Decimal(0)

# The one query that the fake sandbox understands, and its moment.
STORES_QUERY = "SELECT name, region FROM retail.stores ORDER BY name"
AS_OF = datetime(2026, 4, 1, 5, tzinfo=UTC)


def person_of(principal: Principal) -> PersonRow:
    for person in tiny_shop.PEOPLE:
        if person.principal.principal_id == principal.principal_id and not person.disabled:
            return person
    raise AuthorizationError("You are not known here, or no longer. Ask your administrator.")


def visible_stores(principal: Principal) -> list[str]:
    person = person_of(principal)
    return [store.name for store in tiny_shop.STORES if person.role == "head_office" or store.name in person.stores]


class FakeStoreDirectory(StoreDirectory):
    async def stores_of(self, principal: Principal) -> Directory:
        mine = visible_stores(principal)
        return Directory(
            stores=tuple(
                Store(store.store_id, store.name, store.region, store.opened_on)
                for store in tiny_shop.STORES
                if store.name in mine
            ),
            sees_all_stores=person_of(principal).role == "head_office",
            business=BUSINESS,
        )


class FakeSalesRepository(SalesRepository):
    async def store_performance(
        self, principal: Principal, stores: Sequence[UUID], period: Period
    ) -> PerformanceFigures:
        wanted = {store.name for store in tiny_shop.STORES if store.store_id in stores}
        chosen = sorted(wanted.intersection(visible_stores(principal)))
        slices = [_slice(product.name, [product.name], chosen, period) for product in tiny_shop.PRODUCTS]
        categories = [
            _slice(name, [product.name for product in tiny_shop.PRODUCTS if product.category == name], chosen, period)
            for name in sorted({product.category for product in tiny_shop.PRODUCTS})
        ]
        return PerformanceFigures(
            current=_totals(chosen, period.elapsed),
            previous=_totals(chosen, period.previous),
            revenue_target=_target(chosen, len(stores), period),
            products=tuple(_best(one for one in slices if one.current.units))[:5],
            categories=tuple(_best(one for one in categories if one.current.units or one.previous.units)),
            stock_at_risk=_stock(chosen, period.today),
        )


def _best(slices: Iterable[SliceSales]) -> list[SliceSales]:
    return sorted(slices, key=lambda one: (-one.current.revenue, one.name))


def _orders(stores: Sequence[str], days: DateRange | None) -> list[OrderRow]:
    return [
        order
        for order in tiny_shop.ORDERS
        if days
        and order.store in stores
        and days.first_day <= order.day <= days.last_day
        and order.status != "cancelled"
    ]


def _sales(lines: Sequence[LineRow]) -> Sales:
    return Sales(
        revenue=sum((line.total for line in lines), ZERO),
        cost=sum((line.quantity * line.unit_cost for line in lines), ZERO),
        units=sum(line.quantity for line in lines),
    )


def _totals(stores: Sequence[str], days: DateRange | None) -> Totals:
    orders = _orders(stores, days)
    sold = _sales([line for order in orders for line in order.lines])
    return Totals(
        revenue=sold.revenue,
        cost=sold.cost,
        units=sold.units,
        orders=len(orders),
        customers=len({order.customer for order in orders if order.customer}),
        returned_amount=sum(
            (
                back.refund
                for back in tiny_shop.RETURNS
                if days and back.store in stores and days.first_day <= back.day <= days.last_day
            ),
            ZERO,
        ),
    )


def _lines(product: str, stores: Sequence[str], days: DateRange | None) -> list[LineRow]:
    return [line for order in _orders(stores, days) for line in order.lines if line.product == product]


def _slice(name: str, products: Sequence[str], stores: Sequence[str], period: Period) -> SliceSales:
    now = {product: _sales(_lines(product, stores, period.elapsed)) for product in products}
    before = {product: _sales(_lines(product, stores, period.previous)) for product in products}
    return SliceSales(
        name=name,
        current=_sum(now.values()),
        previous=_sum(before.values()),
        price_effect=sum(
            (
                now[product].revenue - now[product].units * before[product].revenue / before[product].units
                for product in products
                if now[product].units and before[product].units
            ),
            ZERO,
        ),
    )


def _sum(parts: Iterable[Sales]) -> Sales:
    listed = list(parts)
    return Sales(
        revenue=sum((part.revenue for part in listed), ZERO),
        cost=sum((part.cost for part in listed), ZERO),
        units=sum(part.units for part in listed),
    )


def _target(stores: Sequence[str], asked: int, period: Period) -> Decimal | None:
    first_day, months = period.elapsed.first_day, []
    while first_day <= period.ends_on:
        months.append(first_day)
        first_day = (first_day + timedelta(days=31)).replace(day=1)
    whole = months[0].day == 1 and first_day == period.ends_on + timedelta(days=1)
    targets = [tiny_shop.TARGETS.get((store, month)) for store in stores for month in months]
    if not whole or len(stores) != asked or not targets or None in targets:
        return None
    return sum((target for target in targets if target is not None), ZERO)


def _stock(stores: Sequence[str], today: date) -> tuple[StockAtRisk, ...]:
    weeks = DateRange(today - timedelta(days=28), today - timedelta(days=1))
    at_risk = []
    for (store, name), level in tiny_shop.STOCK.items():
        sold = sum(line.quantity for line in _lines(name, [store], weeks))
        (product,) = [one for one in tiny_shop.PRODUCTS if one.name == name]
        if store in stores and sold and level / (Decimal(sold) / 28) < product.lead_days:
            at_risk.append((level / (Decimal(sold) / 28), store, product, level))
    at_risk.sort(key=lambda risk: risk[:2])
    return tuple(
        StockAtRisk(store, product.name, level, cover, product.lead_days, len(at_risk))
        for cover, store, product, level in at_risk
    )


class FakeSchemaCatalog(SchemaCatalog):
    """Two tables of the real schema, as the database describes them."""

    async def tables(self, principal: Principal) -> Sequence[TableSchema]:
        mine = tuple(visible_stores(principal))
        return (
            TableSchema(
                name="order_items",
                comment="The lines of an order, one per product.",
                query_hint="Revenue is sum(line_total).",
                columns=(ColumnSchema("store_id", "uuid", required=True, comment=None, valid_values=None),),
                keys=(("store_id", "order_id", "line_no"),),
                relationships=(Relationship(("store_id", "order_id"), "orders", ("store_id", "order_id")),),
            ),
            TableSchema(
                name="stores",
                comment="The shops of the chain; the online shop is one of them.",
                query_hint=None,
                columns=(ColumnSchema("name", "text", required=True, comment=None, valid_values=mine),),
                keys=(("store_id",), ("name",)),
                relationships=(),
            ),
        )


class FakeSandbox(Sandbox):
    """Understands STORES_QUERY. The one wrong query in the world is any other."""

    async def execute_sales_query(self, principal: Principal, query: str) -> Table:
        mine = visible_stores(principal)
        if query.strip() != STORES_QUERY:
            raise InvalidQueryError('syntax error at or near "nonsense"', query=query, position=1)
        return Table(
            columns=(ResultColumn("name", "text"), ResultColumn("region", "text")),
            rows=tuple(sorted((store.name, store.region) for store in tiny_shop.STORES if store.name in mine)),
            truncated=None,
            stores=tuple(sorted(mine)),
            as_of=AS_OF,
        )
