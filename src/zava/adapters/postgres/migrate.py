"""Brings a database to the schema of this program: install steps, migrations, vector steps. Forward only."""

import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, LiteralString, Self, TypeAlias

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)

from zava.adapters.postgres.context import ContextKey
from zava.core.errors import SetupError

logger = logging.getLogger(__name__)

Connection: TypeAlias = psycopg.Connection[Any]

# Any number will do, as long as no other program in this database uses it.
LOCK = 7_203_911
OWNERS_LOCK = 7_203_914
LOCK_ATTEMPTS = 10
# Who notices first that two wait for each other gives up: not somebody who asks. Only a superuser may say so.
GIVE_WAY: LiteralString = """
    SELECT set_config('deadlock_timeout', '10ms', true) FROM pg_roles WHERE rolname = current_user AND rolsuper
"""
# Whoever asks has read these before anything else, and keeps them until the answer: who has them to itself knows that
# nobody is in the middle of a question.
HOLD_QUESTIONS: LiteralString = "LOCK TABLE access.keys, access.principals IN ACCESS EXCLUSIVE MODE"
OWNERS = (
    "zava_owner",
    "zava_access",
    "zava_audit",
    "zava_reader",
    "zava_sandbox",
    "zava_sandbox_one",
    "zava_sandbox_some",
    "zava_sandbox_all",
    "zava_functions",
)
# Those that have a password.
LOGINS = ("zava_app", "zava_writer")


class MigrationError(SetupError):
    """The database cannot be brought to this schema. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Step:
    """One file of the schema."""

    series: str
    version: int
    name: str
    text: LiteralString

    @classmethod
    def read(cls, series: str, file: Traversable) -> Self:
        return cls(series, int(file.name.split("_")[0]), file.name, file.read_text(encoding="utf-8"))

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def oldest_server(self) -> str:
        """The oldest server that can live with the schema after this step."""
        found = re.search(r"^-- oldest-server: (\S+)$", self.text, re.MULTILINE)
        return found[1] if found else "0"

    @property
    def transactional(self) -> bool:
        """False for a step such as CREATE INDEX CONCURRENTLY: one statement, which may be run again."""
        return not re.search(r"^-- no-transaction$", self.text, re.MULTILINE)


@dataclass(frozen=True, slots=True)
class AppliedStep:
    """What the database remembers of a step."""

    series: str
    version: int
    name: str
    sha256: str


def schema_root() -> Traversable:
    """Where the schema lies: in the wheel, or at the top of a checkout."""
    packaged = files("zava").joinpath("schema")
    return packaged if packaged.is_dir() else Path(__file__).parents[4] / "schema"


def read_steps(series: str, root: Traversable | None = None) -> tuple[Step, ...]:
    """The steps of one series, in order."""
    folder = (root or schema_root()).joinpath(series)
    steps = [Step.read(series, file) for file in folder.iterdir() if file.name.endswith(".sql")]
    return tuple(sorted(steps, key=lambda step: step.version))


def migrate(connection: Connection, root: Traversable | None = None, *, reinstall: bool = False) -> tuple[Step, ...]:
    """Applies what is missing, and returns it.

    Args:
        connection: an administrator's, in autocommit mode: a superuser, or a role with CREATEROLE that owns the
            database. Without a superuser PostgreSQL's own catalogs stay open to everybody.
        root: where the schema lies, if not in its usual place.
        reinstall: run the install steps even when they are done, since a server changes under them: an extension
            update opens catalogs again, pgvector arrives, an administrator with more rights takes over.

    Raises:
        MigrationError: an applied step was changed since, or the database stays locked.
    """
    with one_at_a_time(connection):
        applied = {(step.series, step.version): step for step in applied_steps(connection)}
        install = read_steps("install", root)
        due = [step for step in install if reinstall or _is_due(step, applied, may_change=True)]
        done: list[Step] = []
        if due:
            _apply(connection, install[0])
        with as_owners(connection):
            if due:
                _install(connection, install)
                done += due
            for step in _numbered_steps(connection, root):
                if _is_due(step, applied, may_change=False):
                    _apply_recorded(connection, step)
                    done.append(step)
    return tuple(done)


def create_roles(connection: Connection) -> None:
    """Makes those of Zava's roles that the server lacks, which is what the first install step does."""
    _apply(connection, read_steps("install")[0])


def pending_steps(connection: Connection) -> tuple[Step, ...]:
    """What migrate() would apply."""
    applied = {(step.series, step.version): step for step in applied_steps(connection)}
    install = [step for step in read_steps("install") if _is_due(step, applied, may_change=True)]
    return (*install, *(step for step in _numbered_steps(connection) if _is_due(step, applied, may_change=False)))


def applied_steps(connection: Connection) -> Sequence[AppliedStep]:
    """What this database has been through; nothing when it was never Zava's."""
    if connection.execute("SELECT to_regclass('access.migrations')").fetchone() == (None,):
        return ()
    cursor = connection.cursor(row_factory=class_row(AppliedStep))
    return cursor.execute(
        "SELECT series, version, name, sha256 FROM access.migrations ORDER BY series, version"
    ).fetchall()


def register_context_key(connection: Connection, key: ContextKey) -> None:
    """Tells the database the key by which it will know its server."""
    with as_owners(connection), connection.transaction():
        connection.execute("SET LOCAL ROLE zava_access")
        known = connection.execute("SELECT FROM access.keys WHERE key_id = %s", [key.key_id]).fetchone()
        if known is None:
            connection.execute("SELECT access.new_key(%s, %s)", [key.key_id, key.secret])


@contextmanager
def acting_as(connection: Connection, role: LiteralString) -> Iterator[None]:
    """An administrator's connection with the rights of one of Zava's roles, and no others."""
    with as_owners(connection):
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        try:
            yield
        finally:
            if not connection.broken:
                connection.execute("RESET ROLE")


def set_first_password(connection: Connection, role: str, password: str) -> None:
    """Gives a login its password unless it has one."""
    if lacks_password(connection, role):
        set_password(connection, role, password)


def lacks_password(connection: Connection, role: str) -> bool:
    """Whether a login has no password yet, which superusers alone can see."""
    found = connection.execute("SELECT FROM pg_authid WHERE rolname = %s AND rolpassword IS NULL", [role]).fetchone()
    return found is not None


def set_password(connection: Connection, role: str, password: str) -> None:
    """Gives a login a password. Only its verifier crosses the wire, and reaches no log."""
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier)))


def create_database(connection: Connection, name: str) -> None:
    """Creates a database unless it is there."""
    if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _is_due(step: Step, applied: dict[tuple[str, int], AppliedStep], *, may_change: bool) -> bool:
    known = applied.get((step.series, step.version))
    if known is None:
        return True
    if known.sha256 != step.sha256 and not may_change:
        raise MigrationError(
            f"{step.series}/{step.name} was changed after it was applied to this database. "
            "Restore the file; a correction is a new step."
        )
    return known.sha256 != step.sha256


def _install(connection: Connection, steps: Sequence[Step]) -> None:
    """Runs the install steps after the first, which has made the roles; all of them may be run again at any time."""
    with connection.transaction():
        for step in steps[1:]:
            connection.execute(step.text)
        for step in steps:
            _record(connection, step)


def _apply(connection: Connection, step: Step) -> None:
    with connection.transaction():
        connection.execute(step.text)


def _apply_recorded(connection: Connection, step: Step) -> None:
    logger.debug("applying %s/%s", step.series, step.name)  # what is done is told by the command
    hold_questions = False
    for attempt in _patiently():
        with attempt:
            if step.transactional:
                try:
                    _apply_at_once(connection, step, hold_questions=hold_questions)
                except psycopg.errors.DeadlockDetected:
                    hold_questions = True
                    raise
            else:
                connection.execute(step.text)
                with connection.transaction():
                    _record(connection, step)


def _apply_at_once(connection: Connection, step: Step, *, hold_questions: bool) -> None:
    with connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '1s'")
        connection.execute(GIVE_WAY)
        if hold_questions:
            connection.execute("SET LOCAL ROLE zava_access")
            connection.execute(HOLD_QUESTIONS)
        connection.execute("SET LOCAL ROLE zava_owner")
        connection.execute(step.text)
        _record(connection, step)


def _record(connection: Connection, step: Step) -> None:
    connection.execute("SET LOCAL ROLE zava_access")
    connection.execute(
        """
        INSERT INTO access.migrations (series, version, name, sha256, oldest_server)
        VALUES (%s, %s, %s, %s, %s)
        ON CONFLICT (series, version)
        DO UPDATE SET name = excluded.name, sha256 = excluded.sha256, applied_at = now()
        """,
        [step.series, step.version, step.name, step.sha256, step.oldest_server],
    )


@contextmanager
def one_at_a_time(connection: Connection) -> Iterator[None]:
    """One migration at a time; a second waits its turn and then finds nothing to do. So do changes of the key."""
    connection.execute("SET lock_timeout = '10s'")
    for attempt in _patiently():
        with attempt:
            connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
        connection.execute("RESET lock_timeout")


def _patiently() -> Retrying:
    return Retrying(
        stop=stop_after_attempt(LOCK_ATTEMPTS),
        wait=wait_exponential_jitter(multiplier=0.5, max=5),
        retry=retry_if_exception_type((psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)),
        retry_error_callback=_give_up,
    )


def _give_up(_: RetryCallState) -> None:
    raise MigrationError(
        "Other sessions hold locks that the migration needs. Try again when the database is quieter; "
        "what was applied so far stays applied."
    )


@contextmanager
def as_owners(connection: Connection) -> Iterator[None]:
    """An administrator who is no superuser may act as Zava's roles only for this time."""
    if connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (True,):
        yield
        return
    roles = sql.SQL(", ").join(map(sql.Identifier, OWNERS))
    connection.execute("SELECT pg_advisory_lock_shared(%s)", [OWNERS_LOCK])
    connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(roles))
    try:
        yield
    finally:
        connection.execute("RESET ROLE")  # some stay who they were
        connection.execute("SELECT pg_advisory_unlock_shared(%s)", [OWNERS_LOCK])
        # The last of several commands at a time takes the rights away: a long one may be at work still.
        if connection.execute("SELECT pg_try_advisory_lock(%s)", [OWNERS_LOCK]).fetchone() == (True,):
            connection.execute(sql.SQL("REVOKE {} FROM CURRENT_USER").format(roles))
            connection.execute("SELECT pg_advisory_unlock(%s)", [OWNERS_LOCK])


def _numbered_steps(connection: Connection, root: Traversable | None = None) -> tuple[Step, ...]:
    """The steps that are applied once and for all. Those that need an extension only where there is one."""
    there_are = {name for (name,) in connection.execute("SELECT extname FROM pg_extension")}
    # In this order: what is distributed must be there.
    optional = [series for series in ("vector", "citus") if series in there_are]
    return tuple(step for series in ("migrations", *optional) for step in read_steps(series, root))
