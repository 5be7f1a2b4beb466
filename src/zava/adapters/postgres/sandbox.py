"""Free SQL in PostgreSQL's sandbox: one round trip, in a transaction that is always rolled back."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.pq.abc import PGresult

from zava.adapters.postgres.exchange import Exchange, last_value
from zava.adapters.postgres.guard import Relations, check
from zava.adapters.postgres.observed import observed
from zava.adapters.postgres.running_queries import marked, new_mark, shown
from zava.adapters.postgres.sandbox_errors import PREFIX, SUFFIX, cancelled, explain
from zava.adapters.postgres.sandbox_rows import read_rows
from zava.adapters.postgres.sessions import BEGIN, PrincipalSessions
from zava.adapters.postgres.sql import load
from zava.adapters.postgres.within import within
from zava.core.errors import BusyError, QueryRefusedError
from zava.core.model import MOST_FILE_ROWS, Principal, ResultColumn, Snapshot, Table
from zava.core.ports import Sandbox, SchemaCatalog
from zava.core.readings import reading_under_way
from zava.core.threads import in_thread

# As the runner sees names, so that the columns described are the columns sent.
SEARCH_PATH = "sandbox_functions, pg_catalog, retail, public, pg_temp"
# How long it may take, as whom it is listed (so that an operator finds a query and its principal), how it reads names
# and days, and who asks. The last value says what the answer needs: its stores, its moment, and the type of vectors,
# which psycopg does not know.
OPEN = """
    SELECT
        set_config('statement_timeout', $1, true),
        set_config('application_name', $2, true),
        set_config('search_path', $3, true),
        set_config('TimeZone', access.business_time_zone(), true),
        json_build_object(
            'stores', access.seal_context($4), 'vector', to_regtype('vector')::oid, 'as_of', CASE
                WHEN NOT pg_is_in_recovery() THEN transaction_timestamp()
                -- Before it has followed anything, a standby is as old as its last checkpoint.
                ELSE coalesce(pg_last_xact_replay_timestamp(), (pg_control_checkpoint()).checkpoint_time)
            END
        )
"""
# What this transaction sees, for who keeps the answer.
SEEN = f"SELECT row_to_json(seen) FROM ({load('snapshot')}) AS seen"  # noqa: S608 - a query of our own
NAME = "execute_sales_query"
LONGEST_NAME = 63
MOST_COLUMNS = 200
# After its time a query is stopped.
GRACE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What one query may take. The caller cannot raise it.

    Attributes:
        most_rows: rows of an answer.
        most_bytes: bytes of all its rows as JSON.
        seconds: of the query in PostgreSQL.
        most_file_rows: rows of an answer that becomes a file, as people ask for.
        most_file_bytes: bytes of all its rows as JSON, which are in memory while it is made.
        most_given_up: queries of one principal that have been stopped and run on: of a huge value PostgreSQL computes
            a function to its end. Who has so many must wait.
    """

    most_rows: int = 1_000
    most_bytes: int = 262_144
    seconds: float = 15.0
    most_file_rows: int = MOST_FILE_ROWS
    most_file_bytes: int = 16_777_216
    most_given_up: int = 4


class PostgresSandbox(Sandbox):
    """Runs a SELECT as a role of the sandbox, behind the guard."""

    def __init__(
        self,
        sessions: PrincipalSessions,
        catalog: SchemaCatalog,
        limits: SandboxLimits,
        guard: Callable[[str, Relations], str] = check,
    ) -> None:
        """A sandbox.

        Args:
            sessions: over connections of its own, so that free SQL never keeps other questions waiting.
            catalog: knows the tables that queries may use.
            limits: of each query.
            guard: returns the statement to run, or raises.
        """
        self._sessions = sessions
        self._catalog = catalog
        self._limits = limits
        self._guard = guard
        self._relations: Relations = {}
        # Marks of queries, by their principals.
        self._given_up: dict[UUID, list[str]] = {}

    async def execute_sales_query(self, principal: Principal, query: str, *, for_file: bool = False) -> Table:
        statement = await self._admit(principal, query)
        await self._look_after(principal)
        try:
            with observed(self._sessions.observers, principal, NAME, (statement,), ()) as found:
                results = await self._sessions.converse(
                    principal,
                    lambda connection, token: self._run(connection, token, principal, statement, for_file=for_file),
                )
                # The connection is free for others by now: of a file it takes seconds.
                table = await _table(*results, for_file=for_file)
                found.rows = len(table.rows)
                return table
        except psycopg.Error as error:
            raise explain(error, query, self._relations) from error

    async def _admit(self, principal: Principal, query: str) -> str:
        """Asks the guard. A table that it does not know may be new: then the tables are read once more."""
        try:
            return self._guard(query, self._relations)
        except QueryRefusedError as refused:
            if refused.reason != "relation":
                raise
            tables = await self._catalog.tables(principal)
            self._relations = {table.name: [column.name for column in table.columns] for table in tables}
            return self._guard(query, self._relations)

    async def _look_after(self, principal: Principal) -> None:
        """Gives nobody a further process of PostgreSQL's who keeps some busy that cannot be stopped."""
        if principal.principal_id not in self._given_up:
            return

        async def ask(connection: psycopg.AsyncConnection[Any], _: str) -> list[str]:
            return await marked(connection, self._given_up.pop(principal.principal_id, []))

        running = await self._sessions.converse(principal, ask)
        if running:
            self._given_up.setdefault(principal.principal_id, []).extend(running)
        if len(running) >= self._limits.most_given_up:
            raise BusyError("Earlier queries of yours have been stopped, and are not at their end yet. Wait a minute.")

    async def _run(
        self,
        connection: psycopg.AsyncConnection[Any],
        token: str,
        principal: Principal,
        statement: str,
        *,
        for_file: bool,
    ) -> tuple[PGresult, PGresult, PGresult]:
        """About the answer, its columns, and the answer."""
        exchange = Exchange(connection)
        milliseconds = int(self._limits.seconds * 1000)
        exchange.execute(BEGIN)
        exchange.execute(
            OPEN,
            str(milliseconds),
            f"{principal.principal_id} {principal.name}"[:LONGEST_NAME],
            SEARCH_PATH,
            token,
        )
        reading = reading_under_way.get()
        if reading:
            exchange.execute(SEEN)
        # Names and types come from here, of an empty answer too.
        exchange.describe(f"{PREFIX}{statement}{SUFFIX}")
        limits = self._limits
        most = (limits.most_file_rows, limits.most_file_bytes) if for_file else (limits.most_rows, limits.most_bytes)
        mark = new_mark()
        exchange.execute_once(shown(statement, mark), statement, *map(str, most))
        exchange.execute("ROLLBACK")
        # Waiting for a connection is no part of it.
        started = time.monotonic()
        try:
            # For what PostgreSQL does not stop by itself.
            _begin, opened, *seen, _parse, described, answered, _rollback = await within(
                self._limits.seconds + GRACE_SECONDS, exchange.send()
            )
        except (TimeoutError, psycopg.errors.QueryCanceled) as error:
            raise cancelled(time.monotonic() - started, milliseconds / 1000) from error
        finally:
            if connection.closed:
                self._given_up.setdefault(principal.principal_id, []).append(mark)
        if reading:
            reading.snapshots += map(_snapshot, seen)
        return opened, described, answered


async def _table(opened: PGresult, described: PGresult, answered: PGresult, *, for_file: bool) -> Table:
    about = json.loads(last_value(opened))
    columns = _columns(described, vector=int(about["vector"] or 0))
    text = last_value(answered)
    try:
        rows, truncated = await in_thread(lambda: read_rows(text, exact=True)) if for_file else read_rows(text)
    except RecursionError:
        raise QueryRefusedError("size", "A value of the answer is nested too deeply. Ask for its parts.") from None
    return Table(columns, rows, truncated, tuple(sorted(about["stores"])), datetime.fromisoformat(about["as_of"]))


def _snapshot(seen: PGresult) -> Snapshot:
    told = json.loads(last_value(seen))
    return Snapshot(**told | {"as_of": datetime.fromisoformat(told["as_of"])})


def _columns(described: PGresult, vector: int) -> tuple[ResultColumn, ...]:
    """The columns, with names made unique: a join may bring the same name twice."""
    taken: set[str] = set()
    columns = []
    for index in range(described.nfields):
        written = name = (described.fname(index) or b"").decode()
        number = 1
        while name in taken:
            number += 1
            name = f"{written}_{number}"
        taken.add(name)
        columns.append(ResultColumn(name, _type_name(described.ftype(index), described.fmod(index), vector)))
    if len(columns) > MOST_COLUMNS:
        raise QueryRefusedError("size", f"The answer has {len(columns)} columns. Name the columns you need.")
    return tuple(columns)


def _type_name(oid: int, modifier: int, vector: int) -> str:
    """What PostgreSQL calls a type; "other" for the type of a whole row of a table."""
    if oid == vector:
        return "vector"
    known = psycopg.adapters.types.get(oid)
    if known is None:
        return "other"
    return known.get_type_display(oid=oid, fmod=modifier)
