"""The tools of the original Zava sample, called as they were called there."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from fastmcp import Client

from tests.e2e.conftest import Server

PAGE = (Path(__file__).parents[2] / "docs" / "original.md").read_text(encoding="utf-8")
CALLS = [json.loads(call) for call in re.findall(r'^```json\n(\{"name": .*)\n```$', PAGE, re.MULTILINE)]
TABLES = [
    "retail.customers",
    "retail.stores",
    "retail.categories",
    "retail.product_types",
    "retail.products",
    "retail.orders",
    "retail.order_items",
    "retail.inventory",
]


@pytest.fixture(params=["auto", "legacy"])
async def head_office(request: pytest.FixtureRequest, shop: Server) -> AsyncIterator[Client[Any]]:
    """Who sees every store, by both protocols."""
    async with Client(shop.url, auth="demo-head-office", mode=cast("Any", request.param)) as client:
        yield client


async def content(client: Client[Any], tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    answer = await client.call_tool(tool, arguments)
    assert answer.structured_content is not None
    return answer.structured_content


async def test_the_tools_take_the_arguments_of_the_sample_and_need_no_others(head_office: Client[Any]) -> None:
    schemas = {tool.name: tool.input_schema for tool in await head_office.list_tools()}
    taken = {
        "execute_sales_query": {"postgresql_query"},
        "get_multiple_table_schemas": {"table_names"},
        "semantic_search_products": {"query_description", "max_rows", "similarity_threshold"},
        "get_current_utc_date": set[str](),
    }
    for tool, arguments in taken.items():
        assert arguments <= schemas[tool]["properties"].keys()
        assert set(schemas[tool].get("required", ())) <= arguments
    search = schemas["semantic_search_products"]["properties"]
    assert (search["max_rows"]["default"], search["similarity_threshold"]["default"]) == (20, 30.0)


async def test_the_tables_of_the_sample_are_described(head_office: Client[Any]) -> None:
    answer = await content(head_office, "get_multiple_table_schemas", {"table_names": TABLES})
    assert [f"retail.{table['name']}" for table in answer["tables"]] == TABLES
    assert all(table["columns"] for table in answer["tables"])


async def test_a_query_is_run(head_office: Client[Any]) -> None:
    query = """
        SELECT s.name, c.name AS category, sum(i.line_total) AS revenue
        FROM retail.order_items i
        JOIN retail.orders o ON o.store_id = i.store_id AND o.order_id = i.order_id
        JOIN retail.stores s ON s.store_id = o.store_id
        JOIN retail.products p ON p.product_id = i.product_id
        JOIN retail.product_types t ON t.product_type_id = p.product_type_id
        JOIN retail.categories c ON c.category_id = t.category_id
        WHERE s.is_online = false AND o.order_date >= DATE '2025-01-01' AND o.order_date < DATE '2026-01-01'
        GROUP BY s.name, c.name ORDER BY revenue DESC LIMIT 20;
    """
    answer = await content(head_office, "execute_sales_query", {"postgresql_query": query})
    assert answer["row_count"] == 20


@pytest.mark.parametrize("threshold", [30.0, 32.5, 80])
async def test_products_are_found(head_office: Client[Any], threshold: float) -> None:
    arguments = {
        "query_description": "drill",
        "max_rows": 5,
        "similarity_threshold": threshold,
    }
    answer = await content(head_office, "semantic_search_products", arguments)
    assert 1 <= len(answer["products"]) <= 5


async def test_the_date_is_told(head_office: Client[Any]) -> None:
    answer = await content(head_office, "get_current_utc_date", {})
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", answer["utc_date"])


async def test_its_questions_are_answered_by_the_calls_that_the_page_shows(head_office: Client[Any]) -> None:
    assert len(CALLS) == 4
    for call in CALLS:
        answer = await content(head_office, call["name"], call["arguments"])
        # Containers are found by meaning, which these tests leave out.
        assert answer.get("rows", "products" in answer), call
