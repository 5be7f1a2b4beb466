"""What the audit trail is told of a call: who asked with which client, about which stores, and which free SQL."""

import json
from datetime import UTC, date, datetime

import pytest
from fastmcp import Client
from fastmcp.client.transports import FastMCPTransport
from fastmcp.exceptions import McpError
from mcp_types import Implementation, TextResourceContents

from tests import tiny_shop
from tests.fakes import STORES_QUERY, FakeAuditTrail, FakeSchemaCatalog, FakeStoreDirectory
from tests.tiny_shop import PersonRow
from tests.unit.test_csv_files import House
from zava.adapters.mcp.client import LONGEST_NAME, cleaned, client_of_call
from zava.adapters.mcp.coverage import coverage
from zava.adapters.mcp.identity import KnownTokens
from zava.adapters.mcp.pipeline import Pipeline
from zava.adapters.mcp.resources import Definitions, RetailResources
from zava.adapters.mcp.server import build_server
from zava.adapters.mcp.tools import CurrentDate
from zava.commands.audit import printable_lines
from zava.core.observations import AuditedCall, Coverage
from zava.core.performance import PerformanceMonitor, QueryShape
from zava.core.use_cases.get_multiple_table_schemas import GetMultipleTableSchemas
from zava.core.use_cases.report_performance import ReportPerformance

TOLD = Implementation(name="Claude\x1b[31m\nDesktop", version="1.2.3")


def client_of(person: PersonRow, trail: FakeAuditTrail, mode: str = "auto") -> Client[FastMCPTransport]:
    """Everything that the server can tell of the audit trail, with this person at the other end."""
    identity = KnownTokens({"token": person.principal}, "token")
    directory = FakeStoreDirectory()
    monitor = PerformanceMonitor(lambda run: QueryShape(run.name), datetime(2026, 4, 1, tzinfo=UTC), process=41)
    resources = RetailResources(
        directory,
        GetMultipleTableSchemas(FakeSchemaCatalog()),
        ReportPerformance(directory, monitor),
        trail,
        identity.caller,
    )
    server = build_server(
        (),
        Pipeline(identity.caller, timeout=5, client=client_of_call, cover=coverage, audit=trail.append),
        resources=resources.specs(),
        auth=None,
        version="0.0.0",
    )
    return Client(server, mode=mode, client_info=TOLD)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_client_is_named_with_its_version_and_without_what_steers_terminals(mode: str) -> None:
    trail = FakeAuditTrail()
    async with client_of(tiny_shop.SEATTLE, trail, mode) as client:
        await client.read_resource("zava://metrics")
    (call,) = trail.calls
    assert call.client == "Claude [31m Desktop 1.2.3"


@pytest.mark.parametrize(("told", "kept"), [("", None), (" \n", None), ("x" * 1_000, "x" * LONGEST_NAME)])
def test_the_name_of_a_client_is_bounded(told: str, kept: str | None) -> None:
    assert cleaned(told) == kept


async def test_the_trail_is_read_by_who_holds_the_grant_and_that_is_in_it_too() -> None:
    trail = FakeAuditTrail()
    async with client_of(tiny_shop.SEATTLE, trail) as client:
        await client.read_resource("zava://stores")
        with pytest.raises(McpError, match="AUTHORIZATION_ERROR: The audit trail is for those who hold"):
            await client.read_resource("zava://audit")
    async with client_of(tiny_shop.HEAD_OFFICE, trail) as client:
        await client.read_resource("zava://audit")
        (content,) = await client.read_resource("zava://audit")
    assert isinstance(content, TextResourceContents)
    calls = json.loads(content.text)["calls"]
    assert [(call["tool"], call["principal_name"], call["decision"]) for call in calls] == [
        ("audit", "Head office", "allowed"),
        ("audit", "Seattle manager", "refused"),
        ("stores", "Seattle manager", "allowed"),
    ]
    assert calls[2]["stores"] == ["Seattle"]


@pytest.mark.parametrize("result", ["a prompt, or a page", Definitions((), ()), CurrentDate(date(2026, 4, 1))])
def test_what_is_the_same_for_everybody_tells_of_no_store(result: object) -> None:
    assert coverage(result) == Coverage(())


async def test_a_file_of_free_sql_is_called_with_the_query_in_its_link() -> None:
    house = House()
    uri = await house.link("execute_sales_query", {"postgresql_query": STORES_QUERY}, tiny_shop.REGION)
    spec = house.files().spec()
    question = {"question": uri.removeprefix("zava://csv/")}
    assert spec.query(tiny_shop.REGION.principal, question) == STORES_QUERY
    assert spec.query(tiny_shop.SEATTLE.principal, question) is None
    assert spec.query(None, question) is None
    assert spec.query(tiny_shop.REGION.principal, {"question": "nonsense"}) is None
    assert spec.query(tiny_shop.REGION.principal, {}) is None


async def test_a_file_of_another_tool_has_no_query() -> None:
    house = House()
    uri = await house.link("compare_stores", {"period": "2026-03"}, tiny_shop.HEAD_OFFICE)
    question = {"question": uri.removeprefix("zava://csv/")}
    assert house.files().spec().query(tiny_shop.HEAD_OFFICE.principal, question) is None


def test_what_clients_and_callers_call_themselves_cannot_steer_the_terminal_of_an_operator() -> None:
    call = AuditedCall(
        called_at=datetime(2026, 4, 1, 12, tzinfo=UTC),
        principal_name="Ada\x1b[2J",
        client=None,
        tool="execute_sales_query",
        fingerprint=None,
        query="SELECT \x1b[31m AS \u202e",
        query_text=None,
        stores=["Seattle", "Tacoma"],
        row_count=1_234,
        text_bytes=56_789,
        decision="refused",
        code="QUERY_REFUSED",
        seconds=0.01234,
        trace_id=None,
    )
    first, second = printable_lines(call).splitlines()
    assert first.split()[:5] == ["2026-04-01", "12:00:00", "refused", "QUERY_REFUSED", "Ada\\x1b[2J"]
    assert first.split()[5:] == "execute_sales_query 0.012 s 1,234 rows 56,789 B Seattle, Tacoma".split()
    assert second == "    SELECT \\x1b[31m AS \\u202e"
