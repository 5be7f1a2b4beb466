"""Whole requests only: a client that leaves in the middle of one is nobody's fault, and nothing to report."""

from collections.abc import Iterator

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# What is longer is refused by the protocol's own code, which allows for as much.
MOST_BYTES = 4 * 2**20


class WholeBodies:
    """ASGI middleware behind the authentication: hands a request on when its body is all there."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Nobody's request is refused before its body is read.
        if scope["type"] != "http" or not scope["user"].is_authenticated:
            await self._app(scope, receive, send)
            return
        messages = await _read(receive)
        if messages is not None:
            await self._app(scope, _again(messages, receive), send)


async def _read(receive: Receive) -> list[Message] | None:
    """The messages of a request, as far as they are needed to judge it; None when the client has gone away."""
    messages: list[Message] = []
    size = 0
    more = True
    while more and size <= MOST_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        messages.append(message)
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    return messages


def _again(messages: list[Message], receive: Receive) -> Receive:
    """An ASGI `receive` that begins with these messages."""
    kept: Iterator[Message] = iter(messages)

    async def again() -> Message:
        for message in kept:
            return message
        return await receive()

    return again
