"""The sandbox on a real PostgreSQL: what it lets free SQL do, how it ends, and what it says."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from threading import Event
from typing import Any, LiteralString

import psycopg
import pydantic_core
import pytest
from psycopg.rows import scalar_row

from tests import tiny_shop
from tests.contract.conftest import KEY, TestDatabase, new_pool
from zava.adapters.postgres.guard import Relations, check
from zava.adapters.postgres.sandbox import PostgresSandbox, SandboxLimits
from zava.adapters.postgres.sandbox_rows import MOST_LEVELS
from zava.adapters.postgres.schema_catalog import PostgresSchemaCatalog
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.adapters.postgres.vocabulary import BOUNDED, FUNCTIONS, VECTOR_FUNCTIONS
from zava.core.errors import (
    BusyError,
    InvalidQueryError,
    QueryRefusedError,
    QueryTimeoutError,
    QueryTooLargeError,
    ZavaError,
)
from zava.core.model import ResultColumn, Table

SEATTLE = tiny_shop.SEATTLE.principal
TACOMA = tiny_shop.TACOMA.principal
ENDLESS = "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b"
# Within a row PostgreSQL does not look at its clock: some five seconds.
DIGESTS = ",".join(["md5(x)"] * 40)
HUGE = "(SELECT string_agg(repeat('x', 10000), '') AS x FROM generate_series(1, 5000)) AS huge"
ENDLESS_ROW = f"SELECT ARRAY[{DIGESTS}] FROM {HUGE}"  # noqa: S608 - the words above

Guard = Callable[[str, Relations], str]


def no_guard(query: str, _: Relations) -> str:
    return query


@asynccontextmanager
async def sandbox_of(
    database: TestDatabase, limits: SandboxLimits | None = None, guard: Guard = check
) -> AsyncIterator[PostgresSandbox]:
    async with new_pool(database) as pool:
        sessions = PrincipalSessions(pool, lambda: KEY)
        yield PostgresSandbox(sessions, PostgresSchemaCatalog(sessions), limits or SandboxLimits(), guard)


async def ask(database: TestDatabase, query: str, limits: SandboxLimits | None = None, guard: Guard = check) -> Table:
    async with sandbox_of(database, limits, guard) as sandbox:
        return await sandbox.execute_sales_query(SEATTLE, query)


def scalars(database: TestDatabase, query: LiteralString) -> list[Any]:
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        return connection.cursor(row_factory=scalar_row).execute(query).fetchall()


async def test_columns_have_names_of_their_own_and_types_even_when_there_are_no_rows(
    tiny_database: TestDatabase,
) -> None:
    table = await ask(tiny_database, "SELECT o.store_id, s.store_id, total_amount FROM orders o, stores s WHERE false")
    assert table.columns == (
        ResultColumn("store_id", "uuid"),
        ResultColumn("store_id_2", "uuid"),
        ResultColumn("total_amount", "numeric(10,2)"),
    )
    assert table.rows == ()


async def test_a_vector_is_called_by_its_name(tiny_database: TestDatabase) -> None:
    if scalars(tiny_database, "SELECT 1 FROM pg_extension WHERE extname = 'vector'"):
        table = await ask(tiny_database, "SELECT embedding FROM product_description_embeddings")
        assert table.columns == (ResultColumn("embedding", "vector"),)


async def test_values_keep_their_order_and_their_cents(tiny_database: TestDatabase) -> None:
    table = await ask(
        tiny_database,
        """
        SELECT 1234567.89 AS a, 2.00 AS a, NULL AS c, true AS d, 'é' AS e, ARRAY[1, 2] AS f,
            jsonb_build_object('x', 1, 'y', jsonb_build_array(0.5)) AS g, date '2026-03-01' AS h, 'NaN'::numeric AS i
        """,
    )
    assert table.rows == ((1234567.89, 2, None, True, "é", [1, 2], {"x": 1, "y": [0.5]}, "2026-03-01", "NaN"),)


async def test_rows_and_bytes_are_limited(tiny_database: TestDatabase) -> None:
    rows = await ask(tiny_database, "SELECT * FROM generate_series(1, 10)", SandboxLimits(most_rows=3))
    assert ([row[0] for row in rows.rows], rows.truncated) == ([1, 2, 3], "rows")
    exact = await ask(tiny_database, "SELECT * FROM generate_series(1, 3)", SandboxLimits(most_rows=3))
    assert (len(exact.rows), exact.truncated) == (3, None)
    cut = await ask(
        tiny_database, "SELECT repeat('x', 500) FROM generate_series(1, 10)", SandboxLimits(most_bytes=2000)
    )
    assert (len(cut.rows), cut.truncated) == (3, "bytes")


async def test_a_file_has_limits_of_its_own(tiny_database: TestDatabase) -> None:
    limits = SandboxLimits(most_rows=3, most_bytes=2_000, most_file_rows=6, most_file_bytes=4_000)
    async with sandbox_of(tiny_database, limits) as sandbox:
        rows = await sandbox.execute_sales_query(SEATTLE, "SELECT * FROM generate_series(1, 10)", for_file=True)
        assert ([row[0] for row in rows.rows], rows.truncated) == ([1, 2, 3, 4, 5, 6], "rows")
        wide = "SELECT repeat('x', 1200) FROM generate_series(1, 5)"
        cut = await sandbox.execute_sales_query(SEATTLE, wide, for_file=True)
        assert (len(cut.rows), cut.truncated) == (3, "bytes")
    with pytest.raises(QueryTimeoutError):
        async with sandbox_of(tiny_database, SandboxLimits(seconds=0.3)) as sandbox:
            await sandbox.execute_sales_query(SEATTLE, ENDLESS, for_file=True)


async def test_numbers_of_a_file_keep_all_of_their_digits(tiny_database: TestDatabase) -> None:
    query = """
        SELECT 12.50 AS a, 1234567890123456789.01234567890123456789 AS b, 1::numeric / 3 AS c, 7 AS d, 0.1::float8 AS e,
            '{"x": 0.10}'::jsonb AS f, '-Infinity'::float8 AS g, -0.00 AS h
    """
    async with sandbox_of(tiny_database) as sandbox:
        table = await sandbox.execute_sales_query(SEATTLE, query, for_file=True)
    assert [str(value) for value in table.rows[0]] == [
        "12.50",
        "1234567890123456789.01234567890123456789",
        "0.33333333333333333333",
        "7",
        "0.1",
        "{'x': Decimal('0.10')}",
        "-Infinity",
        "0.00",
    ]


async def test_while_the_rows_of_a_file_are_read_its_connection_is_free_for_others(tiny_database: TestDatabase) -> None:
    goes_on = Event()
    async with new_pool(tiny_database, timeout=2) as pool, AsyncExitStack() as others:
        sessions = PrincipalSessions(pool, lambda: KEY)
        sandbox = PostgresSandbox(sessions, PostgresSchemaCatalog(sessions), SandboxLimits())
        for _ in range(pool.max_size - 1):
            await others.enter_async_context(pool.connection())
        threads = ThreadPoolExecutor(1)
        threads.submit(goes_on.wait, 10)
        asyncio.get_running_loop().set_default_executor(threads)
        reading = asyncio.create_task(sandbox.execute_sales_query(SEATTLE, "SELECT 1", for_file=True))
        await asyncio.sleep(0.3)
        try:
            assert (await sandbox.execute_sales_query(SEATTLE, "SELECT 2")).rows == ((2,),)
        finally:
            goes_on.set()
        assert (await reading).rows == ((1,),)


@pytest.mark.parametrize("number", ["1e30000000", "-1E+999999999999999999999", "1e-30000000", "0e30000000"])
async def test_a_short_text_that_means_millions_of_digits_stays_a_text_in_files(
    tiny_database: TestDatabase, number: str
) -> None:
    async with sandbox_of(tiny_database) as sandbox:
        query = f"SELECT '{number}'::json, '[{number}]'::json"
        table = await sandbox.execute_sales_query(SEATTLE, query, for_file=True)
    assert table.rows == ((number, [number]),)


async def test_a_number_that_is_too_large_for_json_stays_a_text(tiny_database: TestDatabase) -> None:
    table = await ask(tiny_database, "SELECT '1e999'::json, '[-1e999]'::json, 1e308::float8")
    assert table.rows == (("1e999", ["-1e999"], 1e308),)


async def test_the_guard_stands_before_files_too(tiny_database: TestDatabase) -> None:
    async with sandbox_of(tiny_database) as sandbox:
        with pytest.raises(QueryRefusedError):
            await sandbox.execute_sales_query(SEATTLE, "SELECT * FROM pg_catalog.pg_class", for_file=True)


async def test_too_many_columns_are_refused(tiny_database: TestDatabase) -> None:
    with pytest.raises(QueryRefusedError, match="201 columns"):
        await ask(tiny_database, f"SELECT {', '.join('1' * 201)}")


@pytest.mark.parametrize(
    ("query", "error", "says"),
    [
        (
            "SELECT\n  order_dat\nFROM orders",
            InvalidQueryError,
            r"order_dat.* line 2, character 3 .*orders\.order_date",
        ),
        ("SELECT quantiti FROM order_items, orders WHERE 1 = 1", InvalidQueryError, r"quantiti.*quantity"),
        ("SELECT 'é', 1 / 0", InvalidQueryError, r"division by zero\."),
        ("SELECT 'x'::integer", InvalidQueryError, 'invalid input syntax for type integer: "x" at line 1, character 8'),
        (
            "SELECT 'é🔧' AS a, /* ü */\n\tsum(name) FROM stores",
            InvalidQueryError,
            r"function sum\(text\) does not exist at line 2, character 2 \(near 'sum\(name\) FROM store'\)",
        ),
        (
            " -- é\n;SELECT 'é' + 1; -- ü",
            InvalidQueryError,
            r'invalid input syntax for type integer: "é" at line 2, character 9 ',
        ),
        ("SELECT o.region FROM orders AS o", InvalidQueryError, r"There is one in stores\.$"),
        ("SELECT unit_price FROM orders", InvalidQueryError, r"There is one in order_items\.$"),
        ("SELECT product_name FROM products", InvalidQueryError, r"Did you mean products\.name\?$"),
        ("SELECT category_name FROM products", InvalidQueryError, r"Did you mean categories\.name\?$"),
        # PostgreSQL has a hint, for those who may set something.
        ("SELECT date '2026-13-01'", InvalidQueryError, r"out of range: .*\(near \"'2026-13-01'\"\)\.$"),
        ("SELECT store_id FROM stores GROUP BY name", InvalidQueryError, "must appear in the GROUP BY"),
        ("SELECT lpad('x', 1000000)", InvalidQueryError, "at most 1,000"),
        ("SELECT (SELECT name FROM products)", InvalidQueryError, "more than one row"),
    ],
)
async def test_a_wrong_query_is_told_what_postgresql_says_of_it_and_nothing_of_the_sandbox(
    tiny_database: TestDatabase, query: str, error: type[ZavaError], says: str
) -> None:
    with pytest.raises(error, match=says) as raised:
        await ask(tiny_database, query)
    assert "SELECT * FROM (" not in raised.value.message
    assert "sandbox" not in raised.value.message


@pytest.mark.parametrize(
    "query",
    [
        "SELECT order_total FROM orders",
        "SELECT customer_name FROM customers",
        "SELECT return_date FROM returns",
        "SELECT revenue FROM orders",
        "SELECT amount FROM orders",
        "SELECT id FROM orders",
        "SELECT city FROM stores",
    ],
)
async def test_a_column_that_is_like_none_is_not_mistaken_for_one(tiny_database: TestDatabase, query: str) -> None:
    with pytest.raises(InvalidQueryError, match="does not exist") as error:
        await ask(tiny_database, query)
    assert error.value.message.endswith(").")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT string_agg(repeat('x', 10000), '')::integer FROM generate_series(1, 2000)",
        "SELECT ('\"' || string_agg(repeat('x', 10000), ''))::json FROM generate_series(1, 2000)",
    ],
)
async def test_postgresql_never_sends_a_long_message(tiny_database: TestDatabase, query: str) -> None:
    # The server's copy of it is memory that everybody shares.
    with pytest.raises(InvalidQueryError, match="invalid input syntax") as error:
        await ask(tiny_database, query)
    assert isinstance(error.value.__cause__, psycopg.Error)
    assert len(str(error.value.__cause__)) < 10_000


async def test_powers_have_a_bound_and_those_of_an_analyst_fit(tiny_database: TestDatabase) -> None:
    table = await ask(
        tiny_database, "SELECT power(1.05, 10) - 1.05 ^ 10, pow(2.5, 2), round(power(1.21, 0.5), 3), 2 ^ 3"
    )
    assert table.rows == ((0, 6.25, 1.1, 8),)
    for unbounded in ("power(1.5, 10001)", "pow(1.5, -10001)", "1.5 ^ 10001", f"power(1.{'5' * 3000}, 2)"):
        with pytest.raises(InvalidQueryError, match="power: the exponent must be at most"):
            await ask(tiny_database, f"SELECT {unbounded}")
    for unbounded in ("pg_catalog.power(1.5, 10001)", "1.5 OPERATOR(pg_catalog.^) 10001"):
        with pytest.raises(QueryRefusedError):
            await ask(tiny_database, f"SELECT {unbounded}", guard=no_guard)


async def test_a_message_that_repeats_a_long_value_is_cut_short(tiny_database: TestDatabase) -> None:
    # Were it searched for a name as it is, the server would do nothing else for hours.
    repeated = "SELECT string_agg('column ', '')::integer FROM generate_series(1, 1000000)"
    with pytest.raises(InvalidQueryError, match="invalid input syntax for type integer") as error:
        await ask(tiny_database, repeated)
    assert len(error.value.message) < 1000


async def test_a_query_that_takes_too_long_is_stopped_and_says_how_long_it_ran(tiny_database: TestDatabase) -> None:
    with pytest.raises(QueryTimeoutError, match=r"stopped after 0\.\d seconds\. Narrow it"):
        await ask(tiny_database, ENDLESS, SandboxLimits(seconds=0.3))


async def test_a_query_that_postgresql_does_not_stop_is_given_up_in_the_same_words(tiny_database: TestDatabase) -> None:
    # For PostgreSQL this is no limit at all.
    with pytest.raises(QueryTimeoutError, match=r"stopped after [1-9]\.\d seconds\. Narrow it"):
        await ask(tiny_database, ENDLESS, SandboxLimits(seconds=0.0001))


@pytest.mark.parametrize("before", [0, 1])
async def test_a_query_that_is_cancelled_ends_and_leaves_connections_to_the_next(
    tiny_database: TestDatabase, before: int
) -> None:
    async with sandbox_of(tiny_database) as sandbox:
        for _ in range(before):
            await sandbox.execute_sales_query(SEATTLE, "SELECT 1")
        task = asyncio.create_task(sandbox.execute_sales_query(SEATTLE, ENDLESS))
        await until(lambda: running(tiny_database) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: running(tiny_database) == 0)
        for _ in range(3):
            assert (await sandbox.execute_sales_query(SEATTLE, "SELECT 1")).rows == ((1,),)


def running(database: TestDatabase) -> int:
    return len(
        scalars(
            database,
            "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND usename = 'zava_app'"
            " AND datname = current_database()",
        )
    )


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_a_query_may_wait_for_a_connection_before_its_time_begins(tiny_database: TestDatabase) -> None:
    async with new_pool(tiny_database) as pool:
        sessions = PrincipalSessions(pool, lambda: KEY)
        sandbox = PostgresSandbox(sessions, PostgresSchemaCatalog(sessions), SandboxLimits(seconds=0.2))
        async with AsyncExitStack() as held:
            for _ in range(pool.max_size):
                await held.enter_async_context(pool.connection())
            waiting = asyncio.create_task(sandbox.execute_sales_query(SEATTLE, "SELECT 1"))
            # Longer than the query may run and the grace that it has.
            await asyncio.sleep(2)
        assert (await waiting).rows == ((1,),)


async def test_days_are_those_of_the_shop(tiny_database: TestDatabase) -> None:
    table = await ask(tiny_database, "SELECT current_date = (now() AT TIME ZONE 'America/Los_Angeles')::date")
    assert table.rows == ((True,),)


async def test_one_tenants_plan_serves_nobody_else(tiny_database: TestDatabase) -> None:
    query = "SELECT name FROM stores"
    async with sandbox_of(tiny_database) as sandbox:
        for _ in range(8):
            assert (await sandbox.execute_sales_query(SEATTLE, query)).rows == (("Seattle",),)
            assert (await sandbox.execute_sales_query(TACOMA, query)).rows == (("Tacoma",),)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT ctid FROM orders",
        "SELECT xmin FROM orders",
        "SELECT tableoid FROM order_items",
        "SELECT set_config('zava.context', '', true)",
        "SELECT current_setting('zava.context')",
        "SELECT pg_sleep(1)",
        "SELECT * FROM pg_stat_activity",
        "SELECT * FROM pg_class",
        "SELECT * FROM access.principals",
        "SELECT * FROM customer_records",
        "SELECT access.sign('', '', 'x')",
        "SELECT sandbox.run_for_all('SELECT 1', 1, 1)",
        "SELECT sandbox.run('SELECT 1', 1, 1)",
        "SELECT format('%900000000s', 1)",
        "SELECT pg_catalog.lpad('x', 900000000)",
        "SELECT pg_catalog.repeat('x', 900000000)",
        "SELECT query_to_xml('SELECT 1', true, true, '')",
        "SELECT access.seal_context('x')",
    ],
)
async def test_postgresql_refuses_by_itself_what_the_guard_would(tiny_database: TestDatabase, query: str) -> None:
    with pytest.raises(QueryRefusedError, match="permission denied") as refused:
        await ask(tiny_database, query, guard=no_guard)
    assert refused.value.reason == "permission"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1; SELECT 2",
        "INSERT INTO orders DEFAULT VALUES",
        "EXPLAIN SELECT 1",
        "SHOW ALL",
        "COMMIT",
        "SELECT 1) AS q; DELETE FROM retail.orders; --",
        "WITH gone AS (DELETE FROM orders RETURNING 1) SELECT * FROM gone",
        "SELECT 1 INTO x",
    ],
)
async def test_the_grammar_admits_one_select_and_nothing_else(tiny_database: TestDatabase, query: str) -> None:
    with pytest.raises((InvalidQueryError, QueryRefusedError)):
        await ask(tiny_database, query, guard=no_guard)


async def test_a_text_that_is_too_long_is_refused_by_postgresql_too(tiny_database: TestDatabase) -> None:
    with pytest.raises(InvalidQueryError, match=r"longer than 20,000 bytes"):
        await ask(tiny_database, f"SELECT '{'x' * 20_000}'", guard=no_guard)


@pytest.mark.parametrize(
    "comparison",
    [
        "array_agg(a) @> array_agg(a + 1)",
        "array_agg(a) <@ array_agg(a + 1)",
        "array_agg(a) && array_agg(-a)",
        "jsonb_agg(a) @> jsonb_agg(a + 1)",
        "jsonb_agg(a) <@ jsonb_agg(a + 1)",
        "jsonb_agg(a::text) ?| array_agg(a || 'x')",
        "jsonb_agg(a::text) ?& array_agg(a::text)",
        "jsonb_agg(a::text) - array_agg(a || 'x')",
    ],
)
async def test_comparisons_of_everything_with_everything_are_bounded(
    tiny_database: TestDatabase, comparison: str
) -> None:
    with pytest.raises(InvalidQueryError, match="the values are too long"):
        await ask(tiny_database, f"SELECT {comparison} FROM generate_series(1, 100000) AS a")  # noqa: S608


async def test_bounded_operators_answer_as_postgresqls_own(tiny_database: TestDatabase) -> None:
    table = await ask(
        tiny_database,
        """
        SELECT ARRAY[1, 2] @> ARRAY[1] AS a, ARRAY[3] <@ '{1,2}' AS b, ARRAY['x'] && ARRAY['x'] AS c,
            '{"a": 1}'::jsonb @> '{"a": 1}' AS d, '{"a": 1}'::jsonb ?| ARRAY['b'] AS e,
            '{"a": 1, "b": 2}'::jsonb - ARRAY['a'] AS f, '{"a": 1, "b": 2}'::jsonb - 'a' AS g
        """,
    )
    assert table.rows == ((True, False, True, True, False, {"b": 2}, {"b": 2}),)


async def test_numbers_of_any_length_are_answered(tiny_database: TestDatabase) -> None:
    table = await ask(tiny_database, "SELECT 10::numeric ^ 5000 AS a, 1 / 3::numeric(1000, 999) AS b, 2 ^ 60::numeric")
    assert len(str(table.rows[0][0])) > 5000
    assert table.rows[0][2] == 2**60


async def answered_at_last(sandbox: PostgresSandbox) -> None:
    """Waits until who kept PostgreSQL busy is answered again."""
    async with asyncio.timeout(100):
        while True:
            with suppress(BusyError):
                assert (await sandbox.execute_sales_query(SEATTLE, "SELECT 1")).rows == ((1,),)
                break
            await asyncio.sleep(0.2)


async def test_who_keeps_postgresql_busy_with_what_it_cannot_stop_gets_no_more_of_it(
    tiny_database: TestDatabase,
) -> None:
    async with sandbox_of(tiny_database, SandboxLimits(seconds=0.2, most_given_up=1)) as sandbox:
        with pytest.raises(QueryTimeoutError):
            await sandbox.execute_sales_query(SEATTLE, ENDLESS_ROW)
        with pytest.raises(BusyError, match="not at their end yet"):
            await sandbox.execute_sales_query(SEATTLE, "SELECT 1")
        assert (await sandbox.execute_sales_query(TACOMA, "SELECT 1")).rows == ((1,),)
        await answered_at_last(sandbox)


async def test_one_value_cannot_take_all_the_memory(tiny_database: TestDatabase) -> None:
    doubling = "WITH RECURSIVE t(s) AS (SELECT 'x' UNION ALL SELECT s || s FROM t) SELECT max(length(s)) FROM t"
    with pytest.raises((QueryTooLargeError, QueryTimeoutError, InvalidQueryError)):
        await ask(tiny_database, doubling, SandboxLimits(seconds=5))


def test_free_sql_may_call_the_functions_that_the_guard_knows_and_no_others(tiny_database: TestDatabase) -> None:
    allowed = scalars(
        tiny_database,
        """
        SELECT DISTINCT f.proname
        FROM pg_proc AS f
        WHERE has_function_privilege('zava_sandbox', f.oid, 'EXECUTE')
            AND f.pronamespace IN ('pg_catalog'::regnamespace, 'sandbox_functions'::regnamespace)
            AND f.oid NOT IN (SELECT oprcode FROM pg_operator)
            AND f.oid NOT IN (SELECT castfunc FROM pg_cast)
            AND f.oid NOT IN (SELECT unnest(ARRAY[typinput, typoutput]) FROM pg_type)
        """,
    )
    known = scalars(
        tiny_database, "SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace"
    )
    assert set(allowed) - FUNCTIONS - BOUNDED == set()
    # An operator or a cast may stand behind a name as well.
    callable_by_name = set(
        scalars(
            tiny_database, "SELECT proname FROM pg_proc WHERE has_function_privilege('zava_sandbox', oid, 'EXECUTE')"
        )
    )
    assert (FUNCTIONS | BOUNDED) & set(known) - callable_by_name == set()
    if scalars(tiny_database, "SELECT 1 FROM pg_extension WHERE extname = 'vector'"):
        assert callable_by_name >= VECTOR_FUNCTIONS


def test_free_sql_may_execute_nothing_of_ours_but_policies_and_bounded_functions(tiny_database: TestDatabase) -> None:
    assert sorted(
        scalars(
            tiny_database,
            """
            SELECT f.oid::regprocedure::text FROM pg_proc AS f
            WHERE f.pronamespace IN ('access'::regnamespace, 'sandbox'::regnamespace, 'retail'::regnamespace)
                AND has_function_privilege('zava_sandbox', f.oid, 'EXECUTE')
                AND f.proname <> 'search_products_by_description'  -- only where there is pgvector
            """,
        )
    ) == ["access.has_grant(text)", "access.my_store()", "access.my_stores()", "access.sees_all_stores()"]


def test_the_sandbox_has_no_members_but_its_three_shapes_and_no_language(tiny_database: TestDatabase) -> None:
    roles = ("zava_sandbox", "zava_sandbox_one", "zava_sandbox_some", "zava_sandbox_all")
    assert scalars(
        tiny_database,
        """
        SELECT member::regrole::text FROM pg_auth_members
        WHERE roleid::regrole::text LIKE 'zava_sandbox%' AND member <> 10
        ORDER BY 1
        """,
    ) == sorted(roles[1:])
    for role in roles:
        assert scalars(
            tiny_database,
            f"""
            SELECT has_language_privilege('{role}', 'plpgsql', 'USAGE')
                OR has_language_privilege('{role}', 'sql', 'USAGE')
                OR has_schema_privilege('{role}', 'sandbox', 'CREATE')
                OR has_schema_privilege('{role}', 'sandbox_functions', 'CREATE')
            """,
        ) == [False]


@pytest.mark.parametrize(
    "endless",
    [
        "btrim(s, repeat('b', 9999) || 'a')",
        "ltrim(s, repeat('b', 9999) || 'a')",
        "rtrim(s, repeat('b', 9999) || 'a')",
        "translate(s, repeat('b', 9999), '')",
        "s LIKE '%' || repeat('a', 9999) || 'b'",
        "s NOT LIKE '%' || repeat('a', 9999) || 'b'",
        "s ILIKE '%' || repeat('a', 9999) || 'b'",
        "s NOT ILIKE ALL (ARRAY['%' || repeat('a', 9999) || 'b'])",
        "strpos(s, repeat('a', 9999) || 'b')",
        "replace(s, repeat('a', 9999) || 'b', '')",
        "websearch_to_tsquery(s)",
        "plainto_tsquery('simple', s)",
        "to_tsquery(s)",
        "phraseto_tsquery(s)",
    ],
)
async def test_searches_that_no_timeout_interrupts_are_bounded(tiny_database: TestDatabase, endless: str) -> None:
    text = "SELECT string_agg(repeat('a', 10000), '') AS s FROM generate_series(1, 500)"
    with pytest.raises(InvalidQueryError, match=r"too long|at most 10,000"):
        await ask(tiny_database, f"SELECT {endless} FROM ({text}) AS long")  # noqa: S608


async def test_constants_can_be_cast_to_text_and_from_it(tiny_database: TestDatabase) -> None:
    table = await ask(
        tiny_database,
        """
        SELECT 1::text, 'a' || 1, 'x' || 2.5, ('1' || '2')::integer, lower('2026-01-01')::date, true::text,
            uuid '6f0b7c1e-5a55-4f5e-9a43-000000000000'::text, ARRAY[1, 2]::text, date '2026-01-01' || '',
            ('{"a": ' || '1}')::jsonb, '[1,2)'::int4range::text
        """,
    )
    identifier = "6f0b7c1e-5a55-4f5e-9a43-000000000000"
    assert table.rows == (
        ("1", "a1", "x2.5", 12, "2026-01-01", "true", identifier, "{1,2}", "2026-01-01", {"a": 1}, "[1,2)"),
    )


async def test_bounded_functions_answer_as_postgresqls_own(tiny_database: TestDatabase) -> None:
    table = await ask(
        tiny_database,
        """
        SELECT btrim('xax', 'x') || ltrim('xax', 'x') || rtrim('xax', 'x') || trim('  b ') || trim(both 'x' from 'xcx'),
            translate('abc', 'ab', 'x'), 'abc' LIKE 'a%' AND 'abc' NOT LIKE 'b%' AND 'abc' ILIKE 'A%',
            'a%' LIKE 'a!%' ESCAPE '!',
            to_tsvector('simple', 'cordless drill') @@ websearch_to_tsquery('simple', 'drill'),
            lpad('7', 3, '0') || rpad('7', 3) || '|',
            split_part('a-b', '-', 2), string_to_array('a,b', ','), strpos('abc', 'c')
        """,
    )
    assert table.rows == (("aaxxabc", "xc", True, True, True, "0077  |", "b", ["a", "b"], 3),)


async def test_half_of_a_character_is_replaced(tiny_database: TestDatabase) -> None:
    table = await ask(
        tiny_database,
        r"""
        SELECT '"\ud83d"'::json, '"a\uDE00\ud83d\ude00\\ud83d"'::json AS b,
            '{"\ud83d": ["\udfff"]}'::json AS c, 'x' AS d
        """,
    )
    # Whole ones are what they are, and what is written with two backslashes is none.
    assert table.rows == (("\ufffd", "a\ufffd\N{GRINNING FACE}\\ud83d", {"\ufffd": ["\ufffd"]}, "x"),)


async def test_an_answer_that_is_nested_as_deeply_as_may_be_can_be_written(tiny_database: TestDatabase) -> None:
    nested = "[" * MOST_LEVELS + "]" * MOST_LEVELS
    table = await ask(tiny_database, f"SELECT '{nested}'::jsonb AS nested")
    answer = {"result": {"structuredContent": {"answer": {"rows": table.rows}}}}
    assert nested in pydantic_core.to_json(answer).decode()


@pytest.mark.parametrize("levels", [MOST_LEVELS + 1, 5_000])
async def test_an_answer_that_is_nested_too_deeply_is_refused(tiny_database: TestDatabase, levels: int) -> None:
    with pytest.raises(QueryRefusedError, match="nested too deeply"):
        await ask(tiny_database, f"SELECT '{'[' * levels}{']' * levels}'::jsonb")
