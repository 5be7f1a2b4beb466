"""Resources, prompts and completions of the real server, over HTTP."""

import json
from typing import Any

import pytest
from fastmcp import Client
from mcp_types import PromptReference, ResourceTemplateReference, TextContent, TextResourceContents

from tests.e2e.conftest import Server
from zava.demo.personas import PERSONAS, Persona

PEOPLE = [persona for persona in PERSONAS if persona.token in {"demo-region-puget-sound", "demo-store-tacoma"}]
STORES = {
    "demo-region-puget-sound": ["Bellevue", "Kirkland", "Redmond", "Seattle"],
    "demo-store-tacoma": ["Tacoma"],
}


async def read(client: Client[Any], uri: str) -> Any:  # noqa: ANN401 - JSON
    (content,) = await client.read_resource(uri)
    assert isinstance(content, TextResourceContents)
    return json.loads(content.text)


@pytest.mark.parametrize("persona", PEOPLE, ids=lambda persona: persona.token)
async def test_everybody_reads_and_is_offered_their_own(shop: Server, persona: Persona) -> None:
    stores = STORES[persona.token]
    async with Client(shop.url, auth=persona.token) as client:
        me = await read(client, "zava://me")
        opened = [store["name"] for store in (await read(client, "zava://stores"))["stores"]]
        offered = await client.complete(
            PromptReference(type="ref/prompt", name="daily_brief"), {"name": "store", "value": ""}
        )
    assert (me["stores"], me["sees_all_stores"], me["currency"]) == (stores, False, "USD")
    assert opened == offered.values == stores


async def test_tables_and_categories_are_those_of_the_database(shop: Server) -> None:
    async with Client(shop.url, auth="demo-store-tacoma") as client:
        tables = await client.complete(
            ResourceTemplateReference(type="ref/resource", uri="zava://schema/{table}"),
            {"name": "table", "value": "ord"},
        )
        categories = await client.complete(
            PromptReference(type="ref/prompt", name="stock_check"), {"name": "category", "value": "plumb"}
        )
        described = [(await read(client, f"zava://schema/{table}"))["name"] for table in tables.values]
    assert described == tables.values
    assert {"orders", "order_items"} <= set(tables.values)
    assert "Plumbing" in categories.values


async def test_a_prompt_is_given_over_http(shop: Server) -> None:
    async with Client(shop.url, auth="demo-store-tacoma") as client:
        (message,) = (await client.get_prompt("monthly_review", {"month": "2026-02"})).messages
    assert isinstance(message.content, TextContent)
    assert '1. get_store_performance {"period": "2026-02"}' in message.content.text


async def test_the_view_of_store_performance_is_where_the_tool_says(shop: Server) -> None:
    async with Client(shop.url, auth="demo-store-tacoma") as client:
        (tool,) = [one for one in await client.list_tools() if one.name == "get_store_performance"]
        assert tool.meta
        (view,) = await client.read_resource(tool.meta["ui"]["resourceUri"])
    assert isinstance(view, TextResourceContents)
    assert view.mime_type == "text/html;profile=mcp-app"
    assert "<title>Store performance</title>" in view.text
