"""Several commands in one round trip, at the level of the protocol: for what a cursor cannot ask, such as Describe.

A connection that has not parsed our statements yet takes one round trip more.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import psycopg
from psycopg.abc import PQGen
from psycopg.errors import error_from_result
from psycopg.generators import fetch_many, pipeline_communicate
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult

Connection: TypeAlias = psycopg.AsyncConnection[Any]
Command: TypeAlias = Callable[[], None]

# Names of the statements that a connection has parsed already.
_parsed: WeakKeyDictionary[Connection, set[bytes]] = WeakKeyDictionary()


class Exchange:
    """Commands to send together. Each has one result, in their order; after a failure the others are not run."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._commands: list[Command] = []
        self._statements: dict[bytes, bytes] = {}

    def execute(self, query: str, *parameters: str) -> None:
        """A query of our own with parameters $1, $2, …, parsed once a connection; the answer comes as text."""
        text = query.encode()
        name = hashlib.sha256(text).hexdigest()[:16].encode()
        self._statements[name] = text
        self._add(self._pgconn.send_query_prepared, name, [parameter.encode() for parameter in parameters])

    def execute_once(self, query: str, *parameters: str) -> None:
        """As execute, for a text that is another each time: the connection must not keep it."""
        self._add(self._pgconn.send_query_params, query.encode(), [parameter.encode() for parameter in parameters])

    def describe(self, query: str) -> None:
        """Parses a query without running it. Adds two results; the second has names and types of the columns."""
        self._add(self._pgconn.send_prepare, b"", query.encode())
        self._add(self._pgconn.send_describe_prepared, b"")

    async def send(self) -> Sequence[PGresult]:
        """The result of each command.

        Raises:
            psycopg.Error: of the first command that failed.
        """
        await self._parse()
        return await self._send(self._commands)

    async def _parse(self) -> None:
        parsed = _parsed.setdefault(self._connection, set())
        missing = [partial(self._pgconn.send_prepare, *one) for one in self._statements.items() if one[0] not in parsed]
        if not missing:
            return
        try:
            await self._send(missing)
        except BaseException:
            # Nobody knows which of them it has.
            await self._connection.close()
            raise
        parsed.update(self._statements)

    async def _send(self, commands: Sequence[Command]) -> Sequence[PGresult]:
        self._pgconn.enter_pipeline_mode()
        try:
            results = await self._connection.wait(_communicate(self._pgconn, [*commands, self._pgconn.pipeline_sync]))
        finally:
            if not self._connection.closed:
                self._pgconn.exit_pipeline_mode()
        for result in results:
            if result.status == ExecStatus.FATAL_ERROR:
                raise error_from_result(result, encoding=self._connection.info.encoding)
        return results

    @property
    def _pgconn(self) -> PGconn:
        return self._connection.pgconn

    def _add(self, send: Callable[..., None], *arguments: object) -> None:
        self._commands.append(partial(send, *arguments))


def _communicate(pgconn: PGconn, commands: Sequence[Command]) -> PQGen[list[PGresult]]:
    results = yield from pipeline_communicate(pgconn, deque(commands))
    while len(results) < len(commands):
        results.append((yield from fetch_many(pgconn)))
    return [result for (result, *_) in results]


def last_value(result: PGresult) -> str:
    """The last value of the first row."""
    return (result.get_value(0, result.nfields - 1) or b"").decode()
