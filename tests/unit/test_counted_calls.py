"""Every way in counts, and each kind of work has turns of its own."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.transports import FastMCPTransport
from fastmcp.exceptions import McpError
from mcp_types import PromptReference

from tests import tiny_shop
from tests.callers import always
from tests.fakes import STORES_QUERY, FakeAuditTrail, FakeProductRepository, FakeSchemaCatalog, FakeStoreDirectory
from tests.unit.test_tools import NOW, retail_tools
from zava.adapters.mcp.completions import RetailCompletions
from zava.adapters.mcp.pipeline import UNBOUNDED, Pipeline
from zava.adapters.mcp.prompts import prompt_specs
from zava.adapters.mcp.resources import RetailResources
from zava.adapters.mcp.server import build_server
from zava.adapters.postgres.access import DatabaseAccess
from zava.container import new_container
from zava.core.fairness import Fairness, Rate, Work
from zava.core.performance import PerformanceMonitor, QueryShape
from zava.core.turns import Turns
from zava.core.use_cases.get_multiple_table_schemas import GetMultipleTableSchemas
from zava.core.use_cases.report_performance import ReportPerformance
from zava.settings import LimitSettings, Settings

InMemory = Client[FastMCPTransport]

ADA, BOB = tiny_shop.SEATTLE.principal, tiny_shop.TACOMA.principal
PERFORMANCE = {"period": "2026-03"}


def client_of(fairness: Fairness) -> InMemory:
    """A client of Ada's."""
    directory, catalog = FakeStoreDirectory(), FakeSchemaCatalog()
    performance = ReportPerformance(directory, PerformanceMonitor(lambda run: QueryShape(run.name), NOW, process=41))
    server = build_server(
        retail_tools().specs(),
        Pipeline(always(ADA), timeout=5, fairness=fairness),
        resources=RetailResources(
            directory, GetMultipleTableSchemas(catalog), performance, FakeAuditTrail(), always(ADA)
        ).specs(),
        prompts=prompt_specs(),
        completions=RetailCompletions(directory, FakeProductRepository(), catalog).spec(),
        auth=None,
        version="0.0.0",
    )
    return Client(server)


async def call_tool(client: InMemory) -> None:
    answer = await client.call_tool("get_current_utc_date", {}, raise_on_error=False)
    if answer.is_error:
        assert answer.meta is not None
        raise ConnectionError(answer.meta["zava/error"])


WAYS: dict[str, Callable[[InMemory], Awaitable[Any]]] = {
    "a tool": call_tool,
    "a resource": lambda client: client.read_resource("zava://metrics"),
    "a resource of a template": lambda client: client.read_resource("zava://schema/stores"),
    "a prompt": lambda client: client.get_prompt("daily_brief"),
    "a completion": lambda client: client.complete(
        PromptReference(name="daily_brief"), {"name": "store", "value": "S"}
    ),
}


@pytest.mark.parametrize("way", WAYS)
async def test_every_way_in_counts(way: str) -> None:
    busy = {"code": "BUSY", "retryable": True, "retry_after": 10}
    async with client_of(Fairness(Rate(per_second=0.1, burst=2), {})) as client:
        await WAYS[way](client)
        await WAYS["a tool"](client)
        with pytest.raises((ConnectionError, McpError)) as caught:
            await WAYS[way](client)
    error = caught.value
    found = error.error.data["zava/error"] if isinstance(error, McpError) else error.args[0]
    assert found == busy


@pytest.mark.parametrize("way", WAYS)
async def test_every_way_in_waits_for_its_turn(way: str) -> None:
    turns = Turns(in_all=1, at_once=1, waiting=0, waiting_in_all=0, patience=5)
    async with client_of(Fairness(UNBOUNDED.rate, {Work.QUESTION: [turns]})) as client:
        async with turns.of(BOB):
            with pytest.raises((ConnectionError, McpError), match="BUSY"):
                await WAYS[way](client)
        await WAYS[way](client)


async def test_a_query_of_ones_own_waits_for_other_turns_than_a_question() -> None:
    turns = Turns(in_all=1, at_once=1, waiting=0, waiting_in_all=0, patience=5)
    sql = {"postgresql_query": STORES_QUERY}
    async with client_of(Fairness(UNBOUNDED.rate, {Work.SQL: [turns]})) as client:
        async with turns.of(BOB):
            refused = await client.call_tool("execute_sales_query", sql, raise_on_error=False)
            assert refused.meta is not None
            assert refused.meta["zava/error"]["code"] == "BUSY"
            await client.call_tool("get_store_performance", PERFORMANCE)
        await client.call_tool("execute_sales_query", sql)


async def test_an_answer_whose_picture_has_no_turn_stands_without_it() -> None:
    turns = Turns(in_all=1, at_once=1, waiting=0, waiting_in_all=0, patience=5)
    asked = PERFORMANCE | {"chart": True}
    async with client_of(Fairness(UNBOUNDED.rate, {Work.CHART: [turns]})) as client:
        async with turns.of(BOB):
            without = await client.call_tool("get_store_performance", asked)
        drawn = await client.call_tool("get_store_performance", asked)
    assert [block.type for block in without.content] == ["text"]
    assert without.content[0].text.endswith("\nNo chart: too many are being drawn; ask again later.")
    assert [block.type for block in drawn.content] == ["text", "image"]


def fairness_of(**limits: Any) -> Fairness:  # noqa: ANN401 - as LimitSettings
    access = DatabaseAccess(dsn="", context_key_file=Path("unread"))
    fairness: Fairness = new_container(Settings(limits=LimitSettings(**limits)), access).fairness()
    return fairness


def test_heavy_work_has_half_the_processors_and_leaves_one_slot_to_others() -> None:
    (heavy,) = fairness_of().turns[Work.SQL]
    assert heavy.in_all == max(1, (os.cpu_count() or 1) // 2)
    for slots, at_once in ((1, 1), (2, 1), (8, 7)):
        (heavy,) = fairness_of(heavy_slots=slots).turns[Work.SQL]
        assert (heavy.in_all, heavy.at_once) == (slots, at_once)


def test_files_share_the_turns_of_queries() -> None:
    turns = fairness_of().turns
    assert turns[Work.FILE][-1] is turns[Work.SQL][0]


def test_every_kind_of_work_is_bounded() -> None:
    assert set(fairness_of().turns) == set(Work)
