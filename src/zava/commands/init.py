"""zava init: makes an empty database Zava's, and the files by which a server reaches it."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from zava.adapters.postgres.access import DatabaseAccess
from zava.adapters.postgres.migrate import LOGINS, lacks_password, set_password
from zava.adapters.postgres.passwords import make_passwords, replace_private, write_passwords
from zava.adapters.postgres.preparation import Administrator, examine_administrator, refuse_foreign_contents
from zava.commands.database import Connection, Database, connect, failures_of, read_dsn
from zava.commands.doctor import examine
from zava.core.errors import SetupError
from zava.settings import DatabaseSettings, Settings

# What the connection strings of administrator and server have in common.
# Not hostaddr: psycopg has looked it up, and a server has to do so itself, since it may change.
SHARED = ("host", "port", "dbname", "sslmode", "sslrootcert", "channel_binding", "target_session_attrs")

NO_WAY_IN = """{refusal}
If there is no such database yet, an administrator makes it, and a login that may prepare it:
  CREATE ROLE zava_admin LOGIN CREATEROLE;
  \\password zava_admin
  CREATE DATABASE zava OWNER zava_admin TEMPLATE template0 ENCODING 'UTF8';"""
LOCKED_OUT = """{refusal}
Is it the password? It must be the one in {passwords}. `zava init --new-passwords` sets new ones for zava_app and
zava_writer; any other Zava on the same PostgreSQL server then needs them, too.
Is it the way? PostgreSQL's pg_hba.conf must let them in by password (scram-sha-256). Through a socket it often wants a
system user of the same name: say host=localhost."""
PREPARED = """
The database is ready. {folder} has what a server needs, open to its owner alone:
  zava.env      settings: where the database is
  passwords     those of zava_app and zava_writer
  context-key   the key by which the database knows its servers; keep a copy where you keep backups
A server that runs as another user must own them.

Next, in this shell:

  set -a; . {environment}; set +a
{administrator}  zava import FOLDER                # your shop: docs/import.md. Or the sample shop: zava db seed
  zava principals add ada --name 'Ada Park' --role head_office
  export ZAVA_TOKEN=$(zava token create --principal ada)
  zava client vscode                # what to paste into a client; zava client --help names others
  unset ZAVA_DATABASE__ADMIN_DSN{also}    # a server does without an administrator
  zava serve
"""


@dataclass(frozen=True)
class ServerFiles:
    """What a server reads: settings, the passwords of its logins, and the context key."""

    folder: Path

    @property
    def environment(self) -> Path:
        return self.folder / "zava.env"

    @property
    def passwords(self) -> Path:
        return self.folder / "passwords"

    @property
    def context_key(self) -> Path:
        return self.folder / "context-key"

    def access(self, connection: Connection) -> DatabaseAccess:
        """How a server reaches the database that an administrator is connected to."""
        dsn, writer_dsn = (
            make_conninfo("", **_shared(connection), user=login, passfile=str(self.passwords)) for login in LOGINS
        )
        return DatabaseAccess(dsn, self.context_key, writer_dsn)

    def write_environment(self, access: DatabaseAccess) -> None:
        """Writes the settings of a server with this access; a file that has them already is left as it is.

        Raises:
            SetupError: it has those of another database, or cannot be written.
        """
        lines = [
            f"ZAVA_DATABASE__DSN={shlex.quote(access.dsn)}",
            f"ZAVA_DATABASE__WRITER_DSN={shlex.quote(access.writer_dsn or '')}",
            f"ZAVA_DATABASE__CONTEXT_KEY_FILE={shlex.quote(str(access.context_key_file))}",
        ]
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self.environment.exists():
                comment = (
                    "# Settings of a Zava server, begun by `zava init`; docs/reference/settings.md lists them all."
                )
                replace_private(self.environment, "\n".join([comment, *lines, ""]))
            elif not set(lines) <= set(self.environment.read_text(encoding="utf-8").splitlines()):
                raise SetupError(
                    f"{self.environment} has settings of another database, or of another way to this one: name "
                    "another --folder, or move the file away."
                )
        except OSError as error:
            raise SetupError(
                f"The files of the server cannot be written to {self.folder}: {error.strerror}. Name another --folder."
            ) from None


def initialise(settings: Settings, dsn: str | None, folder: Path | None, *, new_passwords: bool) -> int:
    """Makes a database Zava's, says how it is and what comes next, and returns the exit code of `zava doctor`.

    Args:
        settings: of the doctor; its database is the one that is made.
        dsn: an administrator's connection string; that of the settings when None.
        folder: for the files of the server; a usual place when None.
        new_passwords: whether logins get new passwords that have one already.

    Raises:
        SetupError: the database is somebody else's, or the administrator lacks rights; the message has the SQL.
    """
    admin_dsn = _administrator_dsn(settings, dsn)
    # For the server's logins it would count before their password file.
    password = os.environ.pop("PGPASSWORD", None)
    if password is not None:
        admin_dsn = make_conninfo(admin_dsn, **{"password": password} | conninfo_to_dict(admin_dsn))
    files = ServerFiles((folder or default_folder()).expanduser().absolute())
    try:
        with connect(admin_dsn, "an administrator"):
            pass
    except SetupError as refusal:
        raise SetupError(NO_WAY_IN.format(refusal=refusal)) from None
    with connect(admin_dsn, "an administrator") as connection, failures_of("zava init"):
        administrator = examine_administrator(connection)
        refuse_foreign_contents(connection)
        access = files.access(connection)
        files.write_environment(access)
        database = Database(access, admin_dsn)
        steps = database.migrate(reinstall=True)
        print(f"Applied {len(steps)} steps of the schema.")
        _set_passwords(connection, administrator, files.passwords, anew=new_passwords)
    try:
        database.check_logins(settings.database.pooler)
    except SetupError as refusal:
        raise SetupError(LOCKED_OUT.format(refusal=refusal, passwords=files.passwords)) from None
    code = examine(settings.model_copy(update={"database": _server_settings(settings, access)}))
    if code == 0:
        print(
            PREPARED.format(
                folder=files.folder,
                environment=shlex.quote(str(files.environment)),
                administrator="" if dsn is None else _export_administrator(dsn),
                also=" PGPASSWORD" if password is not None else "",
            )
        )
    return code


def default_folder() -> Path:
    """Where a server's files lie unless somebody says otherwise."""
    return Path("/etc/zava") if os.geteuid() == 0 else platformdirs.user_config_path("zava")


def _administrator_dsn(settings: Settings, dsn: str | None) -> str:
    if dsn is not None:
        return read_dsn("--dsn", SecretStr(dsn))
    if settings.database.admin_dsn is None:
        raise SetupError(
            "Which database? Say --dsn 'host=db.example.com dbname=zava user=…', an administrator's connection string, "
            "with the password in a password file, or set it as ZAVA_DATABASE__ADMIN_DSN."
        )
    return read_dsn("ZAVA_DATABASE__ADMIN_DSN", settings.database.admin_dsn)


def _shared(connection: Connection) -> dict[str, str]:
    """Where the database is and how it is reached, whether a connection string or the environment has said it."""
    info = connection.info
    return {"host": info.host, "port": str(info.port), "dbname": info.dbname} | {
        option.keyword.decode(): option.val.decode()
        for option in connection.pgconn.info
        if option.keyword.decode() in SHARED and option.val and option.val != option.compiled
    }


def _set_passwords(connection: Connection, administrator: Administrator, path: Path, *, anew: bool) -> None:
    """Gives logins passwords that have none, or all of them. Another Zava's of the same server are left alone."""
    passwords = make_passwords(
        login
        for login in LOGINS
        if anew or login not in administrator.roles or (administrator.superuser and lacks_password(connection, login))
    )
    # Both or neither: a password that was set and not written down is lost.
    with connection.transaction():
        for login, password in passwords.items():
            set_password(connection, login, password)
        if passwords:
            write_passwords(path, passwords)


def _server_settings(settings: Settings, access: DatabaseAccess) -> DatabaseSettings:
    return settings.database.model_copy(
        update={
            "dsn": SecretStr(access.dsn),
            "writer_dsn": SecretStr(access.writer_dsn or ""),
            "context_key_file": access.context_key_file,
            "admin_dsn": None,
        }
    )


def _export_administrator(dsn: str) -> str:
    given = conninfo_to_dict(dsn)
    hidden = "    # and the password" if given.pop("password", None) else ""
    shown = make_conninfo("", **given)
    return f"  export ZAVA_DATABASE__ADMIN_DSN={shlex.quote(shown)}{hidden}\n"
