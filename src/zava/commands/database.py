"""Opens the database a command works on: the configured one, or the embedded one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import platformdirs
import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from zava.adapters.embedded.processes import memory_bound
from zava.adapters.embedded.supervisor import EmbeddedPostgres, default_data_dir
from zava.adapters.postgres.access import DatabaseAccess
from zava.adapters.postgres.context import ContextKey
from zava.adapters.postgres.imports import refuse_distributed_shop
from zava.adapters.postgres.migrate import (
    Step,
    as_owners,
    create_database,
    migrate,
    register_context_key,
    set_first_password,
)
from zava.commands.progress import progress_bar
from zava.core.errors import SetupError
from zava.core.model import Principal
from zava.demo.personas import PERSONAS
from zava.demo.shop import Summary, open_sample_shop
from zava.settings import Settings

Connection: TypeAlias = psycopg.Connection[Any]

DATABASE = "zava"
LOGIN = "zava_app"
WRITER = "zava_writer"
CONTEXT_KEY = "context-key"
CONNECT_SECONDS = 5


@dataclass(frozen=True)
class Database:
    """A running database.

    Attributes:
        access: how the server reaches it.
        admin_dsn: how an administrator reaches it; None when that is not configured.
        embedded: the PostgreSQL that Zava runs itself, if it is that one.
    """

    access: DatabaseAccess
    admin_dsn: str | None = field(repr=False)
    embedded: EmbeddedPostgres | None = None

    @contextmanager
    def administration(self) -> Iterator[Connection]:
        """An administrator's connection, in autocommit mode."""
        if self.admin_dsn is None:
            raise SetupError(
                "This needs an administrator of the database: set ZAVA_DATABASE__ADMIN_DSN for this command."
            )
        with connect(self.admin_dsn, "an administrator") as connection:
            if _is_pooled(connection):
                raise SetupError(
                    "ZAVA_DATABASE__ADMIN_DSN leads to a connection pooler, and what an administrator does needs a "
                    "session of its own: name the host and port of PostgreSQL itself."
                )
            yield connection

    @contextmanager
    def ownership(self) -> Iterator[Connection]:
        """An administrator's connection that may act as the owners of Zava's schemas for this time."""
        with self.administration() as connection, as_owners(connection):
            yield connection

    @contextmanager
    def login(self) -> Iterator[Connection]:
        """A connection of the server's own login, in autocommit mode."""
        with connect(self.access.dsn, LOGIN) as connection:
            yield connection

    def memory_bound(self) -> int | None:
        """How many bytes of its own each process of an embedded PostgreSQL may have; None where there is no bound."""
        with self.login() as connection:
            return memory_bound(connection.info.backend_pid)

    def check_login(self, pooler: str) -> None:
        """Makes sure that the server's own login is let in: a pool would only say that it waited in vain.

        Args:
            pooler: what the settings say that the connection goes through.
        """
        with self.login() as connection:
            if pooler == "none" and _is_pooled(connection):
                raise SetupError(
                    "ZAVA_DATABASE__DSN leads to a connection pooler: set ZAVA_DATABASE__POOLER=transaction. Without "
                    "it a query that one connection has prepared could be run by another."
                )

    def check_logins(self, pooler: str) -> None:
        """As check_login, and the writer is let in, too, where there is one."""
        self.check_login(pooler)
        if self.access.writer_dsn is not None:
            with connect(self.access.writer_dsn, WRITER):
                pass

    def migrate(self, *, reinstall: bool = False) -> tuple[Step, ...]:
        """Applies the schema, and makes sure that server and database share a key."""
        if not self.access.context_key_file.exists():
            _create_secret(self.access.context_key_file)
        with self.administration() as connection:
            steps = migrate(connection, reinstall=reinstall)
            register_context_key(connection, ContextKey.read(self.access.context_key_file))
            if self.embedded:
                for login in (LOGIN, WRITER):
                    set_first_password(connection, login, self.embedded.secret(login))
        return steps

    def seed(self, scale: float) -> Summary:
        """Opens the sample shop, or adds the days since."""
        with self.administration() as connection:
            refuse_distributed_shop(connection)
        with self.ownership() as connection, progress_bar("Sample shop") as report:
            return open_sample_shop(connection, now=datetime.now(UTC), scale=scale, report=report)

    def principals(self) -> dict[str, Principal] | None:
        """Who may ask, by token. The sample shop's personas are accepted nowhere but in the embedded database.

        None for a database of the operator's own, which knows its principals itself.
        """
        if self.embedded is None:
            return None
        return {persona.token: Principal(persona.principal_id, persona.name) for persona in PERSONAS}


@contextmanager
def open_database(settings: Settings, *, serving_at: str | None = None) -> Iterator[Database]:
    """The database of these settings, running.

    Args:
        settings: with a DSN the embedded PostgreSQL is never touched.
        serving_at: the address of a server, which wants the embedded database for itself.
    """
    if settings.database.dsn is not None:
        yield _configured(settings)
        return
    if settings.database.admin_dsn is not None:
        raise SetupError("ZAVA_DATABASE__ADMIN_DSN needs ZAVA_DATABASE__DSN beside it: the login of the server.")
    data_dir = settings.embedded.data_dir or default_data_dir()
    with EmbeddedPostgres(data_dir, binary_dir=settings.embedded.binary_dir, serving_at=serving_at) as postgres:
        yield _embedded(postgres, _audit_dir(settings, data_dir.expanduser().resolve() / "audit"))


@contextmanager
def open_administration(settings: Settings) -> Iterator[tuple[str, Connection]]:
    """An administrator's connection string, and a connection; a configured database needs no login of its server."""
    if settings.database.admin_dsn is not None:
        dsn = read_dsn("ZAVA_DATABASE__ADMIN_DSN", settings.database.admin_dsn)
        with connect(dsn, "an administrator") as connection:
            yield dsn, connection
        return
    with open_database(settings) as database, database.administration() as connection:
        yield database.admin_dsn or "", connection


def _configured(settings: Settings) -> Database:
    database = settings.database
    if database.dsn is None or database.context_key_file is None:
        raise SetupError(
            "ZAVA_DATABASE__DSN needs ZAVA_DATABASE__CONTEXT_KEY_FILE beside it: the file with the key by which the "
            "database knows its server. `zava db migrate` makes it."
        )
    return Database(
        access=DatabaseAccess(
            read_dsn("ZAVA_DATABASE__DSN", database.dsn),
            database.context_key_file,
            read_dsn("ZAVA_DATABASE__WRITER_DSN", database.writer_dsn) if database.writer_dsn else None,
            _audit_dir(settings, default_spool_dir()),
        ),
        admin_dsn=read_dsn("ZAVA_DATABASE__ADMIN_DSN", database.admin_dsn) if database.admin_dsn else None,
    )


def read_dsn(setting: str, secret: SecretStr) -> str:
    """The connection string, if it is one: what PostgreSQL says of another repeats it, password included."""
    dsn = secret.get_secret_value()
    try:
        conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        raise SetupError(
            f"{setting} is no connection string: write postgresql://user:password@host/database, with "
            "what is special in a password percent-encoded."
        ) from None
    return dsn


def default_spool_dir() -> Path:
    """Where rows of the audit trail wait for a configured database."""
    return Path("/var/lib/zava-audit") if os.geteuid() == 0 else platformdirs.user_state_path("zava") / "audit"


def _audit_dir(settings: Settings, otherwise: Path) -> Path | None:
    return (settings.audit.spool_dir or otherwise) if settings.audit.enabled else None


def _embedded(postgres: EmbeddedPostgres, audit_dir: Path | None) -> Database:
    postgres.secret(CONTEXT_KEY)
    with connect(postgres.dsn(database="postgres"), "an administrator") as connection:
        create_database(connection, DATABASE)
    dsn, writer_dsn = (
        postgres.dsn(database=DATABASE, user=login, password=postgres.secret(login)) for login in (LOGIN, WRITER)
    )
    return Database(
        access=DatabaseAccess(dsn, postgres.secret_file(CONTEXT_KEY), writer_dsn, audit_dir),
        admin_dsn=postgres.dsn(database=DATABASE),
        embedded=postgres,
    )


@contextmanager
def connect(dsn: str, whom: str) -> Iterator[Connection]:
    """A connection in autocommit mode. Whatever keeps it from its work is said in a sentence."""
    try:
        connection = psycopg.connect(dsn, autocommit=True, connect_timeout=CONNECT_SECONDS)
    except psycopg.OperationalError as error:
        raise SetupError(
            f"The database does not let {whom} in: {first_line(error)}. {_password_of_the_environment(dsn)}Check the "
            "connection string and the password; `zava db migrate` makes the login zava_app."
        ) from None
    try:
        with connection:
            yield connection
    except psycopg.errors.DiskFull:
        raise SetupError(
            "The disk of the database is full. Free space on it and try again: nothing half-made is left behind."
        ) from None
    except psycopg.errors.InsufficientPrivilege as error:
        raise SetupError(f"The database does not let {whom} do this: {first_line(error)}.") from None
    except psycopg.OperationalError as error:
        raise SetupError(f"The database failed: {first_line(error)}. Try again.") from None


def _password_of_the_environment(dsn: str) -> str:
    """A word of warning where an administrator's password may have been tried in place of one from a file."""
    if "PGPASSWORD" not in os.environ or "password" in conninfo_to_dict(dsn):
        return ""
    return "PGPASSWORD is set, and counts before any password file. "


def _is_pooled(connection: psycopg.Connection[Any]) -> bool:
    """Whether a pooler answers in place of PostgreSQL: it cannot say which of PostgreSQL's processes will work."""
    cursor = connection.execute("SELECT pg_backend_pid()")
    return cursor.fetchone() != (connection.info.backend_pid,)


# What a database says that has no roles, schema, tables or functions of Zava's.
NO_SCHEMA = (
    psycopg.errors.InvalidParameterValue,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedTable,
)


@contextmanager
def failures_of(command: str) -> Iterator[None]:
    """Says in a sentence what kept this command from its end; it may be run again."""
    try:
        yield
    except NO_SCHEMA:
        raise SetupError("This database has no Zava schema, or an old one: run `zava db migrate`.") from None
    except psycopg.Error as error:
        raise SetupError(f"The database failed: {first_line(error)}. Run `{command}` again.") from None


def first_line(error: psycopg.Error) -> str:
    return str(error).splitlines()[0]


def _create_secret(path: Path) -> None:
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(ContextKey.generate().secret.decode())
    except OSError as error:
        raise SetupError(
            f"The context key {path} cannot be made: {error.strerror}. Its folder must exist, and let this user write."
        ) from None
