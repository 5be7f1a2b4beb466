"""The server opens its doors only over a database that is fit, and says what is wrong with any other."""

from collections.abc import AsyncIterator
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from tests.contract.conftest import Pool, TestDatabase, new_pool
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.postgres.inspection import DatabaseInspection, UnfitError


@pytest.fixture
async def pool(tiny_copy: TestDatabase) -> AsyncIterator[Pool]:
    async with new_pool(tiny_copy) as pool:
        yield pool


@pytest.fixture
def inspection(pool: Pool) -> DatabaseInspection:
    return DatabaseInspection(pool, "0.1.0")


def change(database: TestDatabase, statement: LiteralString) -> None:
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        connection.execute(statement)


async def test_a_migrated_database_is_fit(inspection: DatabaseInspection) -> None:
    await inspection.reachable()
    await inspection.schema_version()
    await inspection.row_security()
    await inspection.clock()
    await inspection.catalogs()
    assert await inspection.layers() == {}


@pytest.mark.parametrize(
    ("weakening", "remedy", "complaint"),
    [
        (
            "ALTER TABLE retail.orders DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE retail.orders ENABLE ROW LEVEL SECURITY",
            "not forced on retail.orders",
        ),
        (
            "ALTER TABLE retail.orders NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE retail.orders FORCE ROW LEVEL SECURITY",
            "not forced on retail.orders",
        ),
        ("CREATE TABLE retail.notes (store_id uuid)", "DROP TABLE retail.notes", "not forced on retail.notes"),
        (
            "CREATE POLICY generous ON retail.orders FOR SELECT TO zava_reader USING (true)",
            "DROP POLICY generous ON retail.orders",
            "retail.orders has an unexpected policy generous",
        ),
        (
            "CREATE POLICY generous ON retail.returns USING (store_id IS NOT NULL)",
            "DROP POLICY generous ON retail.returns",
            "retail.returns has an unexpected policy generous",
        ),
        (
            "GRANT SELECT ON retail.orders TO zava_app",
            "REVOKE SELECT ON retail.orders FROM zava_app",
            "has rights of its own on retail.orders",
        ),
        (
            "GRANT INSERT ON retail.products TO zava_app",
            "REVOKE INSERT ON retail.products FROM zava_app",
            "has rights of its own on retail.products",
        ),
        (
            "GRANT SELECT ON retail.customer_records TO zava_reader",
            "REVOKE SELECT ON retail.customer_records FROM zava_reader",
            "zava_reader may read retail.customer_records",
        ),
        (
            "ALTER VIEW retail.customers OWNER TO postgres",
            "ALTER VIEW retail.customers OWNER TO zava_access",
            "the view retail.customers may not mask",
        ),
        (
            "ALTER VIEW retail.customers SET (security_barrier = false)",
            "ALTER VIEW retail.customers SET (security_barrier = true)",
            "the view retail.customers may not mask",
        ),
        ("ALTER ROLE zava_app BYPASSRLS", "ALTER ROLE zava_app NOBYPASSRLS", "zava_app has BYPASSRLS"),
        ("ALTER ROLE zava_reader SUPERUSER", "ALTER ROLE zava_reader NOSUPERUSER", "zava_reader is a superuser"),
        ("GRANT zava_owner TO zava_app", "REVOKE zava_owner FROM zava_app", "a member of zava_owner"),
        ("GRANT zava_sandbox TO zava_reader", "REVOKE zava_sandbox FROM zava_reader", "a member of zava_sandbox"),
    ],
)
async def test_whatever_weakens_row_security_is_named(
    tiny_copy: TestDatabase,
    inspection: DatabaseInspection,
    weakening: LiteralString,
    remedy: LiteralString,
    complaint: str,
) -> None:
    change(tiny_copy, weakening)
    try:
        with pytest.raises(UnfitError, match=f"row security could be bypassed.*{complaint}"):
            await inspection.row_security()
    finally:
        change(tiny_copy, remedy)
    await inspection.row_security()


async def test_an_administrators_login_is_no_login_for_a_server(tiny_copy: TestDatabase) -> None:
    async with new_pool(TestDatabase(tiny_copy.admin_dsn, tiny_copy.admin_dsn)) as pool:
        with pytest.raises(UnfitError, match="the role postgres is a superuser"):
            await DatabaseInspection(pool, "0.1.0").row_security()


@pytest.mark.parametrize(
    ("weakening", "remedy", "amiss"),
    [
        (
            "GRANT EXECUTE ON FUNCTION access.sign(bytea, bytea, text) TO zava_sandbox_some",
            "REVOKE EXECUTE ON FUNCTION access.sign(bytea, bytea, text) FROM zava_sandbox_some",
            {
                "context": "zava_sandbox_some can sign who asks",
                "role": "zava_sandbox_some may call access.sign(bytea,bytea,text)",
            },
        ),
        (
            "GRANT SELECT (inner_pad) ON access.keys TO zava_reader",
            "REVOKE SELECT (inner_pad) ON access.keys FROM zava_reader",
            {"context": "zava_reader can sign who asks"},
        ),
        (
            "ALTER ROLE zava_sandbox LOGIN",
            "ALTER ROLE zava_sandbox NOLOGIN",
            {"role": "zava_sandbox can log in, or has a right over the whole server"},
        ),
        (
            "GRANT pg_signal_backend TO zava_sandbox",
            "REVOKE pg_signal_backend FROM zava_sandbox",
            {"role": "zava_sandbox is a member of pg_signal_backend"},
        ),
        (
            "GRANT CREATE ON SCHEMA retail TO zava_sandbox_some",
            "REVOKE CREATE ON SCHEMA retail FROM zava_sandbox_some",
            {"role": "zava_sandbox_some may create something in this database"},
        ),
        (
            "CREATE SEQUENCE retail.numbers; ALTER SEQUENCE retail.numbers OWNER TO zava_sandbox",
            "DROP SEQUENCE retail.numbers",
            {"role": "zava_sandbox owns sequence retail.numbers"},
        ),
        (
            "GRANT UPDATE (name) ON retail.stores TO zava_sandbox_some",
            "REVOKE UPDATE (name) ON retail.stores FROM zava_sandbox_some",
            {"role": "zava_sandbox_some may write retail.stores"},
        ),
        (
            "GRANT SELECT (name) ON access.principals TO zava_sandbox_some",
            "REVOKE SELECT (name) ON access.principals FROM zava_sandbox_some",
            {"role": "zava_sandbox_some may read access.principals"},
        ),
        (
            "CREATE TABLE retail.visits (store_id uuid); GRANT SELECT ON retail.visits TO zava_sandbox_some",
            "DROP TABLE retail.visits",
            {"role": "zava_sandbox_some may read system columns of retail.visits"},
        ),
        (
            "GRANT EXECUTE ON FUNCTION access.seal_context(text) TO zava_sandbox_some",
            "REVOKE EXECUTE ON FUNCTION access.seal_context(text) FROM zava_sandbox_some",
            {"role": "zava_sandbox_some may call access.seal_context(text)"},
        ),
        (
            "ALTER FUNCTION sandbox.run_for_some(text, integer, integer) VOLATILE",
            "ALTER FUNCTION sandbox.run_for_some(text, integer, integer) STABLE",
            {"role": "no runner of free SQL runs as zava_sandbox_some and cannot write"},
        ),
        (
            "GRANT EXECUTE ON FUNCTION pg_catalog.pg_sleep(double precision) TO zava_sandbox",
            "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_sleep(double precision) FROM zava_sandbox",
            {"functions": "1 of PostgreSQL's functions can be called that are not on the list"},
        ),
        (
            "GRANT EXECUTE ON FUNCTION pg_catalog.lpad(text, integer, text) TO zava_sandbox",
            "REVOKE EXECUTE ON FUNCTION pg_catalog.lpad(text, integer, text) FROM zava_sandbox",
            {"bounds": "1 of PostgreSQL's functions can be called without their bound"},
        ),
        (
            "GRANT EXECUTE ON FUNCTION pg_catalog.arraycontains(anyarray, anyarray) TO zava_sandbox",
            "REVOKE EXECUTE ON FUNCTION pg_catalog.arraycontains(anyarray, anyarray) FROM zava_sandbox",
            {"bounds": "1 of PostgreSQL's functions can be called without their bound"},
        ),
        (
            "ALTER FUNCTION pg_catalog.date_lt_timestamptz(date, timestamptz) NOT LEAKPROOF",
            "ALTER FUNCTION pg_catalog.date_lt_timestamptz(date, timestamptz) LEAKPROOF",
            {"days": "1 comparisons of days with moments are not leakproof"},
        ),
    ],
)
async def test_a_layer_that_is_not_in_force_is_named_with_what_is_amiss(
    tiny_copy: TestDatabase,
    inspection: DatabaseInspection,
    weakening: LiteralString,
    remedy: LiteralString,
    amiss: dict[str, str],
) -> None:
    change(tiny_copy, weakening)
    try:
        assert await inspection.layers() == amiss
    finally:
        change(tiny_copy, remedy)
    assert await inspection.layers() == {}


@pytest.mark.parametrize(
    ("layer", "setting", "weak", "good"),
    [
        ("time", "statement_timeout", "0", "30s"),
        ("time", "idle_in_transaction_session_timeout", "0", "60s"),
        ("leaving", "client_connection_check_interval", "0", "250ms"),
        ("files", "temp_file_limit", "-1", "1GB"),
        ("log", "log_min_messages", "warning", "fatal"),
        ("log", "log_parameter_max_length", "-1", "0"),
        ("log", "log_parameter_max_length_on_error", "1B", "0"),
    ],
)
async def test_a_setting_that_is_weaker_than_it_should_be_is_named(
    tiny_copy: TestDatabase, layer: str, setting: str, weak: str, good: str
) -> None:
    set_for_the_login(tiny_copy, setting, weak)
    try:
        async with new_pool(tiny_copy) as pool:
            assert await DatabaseInspection(pool, "0.1.0").layers() == {layer: f"{setting} = {weak}"}
    finally:
        set_for_the_login(tiny_copy, setting, good)


def set_for_the_login(database: TestDatabase, setting: str, value: str) -> None:
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER ROLE zava_app IN DATABASE {} SET {} = {}").format(
                sql.Identifier(connection.info.dbname), sql.Identifier(setting), sql.Literal(value)
            )
        )


async def test_open_catalogs_are_told(tiny_copy: TestDatabase, inspection: DatabaseInspection) -> None:
    change(tiny_copy, "GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO PUBLIC")
    with pytest.raises(UnfitError, match="open to free SQL"):
        await inspection.catalogs()
    change(tiny_copy, "REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC")
    await inspection.catalogs()


async def test_a_schema_that_is_too_old_for_the_server_is_refused(
    tiny_copy: TestDatabase, inspection: DatabaseInspection
) -> None:
    change(
        tiny_copy,
        "UPDATE access.migrations SET series = 'vector', version = version + 900"
        " WHERE series = 'migrations' AND version > 2",
    )
    with pytest.raises(UnfitError, match=r"schema is at version 2 and this server needs 17; run `zava db migrate`"):
        await inspection.schema_version()
    change(
        tiny_copy,
        "UPDATE access.migrations SET series = 'migrations', version = version - 900 WHERE version > 900",
    )


async def test_a_newer_schema_is_lived_with_as_long_as_it_serves_this_server(
    tiny_copy: TestDatabase, inspection: DatabaseInspection, pool: Pool
) -> None:
    change(
        tiny_copy,
        "INSERT INTO access.migrations (series, version, name, sha256, oldest_server)"
        " VALUES ('migrations', 99, 'future', '', '0.1.0')",
    )
    await inspection.schema_version()
    change(tiny_copy, "UPDATE access.migrations SET oldest_server = '0.10.0' WHERE version = 99")
    with pytest.raises(UnfitError, match=r"needs Zava 0\.10\.0 or newer and this is 0\.1\.0"):
        await inspection.schema_version()
    # Versions are numbers, not text.
    with pytest.raises(UnfitError, match=r"needs Zava 0\.10\.0 or newer and this is 0\.9\.0"):
        await DatabaseInspection(pool, "0.9.0").schema_version()
    await DatabaseInspection(pool, "0.10.0").schema_version()
    change(tiny_copy, "DELETE FROM access.migrations WHERE version = 99")


async def test_a_database_without_the_schema_says_so(server: EmbeddedPostgres) -> None:
    dsn = server.dsn(database="postgres")
    async with new_pool(TestDatabase(dsn, dsn)) as pool:
        with pytest.raises(UnfitError, match="has no Zava schema; run `zava db migrate`"):
            await DatabaseInspection(pool, "0.1.0").schema_version()
