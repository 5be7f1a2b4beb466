"""What does a call cost the server that goes straight to its answer, and what by way of FastMCP?

Two servers over one small sample shop, asked in turn, round by round, in another order each time. Counted is the time
that all threads of a server spent on processors (Linux counts it), with audit trail and limits on. Ratios are those of
the same round. A bare application of Starlette's shows what HTTP alone takes here, and how fast this machine is today.
"""

import argparse
import json
import random
import statistics
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn
from paired import HOST, TOKEN, PairedServer, SharedShop, entrance, running_program
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from zava.adapters.postgres.access import DatabaseAccess
from zava.commands.answering import answer_http
from zava.commands.database import open_database
from zava.settings import CacheSettings, DatabaseSettings, EmbeddedSettings, EmbeddingSettings, LimitSettings, Settings

MODERN, HANDSHAKE = "2026-07-28", "2025-11-25"
FASTMCP, DIRECT, BARE = "by FastMCP", "direct", "bare Starlette"


class Workload(NamedTuple):
    """A call, and how it is asked.

    Attributes:
        at_once: connections that ask at the same time. With several the server is never at rest, which is how a busy
            one works: it need not wake up for each call.
    """

    tool: str
    arguments: Mapping[str, Any]
    version: str = HANDSHAKE
    at_once: int = 1


ORDERS = {"postgresql_query": "SELECT o.* FROM retail.orders AS o ORDER BY order_number LIMIT 200"}
WORKLOADS = {
    "no query": Workload("get_current_utc_date", {}),
    "no query, eight at once": Workload("get_current_utc_date", {}, at_once=8),
    "no query, protocol of 2026": Workload("get_current_utc_date", {}, MODERN),
    "two transactions": Workload("get_store_performance", {"period": "last_month"}),
    "200 rows of free SQL": Workload("execute_sales_query", ORDERS),
}


def ask(server: PairedServer, workload: Workload, times: int) -> None:
    """Asks so often."""
    params: dict[str, Any] = {"name": workload.tool, "arguments": workload.arguments}
    headers = {
        "Authorization": f"Bearer {TOKEN}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": workload.version,
    }
    if workload.version == MODERN:
        headers |= {"Mcp-Method": "tools/call", "Mcp-Name": workload.tool}
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": {"name": "benchmark", "version": "0"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    with ExitStack() as stack:
        connections = [
            stack.enter_context(closing(HTTPConnection(HOST, server.connection.port, timeout=60)))
            for _ in range(workload.at_once)
        ]
        for _ in range(times // workload.at_once):
            for connection in connections:
                connection.request("POST", "/mcp", body, headers)
            for connection in connections:
                answer = connection.getresponse().read()
                if b'"isError":false' not in answer:
                    raise RuntimeError(answer)


def serve(dsn: str, key_file: Path, writer_dsn: str, audit_dir: Path, port: int) -> None:
    """A server of its own process, whose settings are otherwise those of its environment."""
    settings = Settings(
        embedding=EmbeddingSettings(provider="none"),
        # One principal asks as often as it can.
        limits=LimitSettings(calls_per_second=100_000, burst=100_000),
        # Nothing is summed meanwhile.
        database=DatabaseSettings(rollup_interval=86_400),
        # An answer that is kept asks nothing.
        cache=CacheSettings(enabled=False),
    )
    answer_http(settings, SharedShop(DatabaseAccess(dsn, key_file, writer_dsn, audit_dir), None), entrance(port))


def serve_bare(port: int) -> None:
    """Reads what is asked, and has one answer to everything."""

    async def answer(request: Request) -> JSONResponse:
        asked = await request.json()
        content = [{"type": "text", "text": "2026-01-31T12:00:00Z"}]
        return JSONResponse({"jsonrpc": "2.0", "id": asked["id"], "result": {"content": content, "isError": False}})

    application = Starlette(routes=[Route("/mcp", answer, methods=["POST"])])
    uvicorn.run(application, host=HOST, port=port, log_level="warning", access_log=False)


def compare(servers: Mapping[str, PairedServer], what: str, rounds: int, calls: int) -> None:
    """Asks all servers in turn, and prints what a call cost each, against the one that leads it through FastMCP."""
    workload = WORKLOADS[what]
    order = list(servers.values())
    for one in order:
        one.rounds.clear()
        ask(one, workload, calls)
    for _ in range(rounds):
        random.shuffle(order)
        for one in order:
            one.look()
            ask(one, workload, calls)
            one.rounds.append(one.look() / calls)
    base = servers[FASTMCP].rounds
    for way, one in servers.items():
        ratios = [mine / theirs for mine, theirs in zip(one.rounds, base, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(
            f"| {what} | {way} | {statistics.median(one.rounds):.3f} | {min(one.rounds):.3f} "
            f"| {middle:.2f} ({low:.2f} to {high:.2f}) |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--calls", type=int, default=200, help="of each server in a round")
    parser.add_argument("--serve", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve and arguments.serve[0] == BARE:
        serve_bare(int(arguments.serve[1]))
        return
    if arguments.serve:
        dsn, key_file, writer_dsn, audit_dir, port = arguments.serve
        serve(dsn, Path(key_file), writer_dsn, Path(audit_dir), int(port))
        return
    with tempfile.TemporaryDirectory(prefix="zava-benchmark-", dir="/tmp") as folder, ExitStack() as stack:
        Path(folder).chmod(0o711)
        shop = stack.enter_context(open_database(Settings(embedded=EmbeddedSettings(data_dir=Path(folder) / "data"))))
        shop.migrate()
        shop.seed(0.02)
        access = shop.access
        places = (access.dsn, access.context_key_file, access.writer_dsn, access.audit_dir)
        servers = {
            FASTMCP: stack.enter_context(running_program(__file__, places, {"ZAVA_HTTP__DIRECT": "false"})),
            DIRECT: stack.enter_context(running_program(__file__, places, {})),
        }
        bare = stack.enter_context(running_program(__file__, (BARE,), {}))
        print("| call | way | ms on processors | least | times by FastMCP, quartiles |\n|---|---|---|---|---|")
        for what, workload in WORKLOADS.items():
            http_alone = (
                {BARE: bare} if workload.tool == "get_current_utc_date" and workload.version == HANDSHAKE else {}
            )
            compare(servers | http_alone, what, arguments.rounds, arguments.calls)


if __name__ == "__main__":
    main()
