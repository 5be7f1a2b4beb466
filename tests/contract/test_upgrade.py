"""A database of the first schema that there was comes to the newest one while people ask and orders come in."""

import asyncio
import itertools
import shutil
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import LiteralString
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests import tiny_shop
from tests.contract.conftest import APP_PASSWORD, KEY, TestDatabase, new_pool
from tests.postgres import load_tiny_shop
from tests.tiny_shop import identify
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.postgres.migrate import (
    create_database,
    migrate,
    pending_steps,
    register_context_key,
    schema_root,
    set_first_password,
)
from zava.adapters.postgres.sales import PostgresSalesRepository
from zava.adapters.postgres.sessions import PrincipalSessions, Question
from zava.core.errors import ZavaError
from zava.core.model import AnalysisQuery, DateRange, Principal

pytestmark = pytest.mark.operations

# With these Zava answered its first question. There were no sums, no audit trail and no vectors then.
FIRST_MIGRATIONS = (
    "0001_access.sql",
    "0002_retail.sql",
    "0003_tenancy.sql",
    "0004_sample_shop.sql",
)
MANY_ORDERS = """
WITH placed AS (
    INSERT INTO retail.orders (store_id, order_number, ordered_at, order_date, total_amount, status)
    SELECT %(store)s, 1000 + n, date '2025-01-01' + n / 50 + time '12:00', date '2025-01-01' + n / 50, 10, 'completed'
    FROM generate_series(0, 9999) AS n
    RETURNING order_id, order_date
)
INSERT INTO retail.order_items (
    store_id, order_id, line_no, order_date, product_id, quantity, unit_price, unit_cost, line_total
)
SELECT %(store)s, placed.order_id, line, placed.order_date, %(product)s, 1, 5, 3, 5
FROM placed CROSS JOIN generate_series(1, 2) AS line
"""
ONE_ORDER = MANY_ORDERS.replace("1000 + n", "%(number)s").replace("generate_series(0, 9999)", "generate_series(0, 0)")
# Of days on which nothing is written meanwhile. Tables are named in different orders, as different questions do.
QUESTIONS_IN_SQL: tuple[LiteralString, ...] = (
    """
    SELECT sum(line_total) AS revenue, count(DISTINCT order_id) AS orders FROM retail.order_items
    WHERE order_date BETWEEN '2025-02-01' AND '2025-02-28'
    """,
    """
    SELECT sum(item.line_total) AS revenue, count(DISTINCT sale.order_id) AS orders
    FROM retail.stores AS store
    INNER JOIN retail.orders AS sale ON store.store_id = sale.store_id
    INNER JOIN retail.order_items AS item ON sale.store_id = item.store_id AND sale.order_id = item.order_id
    INNER JOIN retail.products AS product ON item.product_id = product.product_id
    LEFT JOIN retail.customers AS customer
        ON sale.store_id = customer.store_id AND sale.customer_id = customer.customer_id
    LEFT JOIN retail.returns AS goods ON item.store_id = goods.store_id AND item.order_id = goods.order_id
    WHERE sale.order_date BETWEEN '2025-02-01' AND '2025-02-28'
    """,
    """
    SELECT sum(item.line_total) AS revenue, count(DISTINCT sale.order_id) AS orders
    FROM retail.products AS product
    INNER JOIN retail.order_items AS item ON product.product_id = item.product_id
    INNER JOIN retail.orders AS sale ON item.store_id = sale.store_id AND item.order_id = sale.order_id
    INNER JOIN retail.inventory AS stock ON item.store_id = stock.store_id
    WHERE sale.order_date BETWEEN '2025-02-01' AND '2025-02-28' AND stock.product_id = product.product_id
    """,
)


@dataclass(frozen=True, slots=True)
class Sold:
    revenue: Decimal
    orders: int


ANSWER = Sold(Decimal("14000.00"), 1400)
QUESTIONS = tuple(Question(f"question {number}", text, Sold) for number, text in enumerate(QUESTIONS_IN_SQL))
PEOPLE = (tiny_shop.SEATTLE.principal, tiny_shop.HEAD_OFFICE.principal)
# Seconds that somebody waits for an answer.
PATIENCE = 10.0


@dataclass
class Traffic:
    """What people were told while it ran.

    Attributes:
        answers: that were right.
        complaints: of whoever was refused, or told something else.
        slowest: the longest that anybody waited, in seconds.
        written: orders.
    """

    answers: int = 0
    complaints: list[str] = field(default_factory=list)
    slowest: float = 0
    written: int = 0


@pytest.fixture
def old_database(server: EmbeddedPostgres, tmp_path: Path) -> TestDatabase:
    """The tiny shop with 10,000 more orders, on the first schema."""
    old = Path(shutil.copytree(str(schema_root()), tmp_path / "schema"))
    for step in [*old.glob("migrations/*.sql"), *old.glob("vector/*.sql")]:
        if step.name not in FIRST_MIGRATIONS:
            step.unlink()
    name = f"old_{uuid4().hex[:12]}"
    with psycopg.connect(server.dsn(database="postgres"), autocommit=True) as connection:
        create_database(connection, name)
    dsn = server.dsn(database=name)
    with psycopg.connect(dsn, autocommit=True) as connection:
        migrate(connection, old)
        register_context_key(connection, KEY)
        set_first_password(connection, "zava_app", APP_PASSWORD)
        load_tiny_shop(connection)
        connection.execute("SET ROLE zava_owner")
        connection.execute(MANY_ORDERS.encode(), {"store": identify("Seattle"), "product": identify("Claw hammer")})
        connection.execute("ANALYZE")
    return TestDatabase(dsn, make_conninfo(dsn, user="zava_app", password=APP_PASSWORD))


async def ask_all_the_time(sessions: PrincipalSessions, person: Principal, traffic: Traffic) -> None:
    for question in itertools.cycle(QUESTIONS):
        started = time.monotonic()
        try:
            answers = await sessions.ask(person, {}, question)
        except (ZavaError, psycopg.Error) as error:
            traffic.complaints.append(f"{type(error).__name__}: {error}")
            continue
        traffic.slowest = max(traffic.slowest, time.monotonic() - started)
        if answers[question] == [ANSWER]:
            traffic.answers += 1
        else:
            traffic.complaints.append(f"{person.name} was told {answers[question]}")


def write_all_the_time(database: TestDatabase, traffic: Traffic, ended: threading.Event) -> None:
    """As a point of sale does, on one day."""
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        connection.execute("SET ROLE zava_owner")
        while not ended.wait(0.02):
            values = {
                "store": identify("Seattle"),
                "product": identify("Claw hammer"),
                "number": 50_000 + traffic.written,
            }
            try:
                connection.execute(ONE_ORDER.encode(), values)
            except psycopg.errors.DeadlockDetected:
                continue
            traffic.written += 1


@asynccontextmanager
async def traffic_in(database: TestDatabase) -> AsyncIterator[Traffic]:
    """Two people ask a server all the time, and a point of sale writes, until the end."""
    traffic, ended = Traffic(), threading.Event()
    async with new_pool(database) as pool:
        sessions = PrincipalSessions(pool, lambda: KEY, statement_timeout=PATIENCE)
        writing = asyncio.create_task(asyncio.to_thread(write_all_the_time, database, traffic, ended))
        asking = [asyncio.create_task(ask_all_the_time(sessions, person, traffic)) for person in PEOPLE]
        try:
            yield traffic
        finally:
            ended.set()
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
            await writing


async def test_the_first_schema_becomes_the_newest_and_nobody_is_refused_meanwhile(old_database: TestDatabase) -> None:
    with psycopg.connect(old_database.admin_dsn, autocommit=True) as connection:
        async with traffic_in(old_database) as traffic:
            await asyncio.sleep(0.5)
            before = traffic.answers
            steps = await asyncio.to_thread(migrate, connection)
            during = traffic.answers - before
            await asyncio.sleep(0.5)
        applied = [step.name for step in steps if step.series == "migrations"]
        assert traffic.complaints == []
        assert before > 0
        assert during > 0
        assert traffic.slowest < PATIENCE
        assert applied[0] > FIRST_MIGRATIONS[-1]
        assert pending_steps(connection) == ()
        # What was written before, meanwhile and afterwards is in the sums.
        while connection.execute("SELECT retail.roll_up_sales()").fetchone() != (0,):
            pass
        differing = connection.execute(
            """
            SELECT store_id, day, sums.revenue, sold.revenue
            FROM retail.sales_by_day AS sums
            FULL JOIN (
                SELECT item.store_id, item.order_date AS day, sum(item.line_total) AS revenue
                FROM retail.order_items AS item
                INNER JOIN retail.orders AS sale ON item.store_id = sale.store_id AND item.order_id = sale.order_id
                WHERE sale.status <> 'cancelled'
                GROUP BY item.store_id, item.order_date
            ) AS sold USING (store_id, day)
            WHERE coalesce(sums.revenue, 0) <> coalesce(sold.revenue, 0)
            """
        ).fetchall()
        assert differing == []
        assert connection.execute("SELECT count(*) FROM retail.orders WHERE order_number >= 50000").fetchone() == (
            traffic.written,
        )
    async with new_pool(old_database) as pool:
        sales = PostgresSalesRepository(PrincipalSessions(pool, lambda: KEY))
        february = DateRange(date(2025, 2, 1), date(2025, 2, 28))
        query = AnalysisQuery((), frozenset({"lines", "orders"}), (), february, None, 1)
        (found,) = (await sales.analyze(tiny_shop.SEATTLE.principal, query)).slices
    assert Sold(found.totals.revenue, found.totals.orders) == ANSWER
