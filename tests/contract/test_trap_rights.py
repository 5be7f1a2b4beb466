"""Rights that PostgreSQL gives by itself: each is taken away, and each test shows what it would open otherwise."""

from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.contract.conftest import KEY, TestDatabase
from tests.contract.test_sandbox import ask, scalars
from tests.contract.test_tenancy import as_administrator, as_app
from tests.contract.test_traps import changed
from zava.adapters.postgres.migrate import migrate

PRIVILEGED = """
SELECT f.oid::regprocedure::text
FROM pg_proc AS f
CROSS JOIN LATERAL aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) AS granted
WHERE f.prosecdef AND (granted.grantee = 0 OR coalesce(f.proconfig::text, '') !~ 'search_path=.*pg_catalog.*, pg_temp')
"""


def test_no_privileged_function_is_everybodys_or_looks_names_up_where_its_caller_says(tiny_copy: TestDatabase) -> None:
    assert scalars(tiny_copy, "SELECT count(*) > 10 FROM pg_proc WHERE prosecdef") == [True]
    assert scalars(tiny_copy, PRIVILEGED) == []
    for weakening, back in (
        ("GRANT EXECUTE ON FUNCTION {} TO PUBLIC", "REVOKE EXECUTE ON FUNCTION {} FROM PUBLIC"),
        ("ALTER FUNCTION {} RESET search_path", "ALTER FUNCTION {} SET search_path = pg_catalog, pg_temp"),
    ):
        with changed(tiny_copy, weakening.format("access.my_stores()"), back.format("access.my_stores()")):
            assert set(scalars(tiny_copy, PRIVILEGED)) == {"access.my_stores()"}


ORACLE = """
BEGIN;
SET LOCAL ROLE zava_access;
CREATE FUNCTION access.oracle(message text) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT access.sign(k.inner_pad, k.outer_pad, message) FROM access.keys AS k WHERE key_id = 'seal' $$;
COMMIT
"""


def test_a_new_function_is_nobodys_until_it_is_granted(tiny_copy: TestDatabase) -> None:
    """A helper that signs, executable by everybody, would let anybody be anybody."""
    drop: LiteralString = "DROP FUNCTION access.oracle(text)"
    defaults: LiteralString = "ALTER DEFAULT PRIVILEGES FOR ROLE zava_access {} EXECUTE ON FUNCTIONS {} PUBLIC"
    with as_app(tiny_copy) as connection:
        with changed(tiny_copy, ORACLE, drop), pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT access.oracle('x')")
        with (
            changed(tiny_copy, defaults.format("GRANT", "TO"), defaults.format("REVOKE", "FROM")),
            changed(tiny_copy, ORACLE, drop),
        ):
            assert connection.execute("SELECT length(access.oracle('x'))").fetchone() == (64,)


def test_no_owner_of_functions_gives_new_ones_to_everybody(tiny_copy: TestDatabase) -> None:
    owners = scalars(tiny_copy, "SELECT DISTINCT proowner::regrole::text FROM pg_proc WHERE proowner <> 10")
    careful = scalars(
        tiny_copy,
        """
        SELECT defaclrole::regrole::text FROM pg_default_acl
        WHERE defaclobjtype = 'f' AND defaclnamespace = 0
            AND NOT EXISTS (SELECT FROM aclexplode(defaclacl) WHERE grantee = 0)
        """,
    )
    assert len(owners) >= 4
    assert set(owners) - set(careful) == set()


def test_what_an_extension_brings_is_closed_by_the_next_migration(tiny_copy: TestDatabase) -> None:
    """This one shows the texts of all queries that ran as the sandbox's role, whoever asked them."""
    opened: LiteralString = """
        SELECT has_table_privilege('zava_sandbox', 'public.pg_stat_statements', 'SELECT')
            OR has_function_privilege('zava_sandbox', 'public.pg_stat_statements(boolean)', 'EXECUTE')
    """
    create: LiteralString = "CREATE EXTENSION pg_stat_statements WITH SCHEMA public"
    with changed(tiny_copy, create, "DROP EXTENSION pg_stat_statements"), as_administrator(tiny_copy) as connection:
        assert scalars(tiny_copy, opened) == [True]
        migrate(connection, reinstall=True)
        assert scalars(tiny_copy, opened) == [False]


async def test_tokens_do_not_reach_postgresqls_log(tiny_copy: TestDatabase) -> None:
    where = conninfo_to_dict(tiny_copy.admin_dsn)
    log = Path(str(where["host"])) / "postgres.log"
    role = f"ALTER ROLE zava_app IN DATABASE {where['dbname']} "

    async def logged() -> str:
        before = log.stat().st_size
        await ask(tiny_copy, "SELECT name FROM stores")
        with log.open("rb") as file:
            file.seek(before)
            return file.read().decode()

    with as_administrator(tiny_copy) as connection:
        connection.execute(f"{role} SET log_min_duration_statement = 0; {role} SET log_min_messages = 'log'".encode())
        try:
            said = await logged()
            connection.execute(f"{role} SET log_parameter_max_length = -1".encode())
            everything = await logged()
        finally:
            connection.execute(
                f"{role} RESET log_min_duration_statement; {role} SET log_min_messages = 'fatal';"
                f"{role} SET log_parameter_max_length = 0".encode()
            )
    assert "access.seal_context" in said
    assert KEY.key_id not in said
    assert KEY.key_id in everything
