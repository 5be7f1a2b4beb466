"""What does telemetry cost a call? Servers that tell nothing, one trace in a hundred, every trace, and to nobody there.

All over one small sample shop, asked in turn, round by round, in another order each time. Counted is the time that all
threads of a server spent on processors (Linux counts it), sending included; the ratios are those of the same round.
"""

import argparse
import http.client
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent import futures
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]

from zava.adapters.postgres.access import DatabaseAccess
from zava.commands.answering import Entrance, answer_http
from zava.commands.database import Database, open_database
from zava.core.model import Principal
from zava.demo.personas import PERSONAS
from zava.settings import CacheSettings, EmbeddedSettings, EmbeddingSettings, LimitSettings, Settings

TOKEN = "demo-store-seattle"  # noqa: S105 - the sample shop's
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


@dataclass(frozen=True)
class Shop(Database):
    """The sample shop, of which several servers may answer."""

    def principals(self) -> dict[str, Principal]:
        return {persona.token: Principal(persona.principal_id, persona.name) for persona in PERSONAS}


@dataclass
class Server:
    """A server, and what it has spent since the last look."""

    process: subprocess.Popen[bytes]
    connection: http.client.HTTPConnection
    spent: float = 0
    rounds: list[float] = field(default_factory=list)

    def look(self) -> float:
        """Milliseconds that its threads were on processors since the last look."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        spent = sum(int(task.read_text(encoding="ascii").split()[0]) for task in tasks) / 1e6
        before, self.spent = self.spent, spent
        return spent - before

    def call(self, name: str, arguments: Mapping[str, Any]) -> None:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
        self.connection.request("POST", "/mcp", json.dumps(body), HEADERS)
        answer = json.loads(self.connection.getresponse().read())
        if answer["result"].get("isError"):
            raise RuntimeError(answer)


def serve(dsn: str, key_file: Path, port: int) -> None:
    """A server of its own process."""
    shop = Shop(DatabaseAccess(dsn, key_file), None)
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # One principal asks as often as it can.
    limits = LimitSettings(calls_per_second=100_000, burst=100_000)
    # An answer that is kept asks nothing.
    cache = CacheSettings(enabled=False)
    settings = Settings(embedding=EmbeddingSettings(provider="none"), limits=limits, cache=cache)
    answer_http(settings, shop, Entrance(listener, f"http://127.0.0.1:{port}/mcp"))


@contextmanager
def server(shop: Database, variables: Mapping[str, str]) -> Iterator[Server]:
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ZAVA_", "OTEL_"))}
    process = subprocess.Popen(  # noqa: S603 - this program
        [sys.executable, __file__, "--serve", shop.access.dsn, str(shop.access.context_key_file), str(port)],
        env={**environment, **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port)
        yield Server(process, http.client.HTTPConnection("127.0.0.1", port, timeout=60))
    finally:
        process.terminate()
        process.wait(60)


def wait_for(port: int) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def settings_of(endpoint: str) -> dict[str, dict[str, str]]:
    sampled = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}
    everything = {"OTEL_TRACES_SAMPLER": "parentbased_always_on"}
    return {
        OFF: {},
        SOME: {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **sampled},
        ALL: {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **everything},
        DOWN: {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}", **everything},
    }


def compare(servers: dict[str, Server], call: str, rounds: int, calls: int) -> None:
    """Asks all servers in turn, and prints what a call cost each, against the one that tells nothing."""
    name, arguments = CALLS[call]
    for one in servers.values():
        one.rounds.clear()
        one.connection.close()
        for _ in range(calls):
            one.call(name, arguments)
        one.look()
    order = list(servers.values())
    for _ in range(rounds):
        random.shuffle(order)
        for one in order:
            # Meanwhile the server has closed it.
            one.connection.close()
            for _ in range(calls):
                one.call(name, arguments)
            one.rounds.append(one.look() / calls)
    base = servers[OFF].rounds
    for what, one in servers.items():
        ratios = [mine / theirs for mine, theirs in zip(one.rounds, base, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        whole = sum(one.rounds) / sum(base)
        print(
            f"| {call} | {what} | {statistics.median(one.rounds):.2f} | {middle:.2f} ({low:.2f} to {high:.2f}) "
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
        servers = {
            what: stack.enter_context(server(shop, variables)) for what, variables in settings_of(endpoint).items()
        }
        print("| call | telemetry | ms on processors | times off, quartiles | in all |\n|---|---|---|---|---|")
        for call in CALLS:
            compare(servers, call, arguments.rounds, arguments.calls)
    receiver.stop(0)


if __name__ == "__main__":
    main()
