"""Whole requests only: a client that leaves in the middle of one is nobody's fault, and nothing to report."""

from collections.abc import Iterator

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The longest query, of which each byte is written as an escape, takes half of it. The protocol's own code would take
# 4 MiB, in which there is room for so many things wrong that to find them all keeps every caller waiting for seconds.
MOST_BYTES = 256 * 1024


class WholeBodies:
    """ASGI middleware behind the authentication: hands a request on when its body is all there, and not too long."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Nobody's request is refused before its body is read.
        if scope["type"] != "http" or not scope["user"].is_authenticated:
            await self._app(scope, receive, send)
            return
        body = await _read(receive)
        if body is None:
            return
        app = self._app if len(body) <= MOST_BYTES else PlainTextResponse("Request body too large", 413)
        await app(scope, _again(body, receive), send)


async def _read(receive: Receive) -> bytes | None:
    """The body of a request, as far as it is needed to judge it; None when the client has gone away."""
    body = bytearray()
    more = True
    while more and len(body) <= MOST_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """An ASGI `receive` that begins with this body."""
    kept: Iterator[Message] = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def again() -> Message:
        for message in kept:
            return message
        return await receive()

    return again
