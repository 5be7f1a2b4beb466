"""What stands between the network and the MCP server: who may connect, how much they may send, and how slowly."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import uvicorn
from fastmcp import FastMCP
from fastmcp.server.http import StarletteWithLifespan
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from zava.adapters.mcp.bounded_requests import BoundedRequests
from zava.adapters.mcp.direct_calls import DirectCalls, DirectTools
from zava.adapters.mcp.disconnect import DisconnectMiddleware
from zava.adapters.mcp.identity import Callers
from zava.adapters.mcp.progress_streams import ProgressStreams
from zava.adapters.mcp.scoped import ScopeChallenges
from zava.adapters.web.bodies import WholeBodies
from zava.adapters.web.connections import ConnectionLimits, bounded
from zava.core.errors import SetupError
from zava.core.fairness import Requests
from zava.settings import HttpSettings, listed

DRAIN_SECONDS = 10
LOCAL_HOSTS = ("localhost:*", "127.0.0.1:*", "[::1]:*")
MCP_PATH = "/mcp"
MOST_HEADER_BYTES = 32_768
# Headers of the protocol that a page elsewhere sends, and reads.
MCP_HEADERS = ("Authorization", "Content-Type", "Mcp-Method", "Mcp-Name", "MCP-Protocol-Version", "Mcp-Session-Id")
READABLE_HEADERS = ("WWW-Authenticate", "Mcp-Session-Id", "Retry-After")


def http_app(
    server: FastMCP, identity: Callers, settings: HttpSettings, requests: Requests, direct: DirectTools
) -> StarletteWithLifespan:
    """Answers in JSON, and in streams where a client asks for progress.

    Args:
        server: speaks the protocol.
        identity: says who asks.
        settings: of the operator.
        requests: that each principal may send.
        direct: the tools whose plain calls are answered without FastMCP.
    """
    origins = listed(settings.allowed_origins)
    public_host = urlsplit(settings.base_url).hostname or ""
    cors = (
        [
            Middleware(
                CORSMiddleware,
                allow_origins=origins,
                allow_methods=["POST"],
                allow_headers=MCP_HEADERS,
                expose_headers=READABLE_HEADERS,
            )
        ]
        if origins
        else []
    )

    def app(outer: Sequence[Middleware], inner: Sequence[Middleware], *, json_response: bool) -> StarletteWithLifespan:
        around_calls = [Middleware(ScopeChallenges, identity.challenge), Middleware(DisconnectMiddleware)]
        return server.http_app(
            path=MCP_PATH,
            middleware=[*outer, *around_calls, *inner],
            json_response=json_response,
            stateless_http=True,
            host_origin_protection=True,
            allowed_hosts=[*LOCAL_HOSTS, public_host],
            allowed_origins=[*origins, settings.base_url],
        )

    streaming = app([], [], json_response=False)
    answering = app(
        [
            *cors,
            Middleware(WholeBodies),
            Middleware(BoundedRequests, requests),
            Middleware(ProgressStreams, streaming),
        ],
        [Middleware(DirectCalls, MCP_PATH, direct)] if settings.direct else [],
        json_response=True,
    )
    alone = answering.router.lifespan_context

    @asynccontextmanager
    async def together(starting: Starlette) -> AsyncIterator[None]:
        async with streaming.router.lifespan_context(streaming), alone(starting):
            yield

    answering.router.lifespan_context = together
    return answering


def server_config(app: ASGIApp, settings: HttpSettings) -> uvicorn.Config:
    """How it is served.

    Raises:
        SetupError: the certificate or its key cannot be used.
    """
    limits = ConnectionLimits(
        settings.max_connections, MOST_HEADER_BYTES, settings.request_timeout, settings.response_timeout
    )
    config = uvicorn.Config(
        app,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        http=bounded(limits),
        ws="none",
        # uvicorn's own default would believe a variable that is no setting of Zava's.
        proxy_headers=settings.trusted_proxies is not None,
        forwarded_allow_ips=list(listed(settings.trusted_proxies)),
        ssl_certfile=settings.tls_certificate_file,
        ssl_keyfile=settings.tls_key_file,
    )
    try:
        config.load()
    except OSError as error:
        raise SetupError(
            f"ZAVA_HTTP__TLS_CERTIFICATE_FILE and ZAVA_HTTP__TLS_KEY_FILE cannot be used: {error.strerror or error}. "
            "Both have to be readable, in PEM, and belong together; the key has no passphrase."
        ) from None
    return config
