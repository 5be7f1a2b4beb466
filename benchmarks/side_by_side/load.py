"""Asks a server as often as it answers, and takes the time of each answer."""

import asyncio
import itertools
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import httptools
import psycopg

LONGEST_SECONDS = 300
POOL = 10
WRONG = (b'"isError":true', b'"isError": true', b'"error":{', b'"error": {', b'"text":"Error')
ID = re.compile(rb'"id":\s*(\d+)')


@dataclass(frozen=True)
class Question:
    """A call of a tool."""

    tool: str
    arguments: dict[str, Any]

    @property
    def parameters(self) -> dict[str, Any]:
        return {"name": self.tool, "arguments": self.arguments}


@dataclass
class Load:
    """What came of asking.

    Attributes:
        milliseconds: of each answer.
        seconds: of all of it.
        failures: answers that were errors, and connections that broke.
        failure: the first of them.
    """

    milliseconds: list[float] = field(default_factory=list)
    seconds: float = 0
    failures: int = 0
    failure: bytes = b""

    def add(self, seconds: float, answer: bytes, *, right: bool = True) -> None:
        self.milliseconds.append(seconds * 1000)
        if not right or any(mark in answer for mark in WRONG):
            self.failures += 1
            self.failure = self.failure or answer[:300]

    @property
    def per_second(self) -> float:
        return len(self.milliseconds) / self.seconds


class Asked(Protocol):
    """Something that answers questions."""

    async def ask(self, question: Question) -> dict[str, Any]:
        """The result of one call."""
        ...

    async def load(self, questions: Sequence[Question], concurrency: int, seconds: float) -> Load:
        """Asks these questions in turn, so many at once, for so long."""
        ...


class Connection(asyncio.Protocol):
    """One connection, on which one request after the other is answered."""

    def __init__(self, requests: Callable[[], bytes | None], load: Load) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._load = load
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._waiting = False
        self._started = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting:
            self._load.add(time.perf_counter() - self._started, str(exc).encode(), right=False)
        self.closed.set_result(None)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        seconds = time.perf_counter() - self._started
        self._load.add(seconds, b"".join(self._body), right=self._parser.get_status_code() == 200)  # noqa: PLR2004
        self._waiting = False
        self._next()

    def _next(self) -> None:
        request = self._requests()
        if request is None:
            self._transport.close()
            return
        self._body.clear()
        self._waiting = True
        self._started = time.perf_counter()
        self._transport.write(request)


class HttpServer(Asked):
    """A server of streamable HTTP."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        where = urlsplit(url)
        self._host, self._port, self._path = where.hostname or "", where.port or 80, where.path
        self._headers = headers

    async def begin(self) -> None:
        """Shakes hands, as the protocol wants it."""
        about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "peers", "version": "1"}}
        headers, _ = await self._once({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": about})
        if session := headers.get("mcp-session-id"):
            self._headers["Mcp-Session-Id"] = session
        self._headers["MCP-Protocol-Version"] = "2025-06-18"
        await self._once({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def ask(self, question: Question) -> dict[str, Any]:
        _, body = await self._once(_call(1, question))
        if b"\ndata: " in b"\n" + body:
            body = next(line[6:] for line in body.splitlines() if line.startswith(b"data: "))
        return cast("dict[str, Any]", json.loads(body).get("result", {}))

    async def load(self, questions: Sequence[Question], concurrency: int, seconds: float) -> Load:
        bodies = itertools.cycle([self._request(_call(1, question)) for question in questions])
        load = Load()
        loop = asyncio.get_running_loop()
        begin = time.perf_counter()

        def next_request() -> bytes | None:
            return next(bodies) if time.perf_counter() - begin < seconds else None

        async with asyncio.timeout(LONGEST_SECONDS):
            pairs = [
                await loop.create_connection(lambda: Connection(next_request, load), self._host, self._port)
                for _ in range(concurrency)
            ]
            for _, connection in pairs:
                await connection.closed
        load.seconds = time.perf_counter() - begin
        return load

    def _request(self, message: dict[str, Any]) -> bytes:
        body = json.dumps(message).encode()
        headers = {
            "Host": f"{self._host}:{self._port}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "Content-Length": str(len(body)),
        } | self._headers
        lines = [f"POST {self._path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode() + body

    async def _once(self, message: dict[str, Any]) -> tuple[dict[str, str], bytes]:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        whole = _WholeAnswer()
        parser = httptools.HttpResponseParser(whole)
        try:
            writer.write(self._request(message))
            while not whole.complete:
                data = await asyncio.wait_for(reader.read(65536), LONGEST_SECONDS)
                if not data:
                    break
                parser.feed_data(data)
        finally:
            writer.close()
        return whole.headers, b"".join(whole.body)


class _WholeAnswer:
    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body: list[bytes] = []
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        self.complete = True


class StdioServer(Asked):
    """A server of standard input and output."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None  # noqa: S101 - they are pipes
        assert process.stdout is not None  # noqa: S101
        self._stdin, self._stdout = process.stdin, process.stdout
        self._numbers = itertools.count(1)

    async def begin(self) -> None:
        about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "peers", "version": "1"}}
        await self._once({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": about})
        self._stdin.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')

    async def ask(self, question: Question) -> dict[str, Any]:
        return cast("dict[str, Any]", json.loads(await self._once(_call(next(self._numbers), question)))["result"])

    async def load(self, questions: Sequence[Question], concurrency: int, seconds: float) -> Load:
        # Everything but the number is written once.
        rest = itertools.cycle(
            [
                f',"method":"tools/call","params":{json.dumps(question.parameters)}}}\n'.encode()
                for question in questions
            ]
        )
        load, sent = Load(), dict[int, float]()

        def send() -> None:
            number = next(self._numbers)
            sent[number] = time.perf_counter()
            self._stdin.write(b'{"jsonrpc":"2.0","id":%d' % number + next(rest))

        begin = time.perf_counter()
        for _ in range(concurrency):
            send()
        while sent:
            number, answer = await self._answer()
            if (started := sent.pop(number, None)) is None:
                continue
            load.add(time.perf_counter() - started, answer)
            if time.perf_counter() - begin < seconds:
                send()
        load.seconds = time.perf_counter() - begin
        return load

    async def _once(self, message: dict[str, Any]) -> bytes:
        self._stdin.write(json.dumps(message).encode() + b"\n")
        while True:
            number, answer = await self._answer()
            if number == message["id"]:
                return answer

    async def _answer(self) -> tuple[int, bytes]:
        while True:
            line = await asyncio.wait_for(self._stdout.readline(), LONGEST_SECONDS)
            if not line:
                raise ConnectionError("the server has ended")
            # Before a long answer, or after it.
            if number := ID.search(line[:100]) or ID.search(line[-100:]):
                return int(number[1]), line


class RawPsycopg(Asked):
    """No server at all: prepared statements on a few connections."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connections: list[psycopg.AsyncConnection] = []

    async def ask(self, question: Question) -> dict[str, Any]:
        await self._connect(1)
        cursor = await self._connections[0].execute(_sql(question))
        return {"rows": await cursor.fetchall()}

    async def load(self, questions: Sequence[Question], concurrency: int, seconds: float) -> Load:
        queries = itertools.cycle(map(_sql, questions))
        load = Load()
        await self._connect(min(concurrency, POOL))
        begin = time.perf_counter()

        async def work(connection: psycopg.AsyncConnection) -> None:
            while (started := time.perf_counter()) - begin < seconds:
                cursor = await connection.execute(next(queries))
                await cursor.fetchall()
                load.add(time.perf_counter() - started, b"")

        await asyncio.gather(*map(work, self._connections[: min(concurrency, POOL)]))
        load.seconds = time.perf_counter() - begin
        return load

    async def close(self) -> None:
        for connection in self._connections:
            await connection.close()

    async def _connect(self, wanted: int) -> None:
        while len(self._connections) < wanted:
            self._connections.append(
                await psycopg.AsyncConnection.connect(self._dsn, autocommit=True, prepare_threshold=0)
            )


def _sql(question: Question) -> bytes:
    query: str = question.arguments["sql"]
    return query.encode()


def _call(number: int, question: Question) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": question.parameters}
