"""A query whose answer nobody will read is stopped in PostgreSQL, and its connection asks the next one."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest
import uvicorn
from starlette.middleware import Middleware

from tests.contract.conftest import KEY, TestDatabase, running_postgres, tiny_shop_on
from tests.e2e.conftest import ZAVA, CopyShop, Server, environment, start_server
from tests.tiny_shop import PEOPLE
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.mcp.disconnect import DisconnectMiddleware
from zava.adapters.postgres.access import DatabaseAccess
from zava.container import new_container
from zava.settings import Settings

HANDSHAKE, STATELESS = "2025-11-25", "2026-07-28"
ERAS = [HANDSHAKE, STATELESS]
TOKEN = "demo-store-seattle"
# Runs for hours, where nothing stops it. The server itself does so after LONGEST seconds.
SLOW = (
    "SELECT count(*) FROM generate_series(1, 50000) AS a, generate_series(1, 50000) AS b, generate_series(1, 50) AS c"
)
QUICK = "SELECT 41 + 1 AS answer"
LONGEST = 20
# 0.3 seconds are usual.
DEADLINE = 1.5
LIMITS = {"ZAVA_SANDBOX__POOL_MAX_SIZE": "1", "ZAVA_SANDBOX__STATEMENT_TIMEOUT": str(LONGEST)}
RUNNING = """
    SELECT pid FROM pg_stat_activity
    WHERE usename = 'zava_app' AND state = 'active' AND query LIKE '%sandbox.run%'
"""


@dataclass
class Watch:
    """What an administrator sees of the queries that run."""

    connection: psycopg.Connection[Any]

    def started(self) -> int:
        """Waits for a query to run, and returns the process that runs it."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if row := self.connection.execute(RUNNING).fetchone():
                time.sleep(0.3)  # well under way
                return int(row[0])
            time.sleep(0.005)
        raise AssertionError("no query runs")

    def assert_stops(self, how: str) -> None:
        began = time.monotonic()
        while self.connection.execute(RUNNING).fetchone():
            assert time.monotonic() - began < LONGEST - 5, "the query runs on"
            time.sleep(0.002)
        seconds = time.monotonic() - began
        print(f"{how}: {seconds:.3f} s")
        assert seconds < DEADLINE


@contextmanager
def watching(dsn: str) -> Iterator[Watch]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield Watch(connection)


def body(era: str, method: str, number: int | None = 1, **parameters: object) -> dict[str, Any]:
    """A message as the era has it: the later one says everything about itself, every time."""
    about = {
        "io.modelcontextprotocol/protocolVersion": era,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    }
    meta = {"_meta": about} if era == STATELESS and number is not None else {}
    numbered = {} if number is None else {"id": number}
    return {"jsonrpc": "2.0", **numbered, "method": method, "params": {**parameters, **meta}}


def initialize() -> dict[str, Any]:
    about = {"name": "test", "version": "1"}
    return body(HANDSHAKE, "initialize", 0, protocolVersion=HANDSHAKE, capabilities={}, clientInfo=about)


def query(era: str, text: str, number: int = 1) -> dict[str, Any]:
    return body(era, "tools/call", number, name="execute_sales_query", arguments={"postgresql_query": text})


def cancelled(era: str, number: int) -> dict[str, Any]:
    return body(era, "notifications/cancelled", None, requestId=number)


@dataclass(frozen=True)
class HttpClient:
    """Speaks one era to one server, in a session of the server's if it has such things."""

    url: str
    era: str
    token: str = TOKEN
    session: dict[str, str] = field(default_factory=dict)

    def open_session(self) -> "HttpClient":
        response = self.post(initialize())
        assert response.status_code == 200, response.text
        self.session["Mcp-Session-Id"] = response.headers["mcp-session-id"]
        assert self.post(body(self.era, "notifications/initialized", None)).status_code == 202
        return self

    def headers(self, message: dict[str, Any]) -> dict[str, str]:
        named = {"Mcp-Method": message["method"], "Mcp-Name": message["params"].get("name", "")}
        return {
            "Accept": "application/json, text/event-stream",
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "MCP-Protocol-Version": self.era,
            **(named if self.era == STATELESS else {}),
            **self.session,
        }

    def post(self, message: dict[str, Any]) -> httpx2.Response:
        return httpx2.post(self.url, json=message, headers=self.headers(message), timeout=30)

    def begin(self, message: dict[str, Any]) -> socket.socket:
        """Sends a request and does not wait for the answer."""
        url, content = urlsplit(self.url), json.dumps(message)
        headers = self.headers(message) | {"Host": url.netloc, "Content-Length": str(len(content))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection = socket.create_connection((url.hostname or "", url.port or 0), timeout=30)
        connection.sendall(f"POST {url.path} HTTP/1.1\r\n{lines}\r\n{content}".encode())
        return connection

    def assert_answers(self) -> None:
        response = self.post(query(self.era, QUICK))
        assert response.status_code == 200, response.text
        assert "[[42]]" in response.text.replace("\\", "").replace(" ", ""), response.text


# Zava as it is served: JSON without sessions.


@pytest.fixture(scope="module")
def json_server(copy_shop: CopyShop) -> Iterator[Server]:
    server = start_server(copy_shop("0"), **LIMITS)
    yield server
    assert server.stop() == 0


@pytest.mark.parametrize("era", ERAS)
def test_a_dropped_connection_stops_the_query(json_server: Server, era: str) -> None:
    client = HttpClient(json_server.url, era)
    backends = set()
    said = len(json_server.errors)
    with EmbeddedPostgres(json_server.data_dir) as postgres, watching(postgres.dsn()) as watch:
        for _ in range(2):
            with client.begin(query(era, SLOW)):
                backends.add(watch.started())
            watch.assert_stops(f"stateless JSON, {era}, dropped")
            client.assert_answers()
    assert len(backends) == 1
    assert_says_only_that(json_server.errors[said:], times=2)


def assert_says_only_that(lines: list[str], times: int) -> None:
    """One line for each call that was cancelled, perhaps that its query was slow, and no stack trace."""
    assert sum("execute_sales_query was cancelled after" in line for line in lines) == times
    others = [line for line in lines if "Slow query detected" not in line]
    assert not [line for line in others if "Traceback" in line or "WARNING" in line or "ERROR" in line], lines


# The same server behind FastMCP's other ways of speaking HTTP, over a database that outlives it.


@pytest.fixture(scope="module")
def database() -> Iterator[TestDatabase]:
    with running_postgres() as postgres:
        yield tiny_shop_on(postgres)


@pytest.fixture(scope="module")
def access(database: TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> DatabaseAccess:
    key_file = tmp_path_factory.mktemp("key") / "context-key"
    key_file.write_bytes(KEY.secret)
    key_file.chmod(0o600)
    return DatabaseAccess(database.app_dsn, key_file)


@contextmanager
def serving(access: DatabaseAccess, *, json_response: bool, stateless_http: bool) -> Iterator[str]:
    """Answers over HTTP from a thread; yields the address."""
    limits = {"pool_max_size": 1, "statement_timeout": LONGEST}
    settings = Settings(sandbox=limits)  # type: ignore[arg-type]
    container = new_container(settings, access, {TOKEN: PEOPLE[0].principal})
    app = container.server().http_app(
        path="/mcp",
        middleware=[Middleware(DisconnectMiddleware)],
        json_response=json_response,
        stateless_http=stateless_http,
    )
    server = uvicorn.Server(uvicorn.Config(app, lifespan="on", log_config=None, timeout_graceful_shutdown=5))

    async def answer(listener: socket.socket) -> None:
        async with container.pool(), container.sandbox_pool():
            await server.serve(sockets=[listener])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(answer(listener)))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        finally:
            server.should_exit = True
            thread.join(timeout=60)


KINDS = {
    "stateless SSE": {"json_response": False, "stateless_http": True},
    "SSE": {"json_response": False, "stateless_http": False},
    "JSON": {"json_response": True, "stateless_http": False},
}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_dropped_stream_stops_the_query(
    database: TestDatabase, access: DatabaseAccess, kind: str, era: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    backends = set()
    with serving(access, **KINDS[kind]) as url, watching(database.admin_dsn) as watch:
        client = HttpClient(url, era)
        if era == HANDSHAKE and not KINDS[kind]["stateless_http"]:
            client.open_session()
        for _ in range(2):
            with client.begin(query(era, SLOW)):
                backends.add(watch.started())
            watch.assert_stops(f"{kind}, {era}, dropped")
            client.assert_answers()
    assert len(backends) == 1
    assert_says_only_that([f"{record.levelname} {record.getMessage()}" for record in caplog.records], times=2)


def assert_hears(connection: socket.socket, words: bytes) -> None:
    heard = b""
    while words not in heard:
        more = connection.recv(65536)
        assert more, heard
        heard += more


@pytest.mark.parametrize("kind", ["SSE", "JSON"])
def test_a_cancelled_call_in_a_session_stops_the_query(
    database: TestDatabase, access: DatabaseAccess, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    backends = set()
    with serving(access, **KINDS[kind]) as url, watching(database.admin_dsn) as watch:
        client = HttpClient(url, HANDSHAKE).open_session()
        for number in (1, 2):
            with client.begin(query(HANDSHAKE, SLOW, number)) as connection:
                backends.add(watch.started())
                assert client.post(cancelled(HANDSHAKE, number)).status_code == 202
                watch.assert_stops(f"{kind}, {HANDSHAKE}, cancelled")
                assert_hears(connection, b"Request cancelled")
            client.assert_answers()
    assert len(backends) == 1
    assert_says_only_that([f"{record.levelname} {record.getMessage()}" for record in caplog.records], times=2)


# Over stdio.


@dataclass(frozen=True)
class StdioClient:
    """Speaks one era to a server over its standard input and output."""

    process: subprocess.Popen[str]
    era: str

    def open_session(self) -> None:
        if self.era == HANDSHAKE:
            self.send(initialize())
            self.receive()
            self.send(body(self.era, "notifications/initialized", None))

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        assert self.process.stdout
        return dict(json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()


@contextmanager
def speaking(command: list[str], era: str, log: Path, **variables: str) -> Iterator[StdioClient]:
    """A server that has answered once, and that is gone afterwards."""
    with (
        log.open("w") as errors,
        subprocess.Popen(  # noqa: S603 - our own program
            command,
            env=environment(**LIMITS, **variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            client = StdioClient(process, era)
            client.open_session()
            client.send(query(era, QUICK, 100))
            assert client.receive()["result"]["structuredContent"]["rows"] == [[42]]
            yield client
        finally:
            process.kill()


@pytest.fixture(scope="module")
def own_shop(copy_shop: CopyShop) -> Path:
    """A data directory that a server may have for itself."""
    return copy_shop("0")


def over_stdio(data_dir: Path, era: str, log: Path) -> AbstractContextManager[StdioClient]:
    """Zava as it is served."""
    command = [*ZAVA, "serve", "--transport", "stdio", "--data-dir", str(data_dir)]
    return speaking(command, era, log, ZAVA_TOKEN=TOKEN)


@pytest.mark.parametrize("era", ERAS)
def test_a_cancelled_call_over_stdio_stops_the_query(own_shop: Path, era: str, tmp_path: Path) -> None:
    backends = set()
    with (
        over_stdio(own_shop, era, tmp_path / "log") as client,
        EmbeddedPostgres(own_shop) as postgres,
        watching(postgres.dsn()) as watch,
    ):
        for number in (1, 2):
            client.send(query(era, SLOW, number))
            backends.add(watch.started())
            client.send(cancelled(era, number))
            watch.assert_stops(f"stdio, {era}, cancelled")
            client.send(query(era, QUICK, 10 + number))
            answer = client.receive()
            assert (answer["id"], answer["result"]["structuredContent"]["rows"]) == (10 + number, [[42]])
    assert len(backends) == 1
    assert_says_only_that((tmp_path / "log").read_text().splitlines(), times=2)


@pytest.mark.parametrize("era", ERAS)
def test_a_closed_input_ends_server_and_query(own_shop: Path, era: str, tmp_path: Path) -> None:
    with over_stdio(own_shop, era, tmp_path / "log") as client:
        with EmbeddedPostgres(own_shop) as postgres, watching(postgres.dsn()) as watch:
            client.send(query(era, SLOW))
            watch.started()
        client.close()
        # PostgreSQL ends with it, and waits for nobody: the query must have been stopped.
        assert client.process.wait(timeout=LONGEST - 5) == 0
    assert_says_only_that((tmp_path / "log").read_text().splitlines(), times=1)


# What `zava serve --transport stdio` does, over a configured database, which knows nobody yet.
CONFIGURED = """
import asyncio, sys
from pathlib import Path
from uuid import UUID

from zava.container import new_container
from zava.adapters.postgres.access import DatabaseAccess
from zava.core.model import Principal
from zava.settings import Settings

dsn, key_file, principal = sys.argv[1:]

async def answer():
    known = {"token": Principal(UUID(principal), "someone")}
    container = new_container(Settings(), DatabaseAccess(dsn, Path(key_file)), known, "token")
    async with container.pool(), container.sandbox_pool():
        await container.server().run_stdio_async(show_banner=False)

asyncio.run(answer())
"""


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("end", ["input closed", "killed"])
def test_a_database_of_ones_own_is_left_in_peace_when_the_server_ends(
    database: TestDatabase, access: DatabaseAccess, end: str, era: str, tmp_path: Path
) -> None:
    somebody = str(PEOPLE[0].principal.principal_id)
    command = [sys.executable, "-c", CONFIGURED, access.dsn, str(access.context_key_file), somebody]
    with speaking(command, era, tmp_path / "log") as client, watching(database.admin_dsn) as watch:
        client.send(query(era, SLOW))
        watch.started()
        if end == "killed":
            client.process.kill()  # with nobody left to cancel anything: PostgreSQL looks after its clients
        else:
            client.close()
        watch.assert_stops(f"stdio, {era}, {end}")
