"""zava db: backup and restore."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from zava.adapters.embedded.binaries import packaged_binaries
from zava.adapters.embedded.supervisor import EmbeddedPostgresError
from zava.adapters.postgres.backup import back_up, restore
from zava.adapters.postgres.client_programs import ClientPrograms, find_programs
from zava.commands.database import Connection, failures_of, open_administration
from zava.settings import Settings

WRITTEN = """{file}: {megabytes:,.1f} MB, {database} as it was at one moment, from PostgreSQL {version}.
In it: the shop, who may ask, hashes of tokens, what the context is sealed with, the audit trail, sums, embeddings.
Not in it: {missing}.
Whoever has it knows what is in the database: keep it as secret."""
RESTORED = """{file} is restored into {database}, at the schema of this program.
Not in it were: {missing}.
With a PostgreSQL of your own `zava init` comes next, which gives new logins passwords. `zava audit verify` says whether
the audit trail is whole; it needs the key of its time, as context-key or beside it."""
MISSING = "passwords of logins, the files context-key and context-key.*, the spool of the audit trail, settings"


def backup_database(settings: Settings, path: Path) -> None:
    """Writes the database to a new file, and says what is in it and what is not."""
    with open_administration(settings) as (dsn, connection), failures_of("zava db backup"):
        size = back_up(connection, dsn, _programs(settings, connection), path)
        print(
            WRITTEN.format(
                file=path,
                missing=MISSING,
                megabytes=size / 1_000_000,
                database=connection.info.dbname,
                version=connection.info.server_version // 10_000,
            )
        )


def restore_database(settings: Settings, path: Path) -> None:
    """Fills an empty database from a backup, and says what else is needed."""
    with open_administration(settings) as (dsn, connection), failures_of("zava db restore"):
        restore(connection, dsn, _programs(settings, connection), path)
        print(RESTORED.format(file=path, missing=MISSING, database=connection.info.dbname))


def _programs(settings: Settings, connection: Connection) -> ClientPrograms:
    return find_programs(_folders(settings), connection.info.server_version // 10_000)


def _folders(settings: Settings) -> Iterator[Path]:
    """Where pg_dump may be: with the configured embedded programs, in PATH, with those of the package."""
    if settings.embedded.binary_dir is not None:
        yield settings.embedded.binary_dir
    if (found := shutil.which("pg_dump")) is not None:
        yield Path(found).parent
    try:
        yield packaged_binaries()
    except EmbeddedPostgresError:
        return
