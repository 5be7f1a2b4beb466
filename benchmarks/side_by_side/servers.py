"""The servers, started and stopped."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from side_by_side.install import NODE, Peers
from side_by_side.load import Asked, HttpServer, RawPsycopg, StdioServer
from side_by_side.postgres import HOST, PASSWORD, READER, Shop

SECONDS_TO_START = 60
RAW, TOOLBOX, DBHUB, POSTGRES_MCP, SERVER_POSTGRES = (
    "raw psycopg",
    "MCP Toolbox",
    "dbhub",
    "postgres-mcp",
    "server-postgres",
)
# For one principal who asks as often as it can; the sizes of the pools are the defaults.
UNBOUNDED = {
    "ZAVA_LIMITS__CALLS_PER_SECOND": "100000",
    "ZAVA_LIMITS__BURST": "100000",
    "ZAVA_LIMITS__CONCURRENCY": "10",
    "ZAVA_LIMITS__HEAVY_SLOTS": "9",
    "ZAVA_LIMITS__QUEUE": "1000",
    "ZAVA_LIMITS__QUEUE_IN_ALL": "1000",
    "ZAVA_LIMITS__PATIENCE": "300",
    # The others have no limit, or one that the slowest question does not reach.
    "ZAVA_SANDBOX__STATEMENT_TIMEOUT": "120",
    "ZAVA_LOG__LEVEL": "ERROR",
    # Who is given again what was worked out before is a server of its own.
    "ZAVA_CACHE__ENABLED": "false",
}
# It wants Python 3.12 for this name.
POSTGRES_MCP_PROGRAM = (
    "import typing, typing_extensions; typing.override = typing_extensions.override; "
    "from postgres_mcp import main; main()"
)


@dataclass(frozen=True)
class Command:
    """How a server is started.

    Attributes:
        program: with its arguments.
        tool: runs SQL.
        argument: of that tool.
        url: None for one that answers over standard input and output.
        governed: whether it is asked by a tool for the question, where there is one.
    """

    program: tuple[str, ...]
    tool: str
    argument: str
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    governed: bool = False


@dataclass(frozen=True)
class Server:
    """A running one. This program itself, where there is no server."""

    name: str
    command: Command
    asked: Asked
    pid: int


def peers(installed: Peers, shop: Shop, folder: Path) -> dict[str, Command]:
    """The others, configured for this shop."""
    toolbox, dbhub = free_port(), free_port()
    source = {
        "kind": "source",
        "name": "shop",
        "type": "postgres",
        "host": HOST,
        "port": shop.port,
        "database": "zava",
        "user": READER,
        "password": PASSWORD,
    }
    tool = {"kind": "tool", "name": "sql", "type": "postgres-execute-sql", "source": "shop", "description": "Runs SQL."}
    (folder / "toolbox.yaml").write_text(f"{json.dumps(source)}\n---\n{json.dumps(tool)}\n", encoding="utf-8")
    (folder / "dbhub.toml").write_text(
        f'[[sources]]\nid = "shop"\ndsn = "{shop.url}"\n\n'
        '[[tools]]\nname = "execute_sql"\nsource = "shop"\nreadonly = true\n',
        encoding="utf-8",
    )
    return {
        TOOLBOX: Command(
            (
                str(installed.toolbox),
                *("--config", str(folder / "toolbox.yaml"), "--port", str(toolbox)),
                *("--disable-version-check", "--log-level", "WARN"),
            ),
            "sql",
            "sql",
            f"http://{HOST}:{toolbox}/mcp",
        ),
        DBHUB: Command(
            (
                *(NODE, str(installed.dbhub), "--config", str(folder / "dbhub.toml")),
                *("--transport", "http", "--port", str(dbhub)),
            ),
            "execute_sql",
            "sql",
            f"http://{HOST}:{dbhub}/mcp",
        ),
        POSTGRES_MCP: Command(
            (sys.executable, "-c", POSTGRES_MCP_PROGRAM, "--access-mode", "restricted", shop.url),
            "execute_sql",
            "sql",
            environment={"PYTHONPATH": str(installed.postgres_mcp)},
        ),
        SERVER_POSTGRES: Command((NODE, str(installed.server_postgres), shop.url), "query", "sql"),
    }


def zava(shop: Shop, variables: Mapping[str, str], *, governed: bool) -> Command:
    """Our own, with these settings beside those it needs."""
    port = free_port()
    return Command(
        (sys.executable, "-m", "zava", "serve", "--port", str(port)),
        "execute_sales_query",
        "postgresql_query",
        f"http://{HOST}:{port}/mcp",
        headers={"Authorization": f"Bearer {shop.token}"},
        environment={**UNBOUNDED, **shop.variables, **variables},
        governed=governed,
    )


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


@asynccontextmanager
async def running(name: str, command: Command, log: Path) -> AsyncIterator[Server]:
    """The server, once it answers."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("ZAVA_", "OTEL_"))}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command.program,
            env={**mine, **command.environment},
            stdin=asyncio.subprocess.PIPE if command.url is None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if command.url is None else output,
            stderr=output,
            limit=64 * 1024 * 1024,
            start_new_session=True,
        )
    try:
        yield Server(name, command, await _begun(name, command, process, log), process.pid)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), 20)
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _begun(name: str, command: Command, process: asyncio.subprocess.Process, log: Path) -> Asked:
    if command.url is None:
        piped = StdioServer(process)
        await piped.begin()
        return piped
    served = HttpServer(command.url, dict(command.headers))
    for _ in range(SECONDS_TO_START * 10):
        try:
            await served.begin()
        except OSError:
            if process.returncode is not None:
                break
            await asyncio.sleep(0.1)
        else:
            return served
    raise SystemExit(f"{name} did not start: see {log}")


@asynccontextmanager
async def raw(shop: Shop) -> AsyncIterator[Server]:
    """Psycopg in this process, which is counted for it."""
    asked = RawPsycopg(shop.url)
    try:
        yield Server(RAW, Command((), "", "sql"), asked, os.getpid())
    finally:
        await asked.close()
