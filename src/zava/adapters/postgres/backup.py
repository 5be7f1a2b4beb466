"""A whole database in a file, and back into an empty one, by PostgreSQL's own pg_dump and pg_restore.

Roles, what they are set to in this database, and its closed catalogs are not in a dump: install steps make them, before
and after what is in the file.
"""

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import scalar_row

from zava.adapters.postgres.client_programs import ClientProgramError, ClientPrograms
from zava.adapters.postgres.migrate import OWNERS, applied_steps, as_owners, create_roles, migrate
from zava.adapters.postgres.preparation import contents, examine_administrator
from zava.core.errors import SetupError

Connection = psycopg.Connection[Any]

LOCKS_WITHIN = "60s"
MOST_FOUND = 5
# Of the schemas that a restored database has to have before anything else is in it.
OWNER_OF_SCHEMA = {
    "retail": "zava_owner",
    "access": "zava_access",
    "audit": "zava_audit",
    "sandbox": "zava_owner",
    "sandbox_functions": "zava_functions",
}


class BackupError(SetupError):
    """A backup cannot be made or restored. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What a file says of itself.

    Attributes:
        server_version: the first number of the PostgreSQL that it was made from.
        extensions: that the database had.
        entries: its table of contents, for pg_restore.
    """

    server_version: int
    extensions: Sequence[str]
    entries: Sequence[str]

    @classmethod
    def read(cls, programs: ClientPrograms, path: Path) -> "Backup":
        """The head of this file.

        Raises:
            BackupError: it is no backup of a Zava, or of a version that these programs cannot read.
        """
        try:
            listed = programs.run("pg_restore", "--list", path)
        except ClientProgramError as error:
            raise BackupError(f"{path} cannot be read as a backup. {error}") from None
        version = re.search(r"^; +Dumped from database version: (\d+)", listed, re.MULTILINE)
        entries = [line for line in listed.splitlines() if line and not line.startswith(";")]
        if version is None or not any(re.search(r" TABLE access migrations ", entry) for entry in entries):
            raise BackupError(f"{path} is no backup of a database of Zava's.")
        extensions = [found[1] for entry in entries if (found := re.search(r" EXTENSION - (\S+) *$", entry))]
        return cls(int(version[1]), extensions, entries)


def back_up(connection: Connection, dsn: str, programs: ClientPrograms, path: Path) -> int:
    """Writes the database as it is at this moment to a new file, its owner's alone; returns its size in bytes.

    Args:
        connection: an administrator's, in autocommit mode.
        dsn: that administrator's.
        programs: at least as new as the server.
        path: it appears when it is complete.

    Raises:
        BackupError: there is such a file already, it cannot be written, or this is no database of Zava's.
        ClientProgramError: pg_dump failed.
    """
    if not applied_steps(connection):
        raise BackupError("This database has no Zava schema: there is nothing to back up.")
    with _new_file(path) as draft, as_owners(connection):
        # Without BYPASSRLS PostgreSQL would refuse; the policies show every row to the owners, which we are for now.
        whole = [] if _sees_past_row_security(connection) else ["--enable-row-security"]
        programs.run(
            "pg_dump",
            "--format=custom",
            # What the install steps close.
            "--exclude-schema=pg_catalog",
            "--exclude-schema=information_schema",
            f"--lock-wait-timeout={LOCKS_WITHIN}",
            *whole,
            f"--file={draft}",
            dsn=dsn,
        )
        return draft.stat().st_size


def restore(connection: Connection, dsn: str, programs: ClientPrograms, path: Path) -> None:
    """Fills an empty database from a file: all of it, or nothing. Then brings it to the schema of this program.

    Args:
        connection: an administrator's, in autocommit mode.
        dsn: that administrator's.
        programs: at least as new as the server.
        path: what back_up() has written.

    Raises:
        SetupError: the administrator lacks rights.
        BackupError: the database is not empty, or the file does not fit it.
        ClientProgramError: pg_restore failed.
    """
    examine_administrator(connection)
    found = contents(connection)
    if found:
        more = f" and {len(found) - MOST_FOUND} more" if len(found) > MOST_FOUND else ""
        raise BackupError(
            f"A backup is restored into an empty database, and this one has {', '.join(found[:MOST_FOUND])}{more}."
        )
    backup = Backup.read(programs, path)
    _check_server(connection, backup)
    create_roles(connection)
    with as_owners(connection), _empty_schemas(connection):
        entries = [
            entry for entry in backup.entries if not re.search(rf" SCHEMA - ({'|'.join(OWNER_OF_SCHEMA)}) ", entry)
        ]
        with tempfile.NamedTemporaryFile("w", suffix=".list") as listed:
            listed.write("\n".join([*entries, ""]))
            listed.flush()
            programs.run(
                "pg_restore", "--single-transaction", "--exit-on-error", f"--use-list={listed.name}", path, dsn=dsn
            )
    migrate(connection, reinstall=True)
    with as_owners(connection):
        connection.execute("ANALYZE")


def _check_server(connection: Connection, backup: Backup) -> None:
    version = connection.info.server_version // 10_000
    if version < backup.server_version:
        raise BackupError(
            f"The backup was made from PostgreSQL {backup.server_version} and this is {version}: restore it into "
            f"{backup.server_version} or newer."
        )
    available = connection.cursor(row_factory=scalar_row).execute("SELECT name FROM pg_available_extensions").fetchall()
    if missing := sorted(set(backup.extensions) - set(available)):
        raise BackupError(f"The backup needs extensions that this server does not have: install {', '.join(missing)}.")


def _sees_past_row_security(connection: Connection) -> bool:
    return connection.execute(
        "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
    ).fetchone() == (True,)


@contextmanager
def _empty_schemas(connection: Connection) -> Iterator[None]:
    """Zava's schemas, in which each of the owners may make things for this time; gone again when that fails."""
    try:
        with connection.transaction():
            for schema, owner in OWNER_OF_SCHEMA.items():
                connection.execute(_in_schema("CREATE SCHEMA {schema} AUTHORIZATION {owner}", schema, owner))
                connection.execute(_in_schema("GRANT CREATE ON SCHEMA {schema} TO {others}", schema, owner))
        yield
    except BaseException:
        with suppress(psycopg.Error), connection.transaction():
            for schema, owner in OWNER_OF_SCHEMA.items():
                connection.execute(_in_schema("DROP SCHEMA {schema}", schema, owner))
        raise
    with connection.transaction():
        for schema, owner in OWNER_OF_SCHEMA.items():
            connection.execute(_in_schema("REVOKE CREATE ON SCHEMA {schema} FROM {others}", schema, owner))


def _in_schema(statement: str, schema: str, owner: str) -> sql.Composed:
    others = sql.SQL(", ").join(sql.Identifier(role) for role in OWNERS if role != owner)
    return sql.SQL(statement).format(schema=sql.Identifier(schema), owner=sql.Identifier(owner), others=others)


@contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """A draft for its owner alone, which becomes the file when it is complete, and else is gone."""
    if path.exists():
        raise BackupError(f"{path} is there already, and no backup is overwritten: name another file.")
    try:
        descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        os.close(descriptor)
        try:
            yield Path(draft)
            with Path(draft).open("rb") as file:
                os.fsync(file.fileno())
            path.hardlink_to(draft)
        finally:
            Path(draft).unlink()
    except OSError as error:
        raise BackupError(f"The backup cannot be written to {path}: {error.strerror}.") from None
