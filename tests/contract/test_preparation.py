"""Whose database may become Zava's, what an administrator is told who may not make it so, and what is written down."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from tests.contract.conftest import SERVERS, running_postgres
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.postgres.context import ContextKey
from zava.adapters.postgres.migrate import OWNERS, as_owners, migrate
from zava.adapters.postgres.preparation import examine_administrator, refuse_foreign_contents
from zava.commands.database import connect
from zava.commands.init import initialise
from zava.core.errors import SetupError
from zava.settings import AuditSettings, DatabaseSettings, EmbeddingSettings, Settings

pytestmark = pytest.mark.operations

Connection = psycopg.Connection[Any]
PASSWORD = "only-for-tests"


@pytest.fixture(scope="module", params=SERVERS)
def postgres(request: pytest.FixtureRequest) -> Iterator[EmbeddedPostgres]:
    """A server that has never heard of Zava, until a test prepares a database in it."""
    with running_postgres(SERVERS[request.param]) as postgres:
        yield postgres


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        audit=AuditSettings(spool_dir=tmp_path_factory.mktemp("spool")), embedding=EmbeddingSettings(provider="none")
    )


@pytest.fixture(scope="module")
def prepared(postgres: EmbeddedPostgres, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the server of the database `prepared`, written under the most open umask."""
    with psycopg.connect(postgres.dsn(database="postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE prepared")
    folder = tmp_path_factory.mktemp("server") / "new" / "folder"
    former = os.umask(0)
    try:
        assert initialise(settings, postgres.dsn(database="prepared"), folder, new_passwords=True) == 0
    finally:
        os.umask(former)
    return folder


@pytest.fixture
def database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The name of an empty database."""
    name = f"empty_{uuid4().hex[:12]}"
    with psycopg.connect(postgres.dsn(database="postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield name


@pytest.fixture
def superuser(postgres: EmbeddedPostgres, database: str) -> Iterator[Connection]:
    with psycopg.connect(postgres.dsn(database=database), autocommit=True) as connection:
        yield connection


@pytest.fixture
def newcomer(postgres: EmbeddedPostgres, superuser: Connection, database: str) -> Iterator[Connection]:
    """A login of that database without any right."""
    name = f"newcomer_{uuid4().hex[:12]}"
    superuser.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), PASSWORD))
    dsn = postgres.dsn(database=database, user=name, password=PASSWORD)
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection
    superuser.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(sql.Identifier(name)))


def told_sql(refused: pytest.ExceptionInfo[SetupError]) -> list[str]:
    """The statements in a message."""
    return [line.strip() for line in str(refused.value).splitlines() if line.startswith("  ")]


def test_who_lacks_rights_is_told_the_sql_that_grants_them_and_no_more(
    superuser: Connection, newcomer: Connection
) -> None:
    with pytest.raises(SetupError, match="A superuser runs this once") as refused:
        examine_administrator(newcomer)
    for statement in told_sql(refused):
        superuser.execute(statement.encode())
    administrator = examine_administrator(newcomer)
    assert not administrator.superuser
    migrate(newcomer)
    acts_as = newcomer.execute(
        "SELECT rolname FROM pg_roles WHERE rolname = ANY (%s) AND pg_has_role(current_user, oid, 'USAGE')",
        [list(OWNERS)],
    ).fetchall()
    assert acts_as == []


@pytest.mark.usefixtures("prepared")
def test_a_second_administrator_is_told_the_sql_for_roles_that_are_there_already(
    superuser: Connection, newcomer: Connection
) -> None:
    with pytest.raises(SetupError) as refused:
        examine_administrator(newcomer)
    granting = [statement for statement in told_sql(refused) if statement.startswith("GRANT")]
    assert len(granting) == (1 if superuser.info.server_version >= 160000 else 0)
    for statement in told_sql(refused):
        superuser.execute(statement.encode())
    migrate(newcomer)


@pytest.mark.usefixtures("prepared")
def test_the_owner_of_a_database_administers_it_after_a_superuser_has_closed_its_catalogs(
    postgres: EmbeddedPostgres, newcomer: Connection, superuser: Connection
) -> None:
    name = newcomer.info.user
    closed = postgres.dsn(database="prepared", user=name, password=PASSWORD)
    superuser.execute(sql.SQL("GRANT CONNECT ON DATABASE prepared TO {}").format(sql.Identifier(name)))
    with psycopg.connect(closed, autocommit=True) as connection:
        with pytest.raises(SetupError, match=r"closed to newcomer_.* connect as its owner"):
            examine_administrator(connection)
        superuser.execute(sql.SQL("ALTER DATABASE prepared OWNER TO {}").format(sql.Identifier(name)))
        with pytest.raises(SetupError) as refused:
            examine_administrator(connection)
        for statement in told_sql(refused):
            superuser.execute(statement.encode())
        migrate(connection, reinstall=True)
    superuser.execute("ALTER DATABASE prepared OWNER TO postgres")


@pytest.mark.usefixtures("prepared")
def test_what_postgresql_opens_to_nobody_is_closed_to_zavas_roles_too(
    postgres: EmbeddedPostgres,
) -> None:
    with psycopg.connect(postgres.dsn(database="prepared")) as connection:
        functions = connection.execute(
            """
            SELECT role.rolname, f.oid::regprocedure::text
            FROM pg_proc AS f
            JOIN pg_init_privs AS made ON made.objoid = f.oid AND made.classoid = 'pg_proc'::regclass
            CROSS JOIN pg_roles AS role
            WHERE NOT EXISTS (SELECT FROM aclexplode(made.initprivs) AS a WHERE a.grantee = 0)
                AND role.rolname LIKE ANY (ARRAY['zava%', 'pg_database_owner'])
                AND has_function_privilege(role.oid, f.oid, 'EXECUTE')
            """
        ).fetchall()
        (known,) = connection.execute("SELECT count(*) FROM pg_proc WHERE proname = 'pg_read_file'").fetchone() or (0,)
    assert known
    assert functions == []


@pytest.mark.usefixtures("prepared")
def test_a_short_command_of_the_owners_takes_no_rights_from_a_long_one(
    postgres: EmbeddedPostgres, superuser: Connection, newcomer: Connection
) -> None:
    with pytest.raises(SetupError) as refused:
        examine_administrator(newcomer)
    for statement in told_sql(refused):
        superuser.execute(statement.encode())
    short = postgres.dsn(database=newcomer.info.dbname, user=newcomer.info.user, password=PASSWORD)
    with as_owners(newcomer):
        with psycopg.connect(short, autocommit=True) as connection, as_owners(connection):
            pass
        newcomer.execute("SET ROLE zava_owner")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        newcomer.execute("SET ROLE zava_owner")


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("CREATE SCHEMA crm", "the schema crm"),
        ("CREATE TABLE public.invoices ()", "public.invoices"),
        ("CREATE VIEW public.days AS SELECT 1", "public.days"),
        ("CREATE FUNCTION public.tax() RETURNS integer LANGUAGE sql AS 'SELECT 1'", "the function public.tax"),
        ("CREATE SCHEMA retail", "the schema retail"),
    ],
)
def test_a_database_with_something_of_somebody_else_is_refused(
    superuser: Connection, statement: str, found: str
) -> None:
    superuser.execute(statement.encode())
    with pytest.raises(SetupError, match=f"This database has other things in it: {found}\\. "):
        refuse_foreign_contents(superuser)


def test_extensions_are_nobodys_contents(superuser: Connection) -> None:
    superuser.execute("CREATE EXTENSION pg_stat_statements")
    refuse_foreign_contents(superuser)


@pytest.mark.usefixtures("prepared")
def test_what_somebody_adds_to_a_database_of_zavas_does_not_keep_it_from_being_prepared_again(
    postgres: EmbeddedPostgres,
) -> None:
    with psycopg.connect(postgres.dsn(database="prepared")) as connection:
        connection.execute("CREATE SCHEMA pos")
        refuse_foreign_contents(connection)
        connection.rollback()


def test_a_database_that_is_not_in_utf_8_is_refused(postgres: EmbeddedPostgres) -> None:
    name = f"latin_{uuid4().hex[:12]}"
    with psycopg.connect(postgres.dsn(database="postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'".encode())
    with (
        psycopg.connect(postgres.dsn(database=name), autocommit=True) as connection,
        pytest.raises(SetupError, match="encoded as LATIN1, and Zava needs UTF8"),
    ):
        examine_administrator(connection)


def passwords_in(folder: Path) -> dict[str, str]:
    lines = (folder / "passwords").read_text().splitlines()
    return {line.split(":")[3]: line.split(":")[4] for line in lines}


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_files_of_the_server_are_its_owners_alone(prepared: Path) -> None:
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in prepared.iterdir()} == {
        "zava.env": 0o600,
        "passwords": 0o600,
        "context-key": 0o600,
    }
    assert stat.S_IMODE(prepared.stat().st_mode) == 0o700
    ContextKey.read(prepared / "context-key")


def test_no_password_is_told_and_the_administrators_is_not_kept(
    postgres: EmbeddedPostgres, prepared: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert initialise(settings, postgres.dsn(database="prepared"), prepared, new_passwords=False) == 0
    said = capsys.readouterr()
    assert "user=postgres" in said.out
    for secret in (postgres.secret("superuser"), *passwords_in(prepared).values()):
        assert secret not in said.out + said.err + (prepared / "zava.env").read_text()
    assert postgres.secret("superuser") not in (prepared / "passwords").read_text()


def test_a_second_time_changes_nothing_of_the_files_and_settings_that_somebody_adds_are_kept(
    postgres: EmbeddedPostgres, prepared: Path, settings: Settings
) -> None:
    with (prepared / "zava.env").open("a") as file:
        file.write("ZAVA_LOG__LEVEL=WARNING\n")
    before = contents_of(prepared)
    assert initialise(settings, postgres.dsn(database="prepared"), prepared, new_passwords=False) == 0
    assert contents_of(prepared) == before


def test_new_passwords_are_for_both_logins_and_others_lines_stay(
    postgres: EmbeddedPostgres, prepared: Path, settings: Settings
) -> None:
    before = passwords_in(prepared)
    with (prepared / "passwords").open("a") as file:
        file.write("db:5432:*:somebody:theirs\n")
    assert initialise(settings, postgres.dsn(database="prepared"), prepared, new_passwords=True) == 0
    after = passwords_in(prepared)
    assert after.pop("somebody") == "theirs"
    assert set(before) == set(after) == {"zava_app", "zava_writer"}
    assert not set(before.values()) & set(after.values())


def test_the_passwords_of_another_zava_of_the_same_server_are_left_alone(
    postgres: EmbeddedPostgres, prepared: Path, database: str, settings: Settings, tmp_path: Path
) -> None:
    second = postgres.dsn(database=database)
    with pytest.raises(SetupError, match="`zava init --new-passwords` sets new ones"):
        initialise(settings, second, tmp_path / "second", new_passwords=False)
    for login in ("zava_app", "zava_writer"):
        dsn = make_conninfo(postgres.dsn(database="prepared"), user=login, password=passwords_in(prepared)[login])
        psycopg.connect(dsn).close()
    shutil.copy2(prepared / "passwords", tmp_path / "second")
    assert initialise(settings, second, tmp_path / "second", new_passwords=False) == 0


def test_a_folder_of_another_database_is_refused_and_neither_is_touched(
    postgres: EmbeddedPostgres, database: str, superuser: Connection, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "zava.env").write_text("ZAVA_DATABASE__DSN='host=elsewhere'\n")
    with pytest.raises(SetupError, match="has settings of another database"):
        initialise(settings, postgres.dsn(database=database), tmp_path, new_passwords=False)
    assert (tmp_path / "zava.env").read_text() == "ZAVA_DATABASE__DSN='host=elsewhere'\n"
    assert superuser.execute("SELECT to_regnamespace('retail')").fetchone() == (None,)


def test_who_is_not_let_in_is_told_how_a_database_is_made(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    dsn = postgres.dsn(database="nowhere")
    with pytest.raises(SetupError, match="CREATE DATABASE zava OWNER zava_admin") as refused:
        initialise(Settings(), dsn, tmp_path, new_passwords=False)
    assert postgres.secret("superuser") not in str(refused.value)


def test_the_administrator_of_the_settings_is_taken_where_none_is_named(
    postgres: EmbeddedPostgres, prepared: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    admin = DatabaseSettings(admin_dsn=SecretStr(postgres.dsn(database="prepared")))
    given = settings.model_copy(update={"database": admin})
    assert initialise(given, None, prepared, new_passwords=False) == 0
    assert "export ZAVA_DATABASE__ADMIN_DSN" not in capsys.readouterr().out


def test_a_password_of_the_environment_is_the_administrators_alone(
    postgres: EmbeddedPostgres,
    prepared: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = conninfo_to_dict(postgres.dsn(database="prepared"))
    monkeypatch.setenv("PGPASSWORD", str(given.pop("password")))
    assert initialise(settings, make_conninfo("", **given), prepared, new_passwords=False) == 0
    assert "unset ZAVA_DATABASE__ADMIN_DSN PGPASSWORD" in capsys.readouterr().out


def test_a_login_that_was_tried_with_the_password_of_the_environment_is_told_so(
    postgres: EmbeddedPostgres, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = conninfo_to_dict(postgres.dsn(database="prepared", user="zava_app")) | {"passfile": f"{prepared}/passwords"}
    monkeypatch.setenv("PGPASSWORD", str(given.pop("password")))
    refused = pytest.raises(SetupError, match="PGPASSWORD is set, and counts before any password file")
    with refused, connect(make_conninfo("", **given), "zava_app"):
        pass
    monkeypatch.delenv("PGPASSWORD")
    with connect(make_conninfo("", **given), "zava_app"):
        pass


def test_nobody_named_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="Which database\\? Say --dsn"):
        initialise(Settings(), None, tmp_path, new_passwords=False)
