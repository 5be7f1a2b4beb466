"""The metrics compiler: an analysis becomes one query. The one place that composes SQL, from the closed lists here."""

from typing import LiteralString

from psycopg import sql

from zava.core.model import AnalysisQuery

# What each dimension is, of the row that a fact counts; {day} is its day.
VALUES: dict[str, LiteralString] = {
    "store": "store.name",
    "region": "store.region",
    "channel": "CASE WHEN store.is_online THEN 'online' ELSE 'shop' END",
    "category": "category.name",
    "product_type": "product_type.name",
    "product": "product.name",
    "hour": "extract(hour FROM sale.ordered_at AT TIME ZONE business.time_zone)::integer",
    "weekday": "extract(isodow FROM {day})::integer",
    "day": "{day}",
    "week": "{day} - (extract(isodow FROM {day})::integer - business.week_starts_on + 7) %% 7",
    "month": "date_trunc('month', {day})::date",
    "quarter": "to_char({fiscal}, 'YYYY-\"Q\"Q')",
    "year": "extract(year FROM {fiscal})::integer",
}
# A day of the fiscal year, moved into the calendar year that gives it its name.
FISCAL: LiteralString = "({day} + make_interval(months => (13 - business.fiscal_year_starts_in) %% 12))"
OF_STORES = frozenset(("store", "region", "channel"))
OF_PRODUCTS = frozenset(("category", "product_type", "product"))

STORES: LiteralString = "INNER JOIN retail.stores AS store ON {fact}.store_id = store.store_id"
PRODUCTS: LiteralString = """
    INNER JOIN retail.products AS product ON item.product_id = product.product_id
    INNER JOIN retail.product_types AS product_type ON product.product_type_id = product_type.product_type_id
    INNER JOIN retail.categories AS category ON product_type.category_id = category.category_id
"""
BUSINESS: LiteralString = "CROSS JOIN retail.business_settings AS business"

# Lines join their orders by store and number alone: see store_performance_slices.sql.
LINES: LiteralString = """
    retail.order_items AS item
    INNER JOIN retail.orders AS sale ON item.store_id = sale.store_id AND item.order_id = sale.order_id
"""
RETURNED_LINES: LiteralString = """
    INNER JOIN retail.order_items AS item
        ON goods.store_id = item.store_id AND goods.order_id = item.order_id AND goods.line_no = item.line_no
"""
SOLD: LiteralString = """
    sum(item.line_total) AS revenue,
    sum(item.quantity * item.unit_cost) AS cost,
    sum(item.quantity) AS units,
    sum(item.discount_amount) AS discount_amount
"""
ORDERED: LiteralString = "count(*) AS orders, count(DISTINCT sale.customer_id) AS customers"
# An order may hold several lines of one product.
ORDERED_BY_LINES: LiteralString = """
    count(DISTINCT (sale.store_id, sale.order_id)) AS orders,
    count(DISTINCT sale.customer_id) AS customers
"""
NOT_CANCELLED: LiteralString = "sale.status <> 'cancelled'"
DAYS: LiteralString = "{day} BETWEEN %(first_day)s AND %(last_day)s"

ANALYSIS: LiteralString = """
-- What do these facts amount to, by these dimensions?
WITH {facts}
SELECT
    {keys} AS keys,
    coalesce({revenue}, 0) AS revenue,
    coalesce({cost}, 0) AS cost,
    coalesce({units}, 0)::bigint AS units,
    coalesce({orders}, 0) AS orders,
    coalesce({customers}, 0) AS customers,
    coalesce({returned_amount}, 0) AS returned_amount,
    coalesce({discount_amount}, 0) AS discount_amount
FROM {joined}
LIMIT %(most)s
"""
SUMS: dict[str, tuple[LiteralString, ...]] = {
    "lines": ("revenue", "cost", "units", "discount_amount"),
    "orders": ("orders", "customers"),
    "returns": ("returned_amount",),
}


def compile_analysis(query: AnalysisQuery) -> tuple[LiteralString, dict[str, object]]:
    """The SQL of an analysis and its parameters. Answers a JSON array of keys, and the sums, a row for each slice."""
    wanted = sorted(query.facts)
    used = {*query.dimensions, *(name for name, _ in query.filters)}
    facts = sql.SQL(", ").join(
        sql.SQL("{} AS ({})").format(sql.Identifier(fact), _fact(fact, query, used)) for fact in wanted
    )
    keys = [sql.Identifier(f"key_{place}") for place in range(len(query.dimensions) + 1)]
    joined = sql.SQL(" FULL JOIN ").join(
        sql.SQL("{}{}").format(
            sql.Identifier(fact),
            sql.SQL(" USING ({})").format(sql.SQL(", ").join(keys)) if place else sql.SQL(""),
        )
        for place, fact in enumerate(wanted)
    )
    sums = {
        name: sql.Identifier(fact, name) if fact in query.facts else sql.SQL("0")
        for fact, names in SUMS.items()
        for name in names
    }
    composed = sql.SQL(ANALYSIS).format(
        facts=facts,
        keys=sql.SQL("jsonb_build_array({})").format(sql.SQL(", ").join(keys[1:])),
        joined=joined,
        **sums,
    )
    parameters: dict[str, object] = {
        "first_day": query.days.first_day,
        "last_day": query.days.last_day,
        "most": query.most + 1,
    } | {f"values_of_{name}": list(values) for name, values in query.filters}
    # Closed lists only: what callers wrote is in the parameters.
    return composed.as_string(), parameters


def _fact(fact: str, query: AnalysisQuery, used: set[str]) -> sql.Composed:
    """The sums of one fact, by the keys of the query. The first key joins everything where there are no dimensions."""
    by_products = bool(used & OF_PRODUCTS)
    if fact == "returns":
        table, day, sums, conditions = "goods", "goods.returned_on", "sum(goods.refund_amount) AS returned_amount", []
        source: LiteralString = "retail.returns AS goods" + (RETURNED_LINES if by_products else "")
    elif fact == "lines" or by_products:
        table, day, conditions = (
            "item",
            "item.order_date",
            [NOT_CANCELLED, DAYS.replace("{day}", "sale.order_date")],
        )
        source, sums = LINES, SOLD if fact == "lines" else ORDERED_BY_LINES
    else:
        table, day, conditions = "sale", "sale.order_date", [NOT_CANCELLED]
        source, sums = "retail.orders AS sale", ORDERED
    joins: list[LiteralString] = [BUSINESS] if used - OF_STORES - OF_PRODUCTS else []
    if used & OF_STORES:
        joins.append(STORES.replace("{fact}", table))
    if by_products:
        joins.append(PRODUCTS)

    def value(name: str) -> sql.SQL:
        return sql.SQL(VALUES[name].replace("{fiscal}", FISCAL).replace("{day}", day))

    where: list[sql.Composable] = [sql.SQL(DAYS.replace("{day}", day)), *map(sql.SQL, conditions)]
    where += [
        sql.SQL("({})::text = ANY ({})").format(value(name), sql.Placeholder(f"values_of_{name}"))
        for name, _ in query.filters
    ]
    keys = [sql.SQL("1"), *map(value, query.dimensions)]
    return sql.SQL("SELECT {keys}, {sums} FROM {source} {joins} WHERE {where} GROUP BY {names}").format(
        keys=sql.SQL(", ").join(
            sql.SQL("{} AS {}").format(key, sql.Identifier(f"key_{place}")) for place, key in enumerate(keys)
        ),
        sums=sql.SQL(sums),
        source=sql.SQL(source),
        joins=sql.SQL(" ").join(map(sql.SQL, joins)),
        where=sql.SQL(" AND ").join(where),
        names=sql.SQL(", ").join(sql.Identifier(f"key_{place}") for place in range(len(keys))),
    )
