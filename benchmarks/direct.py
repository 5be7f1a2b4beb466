"""What does a call cost the server that goes straight to its answer, and what by way of FastMCP?

Two servers over one small sample shop, asked in turn, round by round, in another order each time. Counted is the time
that all threads of a server spent on processors (Linux counts it), with audit trail and limits on. Ratios are those of
the same round.
"""

import argparse
import json
import random
import statistics
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from paired import TOKEN, PairedServer, SharedShop, entrance, running_program

from zava.adapters.postgres.access import DatabaseAccess
from zava.commands.answering import answer_http
from zava.commands.database import open_database
from zava.settings import CacheSettings, DatabaseSettings, EmbeddedSettings, EmbeddingSettings, LimitSettings, Settings

MODERN, HANDSHAKE = "2026-07-28", "2025-11-25"
CALLS: dict[str, tuple[str, dict[str, Any], str]] = {
    "no query": ("get_current_utc_date", {}, HANDSHAKE),
    "no query, protocol of 2026": ("get_current_utc_date", {}, MODERN),
    "two transactions": ("get_store_performance", {"period": "last_month"}, HANDSHAKE),
    "200 rows of free SQL": (
        "execute_sales_query",
        {"postgresql_query": "SELECT o.* FROM retail.orders AS o ORDER BY order_number LIMIT 200"},
        HANDSHAKE,
    ),
}
FASTMCP, DIRECT = "by FastMCP", "direct"


def ask(server: PairedServer, name: str, arguments: Mapping[str, Any], version: str, times: int) -> None:
    """Asks so often on one connection."""
    params: dict[str, Any] = {"name": name, "arguments": arguments}
    headers = {
        "Authorization": f"Bearer {TOKEN}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": version,
    }
    if version == MODERN:
        headers |= {"Mcp-Method": "tools/call", "Mcp-Name": name}
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientInfo": {"name": "benchmark", "version": "0"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    # Meanwhile the server has closed it.
    server.connection.close()
    answer = b""
    for _ in range(times):
        server.connection.request("POST", "/mcp", body, headers)
        answer = server.connection.getresponse().read()
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


def compare(servers: Mapping[str, PairedServer], call: str, rounds: int, calls: int) -> None:
    """Asks all servers in turn, and prints what a call cost each, against the one that leads it through FastMCP."""
    order = list(servers.values())
    for one in order:
        one.rounds.clear()
        ask(one, *CALLS[call], calls)
    for _ in range(rounds):
        random.shuffle(order)
        for one in order:
            one.look()
            ask(one, *CALLS[call], calls)
            one.rounds.append(one.look() / calls)
    base = servers[FASTMCP].rounds
    for what, one in servers.items():
        ratios = [mine / theirs for mine, theirs in zip(one.rounds, base, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(
            f"| {call} | {what} | {statistics.median(one.rounds):.3f} | {min(one.rounds):.3f} "
            f"| {middle:.2f} ({low:.2f} to {high:.2f}) |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--calls", type=int, default=100, help="of each server in a round")
    parser.add_argument("--serve", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
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
        print("| call | way | ms on processors | least | times by FastMCP, quartiles |\n|---|---|---|---|---|")
        for call in CALLS:
            compare(servers, call, arguments.rounds, arguments.calls)


if __name__ == "__main__":
    main()
