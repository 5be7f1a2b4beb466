"""Shops to be attacked: behind the real server, or one layer at a time in this process."""

import json
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import psycopg
from dependency_injector import providers
from fastmcp import Client
from mcp import MCPError
from mcp_types import ResourceLink
from psycopg.conninfo import conninfo_to_dict

from tests.contract.conftest import KEY, TestDatabase, installed_by_no_superuser
from tests.e2e.conftest import start_server
from tests.isolation.attacks import QUERY, READ_LINK, Asker, Call
from tests.isolation.canaries import Canaries, Connection, plant
from tests.isolation.harness import POOL_SIZE, Attacker, Field, Logs, Outcome, bystander
from tests.isolation.watching import Ledger, Watcher
from tests.pgbouncer import PgBouncer
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.postgres.access import DatabaseAccess
from zava.adapters.postgres.guard import Relations, check
from zava.adapters.postgres.sandbox import PostgresSandbox, SandboxLimits
from zava.container import new_container
from zava.core.model import Principal
from zava.demo.personas import PERSONAS
from zava.demo.shop import open_sample_shop
from zava.settings import DatabaseSettings, LimitSettings, SandboxSettings, Settings

SCALE = 0.03
SECONDS = 2
ROLLUP_SECONDS = 120
# An attacker asks as often as they can, and on every connection at once; one slot is left to others.
OFTEN = 100_000
SLOTS = POOL_SIZE + 1
KINDS = {
    "store_manager": "demo-store-seattle",
    "regional_manager": "demo-region-puget-sound",
    "head_office": "demo-head-office",
    "storeless": "demo-store-kirkland",
}
VICTIM = "demo-store-tacoma"
BY_TOKEN = {persona.token: persona for persona in PERSONAS}
HEADERS = {
    "Accept": "application/json, text/event-stream",
    "Content-Type": "application/json",
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": "tools/call",
}

Guard = Callable[[str, Relations], str]


def admit_everything(query: str, _: Relations) -> str:
    """No guard at all."""
    return query


@dataclass(frozen=True)
class Shop:
    """A marked shop, and how to reach it.

    Attributes:
        connect: a client for the persona of this token.
        url: of the server, where there is one.
    """

    canaries: Canaries
    admin_dsn: str
    app_dsn: str
    server_pid: int
    data_dir: Path
    logs: Logs
    connect: Callable[[str], AbstractAsyncContextManager[Client[Any]]]
    url: str | None = None

    @contextmanager
    def field(self) -> Iterator[Field]:
        """The shop, watched."""
        with (
            psycopg.connect(self.admin_dsn, autocommit=True) as admin,
            bystander(self.app_dsn, self.canaries) as other,
            Watcher(self.admin_dsn, self.server_pid, self.data_dir / "postgres") as watcher,
        ):
            words = {"VPID": str(other.info.backend_pid), "TOKEN": _forged_token(admin)}
            yield Field(self.canaries, admin, watcher, Ledger(admin), self.logs, words, SECONDS)
            assert other.execute("SELECT 1").fetchone() == (1,), "another session was ended"

    @asynccontextmanager
    async def attackers(self, field: Field, *kinds: str) -> AsyncIterator[list[Attacker]]:
        """Somebody of each kind, and their victim."""
        async with AsyncExitStack() as stack:
            victim = await self._caller(stack, VICTIM)
            field.words["VICTIM_LINK"] = await victim.own_link()
            yield [Attacker(field, self.asker(kind), await self._caller(stack, KINDS[kind]), victim) for kind in kinds]

    def asker(self, kind: str) -> Asker:
        """The persona that stands for this kind of principal."""
        persona, victim = BY_TOKEN[KINDS[kind]], BY_TOKEN[VICTIM]
        names = {store.name: store for store in self.canaries.stores}
        stores = names if kind == "head_office" else () if kind == "storeless" else persona.stores
        return Asker(
            kind=kind,
            token=persona.token,
            principal=Principal(persona.principal_id, persona.name),
            stores=tuple(names[store].store_id for store in stores),
            personal="personal" in persona.grants,
            victim=Principal(victim.principal_id, victim.name),
            victim_store=names[victim.stores[0]],
        )

    async def _caller(self, stack: AsyncExitStack, token: str) -> "ClientCaller":
        return ClientCaller(await stack.enter_async_context(self.connect(token)), self.url, token)


@dataclass(frozen=True)
class ClientCaller:
    """FastMCP's client; and for texts that are none, which it cannot send, the bare protocol."""

    client: Client[Any]
    url: str | None
    token: str

    async def own_link(self) -> str:
        """Where there are the names of one's own customers, or sales where SQL is refused; it has been read."""
        query = "SELECT first_name, last_name FROM retail.customers"
        sales = {"metrics": ["revenue"], "period": "all_time", "group_by": ["month"]}
        uri = await self._link(QUERY, {"postgresql_query": query}) or await self._link("analyze_sales", sales)
        assert uri
        assert (await self.call(Call(READ_LINK, {"uri": uri}))).rows
        return uri

    async def _link(self, tool: str, arguments: dict[str, Any]) -> str | None:
        answer = await self.client.call_tool(tool, arguments, raise_on_error=False)
        return next((str(block.uri) for block in answer.content if isinstance(block, ResourceLink)), None)

    async def _read(self, uri: str | None = None, tool: str = "", arguments: dict[str, Any] | None = None) -> Outcome:
        found = uri or await self._link(tool, arguments or {})
        if found is None:
            return Outcome("no link", None)
        try:
            contents = await self.client.read_resource(found)
        except MCPError as error:
            return Outcome(repr(error), None)
        text = json.dumps([content.model_dump(mode="json") for content in contents], ensure_ascii=False)
        return Outcome(text, text)

    async def call(self, call: Call) -> Outcome:
        if call.tool == READ_LINK:
            return await self._read(**call.arguments)
        try:
            json.dumps(call.arguments, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return await self._post(call)
        try:
            result = await self.client.call_tool(call.tool, call.arguments, raise_on_error=False)
        except MCPError as error:
            return Outcome(repr(error), None)
        content = [block.model_dump(mode="json") for block in result.content]
        return _outcome(call, content, result.structured_content, result.meta, failed=result.is_error)

    async def _post(self, call: Call) -> Outcome:
        if self.url is None:
            return Outcome("not a text", None)
        about = {
            "io.modelcontextprotocol/protocolVersion": HEADERS["MCP-Protocol-Version"],
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        }
        parameters = {"name": call.tool, "arguments": call.arguments, "_meta": about}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": parameters})
        headers = HEADERS | {"Mcp-Name": call.tool, "Authorization": f"Bearer {self.token}"}
        async with httpx2.AsyncClient() as http:
            response = await http.post(self.url, content=body.encode(), headers=headers, timeout=60)
        assert response.status_code < 500, response.text
        result = response.json().get("result")
        if result is None:
            return Outcome(response.text, None)
        return _outcome(
            call, result["content"], result.get("structuredContent"), result.get("_meta"), failed=result["isError"]
        )


def _outcome(
    call: Call,
    content: list[dict[str, Any]],
    structured: Mapping[str, Any] | None,
    meta: object,
    *,
    failed: bool,
) -> Outcome:
    text = json.dumps([content, structured, meta], ensure_ascii=False)
    if failed or structured is None:
        return Outcome(text, None)
    return Outcome(text, json.dumps(structured["rows"] if call.tool == QUERY else structured, ensure_ascii=False))


def prepare(connection: Connection) -> Canaries:
    """Marks the sample shop, and takes the stores away from the one who has none."""
    canaries = plant(connection)
    connection.execute(
        "DELETE FROM access.principal_stores WHERE principal_id = %s",
        [BY_TOKEN[KINDS["storeless"]].principal_id],
    )
    return canaries


def _wait_for_rollups(connection: Connection) -> None:
    """From here on whatever is written is the work of an attack."""
    deadline = time.monotonic() + ROLLUP_SECONDS
    while connection.execute("SELECT EXISTS (SELECT FROM retail.sales_changes)").fetchone() == (True,):
        assert time.monotonic() < deadline, "sales are not summed"
        time.sleep(0.2)


@contextmanager
def served_shop(folder: Path) -> Iterator[Shop]:
    """The sample shop behind `zava serve`, in a process of its own."""
    data_dir = folder / "shop"
    server = start_server(
        data_dir,
        "--scale",
        str(SCALE),
        ZAVA_SANDBOX__STATEMENT_TIMEOUT=str(SECONDS),
        ZAVA_SANDBOX__POOL_MAX_SIZE=str(POOL_SIZE),
        ZAVA_LIMITS__CALLS_PER_SECOND=str(OFTEN),
        ZAVA_LIMITS__BURST=str(OFTEN),
        ZAVA_LIMITS__HEAVY_SLOTS=str(SLOTS),
        # Else the names of other stores are told on purpose, and those are marked.
        ZAVA_SEARCH__AVAILABILITY="false",
        ZAVA_DATABASE__ROLLUP_INTERVAL="0.5",
    )
    try:
        with EmbeddedPostgres(data_dir) as postgres:
            with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
                canaries = prepare(connection)
                _wait_for_rollups(connection)
            yield Shop(
                canaries=canaries,
                admin_dsn=postgres.dsn(),
                app_dsn=postgres.dsn(user="zava_app", password=postgres.secret("zava_app")),
                server_pid=server.process.pid,
                data_dir=data_dir,
                logs=Logs([data_dir / "postgres.log"], server.errors),
                connect=lambda token: Client(server.url, auth=token),
                url=server.url,
            )
    finally:
        assert server.stop() == 0


@contextmanager
def layered_shop(
    folder: Path,
    database: TestDatabase,
    guard: Guard = check,
    *,
    quiet: bool = True,
    pgbouncer: PgBouncer | None = None,
) -> Iterator[Shop]:
    """The sample shop in this database, behind the application in this process.

    Args:
        folder: for a file with the key.
        database: one that is migrated and empty.
        guard: in place of the real one.
        quiet: whether PostgreSQL keeps errors out of its log, as only a superuser can have it do.
        pgbouncer: through which the application reaches the database, if not directly.
    """
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        open_sample_shop(connection, now=datetime.now(UTC), scale=SCALE)
        canaries = prepare(connection)
    key_file = folder / "key"
    key_file.write_bytes(KEY.secret)
    key_file.chmod(0o600)
    data_dir = Path(str(conninfo_to_dict(database.admin_dsn)["host"]))
    access = DatabaseAccess(pgbouncer.dsn(database.app_dsn) if pgbouncer else database.app_dsn, key_file)
    reach = DatabaseSettings(pooler="transaction" if pgbouncer else "none")
    yield Shop(
        canaries=canaries,
        admin_dsn=database.admin_dsn,
        app_dsn=database.app_dsn,
        server_pid=os.getpid(),
        data_dir=data_dir,
        logs=Logs([data_dir / "postgres.log"] if quiet else []),
        connect=lambda token: _in_this_process(access, reach, guard, token),
    )


@asynccontextmanager
async def _in_this_process(
    access: DatabaseAccess, reach: DatabaseSettings, guard: Guard, token: str
) -> AsyncIterator[Client[Any]]:
    settings = Settings(
        database=reach,
        sandbox=SandboxSettings(statement_timeout=SECONDS, pool_max_size=POOL_SIZE),
        limits=LimitSettings(calls_per_second=OFTEN, burst=OFTEN, heavy_slots=SLOTS),
    )
    principals = {persona.token: Principal(persona.principal_id, persona.name) for persona in PERSONAS}
    container = new_container(settings, access, principals, stdio_token=token)
    container.sandbox.override(
        providers.Singleton(
            PostgresSandbox,
            container.sandbox_sessions,
            container.catalog,
            SandboxLimits(seconds=SECONDS),
            guard,
        )
    )
    async with container.pool(), container.sandbox_pool(), Client(container.server()) as client:
        yield client


def installed_without_superuser(postgres: EmbeddedPostgres) -> TestDatabase:
    """As installed_by_no_superuser(), and its admin_dsn is a superuser's, who sees whatever an attack may have done."""
    return replace(installed_by_no_superuser(postgres), admin_dsn=postgres.dsn(database="shop"))


def _forged_token(admin: Connection) -> str:
    """All of the victim's token but the signature."""
    found = admin.execute("SELECT key_id FROM access.keys WHERE key_id <> 'seal'").fetchone()
    assert found is not None
    return f"{found[0]}|{BY_TOKEN[VICTIM].principal_id}|9999999999|{'0' * 64}"
