"""Whose database may become Zava's, what an administrator is told who may not make it so, and what is written down."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from tests.contract.conftest import SERVERS, running_postgres
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.postgres.context import ContextKey
from zava.adapters.postgres.migrate import OWNERS, migrate
from zava.adapters.postgres.preparation import examine_administrator, refuse_foreign_contents
from zava.commands.init import initialise
from zava.core.errors import SetupError
from zava.settings import AuditSettings, DatabaseSettings, EmbeddingSettings, Settings

Connection = psycopg.Connection[Any]
PASSWORD = "only-for-tests"


@pytest.fixture(scope="module", params=SERVERS)
def postgres(request: pytest.FixtureRequest) -> Iterator[EmbeddedPostgres]:
    """A server that has never heard of Zava, until a test prepares a database in it."""
    with running_postgres(SERVERS[request.param]) as postgres:
        yield postgres


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


def test_a_second_administrator_is_told_the_sql_for_roles_that_are_there_already(
    superuser: Connection, newcomer: Connection
) -> None:
    migrate(superuser)
    with pytest.raises(SetupError) as refused:
        examine_administrator(newcomer)
    granting = [statement for statement in told_sql(refused) if statement.startswith("GRANT")]
    assert len(granting) == (1 if superuser.info.server_version >= 160000 else 0)
    for statement in told_sql(refused):
        superuser.execute(statement.encode())
    migrate(newcomer, reinstall=True)


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


def test_what_somebody_adds_to_a_database_of_zavas_does_not_keep_it_from_being_prepared_again(
    superuser: Connection,
) -> None:
    migrate(superuser)
    superuser.execute("CREATE SCHEMA pos")
    refuse_foreign_contents(superuser)


def test_a_database_that_is_not_in_utf_8_is_refused(postgres: EmbeddedPostgres) -> None:
    name = f"latin_{uuid4().hex[:12]}"
    with psycopg.connect(postgres.dsn(database="postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'".encode())
    with (
        psycopg.connect(postgres.dsn(database=name), autocommit=True) as connection,
        pytest.raises(SetupError, match="encoded as LATIN1, and Zava needs UTF8"),
    ):
        examine_administrator(connection)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        audit=AuditSettings(spool_dir=tmp_path / "spool"), embedding=EmbeddingSettings(provider="none")
    )


def passwords_in(folder: Path) -> dict[str, str]:
    lines = (folder / "passwords").read_text().splitlines()
    return {line.split(":")[3]: line.split(":")[4] for line in lines}


def test_the_files_of_the_server_are_its_owners_alone_and_say_no_password_of_the_administrators(
    postgres: EmbeddedPostgres, database: str, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new" / "folder"
    dsn = postgres.dsn(database=database)
    former = os.umask(0)
    try:
        assert initialise(settings, dsn, folder, new_passwords=True) == 0
    finally:
        os.umask(former)
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {
        "zava.env": 0o600,
        "passwords": 0o600,
        "context-key": 0o600,
    }
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    ContextKey.read(folder / "context-key")
    said = capsys.readouterr()
    written = said.out + said.err + "".join(path.read_text() for path in folder.iterdir())
    assert postgres.secret("superuser") not in written
    for password in passwords_in(folder).values():
        assert password not in said.out + said.err
        assert password not in (folder / "zava.env").read_text()


def test_a_second_time_changes_nothing(
    postgres: EmbeddedPostgres, database: str, settings: Settings, tmp_path: Path
) -> None:
    dsn = postgres.dsn(database=database)
    assert initialise(settings, dsn, tmp_path / "files", new_passwords=True) == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "files").iterdir()}
    assert initialise(settings, dsn, tmp_path / "files", new_passwords=False) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "files").iterdir()} == before


def test_new_passwords_are_for_both_logins_and_let_them_in(
    postgres: EmbeddedPostgres, database: str, settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "files"
    dsn = postgres.dsn(database=database)
    assert initialise(settings, dsn, folder, new_passwords=True) == 0
    before = passwords_in(folder)
    (folder / "passwords").write_text((folder / "passwords").read_text() + "db:5432:*:somebody:theirs\n")
    assert initialise(settings, dsn, folder, new_passwords=True) == 0
    after = passwords_in(folder)
    assert after.pop("somebody") == "theirs"
    assert set(before) == set(after) == {"zava_app", "zava_writer"}
    assert not set(before.values()) & set(after.values())


def test_the_passwords_of_another_zava_of_the_same_server_are_left_alone(
    postgres: EmbeddedPostgres, database: str, superuser: Connection, settings: Settings, tmp_path: Path
) -> None:
    dsn = postgres.dsn(database=database)
    assert initialise(settings, dsn, tmp_path / "first", new_passwords=True) == 0
    superuser.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(f"{database}_second")))
    second = postgres.dsn(database=f"{database}_second")
    with pytest.raises(SetupError, match="`zava init --new-passwords` sets new ones"):
        initialise(settings, second, tmp_path / "second", new_passwords=False)
    for login, password in passwords_in(tmp_path / "first").items():
        psycopg.connect(make_conninfo(dsn, user=login, password=password)).close()
    (tmp_path / "second" / "passwords").write_bytes((tmp_path / "first" / "passwords").read_bytes())
    (tmp_path / "second" / "passwords").chmod(0o600)
    assert initialise(settings, second, tmp_path / "second", new_passwords=False) == 0


def test_a_folder_of_another_database_is_refused_and_neither_is_touched(
    postgres: EmbeddedPostgres, database: str, superuser: Connection, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "zava.env").write_text("ZAVA_DATABASE__DSN='host=elsewhere'\n")
    with pytest.raises(SetupError, match="has settings of another database"):
        initialise(settings, postgres.dsn(database=database), tmp_path, new_passwords=False)
    assert (tmp_path / "zava.env").read_text() == "ZAVA_DATABASE__DSN='host=elsewhere'\n"
    assert superuser.execute("SELECT to_regnamespace('retail')").fetchone() == (None,)


def test_settings_that_somebody_adds_are_kept(
    postgres: EmbeddedPostgres, database: str, settings: Settings, tmp_path: Path
) -> None:
    dsn = postgres.dsn(database=database)
    assert initialise(settings, dsn, tmp_path, new_passwords=True) == 0
    with (tmp_path / "zava.env").open("a") as file:
        file.write("ZAVA_LOG__LEVEL=WARNING\n")
    assert initialise(settings, dsn, tmp_path, new_passwords=False) == 0
    assert (tmp_path / "zava.env").read_text().endswith("ZAVA_LOG__LEVEL=WARNING\n")


def test_who_is_not_let_in_is_told_how_a_database_is_made(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    dsn = postgres.dsn(database="nowhere")
    with pytest.raises(SetupError, match="CREATE DATABASE zava OWNER zava_admin") as refused:
        initialise(Settings(), dsn, tmp_path, new_passwords=False)
    assert postgres.secret("superuser") not in str(refused.value)


def test_the_administrator_of_the_settings_is_taken_where_none_is_named(
    postgres: EmbeddedPostgres, database: str, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    admin = DatabaseSettings(admin_dsn=SecretStr(postgres.dsn(database=database)))
    given = settings.model_copy(update={"database": admin})
    assert initialise(given, None, tmp_path, new_passwords=True) == 0
    assert "export ZAVA_DATABASE__ADMIN_DSN" not in capsys.readouterr().out


def test_nobody_named_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="Which database\\? Say --dsn"):
        initialise(Settings(), None, tmp_path, new_passwords=False)
