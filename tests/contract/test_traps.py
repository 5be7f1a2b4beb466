"""Traps that systems like this one fell into: each is closed, and each test shows that it would be open otherwise."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import product
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool

from tests import tiny_shop
from tests.contract.conftest import KEY, Pool, TestDatabase
from tests.contract.test_sandbox import SEATTLE, TACOMA, ask, no_guard, sandbox_of, scalars
from tests.contract.test_tenancy import as_administrator, as_app, as_reader, seal
from tests.contract.test_tenancy import scalars as scalars_of
from zava.adapters.postgres.guard import check
from zava.adapters.postgres.sandbox import PostgresSandbox, SandboxLimits
from zava.adapters.postgres.schema_catalog import PostgresSchemaCatalog
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.core.errors import InvalidQueryError, QueryRefusedError
from zava.core.model import Principal

# Shipped orders are Tacoma's alone, and many.
MANY_SHIPPED = """
INSERT INTO retail.orders (store_id, order_number, ordered_at, order_date, total_amount, status)
SELECT store_id, 100 + day, '2020-01-01', date '2020-01-01' + day, 1, 'shipped'
FROM retail.stores CROSS JOIN generate_series(1, 3000) AS day WHERE name = 'Tacoma';
ANALYZE
"""


@pytest.fixture(scope="module")
def database(tiny_copy: TestDatabase) -> TestDatabase:
    with as_administrator(tiny_copy) as connection:
        connection.execute(MANY_SHIPPED)
    return tiny_copy


@contextmanager
def changed(database: TestDatabase, change: LiteralString, back: LiteralString) -> Iterator[None]:
    """The database without a remedy, for as long as this lasts."""
    with as_administrator(database) as connection:
        connection.execute(change)
        try:
            yield
        finally:
            connection.execute(back)


@contextmanager
def as_sandbox(database: TestDatabase, principal: Principal) -> Iterator[psycopg.Connection[Any]]:
    """The sandbox's role of who has one store, with nothing around it."""
    with as_administrator(database) as connection, connection.transaction(force_rollback=True):
        seal(connection, principal)
        connection.execute("SET LOCAL ROLE zava_sandbox_one")
        yield connection


@asynccontextmanager
async def sessions_on_one_connection(database: TestDatabase) -> AsyncIterator[tuple[PrincipalSessions, Pool]]:
    async with AsyncConnectionPool(
        database.app_dsn, kwargs={"autocommit": True}, min_size=1, max_size=1, open=False
    ) as pool:
        yield PrincipalSessions(pool, lambda: KEY), pool


def plan(connection: psycopg.Connection[Any], query: LiteralString) -> str:
    return "\n".join(line for (line,) in connection.execute("EXPLAIN " + query))


def seen_by_turns(database: TestDatabase) -> set[tuple[str, str]]:
    """The stores that two tenants see through one prepared statement, whose plan PostgreSQL keeps."""
    seen: set[tuple[str, str]] = set()
    with as_app(database) as connection:
        for _ in range(8):
            for who in (SEATTLE, TACOMA):
                with connection.transaction(force_rollback=True):
                    seal(connection, who)
                    connection.execute("SET LOCAL ROLE zava_reader")
                    if not seen:
                        connection.execute("PREPARE stores AS SELECT name FROM retail.stores")
                    seen.update((who.name, name) for name in scalars_of(connection, "EXECUTE stores"))
    return seen


def test_a_plan_that_was_kept_for_one_tenant_shows_the_next_their_own(database: TestDatabase) -> None:
    own = {(SEATTLE.name, "Seattle"), (TACOMA.name, "Tacoma")}
    assert seen_by_turns(database) == own
    # An immutable function is asked when the plan is made, and never again.
    immutable: LiteralString = "ALTER FUNCTION access.my_stores() IMMUTABLE"
    with changed(database, immutable, "ALTER FUNCTION access.my_stores() STABLE"):
        assert (TACOMA.name, "Seattle") in seen_by_turns(database)


async def test_free_sql_prepares_nothing_that_stays(database: TestDatabase) -> None:
    async with sessions_on_one_connection(database) as (sessions, pool):
        sandbox = PostgresSandbox(sessions, PostgresSchemaCatalog(sessions), SandboxLimits())
        for _ in range(8):
            await sandbox.execute_sales_query(SEATTLE, "SELECT name FROM stores")
        async with pool.connection() as connection:
            rows = await connection.execute(
                "SELECT statement FROM pg_prepared_statements WHERE statement ~ 'name FROM stores'"
            )
            assert await rows.fetchall() == []


async def test_a_statement_that_somebody_prepared_cannot_be_executed(database: TestDatabase) -> None:
    async with sessions_on_one_connection(database) as (sessions, pool):
        sandbox = PostgresSandbox(sessions, PostgresSchemaCatalog(sessions), SandboxLimits(), no_guard)
        async with pool.connection() as connection:
            await connection.execute("PREPARE theirs AS SELECT 1")
        with pytest.raises(InvalidQueryError, match="syntax error"):
            await sandbox.execute_sales_query(SEATTLE, "EXECUTE theirs")
        async with pool.connection() as connection:
            assert await (await connection.execute("EXECUTE theirs")).fetchone() == (1,)


async def test_estimates_tell_of_hidden_rows_and_are_not_to_be_had(database: TestDatabase) -> None:
    query: LiteralString = "SELECT * FROM retail.orders WHERE status = '{}'"
    with as_sandbox(database, SEATTLE) as connection:
        assert connection.execute(query.format("shipped")).fetchall() == []
        assert "rows=1 " in plan(connection, query.format("paid")).splitlines()[0]
        assert "rows=1 " not in plan(connection, query.format("shipped")).splitlines()[0]
    explain = f"EXPLAIN {query.format('shipped')}"
    for attempt in (explain, f"WITH e AS ({explain}) TABLE e"):
        with pytest.raises(InvalidQueryError, match="syntax error"):
            await ask(database, attempt, guard=no_guard)
    with pytest.raises(QueryRefusedError, match="permission denied"):
        await ask(database, f"SELECT query_to_xml($${explain}$$, true, true, '')", guard=no_guard)


async def test_a_condition_that_fails_on_a_hidden_row_is_not_asked_there(database: TestDatabase) -> None:
    query = "SELECT name FROM stores WHERE CASE WHEN name <> 'Tacoma' THEN 1 ELSE name::integer END = 1"
    async with sandbox_of(database, guard=no_guard) as sandbox:
        assert len((await sandbox.execute_sales_query(tiny_shop.REGION.principal, query)).rows) == 2
        # Were casts called leakproof, PostgreSQL would try the cheaper condition first.
        with (
            changed(
                database,
                "ALTER FUNCTION textout(text) LEAKPROOF; ALTER FUNCTION int4in(cstring) LEAKPROOF",
                "ALTER FUNCTION textout(text) NOT LEAKPROOF; ALTER FUNCTION int4in(cstring) NOT LEAKPROOF",
            ),
            pytest.raises(InvalidQueryError, match="Tacoma"),
        ):
            await sandbox.execute_sales_query(tiny_shop.REGION.principal, query)


def test_only_comparisons_of_days_with_moments_are_leakproof_by_our_word_and_none_can_fail(
    database: TestDatabase,
) -> None:
    leakproof: LiteralString = "SELECT oid::regprocedure::text FROM pg_proc WHERE proleakproof ORDER BY 1"
    untouched = make_conninfo(database.admin_dsn, dbname="postgres")
    ours = set(scalars(database, leakproof)) - set(scalars(TestDatabase(untouched, untouched), leakproof))
    assert len(ours) == 36
    values = {
        "date": ("-infinity", "4713-01-01 BC", "2026-01-01", "5874897-12-31", "infinity"),
        "timestamp without time zone": ("-infinity", "4713-01-01 BC", "2026-01-01", "294276-12-31", "infinity"),
        "timestamp with time zone": ("-infinity", "4713-01-02 BC", "2026-01-01", "294276-12-30", "infinity"),
    }
    with as_administrator(database) as connection:
        for function in ours:
            name, left, right = re.split(r"[(,)]", function)[:3]
            for a, b in product(values[left], values[right]):
                connection.execute(f"SELECT {name}({left} '{a}', {right} '{b}')".encode())


def test_a_day_compared_with_a_moment_uses_the_index(database: TestDatabase) -> None:
    query: LiteralString = "SELECT * FROM retail.orders WHERE order_date >= timestamp '2026-03-01'"
    condition = "AND (order_date >= '2026-03-01 00:00:00'::timestamp without time zone)"
    function: LiteralString = "ALTER FUNCTION date_ge_timestamp(date, timestamp) "

    def is_in_the_index() -> bool:
        with as_sandbox(database, SEATTLE) as connection:
            connection.execute("RESET ROLE; SET LOCAL enable_seqscan = off; SET LOCAL ROLE zava_sandbox_one")
            return any("Index Cond" in line and condition in line for line in plan(connection, query).splitlines())

    assert is_in_the_index()
    with changed(database, function + "NOT LEAKPROOF", function + "LEAKPROOF"):
        assert not is_in_the_index()


def test_policies_leave_parallel_plans_to_governed_questions(database: TestDatabase) -> None:
    def is_parallel() -> bool:
        with as_reader(database, tiny_shop.REGION.principal) as connection:
            for setting in ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size"):
                connection.execute(f"SET LOCAL {setting} = 0".encode())
            for setting in ("enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"):
                connection.execute(f"SET LOCAL {setting} = off".encode())
            return "Gather" in plan(connection, "SELECT count(*) FROM retail.orders")

    assert is_parallel()
    unsafe: LiteralString = "ALTER FUNCTION access.my_stores() PARALLEL UNSAFE"
    with changed(database, unsafe, "ALTER FUNCTION access.my_stores() PARALLEL RESTRICTED"):
        assert not is_parallel()


async def test_format_would_make_a_text_of_any_length(database: TestDatabase) -> None:
    query = "SELECT length(format('%50000000s', 1))"
    for guard in (check, no_guard):
        with pytest.raises(QueryRefusedError):
            await ask(database, query, guard=guard)
    function: LiteralString = 'EXECUTE ON FUNCTION format(text, VARIADIC "any") '
    with changed(database, "GRANT " + function + "TO zava_sandbox", "REVOKE " + function + "FROM zava_sandbox"):
        assert (await ask(database, query, guard=no_guard)).rows == ((50_000_000,),)


SERIAL_COLUMNS = """
SELECT a.attrelid::regclass || '.' || a.attname
FROM pg_attribute AS a
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'retail'::regnamespace AND relkind = 'r')
    AND (a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) ~ 'nextval|uuidv[17]|uuid_generate_v1')
"""


async def test_no_number_counts_up_through_the_rows_of_all_stores(database: TestDatabase) -> None:
    assert scalars(database, SERIAL_COLUMNS) == []
    add: LiteralString = """
        ALTER TABLE retail.orders ADD COLUMN number_of_all bigserial;
        GRANT SELECT (number_of_all) ON retail.orders TO zava_sandbox
    """
    with changed(database, add, "ALTER TABLE retail.orders DROP COLUMN number_of_all"):
        assert scalars(database, SERIAL_COLUMNS) == ["retail.orders.number_of_all"]
        query = "SELECT max(number_of_all) > count(*) FROM orders"
        assert (await ask(database, query, guard=no_guard)).rows == ((True,),)


async def test_system_columns_would_tell_how_much_everybody_wrote(database: TestDatabase) -> None:
    query = "SELECT max(ctid::text) FROM orders"
    with pytest.raises(QueryRefusedError, match="permission denied"):
        await ask(database, query, guard=no_guard)
    grant: LiteralString = "GRANT SELECT ON retail.orders TO PUBLIC"
    with changed(database, grant, "REVOKE SELECT ON retail.orders FROM PUBLIC"):
        assert "," in str((await ask(database, query, guard=no_guard)).rows)
