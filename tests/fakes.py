"""The ports over the tiny shop, without a database. They enforce tenancy as the row policies do."""

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from math import sqrt
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from tests import tiny_shop
from tests.tiny_shop import LineRow, OrderRow, PersonRow, ProductRow, ReturnRow, identify
from zava.core.charts import Chart, Picture
from zava.core.errors import AuthorizationError, ChartError, InvalidQueryError, SetupError
from zava.core.metrics import ANALYSIS_METRICS, CHAIN_METRICS
from zava.core.model import (
    AnalysisFigures,
    AnalysisPlan,
    AnalysisQuery,
    Backlog,
    BasketProduct,
    BusinessSettings,
    ChainStanding,
    ColumnSchema,
    Customer,
    DateRange,
    Directory,
    Embedding,
    EmbeddingModel,
    Fact,
    InventoryFindings,
    InventoryQuery,
    KnownPrincipal,
    Meaning,
    NamedProduct,
    Order,
    OrderLine,
    OrderReturn,
    PerformanceFigures,
    Principal,
    Product,
    ProductContent,
    ProductFilter,
    ProductMatch,
    Relationship,
    ResultColumn,
    Risk,
    Sales,
    ShopVersion,
    SimilarProduct,
    Slice,
    SliceSales,
    Snapshot,
    StockAtRisk,
    StockPosition,
    Store,
    StoreAvailability,
    StoreStock,
    Table,
    TableSchema,
    Totals,
    TrendingProduct,
)
from zava.core.observations import AuditedCall, Call
from zava.core.people import EnteredPerson, GroupRole, IssuedToken, Person, TokenOrder
from zava.core.periods import Period, add_months
from zava.core.ports import (
    AuditTrail,
    ChartRenderer,
    EmbeddingProvider,
    EmbeddingRepository,
    InventoryRepository,
    OrderRepository,
    PrincipalDirectory,
    PrincipalRegistry,
    ProductRepository,
    SalesRepository,
    Sandbox,
    SchemaCatalog,
    ShopVersions,
    StoreDirectory,
)

BUSINESS = BusinessSettings(time_zone="America/Los_Angeles", week_starts_on=1, fiscal_year_starts_in=1, currency="USD")
ZERO = Decimal(0)
# Every order of the tiny shop is of this time.
NOON = time(12)

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
                Store(store.store_id, store.name, store.region, store.opened_on, is_online=False)
                for store in tiny_shop.STORES
                if store.name in mine
            ),
            sees_all_stores=person_of(principal).role == "head_office",
            reads_audit="audit:read" in person_of(principal).grants,
            business=BUSINESS,
        )


class FakeAuditTrail(AuditTrail):
    """Remembers calls as they are, and keeps no free SQL."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def append(self, call: Call) -> None:
        self.calls.append(call)

    async def latest(self, principal: Principal, most: int) -> Sequence[AuditedCall]:
        if "audit:read" not in person_of(principal).grants:
            raise AuthorizationError(
                "The audit trail is for those who hold the grant audit:read. Ask your administrator."
            )
        newest = sorted(self.calls, key=lambda call: call.started_at, reverse=True)
        return [self._audited(call) for call in newest[:most]]

    def _audited(self, call: Call) -> AuditedCall:
        stores = call.coverage.stores
        if call.decision != "allowed" or call.principal is None:
            stores = ()
        elif stores is None:
            stores = tuple(visible_stores(call.principal))
        return AuditedCall(
            called_at=call.started_at,
            principal_name=call.principal.name if call.principal else None,
            client=call.client,
            tool=call.tool,
            fingerprint=None,
            query=None,
            query_text=None,
            stores=list(stores),
            row_count=call.coverage.rows,
            text_bytes=call.text_bytes,
            decision=call.decision,
            code=call.code,
            seconds=call.seconds,
            trace_id=call.trace_id,
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
            stock_at_risk=_stock(chosen, period.today) if period.recent else (),
        )

    async def analyze(self, principal: Principal, query: AnalysisQuery) -> AnalysisFigures:
        mine = visible_stores(principal)
        parts: dict[tuple[str | int | date, ...], _Part] = {}
        for order in _orders(mine, query.days):
            for line in order.lines:
                if keys := _place(query, order.store, order.day, line.product):
                    part = parts.setdefault(keys, _Part())
                    part.lines.append(line)
                    part.orders[order.order_id] = order
                    if "first_orders" in query.facts and order is _first_order(mine, order.customer):
                        part.new_customers.add(order.customer)
        for back in tiny_shop.RETURNS if "returns" in query.facts else ():
            in_sight = back.store in mine and query.days.first_day <= back.day <= query.days.last_day
            if in_sight and (keys := _place(query, back.store, back.day, _line_of(back).product)):
                parts.setdefault(keys, _Part()).refunds.append(back.refund)
        for store, month in _store_months(mine, query) if "targets" in query.facts else ():
            if keys := _place(query, store, month, tiny_shop.PRODUCTS[0].name):
                parts.setdefault(keys, _Part()).targets.append(tiny_shop.TARGETS.get((store, month)))
        slices = [Slice(keys[1:], part.totals(query.facts)) for keys, part in parts.items() if part.counts(query.facts)]
        count = min(len(slices), query.most + 1)
        return AnalysisFigures(tuple(_first(slices, query)), count, AS_OF, ("retail.orders",), 0)

    def explain(self, query: AnalysisQuery) -> AnalysisPlan:
        return AnalysisPlan(("retail.orders",), "SELECT 1", {"first_day": str(query.days.first_day)})

    async def chain_standing(self, principal: Principal, days: DateRange, least_shops: int) -> Sequence[ChainStanding]:
        mine = visible_stores(principal)
        before = _period_before(days)
        shops = [
            store.name
            for store in tiny_shop.STORES
            if before and _orders([store.name], days) and _orders([store.name], before)
        ]
        least = max(least_shops, 3)
        if len(mine) != 1 or mine[0] not in shops or len(shops) < least:
            return []
        facts = frozenset[Fact](("lines", "orders", "customers", "returns"))
        every = await self.analyze(
            tiny_shop.HEAD_OFFICE.principal, AnalysisQuery(("store",), facts, (), days, None, len(shops))
        )
        sums = {one.keys[0]: one.totals for one in every.slices if one.keys[0] in shops}
        standing = []
        for metric in (ANALYSIS_METRICS[name] for name in CHAIN_METRICS):
            figures = {name: value for name, total in sums.items() if (value := metric.value(total)) is not None}
            if mine[0] in figures and len(figures) >= least:
                higher = sum(value > figures[mine[0]] for value in figures.values())
                standing.append(ChainStanding(metric.name, 4 * higher // len(figures) + 1, len(figures)))
        return standing


def _first(slices: list[Slice], query: AnalysisQuery) -> list[Slice]:
    ranking = query.ranking
    if not ranking:
        return slices[: query.most + 1]
    by = ranking.by

    def rank(one: Slice) -> Any:  # noqa: ANN401 - texts, days and numbers
        return one.keys[query.dimensions.index(by)] if by in query.dimensions else getattr(one.totals, by)

    first = sorted(slices, key=rank, reverse=ranking.descending)
    return [
        one for place, one in enumerate(first) if place < ranking.rows or rank(one) == rank(first[ranking.rows - 1])
    ]


def _first_order(stores: Sequence[str], customer: str | None) -> OrderRow | None:
    theirs = [
        order
        for order in tiny_shop.ORDERS
        if customer and order.customer == customer and order.store in stores and order.status != "cancelled"
    ]
    return min(theirs, key=lambda order: (order.day, identify(order.store), order.order_id), default=None)


def _store_months(stores: Sequence[str], query: AnalysisQuery) -> Iterator[tuple[str, date]]:
    month, last_day = (
        (query.target_months.first_day, query.target_months.last_day)
        if query.target_months
        else (
            date.max,
            date.min,
        )
    )
    while month < last_day:
        yield from ((store, month) for store in stores)
        month = (month + timedelta(days=31)).replace(day=1)


def _period_before(days: DateRange) -> DateRange | None:
    """The week, month, quarter or year before, if these days are a whole one that is over."""
    first, after = days.first_day, days.last_day + timedelta(days=1)
    if after > datetime.now(ZoneInfo(BUSINESS.time_zone)).date():
        return None
    if first.weekday() == 0 and days.days == 7:
        return DateRange(first - timedelta(days=7), first - timedelta(days=1))
    for months in (1, 3, 12):
        if first.day == 1 and (first.month - 1) % months == 0 and add_months(first, months) == after:
            return DateRange(add_months(first, -months), first - timedelta(days=1))
    return None


def _line_of(back: ReturnRow) -> LineRow:
    (order,) = [one for one in tiny_shop.ORDERS if (one.store, one.number) == (back.store, back.order_number)]
    return order.lines[back.line_no - 1]


@dataclass
class _Part:
    lines: list[LineRow] = field(default_factory=list)
    orders: dict[UUID, OrderRow] = field(default_factory=dict)
    new_customers: set[str | None] = field(default_factory=set)
    refunds: list[Decimal] = field(default_factory=list)
    targets: list[Decimal | None] = field(default_factory=list)

    @property
    def customers(self) -> Counter[str]:
        """The known ones, with their orders."""
        return Counter(order.customer for order in self.orders.values() if order.customer)

    def counts(self, facts: frozenset[Fact]) -> bool:
        """Whether there is anything of what is asked for."""
        found = {
            "lines": self.lines,
            "orders": self.orders,
            "customers": self.customers,
            "first_orders": self.new_customers,
            "returns": any(self.refunds),
            "targets": self.targets,
        }
        return any(found[fact] for fact in facts)

    def totals(self, facts: frozenset[Fact]) -> Totals:
        sold = _sales(self.lines if "lines" in facts else [])
        return Totals(
            revenue=sold.revenue,
            cost=sold.cost,
            units=sold.units,
            orders=len(self.orders) if "orders" in facts else 0,
            customers=len(self.customers) if "customers" in facts else 0,
            returned_amount=sum(self.refunds, ZERO),
            discount_amount=sum((line.discount for line in self.lines), ZERO) if "lines" in facts else ZERO,
            repeat_customers=sum(orders > 1 for orders in self.customers.values()) if "customers" in facts else 0,
            new_customers=len(self.new_customers),
            revenue_target=_all(self.targets),
        )


def _place(query: AnalysisQuery, store_name: str, day: date, product_name: str) -> tuple[str | int | date, ...]:
    """The slice that something belongs to, behind a 1; nothing when a filter leaves it out."""
    (store,) = [store for store in tiny_shop.STORES if store.name == store_name]
    (product,) = [product for product in tiny_shop.PRODUCTS if product.name == product_name]
    values: dict[str, str | int | date] = {
        "store": store.name,
        "region": store.region,
        "channel": "shop",
        "category": product.category,
        "product_type": product.category,
        "product": product.name,
        "hour": 12,
        "weekday": day.isoweekday(),
        "day": day,
        "week": day - timedelta(days=day.isoweekday() - 1),
        "month": day.replace(day=1),
        "quarter": f"{day.year}-Q{(day.month + 2) // 3}",
        "year": day.year,
    }
    if any(str(values[name]) not in wanted for name, wanted in query.filters):
        return ()
    return (1, *(values[name] for name in query.dimensions))


def _all(targets: Sequence[Decimal | None]) -> Decimal | None:
    known = [target for target in targets if target is not None]
    return sum(known, ZERO) if targets and len(known) == len(targets) else None


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


class FakeOrderRepository(OrderRepository):
    async def find_order(self, principal: Principal, stores: Sequence[UUID], order_number: int) -> Sequence[Order]:
        mine = visible_stores(principal)
        found = [
            _order(order, personal="personal" in person_of(principal).grants)
            for order in tiny_shop.ORDERS
            if order.store in mine and identify(order.store) in stores and order.number == order_number
        ]
        return sorted(found, key=lambda order: (-order.order_date.toordinal(), order.store))


def _order(order: OrderRow, *, personal: bool) -> Order:
    return Order(
        store=order.store,
        order_number=order.number,
        order_date=order.day,
        ordered_at=datetime.combine(order.day, NOON, ZoneInfo(BUSINESS.time_zone)).astimezone(UTC),
        status=order.status,
        total_amount=sum((line.total for line in order.lines), ZERO),
        customer=_customer(order.customer, personal=personal) if order.customer else None,
        lines=tuple(
            OrderLine(
                product=line.product,
                sku=line.product,
                quantity=line.quantity,
                unit_price=line.unit_price,
                discount_amount=line.discount,
                line_total=line.total,
                returns=tuple(
                    OrderReturn(back.day, back.quantity, back.refund, back.reason)
                    for back in tiny_shop.RETURNS
                    if (back.store, back.order_number, back.line_no) == (order.store, order.number, line_no)
                ),
            )
            for line_no, line in enumerate(order.lines, 1)
        ),
    )


def _customer(name: str, *, personal: bool) -> Customer:
    if personal:
        return Customer(name, "Canary", f"{name.lower()}@example.com")
    return Customer(f"{name[0]}***", "C***", f"{name[0].lower()}***@***")


class FakeInventoryRepository(InventoryRepository):
    async def check_inventory(self, principal: Principal, query: InventoryQuery) -> InventoryFindings:
        mine = [name for name in visible_stores(principal) if identify(name) in query.stores]
        found = [
            (urgency, position)
            for (store, name), level in tiny_shop.STOCK.items()
            if store in mine
            for urgency, position in _position(query, store, name, level)
        ]
        found.sort(key=lambda one: (one[1].risk == "overstock", one[0], -one[1].units_sold, one[1].store))
        positions = [position for _, position in found]
        dead = [position for position in positions if position.risk == "overstock"]
        return InventoryFindings(
            positions=tuple([position for position in positions if position.risk in query.risks][: query.max_rows]),
            stockouts=len(positions) - len(dead),
            overstocks=len(dead),
            overstock_value=sum((position.stock_level * position.cost for position in dead), ZERO),
        )


def _position(query: InventoryQuery, store: str, name: str, level: int) -> Iterator[tuple[Decimal, StockPosition]]:
    """The position with its urgency, the least first, if it is at risk."""
    (product,) = [one for one in tiny_shop.PRODUCTS if one.name == name]
    if query.category not in (None, product.category):
        return
    longer = DateRange(query.unsold_since, query.pace.last_day)
    sold, sold_longer = (sum(line.quantity for line in _lines(name, [store], days)) for days in (query.pace, longer))
    cover = level * Decimal(query.pace.days) / sold if sold else None
    risk: Risk
    if not level or (cover is not None and cover <= query.horizon_days):
        risk, urgency = "stockout", cover or ZERO
    elif not sold_longer or (cover is not None and cover > query.overstock_days):
        risk, urgency = "overstock", -level * product.cost
    else:
        return
    position = StockPosition(
        risk=risk,
        store=store,
        product=name,
        sku=name,
        stock_level=level,
        units_sold=sold,
        units_sold_longer=sold_longer,
        lead_days=product.lead_days,
        pack_size=product.pack_size,
        cost=product.cost,
        discontinued=False,
    )
    yield urgency, position


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

    async def execute_sales_query(
        self,
        principal: Principal,
        query: str,
        *,
        for_file: bool = False,  # noqa: ARG002
    ) -> Table:
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


# What the words of the tiny shop are about: the axes of its embeddings.
CONCEPTS = (("hammer", "chisel", "tools", "nail", "wood"), ("paint", "wall", "colour"), ("roller", "apply", "wood"))
MODEL = EmbeddingModel("concepts", len(CONCEPTS))


@dataclass
class FakeCharts(ChartRenderer):
    """Draws nothing, and keeps what it was asked for.

    Attributes:
        failure: what it raises instead of an answer.
    """

    failure: ChartError | None = None
    drawn: list[Chart] = field(default_factory=list)

    async def draw(self, chart: Chart) -> Picture:
        if self.failure:
            raise self.failure
        self.drawn.append(chart)
        return Picture(b"\x89PNG", chart.alt, {"description": chart.alt})


@dataclass
class FakeEmbeddings(EmbeddingProvider):
    """Knows three concepts, and counts what it is asked.

    Attributes:
        failure: what it raises instead of an answer.
    """

    failure: Exception | None = None
    asked: int = 0
    of: EmbeddingModel = MODEL

    @property
    def model(self) -> EmbeddingModel:
        return self.of

    async def embed(self, texts: Sequence[str]) -> Sequence[Embedding]:
        self.asked += len(texts)
        if self.failure:
            raise self.failure
        return [meaning_of(text) for text in texts]


def meaning_of(text: str) -> Embedding:
    words = text.lower()
    weights = [0.01 + sum(word in words for word in concept) for concept in CONCEPTS]
    length = sqrt(sum(weight * weight for weight in weights))
    return array("f", [weight / length for weight in weights])


def content_of(product: ProductRow) -> str:
    """As the database writes it."""
    return f"{product.name}. {product.description} ({product.category}, {product.category})"


@dataclass
class FakeEmbeddingRepository(EmbeddingRepository):
    """Keeps embeddings in memory. A product's hash is its content.

    Attributes:
        products: the assortment, by their ids.
        embeddings: with the hash of what was embedded, by the model's name and the product.
        dimensions: of each model, by its name.
        serving: the model that serves.
        busy: whether somebody else is embedding products.
    """

    products: dict[UUID, ProductContent] = field(default_factory=dict)
    embeddings: dict[tuple[str, UUID], tuple[str, Embedding]] = field(default_factory=dict)
    dimensions: dict[str, int] = field(default_factory=dict)
    serving: EmbeddingModel | None = None
    busy: bool = False

    def describe(self, product_id: UUID, name: str, description: str) -> None:
        """Adds this product, or changes what is said of it."""
        content = f"{name}. {description} (Tools, Tools)"
        self.products[product_id] = ProductContent(product_id, name, description, content, content)

    def remove(self, product_id: UUID) -> None:
        del self.products[product_id]
        self.embeddings = {key: kept for key, kept in self.embeddings.items() if key[1] != product_id}

    async def begin(self, model: EmbeddingModel) -> Backlog:
        if self.busy:
            raise SetupError("Products cannot be embedded now: another `zava embed` is at it.")
        if self.dimensions.setdefault(model.name, model.dimensions) != model.dimensions:
            self.dimensions[model.name] = model.dimensions
            self.embeddings = {key: kept for key, kept in self.embeddings.items() if key[0] != model.name}
            if self.serving and self.serving.name == model.name:
                self.serving = None
        due = self._due(model)
        return Backlog(len(due), sum(len(product.content.encode()) for product in due))

    async def due(self, model: EmbeddingModel, most: int) -> Sequence[ProductContent]:
        return self._due(model)[:most]

    async def keep(self, model: EmbeddingModel, embedded: Sequence[tuple[ProductContent, Embedding]]) -> None:
        for product, embedding in embedded:
            if product.product_id in self.products:
                self.embeddings[model.name, product.product_id] = (product.content_hash, embedding)

    async def serve(self, model: EmbeddingModel) -> None:
        self.serving = model

    def _due(self, model: EmbeddingModel) -> list[ProductContent]:
        return [
            product
            for product_id, product in sorted(self.products.items())
            if self.embeddings.get((model.name, product_id), ("",))[0] != product.content_hash
        ]


@dataclass
class FakePrincipalRegistry(PrincipalRegistry):
    """Keeps those who are entered in memory. Tokens are never too old here.

    Attributes:
        entered: by subject.
        given: groups, by name.
        issued: tokens, in the order of their numbers, which count up from 1.
    """

    entered: dict[str, EnteredPerson] = field(default_factory=dict)
    given: dict[str, GroupRole] = field(default_factory=dict)
    issued: list[IssuedToken] = field(default_factory=list)

    def stores(self) -> Sequence[str]:
        return [store.name for store in tiny_shop.STORES]

    def people(self) -> Sequence[EnteredPerson]:
        counted = Counter(token.subject for token in self.tokens() if token.state != "revoked")
        people = (replace(one, tokens=counted[subject]) for subject, one in self.entered.items())
        return sorted(people, key=lambda one: (one.person.name, one.person.subject))

    def enter(self, person: Person) -> None:
        disabled = person.subject in self.entered and self.entered[person.subject].disabled
        self.entered[person.subject] = EnteredPerson(person, disabled=disabled, tokens=0)

    def disable(self, subject: str, *, disabled: bool) -> None:
        self.entered[subject] = replace(self.entered[subject], disabled=disabled)

    def groups(self) -> Sequence[GroupRole]:
        return sorted(self.given.values(), key=lambda group: group.name)

    def enter_group(self, group: GroupRole) -> None:
        self.given[group.name] = group

    def remove_group(self, name: str) -> None:
        del self.given[name]

    def tokens(self) -> Sequence[IssuedToken]:
        return [
            replace(token, state="disabled")
            if self.entered[token.subject].disabled and token.state == "good"
            else token
            for token in self.issued
        ]

    def issue(self, order: TokenOrder) -> tuple[int, str]:
        number = len(self.issued) + 1
        scopes = sorted(order.scopes) if order.scopes is not None else None
        principal = self.entered[order.subject].person.name
        self.issued.append(
            IssuedToken(
                token_id=number,
                subject=order.subject,
                principal=principal,
                name=order.name,
                last_four=f"{number:04}",
                scopes=scopes,
                created_at=datetime.now(UTC),
                expires_at=order.expires_at,
                state="good",
            )
        )
        return number, f"zava_{number:043}"

    def revoke(self, token_id: int) -> None:
        self.issued[token_id - 1] = replace(self.issued[token_id - 1], state="revoked")


@dataclass
class FakeProductRepository(ProductRepository):
    """Finds products of which every word occurs, or whose meaning is near.

    Attributes:
        serving: the model that serves.
    """

    serving: EmbeddingModel | None = MODEL

    async def categories(self, principal: Principal) -> Sequence[str]:
        person_of(principal)
        names = sorted({product.category for product in tiny_shop.PRODUCTS})
        return [*names, *names]

    async def embedding_model(self, principal: Principal) -> EmbeddingModel | None:
        person_of(principal)
        return self.serving

    async def known_words(self, principal: Principal, words: Sequence[str]) -> Mapping[str, int]:
        person_of(principal)
        said = {word for product in tiny_shop.PRODUCTS for word in _words(content_of(product))}
        return {
            word: sum(word in _words(f"{one.name} {one.category}") for one in tiny_shop.PRODUCTS)
            for word in said.intersection(words)
        }

    async def semantic_search(  # noqa: PLR0913 - as the port
        self,
        principal: Principal,
        query_description: str,
        meaning: Meaning | None,
        *,
        wanted: ProductFilter,
        similarity_threshold: float,
        max_rows: int,
    ) -> Sequence[ProductMatch]:
        mine = visible_stores(principal)
        found = []
        for product in tiny_shop.PRODUCTS:
            card = product_card(product, mine)
            if (
                wanted.category not in (None, product.category)
                or (wanted.in_stock_only and not _in_stock(card))
                or (wanted.max_price is not None and card.price > wanted.max_price)
            ):
                continue
            text = f"{content_of(product)} {product.name}".lower()
            by_words = all(word.rstrip("s") in text for word in query_description.lower().split())
            similarity = _percent_alike(meaning.embedding, content_of(product)) if meaning else 0
            by_meaning = meaning is not None and similarity >= similarity_threshold
            if by_words or by_meaning:
                matched: Literal["meaning", "words", "both"] = "meaning" if by_meaning else "words"
                if by_words and by_meaning:
                    matched = "both"
                found.append(ProductMatch(card, matched, similarity if by_meaning else None))
        found.sort(key=lambda match: (match.matched != "both", -(match.similarity or 0)))
        return found[:max_rows]

    async def products_named(self, principal: Principal, product: str) -> Sequence[NamedProduct]:
        person_of(principal)
        name = product.strip().lower()
        return [
            NamedProduct(one.product_id, one.name, one.name, exact=one.name.lower() == name)
            for one in tiny_shop.PRODUCTS
            if all(word in one.name.lower() for word in name.split())
        ]

    async def similar_products(
        self, principal: Principal, product_id: UUID, *, in_stock_only: bool, max_rows: int
    ) -> Sequence[SimilarProduct]:
        own = meaning_of(next(content_of(one) for one in tiny_shop.PRODUCTS if one.product_id == product_id))
        found = [
            SimilarProduct(card, _percent_alike(own, content_of(one)))
            for one in tiny_shop.PRODUCTS
            if one.product_id != product_id
            and (_in_stock(card := product_card(one, visible_stores(principal))) or not in_stock_only)
        ]
        return sorted(found, key=lambda one: -one.similarity)[:max_rows]

    async def bought_together(  # noqa: PLR0913 - as the port
        self,
        principal: Principal,
        product_id: UUID,
        days: DateRange,
        *,
        least_support: int,
        in_stock_only: bool,
        max_rows: int,
    ) -> Sequence[BasketProduct]:
        mine = visible_stores(principal)
        orders = [{line.product for line in order.lines} for order in _orders(mine, days)]
        (own,) = [one.name for one in tiny_shop.PRODUCTS if one.product_id == product_id]
        found = []
        for one in tiny_shop.PRODUCTS:
            card = product_card(one, mine)
            support = sum(own in order and one.name in order for order in orders)
            if one.name != own and support >= least_support and (_in_stock(card) or not in_stock_only):
                baskets, alone = (sum(name in order for order in orders) for name in (own, one.name))
                lift = round(Decimal(support) * len(orders) / (baskets * alone), 2)
                if lift > 1:
                    found.append(BasketProduct(card, support, alone, lift))
        # (support − chance) / √chance, where chance is support / lift.
        found.sort(key=lambda one: -float((one.support - one.support / one.lift) / (one.support / one.lift).sqrt()))
        return found[:max_rows]

    async def trending_products(
        self, principal: Principal, days: DateRange, previous: DateRange, *, in_stock_only: bool, max_rows: int
    ) -> Sequence[TrendingProduct]:
        mine = visible_stores(principal)
        found = []
        for one in tiny_shop.PRODUCTS:
            card = product_card(one, mine)
            now, before = (sum(line.quantity for line in _lines(one.name, mine, when)) for when in (days, previous))
            if now > before and (_in_stock(card) or not in_stock_only):
                found.append(TrendingProduct(card, now, before))
        found.sort(key=lambda one: -(one.units - one.previous_units) / sqrt(one.units + one.previous_units))
        return found[:max_rows]


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{4,}", text.lower()))


def product_card(product: ProductRow, mine: Sequence[str]) -> Product:
    """What whoever sees these stores sees of it."""
    levels = {store: level for (store, name), level in tiny_shop.STOCK.items() if name == product.name}
    return Product(
        name=product.name,
        sku=product.name,
        category=product.category,
        price=Decimal(2),
        currency="USD",
        description=product.description,
        stock=tuple(
            StoreStock(store, level)
            for store, level in sorted(levels.items(), key=lambda one: (-one[1], one[0]))
            if store in mine
        ),
        elsewhere=tuple(
            StoreAvailability(store, "in_stock" if level else "none")
            for store, level in sorted(levels.items())
            if store not in mine
        ),
    )


def _in_stock(product: Product) -> bool:
    return any(stock.stock_level for stock in product.stock)


def _percent_alike(embedding: Embedding, content: str) -> int:
    return round(100 * sum(a * b for a, b in zip(embedding, meaning_of(content), strict=True)))


@dataclass
class FakePrincipalDirectory(PrincipalDirectory):
    """Those who were entered. Whoever is taken out is disabled; a token that is, revoked.

    Attributes:
        groups: one member of each.
        asked: what the directory was asked, in order.
        failure: raised in place of an answer.
    """

    subjects: dict[str, KnownPrincipal] = field(default_factory=dict)
    tokens: dict[str, KnownPrincipal] = field(default_factory=dict)
    groups: dict[str, KnownPrincipal] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    failure: Exception | None = None

    async def by_subject(self, subject: str, groups: frozenset[str] = frozenset()) -> KnownPrincipal | None:
        by_name = self._answer(self.subjects, subject)
        return by_name or next((self.groups[name] for name in sorted(groups) if name in self.groups), None)

    async def by_token(self, token: str) -> KnownPrincipal | None:
        return self._answer(self.tokens, token)

    def _answer(self, known: Mapping[str, KnownPrincipal], name: str) -> KnownPrincipal | None:
        self.asked.append(name)
        if self.failure:
            raise self.failure
        return known.get(name)


@dataclass
class FakeShopVersions(ShopVersions):
    """A shop whose versions a test sets. Rights are by principal_id."""

    version: ShopVersion = field(default_factory=lambda: ShopVersion("1", "1", "America/Los_Angeles"))
    rights: dict[UUID, str] = field(
        default_factory=lambda: {person.principal.principal_id: person.name for person in tiny_shop.PEOPLE}
    )
    as_of: datetime = datetime(2026, 4, 1, 19, tzinfo=UTC)
    error: Exception | None = None
    before_telling: Callable[[], object] = lambda: None
    asked_for_rights: int = 0

    async def latest(self) -> ShopVersion:
        self.before_telling()
        if self.error:
            raise self.error
        return self.version

    async def seen_by(self, principal: Principal) -> Snapshot:
        self.asked_for_rights += 1
        return Snapshot(
            self.version.data_version,
            self.version.policy_version,
            self.rights[principal.principal_id],
            self.as_of,
        )
