"""The queries of callers' own that run, for an operator to look at and to stop."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row

from zava.adapters.postgres.sql import load

RUN = load("execute_sales_query")
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
        return " ".join(self.query.removeprefix(f"{RUN}-- ").split())


def shown(statement: str) -> str:
    """The text of execute_sales_query.sql, and the caller's own as a comment: PostgreSQL shows no parameters.

    A comment ends with its line, and this one has no other.
    """
    return f"{RUN}-- {' '.join(statement.split())}"


def running_queries(connection: psycopg.Connection[Any], *, stop: int | None = None) -> Sequence[RunningQuery]:
    """The queries that run in this database, the longest first.

    Args:
        connection: of the server's own login, who may look at and stop what it runs itself, and nothing else.
        stop: the process of the one to stop. Any that is not among them is left in peace.
    """
    return connection.cursor(row_factory=class_row(RunningQuery)).execute(RUNNING, {"stop": stop}).fetchall()
