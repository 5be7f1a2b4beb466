"""What callers say, the tokens they bear and the customers they ask about turn up in no signal and in no log."""

import asyncio
import http.client
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp_types import PromptReference, ResourceTemplateReference, TextContent

from tests.e2e.conftest import Server, free_port, start_server
from tests.otlp_receiver import Receiver, otlp_receiver

TOKEN = "demo-store-seattle"
# In one piece, so that it is found in whatever it is put into.
CANARY = "KiebitzCanary"
NUMBER = 987_650_123
PROTOCOL_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": "2025-06-18",
}
QUERIES = tuple(
    query.replace("KIEBITZ", CANARY).replace("NUMBER", str(NUMBER))
    for query in (
        "SELECT 'KIEBITZ' AS word, NUMBER AS number",
        "SELECT 'KIEBITZ'::integer",
        "SELECT CAST(email AS integer) FROM retail.customers -- KIEBITZ",
        "SELECT count(*) FROM retail.orders WHERE status = 'KIEBITZ' /* KIEBITZ */",
        "SELECT date 'KIEBITZ'",
        "SELECT NUMBER / (count(*) - count(*)) FROM retail.orders",
        "SELECT KIEBITZ FROM retail.orders",
        "SELECT * FROM KIEBITZ",
        "SELECT KIEBITZ('KIEBITZ')",
        "SELECT pg_read_file('KIEBITZ')",
        "SELECT 'KIEBITZ",
        "SELECT ('{\"a\": \"KIEBITZ\"}'::jsonb ->> 'a')::date",
        "DELETE FROM retail.orders WHERE status = 'KIEBITZ'",
        "SELECT to_date('KIEBITZ', 'YYYY')",
        "SELECT repeat('KIEBITZ', 1000000000)",
    )
)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with otlp_receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def server(folder: Path, receiver: Receiver) -> Server:
    """A server that tells as much as it can."""
    return start_server(
        folder / "canaries",
        "--scale",
        "0.005",
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        OTEL_EXPORTER_OTLP_HEADERS=f"x-key={CANARY}",
        ZAVA_TELEMETRY__QUERY_TEXT="true",
        ZAVA_LOG__LEVEL="DEBUG",
        ZAVA_EMBEDDING__PROVIDER="openai",
        ZAVA_EMBEDDING__API_KEY=CANARY,
        ZAVA_EMBEDDING__BASE_URL=f"http://127.0.0.1:{free_port()}/v1",
        ZAVA_EMBEDDING__MAX_RETRIES="0",
    )


def client_of(server: Server) -> Client[StreamableHttpTransport]:
    headers = {"Authorization": f"Bearer {TOKEN}", "X-Canary": CANARY, "baggage": f"who={CANARY}", "User-Agent": CANARY}
    return Client(StreamableHttpTransport(server.url, headers=headers))


async def post(server: Server, body: bytes, token: str = TOKEN) -> int:
    """Sends bytes of the caller's own making, and returns the status."""

    def send() -> int:
        url = urlsplit(server.url)
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=30)
        try:
            headers = {**PROTOCOL_HEADERS, "Authorization": f"Bearer {token}"}
            connection.request("POST", f"{url.path}?canary={CANARY}", body, headers)
            return connection.getresponse().status
        finally:
            connection.close()

    return await asyncio.to_thread(send)


async def customers(client: Client[Any]) -> Sequence[str]:
    """Addresses of customers, as the caller is shown them, and numbers of their orders."""
    result = await client.call_tool(
        "execute_sales_query",
        {
            "postgresql_query": "SELECT email, order_number FROM retail.orders JOIN retail.customers "
            "USING (store_id, customer_id) ORDER BY order_number LIMIT 30"
        },
    )
    rows = result.structured_content["rows"] if result.structured_content else []
    assert len(rows) == 30
    for row in rows:
        found = await client.call_tool("find_order", {"order_number": row[1]})
        assert isinstance(found.content[0], TextContent)
        assert row[0] in found.content[0].text
    return [row[0] for row in rows]


async def plant(client: Client[Any], server: Server) -> None:
    """Says the canary wherever a caller can say anything."""

    async def call(tool: str, **arguments: object) -> None:
        with suppress(ToolError, MCPError):
            await client.call_tool(tool, arguments, raise_on_error=False)

    for query in QUERIES:
        await call("execute_sales_query", postgresql_query=query)
    await call("get_store_performance", period="last_month", store=CANARY)
    await call("get_store_performance", period=CANARY)
    await call("analyze_sales", metrics=[CANARY], period="last_month")
    await call("analyze_sales", metrics=["revenue"], period="last_month", filters={"product": [CANARY]})
    await call("analyze_sales", metrics=["revenue"], period="last_month", filters={CANARY: [CANARY]})
    await call("compare_stores", period=CANARY)
    await call("semantic_search_products", query_description=f"a {CANARY} against drips", category=CANARY)
    await call("semantic_search_products", query_description=f"a {CANARY} against drips")
    await call("find_related_products", kind="similar", product=CANARY)
    await call("find_related_products", kind=CANARY)
    await call("check_inventory", store=CANARY, category=CANARY)
    await call("find_order", order_number=NUMBER)
    await call("find_order", order_number=CANARY)
    await call("find_order", **{CANARY: CANARY})
    await call("get_multiple_table_schemas", table_names=[CANARY])
    await call(CANARY, word=CANARY)
    for uri in (f"zava://schema/{CANARY}", f"zava://{CANARY}/x", f"zava://csv/{CANARY}"):
        with suppress(MCPError):
            await client.read_resource(uri)
    for name, argument in (("monthly_review", "month"), (CANARY, "month"), ("monthly_review", CANARY)):
        with suppress(MCPError):
            await client.get_prompt(name, {argument: CANARY})
    for reference in (
        PromptReference(type="ref/prompt", name="daily_brief"),
        PromptReference(type="ref/prompt", name=CANARY),
        ResourceTemplateReference(type="ref/resource", uri=f"zava://{CANARY}"),
    ):
        with suppress(MCPError):
            await client.complete(reference, {"name": "store", "value": CANARY})
    for message in (
        {"jsonrpc": "2.0", "id": CANARY, "method": CANARY, "params": {"name": CANARY}},
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": [CANARY]}},
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": CANARY},
        {"jsonrpc": CANARY, "id": 1, "method": "tools/list"},
        {"jsonrpc": "2.0", "method": f"notifications/{CANARY}", "params": {"a": CANARY}},
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": CANARY,
                "capabilities": {},
                "clientInfo": {"name": CANARY, "version": CANARY},
            },
        },
    ):
        await post(server, json.dumps(message).encode())
    await post(server, f'{{"{CANARY}'.encode())
    assert await post(server, b"{}", token=CANARY) == 401


def found(text: str, secrets: Sequence[str]) -> list[str]:
    """The lines with any of these.

    The name of a column that is not there is no literal, and stays in SQL that is told.
    """
    lines = text.replace(QUERIES[6], "").splitlines()
    return [line[:500] for line in lines if any(secret in line for secret in secrets)]


async def test_nothing_secret_is_told(server: Server, receiver: Receiver) -> None:
    async with client_of(server) as client:
        secrets = [CANARY, str(NUMBER), TOKEN, *await customers(client)]
        await plant(client, server)
    assert server.stop() == 0
    signals = "\n".join(map(str, receiver.raw))
    assert len([span for span in receiver.spans if span.name == "tools/call execute_sales_query"]) >= len(QUERIES)
    assert len([line for line in receiver.logs if line.attributes.get("gen_ai.tool.name")]) >= len(QUERIES)
    assert "db.query.text" in signals
    errors = "".join(server.errors)
    assert "INVALID_QUERY in execute_sales_query" in errors
    log = (server.data_dir / "postgres.log").read_text()
    assert log
    assert found(errors, secrets) == []
    assert found(log, secrets) == []
    assert found(signals, secrets) == []
