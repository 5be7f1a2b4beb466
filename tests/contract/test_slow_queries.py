"""Plans of slow queries: made as their caller would have them made, told to nobody but the log, and without values."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import LiteralString

import psycopg
import pytest

from tests import tiny_shop
from tests.contract.conftest import KEY, TestDatabase, new_pool
from tests.contract.test_sandbox import ENDLESS, SEATTLE, no_guard, sandbox_of, scalars, until
from tests.contract.test_tenancy import as_app, seal
from tests.contract.test_traps import changed
from tests.fakes import FakeEmbeddings
from tests.tiny_shop import PersonRow
from zava.adapters.postgres.inventory import PostgresInventoryRepository
from zava.adapters.postgres.orders import PostgresOrderRepository
from zava.adapters.postgres.plans import QueryPlans
from zava.adapters.postgres.products import PostgresProductRepository
from zava.adapters.postgres.query_log import QueryLog
from zava.adapters.postgres.query_shapes import shape_of
from zava.adapters.postgres.sales import PostgresSalesRepository
from zava.adapters.postgres.sandbox import PostgresSandbox, SandboxLimits
from zava.adapters.postgres.schema_catalog import PostgresSchemaCatalog
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.adapters.postgres.store_directory import PostgresStoreDirectory
from zava.core.errors import InvalidQueryError, NotFoundError, QueryRefusedError, QueryTimeoutError
from zava.core.observations import QueryRun
from zava.core.use_cases.analyze_sales import AnalyzeSales
from zava.core.use_cases.check_inventory import CheckInventory
from zava.core.use_cases.compare_stores import CompareStores
from zava.core.use_cases.find_order import FindOrder
from zava.core.use_cases.find_related_products import FindRelatedProducts
from zava.core.use_cases.get_multiple_table_schemas import GetMultipleTableSchemas
from zava.core.use_cases.get_store_performance import GetStorePerformance
from zava.core.use_cases.semantic_search_products import SemanticSearchProducts

NOW = datetime(2026, 4, 1, 5, tzinfo=UTC)
PAID = "SELECT status, count(*) FROM orders WHERE order_date > '2026-03-01' GROUP BY status"
# Free SQL with values where there may be any; and one that fails with a value in PostgreSQL's words.
CANARIES = (
    'SELECT name AS "Canary A" FROM stores AS "Canary\'s B" WHERE name <> \'Canary C\' -- Canary D',
    "SELECT E'Canary\\'E', $$Canary F$$ FROM orders WHERE total_amount > 424242 /* Canary /* G */ H */",
    "SELECT first_name, email FROM customers WHERE last_name = 'Canary' OR email LIKE '%canary@%'",
    "SELECT * FROM (VALUES ('Canary J', 424242)) AS v (a, b) WHERE a <> 'Canary K' LIMIT 424242",
)
FAILING = "SELECT last_name::integer FROM customers"
# Of PostgreSQL's grammar, of a cursor that has one statement, of a sub-select that writes, and of rights.
REFUSALS = (
    psycopg.errors.SyntaxError,
    psycopg.errors.InvalidCursorDefinition,
    psycopg.errors.FeatureNotSupported,
    psycopg.errors.InsufficientPrivilege,
)
EXPLAIN_QUERY: LiteralString = "SELECT sandbox.explain_for_one('SELECT name FROM stores', 10)"


@dataclass(frozen=True)
class Watched:
    """The shop, with sessions whose queries are remembered, and plans of them."""

    sessions: PrincipalSessions
    sandbox: PostgresSandbox
    plans: QueryPlans
    runs: list[QueryRun]

    async def plan(self, person: PersonRow, query: str) -> str:
        """The plan of free SQL that this person has asked."""
        await self.sandbox.execute_sales_query(person.principal, query)
        return await self.plans.plan_of(self.runs[-1])


@asynccontextmanager
async def watched(database: TestDatabase, limits: SandboxLimits | None = None) -> AsyncIterator[Watched]:
    runs: list[QueryRun] = []
    async with new_pool(database) as pool:
        unwatched = PrincipalSessions(pool, lambda: KEY)
        sessions = PrincipalSessions(pool, lambda: KEY, observers=[runs.append])
        sandbox = PostgresSandbox(sessions, PostgresSchemaCatalog(unwatched), limits or SandboxLimits())
        yield Watched(sessions, sandbox, QueryPlans(unwatched, unwatched, most_rows=1_000), runs)


@pytest.mark.parametrize(
    ("person", "condition"),
    [
        (tiny_shop.SEATTLE, "(store_id = "),
        (tiny_shop.REGION, "(store_id = ANY ("),
        (tiny_shop.HEAD_OFFICE, " IS NOT NULL)"),
    ],
    ids=lambda value: value.name if isinstance(value, PersonRow) else "",
)
async def test_free_sql_is_planned_as_whoever_asked(
    tiny_database: TestDatabase, person: PersonRow, condition: str
) -> None:
    async with watched(tiny_database) as shop:
        plan = await shop.plan(person, PAID)
    assert plan.startswith("Limit  (cost=")
    assert condition in plan
    assert "(order_date > '?'::date)" in plan


async def test_of_a_plan_with_a_huge_constant_only_the_beginning_is_read(tiny_database: TestDatabase) -> None:
    """PostgreSQL computes constants before it plans. To go through megabytes of them would keep everybody waiting."""
    huge = "regexp_replace(repeat('a', 100), 'a', repeat('Canary', 1000), 'g')"
    async with watched(tiny_database) as shop:
        plan = await shop.plan(tiny_shop.SEATTLE, f"SELECT count(*) FROM stores WHERE name <> {huge}")  # noqa: S608
    assert plan.endswith(" <> '?'")


async def ask_everything(sessions: PrincipalSessions) -> None:
    """Every kind of governed question, of head office; and what one store alone is told."""
    who = tiny_shop.HEAD_OFFICE.principal
    directory, catalog = PostgresStoreDirectory(sessions), PostgresSchemaCatalog(sessions)
    sales, products = PostgresSalesRepository(sessions), PostgresProductRepository(sessions)
    related = FindRelatedProducts(directory, products, lambda: NOW)
    await GetStorePerformance(directory, sales, lambda: NOW)(who, None, "this_month")
    await AnalyzeSales(directory, sales, products, lambda: NOW)(
        who,
        ["revenue", "orders", "returned_amount"],
        group_by=["store", "category"],
        period="this_month",
        compare_to="previous_period",
        filters={"product": ["hammer"]},
        totals=True,
    )
    await CompareStores(directory, sales, lambda: NOW, quartiles=True, least_shops=3)(
        SEATTLE, "last_month", ["revenue"]
    )
    await CheckInventory(directory, PostgresInventoryRepository(sessions), products, lambda: NOW)(who, category="paint")
    await FindOrder(directory, PostgresOrderRepository(sessions))(who, 3)
    with suppress(NotFoundError):  # without pgvector
        await related(who, "similar", product="Claw hammer")
    await related(who, "bought_together", product="Claw hammer")
    await related(who, "trending")
    search = SemanticSearchProducts(products, [FakeEmbeddings()], {"canary"})
    for words in ("something to hit nails with", "canary"):
        await search(who, words, max_price=Decimal("42.42"))
    await GetMultipleTableSchemas(catalog)(who, ["orders"])


async def test_every_governed_question_is_planned_as_it_was_asked(tiny_database: TestDatabase) -> None:
    async with watched(tiny_database) as shop:
        await ask_everything(shop.sessions)
        asked = {question for run in shop.runs for question in run.name.split(", ")}
        assert len(asked) > 20
        for run in shop.runs:
            plan = await shop.plans.plan_of(run)
            assert plan.count("(cost=") >= len(run.queries)
            assert not [word for word in ("canary", "hammer", "42.42", "2026") if word in plan.lower()]


async def test_a_plan_reads_no_row(tiny_database: TestDatabase) -> None:
    async with watched(tiny_database, SandboxLimits(seconds=0.2)) as shop:
        with pytest.raises(QueryTimeoutError):
            await shop.sandbox.execute_sales_query(SEATTLE, ENDLESS)
        with pytest.raises(InvalidQueryError, match="division by zero"):
            await shop.sandbox.execute_sales_query(SEATTLE, "SELECT 1 / (quantity - quantity) FROM order_items")
        asleep = QueryRun(SEATTLE, "sleep", ("SELECT pg_sleep(30)",), {}, None, "57014", 30)
        async with asyncio.timeout(5):
            first, second, third = [await shop.plans.plan_of(run) for run in (*shop.runs, asleep)]
    assert "Function Scan on generate_series" in first
    assert "on order_items" in second
    assert third == "Result  (cost=0.00..0.01 rows=1 width=4)"


async def test_a_plan_leaves_nothing_on_the_connection(tiny_database: TestDatabase) -> None:
    async with watched(tiny_database) as shop:
        for person in (tiny_shop.SEATTLE, tiny_shop.TACOMA):
            await shop.plan(person, PAID)
            assert (await shop.sandbox.execute_sales_query(person.principal, "SELECT name FROM stores")).rows == (
                (person.stores[0],),
            )


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1) AS q; CREATE TABLE public.mine (); SELECT * FROM (SELECT 1",
        "SELECT 1) AS q; SELECT * FROM (SELECT 1",
        "INSERT INTO retail.stores DEFAULT VALUES RETURNING 1",
        "WITH gone AS (DELETE FROM retail.stores RETURNING 1) SELECT 1",
        "SELECT 1 INTO public.mine",
        "EXPLAIN SELECT 1",
        "TABLE retail.customer_records",
        "SELECT * FROM access.keys",
        "SELECT set_config('zava.context', 'x', true)",
        "SELECT pg_sleep(1)",
    ],
)
@pytest.mark.parametrize("person", [tiny_shop.SEATTLE, tiny_shop.REGION, tiny_shop.HEAD_OFFICE])
def test_one_select_that_could_be_run_is_all_that_can_be_planned(
    tiny_database: TestDatabase, person: PersonRow, text: str
) -> None:
    """As it would be without the guard, whose admission every planned text has."""
    with as_app(tiny_database) as connection, connection.transaction(force_rollback=True):
        seal(connection, person.principal)
        with pytest.raises(REFUSALS):
            connection.execute("SELECT sandbox.explain(%s, 10)", [text])


def test_the_servers_login_alone_may_ask_for_plans(tiny_database: TestDatabase) -> None:
    may: LiteralString = """
        SELECT DISTINCT role.rolname || ' ' || f.proname
        FROM pg_proc AS f CROSS JOIN pg_roles AS role
        WHERE f.proname ~ '^explain' AND f.pronamespace = 'sandbox'::regnamespace
            AND NOT role.rolsuper AND has_function_privilege(role.oid, f.oid, 'EXECUTE')
            AND NOT (role.rolname = 'zava_owner' AND f.proname = 'explain')  -- its owner, and what it calls refuses
        ORDER BY 1
    """
    functions = ("explain", "explain_for_all", "explain_for_one", "explain_for_some")
    assert scalars(tiny_database, may) == [f"zava_app {name}" for name in functions]


async def test_free_sql_has_no_way_to_a_plan(tiny_copy: TestDatabase) -> None:
    async def ask() -> str:
        async with sandbox_of(tiny_copy, guard=no_guard) as sandbox:
            return str((await sandbox.execute_sales_query(SEATTLE, EXPLAIN_QUERY)).rows)

    async with sandbox_of(tiny_copy) as guarded:
        with pytest.raises(QueryRefusedError, match=r"function sandbox\.explain_for_one\(\) is not available"):
            await guarded.execute_sales_query(SEATTLE, EXPLAIN_QUERY)
    with pytest.raises(QueryRefusedError, match="permission denied for schema sandbox"):
        await ask()
    # It takes three mistakes to open it.
    with changed(
        tiny_copy,
        "GRANT USAGE ON SCHEMA sandbox TO zava_sandbox",
        "REVOKE USAGE ON SCHEMA sandbox FROM zava_sandbox",
    ):
        with pytest.raises(QueryRefusedError, match="permission denied for function explain"):
            await ask()
        function: LiteralString = "EXECUTE ON FUNCTION sandbox.explain_for_one(text, integer)"
        with changed(tiny_copy, f"GRANT {function} TO zava_sandbox", f"REVOKE {function} FROM zava_sandbox"):
            assert "cost=" in await ask()


def test_free_sql_is_planned_with_nobody_at_its_side_as_its_runner_would_have_it(tiny_copy: TestDatabase) -> None:
    def is_parallel() -> bool:
        with as_app(tiny_copy) as connection, connection.transaction(force_rollback=True):
            for setting in ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size"):
                connection.execute(f"SET LOCAL {setting} = 0".encode())
            for setting in ("enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"):
                connection.execute(f"SET LOCAL {setting} = off".encode())
            seal(connection, tiny_shop.HEAD_OFFICE.principal)
            (plan,) = connection.execute("SELECT sandbox.explain('SELECT count(*) FROM orders', 10)").fetchone() or (
                "",
            )
            return "Gather" in plan

    assert not is_parallel()
    function: LiteralString = "ALTER FUNCTION sandbox.explain_for_all(text, integer) "
    reset: LiteralString = "RESET max_parallel_workers_per_gather"
    with changed(tiny_copy, function + reset, function + "SET max_parallel_workers_per_gather = 0"):
        assert is_parallel()


async def test_no_value_of_anybody_is_logged(tiny_database: TestDatabase, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with watched(tiny_database) as shop:
        for text in CANARIES:
            await shop.sandbox.execute_sales_query(tiny_shop.HEAD_OFFICE.principal, text)
        with pytest.raises(InvalidQueryError, match="Canary"):
            await shop.sandbox.execute_sales_query(tiny_shop.HEAD_OFFICE.principal, FAILING)
        await ask_everything(shop.sessions)
        log = QueryLog(shop.plans.plan_of, slow_seconds=0)
        failed = next(run for run in shop.runs if run.error)
        # One of each kind; and how the one that failed would have been found, had it been slow.
        for run in {shape_of(run): run for run in (*shop.runs, replace(failed, error="57014"))}.values():
            log.see(run)
            await until(lambda: "lan of slow query" in caplog.messages[-1])
        log.see(failed)
    lines = "\n".join(caplog.messages)
    assert lines.count("Query failed: 22P02, execute_sales_query ") == 1
    assert lines.count("Plan of slow query") > 15
    assert "No plan" not in lines
    assert not [word for word in ("canary", "424242", "hammer", "42.42") if word in lines.lower()]


async def test_a_plan_that_takes_long_to_make_is_given_up(tiny_database: TestDatabase) -> None:
    columns = [f"(g + {number})" for number in range(12)]
    cube = f"SELECT 1 FROM generate_series(1, 2) AS g GROUP BY CUBE ({', '.join(columns)})"  # noqa: S608
    async with watched(tiny_database) as shop:
        run = QueryRun(SEATTLE, "execute_sales_query", (" UNION ALL ".join([cube] * 10),), (), None, "57014", 15)
        async with asyncio.timeout(5):
            with pytest.raises(psycopg.errors.QueryCanceled):
                await shop.plans.plan_of(run)
