"""How PostgreSQL would find what a query asked: for operators to read, and never for who asked."""

import re
from typing import Any, LiteralString

import psycopg

from zava.adapters.postgres.sandbox import NAME
from zava.adapters.postgres.sessions import BEGIN, OPEN, PrincipalSessions
from zava.adapters.postgres.sql import load
from zava.core.observations import QueryRun

# Planning takes milliseconds, unless somebody means it to take long.
MILLISECONDS = "1000"
# The runner's context: how it reads days, and who asks. The role is that of the function.
OPEN_SANDBOX: LiteralString = """
    SELECT
        set_config('statement_timeout', %(milliseconds)s, true),
        set_config('TimeZone', access.business_time_zone(), true),
        access.seal_context(%(token)s)
"""
EXPLAIN_SALES_QUERY = load("explain_sales_query")

# More is not read: a caller can have constants of megabytes computed, and the log would cut it short anyway.
MOST_CHARACTERS = 20_000

# What a plan consists of, from left to right, so that a quote in a name begins no text. PostgreSQL doubles quotes
# within, and writes no comment and no other kind of text. What is cut short may end within quotes.
PLAN_PART = re.compile(
    r"""
      (?P<text> '(?:[^']|'')*(?:'|\Z))
    | (?P<quoted> "(?:[^"]|"")*(?:"|\Z))
    | (?: \(cost=[^()]*\) | (?:InitPlan|SubPlan|Planned:)\ \d+ | \$\d+ )
    | [^\W\d][\w$]*                    # a name or a word
    | (?P<number> \d[\w.]*)
    """,
    re.VERBOSE,
)
# Of the shop, and PostgreSQL's own such as "*VALUES*". Any other may say anything.
PLAIN_NAME = re.compile(r'"(?:[a-z_][a-z0-9_]*|\*[A-Z]+\*(?: \d+)?)"')


class QueryPlans:
    """Asks for plans under the principal's own context and role.

    EXPLAIN reads no row. What a query says of constants alone is computed, as it was when the query ran.
    """

    def __init__(self, sessions: PrincipalSessions, sandbox_sessions: PrincipalSessions, most_rows: int) -> None:
        """Plans.

        Args:
            sessions: for governed questions. They have no observers, or plans would be planned.
            sandbox_sessions: for free SQL, likewise.
            most_rows: of an answer of free SQL, which its plan depends on.
        """
        self._sessions = sessions
        self._sandbox_sessions = sandbox_sessions
        self._most_rows = most_rows

    async def plan_of(self, run: QueryRun) -> str:
        """The plan of each query of this run, without the values in it.

        Raises:
            ZavaError: no connection can be had.
            psycopg.Error: PostgreSQL refuses.
        """
        if run.name == NAME:
            plan = await self._sandbox_sessions.converse(
                run.principal, lambda connection, token: self._plan_of_free_sql(connection, token, run)
            )
        else:
            plan = await self._sessions.converse(
                run.principal, lambda connection, token: _plans_of_questions(connection, token, run)
            )

        return without_values(plan[:MOST_CHARACTERS].rstrip())

    async def _plan_of_free_sql(self, connection: psycopg.AsyncConnection[Any], token: str, run: QueryRun) -> str:
        await connection.execute(BEGIN)
        await connection.execute(OPEN_SANDBOX, {"milliseconds": MILLISECONDS, "token": token})
        parameters = {
            "query": run.queries[0],
            "most_rows": str(self._most_rows),
            "most_characters": str(MOST_CHARACTERS),
        }
        return await _lines(connection, EXPLAIN_SALES_QUERY, parameters)


async def _plans_of_questions(connection: psycopg.AsyncConnection[Any], token: str, run: QueryRun) -> str:
    await connection.execute(BEGIN)
    await connection.execute(OPEN, {"milliseconds": MILLISECONDS, "token": token})
    return "\n".join([await _lines(connection, f"EXPLAIN {query}", run.parameters) for query in run.queries])


async def _lines(connection: psycopg.AsyncConnection[Any], query: str, parameters: Any) -> str:  # noqa: ANN401
    # A connection keeps no statement that is asked once.
    cursor = await connection.execute(query.encode(), parameters, prepare=False)
    return "\n".join([line async for (line,) in cursor])


def without_values(plan: str) -> str:
    """The plan without texts and numbers of its conditions, and names that their author chose. Costs and rows stay."""
    return PLAN_PART.sub(_shown, plan)


def _shown(part: re.Match[str]) -> str:
    match part.lastgroup:
        case "text":
            return "'?'"
        case "number":
            return "?"
        case "quoted" if not PLAIN_NAME.fullmatch(part[0]):
            return '"?"'
        case _:
            return part[0]
