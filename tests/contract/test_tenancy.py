"""What PostgreSQL itself guarantees, whatever the server above it does: asked as the server's own login."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import scalar_row

from tests import tiny_shop
from tests.contract.conftest import KEY, TestDatabase
from tests.tiny_shop import PersonRow, identify
from zava.adapters.postgres.context import ContextKey
from zava.core.model import Principal

Connection = psycopg.Connection[Any]

# Tables with a column store_id, as the person's own stores see them.
STORE_TABLES: tuple[LiteralString, ...] = (
    "stores",
    "customers",
    "inventory",
    "orders",
    "order_items",
    "returns",
    "store_targets",
)

# The view customers raises for an administrator, who has no context.
STORED_AS: dict[str, LiteralString] = {"customers": "customer_records"}


def store_ids(table: LiteralString) -> LiteralString:
    return "SELECT DISTINCT store_id FROM retail." + table  # noqa: S608 - a name of the list above


@contextmanager
def as_app(database: TestDatabase) -> Iterator[Connection]:
    with psycopg.connect(database.app_dsn, autocommit=True) as connection:
        yield connection


@contextmanager
def as_reader(database: TestDatabase, principal: Principal) -> Iterator[Connection]:
    """A transaction with this principal's context, as the role that answers governed questions."""
    with as_app(database) as connection, connection.transaction(force_rollback=True):
        seal(connection, principal)
        connection.execute("SET LOCAL ROLE zava_reader")
        yield connection


@contextmanager
def as_administrator(database: TestDatabase) -> Iterator[Connection]:
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        yield connection


def token(principal: Principal, key: ContextKey = KEY, age: float = 0) -> str:
    return key.token(principal, now=time.time() - age)


def seal(connection: Connection, principal: Principal) -> None:
    connection.execute("SELECT access.seal_context(%s)", [token(principal)])


def scalars(connection: Connection, query: LiteralString) -> list[Any]:
    return connection.cursor(row_factory=scalar_row).execute(query).fetchall()


@pytest.mark.parametrize("table", STORE_TABLES)
@pytest.mark.parametrize("person", [tiny_shop.HEAD_OFFICE, tiny_shop.REGION, tiny_shop.SEATTLE, tiny_shop.STORELESS])
def test_every_table_shows_the_rows_of_ones_own_stores_and_no_other(
    tiny_database: TestDatabase, person: PersonRow, table: LiteralString
) -> None:
    own = {identify(name) for name in person.stores}
    every = {store.store_id for store in tiny_shop.STORES}
    records = STORED_AS.get(table, table)
    with as_administrator(tiny_database) as connection:
        there_are = set(scalars(connection, store_ids(records)))
    with as_reader(tiny_database, person.principal) as connection:
        seen = set(scalars(connection, store_ids(table)))
    assert seen == there_are & (every if person.role == "head_office" else own)


def test_without_a_context_there_is_an_error_and_never_everything(tiny_database: TestDatabase) -> None:
    with as_app(tiny_database) as connection, connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL ROLE zava_reader")
        with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification, match="nobody is asking"):
            connection.execute("SELECT * FROM retail.orders")


def test_the_login_itself_may_read_nothing(tiny_database: TestDatabase) -> None:
    with as_app(tiny_database) as connection:
        for table in (*STORE_TABLES, "customer_records", "products", "business_settings"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT * FROM retail." + table)  # noqa: S608 - a name of the list above
        for table in ("keys", "principals", "principal_stores", "migrations", "sample_shop"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT * FROM access." + table)  # noqa: S608 - a name of the list above


@pytest.mark.parametrize("role", ["zava_owner", "zava_access", "zava_sandbox", "zava_writer", "postgres"])
def test_the_login_may_become_nobody_but_the_reader(tiny_database: TestDatabase, role: LiteralString) -> None:
    with as_app(tiny_database) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SET ROLE " + role)


@pytest.mark.parametrize(
    "forgery",
    [
        "",
        "nonsense",
        "|||",
        f"seal|{tiny_shop.HEAD_OFFICE.principal.principal_id}|99999999999|",
        token(tiny_shop.SEATTLE.principal, ContextKey(b"another key, of somebody who guesses")),
        token(tiny_shop.SEATTLE.principal).replace(
            str(tiny_shop.SEATTLE.principal.principal_id), str(tiny_shop.HEAD_OFFICE.principal.principal_id)
        ),
    ],
)
def test_a_forged_token_opens_nothing(tiny_database: TestDatabase, forgery: str) -> None:
    with as_app(tiny_database) as connection, pytest.raises(psycopg.Error) as refused:
        connection.execute("SELECT access.seal_context(%s)", [forgery])
    assert refused.value.sqlstate in ("28000", "ZV002")


def test_a_token_expires(tiny_database: TestDatabase) -> None:
    with (
        as_app(tiny_database) as connection,
        pytest.raises(psycopg.errors.InvalidAuthorizationSpecification, match="expired"),
    ):
        connection.execute("SELECT access.seal_context(%s)", [token(tiny_shop.SEATTLE.principal, age=120)])


def test_a_transaction_has_one_context(tiny_database: TestDatabase) -> None:
    with as_app(tiny_database) as connection, connection.transaction(force_rollback=True):
        seal(connection, tiny_shop.SEATTLE.principal)
        with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification, match="has a context already"):
            seal(connection, tiny_shop.HEAD_OFFICE.principal)


def test_a_context_dies_with_its_transaction(tiny_database: TestDatabase) -> None:
    with as_app(tiny_database) as connection:
        with connection.transaction(force_rollback=True):
            seal(connection, tiny_shop.SEATTLE.principal)
        with connection.transaction(force_rollback=True):
            connection.execute("SET LOCAL ROLE zava_reader")
            with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification, match="nobody is asking"):
                connection.execute("SELECT * FROM retail.stores")


def test_a_context_of_another_transaction_is_refused(tiny_database: TestDatabase) -> None:
    with as_app(tiny_database) as connection:
        with connection.transaction():
            seal(connection, tiny_shop.SEATTLE.principal)
            (stolen,) = scalars(connection, "SELECT current_setting('zava.context')")
        with connection.transaction(force_rollback=True):
            connection.execute("SELECT set_config('zava.context', %s, true)", [stolen])
            connection.execute("SET LOCAL ROLE zava_reader")
            with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification, match="another transaction"):
                connection.execute("SELECT * FROM retail.stores")


@pytest.mark.parametrize("part", [0, 1, 2, 3, 4, 5, 6])
def test_a_context_with_any_part_changed_is_refused(tiny_database: TestDatabase, part: int) -> None:
    with as_app(tiny_database) as connection, connection.transaction(force_rollback=True):
        seal(connection, tiny_shop.SEATTLE.principal)
        (sealed,) = scalars(connection, "SELECT current_setting('zava.context')")
        parts = sealed.split("|")
        parts[part] = {1: "head_office", 3: "{personal,audit:read}"}.get(part, parts[part][:-1])
        connection.execute("SELECT set_config('zava.context', %s, true)", ["|".join(parts)])
        connection.execute("SET LOCAL ROLE zava_reader")
        with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification, match="forged"):
            connection.execute("SELECT * FROM retail.stores")


def test_nothing_can_be_written(tiny_database: TestDatabase) -> None:
    with as_app(tiny_database) as connection:
        connection.execute("SET default_transaction_read_only = off")
        for statement in (
            "DELETE FROM retail.orders",
            "UPDATE retail.inventory SET stock_level = 0",
            "INSERT INTO retail.categories (name) VALUES ('x')",
            "CREATE TABLE retail.mine (x integer)",
            "CREATE TABLE public.mine (x integer)",
        ):
            with connection.transaction(force_rollback=True):
                seal(connection, tiny_shop.HEAD_OFFICE.principal)
                connection.execute("SET LOCAL ROLE zava_reader")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)


def test_a_revocation_acts_on_the_next_question(tiny_copy: TestDatabase) -> None:
    with as_reader(tiny_copy, tiny_shop.REGION.principal) as connection:
        assert scalars(connection, "SELECT name FROM retail.stores ORDER BY name") == ["Bellevue", "Seattle"]
    with as_administrator(tiny_copy) as connection:
        connection.execute("DELETE FROM access.principal_stores WHERE store_id = %s", [identify("Bellevue")])
    with as_reader(tiny_copy, tiny_shop.REGION.principal) as connection:
        assert scalars(connection, "SELECT name FROM retail.stores ORDER BY name") == ["Seattle"]
    with as_administrator(tiny_copy) as connection:
        connection.execute("UPDATE access.principals SET disabled = true WHERE name = %s", [tiny_shop.REGION.name])
    with as_app(tiny_copy) as connection, pytest.raises(psycopg.Error) as refused:
        seal(connection, tiny_shop.REGION.principal)
    assert refused.value.sqlstate == "ZV001"


def test_customers_are_masked_without_the_grant(tiny_database: TestDatabase) -> None:
    query: LiteralString = "SELECT first_name || ' ' || last_name || ' ' || email FROM retail.customers ORDER BY 1"
    with as_reader(tiny_database, tiny_shop.TACOMA.principal) as connection:
        assert scalars(connection, query) == ["C*** C*** c***@***"]
    with as_reader(tiny_database, tiny_shop.SEATTLE.principal) as connection:
        assert scalars(connection, query) == ["Ada Canary ada@example.com", "Ben Canary ben@example.com"]


@pytest.mark.parametrize("role", ["zava_reader", "zava_sandbox"])
def test_the_records_behind_the_mask_are_nobodys_to_read(tiny_database: TestDatabase, role: LiteralString) -> None:
    with as_administrator(tiny_database) as connection:
        connection.execute("SET ROLE " + role)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM retail.customer_records")


def test_the_owner_sees_everything_so_that_migrations_and_dumps_are_whole(tiny_database: TestDatabase) -> None:
    with as_administrator(tiny_database) as connection:
        connection.execute("SET ROLE zava_owner")
        assert scalars(connection, "SELECT count(*) FROM retail.orders") == [len(tiny_shop.ORDERS)]


def test_every_store_table_forces_row_security_and_leads_an_index_with_the_store(tiny_database: TestDatabase) -> None:
    with as_administrator(tiny_database) as connection:
        tables = connection.execute(
            """
            SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity, EXISTS (
                SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum
            ), NOT EXISTS (
                SELECT FROM pg_constraint AS k
                WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u', 'f') AND a.attnum <> ALL (k.conkey[1:1])
                    AND NOT (
                        k.contype = 'f'
                        AND k.confrelid IN ('retail.products'::regclass, 'retail.categories'::regclass)
                    )
                    AND c.relname <> 'stores'
            )
            FROM pg_class AS c
            INNER JOIN pg_attribute AS a ON c.oid = a.attrelid AND a.attname = 'store_id'
            WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind = 'r'
            """
        ).fetchall()
    assert len(tables) == 13
    assert [table for table in tables if table[1:] != (True, True, True)] == []


def test_every_privileged_function_pins_its_search_path_and_is_not_for_everybody(tiny_database: TestDatabase) -> None:
    with as_administrator(tiny_database) as connection:
        functions = connection.execute(
            """
            SELECT
                p.oid::regprocedure::text,
                p.proconfig::text,
                has_function_privilege('zava_writer', p.oid, 'EXECUTE') AND p.proname <> 'roll_up_sales'
            FROM pg_proc AS p
            WHERE p.pronamespace IN ('access'::regnamespace, 'retail'::regnamespace) AND p.prosecdef
            """
        ).fetchall()
    assert len(functions) > 5
    assert [one for one in functions if "search_path=pg_catalog, pg_temp" not in one[1] or one[2]] == []


@pytest.mark.parametrize("function", ["sign('', '', 'x')", "context()", "this_transaction()", "new_key('x', 'y')"])
@pytest.mark.parametrize("role", ["zava_app", "zava_reader", "zava_sandbox"])
def test_nobody_can_sign_or_see_inside(
    tiny_database: TestDatabase, role: LiteralString, function: LiteralString
) -> None:
    with as_administrator(tiny_database) as connection:
        connection.execute("SET ROLE " + role)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT access." + function)


@pytest.mark.parametrize(
    ("person", "shape"),
    [
        (tiny_shop.HEAD_OFFICE, "all"),
        (tiny_shop.REGION, "some"),
        (tiny_shop.SEATTLE, "one"),
        (tiny_shop.STORELESS, "one"),
    ],
)
def test_free_sql_has_a_shape_for_one_store_some_and_all_and_no_other_shape_shows_more(
    tiny_database: TestDatabase, person: PersonRow, shape: str
) -> None:
    def orders(runner: str) -> list[Any]:
        with as_app(tiny_database) as connection, connection.transaction():
            seal(connection, person.principal)
            run = sql.SQL("SELECT {}(%s, 100, 100000)::json").format(sql.Identifier("sandbox", runner))
            query = "SELECT order_id, current_user AS role FROM retail.orders ORDER BY 1"
            (rows,) = connection.cursor(row_factory=scalar_row).execute(run, [query])
            return list(rows)

    own = orders("run_for_some")
    assert [order["order_id"] for order in orders("run")] == [order["order_id"] for order in own]
    assert {order["role"] for order in orders("run")} <= {f"zava_sandbox_{shape}"}
    if shape != "all":
        assert orders("run_for_all") == []
    if shape != "one":
        with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification, match="several stores"):
            orders("run_for_one")


def test_postgresqls_own_functions_are_closed_to_free_sql(tiny_database: TestDatabase) -> None:
    with as_administrator(tiny_database) as connection:
        connection.execute("SET ROLE zava_sandbox")
        for attempt in ("SELECT pg_sleep(0)", "SELECT set_config('a.b', 'c', false)", "SELECT * FROM pg_stat_activity"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(attempt)


def test_the_policy_is_asked_once_a_statement_and_uses_the_index(tiny_copy: TestDatabase) -> None:
    with as_administrator(tiny_copy) as connection:
        connection.execute(
            """
            INSERT INTO retail.orders (store_id, order_number, ordered_at, order_date, total_amount)
            SELECT store.store_id, 100 + day, '2020-01-01', date '2020-01-01' + day, 1
            FROM retail.stores AS store CROSS JOIN generate_series(1, 2000) AS day
            """
        )
        connection.execute("ANALYZE retail.orders")
    with as_reader(tiny_copy, tiny_shop.SEATTLE.principal) as connection:
        plan = "\n".join(
            scalars(
                connection,
                "EXPLAIN (COSTS OFF) SELECT sum(total_amount) FROM retail.orders"
                " WHERE order_date BETWEEN '2021-03-01' AND '2021-03-31'",
            )
        )
    assert "Index Cond: ((store_id = ANY ((InitPlan 1).col1)) AND (order_date >=" in plan.replace(
        "($0)", "((InitPlan 1).col1)"
    )
    assert "Filter" not in plan
