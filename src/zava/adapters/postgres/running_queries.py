"""The queries of callers' own that run, for an operator to look at and to stop."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg.rows import class_row

from zava.adapters.postgres.sql import load

RUN = load("execute_sales_query")
MARK_BYTES = 4
SHOWN = re.compile(rf"\A{re.escape(RUN)}-- [0-9a-f]{{{2 * MARK_BYTES}}} ")
# Which of these marks does the text of a query have that runs?
MARKED: LiteralString = """
    SELECT mark
    FROM unnest(%(marks)s::text[]) AS mark
    WHERE EXISTS (
        SELECT FROM pg_catalog.pg_stat_activity
        WHERE usename = session_user AND state = 'active' AND starts_with(query, %(run)s || '-- ' || mark)
    )
"""
RUNNING = load("running_queries")


@dataclass(frozen=True, slots=True)
class RunningQuery:
    """A query, whose it is, and how it fares. What PostgreSQL tells of it is text that others wrote.

    Attributes:
        pid: of the process of PostgreSQL's that runs it.
        query: as much of it as PostgreSQL keeps.
        seconds: since it began.
        stopped: whether it has just been told to end.
    """

    pid: int
    principal_id: str
    name: str
    state: str
    seconds: float
    query: str
    stopped: bool

    @property
    def text(self) -> str:
        """The caller's own text, in one line."""
        return " ".join(SHOWN.sub("", self.query).split())


def shown(statement: str, mark: str) -> str:
    """The text of execute_sales_query.sql, and the caller's own as a comment: PostgreSQL shows no parameters.

    A comment ends with its line, and this one has no other. A mark before it, of new_mark(), names this run of it.
    """
    return f"{RUN}-- {mark} {' '.join(statement.split())}"


def new_mark() -> str:
    """Names one run of a query, among all those of all servers."""
    return secrets.token_hex(MARK_BYTES)


async def marked(connection: psycopg.AsyncConnection[Any], marks: Sequence[str]) -> list[str]:
    """Those of the marks whose queries run.

    PostgreSQL's number of a process would not do: through a pooler nobody learns it.
    """
    cursor = await connection.execute(MARKED, {"marks": list(marks), "run": RUN})
    return [mark for (mark,) in await cursor.fetchall()]


def running_queries(connection: psycopg.Connection[Any], *, stop: int | None = None) -> Sequence[RunningQuery]:
    """The queries that run in this database, the longest first.

    Args:
        connection: of the server's own login, who may look at and stop what it runs itself, and nothing else.
        stop: the process of the one to stop. Any that is not among them is left in peace.
    """
    return connection.cursor(row_factory=class_row(RunningQuery)).execute(RUNNING, {"stop": stop}).fetchall()
