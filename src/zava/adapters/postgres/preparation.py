"""May this database become Zava's, and may who asks make it so? What is missing is told as SQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row, scalar_row

from zava.adapters.postgres.migrate import LOGINS, OWNERS, applied_steps
from zava.adapters.postgres.sql import load
from zava.core.errors import SetupError

Connection = psycopg.Connection[Any]

ADMINISTRATOR = load("administrator")
FOREIGN_CONTENTS = load("foreign_contents")
OLDEST_POSTGRES = 15
# From it on CREATEROLE is a right over roles that one has made.
ROLES_HAVE_ADMINISTRATORS = 16
MOST_FOUND = 5


@dataclass(frozen=True, slots=True)
class Administrator:
    """Who prepares a database, and what that database is.

    Attributes:
        version: of PostgreSQL, its first number.
        owns_database: also as a member of the role that does.
        roles: those of Zava's that the server has already.
        roles_of_others: those among them whose members another administrator decides about.
    """

    version: int
    encoding: str
    database: str
    administrator: str
    superuser: bool
    creates_roles: bool
    owns_database: bool
    roles: Sequence[str]
    roles_of_others: Sequence[str]

    def missing_rights(self) -> Sequence[sql.Composed]:
        """What a superuser has to run once, so that this administrator can do the rest."""
        if self.superuser:
            return []
        me, database = sql.Identifier(self.administrator), sql.Identifier(self.database)
        missing = []
        if not self.creates_roles:
            missing.append(sql.SQL("ALTER ROLE {} CREATEROLE;").format(me))
        if not self.owns_database:
            missing.append(sql.SQL("ALTER DATABASE {} OWNER TO {};").format(database, me))
        if self.roles_of_others and self.version >= ROLES_HAVE_ADMINISTRATORS:
            roles = sql.SQL(", ").join(map(sql.Identifier, self.roles_of_others))
            missing.append(sql.SQL("GRANT {} TO {} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;").format(roles, me))
        return missing


def examine_administrator(connection: Connection) -> Administrator:
    """Who is connected, and to what.

    Raises:
        SetupError: PostgreSQL is too old, the database has another encoding than UTF-8, or the administrator lacks
            rights; then the message has the SQL that grants them.
    """
    try:
        found = (
            connection.cursor(row_factory=class_row(Administrator))
            .execute(ADMINISTRATOR, {"roles": [*OWNERS, *LOGINS]})
            .fetchone()
        )
    except psycopg.errors.InsufficientPrivilege:
        raise SetupError(
            f"The catalogs of this database are closed to {connection.info.user}: connect as its owner or a superuser."
        ) from None
    assert found is not None, "a session has a database and a role"  # noqa: S101
    if found.version < OLDEST_POSTGRES:
        raise SetupError(f"This is PostgreSQL {found.version}, and Zava needs {OLDEST_POSTGRES} or newer.")
    if found.encoding != "UTF8":
        raise SetupError(
            f"The database {found.database} is encoded as {found.encoding}, and Zava needs UTF8: "
            "CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8'."
        )
    if missing := found.missing_rights():
        statements = "\n".join(f"  {statement.as_string(connection)}" for statement in missing)
        raise SetupError(
            f"{found.administrator} may not prepare the database {found.database}. A superuser runs this once, or the "
            f"same command in their place:\n{statements}"
        )
    return found


def refuse_foreign_contents(connection: Connection) -> None:
    """Makes sure that nobody else keeps anything in a database that is not Zava's yet.

    Raises:
        SetupError: somebody does. The message names some of it.
    """
    if applied_steps(connection):
        return
    found = contents(connection)
    if found:
        more = f" and {len(found) - MOST_FOUND} more" if len(found) > MOST_FOUND else ""
        raise SetupError(
            f"This database has other things in it: {', '.join(found[:MOST_FOUND])}{more}. Zava closes PostgreSQL's "
            "catalogs in its database, and so needs one of its own: CREATE DATABASE zava."
        )


def contents(connection: Connection) -> Sequence[str]:
    """What is kept in this database, in words; nothing of an empty one."""
    return connection.cursor(row_factory=scalar_row).execute(FOREIGN_CONTENTS).fetchall()
