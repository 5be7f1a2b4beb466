"""Does a greedy principal leave enough for another?

A real `zava serve` on a small sample shop. The manager of Seattle asks one question after the other. Beside her
somebody else asks heavy queries of free SQL: one after the other, or 200 at once, each anew as soon as it is answered
or refused. Both in turn, over and over; what counts is her p95 beside 200, as times that beside one. The greedy one is
a program of its own, so that its work does not delay the clock; with --rude it does not wait as long as a refusal asks.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any, TypeAlias

import httpx2

ERA = "2026-07-28"
GREEDY, OTHER = "demo-head-office", "demo-store-seattle"
MANY = 200
# A tenth of a second of a processor, whatever the shop.
HEAVY = "SELECT sum(sqrt(n)) AS total FROM generate_series(1, 300000) AS n"
QUESTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "get_store_performance": ("get_store_performance", {"period": "last_month"}),
    "analyze_sales": ("analyze_sales", {"metrics": ["revenue"], "period": "last_month", "group_by": ["category"]}),
    "execute_sales_query, as heavy": ("execute_sales_query", {"postgresql_query": HEAVY}),
}
AT_MOST = 2.0
SETTLE_SECONDS = 3

Count: TypeAlias = "Synchronized[int]"


async def ask(
    client: httpx2.AsyncClient, url: str, token: str, tool: str, arguments: dict[str, Any]
) -> tuple[str, float]:
    """How a call ended, and the seconds after which it may be made again."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": ERA,
        "io.modelcontextprotocol/clientInfo": {"name": "fairness", "version": "0"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments, "_meta": meta},
    }
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": ERA,
        "Mcp-Method": "tools/call",
        "Mcp-Name": tool,
    }
    try:
        answer = await client.post(url, content=json.dumps(body), headers=headers)
    except httpx2.TransportError as lost:
        return type(lost).__name__, 1
    if answer.status_code != httpx2.codes.OK:
        return str(answer.status_code), float(answer.headers.get("Retry-After", 0))
    result = answer.json()["result"]
    if not result.get("isError"):
        return "answered", 0
    error = result["_meta"]["zava/error"]
    return str(error["code"]), float(error.get("retry_after", 0))


def be_greedy(
    url: str, at_once: Count, under_way: Count, ends: "multiprocessing.Queue[Counter[str]]", *, rude: bool
) -> None:
    """Has as many heavy queries under way as it is told, until that is negative. Then it says how they ended."""

    async def run() -> Counter[str]:
        ended: Counter[str] = Counter()
        limits = httpx2.Limits(max_connections=MANY, max_keepalive_connections=MANY, keepalive_expiry=2)
        async with httpx2.AsyncClient(timeout=120, limits=limits) as client:

            async def work(number: int) -> None:
                while at_once.value >= 0:
                    if number >= at_once.value:
                        await asyncio.sleep(0.05)
                        continue
                    under_way.value += 1
                    end, seconds = await ask(client, url, GREEDY, "execute_sales_query", {"postgresql_query": HEAVY})
                    under_way.value -= 1
                    ended[end] += 1
                    if not rude:
                        # As programs do that back off, lest all of them come back in the same moment.
                        await asyncio.sleep(seconds * random.uniform(1, 2))  # noqa: S311

            await asyncio.gather(*map(work, range(MANY)))
        return ended

    ends.put(asyncio.run(run()))


async def measure(url: str, question: str, seconds: float) -> list[float]:
    """Milliseconds of each answer to somebody who asks one question after the other."""
    tool, arguments = QUESTIONS[question]
    waited = []
    async with httpx2.AsyncClient(timeout=120) as client:
        begin = time.perf_counter()
        while time.perf_counter() - begin < seconds:
            started = time.perf_counter()
            end, _ = await ask(client, url, OTHER, tool, arguments)
            waited.append((time.perf_counter() - started) * 1000)
            if end != "answered":
                raise SystemExit(f"{question} of {OTHER} ended with {end}")
            # More is against her own rate.
            await asyncio.sleep(0.06)
    return waited


def p95(waited: list[float]) -> float:
    return statistics.quantiles(waited, n=20)[-1]


@contextmanager
def served(scale: str) -> Iterator[str]:
    """The address of a server on a new shop."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        # PostgreSQL runs as an account of its own when this is root.
        Path(folder).chmod(0o755)
        process = subprocess.Popen(  # noqa: S603 - our own program
            [
                sys.executable,
                "-m",
                "zava",
                "serve",
                "--port",
                str(port),
                "--data-dir",
                f"{folder}/shop",
                "--scale",
                scale,
            ],
            env=os.environ | {"ZAVA_EMBEDDING__PROVIDER": "none", "ZAVA_LOG__LEVEL": "ERROR"},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            for line in process.stdout or ():
                if "Stop with Ctrl-C" in line:
                    break
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.terminate()
            process.wait()


def run(url: str, rounds: int, seconds: float, *, rude: bool) -> bool:
    at_once: Count = multiprocessing.Value("i", 0)
    under_way: Count = multiprocessing.Value("i", 0)
    ends: multiprocessing.Queue[Counter[str]] = multiprocessing.Queue()
    greedy = multiprocessing.Process(target=be_greedy, args=(url, at_once, under_way, ends), kwargs={"rude": rude})
    greedy.start()
    is_fair = True
    print(f"{'milliseconds':32}{'alone':>18}{'beside one':>18}{'beside ' + str(MANY):>18}   p95, each pair and all")
    for question in QUESTIONS:
        waited: dict[int, list[float]] = {0: [], 1: [], MANY: []}
        ratios = []
        for _ in range(rounds):
            lately = {}
            for number in waited:
                at_once.value = number
                while under_way.value > number:
                    time.sleep(0.1)
                time.sleep(SETTLE_SECONDS)
                lately[number] = asyncio.run(measure(url, question, seconds))
                waited[number] += lately[number]
            ratios.append(p95(lately[MANY]) / p95(lately[1]))
        ratio = p95(waited[MANY]) / p95(waited[1])
        is_fair &= ratio <= AT_MOST
        shown = [f"{statistics.median(some):8.1f} {p95(some):8.1f}" for some in waited.values()]
        columns = "".join(map("{:>18}".format, shown))
        pairs = " ".join(f"{one:.2f}" for one in ratios)
        print(f"{question:32}{columns}   {pairs}: {ratio:.2f}", flush=True)
    at_once.value = -1
    print(f"How the queries of the greedy one ended: {dict(ends.get(timeout=120))}")
    greedy.join()
    return is_fair


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="0.1")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--rude", action="store_true", help="ask again at once, whatever a refusal says")
    arguments = parser.parse_args()
    with served(arguments.scale) as url:
        is_fair = run(url, arguments.rounds, arguments.seconds, rude=arguments.rude)
    raise SystemExit(0 if is_fair else f"Another's p95 was more than {AT_MOST} times as long")


if __name__ == "__main__":
    main()
