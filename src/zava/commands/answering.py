"""Answers MCP clients, once everything that an answer needs is there."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import NoReturn

import uvloop

from zava.adapters.postgres.access import DatabaseAccess
from zava.adapters.postgres.audit_trail import AuditWriter
from zava.adapters.postgres.query_shapes import text_of
from zava.adapters.postgres.sales_rollup import SalesRollup
from zava.adapters.telemetry.call_context import add_call_context
from zava.adapters.telemetry.setup import open_telemetry
from zava.adapters.telemetry.telemetry import DatabaseServer, Telemetry
from zava.adapters.web.connections import DrainingServer
from zava.adapters.web.health import health_routes
from zava.adapters.web.welcome import welcome_routes
from zava.commands.answer_cache import keep_looking
from zava.commands.audit import auditing
from zava.commands.clients import program
from zava.commands.database import Database
from zava.commands.embed import BATCH, embed
from zava.commands.http_server import http_app, server_config
from zava.commands.rollup import keep_rolled_up
from zava.commands.welcome import plain_welcome, sample_shop_welcome
from zava.commands.welcome_page import welcome_page
from zava.container import VERSION, Container, new_container
from zava.core.errors import EmbeddingError, SetupError, ZavaError
from zava.core.model import Backlog
from zava.core.ports import EmbeddingProvider
from zava.settings import Settings

logger = logging.getLogger(__name__)


def announce(text: str) -> None:
    """Tells people that all is ready."""
    print(text, flush=True)


@dataclass(frozen=True)
class Entrance:
    """Where clients come in to a process.

    Attributes:
        listener: the port.
        url: the address, as clients know it.
        ready: is given the words for people when all is ready.
        first: whether the process does what one does for all that share the port.
    """

    listener: socket.socket
    url: str
    ready: Callable[[str], None] = announce
    first: bool = True


def answer_http(settings: Settings, database: Database, entrance: Entrance) -> None:
    """Answers over HTTP until a signal comes; says so when all is ready."""
    with telemetry_of(settings, database.access) as telemetry:
        container = new_container(settings, database.access, database.principals(), telemetry=telemetry)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_answer_http(container, database, entrance))


def answer_stdio(settings: Settings, database: Database, token: str | None) -> None:
    """Answers over standard input and output, until the input ends, for the principal of this token."""
    with ExitStack() as stack:
        telemetry = stack.enter_context(telemetry_of(settings, database.access))

        def leave(*_: object) -> NoReturn:
            """Sends what is left, and ends the program at once: a thread waits for standard input."""
            stack.close()
            os._exit(0)

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, leave)
        container = new_container(settings, database.access, database.principals(), token, telemetry)
        asyncio.run(_answer_stdio(container, database))


def telemetry_of(settings: Settings, access: DatabaseAccess) -> AbstractContextManager[Telemetry]:
    """What the server of this database tells of itself, and to whom the environment says."""
    return open_telemetry(
        os.environ,
        DatabaseServer(*access.server()),
        version=VERSION,
        text_of=text_of if settings.telemetry.query_text else None,
    )


async def _answer_http(container: Container, database: Database, entrance: Entrance) -> None:
    async with _ready(container, database, first=entrance.first):
        settings = container.settings()
        app = http_app(
            container.server(), container.identity(), settings.http, container.requests(), container.direct_tools()
        )
        app.router.routes.extend(health_routes(container.checks()))
        # The page lets anybody be anybody, so it is the sample shop's alone.
        if database.embedded:
            app.router.routes.extend(welcome_routes(welcome_page(VERSION, entrance.url, program(settings))))
        config = server_config(app, settings.http)
        url = entrance.url
        entrance.ready(sample_shop_welcome(url) if database.embedded else plain_welcome(url, settings.auth.issuer))
        await DrainingServer(config).serve(sockets=[entrance.listener])


async def _answer_stdio(container: Container, database: Database) -> None:
    async with _ready(container, database):
        await _check_token(container)
        await container.server().run_stdio_async(show_banner=False, log_level="WARNING")


async def _check_token(container: Container) -> None:
    """Refuses to start for nobody, rather than every call."""
    try:
        caller = await container.identity().caller()
    except ZavaError as error:
        raise SetupError(f"ZAVA_TOKEN cannot be verified: {error}") from None
    if caller is None:
        raise SetupError(
            "ZAVA_TOKEN is nobody's: it may have expired or been revoked, be meant for another server, or belong to "
            "somebody who was not entered. Set it to a new one."
        )


@asynccontextmanager
async def _ready(container: Container, database: Database, *, first: bool = True) -> AsyncIterator[None]:
    """Everything open and fit to answer. Stops in the reverse order."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(add_call_context)
    sources = container.embedding_sources()
    telemetry = container.telemetry()
    pools = {"questions": container.pool(), "queries": container.sandbox_pool()}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(container.read_hosts().watching(*pools.values()))
        for name, pool in pools.items():
            await stack.enter_async_context(pool)
            stack.enter_context(telemetry.watching_pool(name, pool.get_stats))
        for source in sources:
            stack.push_async_callback(source.close)
        stack.push_async_callback(container.charts().close)
        stack.push_async_callback(container.query_log().close)
        inspection = container.inspection()
        await inspection.schema_version()
        await inspection.row_security()
        if database.access.audit_dir and database.access.writer_dsn:
            spool = container.audit_spool()
            stack.enter_context(telemetry.watching_audit(spool.figures))
            await stack.enter_async_context(auditing(spool, AuditWriter(database.access.writer_dsn)))
        # The sample shop's products, with the model that costs nothing. Until it is done they are found by words.
        if first and _embeds_itself(container, database):
            stack.push_async_callback(_stop, asyncio.create_task(_embed(database, sources[0])))
        if writer_dsn := database.access.writer_dsn:
            interval = container.settings().database.rollup_interval
            task = asyncio.create_task(keep_rolled_up(SalesRollup(writer_dsn), interval, telemetry.rolled_up))
            stack.push_async_callback(_stop, task)
        if container.settings().cache.enabled:
            stack.push_async_callback(container.shop_versions().close)
            stack.push_async_callback(container.kept_answers().close)
            stack.push_async_callback(_stop, asyncio.create_task(keep_looking(container.answer_cache())))
        logger.info("MCP server startup complete")
        yield
    logger.info("MCP server shutdown complete")


def _embeds_itself(container: Container, database: Database) -> bool:
    return database.embedded is not None and container.settings().embedding.provider == "local"


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _announce(backlog: Backlog) -> None:
    if backlog.products:
        logger.info("Embedding %d products; until that is done, products are found by words alone", backlog.products)


async def _embed(database: Database, provider: EmbeddingProvider) -> None:
    try:
        done = await embed(database, provider, BATCH, _announce, lambda *_: None)
    except (EmbeddingError, SetupError) as error:
        logger.warning("Products are found by words alone: %s", error)
    else:
        logger.info("Embedded %d products; all are found by meaning", done)
