"""The short way of most calls: one document in, one document out, and nothing of it goes through FastMCP.

FastMCP models, validates and copies every message several times, which costs more than the rest of a call. A call that
is known here to the last detail takes the same pipeline without it, and ends in the same bytes. Whatever is not is
FastMCP's, however small the difference: nothing is refused here, so that it remains the one author of the protocol's
errors.
"""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.connection import Connection
from mcp.server.streamable_http import check_accept_headers
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    PROTOCOL_VERSION_META_KEY,
    SERVER_INFO_META_KEY,
)
from mcp_types.methods import validate_client_request
from pydantic import ValidationError
from pydantic_core import from_json, to_json
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from zava.adapters.mcp.client import cleaned, client_named, telling_client
from zava.adapters.mcp.identity import CallerToken
from zava.adapters.mcp.pipeline import CHART, Answer, Failure, Pipeline, ToolSpec
from zava.adapters.mcp.progress_streams import again
from zava.adapters.mcp.server_spans import ServerSpans, WatchedRequest

METHOD = "tools/call"
# Their calls need no session, and their answers are made here as FastMCP makes them.
HANDSHAKE_VERSIONS = frozenset(("2025-06-18", "2025-11-25"))
MODERN_VERSION = "2026-07-28"
# Headers that somebody looks at on the way of a call. Whatever else begins with "mcp-" is not known here.
HEADERS = frozenset(
    (
        b"accept",
        b"content-type",
        b"mcp-method",
        b"mcp-name",
        b"mcp-protocol-version",
        b"traceparent",
        b"tracestate",
        b"user-agent",
    )
)
JSON_TYPES = frozenset((b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"))
MESSAGE = frozenset(("jsonrpc", "id", "method", "params"))
PARAMETERS = frozenset(("name", "arguments", "_meta"))
ENVELOPE = frozenset((PROTOCOL_VERSION_META_KEY, CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY))
TRACE = frozenset(("traceparent", "tracestate"))
# How deep a message may be depends on who reads it.
MOST_BRACKETS = 100
# Half of a character, which one reader takes and another does not.
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
# What clients say of themselves is the same in all of their calls.
MOST_CLIENTS = 1_000
LONGEST_CLIENT = 2_000

Headers = Mapping[bytes, bytes]


class Call(NamedTuple):
    """A call that is known to the last detail.

    Attributes:
        id: of the request.
        client: name and version of the client, by its own account.
        is_modern: whether it is one of the protocol of 2026.
    """

    id: int | str
    spec: ToolSpec[Any]
    arguments: dict[str, Any]
    meta: Mapping[str, Any]
    headers: Headers
    client: str | None
    is_modern: bool


@dataclass(frozen=True)
class DirectTools:
    """What answers direct calls.

    Attributes:
        specs: of the tools.
        pipeline: takes every call.
        spans: surrounds the handling of every message; None where nobody watches.
        server: what an answer says of this server.
    """

    specs: Sequence[ToolSpec[Any]]
    pipeline: Pipeline
    spans: ServerSpans | None
    server: Mapping[str, str]


class DirectCalls:
    """ASGI middleware, the innermost of the application that answers in JSON: behind authentication and limits."""

    def __init__(self, app: ASGIApp, path: str, tools: DirectTools) -> None:
        """Answers calls of these tools.

        Args:
            app: answers everything else.
            path: where calls are sent to.
            tools: what answers them.
        """
        self._app = app
        self._path = path
        self._pipeline = tools.pipeline
        self._spans = tools.spans
        self._specs = {spec.name: spec for spec in tools.specs}
        # Without spans of its own, what the caller's trace becomes is FastMCP's affair.
        self._meta = TRACE if tools.spans else frozenset[str]()
        self._server = {SERVER_INFO_META_KEY: dict(tools.server)}
        self._encode = json.JSONEncoder(separators=(",", ":")).encode
        self._clients: dict[str, str | None] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = self._headers(scope)
        if headers is None:
            await self._app(scope, receive, send)
            return
        message = await receive()
        call = None if message.get("more_body") else self._call(message.get("body", b""), headers)
        if call is None:
            await self._app(scope, again([message], receive), send)
            return
        outcome = await self._outcome(call)
        # FastMCP has the two in another order for each protocol.
        body = self._modern(call.id, outcome) if call.is_modern else _handshake(call.id, outcome)
        type_and_length = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        sent = type_and_length[::-1] if call.is_modern else type_and_length
        await send({"type": "http.response.start", "status": 200, "headers": sent})
        await send({"type": "http.response.body", "body": body})

    async def _outcome(self, call: Call) -> Answer[Any] | Failure:
        # All of it is over before the answer is sent: what waits on the same connection then begins in this context.
        with telling_client(call.client), self._watched(call) as request:
            outcome = await self._pipeline.call(call.spec, call.arguments)
            if request and isinstance(outcome, Failure):
                request.error = outcome.code
        return outcome

    def _watched(self, call: Call) -> AbstractContextManager[WatchedRequest | None]:
        if self._spans is None:
            return nullcontext()
        headers = None
        if b"traceparent" in call.headers:
            headers = {name.decode(): value.decode("latin-1") for name, value in call.headers.items()}
        return self._spans.around(METHOD, call.spec.name, (call.meta, headers))

    def _headers(self, scope: Scope) -> Headers | None:
        """The headers that count, of a request whose body may be a call; None for any other."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != self._path:
            return None
        user = scope["user"]
        if not isinstance(user, AuthenticatedUser) or not isinstance(user.access_token, CallerToken):
            return None
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in HEADERS:
                if name in headers:
                    return None
                headers[name] = value
            elif name.startswith(b"mcp-"):
                return None
        if headers.get(b"content-type") not in JSON_TYPES or not _takes_json(headers.get(b"accept", b"")):
            return None
        return headers

    def _call(self, body: bytes, headers: Headers) -> Call | None:
        """The call that this request is; None when it is none, or not known to the last detail."""
        version = headers.get(b"mcp-protocol-version", b"").decode("latin-1")
        is_modern = version == MODERN_VERSION
        if not is_modern and version not in HANDSHAKE_VERSIONS:
            return None
        message = _message(body, is_modern=is_modern)
        asked = self._asked(message["params"], is_modern=is_modern) if message else None
        if message is None or asked is None:
            return None
        spec, arguments, meta = asked
        client = None
        if is_modern:
            said = headers.get(b"mcp-method"), headers.get(b"mcp-name"), meta.get(PROTOCOL_VERSION_META_KEY)
            if said != (METHOD.encode(), spec.name.encode(), MODERN_VERSION):
                return None
            try:
                client = self._client(meta)
            except ValidationError:
                return None
        client = client or cleaned(headers.get(b"user-agent", b"").decode("latin-1"))
        return Call(message["id"], spec, arguments, meta, headers, client, is_modern)

    def _asked(
        self, parameters: object, *, is_modern: bool
    ) -> tuple[ToolSpec[Any], dict[str, Any], dict[str, Any]] | None:
        """The tool, its arguments and what is said beside them; None for anything that is not known."""
        if type(parameters) is not dict or not parameters.keys() <= PARAMETERS:
            return None
        name, arguments, meta = parameters.get("name"), parameters.get("arguments", {}), parameters.get("_meta", {})
        spec = self._specs.get(name) if type(name) is str else None
        if spec is None or type(arguments) is not dict or type(meta) is not dict:
            return None
        known = self._meta | ENVELOPE if is_modern else self._meta
        is_known = meta.keys() <= known and all(type(meta.get(key, "")) is str for key in TRACE)
        # A picture takes so long that nothing is gained.
        return (spec, arguments, meta) if is_known and not arguments.get(CHART) else None

    def _client(self, meta: Mapping[str, Any]) -> str | None:
        """What a client of 2026 says of itself.

        Raises:
            ValidationError: it does not say so as the protocol wants it.
        """
        said = {key: meta[key] for key in ENVELOPE & meta.keys()}
        key = repr(said)
        if key in self._clients:
            return self._clients[key]
        validate_client_request(METHOD, MODERN_VERSION, {"name": "", "_meta": said})
        connection = Connection.from_envelope(
            MODERN_VERSION, said.get(CLIENT_INFO_META_KEY), said[CLIENT_CAPABILITIES_META_KEY]
        )
        client = client_named(connection.client_params)
        if len(self._clients) < MOST_CLIENTS and len(key) <= LONGEST_CLIENT:
            self._clients[key] = client
        return client

    def _modern(self, request_id: int | str, outcome: Answer[Any] | Failure) -> bytes:
        if isinstance(outcome, Failure):
            result = {
                "_meta": {"zava/error": outcome.error, **self._server},
                "content": _content(outcome),
                "isError": True,
                "resultType": "complete",
            }
        else:
            result = {
                "content": _content(outcome),
                "isError": False,
                "resultType": "complete",
                "structuredContent": outcome.structured,
                "_meta": self._server,
            }
        return self._encode({"jsonrpc": "2.0", "id": request_id, "result": result}).encode()


def _handshake(request_id: int | str, outcome: Answer[Any] | Failure) -> bytes:
    if isinstance(outcome, Failure):
        result = {"_meta": {"zava/error": outcome.error}, "content": _content(outcome), "isError": True}
        return to_json({"jsonrpc": "2.0", "id": request_id, "result": result})
    result = {"content": _content(outcome), "isError": False}
    response = to_json({"jsonrpc": "2.0", "id": request_id, "result": result})
    # What is kept was written when it was found, by the same library: it is not read for this.
    return b'%b,"structuredContent":%b}}' % (response.removesuffix(b"}}"), outcome.structured_json)


def _content(outcome: Answer[Any] | Failure) -> list[dict[str, Any]]:
    content = [{"text": outcome.text, "type": "text"}]
    if isinstance(outcome, Answer) and (link := outcome.link):
        content.append(
            {
                "description": link.description,
                "mimeType": link.mime_type,
                "name": link.name,
                "type": "resource_link",
                "uri": link.uri,
            }
        )
    return content


def _message(body: bytes, *, is_modern: bool) -> dict[str, Any] | None:
    """The call in a body, as the reader of its protocol reads it; None for what another one may read otherwise."""
    if body.count(b"{") + body.count(b"[") > MOST_BRACKETS or SURROGATE.search(body):
        return None
    try:
        text = body.decode()
        message = json.loads(text) if is_modern else from_json(body)
    except ValueError:
        return None
    if type(message) is not dict or message.keys() != MESSAGE:
        return None
    request_id = message["id"]
    is_plain = type(request_id) is int or (type(request_id) is str and request_id.isascii())
    return message if is_plain and message["method"] == METHOD and message["jsonrpc"] == "2.0" else None


@lru_cache(MOST_CLIENTS)
def _takes_json(accept: bytes) -> bool:
    takes_json, _ = check_accept_headers(Request({"type": "http", "headers": [(b"accept", accept)]}))
    return takes_json
