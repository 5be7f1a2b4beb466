"""`zava stats` of a real server, and what its log says of slow queries."""

import asyncio
import json
import time
from collections.abc import Iterator

import pytest
from fastmcp import Client

from tests.e2e.conftest import CopyShop, Server, free_port, start_server, zava
from zava.demo.personas import HEAD_OFFICE, PERSONAS

TACOMA = next(persona for persona in PERSONAS if persona.token == "demo-store-tacoma")
QUERY = "SELECT name FROM stores WHERE name <> 'Canary' ORDER BY name"


@pytest.fixture(scope="module")
def server(copy_shop: CopyShop) -> Iterator[Server]:
    """One that takes everything for slow, and has been asked some things by two people."""
    server = start_server(copy_shop("0"), ZAVA_LOG__SLOW_SECONDS="0.001")
    asyncio.run(ask(server, HEAD_OFFICE.token, times=2))
    asyncio.run(ask(server, TACOMA.token, times=1))
    yield server
    assert server.stop() == 0
    assert "Traceback" not in "".join(server.errors)


async def ask(server: Server, token: str, times: int) -> None:
    async with Client(server.url, auth=token) as client:
        for _ in range(times):
            await client.call_tool("execute_sales_query", {"postgresql_query": QUERY})
        refused = await client.call_tool("analyze_sales", {"metrics": ["Canary"]}, raise_on_error=False)
        assert refused.is_error


def stats(server: Server, *options: str, **variables: str) -> str:
    shown = zava("stats", "--url", server.url, *options, **variables)
    assert (shown.returncode, shown.stderr) == (0, "")
    return shown.stdout


def row(table: str, name: str) -> list[str]:
    """The counts of the one row of this name."""
    (found,) = [line for line in table.splitlines() if line.strip().startswith(name)]
    return found.strip().removeprefix(name).split()[:4]


def test_head_office_sees_everybody_principal_by_principal(server: Server) -> None:
    shown = stats(server)
    assert shown.startswith(f"Process {server.process.pid} at {server.url} since 20")
    assert "of everybody" in shown
    calls, queries = shown.split("\nquery")
    assert row(calls, "execute_sales_query") == ["3", "3", "0", "0"]
    assert row(calls, "analyze_sales")[::3] == ["2", "2"]
    below = calls[calls.index("execute_sales_query") :].splitlines()[1:3]
    assert sorted(line.strip().split("  ")[0] for line in below) == [HEAD_OFFICE.name, TACOMA.name]
    assert "SELECT name FROM stores WHERE name <> ? ORDER BY name" in queries


def test_a_manager_sees_their_own(server: Server) -> None:
    shown = stats(server, ZAVA_TOKEN=TACOMA.token)
    assert "your own" in shown
    assert row(shown.split("\nquery")[0], "execute_sales_query") == ["1", "1", "0", "0"]
    assert HEAD_OFFICE.name not in shown


def test_programs_read_json(server: Server) -> None:
    report = json.loads(stats(server, "--json"))
    assert report["process"] == server.process.pid
    (query,) = [one for one in report["queries"] if one["fingerprint"]]
    assert (query["name"], query["figures"]["count"]) == ("execute_sales_query", 3)
    assert {one["principal_id"] for one in query["principals"]} == {
        str(HEAD_OFFICE.principal_id),
        str(TACOMA.principal_id),
    }


def test_the_log_has_slow_queries_with_their_plans_and_nothing_that_was_in_them(server: Server) -> None:
    deadline = time.monotonic() + 30
    # Plans are made one at a time, and again when a query comes that found another under way.
    while not planned(server):
        assert time.monotonic() < deadline
        asyncio.run(ask(server, HEAD_OFFICE.token, times=1))
    log = "".join(server.errors)
    assert f"of {TACOMA.principal_id}, " in log
    assert "Slow query detected: stores_of, business_settings of " in log
    assert "Canary" not in log


def planned(server: Server) -> bool:
    lines = "".join(server.errors)
    fingerprint = lines.partition("Slow query detected: execute_sales_query ")[2].split(" ")[0]
    return bool(fingerprint) and f"Plan of slow query {fingerprint}:\n    Limit  (cost=" in lines


@pytest.mark.parametrize(
    ("url", "token", "sentence"),
    [
        ("{url}", "not-a-token", "zava: {url} does not tell: "),
        ("http://127.0.0.1:{port}/mcp", "", "zava: Nobody answers at http://127.0.0.1:{port}/mcp: "),
        ("here", "", "zava: here is no URL of a server, such as http://127.0.0.1:8000/mcp."),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(server: Server, url: str, token: str, sentence: str) -> None:
    names = {"url": server.url, "port": str(free_port())}
    refused = zava("stats", "--url", url.format_map(names), ZAVA_TOKEN=token)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(sentence.format_map(names))
    assert len(refused.stderr.splitlines()) == 1


def test_without_a_url_the_server_is_asked_where_the_settings_say_that_clients_reach_it() -> None:
    url = f"http://localhost:{free_port()}"
    refused = zava("stats", ZAVA_HTTP__HOST="0.0.0.0", ZAVA_HTTP__PUBLIC_URL=url)  # noqa: S104
    assert refused.stderr.startswith(f"zava: Nobody answers at {url}/mcp: ")
