"""Answers as CSV from the real server, over HTTP, as two people: each reads their own, and nobody the other's."""

import csv
import io
from decimal import Decimal
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.exceptions import McpError
from mcp_types import ResourceLink, TextResourceContents

from tests.e2e.conftest import Server

TACOMA, REGION = "demo-store-tacoma", "demo-region-puget-sound"
BY_DAY = {"metrics": ["revenue", "units"], "period": "all_time", "group_by": ["store", "day", "category"], "limit": 5}
LINES = (
    "SELECT s.name AS store, i.order_date, i.line_total, i.line_total / 3 AS third, NULL AS nothing "
    "FROM retail.order_items AS i JOIN retail.stores AS s USING (store_id) ORDER BY 1, 2, 3"
)
QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("analyze_sales", BY_DAY),
    ("execute_sales_query", {"postgresql_query": LINES}),
]


async def link_of(client: Client[Any], tool: str, arguments: dict[str, Any]) -> str:
    (link,) = [
        content for content in (await client.call_tool(tool, arguments)).content if isinstance(content, ResourceLink)
    ]
    return str(link.uri)


async def read(client: Client[Any], uri: str) -> tuple[list[list[str]], list[str]]:
    """The lines of the file, and the notes that came with it."""
    first, *notes = [one for one in await client.read_resource(uri) if isinstance(one, TextResourceContents)]
    return list(csv.reader(io.StringIO(first.text, newline=""))), [note.text for note in notes]


async def count(client: Client[Any], query: str) -> Decimal:
    answer = (await client.call_tool("execute_sales_query", {"postgresql_query": query})).structured_content
    assert answer
    return Decimal(str(answer["rows"][0][0]))


@pytest.mark.parametrize(("tool", "arguments"), QUESTIONS, ids=lambda value: value if isinstance(value, str) else "")
async def test_a_file_holds_all_rows_of_ones_own_stores(shop: Server, tool: str, arguments: dict[str, Any]) -> None:
    seen: dict[str, int] = {}
    for token, stores in ((TACOMA, {"Tacoma"}), (REGION, {"Bellevue", "Kirkland", "Redmond", "Seattle"})):
        async with Client(shop.url, auth=token) as client:
            lines, notes = await read(client, await link_of(client, tool, arguments))
        assert {line[0] for line in lines[1:]} == stores
        assert notes == []
        seen[token] = len(lines)
    assert 1_000 < seen[TACOMA] < seen[REGION]


async def test_a_file_adds_up_to_the_cent(shop: Server) -> None:
    async with Client(shop.url, auth=TACOMA) as client:
        lines, _ = await read(client, await link_of(client, "execute_sales_query", {"postgresql_query": LINES}))
        assert lines[0] == ["store", "order_date", "line_total", "third", "nothing"]
        assert len(lines) - 1 == await count(client, "SELECT count(*) FROM retail.order_items")
        total = await count(client, "SELECT sum(line_total) FROM retail.order_items")
        revenue = await count(
            client,
            "SELECT sum(line_total) FROM retail.order_items AS i JOIN retail.orders AS o USING (store_id, order_id) "
            "WHERE o.status <> 'cancelled'",
        )
        analysis, _ = await read(client, await link_of(client, "analyze_sales", BY_DAY))
    assert sum(Decimal(line[2]) for line in lines[1:]) == total
    assert all(len(line[3].partition(".")[2]) >= 16 for line in lines[1:])
    assert {line[4] for line in lines[1:]} == {""}
    assert sum(Decimal(line[3]) for line in analysis[1:]) == revenue


async def test_a_link_opens_nothing_for_another(shop: Server) -> None:
    async with Client(shop.url, auth=REGION) as region, Client(shop.url, auth=TACOMA) as tacoma:
        for tool, arguments in QUESTIONS:
            uri = await link_of(region, tool, arguments)
            with pytest.raises(McpError, match="This link opens nothing for you"):
                await tacoma.read_resource(uri)
            assert (await read(region, uri))[0]


async def test_a_file_of_more_rows_or_bytes_than_a_file_may_have_is_cut_and_says_so(shop: Server) -> None:
    async with Client(shop.url, auth=TACOMA) as client:
        rows = "SELECT n FROM generate_series(1, 100001) AS n"
        lines, notes = await read(client, await link_of(client, "execute_sales_query", {"postgresql_query": rows}))
        assert len(lines) == 100_001
        assert notes == ["Cut short: these are 100,000 rows, and there are more."]
        wide = "SELECT n, repeat('x', 1000) AS x FROM generate_series(1, 50000) AS n"
        lines, notes = await read(client, await link_of(client, "execute_sales_query", {"postgresql_query": wide}))
    assert 16_000 < len(lines) < 17_000
    assert notes == [f"Cut short: these are {len(lines) - 1:,} rows, and there are more."]
