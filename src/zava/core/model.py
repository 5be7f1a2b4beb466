"""The nouns of the shop, as every layer speaks of them."""

from array import array
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, TypeAlias
from uuid import UUID

# 32-bit floats, array("f"), of length one: the nearer two are, the more alike is what their texts mean.
Embedding: TypeAlias = "array[float]"


@dataclass(frozen=True, slots=True)
class Membership:
    """By what somebody may ask whom no administrator has entered.

    Attributes:
        subject: what the identity provider calls them.
        groups: of the identity provider's; those that are given something.
    """

    subject: str
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. What they may see is decided by the database, question by question.

    Attributes:
        membership: None for those who were entered.
    """

    principal_id: UUID
    name: str
    membership: Membership | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """A shop of the chain, or the online shop."""

    store_id: UUID
    name: str
    region: str
    opened_on: date
    is_online: bool


@dataclass(frozen=True, slots=True)
class BusinessSettings:
    """How this business counts its days and its money.

    Attributes:
        time_zone: IANA name.
        week_starts_on: 1 is Monday, 7 is Sunday.
        fiscal_year_starts_in: month, 1 to 12. A fiscal year is named after the year it ends in.
        currency: ISO 4217.
    """

    time_zone: str
    week_starts_on: int
    fiscal_year_starts_in: int
    currency: str


@dataclass(frozen=True, slots=True)
class Directory:
    """The stores one principal sees, and the business they belong to.

    Attributes:
        reads_audit: whether they may know what others have asked.
    """

    stores: tuple[Store, ...]
    sees_all_stores: bool
    reads_audit: bool
    business: BusinessSettings


@dataclass(frozen=True, slots=True)
class DateRange:
    """Days from first_day to last_day, both included."""

    first_day: date
    last_day: date

    @property
    def days(self) -> int:
        return (self.last_day - self.first_day).days + 1


@dataclass(frozen=True, slots=True)
class Sales:
    """Sums over the order lines of one slice of the business, cancelled orders left out.

    Attributes:
        revenue: line totals, before returns.
        cost: quantity × unit cost as it was at the sale.
        units: pieces sold.
    """

    revenue: Decimal
    cost: Decimal
    units: int


@dataclass(frozen=True, slots=True)
class Totals(Sales):
    """Sales of one period as a whole, with what cannot be added up from slices.

    Attributes:
        orders: orders that were not cancelled.
        customers: distinct known customers among them.
        returned_amount: refunds for goods that came back in the period, whenever they were sold.
        discount_amount: what was taken off the prices.
        repeat_customers: those of the customers with two or more of the orders.
        new_customers: customers whose first order in any store of the principal's is among the orders.
        revenue_target: of whole months; None unless every store has one for each of them.
    """

    orders: int
    customers: int
    returned_amount: Decimal
    discount_amount: Decimal = Decimal(0)
    repeat_customers: int = 0
    new_customers: int = 0
    revenue_target: Decimal | None = None


# Where figures come from: lines of orders, orders, returns, who bought, who bought for the first time, and targets.
Fact: TypeAlias = Literal["lines", "orders", "returns", "customers", "first_orders", "targets"]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Which slices come first.

    Attributes:
        by: a dimension, or a sum of Totals.
        rows: so many are wanted, and whatever equals the last of them.
    """

    by: str
    descending: bool
    rows: int


@dataclass(frozen=True, slots=True)
class AnalysisQuery:
    """Sums of some days, by some dimensions.

    Attributes:
        dimensions: names of core/analysis.py; none for one sum of all.
        facts: where the wanted figures come from.
        filters: values of a dimension that count, as text.
        target_months: whole months, whose targets count; None when the days are not the beginning of such.
        most: slices at most; one more is answered when there are more.
        ranking: the slices that are wanted; all of them where there is none.
    """

    dimensions: tuple[str, ...]
    facts: frozenset[Fact]
    filters: tuple[tuple[str, tuple[str, ...]], ...]
    days: DateRange
    target_months: DateRange | None
    most: int
    ranking: Ranking | None = None


@dataclass(frozen=True, slots=True)
class Slice:
    """One part of the business: its place in each dimension, and its sums. Those of facts not wanted are zero."""

    keys: tuple[str | int | date, ...]
    totals: Totals


@dataclass(frozen=True, slots=True)
class ChainStanding:
    """Where a store stands among the shops of the chain by one metric: all that it may know of the others.

    Attributes:
        quartile: 1 when fewer than a quarter of the shops have a higher figure, 2 when fewer than half have, and so on.
        shops: that are compared, its own among them.
    """

    metric: str
    quartile: int
    shops: int


@dataclass(frozen=True, slots=True)
class AnalysisPlan:
    """How the sums are found.

    Attributes:
        tables: that are read.
        sql: the query.
        parameters: what its placeholders stand for.
    """

    tables: tuple[str, ...]
    sql: str
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class AnalysisFigures:
    """The sums of each slice that has any.

    Attributes:
        slices: in no order.
        slice_count: how many there are, with those that are not wanted.
        as_of: the moment up to which everything is counted.
        tables: that were read; of rollups, those.
        unrolled_days: days of stores that changed since they were summed, and were read from the orders instead.
    """

    slices: tuple[Slice, ...]
    slice_count: int
    as_of: datetime
    tables: tuple[str, ...]
    unrolled_days: int


@dataclass(frozen=True, slots=True)
class SliceSales:
    """One product or category in the period and in the one it is compared with.

    Attributes:
        price_effect: what changed prices alone did to revenue: for each product sold in both periods, the
            difference of its average prices × units now. With it a change splits into price, volume and mix.
    """

    name: str
    current: Sales
    previous: Sales
    price_effect: Decimal


@dataclass(frozen=True, slots=True)
class StockAtRisk:
    """A product that will run out before the supplier can deliver, at the pace of the last four weeks.

    Attributes:
        days_of_cover: stock ÷ units sold a day.
        lead_days: what the supplier needs to deliver.
        products_at_risk: how many such products there are in all.
    """

    store: str
    product: str
    stock_level: int
    days_of_cover: Decimal
    lead_days: int
    products_at_risk: int


@dataclass(frozen=True, slots=True)
class PerformanceFigures:
    """What the books say about some stores in a period and the one it is compared with.

    Attributes:
        revenue_target: for the whole of the period's months, or None unless every store has one for each.
        products: the best sellers of the period by revenue, best first.
        categories: every category that sold in either period, best first.
        stock_at_risk: the shortest cover first.
    """

    current: Totals
    previous: Totals
    revenue_target: Decimal | None
    products: tuple[SliceSales, ...]
    categories: tuple[SliceSales, ...]
    stock_at_risk: tuple[StockAtRisk, ...]


OrderStatus: TypeAlias = Literal["pending", "paid", "shipped", "completed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer as the principal may see them: masked, unless they hold the grant "personal"."""

    first_name: str
    last_name: str
    email: str | None


@dataclass(frozen=True, slots=True)
class OrderReturn:
    """Goods of one order line that came back."""

    returned_on: date
    quantity: int
    refund_amount: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One product of an order; line_total is quantity × unit price − discount amount."""

    product: str
    sku: str
    quantity: int
    unit_price: Decimal
    discount_amount: Decimal
    line_total: Decimal
    returns: tuple[OrderReturn, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """One sale in one store.

    Attributes:
        order_number: counts up within the store.
        order_date: date of ordered_at in the business time zone.
        customer: None for an anonymous sale.
        total_amount: sum of the line totals, before returns.
    """

    store: str
    order_number: int
    order_date: date
    ordered_at: datetime
    status: OrderStatus
    total_amount: Decimal
    customer: Customer | None
    lines: tuple[OrderLine, ...]


# A product runs out of stock, or there is more of it than will be sold in a reasonable time.
Risk: TypeAlias = Literal["stockout", "overstock"]


@dataclass(frozen=True, slots=True)
class InventoryQuery:
    """Which stock is looked at, and what counts as a risk.

    A stockout is at hand when there is none in stock, or when the stock lasts for horizon_days at most. There is too
    much in stock when it lasts for more than overstock_days, or when none was sold since unsold_since. A discontinued
    product never counts as a stockout.

    Attributes:
        stores: whose stock; a store the principal does not see adds nothing.
        category: a category or a kind of product by its name; None for all.
        risks: those of which products are listed.
        pace: the days by whose sales it is judged how long the stock lasts. What did not sell then has no pace, and
            lasts for an unknown time.
        unsold_since: a day before pace.
        max_rows: products at most.
    """

    stores: tuple[UUID, ...]
    category: str | None
    risks: tuple[Risk, ...]
    pace: DateRange
    unsold_since: date
    horizon_days: int
    overstock_days: int
    max_rows: int


@dataclass(frozen=True, slots=True)
class StockPosition:
    """A product in a store that is at risk.

    Attributes:
        units_sold: on the days of the pace, cancelled orders left out.
        units_sold_longer: from unsold_since to the last day of the pace.
        lead_days: what the supplier needs to deliver.
        pack_size: units in the pack in which the supplier delivers.
        cost: of one unit today.
    """

    risk: Risk
    store: str
    product: str
    sku: str
    stock_level: int
    units_sold: int
    units_sold_longer: int
    lead_days: int
    pack_size: int
    cost: Decimal
    discontinued: bool


@dataclass(frozen=True, slots=True)
class InventoryFindings:
    """Products at risk, and how many there are in all, listed and asked for or not.

    Attributes:
        positions: stockouts, the shortest cover first; then overstock, the highest value at cost first.
        overstock_value: at cost.
    """

    positions: tuple[StockPosition, ...]
    stockouts: int
    overstocks: int
    overstock_value: Decimal


@dataclass(frozen=True, slots=True)
class ColumnSchema:
    """A column.

    Attributes:
        required: whether it never is NULL.
        comment: what it holds.
        valid_values: where they are few and known; None otherwise.
    """

    name: str
    type: str
    required: bool
    comment: str | None
    valid_values: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Relationship:
    """Columns that name a row of another table: join on all of them, in this order."""

    columns: tuple[str, ...]
    table: str
    references: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A table or view that questions may use.

    Attributes:
        comment: what its rows are.
        query_hint: what to heed when asking.
        keys: columns that together name one row.
    """

    name: str
    comment: str | None
    query_hint: str | None
    columns: tuple[ColumnSchema, ...]
    keys: tuple[tuple[str, ...], ...]
    relationships: tuple[Relationship, ...]


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """A column of an answer; no two have the same name. Types are PostgreSQL's."""

    name: str
    type: str


# Of an answer as a file.
MOST_FILE_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Table:
    """A tabular answer. A row has a value for each column: what JSON can say, numbers as numbers.

    Attributes:
        truncated: which limit cut the answer short, if any.
        stores: the names of the stores it covers.
        as_of: the moment whose data it shows.
    """

    columns: tuple[ResultColumn, ...]
    rows: tuple[tuple[object, ...], ...]
    truncated: Literal["rows", "bytes"] | None
    stores: tuple[str, ...]
    as_of: datetime


@dataclass(frozen=True, slots=True)
class ProductFilter:
    """Which products may be shown.

    Attributes:
        category: a category or a kind of product by its name; None for all.
        in_stock_only: those that one of the principal's own stores has.
        max_price: list price of one unit at most.
    """

    category: str | None = None
    in_stock_only: bool = False
    max_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class StoreStock:
    """Units on hand in a store."""

    store: str
    stock_level: int


@dataclass(frozen=True, slots=True)
class StoreAvailability:
    """What one store may know of another's stock. Low is at or below the level at which that store reorders."""

    store: str
    availability: Literal["in_stock", "low", "none"]


@dataclass(frozen=True, slots=True)
class Product:
    """A product as it stands on the shelf.

    Attributes:
        price: list price of one unit.
        stock: in the principal's own stores.
        elsewhere: in the other stores of the chain; None when the operator does not tell.
    """

    name: str
    sku: str
    category: str
    price: Decimal
    currency: str
    description: str
    stock: tuple[StoreStock, ...]
    elsewhere: tuple[StoreAvailability, ...] | None


@dataclass(frozen=True, slots=True)
class ProductMatch:
    """A search hit.

    Attributes:
        matched: by what it was found.
        similarity: cosine similarity in percent; None for a match by words alone.
    """

    product: Product
    matched: Literal["meaning", "words", "both"]
    similarity: int | None


@dataclass(frozen=True, slots=True)
class NamedProduct:
    """A product that may be meant; exact when name or SKU are the very words."""

    product_id: UUID
    name: str
    sku: str
    exact: bool


@dataclass(frozen=True, slots=True)
class SimilarProduct:
    """A product near another in meaning; similarity is cosine similarity in percent."""

    product: Product
    similarity: int


@dataclass(frozen=True, slots=True)
class BasketProduct:
    """A product that lay in the same baskets.

    Attributes:
        support: orders with both.
        orders: orders with this one.
        lift: how many times as often as chance would have it.
    """

    product: Product
    support: int
    orders: int
    lift: Decimal


@dataclass(frozen=True, slots=True)
class TrendingProduct:
    """A product that sells better than before."""

    product: Product
    units: int
    previous_units: int


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """What made an embedding. Those of two models cannot be compared, whatever their dimensions."""

    name: str
    dimensions: int

    def __str__(self) -> str:
        return f"{self.name} ({self.dimensions})"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a text means to a model."""

    model: EmbeddingModel
    embedding: Embedding


@dataclass(frozen=True, slots=True)
class Backlog:
    """What has to be embedded: products, and the bytes of what is said of them."""

    products: int
    bytes: int


@dataclass(frozen=True, slots=True)
class ProductContent:
    """What is embedded of a product.

    Attributes:
        content: name, description, kind and category.
        content_hash: of that; an embedding of another hash is out of date.
    """

    product_id: UUID
    name: str
    description: str
    content: str
    content_hash: str


@dataclass(frozen=True, slots=True)
class KnownPrincipal:
    """Somebody whom an administrator has entered, or a group of theirs, and which tools they may use.

    Attributes:
        scopes: of tools, such as "sales:read".
    """

    principal: Principal
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class ShopVersion:
    """A state of the shop. Equal versions are of equal states.

    Attributes:
        data_version: of all that answers are made of; None where it cannot be told.
        policy_version: of who may see what of it; None where it cannot be told.
        time_zone: in which the business counts its days.
    """

    data_version: str | None
    policy_version: str | None
    time_zone: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one transaction sees.

    Attributes:
        data_version: as of ShopVersion.
        policy_version: as of ShopVersion.
        rights: the same for all who have the same role, stores and grants.
        as_of: the moment up to which everything is counted.
    """

    data_version: str | None
    policy_version: str | None
    rights: str
    as_of: datetime
