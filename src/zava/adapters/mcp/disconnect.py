"""Is the client still there? Work for an answer that nobody will read is stopped.

Knows ASGI and asyncio, and no MCP: it serves FastMCP's paths as well as any other.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TypeVar

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Result = TypeVar("Result")

# Most calls have been answered by then, and pay for a timer instead of a task.
WATCH_AFTER_SECONDS = 0.05


class DisconnectedError(Exception):
    """The client has gone away."""


class Exchange:
    """One HTTP request and its response, and those who want to know when the client leaves in between.

    The application must use its `receive` and `send`. The body passes through untouched, as fast as the application
    reads it; what comes after it is read here, once for all who ask. What a disconnect is, the server says.
    """

    __slots__ = ("_answered", "_asked", "_listeners", "_reader", "_receive", "_send", "_timer")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._asked = False
        self._answered = False
        self._listeners: list[Callable[[], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._reader: asyncio.Task[Message] | None = None

    async def receive(self) -> Message:
        """The ASGI `receive` of the application."""
        if self._asked:
            return await asyncio.shield(self._reading())
        message = await self._receive()
        self._asked = message["type"] == "http.request" and not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """The ASGI `send` of the application."""
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._answered = True
        await self._send(message)

    def listen(self, listener: Callable[[], None]) -> None:
        """Calls this when the client leaves before it has its answer."""
        self._listeners.append(listener)
        if self._timer is None and self._reader is None and not self._answered:
            self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_SECONDS, self._watch)

    def forget(self, listener: Callable[[], None]) -> None:
        """Undoes listen()."""
        self._listeners.remove(listener)
        if not self._listeners:
            self._stop_timer()

    def close(self) -> None:
        """The application has returned. Whoever still works for an answer that has not been given is told."""
        self._tell()
        self._answered = True
        self._stop_timer()
        if self._reader:
            self._reader.cancel()

    def _watch(self) -> None:
        self._timer = None
        if self._asked and not self._answered:
            self._reading()

    def _reading(self) -> asyncio.Task[Message]:
        self._reader = self._reader or asyncio.create_task(self._read())
        return self._reader

    async def _read(self) -> Message:
        while (message := await self._receive())["type"] == "http.request":
            pass
        self._tell()
        return message

    def _tell(self) -> None:
        # Servers say "disconnect" after a whole answer, too.
        if not self._answered:
            for listener in self._listeners:
                listener()

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None


_current: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


class DisconnectMiddleware:
    """ASGI middleware: lets whatever handles a request use cancelled_on_disconnect()."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(receive, send)
        before = _current.set(exchange)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        finally:
            exchange.close()
            _current.reset(before)


class cancelled_on_disconnect:  # noqa: N801 - reads like asyncio.timeout
    """Cancels what the task does within when the client leaves, and raises DisconnectedError in its place.

    Without a client that can leave, as over stdio, it does nothing. Like asyncio.timeout it cancels once.
    """

    __slots__ = ("_cancelling", "_exchange", "_stopped", "_task")

    def __init__(self) -> None:
        self._exchange = _current.get()
        self._stopped = False

    def __enter__(self) -> None:
        if self._exchange:
            self._task = asyncio.current_task()
            self._cancelling = self._task.cancelling() if self._task else 0
            self._exchange.listen(self._stop)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._exchange:
            self._exchange.forget(self._stop)
        if self._stopped and self._task:
            others = self._task.uncancel() > self._cancelling
            if isinstance(error, asyncio.CancelledError) and not others:
                raise DisconnectedError from error

    def _stop(self) -> None:
        # A second cancellation would interrupt the clearing up after the first.
        if self._task and not self._task.cancelling():
            self._stopped = True
            self._task.cancel()


async def cancelled_once(work: Coroutine[Any, Any, Result]) -> Result:
    """Awaits work that is cancelled once, and then left alone until it has cleared up.

    anyio, and so FastMCP, cancels again at every turn of the loop until a task has ended. psycopg then never gets to
    cancel the query: it throws the connection away, and PostgreSQL works on.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait((task,))
    except asyncio.CancelledError:
        if not task.cancelling():
            task.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait((task,))
        if not task.cancelled():
            task.exception()  # whatever it is, nobody waits for it any more
        raise
    return task.result()
