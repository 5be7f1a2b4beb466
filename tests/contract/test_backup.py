"""A backup brings everything back into a server that never heard of Zava: rows, rights, keys and the audit trail."""

import stat
from asyncio import to_thread
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests import tiny_shop
from tests.contract.conftest import (
    KEY,
    OLDEST_POSTGRES,
    SERVERS,
    TestDatabase,
    installed_by_no_superuser,
    new_pool,
    running_postgres,
    tiny_shop_on,
)
from tests.contract.test_audit import CALL, write
from tests.contract.test_audit import KEY as AUDIT_KEY
from tests.postgres import load_tiny_shop
from zava.adapters.embedded.binaries import packaged_binaries
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.postgres.audit_verification import verify
from zava.adapters.postgres.backup import BackupError, back_up, restore
from zava.adapters.postgres.client_programs import ClientProgramError, ClientPrograms
from zava.adapters.postgres.migrate import as_owners, migrate, pending_steps
from zava.adapters.postgres.preparation import contents
from zava.adapters.postgres.sandbox import PostgresSandbox, SandboxLimits
from zava.adapters.postgres.schema_catalog import PostgresSchemaCatalog
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.adapters.postgres.store_directory import PostgresStoreDirectory
from zava.commands.init import ServerFiles, initialise
from zava.settings import AuditSettings, EmbeddingSettings, Settings

pytestmark = pytest.mark.operations

Connection = psycopg.Connection[Any]
PASSWORD = "only-for-tests"
EMBEDDED = packaged_binaries()

# What has to be the same afterwards, whoever the administrators are. Each row is a sentence.
RIGHTS: dict[str, LiteralString] = {
    "relations": """
        SELECT c.oid::regclass, c.relkind, c.relowner::regrole, c.relrowsecurity, c.relforcerowsecurity,
            c.relpersistence
        FROM pg_class AS c WHERE c.relnamespace = ANY (%(schemas)s) AND c.relkind <> 'c'""",
    "rights on relations": """
        SELECT c.oid::regclass, a.grantor::regrole, a.grantee::regrole, a.privilege_type, a.is_grantable
        FROM pg_class AS c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) AS a
        WHERE c.relnamespace = ANY (%(schemas)s) AND c.relkind <> 'c'""",
    "rights on columns": """
        SELECT t.attrelid::regclass, t.attname, a.grantee::regrole, a.privilege_type
        FROM pg_attribute AS t JOIN pg_class AS c ON c.oid = t.attrelid, aclexplode(t.attacl) AS a
        WHERE c.relnamespace = ANY (%(schemas)s)""",
    "policies": """
        SELECT p.polrelid::regclass, p.polname, p.polcmd, p.polpermissive, p.polroles::regrole[]::text,
            pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
        FROM pg_policy AS p""",
    "functions": """
        SELECT f.oid::regprocedure, f.proowner::regrole, f.prosecdef, f.proleakproof, f.provolatile, f.proparallel,
            f.proconfig, pg_get_function_arguments(f.oid), pg_get_function_result(f.oid),
            CASE WHEN f.prosqlbody IS NULL THEN md5(f.prosrc) END  -- others are written in other words, once
        FROM pg_proc AS f WHERE f.pronamespace = ANY (%(schemas)s)""",
    "rights on functions": """
        SELECT f.oid::regprocedure, a.grantor::regrole, a.grantee::regrole, a.privilege_type
        FROM pg_proc AS f, aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) AS a
        WHERE f.pronamespace = ANY (%(schemas)s)""",
    "schemas": """
        SELECT n.nspname, n.nspowner::regrole, a.grantee::regrole, a.privilege_type
        FROM pg_namespace AS n, aclexplode(n.nspacl) AS a WHERE n.oid = ANY (%(schemas)s)""",
    "default rights": """
        SELECT d.defaclrole::regrole, d.defaclobjtype, d.defaclacl::text FROM pg_default_acl AS d""",
    "constraints": """
        SELECT k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid), k.convalidated
        FROM pg_constraint AS k WHERE k.connamespace = ANY (%(schemas)s) AND k.contype <> 'n'""",
    "indexes": """
        SELECT i.indexrelid::regclass, pg_get_indexdef(i.indexrelid), i.indisvalid
        FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid WHERE c.relnamespace = ANY (%(schemas)s)""",
    "triggers": """
        SELECT t.tgrelid::regclass, t.tgname, t.tgenabled, pg_get_triggerdef(t.oid)
        FROM pg_trigger AS t WHERE NOT t.tgisinternal""",
    "comments": """
        SELECT d.objoid::regclass, d.objsubid, d.description FROM pg_description AS d
        JOIN pg_class AS c ON c.oid = d.objoid AND d.classoid = 'pg_class'::regclass
        WHERE c.relnamespace = ANY (%(schemas)s)""",
    "roles": """
        SELECT r.rolname, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, r.rolreplication,
            r.rolbypassrls, r.rolconnlimit
        FROM pg_roles AS r WHERE r.rolname LIKE 'zava%%'""",
    "members": """
        SELECT m.roleid::regrole, m.member::regrole FROM pg_auth_members AS m
        WHERE m.roleid::regrole::text LIKE 'zava%%' AND m.member::regrole::text LIKE 'zava%%'""",
    "settings of roles": """
        SELECT s.setrole::regrole, unnest(s.setconfig) FROM pg_db_role_setting AS s
        JOIN pg_database AS d ON d.oid = s.setdatabase WHERE d.datname = current_database()""",
    "database": """
        SELECT a.grantee::regrole, a.privilege_type FROM pg_database AS d, aclexplode(d.datacl) AS a
        WHERE d.datname = current_database() AND a.grantee <> d.datdba""",
}
# Of one version of PostgreSQL.
CLOSED: dict[str, LiteralString] = {
    "PostgreSQL's functions": """
        SELECT f.oid::regprocedure, a.grantee::regrole
        FROM pg_proc AS f, aclexplode(f.proacl) AS a
        WHERE f.pronamespace IN ('pg_catalog'::regnamespace, 'public'::regnamespace) AND a.grantee <> f.proowner""",
    "PostgreSQL's catalogs": """
        SELECT c.oid::regclass, a.grantee::regrole, a.privilege_type
        FROM pg_class AS c, aclexplode(c.relacl) AS a
        WHERE c.relnamespace = 'pg_catalog'::regnamespace AND a.grantee <> c.relowner""",
    "leakproof functions": "SELECT oid::regprocedure FROM pg_proc WHERE proleakproof",
}


@dataclass(frozen=True)
class Route:
    """From one PostgreSQL to another, and who does it."""

    source: str
    target: str
    superuser: bool
    programs: ClientPrograms

    def __str__(self) -> str:
        who = "superuser" if self.superuser else "owner"
        return f"{self.source} to {self.target} by {who} with {self.programs.version}"


NEWEST = ClientPrograms(EMBEDDED, 18)
OLDEST = ClientPrograms(OLDEST_POSTGRES, 15)
ROUTES = [
    route
    for route in (
        Route("embedded", "embedded", superuser=True, programs=NEWEST),
        Route("embedded", "embedded", superuser=False, programs=NEWEST),
        Route("oldest", "oldest", superuser=True, programs=OLDEST),
        Route("oldest", "oldest", superuser=False, programs=OLDEST),
        Route("oldest", "embedded", superuser=True, programs=OLDEST),
    )
    if {route.source, route.target} <= set(SERVERS)
]


def told(connection: Connection, queries: Mapping[str, LiteralString]) -> dict[str, list[str]]:
    """What each of the queries says, as sorted sentences."""
    connection.execute("SET search_path = pg_catalog")
    schemas = connection.execute(
        "SELECT array_agg(oid) FROM pg_namespace WHERE nspname !~ '^pg_|^information_schema$|^public$'"
    ).fetchone()
    assert schemas is not None
    said = {}
    for name, query in queries.items():
        # Types whose names say which they are, such as regclass, become text before they travel.
        text = sql.SQL("SELECT row_to_json(q)::text FROM ({}) AS q").format(sql.SQL(query))
        rows = connection.execute(text, {"schemas": schemas[0]})
        said[name] = sorted(row[0] for row in rows)
    return said


def checksums(connection: Connection) -> dict[str, tuple[int, str]]:
    """For each table, how many rows it has and a checksum of all of them."""
    connection.execute("SET search_path = pg_catalog")
    tables = connection.execute(
        """
        SELECT relnamespace::regnamespace::text, relname FROM pg_class
        WHERE relkind IN ('r', 'm') AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
            AND relnamespace::regnamespace::text !~ '^pg_toast'
        """
    ).fetchall()
    found = {}
    for table in tables:
        query = sql.SQL("SELECT count(*), md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM {} AS t")
        if table == ("access", "migrations"):  # when is another moment
            query = sql.SQL(
                "SELECT count(*), md5(string_agg(series || name || sha256, '' ORDER BY series, name)) FROM {}"
            )
        found[".".join(table)] = connection.execute(query.format(sql.Identifier(*table))).fetchone() or (0, "")
    return found


@contextmanager
def empty_target(route: Route) -> Iterator[tuple[EmbeddedPostgres, str]]:
    """A new server, and an administrator's DSN of an empty database in it."""
    with running_postgres(SERVERS[route.target]) as postgres:
        with psycopg.connect(postgres.dsn(database="postgres"), autocommit=True) as connection:
            rights = "SUPERUSER" if route.superuser else "CREATEROLE"
            connection.execute(f"CREATE ROLE keeper LOGIN {rights} PASSWORD '{PASSWORD}'".encode())
            connection.execute("CREATE DATABASE restored OWNER keeper")
        yield postgres, postgres.dsn(database="restored", user="keeper", password=PASSWORD)


@contextmanager
def shop_to_back_up(route: Route) -> Iterator[tuple[EmbeddedPostgres, TestDatabase]]:
    """The tiny shop, by this kind of administrator."""
    with running_postgres(SERVERS[route.source]) as postgres:
        if route.superuser:
            yield postgres, tiny_shop_on(postgres)
            return
        database = installed_by_no_superuser(postgres)
        with psycopg.connect(database.admin_dsn, autocommit=True) as connection, as_owners(connection):
            load_tiny_shop(connection)
        yield postgres, database


@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_what_is_restored_into_a_new_server_is_what_was_backed_up(route: Route, tmp_path: Path) -> None:
    file = tmp_path / "zava.backup"
    with shop_to_back_up(route) as (postgres, database):
        superuser = make_conninfo(database.admin_dsn, user="postgres", password=postgres.secret("superuser"))
        await write(TestDatabase(superuser, ""), tmp_path / "spool", [CALL] * 5, full_texts=True)
        with psycopg.connect(superuser, autocommit=True) as connection:
            connection.execute("SELECT retail.roll_up_sales()")
            rows, rights, closed = checksums(connection), told(connection, RIGHTS), told(connection, CLOSED)
        with psycopg.connect(database.admin_dsn, autocommit=True) as administrator:
            size = back_up(administrator, database.admin_dsn, route.programs, file)
    assert size == file.stat().st_size
    assert rows["audit.calls"][0] == 5
    assert rows["retail.orders"][0] == len(tiny_shop.ORDERS)
    with empty_target(route) as (postgres, dsn):
        with psycopg.connect(dsn, autocommit=True) as administrator:
            restore(administrator, dsn, route.programs, file)
            verdict = verify(administrator, [AUDIT_KEY], [])
            assert (verdict.rows, list(verdict.breaks)) == (5, [])
            assert pending_steps(administrator) == ()
        superuser = postgres.dsn(database="restored")
        with psycopg.connect(superuser, autocommit=True) as connection:
            restored = checksums(connection)
            # Restoring leaves marks of its own.
            del rows["access.changes"], restored["access.changes"]
            if route.source != route.target:  # pgvector is there now, and what needs it
                restored = {table: restored[table] for table in rows}
                restored["access.migrations"] = rows["access.migrations"]
            assert restored == rows
            if route.source == route.target:
                for name, sentences in told(connection, RIGHTS).items():
                    assert sentences == rights[name], name
                for name, sentences in told(connection, CLOSED).items():
                    assert sentences == closed[name], name
        files = ServerFiles(tmp_path / "files")
        files.folder.mkdir()
        files.context_key.write_bytes(KEY.secret)
        files.context_key.chmod(0o600)
        settings = Settings(
            audit=AuditSettings(spool_dir=tmp_path / "spool"), embedding=EmbeddingSettings(provider="none")
        )
        # A superuser sees that the logins are new.
        assert await to_thread(initialise, settings, dsn, files.folder, new_passwords=not route.superuser) == 0
        where = {name: value for name, value in conninfo_to_dict(superuser).items() if name != "password"}
        app_dsn = make_conninfo("", **where | {"user": "zava_app", "passfile": str(files.passwords)})
        async with new_pool(TestDatabase(superuser, app_dsn)) as pool:
            sessions = PrincipalSessions(pool, lambda: KEY)
            found = await PostgresStoreDirectory(sessions).stores_of(tiny_shop.SEATTLE.principal)
            assert [store.name for store in found.stores] == ["Seattle"]
            sandbox = PostgresSandbox(sessions, PostgresSchemaCatalog(sessions), SandboxLimits())
            answer = await sandbox.execute_sales_query(
                tiny_shop.SEATTLE.principal, "SELECT DISTINCT store_id FROM orders"
            )
            assert len(answer.rows) == 1


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    with running_postgres() as postgres:
        yield postgres


@pytest.fixture(scope="module")
def shop(postgres: EmbeddedPostgres) -> str:
    """An administrator's DSN of a shop."""
    return tiny_shop_on(postgres).admin_dsn


@pytest.fixture(scope="module")
def backup(shop: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("backup") / "zava.backup"
    with psycopg.connect(shop, autocommit=True) as connection:
        back_up(connection, shop, NEWEST, file)
    return file


@pytest.fixture
def empty(postgres: EmbeddedPostgres) -> str:
    """An administrator's DSN of an empty database."""
    name = f"empty_{uuid4().hex[:12]}"
    with psycopg.connect(postgres.dsn(database="postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return postgres.dsn(database=name)


def restored(dsn: str, file: Path) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        restore(connection, dsn, NEWEST, file)


def is_empty(dsn: str) -> bool:
    with psycopg.connect(dsn) as connection:
        return not contents(connection)


def test_the_file_is_its_owners_alone_and_nothing_else_is_left_beside_it(backup: Path) -> None:
    assert [path.name for path in backup.parent.iterdir()] == ["zava.backup"]
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600


def test_no_backup_is_overwritten(shop: str, tmp_path: Path) -> None:
    (tmp_path / "zava.backup").write_text("precious")
    with psycopg.connect(shop, autocommit=True) as connection, pytest.raises(BackupError, match="there already"):
        back_up(connection, shop, NEWEST, tmp_path / "zava.backup")
    assert (tmp_path / "zava.backup").read_text() == "precious"


def test_a_backup_that_fails_leaves_no_file(shop: str, tmp_path: Path) -> None:
    with psycopg.connect(shop, autocommit=True) as connection:
        with pytest.raises(ClientProgramError, match="pg_dump failed"):
            back_up(connection, make_conninfo(shop, password="wrong"), NEWEST, tmp_path / "zava.backup")
        with pytest.raises(BackupError, match=r"cannot be written to .*: No such file or directory"):
            back_up(connection, shop, NEWEST, tmp_path / "nowhere" / "zava.backup")
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_not_zavas_is_not_backed_up(empty: str, tmp_path: Path) -> None:
    with psycopg.connect(empty, autocommit=True) as connection, pytest.raises(BackupError, match="no Zava schema"):
        back_up(connection, empty, NEWEST, tmp_path / "zava.backup")


def test_a_database_that_is_not_empty_is_refused_and_left_as_it_is(shop: str, backup: Path, empty: str) -> None:
    with psycopg.connect(shop) as connection:
        before = checksums(connection)
    with pytest.raises(BackupError, match="this one has the schema access, the schema audit"):
        restored(shop, backup)
    with psycopg.connect(shop) as connection:
        assert checksums(connection) == before
    with psycopg.connect(empty) as connection:
        connection.execute("CREATE TABLE public.invoices ()")
    with pytest.raises(BackupError, match=r"this one has public\.invoices\."):
        restored(empty, backup)


def test_a_file_that_is_cut_off_restores_nothing_and_a_whole_one_still_can(
    backup: Path, empty: str, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.backup"
    cut.write_bytes(backup.read_bytes()[:-2_000])
    with pytest.raises(ClientProgramError, match="pg_restore failed"):
        restored(empty, cut)
    assert is_empty(empty)
    restored(empty, backup)


def test_a_file_that_is_no_backup_is_refused(empty: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("CREATE TABLE x ();")
    with pytest.raises(BackupError, match="cannot be read as a backup"):
        restored(empty, tmp_path / "text")
    with pytest.raises(BackupError, match="cannot be read as a backup"):
        restored(empty, tmp_path / "nothing")
    NEWEST.run("pg_dump", "--format=custom", f"--file={tmp_path / 'other'}", dsn=empty)
    with pytest.raises(BackupError, match="no backup of a database of Zava's"):
        restored(empty, tmp_path / "other")
    assert is_empty(empty)


def test_a_role_of_somebody_elses_that_the_server_lacks_is_named(
    postgres: EmbeddedPostgres, empty: str, tmp_path: Path
) -> None:
    """What else is kept in Zava's database comes back too, for whom it belongs to."""
    file = tmp_path / "zava.backup"
    dsn = tiny_shop_on(postgres).admin_dsn
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE ROLE till NOLOGIN; CREATE SCHEMA pos AUTHORIZATION till")
        back_up(connection, dsn, NEWEST, file)
        connection.execute("DROP SCHEMA pos; DROP ROLE till")
    with pytest.raises(ClientProgramError, match='role "till" does not exist'):
        restored(empty, file)
    assert is_empty(empty)
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute("CREATE ROLE till NOLOGIN")
        restore(connection, empty, NEWEST, file)
        assert connection.execute(
            "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'pos'"
        ).fetchone() == ("till",)


@pytest.mark.skipif("oldest" not in SERVERS, reason="PostgreSQL 15 is not installed")
def test_an_older_server_is_refused_and_so_is_one_that_lacks_an_extension(
    backup: Path, empty: str, tmp_path: Path
) -> None:
    file = tmp_path / "zava.backup"
    with running_postgres(OLDEST_POSTGRES) as postgres:
        dsn = postgres.dsn(database="postgres")
        with psycopg.connect(dsn, autocommit=True) as connection:
            with pytest.raises(BackupError, match="made from PostgreSQL 18 and this is 15"):
                restore(connection, dsn, NEWEST, backup)
            with pytest.raises(BackupError, match=r"cannot be read as a backup.*unsupported version"):
                restore(connection, dsn, OLDEST, backup)
            migrate(connection)
            # Which the embedded PostgreSQL does not have.
            connection.execute("CREATE EXTENSION pgcrypto")
            back_up(connection, dsn, OLDEST, file)
    with pytest.raises(BackupError, match="this server does not have: install pgcrypto"):
        restored(empty, file)
    assert is_empty(empty)
