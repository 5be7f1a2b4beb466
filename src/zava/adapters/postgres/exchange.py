"""Several commands in one round trip and one write, at the level of the protocol.

A cursor in a pipeline of psycopg writes each command by itself, which wakes PostgreSQL as often, and cannot ask all
that the protocol can, such as Describe.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import count
from typing import Any, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

import psycopg
from psycopg.abc import Buffer, PQGen
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.generators import fetch_many, pipeline_communicate
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult

Connection: TypeAlias = psycopg.AsyncConnection[Any]
Command: TypeAlias = Callable[[], None]
# A text, and the types of its parameters.
Statement: TypeAlias = tuple[bytes, tuple[int, ...]]
Row = TypeVar("Row")

PARAMETER = re.compile(r"%(?:%|\((\w+)\)s)")

# What each connection has parsed, and the names of it. A name is given once.
_parsed: WeakKeyDictionary[Connection, dict[Statement, bytes]] = WeakKeyDictionary()
_numbers = count()


class Exchange:
    """Commands to send together. Each has one result, in their order; after a failure the others are not run.

    Where psycopg keeps no parsed queries on a connection (prepare_threshold is None), this keeps none either: behind a
    pooler the next transaction may be on another connection of the server, where a name is unknown or somebody else's.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._keeps = connection.prepare_threshold is not None
        self._known = _parsed.setdefault(connection, {})
        self._commands: list[Command] = []
        # By their places among the commands.
        self._parses: dict[int, tuple[Statement, bytes]] = {}

    def ask(self, query: str, parameters: Mapping[str, object], *, keep: bool = True) -> None:
        """A query with parameters %(name)s, as a cursor takes it.

        Args:
            query: its text.
            parameters: those of the query, and perhaps others.
            keep: whether the connection keeps the parsed query: not a text that is another each time.

        Raises:
            psycopg.DataError: PostgreSQL has no such value.
        """
        text, names = _numbered(query)
        transformer = Transformer(self._connection)
        values = transformer.dump_sequence([parameters[name] for name in names], [PyFormat.AUTO] * len(names))
        types, formats = transformer.types or (), transformer.formats
        self._execute((text, types), values, formats, keep=keep)

    def execute(self, query: str, *parameters: str) -> None:
        """A query of our own with parameters $1, $2, …, parsed once a connection; the answer comes as text."""
        self._execute((query.encode(), ()), [parameter.encode() for parameter in parameters], None, keep=True)

    def execute_once(self, query: str, *parameters: str) -> None:
        """As execute, for a text that is another each time: the connection must not keep it."""
        self._execute((query.encode(), ()), [parameter.encode() for parameter in parameters], None, keep=False)

    def describe(self, query: str) -> None:
        """Parses a query without running it. Adds two results; the second has names and types of the columns."""
        self._add(self._pgconn.send_prepare, b"", query.encode())
        self._add(self._pgconn.send_describe_prepared, b"")

    async def send(self) -> Sequence[PGresult]:
        """The result of each command.

        Raises:
            psycopg.Error: of the first command that failed.
        """
        self._pgconn.enter_pipeline_mode()
        try:
            commands = [*self._commands, self._pgconn.pipeline_sync]
            *results, _synced = await self._connection.wait(_communicate(self._pgconn, commands))
        finally:
            if not self._connection.closed:
                self._pgconn.exit_pipeline_mode()
        for place, (statement, name) in self._parses.items():
            if results[place].status == ExecStatus.COMMAND_OK:
                self._known[statement] = name
        for result in results:
            if result.status == ExecStatus.FATAL_ERROR:
                error = error_from_result(result, encoding=self._connection.info.encoding)
                if isinstance(error, psycopg.errors.FeatureNotSupported):
                    # "cached plan must not change result type": a migration has changed what a parsed query returns.
                    self._known.clear()
                raise error
        return [result for place, result in enumerate(results) if place not in self._parses]

    def _execute(
        self, statement: Statement, values: Sequence[Buffer | None], formats: Sequence[Format] | None, *, keep: bool
    ) -> None:
        if not (keep and self._keeps):
            text, types = statement
            self._add(self._pgconn.send_query_params, text, values, types or None, formats)
            return
        name = self._known.get(statement)
        if name is None:
            name = str(next(_numbers)).encode()
            self._parses[len(self._commands)] = statement, name
            self._add(self._pgconn.send_prepare, name, *statement)
        self._add(self._pgconn.send_query_prepared, name, values, formats)

    @property
    def _pgconn(self) -> PGconn:
        return self._connection.pgconn

    def _add(self, send: Callable[..., None], *arguments: object) -> None:
        self._commands.append(partial(send, *arguments))


def _communicate(pgconn: PGconn, commands: Sequence[Command]) -> PQGen[list[PGresult]]:
    def queue() -> None:
        for command in commands:
            command()

    # psycopg writes after each that it is given.
    results = yield from pipeline_communicate(pgconn, deque([queue]))
    while len(results) < len(commands):
        results.append((yield from fetch_many(pgconn)))
    return [result for (result, *_) in results]


def last_value(result: PGresult) -> str:
    """The last value of the first row."""
    return (result.get_value(0, result.nfields - 1) or b"").decode()


def rows_of(connection: Connection, result: PGresult, row: type[Row]) -> list[Row]:
    """Each row of the result as this dataclass, whose fields are called as the columns."""
    transformer = Transformer(connection)
    transformer.set_pgresult(result)
    names = [(result.fname(column) or b"").decode() for column in range(result.nfields)]
    return transformer.load_rows(0, result.ntuples, lambda values: row(**dict(zip(names, values, strict=True))))


@lru_cache(maxsize=256)
def _numbered(query: str) -> tuple[bytes, tuple[str, ...]]:
    """The query with $1, $2, … for its parameters, as the protocol has it, and their names in this order."""
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        return f"${numbers.setdefault(found[1], len(numbers) + 1)}" if found[1] else "%"

    return PARAMETER.sub(number, query).encode(), tuple(numbers)
