"""The steps of schema/citus against a stand-in for Citus: the same answers, and nobody else's rows.

It shows what the steps and the sessions do on PostgreSQL. How Citus divides the questions it cannot show.
"""

import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from tests import tiny_shop
from tests.citus import add_workers, stand_in_for_citus
from tests.contract.conftest import KEY, SERVERS, Ports, StartServer, TestDatabase, new_pool, ports_over, tiny_shop_on

# All that they state holds on a cluster too, with the fixture `ports` of this file.
from tests.contract.test_analysis import (  # noqa: F401
    test_every_pair_of_dimensions_of_every_fact_adds_up_alike,
    test_nobody_analyzes_nothing,
    test_three_dimensions_add_up_alike,
)
from tests.contract.test_inventory import (  # noqa: F401
    test_nobody_sees_no_stock,
    test_stock_is_that_of_ones_own_stores,
    test_stockouts_come_first_by_cover_and_then_by_what_they_sold,
    test_the_totals_are_of_all_whatever_is_listed,
)
from tests.contract.test_orders import (  # noqa: F401
    SEATTLE_2,
    test_a_number_that_nobody_has_finds_nothing,
    test_a_return_belongs_to_the_order_of_its_own_store,
    test_a_sale_may_be_anonymous_or_cancelled,
    test_customers_are_masked_for_who_may_not_see_them,
    test_nobody_finds_no_order,
    test_only_the_stores_that_are_meant_are_looked_through,
    test_orders_are_those_of_ones_own_stores_the_latest_first,
)
from tests.contract.test_ports import (  # noqa: F401
    EVERY_STORE,
    test_a_running_month_has_its_whole_target,
    test_a_store_that_is_not_ones_own_adds_nothing,
    test_a_target_counts_only_when_every_store_has_one,
    test_a_target_is_that_of_whole_months,
    test_all_time_compares_with_nothing,
    test_best_sellers_come_first_and_cover_this_period_alone,
    test_each_principal_sees_their_own_stores,
    test_figures_leave_out_cancelled_orders_and_count_returns_by_their_own_day,
    test_slices_compare_each_category_with_the_period_before,
    test_stock_is_at_risk_when_it_ends_before_a_delivery_could_come,
    test_the_catalog_shows_ones_own_values_and_never_the_customer_records,
)
from tests.contract.test_products import (  # noqa: F401
    test_a_product_is_known_by_its_name_and_guessed_by_its_words,
    test_categories_and_kinds_are_named,
    test_words_are_known_with_how_many_names_kinds_and_categories_have_them,
)
from tests.contract.test_tenancy import as_administrator, as_app, scalars, store_ids, token
from tests.tiny_shop import PersonRow, identify
from zava.adapters.postgres.access import DatabaseAccess
from zava.adapters.postgres.citus import DISTRIBUTED, OnCitus
from zava.adapters.postgres.imports import PostgresImportRepository
from zava.adapters.postgres.inspection import DatabaseInspection, UnfitError
from zava.adapters.postgres.migrate import applied_steps, migrate
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.commands.database import Database
from zava.core.errors import SetupError
from zava.core.model import Customer

pytestmark = pytest.mark.operations

Connection = psycopg.Connection[Any]
SEAL: LiteralString = "SELECT access.seal_context(%s), current_setting('zava.context')"


@pytest.fixture(scope="module", params=SERVERS)
def shop(request: pytest.FixtureRequest, start_server: StartServer) -> TestDatabase:
    """The tiny shop, distributed."""
    database = tiny_shop_on(start_server(request.param))
    with as_administrator(database) as connection:
        stand_in_for_citus(connection)
        migrate(connection, reinstall=True)
    return database


@pytest.fixture
async def ports(shop: TestDatabase) -> AsyncIterator[Ports]:
    async with new_pool(shop) as pool:
        yield ports_over(PrincipalSessions(pool, lambda: KEY, opening=OnCitus()))


@contextmanager
def sealed_for(shop: TestDatabase, person: PersonRow) -> Iterator[str]:
    """A context, while the transaction on the coordinator lasts that it was made in."""
    with as_app(shop) as connection, connection.transaction(force_rollback=True):
        (_, sealed) = connection.execute(SEAL, [token(person.principal)]).fetchone() or (None, "")
        yield str(sealed)


@contextmanager
def as_task(shop: TestDatabase, context: str | None, node: str = "worker") -> Iterator[Connection]:
    """What Citus opens on a node for a part of a question, with what was SET LOCAL on the coordinator."""
    with as_administrator(shop) as connection, connection.transaction(force_rollback=True):
        connection.execute("SELECT set_config('stand_in.node', %s, true)", [node])
        connection.execute("SET LOCAL ROLE zava_reader")
        if context is not None:
            connection.execute("SELECT set_config('zava.context', %s, true)", [context])
        yield connection


def test_every_table_of_the_shop_is_whole_on_each_machine_or_distributed_beside_the_others(shop: TestDatabase) -> None:
    with as_administrator(shop) as connection:
        tables = set(
            scalars(
                connection,
                "SELECT oid::regclass::text FROM pg_class"
                " WHERE relnamespace = 'retail'::regnamespace AND relkind = 'r'",
            )
        )
        whole = set(scalars(connection, "SELECT relation::text FROM stand_in.placed WHERE how = 'reference'"))
        distributed = set(scalars(connection, "SELECT relation::text FROM stand_in.placed WHERE how = 'distributed'"))
        beside = scalars(connection, "SELECT DISTINCT beside::text FROM stand_in.placed WHERE how = 'distributed'")
        policies = scalars(
            connection,
            "SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = 'retail.orders'::regclass",
        )
        called = scalars(connection, "SELECT function::regproc::text FROM stand_in.functions")
    assert whole | distributed == tables | {"access.keys"}
    assert distributed - {"retail.customer_records"} == {
        f"retail.{name}" for name in DISTRIBUTED if name != "customers"
    }
    assert set(beside) == {None, "retail.customer_records"}
    assert set(policies) == {"true", "(store_id = ANY (access.my_stores()))"}
    assert set(called) == {"access.sign", "access.this_transaction", "access.context", "access.my_stores"}


def test_without_workers_nothing_is_distributed_until_there_are_some(start_server: StartServer) -> None:
    database = tiny_shop_on(start_server("embedded"))
    with as_administrator(database) as connection:
        stand_in_for_citus(connection, workers=0)
        with pytest.raises(psycopg.errors.RaiseException, match="has no workers"):
            migrate(connection, reinstall=True)
        assert "citus" not in {step.series for step in applied_steps(connection)}
        add_workers(connection, 1)
        assert [step.series for step in migrate(connection)] == ["citus"]
        assert migrate(connection) == ()


@pytest.mark.parametrize("person", [tiny_shop.HEAD_OFFICE, tiny_shop.REGION, tiny_shop.SEATTLE, tiny_shop.STORELESS])
def test_a_worker_shows_the_rows_of_ones_own_stores_and_no_other(shop: TestDatabase, person: PersonRow) -> None:
    every = {store.store_id for store in tiny_shop.STORES}
    own = every if person.role == "head_office" else {identify(name) for name in person.stores}
    with (
        sealed_for(shop, person) as context,
        as_task(shop, context) as task,
        as_administrator(shop) as connection,
    ):
        for table in ("stores", *(name for name in DISTRIBUTED if name != "product_availability")):
            records = "customer_records" if table == "customers" else table
            there_are = set(scalars(connection, store_ids(records)))
            assert set(scalars(task, store_ids(table))) == there_are & own, table


def forged(context: str) -> list[str]:
    """The context of the manager of Seattle, changed in one part each time."""
    principal, role, stores, grants, *bound, seal = context.split("|")
    tacoma, head_office = f"{{{identify('Tacoma')}}}", str(tiny_shop.HEAD_OFFICE.principal.principal_id)
    return [
        "|".join(parts)
        for parts in (
            (head_office, role, stores, grants, *bound, seal),
            (principal, "head_office", stores, grants, *bound, seal),
            (principal, role, tacoma, grants, *bound, seal),
            (principal, role, stores, "{personal,audit:read}", *bound, seal),
            (principal, role, stores, grants, bound[0], str(int(bound[1]) + 60_000_000), seal),
            (principal, role, stores, grants, *bound, "0" * len(seal)),
            (principal, role, stores, grants, *bound),
            (principal, role, tacoma, grants, *bound, seal, seal),
        )
    ]


def test_a_worker_takes_no_context_but_a_sealed_one(shop: TestDatabase) -> None:
    with sealed_for(shop, tiny_shop.SEATTLE) as context:
        for forgery in forged(context):
            with (
                as_task(shop, forgery) as task,
                pytest.raises(psycopg.errors.InvalidAuthorizationSpecification, match="forged"),
            ):
                task.execute("SELECT * FROM retail.orders")
        for nothing in (None, ""):
            with (
                as_task(shop, nothing) as task,
                pytest.raises(psycopg.errors.InvalidAuthorizationSpecification, match="nobody is asking"),
            ):
                task.execute("SELECT * FROM retail.orders")


@pytest.mark.parametrize(("age", "is_taken"), [(5, True), (55, True), (65, False), (3600, False), (-60, False)])
def test_a_worker_takes_a_context_for_a_minute(shop: TestDatabase, age: int, is_taken: bool) -> None:  # noqa: FBT001
    with sealed_for(shop, tiny_shop.SEATTLE) as context, as_administrator(shop) as administrator:
        *parts, _moment, _seal = context.split("|")
        body = "|".join((*parts, str(int((time.time() - age) * 1_000_000))))
        (seal,) = administrator.execute(
            "SELECT access.sign(inner_pad, outer_pad, %s) FROM access.keys WHERE key_id = 'seal'", [body]
        ).fetchone() or ("",)
        with as_task(shop, f"{body}|{seal}") as task:
            if is_taken:
                assert len(task.execute("SELECT DISTINCT store_id FROM retail.orders").fetchall()) == 1
            else:
                with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification, match="expired"):
                    task.execute("SELECT * FROM retail.orders")


def test_the_coordinator_takes_the_context_of_its_own_transaction_alone(shop: TestDatabase) -> None:
    with (
        sealed_for(shop, tiny_shop.SEATTLE) as context,
        as_task(shop, context, node="coordinator") as elsewhere,
        pytest.raises(psycopg.errors.InvalidAuthorizationSpecification, match="of another transaction"),
    ):
        elsewhere.execute("SELECT * FROM retail.orders")


@pytest.mark.parametrize("person", [tiny_shop.HEAD_OFFICE, tiny_shop.SEATTLE])
def test_nobody_can_reach_behind_the_mask_of_customers(shop: TestDatabase, person: PersonRow) -> None:
    with sealed_for(shop, person) as context, as_task(shop, context) as task:
        (email,) = task.execute("SELECT email FROM retail.customers WHERE first_name = 'B***'").fetchone() or ("",)
        assert email == "b***@***"
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            task.execute("SELECT email FROM retail.customer_records")


async def test_who_sees_customers_elsewhere_sees_them_masked(ports: Ports) -> None:
    (order,) = await ports.orders.find_order(tiny_shop.SEATTLE.principal, EVERY_STORE, 2)
    assert order.customer == Customer("B***", "C***", "b***@***")
    assert order.lines == SEATTLE_2.lines


def test_free_sql_has_nothing_to_run_it(shop: TestDatabase) -> None:
    with as_app(shop) as connection, connection.transaction(force_rollback=True):
        connection.execute("SELECT access.seal_context(%s)", [token(tiny_shop.SEATTLE.principal)])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT sandbox.run('SELECT 1', 1, 1000)")


async def test_the_server_must_know_that_it_asks_a_cluster(shop: TestDatabase, tiny_database: TestDatabase) -> None:
    async with new_pool(shop) as pool:
        await DatabaseInspection(pool, "0.1.0", citus=True).schema_version()
        await DatabaseInspection(pool, "0.1.0", citus=True).row_security()
        with pytest.raises(UnfitError, match="set ZAVA_DATABASE__CITUS=true"):
            await DatabaseInspection(pool, "0.1.0").schema_version()
    async with new_pool(tiny_database) as pool:
        with pytest.raises(UnfitError, match="not distributed"):
            await DatabaseInspection(pool, "0.1.0", citus=True).schema_version()


def test_nothing_is_imported_into_a_cluster(shop: TestDatabase) -> None:
    with as_administrator(shop) as connection, pytest.raises(SetupError, match="distributed by Citus"):
        PostgresImportRepository.open(connection, postponed=lambda _: contextmanager(lambda: iter([None]))())


def test_the_sample_shop_does_not_live_on_a_cluster(shop: TestDatabase, tmp_path: Path) -> None:
    database = Database(DatabaseAccess(shop.app_dsn, tmp_path), shop.admin_dsn)
    with pytest.raises(SetupError, match="distributed by Citus"):
        database.seed(scale=0)


def test_what_triggers_noted_is_noted_by_functions(shop: TestDatabase) -> None:
    store, product = identify("Seattle"), identify("Wall paint")
    with as_administrator(shop) as connection, connection.transaction(force_rollback=True):
        connection.execute("DELETE FROM retail.sales_changes")
        connection.execute("SELECT retail.note_sales(%s, '2026-03-01', '2026-03-03')", [store])
        assert scalars(connection, "SELECT day::text FROM retail.sales_changes ORDER BY day") == [
            "2026-03-01", "2026-03-02", "2026-03-03",
        ]  # fmt: skip
        connection.execute("UPDATE retail.inventory SET stock_level = 0 WHERE product_id = %s", [product])
        connection.execute("DELETE FROM retail.inventory WHERE product_id = %s", [identify("Claw hammer")])
        told = "SELECT availability FROM retail.product_availability WHERE store_id = %s ORDER BY availability"
        before = connection.execute(told, [store]).fetchall()
        connection.execute("SELECT retail.note_stock(%s)", [store])
        assert before == [("in_stock",), ("in_stock",), ("none",)]
        assert connection.execute(told, [store]).fetchall() == [("none",), ("none",)]
        connection.execute("UPDATE retail.products SET name = 'Bronze gavel' WHERE product_id = %s", [product])
        connection.execute("SELECT retail.note_products()")
        assert scalars(connection, "SELECT word FROM retail.product_words WHERE word = 'gavel'") == ["gavel"]


async def test_what_was_sealed_is_set_by_a_literal_which_citus_repeats_on_workers(
    shop: TestDatabase, tmp_path: Path
) -> None:
    async with await psycopg.AsyncConnection.connect(shop.app_dsn, autocommit=True) as connection:
        with (tmp_path / "sent").open("wb") as sent:
            connection.pgconn.trace(sent.fileno())
            exchange, further = await OnCitus().open(connection, token(tiny_shop.SEATTLE.principal), "7000")
            await exchange.send()
            connection.pgconn.untrace()
        role = await (await connection.execute("SELECT current_user, current_setting('statement_timeout')")).fetchone()
    said = (tmp_path / "sent").read_text()
    assert further == {"stores_of_asking": f"{{{identify('Seattle')}}}"}
    assert re.search(rf"SET LOCAL zava\.context = '[^']+\|\{{{identify('Seattle')}\}}\|[^']+'", said)
    assert "SET LOCAL statement_timeout = '7000'" in said
    assert role == ("zava_reader", "7s")
