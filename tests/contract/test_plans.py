"""How PostgreSQL runs free SQL under the policies: as auto_explain shows the plans to the server's own login."""

import re
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from tests import tiny_shop
from tests.contract.conftest import KEY, TestDatabase
from tests.tiny_shop import PersonRow
from zava.adapters.postgres.sandbox import PostgresSandbox, SandboxLimits
from zava.adapters.postgres.schema_catalog import PostgresSchemaCatalog
from zava.adapters.postgres.sessions import PrincipalSessions

PEOPLE = (tiny_shop.SEATTLE, tiny_shop.REGION, tiny_shop.HEAD_OFFICE, tiny_shop.STORELESS)

# Notices reach the client whose query it is, with nested queries that nobody else would see.
FILL_AND_EXPLAIN = """
INSERT INTO retail.orders (store_id, order_number, ordered_at, order_date, total_amount)
SELECT store.store_id, 100 + day, '2020-01-01', date '2020-01-01' + day, 1
FROM retail.stores AS store CROSS JOIN generate_series(1, 2000) AS day;

INSERT INTO retail.customer_records (store_id, first_name, last_name)
SELECT store.store_id, 'x', 'y' FROM retail.stores AS store CROSS JOIN generate_series(1, 500);

DO $$
DECLARE
    setting text[];
BEGIN
    FOREACH setting SLICE 1 IN ARRAY ARRAY[
        ['session_preload_libraries', 'auto_explain'],
        ['auto_explain.log_min_duration', '0'],
        ['auto_explain.log_nested_statements', 'on'],
        ['auto_explain.log_level', 'notice']
    ] LOOP
        EXECUTE format('ALTER ROLE zava_app IN DATABASE %I SET %s = %L', current_database(), setting[1], setting[2]);
    END LOOP;
END
$$;
"""

IN_MARCH = "order_date BETWEEN '2021-03-01' AND '2021-03-31'"
OF_ORDERS = {
    "aggregate": f"SELECT sum(total_amount) FROM orders WHERE {IN_MARCH}",  # noqa: S608
    "filter": f"SELECT order_number, total_amount FROM orders WHERE {IN_MARCH} ORDER BY order_number",  # noqa: S608
    "group": f"SELECT order_date, count(*) FROM retail.orders WHERE {IN_MARCH} GROUP BY 1",  # noqa: S608
}
QUERIES = OF_ORDERS | {
    "everything": "SELECT count(*), sum(total_amount) FROM orders",
    "join": "SELECT s.name, sum(o.total_amount) FROM orders o JOIN stores s USING (store_id) GROUP BY 1",
    "customers": "SELECT last_name, email FROM customers",
    "outer join": "SELECT count(*) FROM customers c LEFT JOIN orders o USING (store_id, customer_id)",
    "sub-select": "SELECT name, (SELECT max(order_date) FROM orders o WHERE o.store_id = s.store_id) FROM stores s",
    "window": "SELECT order_number, sum(total_amount) OVER (ORDER BY order_date) FROM orders",
}


@pytest.fixture(scope="module")
def database(tiny_copy: TestDatabase) -> TestDatabase:
    with psycopg.connect(tiny_copy.admin_dsn, autocommit=True) as connection:
        connection.execute(FILL_AND_EXPLAIN)
        connection.execute("ANALYZE")
    return tiny_copy


async def plan(database: TestDatabase, person: PersonRow, query: str) -> str:
    """How PostgreSQL ran this query for this person."""
    said: list[str] = []

    async def listen(connection: psycopg.AsyncConnection[Any]) -> None:
        connection.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))

    async with AsyncConnectionPool(
        database.app_dsn, kwargs={"autocommit": True}, min_size=1, max_size=1, configure=listen, open=False
    ) as pool:
        sessions = PrincipalSessions(pool, lambda: KEY)
        sandbox = PostgresSandbox(sessions, PostgresSchemaCatalog(sessions), SandboxLimits())
        await sandbox.execute_sales_query(person.principal, query)
    plans = [text for text in said if "Query Text: SELECT * FROM (" in text]
    assert len(plans) == 1, said
    return plans[0].split("LIMIT 1001", 1)[1]


def calls_for_each_row(plan: str) -> list[str]:
    """Where a function of the policies stands in a condition on rows."""
    return [line for line in plan.splitlines() if "access." in line and "One-Time Filter" not in line]


@pytest.mark.parametrize("query", OF_ORDERS)
async def test_a_managers_days_are_found_in_the_index_of_their_store(database: TestDatabase, query: str) -> None:
    found = await plan(database, tiny_shop.SEATTLE, OF_ORDERS[query])
    assert "orders_by_date" in found
    assert re.search(r"Index Cond: \(\(store_id = .*\) AND \(order_date >= .*\) AND \(order_date <= ", found)
    assert "Filter" not in found


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person.name)
@pytest.mark.parametrize("query", QUERIES)
async def test_the_policy_is_asked_once_a_query_and_never_for_each_row(
    database: TestDatabase, person: PersonRow, query: str
) -> None:
    found = await plan(database, person, QUERIES[query])
    assert "InitPlan" in found or "One-Time Filter" in found
    assert calls_for_each_row(found) == []


async def test_a_policy_that_is_asked_for_each_row_would_be_seen(database: TestDatabase) -> None:
    policy: LiteralString = "ALTER POLICY own_stores ON retail.orders USING (store_id = ANY ({}))"
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        connection.execute(policy.format("access.my_stores()"))
        try:
            found = await plan(database, tiny_shop.REGION, QUERIES["everything"])
        finally:
            connection.execute(policy.format("(SELECT access.my_stores())::uuid[]"))
    assert len(calls_for_each_row(found)) == 1
