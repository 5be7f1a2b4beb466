"""Analyses of the sample shop equal plain SQL over its orders: metrics, dimensions, filters and days at random.

The SQL here is written on its own: one flat row for each thing that counts, and a GROUP BY. It knows neither rollups
nor row policies; the stores of who asks are written into it.
"""

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, LiteralString

import psycopg
import pytest

from tests.contract.conftest import KEY, TestDatabase, new_database, new_pool
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.postgres.sales import PostgresSalesRepository
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.core.analysis import DIMENSIONS
from zava.core.model import AnalysisQuery, DateRange, Fact, Principal
from zava.demo.personas import PERSONAS
from zava.demo.shop import open_sample_shop

# An hour's worth: ANALYSES=20000
ANALYSES = int(os.environ.get("ANALYSES", "150"))
SEED = 20261128
SCALE = 0.01
LAST_DAY = date(2024, 8, 17)
FIRST_DAY = date(2020, 1, 1)
TOKENS = ("demo-head-office", "demo-store-seattle", "demo-store-online")

FLAT: dict[Fact, LiteralString] = {
    "lines": """
        SELECT store_id, i.order_date AS day, o.ordered_at, product_id, line_total, quantity * unit_cost AS spent,
            quantity, discount_amount
        FROM retail.order_items AS i JOIN retail.orders AS o USING (store_id, order_id)
        WHERE o.status <> 'cancelled'
    """,
    "orders": """
        SELECT DISTINCT store_id, o.order_date AS day, o.ordered_at, {product}, order_id
        FROM retail.orders AS o JOIN retail.order_items USING (store_id, order_id)
        WHERE o.status <> 'cancelled'
    """,
    "customers": """
        SELECT DISTINCT store_id, o.order_date AS day, o.ordered_at, {product}, order_id, customer_id
        FROM retail.orders AS o JOIN retail.order_items USING (store_id, order_id)
        WHERE o.status <> 'cancelled' AND customer_id IS NOT NULL
    """,
    "returns": """
        SELECT store_id, returned_on AS day, NULL::timestamptz AS ordered_at, product_id, refund_amount
        FROM retail.returns JOIN retail.order_items USING (store_id, order_id, line_no)
    """,
    "first_orders": """
        SELECT DISTINCT ON (customer_id) store_id, order_date AS day, ordered_at, NULL::uuid AS product_id, order_id
        FROM retail.orders
        WHERE status <> 'cancelled' AND customer_id IS NOT NULL AND store_id = ANY (%(stores)s)
        ORDER BY customer_id, ordered_at, store_id, order_id
    """,
}
SUMS: dict[Fact, LiteralString] = {
    "lines": "sum(line_total), sum(spent), sum(quantity), sum(discount_amount)",
    "orders": "count(DISTINCT order_id)",
    "customers": "count(DISTINCT customer_id)",
    "returns": "sum(refund_amount)",
    "first_orders": "count(*)",
}
VALUES: dict[str, LiteralString] = {
    "store": "s.name",
    "region": "s.region",
    "channel": "CASE is_online WHEN true THEN 'online' ELSE 'shop' END",
    "category": "c.name",
    "product_type": "t.name",
    "product": "p.name",
    "hour": "date_part('hour', ordered_at AT TIME ZONE 'America/Los_Angeles')::int",
    "weekday": "(date_part('dow', day)::int + 6) %% 7 + 1",
    "day": "day",
    # Weeks begin on Sunday, fiscal years in July.
    "week": "day - date_part('dow', day)::int",
    "month": "make_date(date_part('year', day)::int, date_part('month', day)::int, 1)",
    "quarter": "to_char(day + interval '6 months', 'YYYY') || '-Q' || date_part('quarter', day + interval '6 months')",
    "year": "date_part('year', day + interval '6 months')::int",
}


@dataclass(frozen=True)
class Shop:
    """The sample shop, and who may ask."""

    database: TestDatabase
    stores: dict[str, list[Any]]
    values: dict[str, list[str]]


@pytest.fixture(scope="module")
def shop(embedded_server: EmbeddedPostgres) -> Iterator[Shop]:
    database = new_database(embedded_server)
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        now = datetime(LAST_DAY.year, LAST_DAY.month, LAST_DAY.day, 22, tzinfo=UTC)
        open_sample_shop(connection, now=now, scale=SCALE)
        connection.execute("UPDATE retail.business_settings SET week_starts_on = 7, fiscal_year_starts_in = 7")
        every = [one for (one,) in connection.execute("SELECT store_id FROM retail.stores").fetchall()]
        own = connection.execute("SELECT principal_id, store_id FROM access.principal_stores").fetchall()
        stores = {
            persona.token: [store for who, store in own if who == persona.principal_id] or every
            for persona in PERSONAS
            if persona.token in TOKENS
        }
        values = {
            "store": connection.execute("SELECT name FROM retail.stores").fetchall(),
            "category": connection.execute("SELECT name FROM retail.categories").fetchall(),
            "product_type": connection.execute("SELECT name FROM retail.product_types").fetchall(),
            "channel": [("online",), ("shop",)],
            "weekday": [(str(number),) for number in range(1, 8)],
            "month": [(str(date(2023, month, 1)),) for month in range(1, 13)],
        }
        yield Shop(database, stores, {name: [value for (value,) in rows] for name, rows in values.items()})


def random_query(chance: random.Random, values: dict[str, list[str]]) -> AnalysisQuery:
    dimensions = tuple(chance.sample(list(DIMENSIONS), chance.choice((0, 1, 1, 2, 2, 3))))
    filters = tuple(
        (name, tuple(chance.sample(values[name], min(len(values[name]), chance.randint(1, 4)))))
        for name in chance.sample(list(values), chance.choice((0, 0, 1, 2)))
    )
    used = {*dimensions, *(name for name, _ in filters)}
    possible = [fact for fact in FLAT if all(fact in DIMENSIONS[name].facts for name in used)]
    facts = frozenset(chance.sample(possible, chance.randint(1, len(possible))))
    first_day = FIRST_DAY + timedelta(days=chance.randrange(1600))
    if chance.random() < 0.5:
        first_day = first_day.replace(day=1)
    last_day = min(LAST_DAY, first_day + timedelta(days=chance.choice((0, 6, 30, 100, 400, 2000))))
    return AnalysisQuery(dimensions, facts, filters, DateRange(first_day, max(first_day, last_day)), None, 50_000)


def plain_sql(
    connection: psycopg.Connection[Any], query: AnalysisQuery, fact: Fact, stores: list[Any]
) -> dict[Any, Any]:
    """Sums of a fact by the keys of the query."""
    used = {*query.dimensions, *(name for name, _ in query.filters)}
    # An order counts once, unless products tell its lines apart.
    product = "product_id" if used & {"category", "product_type", "product"} else "NULL::uuid AS product_id"
    keys = ", ".join(f"({VALUES[name]})::text" for name in query.dimensions)
    filters = "".join(f" AND ({VALUES[name]})::text = ANY (%({name})s)" for name, _ in query.filters)
    rows = connection.execute(
        f"""
        SELECT ARRAY[{keys}]::text[], {SUMS[fact]}
        FROM ({FLAT[fact].replace("{product}", product)}) AS flat
        JOIN retail.stores AS s USING (store_id)
        LEFT JOIN retail.products AS p USING (product_id)
        LEFT JOIN retail.product_types AS t USING (product_type_id)
        LEFT JOIN retail.categories AS c USING (category_id)
        WHERE store_id = ANY (%(stores)s) AND day BETWEEN %(first)s AND %(last)s {filters}
        GROUP BY 1
        """.encode(),  # noqa: S608 - of the words above
        {
            "stores": stores,
            "first": query.days.first_day,
            "last": query.days.last_day,
            **{name: list(wanted) for name, wanted in query.filters},
        },
    ).fetchall()
    return {tuple(row[0]): row[1:] for row in rows if any(row[1:])}


async def test_random_analyses_equal_plain_sql_before_and_after_sums_are_made(shop: Shop) -> None:
    chance = random.Random(SEED)  # noqa: S311 - nothing secret
    principals = {one.token: Principal(one.principal_id, one.name) for one in PERSONAS if one.token in TOKENS}
    found_rows = 0
    with psycopg.connect(shop.database.admin_dsn, autocommit=True) as connection:
        async with new_pool(shop.database) as pool:
            sales = PostgresSalesRepository(PrincipalSessions(pool, lambda: KEY))
            for number in range(ANALYSES):
                # One after the other a month is summed, and now and then an old one is marked again.
                connection.execute("SELECT retail.roll_up_sales()")
                if number % 5 == 0:
                    day = FIRST_DAY + timedelta(days=chance.randrange(1600))
                    connection.execute("UPDATE retail.orders SET status = status WHERE order_date = %s", [day])
                query, token = random_query(chance, shop.values), chance.choice(TOKENS)
                figures = await sales.analyze(principals[token], query)
                expected = {fact: plain_sql(connection, query, fact, shop.stores[token]) for fact in query.facts}
                keys = {key for sums in expected.values() for key in sums}
                found = {tuple(map(str, one.keys)): one.totals for one in figures.slices}
                assert set(found) == keys, query
                for key, totals in found.items():
                    for fact, got in {
                        "lines": (totals.revenue, totals.cost, totals.units, totals.discount_amount),
                        "orders": (totals.orders,),
                        "customers": (totals.customers,),
                        "returns": (totals.returned_amount,),
                        "first_orders": (totals.new_customers,),
                    }.items():
                        if fact in query.facts:
                            assert got == expected[fact].get(key, (0,) * len(got)), (query, key, fact)
                found_rows += len(found)
    assert found_rows > 10 * ANALYSES
