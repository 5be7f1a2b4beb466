"""zava serve: checks the database, then answers MCP clients until told to stop."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import NoReturn

import uvicorn

from zava.adapters.web.health import health_routes
from zava.commands.database import Database, open_database
from zava.commands.welcome import welcome
from zava.container import Container, new_container
from zava.core.errors import SetupError
from zava.settings import Settings

DRAIN_SECONDS = 10
LOCAL_HOSTS = ["localhost:*", "127.0.0.1:*", "[::1]:*"]


def serve_http(settings: Settings) -> None:
    """Serves MCP over streamable HTTP."""
    host, port = settings.http.host, settings.http.port
    if settings.database.dsn is None and not _is_loopback(host):
        raise SetupError(
            f"The sample shop is served on a loopback address only, and {host} is not one: its tokens are known to "
            "everybody. Leave out --host, or set ZAVA_DATABASE__DSN to serve a database of your own."
        )
    url = f"http://{_in_url(host)}:{port}/mcp"
    with _listen(host, port) as listener, open_database(settings, serving_at=url) as database:
        _prepare(database, settings)
        container = new_container(settings, database.access, database.principals())
        asyncio.run(_answer_http(container, listener, url))


def serve_stdio(settings: Settings) -> None:
    """Serves MCP over standard input and output, for the principal of ZAVA_TOKEN."""
    # Clients stop a server with SIGTERM; leaving by an exception stops the embedded PostgreSQL in good order.
    signal.signal(signal.SIGTERM, _leave)
    with open_database(settings, serving_at="stdio") as database:
        token = settings.token.get_secret_value() if settings.token else None
        if token not in database.principals():
            raise SetupError(
                "Over stdio, ZAVA_TOKEN says who asks: set it to a token that this server knows, "
                "such as demo-store-seattle for the sample shop."
            )
        _prepare(database, settings)
        container = new_container(settings, database.access, database.principals(), token)
        asyncio.run(_answer_stdio(container))


def _prepare(database: Database, settings: Settings) -> None:
    """The embedded database is made complete; a configured one is only checked."""
    if database.embedded:
        database.migrate()
        database.seed(settings.embedded.scale)


async def _answer_http(container: Container, listener: socket.socket, url: str) -> None:
    async with _ready(container):
        server = container.server()
        app = server.http_app(
            path="/mcp",
            json_response=True,
            stateless_http=True,
            host_origin_protection=True,
            allowed_hosts=LOCAL_HOSTS,
        )
        app.router.routes.extend(health_routes(container.checks()))
        config = uvicorn.Config(
            app, lifespan="on", log_config=None, access_log=False, timeout_graceful_shutdown=DRAIN_SECONDS
        )
        print(welcome(url), flush=True)
        await uvicorn.Server(config).serve(sockets=[listener])


async def _answer_stdio(container: Container) -> None:
    async with _ready(container):
        await container.server().run_stdio_async(show_banner=False)


@asynccontextmanager
async def _ready(container: Container) -> AsyncIterator[None]:
    """Everything open and fit to answer. Stops in the reverse order."""
    async with container.pool():
        inspection = container.inspection()
        for check in (inspection.reachable, inspection.schema_version, inspection.row_security):
            await check()
        yield


def _listen(host: str, port: int) -> socket.socket:
    """The port, taken before anything else is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise SetupError(
            f"Cannot listen on {host}:{port}: {error.strerror}. Choose another port with --port."
        ) from error


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _leave(*_: object) -> NoReturn:
    raise SystemExit(0)
