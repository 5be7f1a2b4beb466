"""What does telemetry cost a call? Servers that tell nothing, one trace in a hundred, every trace, and to nobody there.

All over one small sample shop, asked in turn, round by round, in another order each time. Counted is the time that all
threads of a server spent on processors (Linux counts it), sending included; the ratios are those of the same round.
"""

import argparse
import json
import random
import statistics
import tempfile
from collections.abc import Mapping
from concurrent import futures
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
from paired import TOKEN, PairedServer, SharedShop, entrance, running_program
from side_by_side.servers import free_port

from zava.adapters.postgres.access import DatabaseAccess
from zava.commands.answering import answer_http
from zava.commands.database import open_database
from zava.settings import CacheSettings, EmbeddedSettings, EmbeddingSettings, LimitSettings, Settings

HEADERS = {
    "Authorization": f"Bearer {TOKEN}",
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": "2025-06-18",
}
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "no query": ("get_current_utc_date", {}),
    "two transactions": ("get_store_performance", {"period": "last_month"}),
    "free SQL": ("execute_sales_query", {"postgresql_query": "SELECT count(*) FROM retail.stores WHERE name <> 'x'"}),
}
# Not traced by the caller; so that the sampler decides.
OFF = "off"
SOME, ALL, DOWN = "metrics, 1 % of traces", "metrics, all traces", "all traces, receiver away"


class Anything(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Takes whatever is sent, and answers with an empty message."""

    def service(self, _: object) -> Any:  # noqa: ANN401
        return grpc.unary_unary_rpc_method_handler(lambda *_: b"")


def call(server: PairedServer, name: str, arguments: Mapping[str, Any]) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    server.connection.request("POST", "/mcp", json.dumps(body), HEADERS)
    answer = json.loads(server.connection.getresponse().read())
    if answer["result"].get("isError"):
        raise RuntimeError(answer)


def serve(dsn: str, key_file: Path, port: int) -> None:
    """A server of its own process."""
    # One principal asks as often as it can.
    limits = LimitSettings(calls_per_second=100_000, burst=100_000)
    # An answer that is kept asks nothing.
    cache = CacheSettings(enabled=False)
    settings = Settings(embedding=EmbeddingSettings(provider="none"), limits=limits, cache=cache)
    answer_http(settings, SharedShop(DatabaseAccess(dsn, key_file), None), entrance(port))


def settings_of(endpoint: str) -> dict[str, dict[str, str]]:
    sampled = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}
    everything = {"OTEL_TRACES_SAMPLER": "parentbased_always_on"}
    return {
        OFF: {},
        SOME: {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **sampled},
        ALL: {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **everything},
        DOWN: {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}", **everything},
    }


def compare(servers: dict[str, PairedServer], question: str, rounds: int, calls: int) -> None:
    """Asks all servers in turn, and prints what a call cost each, against the one that tells nothing."""
    name, arguments = CALLS[question]
    for one in servers.values():
        one.rounds.clear()
        one.connection.close()
        for _ in range(calls):
            call(one, name, arguments)
        one.look()
    order = list(servers.values())
    for _ in range(rounds):
        random.shuffle(order)
        for one in order:
            # Meanwhile the server has closed it.
            one.connection.close()
            for _ in range(calls):
                call(one, name, arguments)
            one.rounds.append(one.look() / calls)
    base = servers[OFF].rounds
    for what, one in servers.items():
        ratios = [mine / theirs for mine, theirs in zip(one.rounds, base, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        whole = sum(one.rounds) / sum(base)
        print(
            f"| {question} | {what} | {statistics.median(one.rounds):.2f} | {middle:.2f} ({low:.2f} to {high:.2f}) "
            f"| {whole:.2f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--calls", type=int, default=50, help="of each server in a round")
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        dsn, key_file, port = arguments.serve
        serve(dsn, Path(key_file), int(port))
        return
    receiver = grpc.server(futures.ThreadPoolExecutor(3), handlers=(Anything(),))
    endpoint = f"http://127.0.0.1:{receiver.add_insecure_port('127.0.0.1:0')}"
    receiver.start()
    with tempfile.TemporaryDirectory(prefix="zava-benchmark-", dir="/tmp") as folder, ExitStack() as stack:
        Path(folder).chmod(0o711)
        shop = stack.enter_context(open_database(Settings(embedded=EmbeddedSettings(data_dir=Path(folder) / "data"))))
        shop.migrate()
        shop.seed(0.02)
        places = (shop.access.dsn, shop.access.context_key_file)
        servers = {
            what: stack.enter_context(running_program(__file__, places, variables))
            for what, variables in settings_of(endpoint).items()
        }
        print("| call | telemetry | ms on processors | times off, quartiles | in all |\n|---|---|---|---|---|")
        for question in CALLS:
            compare(servers, question, arguments.rounds, arguments.calls)
    receiver.stop(0)


if __name__ == "__main__":
    main()
