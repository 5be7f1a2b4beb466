"""Database sessions, opened for a principal. Repositories get these and never the pool."""

import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, LiteralString, Protocol, TypeAlias, TypeVar, cast

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential_jitter,
)

from zava.adapters.postgres.context import ContextKey
from zava.adapters.postgres.errors import (
    BUSY,
    UNAVAILABLE,
    is_conflict_with_recovery,
    is_connection_failure,
    is_unknown_key,
    translate,
)
from zava.adapters.postgres.exchange import Exchange, rows_of
from zava.adapters.postgres.observed import observed
from zava.adapters.postgres.sql import load
from zava.adapters.postgres.within import within
from zava.core.errors import BusyError, UnavailableError
from zava.core.model import Principal, Snapshot
from zava.core.observations import QueryObserver
from zava.core.readings import reading_under_way

logger = logging.getLogger(__name__)

Pool: TypeAlias = AsyncConnectionPool[psycopg.AsyncConnection[Any]]
Row = TypeVar("Row")
Result = TypeVar("Result")

# One snapshot for all that is asked together.
BEGIN: LiteralString = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

# Who asks, how long it may take, and as whom it runs: one statement, so that nothing can come between.
OPEN: LiteralString = """
    SELECT
        set_config('statement_timeout', %(milliseconds)s, true),
        access.seal_context(%(token)s),
        set_config('role', 'zava_reader', true)
"""

# In which an answer would have come that took the whole statement_timeout.
GRACE_SECONDS = 5

# Questions of ours fail so when a migration is done while they run. The next transaction sees all of it.
SCHEMA_CHANGED = (
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedTable,
)

_back_off = wait_exponential_jitter(multiplier=0.1, max=2, jitter=0.1)


@dataclass(frozen=True, eq=False)
class Question(Generic[Row]):
    """A query, its name, and the dataclass that each of its rows becomes.

    Attributes:
        keep: whether connections keep the parsed query: not one whose text is another each time.
    """

    name: str
    sql: LiteralString
    row: type[Row]
    keep: bool = True

    @classmethod
    def load(cls, name: str, row: type[Row]) -> "Question[Row]":
        """The query of this name among the queries of this package."""
        return cls(name, load(name), row)


SNAPSHOT = Question.load("snapshot", Snapshot)


class Answers:
    """The rows of each question that was asked together."""

    def __init__(self, rows: Mapping[Question[Any], list[Any]]) -> None:
        self._rows = rows

    def __getitem__(self, question: Question[Row]) -> list[Row]:
        return cast("list[Row]", self._rows[question])


class Opening(Protocol):
    """How a transaction begins in which somebody asks."""

    async def open(
        self, connection: psycopg.AsyncConnection[Any], token: str, milliseconds: str
    ) -> tuple[Exchange, Mapping[str, object]]:
        """Commands that begin a transaction as zava_reader, and parameters of the texts beside the questions' own.

        Args:
            connection: outside a transaction.
            token: says who asks.
            milliseconds: that a statement may take.

        Raises:
            psycopg.Error: PostgreSQL's refusal.
        """

    def text_of(self, query: LiteralString, further: Mapping[str, object]) -> LiteralString:
        """The query as it is sent there, by the parameters that the opening has added."""


class OnOneServer(Opening):
    """In the same round trip as the questions."""

    async def open(
        self, connection: psycopg.AsyncConnection[Any], token: str, milliseconds: str
    ) -> tuple[Exchange, Mapping[str, object]]:
        exchange = Exchange(connection)
        exchange.ask(BEGIN, {})
        exchange.ask(OPEN, {"milliseconds": milliseconds, "token": token})
        return exchange, {}

    def text_of(self, query: LiteralString, further: Mapping[str, object]) -> LiteralString:  # noqa: ARG002
        return query


class PrincipalSessions:
    """Asks PostgreSQL on behalf of a principal, whose row policies then decide what is there."""

    def __init__(  # noqa: PLR0913 - what it works with, and its limits
        self,
        pool: Pool,
        read_key: Callable[[], ContextKey],
        *,
        statement_timeout: float = 30.0,
        attempts: int = 3,
        observers: Sequence[QueryObserver] = (),
        opening: Opening | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Sessions from this pool.

        Args:
            pool: connections in autocommit mode, as a login that may enter zava_reader.
            read_key: reads the key that signs who asks; read again when the database does not know it any more.
            statement_timeout: seconds.
            attempts: how often a question is asked when connections fail before it is answered.
            observers: are told what was asked, and how it ended.
            opening: how transactions begin; None for a single server.
            now: seconds since the epoch.
        """
        self.observers = observers
        self._pool = pool
        self._read_key = read_key
        self._key = read_key()
        self._milliseconds = str(int(statement_timeout * 1000))
        self._longest = statement_timeout + GRACE_SECONDS
        self._attempts = attempts
        self._now = now
        self._at_work = 0
        self._opening = opening or OnOneServer()

    async def ask(self, principal: Principal, parameters: Mapping[str, object], *questions: Question[Any]) -> Answers:
        """The answers to questions that see one snapshot, in one round trip and one read-only transaction.

        Raises:
            ZavaError: what the failure means to the caller.
        """
        name = ", ".join(question.name for question in questions)
        queries = tuple(question.sql for question in questions)
        try:
            with observed(self.observers, principal, name, queries, parameters) as found:
                reading = reading_under_way.get()
                asked = (*questions, SNAPSHOT) if reading else questions

                async def once(connection: psycopg.AsyncConnection[Any], token: str) -> Answers:
                    return await self._in_time(self._ask_once(connection, token, parameters, asked))

                try:
                    answers = await self.converse(principal, once)
                except SCHEMA_CHANGED:
                    answers = await self.converse(principal, once)
                if reading:
                    reading.snapshots += answers[SNAPSHOT]
                found.rows = sum(len(answers[question]) for question in questions)
                return answers
        except psycopg.Error as error:
            raise translate(error) from error

    async def ask_as_login(self, parameters: Mapping[str, object], question: Question[Row]) -> list[Row]:
        """The answer to a question before it is known who asks. The login may call a few functions, and read nothing.

        Raises:
            ZavaError: what the failure means to the caller.
        """

        async def ask_once(connection: psycopg.AsyncConnection[Any]) -> list[Row]:
            exchange = Exchange(connection)
            exchange.ask(question.sql, parameters)
            (answer,) = await exchange.send()
            return rows_of(connection, answer, question.row)

        try:
            return await self._patiently(lambda connection: self._in_time(ask_once(connection)))
        except psycopg.Error as error:
            raise translate(error) from error

    async def converse(
        self, principal: Principal, conversation: Callable[[psycopg.AsyncConnection[Any], str], Awaitable[Result]]
    ) -> Result:
        """What the conversation returns, on a connection of the pool and with a token that says who asks.

        Raises:
            BusyError: no connection became free in time.
            UnavailableError: no connection can be made.
            psycopg.Error: PostgreSQL's refusal, or a connection that failed once too often.
        """

        async def converse_once(connection: psycopg.AsyncConnection[Any]) -> Result:
            return await conversation(connection, self._key.token(principal, now=self._now()))

        return await self._patiently(converse_once)

    async def _patiently(self, conversation: Callable[[psycopg.AsyncConnection[Any]], Awaitable[Result]]) -> Result:
        try:
            async for attempt in AsyncRetrying(
                stop=stop_after_attempt(self._attempts),
                wait=_pause,
                retry=retry_if_exception(
                    lambda error: (
                        is_connection_failure(error) or is_unknown_key(error) or is_conflict_with_recovery(error)
                    )
                ),
                before_sleep=self._recover,
                reraise=True,
            ):
                with attempt:
                    return await self._once(conversation)
        except PoolTimeout as error:
            # Either all connections are at work, or none can be made.
            raise BusyError(BUSY) if self._at_work else UnavailableError(UNAVAILABLE) from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _in_time(self, conversation: Coroutine[Any, Any, Result]) -> Result:
        """PostgreSQL itself stops what takes too long; when it does not, nobody is there any more to say so."""
        try:
            return await within(self._longest, conversation)
        except TimeoutError as error:
            raise UnavailableError(UNAVAILABLE) from error

    async def _ask_once(
        self,
        connection: psycopg.AsyncConnection[Any],
        token: str,
        parameters: Mapping[str, object],
        questions: tuple[Question[Any], ...],
    ) -> Answers:
        exchange, further = await self._opening.open(connection, token, self._milliseconds)
        parameters = {**parameters, **further}
        for question in questions:
            exchange.ask(self._opening.text_of(question.sql, further), parameters, keep=question.keep)
        exchange.ask("ROLLBACK", {})
        answers = (await exchange.send())[-len(questions) - 1 : -1]
        return Answers(
            {
                question: rows_of(connection, answer, question.row)
                for question, answer in zip(questions, answers, strict=True)
            }
        )

    async def _once(self, conversation: Callable[[psycopg.AsyncConnection[Any]], Awaitable[Result]]) -> Result:
        async with self._pool.connection() as connection:
            self._at_work += 1
            try:
                try:
                    return await conversation(connection)
                except psycopg.errors.FeatureNotSupported:
                    # A query that this connection had parsed before a migration, and forgets with that.
                    await connection.rollback()
                    return await conversation(connection)
            finally:
                self._at_work -= 1
                if connection.info.transaction_status not in (
                    TransactionStatus.IDLE,
                    TransactionStatus.UNKNOWN,
                ):
                    await connection.rollback()

    async def _recover(self, state: RetryCallState) -> None:
        if state.outcome and is_unknown_key(state.outcome.exception()):
            self._key = self._read_key()
            return
        if state.outcome and is_conflict_with_recovery(state.outcome.exception()):
            return
        logger.warning("Database connection failed, retrying (%d/%d)", state.attempt_number, self._attempts)
        # One lost connection means that its neighbours are lost too: have the pool replace them.
        await self._pool.check()


def _pause(state: RetryCallState) -> float:
    """Seconds until the next attempt. A new key is used at once, since it may be replaced as well."""
    return 0 if state.outcome and is_unknown_key(state.outcome.exception()) else _back_off(state)
