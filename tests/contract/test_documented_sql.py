"""The SQL of the operations manual does what is said of it."""

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.contract.conftest import TestDatabase
from tests.contract.test_customers import ask, shop_dsn  # noqa: F401 - a fixture
from tests.contract.test_imports import copied
from zava.adapters.embedded.supervisor import EmbeddedPostgres

pytestmark = pytest.mark.operations

MANUAL = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
OLD = "2025-01-01"


def documented(heading: str) -> str:
    """The SQL of a section."""
    section = MANUAL.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    (text,) = re.findall(r"^```sql\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    return str(text)


@pytest.fixture
def shop(server: EmbeddedPostgres, shop_dsn: str) -> Iterator[TestDatabase]:  # noqa: F811
    with copied(server, shop_dsn) as dsn:
        yield TestDatabase(dsn, dsn)


def run(database: TestDatabase, text: str) -> None:
    """As psql does, statement by statement."""
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        for statement in text.split(";\n"):
            if statement.strip():
                connection.execute(statement.encode())


def sums_of(database: TestDatabase) -> list[tuple[Any, ...]]:
    """By month, as the sums have it."""
    while ask(database, "SELECT retail.roll_up_sales()") != [(0,)]:
        pass
    months = "SELECT date_trunc('month', day)::date::text, sum(revenue) FROM retail.sales_by_day GROUP BY 1 ORDER BY 1"
    return ask(database, months)


def test_a_store_gets_another_name_and_keeps_its_past(shop: TestDatabase) -> None:
    before = ask(shop, "SELECT store_id, count(*) FROM retail.orders GROUP BY 1 ORDER BY 1")
    run(shop, documented("Stores that open, close or change region"))
    assert ask(shop, "SELECT name FROM retail.stores ORDER BY 1") == [("Chicago Loop",), ("Springfield",), ("Web",)]
    assert ask(shop, "SELECT store_id, count(*) FROM retail.orders GROUP BY 1 ORDER BY 1") == before


def test_old_orders_are_archived_whole_and_the_sums_with_them(shop: TestDatabase) -> None:
    before = sums_of(shop)
    archived = documented("Old orders")
    run(shop, archived)
    assert sums_of(shop) == before  # nothing of the example is that old
    run(shop, archived.replace(OLD, "2026-04-01"))
    # Goods of the only order that stays came back in April.
    assert ask(shop, "SELECT order_date::text FROM retail.orders") == [("2026-03-08",)]
    assert ask(shop, "SELECT count(*) FROM archive.orders") == [(5,)]
    for schema, lines, returned in (("retail", 2, 1), ("archive", 7, 1)):
        counts = f"SELECT (SELECT count(*) FROM {schema}.order_items), (SELECT count(*) FROM {schema}.returns)"  # noqa: S608
        assert ask(shop, counts) == [(lines, returned)]
    assert sums_of(shop) == [("2026-03-01", Decimal("31.00")), ("2026-04-01", Decimal(0))]


@pytest.mark.parametrize("role", ["zava_app", "zava_reader", "zava_sandbox_all", "zava_writer"])
def test_nobody_who_asks_enters_the_archive(shop: TestDatabase, role: str) -> None:
    run(shop, documented("Old orders"))
    with psycopg.connect(shop.admin_dsn) as connection:
        allowed = connection.execute("SELECT has_schema_privilege(%s, 'archive', 'USAGE')", [role]).fetchone()
    assert allowed == (False,)
