"""Connections that cannot be held for ever: bounded in number, and in the time that a client takes.

uvicorn bounds the size of headers, and the time between two requests. It waits without end for the rest of a request
that has begun, and for a client that does not read its answer.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# What h11 says of a client whose request is not all there.
UNFINISHED = frozenset((h11.IDLE, h11.SEND_BODY))
BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 20\r\n"
    b"Retry-After: 1\r\nConnection: close\r\n\r\nToo many connections"
)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What all clients together, and each of them, may take.

    Attributes:
        connections: at once.
        request_timeout: seconds from the first byte of a request, or from the connection, to the last one.
        response_timeout: seconds in which a client reads some of what waits for it.
    """

    connections: int
    request_timeout: float
    response_timeout: float


class _Timer:
    """Calls a function when its time is up, once started and not stopped."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, expire: Callable[[], None]) -> None:
        self._loop = loop
        self._seconds = seconds
        self._expire = expire
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Lets the time run; when it runs already, it goes on."""
        self._handle = self._handle or self._loop.call_later(self._seconds, self._expire)

    def stop(self) -> None:
        if self._handle:
            self._handle.cancel()
            self._handle = None


class BoundedConnection(H11Protocol):
    """One client's connection. It is closed when its time is up, without a word: such a client would not read it."""

    limits: ClassVar[ConnectionLimits]

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*arguments, **named)
        self._to_ask = _Timer(self.loop, self.limits.request_timeout, self._abort)
        self._to_read = _Timer(self.loop, self.limits.response_timeout, self._abort)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            transport.write(BUSY)
            transport.close()
        else:
            self._to_ask.start()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._to_ask.stop()
        self._to_read.stop()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state in UNFINISHED:
            self._to_ask.start()
        else:
            self._to_ask.stop()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # Between two requests uvicorn waits, and not for long.
        if self.conn.their_state is h11.SEND_BODY or (self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]):
            self._to_ask.start()
        else:
            self._to_ask.stop()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._to_read.start()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._to_read.stop()

    def _abort(self) -> None:
        self.transport.abort()


def bounded(limits: ConnectionLimits) -> type[BoundedConnection]:
    """What uvicorn makes of every connection."""
    return type("BoundedConnection", (BoundedConnection,), {"limits": limits})
