"""The metrics compiler: an analysis becomes one query. The one place that composes SQL, from the closed lists here."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import LiteralString

from psycopg import sql

from zava.adapters.postgres.rollups import Rollup, rollup_for
from zava.core.analysis import DIMENSIONS
from zava.core.model import AnalysisQuery, Fact, Ranking

# What each dimension is, of a row `part` that counts.
VALUES: dict[str, LiteralString] = {
    "store": "store.name",
    "region": "store.region",
    "channel": "CASE WHEN store.is_online THEN 'online' ELSE 'shop' END",
    "category": "category.name",
    "product_type": "product_type.name",
    "product": "product.name",
    "hour": "extract(hour FROM part.ordered_at AT TIME ZONE business.time_zone)::integer",
    "weekday": "extract(isodow FROM part.day)::integer",
    "day": "part.day",
    "week": "part.day - (extract(isodow FROM part.day)::integer - business.week_starts_on + 7) %% 7",
    "month": "date_trunc('month', part.day)::date",
    "quarter": "to_char({fiscal}, 'YYYY-\"Q\"Q')",
    "year": "extract(year FROM {fiscal})::integer",
}
# A day of the fiscal year, moved into the calendar year that gives it its name.
FISCAL: LiteralString = "(part.day + make_interval(months => (13 - business.fiscal_year_starts_in) %% 12))"
OF_STORES = frozenset(("store", "region", "channel"))
OF_PRODUCTS = frozenset(("category", "product_type", "product"))
OF_BUSINESS = frozenset(("hour", "week", "quarter", "year"))

STORES: LiteralString = "INNER JOIN retail.stores AS store ON part.store_id = store.store_id"
PRODUCTS: LiteralString = """
    INNER JOIN retail.products AS product ON part.product_id = product.product_id
    INNER JOIN retail.product_types AS product_type ON product.product_type_id = product_type.product_type_id
    INNER JOIN retail.categories AS category ON product_type.category_id = category.category_id
"""
CATEGORIES: LiteralString = "INNER JOIN retail.categories AS category ON part.category_id = category.category_id"
BUSINESS: LiteralString = "CROSS JOIN retail.business_settings AS business"

# Rows of the orders themselves; {of row.column} says which stores and days count, and {line} is:
LINE: LiteralString = """
        item.store_id,
        item.order_date AS day,
        item.product_id,
        item.order_id,
        item.line_total AS revenue,
        item.quantity * item.unit_cost AS cost,
        item.quantity AS units,
        item.discount_amount"""
# What is cancelled is taken out, rather than the rest joined: the planner would take the days of a line and those of
# its order for independent, and expect far too few rows.
LINES: LiteralString = """
    SELECT {line}
    FROM retail.order_items AS item
    WHERE {of item.order_date}
        AND NOT EXISTS (
            SELECT FROM retail.orders AS sale
            WHERE sale.store_id = item.store_id
                AND sale.order_id = item.order_id
                AND {of sale.order_date}
                AND sale.status = 'cancelled'
        )
"""
# The same with their orders, which know the hour and the customer.
LINES_OF_ORDERS: LiteralString = """
    SELECT {line}, sale.ordered_at, sale.customer_id
    FROM retail.order_items AS item
    INNER JOIN retail.orders AS sale ON item.store_id = sale.store_id AND item.order_id = sale.order_id
    WHERE {of item.order_date} AND {of sale.order_date} AND sale.status <> 'cancelled'
"""
ORDERS: LiteralString = """
    SELECT sale.store_id, sale.order_date AS day, sale.ordered_at, sale.order_id, sale.customer_id
    FROM retail.orders AS sale
    WHERE {of sale.order_date} AND sale.status <> 'cancelled'
"""
# The first of a customer's orders in any store that whoever asks may see.
FIRST_ORDERS: LiteralString = """
    SELECT sale.store_id, sale.order_date AS day, sale.ordered_at
    FROM retail.orders AS sale
    WHERE {of sale.order_date} AND sale.status <> 'cancelled' AND sale.customer_id IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM retail.orders AS earlier
            WHERE earlier.customer_id = sale.customer_id
                AND earlier.status <> 'cancelled'
                AND (earlier.ordered_at, earlier.store_id, earlier.order_id)
                < (sale.ordered_at, sale.store_id, sale.order_id)
        )
"""
RETURNS: LiteralString = """
    SELECT goods.store_id, goods.returned_on AS day, goods.refund_amount AS returned_amount
    FROM retail.returns AS goods
    WHERE {of goods.returned_on} AND goods.refund_amount > 0
"""
RETURNS_OF_PRODUCTS: LiteralString = """
    SELECT goods.store_id, goods.returned_on AS day, item.product_id, goods.refund_amount AS returned_amount
    FROM retail.returns AS goods
    INNER JOIN retail.order_items AS item
        ON goods.store_id = item.store_id AND goods.order_id = item.order_id AND goods.line_no = item.line_no
    WHERE {of goods.returned_on} AND goods.refund_amount > 0
"""
# A row for every store and month, so that a target that is missing is seen to be. The targets are read first: Citus
# cannot join what is whole everywhere and what is distributed in this order.
TARGETS: LiteralString = """
    SELECT store.store_id, month.day::date AS day, target.revenue_target
    FROM retail.stores AS store
    CROSS JOIN generate_series(
        %(first_target_month)s::date, %(last_target_month)s::date, interval '1 month'
    ) AS month (day)
    LEFT JOIN (
        WITH known AS MATERIALIZED (
            SELECT stored.store_id, stored.month, stored.revenue_target
            FROM retail.store_targets AS stored
            WHERE stored.month BETWEEN %(first_target_month)s AND %(last_target_month)s
        )
        SELECT * FROM known
    ) AS target
        ON store.store_id = target.store_id AND month.day::date = target.month
"""
ALL_DAYS: LiteralString = "{day} BETWEEN %(first_day)s AND %(last_day)s"
UNROLLED_DAYS: LiteralString = (
    "{row}.store_id = unrolled.store_id AND {day} BETWEEN unrolled.first_day AND unrolled.last_day"
)
# The stretches one after the other, each by the index: a join would read all days of these stores.
ROLLED: LiteralString = """
    SELECT rolled.store_id, rolled.{day} AS day, {rolled}
    FROM {table} AS rolled
    WHERE rolled.{day} BETWEEN %(rolled_from)s AND %(rolled_until)s
        AND NOT EXISTS (SELECT FROM marked WHERE marked.store_id = rolled.store_id AND marked.day = rolled.{day})
    UNION ALL
    SELECT {keys}, {sums}
    FROM unrolled
    CROSS JOIN LATERAL ({raw} OFFSET 0) AS raw
    {joins}
    GROUP BY {keys}
"""


@dataclass(frozen=True)
class Source:
    """A fact: where its rows are, and what they amount to.

    Attributes:
        rows: of the orders.
        sums: of these rows, by name.
        rolled: how a rollup's sums add up, by name; empty where no rollup has them.
        some: whether a rollup's rows have any of it: one row holds the sums of several facts.
        tables: that the rows are read from.
    """

    rows: LiteralString
    sums: dict[str, LiteralString]
    rolled: dict[str, LiteralString]
    tables: tuple[str, ...]
    some: LiteralString = ""


SOLD: dict[str, LiteralString] = {
    "revenue": "sum(part.revenue)",
    "cost": "sum(part.cost)",
    "units": "sum(part.units)::bigint",
    "discount_amount": "sum(part.discount_amount)",
}
RETURNED: dict[str, LiteralString] = {"returned_amount": "sum(part.returned_amount)"}
ADDED_UP: dict[str, LiteralString] = {"orders": "sum(part.orders)::bigint"}
SOURCES: dict[Fact, Source] = {
    "lines": Source(LINES, SOLD, SOLD, ("retail.order_items", "retail.orders"), "sum(part.units) > 0"),
    "orders": Source(ORDERS, {"orders": "count(*)"}, ADDED_UP, ("retail.orders",), "sum(part.orders) > 0"),
    "returns": Source(RETURNS, RETURNED, RETURNED, ("retail.returns",), "sum(part.returned_amount) > 0"),
    # Summed twice over: for each customer, then over them.
    "customers": Source(
        ORDERS,
        {"customers": "count(*)", "repeat_customers": "count(*) FILTER (WHERE part.orders > 1)"},
        {},
        ("retail.orders",),
    ),
    "first_orders": Source(FIRST_ORDERS, {"new_customers": "count(*)"}, {}, ("retail.orders",)),
    "targets": Source(
        TARGETS,
        {"revenue_target": "CASE WHEN count(*) = count(part.revenue_target) THEN sum(part.revenue_target) END"},
        {},
        ("retail.store_targets",),
    ),
}
DISTINCT_ORDERS: LiteralString = "count(DISTINCT (part.store_id, part.order_id))"
# Where products split, orders are counted by their lines: one may hold several of a product.
SOURCES_OF_PRODUCTS: dict[Fact, Source] = SOURCES | {
    "orders": replace(SOURCES["orders"], rows=LINES, sums={"orders": DISTINCT_ORDERS}, tables=SOURCES["lines"].tables),
    "customers": replace(SOURCES["customers"], rows=LINES_OF_ORDERS, tables=SOURCES["lines"].tables),
    "returns": replace(SOURCES["returns"], rows=RETURNS_OF_PRODUCTS, tables=("retail.order_items", "retail.returns")),
}

ANALYSIS: LiteralString = """
-- What do these facts amount to, by these dimensions?
WITH {parts}
SELECT {columns}
FROM {joined}
{first}"""
ANY_SLICES: LiteralString = "LIMIT %(most)s"
# Also how many there are. In the order of letters that the core has, whatever the database's own is.
FIRST_SLICES: LiteralString = "ORDER BY {by} {direction} FETCH FIRST (%(rows)s) ROWS WITH TIES"


@dataclass(frozen=True)
class CompiledAnalysis:
    """The query of an analysis, its parameters, and the tables it reads.

    The query answers key_1 and so on, and the sums of the facts that are asked for, a row for each slice.
    """

    sql: LiteralString
    parameters: dict[str, object]
    tables: tuple[str, ...]


def compile_analysis(query: AnalysisQuery) -> CompiledAnalysis:
    """The SQL of an analysis."""
    used = {*query.dimensions, *(name for name, _ in query.filters)}
    sources = _sources(used)
    rollup = rollup_for(used, query.days)
    facts = sorted(query.facts)
    rolled = {fact for fact in facts if rollup and _has(rollup, fact, query, sources)}
    parts: list[sql.Composable] = [sql.SQL(rollup.marked)] if rollup and rolled else []
    parts += [
        sql.SQL("{} AS ({})").format(
            sql.Identifier(fact), _fact(fact, sources[fact], query, used, rollup if fact in rolled else None)
        )
        for fact in facts
    ]
    keys = [sql.Identifier(f"key_{place}") for place in range(len(query.dimensions) + 1)]
    using = sql.SQL(" USING ({})").format(sql.SQL(", ").join(keys))
    joined = sql.SQL(" FULL JOIN ").join(
        sql.SQL("{}{}").format(sql.Identifier(fact), using if place else sql.SQL(""))
        for place, fact in enumerate(facts)
    )
    columns = [*keys[1:], *(_sum(fact, name) for fact in facts for name in sources[fact].sums)]
    if query.ranking:
        columns.append(sql.SQL("count(*) OVER () AS slice_count"))
    composed = sql.SQL(ANALYSIS).format(
        parts=sql.SQL(",\n\n").join(parts),
        columns=sql.SQL(", ").join(columns),
        joined=joined,
        first=_first(query.ranking, query.dimensions) if query.ranking else sql.SQL(ANY_SLICES),
    )
    tables = {table for fact in facts for table in sources[fact].tables if fact not in rolled}
    if rollup and rolled:
        tables.add(rollup.table)
    # Closed lists only: what callers wrote is in the parameters.
    return CompiledAnalysis(composed.as_string(), _parameters(query, rollup if rolled else None), tuple(sorted(tables)))


def _sum(fact: str, name: str) -> sql.Composed:
    """A sum of a fact, where another may have slices that this one has not."""
    missing = "{} AS {}" if name == "revenue_target" else "coalesce({}, 0) AS {}"
    return sql.SQL(missing).format(sql.Identifier(fact, name), sql.Identifier(name))


def _first(ranking: Ranking, dimensions: Sequence[str]) -> sql.Composed:
    by: sql.Composable = sql.Identifier(ranking.by)
    if ranking.by in dimensions:
        is_text = DIMENSIONS[ranking.by].type == "text"
        by = sql.SQL('{} COLLATE "C"' if is_text else "{}").format(
            sql.Identifier(f"key_{dimensions.index(ranking.by) + 1}")
        )
    return sql.SQL(FIRST_SLICES).format(by=by, direction=sql.SQL("DESC" if ranking.descending else "ASC"))


def _sources(used: set[str]) -> dict[Fact, Source]:
    sources = SOURCES_OF_PRODUCTS if used & OF_PRODUCTS else SOURCES
    if "hour" not in used:
        return sources
    return {
        fact: replace(source, rows=LINES_OF_ORDERS) if source.rows is LINES else source
        for fact, source in sources.items()
    }


def _parameters(query: AnalysisQuery, rollup: Rollup | None) -> dict[str, object]:
    rolled = rollup.days_of(query.days) if rollup else None
    months = query.target_months
    return {
        "first_day": query.days.first_day,
        "last_day": query.days.last_day,
        "rolled_from": rolled.first_day if rolled else None,
        "rolled_until": rolled.last_day if rolled else None,
        "first_target_month": months.first_day if months else None,
        "last_target_month": months.last_day if months else None,
        **({"rows": query.ranking.rows} if query.ranking else {"most": query.most + 1}),
    } | {f"values_of_{name}": list(values) for name, values in query.filters}


def _has(rollup: Rollup, fact: Fact, query: AnalysisQuery, sources: Mapping[Fact, Source]) -> bool:
    """Whether the rollup's sums of this fact add up to what is asked for."""
    if fact == "orders":
        return not rollup.part_column or rollup.splits in query.dimensions
    return bool(sources[fact].rolled)


def _fact(fact: Fact, source: Source, query: AnalysisQuery, used: set[str], rollup: Rollup | None) -> sql.Composed:
    """The sums of one fact, by the keys of the query. The first key joins everything where there are no dimensions."""
    joins: list[LiteralString] = [BUSINESS] if used & OF_BUSINESS else []
    if used & OF_STORES:
        joins.append(STORES)
    if used & OF_PRODUCTS:
        joins.append(CATEGORIES if rollup and rollup.part_column == "category_id" else PRODUCTS)
    conditions: list[sql.Composable] = [
        sql.SQL("({})::text = ANY ({})").format(sql.SQL(_value(name)), sql.Placeholder(f"values_of_{name}"))
        for name, _ in query.filters
    ]
    if fact == "customers":
        conditions.append(sql.SQL("part.customer_id IS NOT NULL"))
    values = [sql.SQL("1"), *(sql.SQL(_value(name)) for name in query.dimensions)]
    names = [sql.Identifier(f"key_{place}") for place in range(len(values))]
    keys = sql.SQL(", ").join(sql.SQL("{} AS {}").format(*pair) for pair in zip(values, names, strict=True))
    rows = sql.SQL("FROM ({}) AS part {} WHERE {}").format(
        _rolled_rows(source, rollup) if rollup else sql.SQL(_of(source.rows, ALL_DAYS)),
        sql.SQL(" ").join(map(sql.SQL, joins)),
        sql.SQL(" AND ").join(conditions or [sql.SQL("true")]),
    )
    by = sql.SQL(", ").join(names)
    if fact == "customers":
        orders = DISTINCT_ORDERS if used & OF_PRODUCTS else "count(*)"
        rows = sql.SQL("FROM (SELECT {}, {} AS orders {} GROUP BY {}, part.customer_id) AS part").format(
            keys, sql.SQL(orders), rows, by
        )
        keys = by
    sums = sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(sql.SQL(value), sql.Identifier(name))
        for name, value in (source.rolled if rollup else source.sums).items()
    )
    having = sql.SQL(f" HAVING {source.some}" if rollup else "")
    return sql.SQL("SELECT {}, {} {} GROUP BY {}{}").format(keys, sums, rows, by, having)


def _rolled_rows(source: Source, rollup: Rollup) -> sql.Composed:
    """The sums of a rollup, and those of the stretches that it does not have."""
    part = [sql.Identifier(rollup.part_column)] if rollup.part_column else []
    return sql.SQL(ROLLED).format(
        rolled=sql.SQL(", ").join([*part, *map(sql.Identifier, source.sums)]),
        table=sql.SQL(rollup.table),
        day=sql.Identifier(rollup.day),
        keys=sql.SQL(", ").join(map(sql.SQL, ("raw.store_id", "raw.day", *([rollup.part] if rollup.part else [])))),
        sums=sql.SQL(", ").join(sql.SQL(value.replace("part.", "raw.")) for value in source.sums.values()),
        raw=sql.SQL(_of(source.rows, UNROLLED_DAYS)),
        joins=sql.SQL(rollup.joins),
    )


def _of(rows: LiteralString, days: LiteralString) -> LiteralString:
    """These rows of some days."""
    rows = rows.replace("{line}", LINE)
    return re.sub(
        r"\{of ((\w+)\.\w+)\}", lambda found: days.replace("{day}", found[1]).replace("{row}", found[2]), rows
    )


def _value(name: str) -> LiteralString:
    return VALUES[name].replace("{fiscal}", FISCAL)
