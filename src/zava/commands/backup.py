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
In it: the shop, who may ask, hashes of tokens, keys of the context, the audit trail. Keep it as you keep the database.
Not in it: the passwords of the logins, the files context-key and context-key.*, the spool of the audit trail, settings."""
RESTORED = """{file} is restored into {database}, and up to date.
Not in it were the passwords of the logins, the files context-key and context-key.*, the spool of the audit trail, settings.
With a PostgreSQL of your own, `zava init` gives logins that are new passwords, and says what comes next. Then look with
`zava doctor`, and `zava audit verify`, which needs the former context-key."""


def backup_database(settings: Settings, path: Path) -> None:
    """Writes the database to a new file, and says what is in it and what is not."""
    with open_administration(settings) as (dsn, connection), failures_of("zava db backup"):
        size = back_up(connection, dsn, _programs(settings, connection), path)
        print(
            WRITTEN.format(
                file=path,
                megabytes=size / 1_000_000,
                database=connection.info.dbname,
                version=connection.info.server_version // 10_000,
            )
        )


def restore_database(settings: Settings, path: Path) -> None:
    """Fills an empty database from a backup, and says what else is needed."""
    with open_administration(settings) as (dsn, connection), failures_of("zava db restore"):
        restore(connection, dsn, _programs(settings, connection), path)
        print(RESTORED.format(file=path, database=connection.info.dbname))


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
