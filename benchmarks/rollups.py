"""How much faster are sums than orders, and what do they cost whoever writes orders?

Each question is asked of the rollups and of the orders in turn, under the row policies, and the ratio of the two is the
median over the rounds. Orders are written with and without the triggers that mark their days, in turn too, and removed
again. All sales must be summed: `zava db rollup`. With --growth two shops, the smaller one first, are asked the same in
turn, of their sums alone.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import psycopg

from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.postgres import analysis
from zava.adapters.postgres.analysis import CompiledAnalysis, compile_analysis
from zava.adapters.postgres.context import ContextKey
from zava.core.model import AnalysisQuery, DateRange, Fact
from zava.demo.personas import PERSONAS

TODAY = datetime.now(UTC).date()
ALL_YEARS = DateRange(date(2020, 1, 1), TODAY)
LAST_MONTH = DateRange(
    (TODAY.replace(day=1) - timedelta(days=1)).replace(day=1), TODAY.replace(day=1) - timedelta(days=1)
)
SUMS: frozenset[Fact] = frozenset(("lines", "orders", "returns"))
LINES: frozenset[Fact] = frozenset(("lines",))
QUESTIONS: dict[str, tuple[str, AnalysisQuery]] = {
    "month × store × category, all years": (
        "demo-head-office",
        AnalysisQuery(("month", "store", "category"), LINES, (), ALL_YEARS, None, 50_000),
    ),
    "month × store, all years": (
        "demo-head-office",
        AnalysisQuery(("month", "store"), SUMS, (), ALL_YEARS, None, 50_000),
    ),
    "product, all years": ("demo-head-office", AnalysisQuery(("product",), LINES, (), ALL_YEARS, None, 50_000)),
    "one store, last month": ("demo-store-seattle", AnalysisQuery((), SUMS, (), LAST_MONTH, None, 50_000)),
    "one store, last month by day": ("demo-store-seattle", AnalysisQuery(("day",), SUMS, (), LAST_MONTH, None, 50_000)),
}
# As one would write it by hand.
PLAIN: dict[str, str] = {
    "month × store × category, all years": """
        SELECT date_trunc('month', i.order_date)::date, s.name, c.name,
            sum(i.line_total), sum(i.quantity * i.unit_cost), sum(i.quantity), sum(i.discount_amount)
        FROM retail.order_items AS i
        JOIN retail.orders AS o USING (store_id, order_id)
        JOIN retail.stores AS s USING (store_id)
        JOIN retail.products AS p USING (product_id)
        JOIN retail.product_types AS t USING (product_type_id)
        JOIN retail.categories AS c USING (category_id)
        WHERE o.status <> 'cancelled' AND i.order_date BETWEEN %(first_day)s AND %(last_day)s
        GROUP BY 1, 2, 3
    """,
    "one store, last month": """
        SELECT sum(i.line_total), sum(i.quantity * i.unit_cost), sum(i.quantity), sum(i.discount_amount),
            count(DISTINCT (o.store_id, o.order_id)),
            (
                SELECT sum(refund_amount) FROM retail.returns
                WHERE returned_on BETWEEN %(first_day)s AND %(last_day)s
            )
        FROM retail.order_items AS i
        JOIN retail.orders AS o USING (store_id, order_id)
        WHERE o.status <> 'cancelled' AND i.order_date BETWEEN %(first_day)s AND %(last_day)s
    """,
}
ORDER = """
WITH sold AS (
    INSERT INTO retail.orders (store_id, order_number, ordered_at, order_date, total_amount, status)
    SELECT store_id, %(number)s + part, now(), current_date, 10, 'pending'
    FROM (SELECT store_id FROM retail.stores ORDER BY name LIMIT 1) AS store
    CROSS JOIN generate_series(1, %(orders)s) AS part
    RETURNING store_id, order_id, order_date
)
SELECT store_id, order_id, order_date FROM sold
"""
LINES_OF_ORDERS = """
INSERT INTO retail.order_items (
    store_id, order_id, line_no, order_date, product_id, quantity, unit_price, unit_cost, line_total
)
SELECT sold.store_id, sold.order_id, line.line_no, sold.order_date, line.product_id, 1, 5, 3, 5
FROM unnest(%(stores)s::uuid[], %(ids)s::uuid[], %(days)s::date[]) AS sold (store_id, order_id, order_date)
CROSS JOIN (
    SELECT product_id, row_number() OVER () AS line_no FROM retail.products ORDER BY sku LIMIT 2
) AS line
"""
FIRST_NUMBER = 900_000_000
TABLES = ("orders", "order_items", "returns")


@contextmanager
def asking(postgres: EmbeddedPostgres, token: str) -> Iterator[psycopg.Connection[Any]]:
    """A transaction in which this persona asks, as the server would."""
    persona = next(persona for persona in PERSONAS if persona.token == token)
    key = ContextKey.read(postgres.secret_file("context-key"))
    dsn = postgres.dsn(user="zava_app", password=postgres.secret("zava_app"))
    with psycopg.connect(dsn) as connection:
        connection.execute("SELECT access.seal_context(%s)", [key.token(persona.principal_id, now=time.time())])
        connection.execute("SET LOCAL ROLE zava_reader")
        connection.execute("SET LOCAL statement_timeout = 0")
        yield connection


def milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def from_orders(query: AnalysisQuery) -> CompiledAnalysis:
    with patch.object(analysis, "rollup_for", lambda *_: None):
        return compile_analysis(query)


def ask(postgres: EmbeddedPostgres, rounds: int) -> None:
    for name, (token, query) in QUESTIONS.items():
        with asking(postgres, token) as connection:
            summed, raw = compile_analysis(query), from_orders(query)
            if sorted(map(str, run(connection, summed))) != sorted(map(str, run(connection, raw))):
                raise SystemExit(f"{name}: the two answers differ")
            others = {"orders": raw}
            if name in PLAIN:
                others["by hand"] = CompiledAnalysis(PLAIN[name], summed.parameters, ())
            for other, compiled in others.items():
                pairs = [time_both(connection, summed, compiled) for _ in range(rounds)]
                report(name, "rollup", other, pairs, median(two / one for one, two in pairs))


def grow(smaller: EmbeddedPostgres, larger: EmbeddedPostgres, rounds: int) -> None:
    for name, (token, query) in QUESTIONS.items():
        with asking(smaller, token) as small, asking(larger, token) as large:
            summed = compile_analysis(query)
            pairs = [(time_one(small, summed), time_one(large, summed)) for _ in range(rounds + 1)][1:]
            report(name, "smaller", "larger", pairs, median(two / one for one, two in pairs))


def run(connection: psycopg.Connection[Any], compiled: CompiledAnalysis) -> list[Any]:
    return connection.execute(compiled.sql, compiled.parameters).fetchall()


def time_one(connection: psycopg.Connection[Any], compiled: CompiledAnalysis) -> float:
    return milliseconds(lambda: run(connection, compiled))


def time_both(
    connection: psycopg.Connection[Any], first: CompiledAnalysis, second: CompiledAnalysis
) -> tuple[float, float]:
    return time_one(connection, first), time_one(connection, second)


def report(name: str, first: str, second: str, pairs: list[tuple[float, float]], times: float) -> None:
    one, two = (median(column) for column in zip(*pairs, strict=True))
    print(f"{name:38} {first} {one:8.1f} ms, {second} {two:9.1f} ms, {times:7.2f} times", flush=True)


def write(connection: psycopg.Connection[Any], transactions: int, orders: int) -> float:
    """Milliseconds that it takes to write so many orders of two lines in so many transactions."""

    def work() -> None:
        for number in range(transactions):
            with connection.transaction():
                connection.execute("SET LOCAL ROLE zava_owner")
                parameters = {"number": FIRST_NUMBER + number * orders, "orders": orders}
                sold = connection.execute(ORDER, parameters).fetchall()
                stores, ids, days = (list(column) for column in zip(*sold, strict=True))
                connection.execute(LINES_OF_ORDERS, {"stores": stores, "ids": ids, "days": days})

    took = milliseconds(work)
    with connection.transaction():
        connection.execute("SET LOCAL ROLE zava_owner")
        connection.execute(
            """
            DELETE FROM retail.order_items
            WHERE order_id IN (SELECT order_id FROM retail.orders WHERE order_number > %s)
            """,
            [FIRST_NUMBER],
        )
        connection.execute("DELETE FROM retail.orders WHERE order_number > %s", [FIRST_NUMBER])
    return took


def marking(connection: psycopg.Connection[Any], *, enabled: bool) -> None:
    for table in TABLES:
        action = "ENABLE" if enabled else "DISABLE"
        connection.execute(f"ALTER TABLE retail.{table} {action} TRIGGER mark_new".encode())


def insert(postgres: EmbeddedPostgres, rounds: int) -> None:
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        for name, transactions, orders in (
            ("200 transactions of an order", 200, 1),
            ("a transaction of 5,000 orders", 1, 5000),
        ):
            pairs = []
            for _ in range(rounds):
                marking(connection, enabled=False)
                without = write(connection, transactions, orders)
                marking(connection, enabled=True)
                pairs.append((write(connection, transactions, orders), without))
            report(name, "marked", "bare", pairs, median(one / two for one, two in pairs))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, nargs="+", required=True)
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    if given.growth:
        with EmbeddedPostgres(given.data_dir[0]) as smaller, EmbeddedPostgres(given.data_dir[1]) as larger:
            grow(smaller, larger, given.rounds)
    else:
        for data_dir in given.data_dir:
            print(data_dir.name)
            with EmbeddedPostgres(data_dir) as postgres:
                ask(postgres, given.rounds)
                insert(postgres, given.rounds)
