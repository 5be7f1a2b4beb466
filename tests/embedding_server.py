"""A provider of embeddings that speaks OpenAI's protocol over TCP, and answers as a test tells it to."""

import asyncio
import base64
import json
import struct
import time
import zlib
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

DIMENSIONS = 8

# Seconds, after which everybody has given up.
NEVER = 3_600


@dataclass(frozen=True)
class Request:
    """What the server was asked.

    Attributes:
        target: path and query.
        headers: by their names in lower case.
        body: as JSON.
        at: seconds of a clock that only grows.
    """

    target: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float

    @property
    def texts(self) -> list[str]:
        return [str(text) for text in self.body["input"]]


@dataclass(frozen=True)
class Reply:
    """What it answers.

    Attributes:
        body: None for the right answer.
        delay: seconds before the answer.
        cut: bytes of the body after which the connection is closed.
        pause: seconds after each byte of the body.
    """

    body: bytes | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0
    cut: int | None = None
    pause: float = 0


def vector_of(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """Numbers that tell this text from others; the length is not one."""
    return [1 + zlib.crc32(f"{place} {text}".encode()) % 1_000 for place in range(dimensions)]


def packed(vector: Sequence[float]) -> str:
    """Base64 of little-endian float32."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def answer(*embeddings: object, indexes: Sequence[int] | None = None) -> bytes:
    """The JSON of an answer with these embeddings."""
    data = [
        {"object": "embedding", "index": index, "embedding": embedding}
        for index, embedding in zip(indexes or range(len(embeddings)), embeddings, strict=True)
    ]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return json.dumps({"object": "list", "data": data, "model": "a-model", "usage": usage}).encode()


@dataclass
class EmbeddingServer:
    """Answers what the test has planned, in that order, and afterwards rightly.

    Attributes:
        url: where its API is.
        plan: the next answers.
        requests: what it was asked so far.
        asked: set once it has been asked anything.
        connections: those that are open.
    """

    url: str = ""
    plan: deque[Reply] = field(default_factory=deque)
    requests: list[Request] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    connections: set[asyncio.Task[None]] = field(default_factory=set)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection to its end."""
        try:
            while request := await _read(reader):
                self.requests.append(request)
                self.asked.set()
                reply = self.plan.popleft() if self.plan else Reply()
                if not await _write(writer, request, reply):
                    break
        except ConnectionError:
            pass  # the client has gone
        finally:
            writer.close()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self.converse(reader, writer))
        self.connections.add(connection)
        connection.add_done_callback(self.connections.discard)


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers["content-length"]))
    return Request(first.split(" ")[1], headers, json.loads(body), time.monotonic())


async def _write(writer: asyncio.StreamWriter, request: Request, reply: Reply) -> bool:
    """Answers, and says whether the connection may go on."""
    await asyncio.sleep(reply.delay)
    body = answer(*(packed(vector_of(text)) for text in request.texts)) if reply.body is None else reply.body
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))} | reply.headers
    lines = [f"HTTP/1.1 {reply.status} Planned", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    writer.write("\r\n".join(lines).encode())
    step = 1 if reply.pause else max(len(body), 1)
    sent = body[: reply.cut]
    for start in range(0, len(sent), step):
        writer.write(sent[start : start + step])
        await writer.drain()
        await asyncio.sleep(reply.pause)
    return reply.cut is None


@asynccontextmanager
async def embedding_server(port: int = 0) -> AsyncIterator[EmbeddingServer]:
    """A server on this port of this machine, or on a free one."""
    server = EmbeddingServer()
    listener = await asyncio.start_server(server.accept, "127.0.0.1", port)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        listener.close()
        connections = list(server.connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await listener.wait_closed()
