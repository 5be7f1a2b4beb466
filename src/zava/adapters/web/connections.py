"""Connections that cannot be held for ever: bounded in number, and in the time that a client takes.

uvicorn bounds the time between two requests. It waits without end for the rest of a request that has begun, and for a
client that does not read its answer. Its fast parser takes headers of any size, and some that HTTP forbids. When it is
told to stop it hangs up on whoever has connected and not been heard yet.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

BLANKS = b" \t"
# So long who has connected may still ask when the server has been told to stop.
LAST_SECONDS = 1.0
BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 20\r\n"
    b"Retry-After: 1\r\nConnection: close\r\n\r\nToo many connections"
)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What all clients together, and each of them, may take.

    Attributes:
        connections: at once.
        header_bytes: of one request, target and all.
        request_timeout: seconds from the first byte of a request, or from the connection, to the last one.
        response_timeout: seconds in which a client reads some of what waits for it.
    """

    connections: int
    header_bytes: int
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


class _Transport:
    """A transport that drops what is written after its end, as those of asyncio do; uvloop's raise errors."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a transport has
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)


class BoundedConnection(HttpToolsProtocol):
    """One client's connection. It is closed when its time is up, without a word: such a client would not read it."""

    limits: ClassVar[ConnectionLimits]

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*arguments, **named)
        self._to_ask = _Timer(self.loop, self.limits.request_timeout, self._abort)
        self._to_read = _Timer(self.loop, self.limits.response_timeout, self._abort)
        # Whether all that has come so far are whole requests.
        self._is_whole = False
        self._has_headers = False
        self._header_bytes = 0
        # Whether the server stops: the next answer ends the connection.
        self._is_last = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(cast("asyncio.Transport", _Transport(transport)))
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
        if self.transport.is_closing():
            return
        if not (self._is_whole or self._has_headers):
            # Whatever is not whole yet is not seen by on_headers_complete().
            self._header_bytes += len(data)
        self._is_whole = False
        super().data_received(data)
        if self._header_bytes > self.limits.header_bytes and not (self._is_whole or self._has_headers):
            self.send_400_response("Invalid HTTP request received.")
        self._watch_request()

    def on_message_begin(self) -> None:
        self._is_whole = self._has_headers = False
        self._header_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # What comes after a body in chunks would otherwise pass for headers that nobody has checked.
        if not self._has_headers:
            super().on_header(name, value.strip(BLANKS))

    def on_headers_complete(self) -> None:
        self._has_headers = True
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        hosts = sum(name == b"host" for name, _ in self.headers)
        if size > self.limits.header_bytes or hosts > 1 or (hosts == 0 and self.parser.get_http_version() == "1.1"):
            # The parser ends here, and uvicorn answers 400.
            raise ValueError("headers that are too long, or do not name one host")
        super().on_headers_complete()
        if self._is_last:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._is_whole = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch_request()

    def shutdown(self) -> None:
        self._is_last = True
        if self._is_idle:
            self.loop.call_later(LAST_SECONDS, self._close_if_idle)
        else:
            super().shutdown()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._to_read.start()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._to_read.stop()

    def _watch_request(self) -> None:
        # Between two requests uvicorn waits, and not for long.
        if self._is_whole:
            self._to_ask.stop()
        else:
            self._to_ask.start()

    @property
    def _is_idle(self) -> bool:
        # There is no cycle before the first request, though uvicorn's type says otherwise.
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]

    def _close_if_idle(self) -> None:
        if self._is_idle:
            self.transport.close()

    def _abort(self) -> None:
        self.transport.abort()


def bounded(limits: ConnectionLimits) -> type[BoundedConnection]:
    """What uvicorn makes of every connection."""
    return type("BoundedConnection", (BoundedConnection,), {"limits": limits})


class DrainingServer(uvicorn.Server):
    """Answers everybody who has connected by the time it closes its port."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Takes in whom the kernel has connected, and would reset as soon as the port is closed.

        Args:
            sockets: the ports.
        """
        connected = [connection for listener in sockets or () for connection in _waiting(listener)]
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        entering = [loop.connect_accepted_socket(self._protocol, one, ssl=self.config.ssl) for one in connected]
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                await asyncio.gather(*entering, return_exceptions=True)
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg] # as uvicorn has it
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


def _waiting(listener: socket.socket) -> list[socket.socket]:
    """The connections that nobody has accepted yet."""
    listener.settimeout(0)
    connections = []
    with suppress(OSError):
        while True:
            connections.append(listener.accept()[0])
    return connections
