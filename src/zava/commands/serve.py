"""zava serve: checks the database, then answers MCP clients until told to stop."""

import os
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from zava.commands.database import Database, open_database
from zava.commands.exposure import check_exposure
from zava.core.errors import SetupError
from zava.settings import Settings


def serve_http(settings: Settings) -> None:
    """Serves MCP over streamable HTTP."""
    _on_stop(_leave)
    check_exposure(settings)
    host, port = settings.http.host, settings.http.port
    url = f"{settings.http.base_url}/mcp"
    with _listen(host, port) as listener, open_database(settings, serving_at=url) as database:
        _prepare(database, settings)
        # The protocol takes a second to load, and a refusal should not.
        from zava.commands.answering import Entrance, answer_http
        from zava.commands.workers import Workers, shared_out

        shared = shared_out(settings, database)
        entrance = Entrance(listener, url)
        if settings.http.workers == 1:
            answer_http(shared, database, entrance)
        else:
            Workers(settings.http.workers, entrance, lambda own: answer_http(shared, database, own)).run()


def serve_stdio(settings: Settings) -> None:
    """Serves MCP over standard input and output, for the principal of ZAVA_TOKEN."""
    _on_stop(_vanish)
    with open_database(settings, serving_at="stdio") as database:
        token = settings.token.get_secret_value() if settings.token else None
        known = database.principals()
        if token is None or (known is not None and token not in known):
            raise SetupError(
                "Over stdio, ZAVA_TOKEN says who asks: set it to a token of the sample shop, such as "
                "demo-store-seattle; with ZAVA_DATABASE__DSN, to an API token or one of your identity provider's."
            )
        _prepare(database, settings)
        from zava.commands.answering import answer_stdio

        answer_stdio(settings, database, token)


def _on_stop(handler: Callable[[int, FrameType | None], NoReturn]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _leave(*_: object) -> NoReturn:
    """Ends the program by an exception, so that everything that was opened is closed again."""
    raise SystemExit(0)


def _vanish(*_: object) -> NoReturn:
    """Ends the program at once: a thread waits for standard input, and nothing wakes it. PostgreSQL follows."""
    os._exit(0)


def _prepare(database: Database, settings: Settings) -> None:
    """The embedded database is made complete; a configured one is only checked."""
    if database.embedded:
        database.migrate()
        database.seed(settings.embedded.scale)
    database.check_login(settings.database.pooler)
    if database.access.audit_dir and database.access.writer_dsn is None:
        raise SetupError(
            "Calls are audited by the login zava_writer: set ZAVA_DATABASE__WRITER_DSN, or ZAVA_AUDIT__ENABLED=false "
            "to answer without an audit trail."
        )


def _listen(host: str, port: int) -> socket.socket:
    """The port, taken before anything else is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise SetupError(
            f"Cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}. Choose another port with --port."
        ) from error
    # Connections inherit it. asyncio would set it, but only on sockets that name their protocol; without it the second
    # packet of every answer waits 40 ms for an acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
