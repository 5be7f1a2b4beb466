"""What do a server and its PostgreSQL need: memory, and processor time of a call?

A real `zava serve` on a sample shop, asked by one client, question after question. Memory is that of the process alone,
shared pages divided among those who share them; processor time is of all the processes of each side. Last, what an
order line takes on the disk, with its share of everything else.
"""

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psycopg
from fastmcp import Client
from fastmcp.client.auth import BearerAuth

from zava.adapters.embedded.supervisor import EmbeddedPostgres

TICKS = os.sysconf("SC_CLK_TCK")
MANAGER, HEAD_OFFICE = "demo-store-seattle", "demo-head-office"
MONTHS = (
    "SELECT date_trunc('month', order_date) AS month, sum(line_total) AS revenue FROM order_items GROUP BY 1 ORDER BY 1"
)
QUESTIONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "get_current_utc_date": (MANAGER, "get_current_utc_date", {}),
    "get_store_performance, a store": (MANAGER, "get_store_performance", {"period": "last_month"}),
    "get_store_performance, the chain": (HEAD_OFFICE, "get_store_performance", {"period": "last_month"}),
    "analyze_sales": (
        MANAGER,
        "analyze_sales",
        {"metrics": ["revenue"], "period": "last_month", "group_by": ["category"]},
    ),
    "free SQL, months of a store": (MANAGER, "execute_sales_query", {"postgresql_query": MONTHS}),
    "free SQL, months of the chain": (HEAD_OFFICE, "execute_sales_query", {"postgresql_query": MONTHS}),
}


def _ticks(pid: int) -> list[int]:
    """Of a process, in user and in system mode, and the same of its children that have ended."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    return [int(number) for number in text.rpartition(")")[2].split()[11:15]]


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid, *map(int, children)]


def seconds(pid: int) -> float:
    """Of a processor, that a process and its children have taken."""
    first, *children = _family(pid)
    ticks = 0
    for child in children:
        # What one that ends meanwhile has taken, the parent is asked for last.
        with suppress(FileNotFoundError, ProcessLookupError):
            ticks += sum(_ticks(child)[:2])
    return (ticks + sum(_ticks(first))) / TICKS


def megabytes(*pids: int) -> float:
    """Of memory, each shared page divided by those who share it."""
    texts = [Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii") for pid in pids]
    return sum(int(line.split()[1]) for text in texts for line in text.splitlines() if line.startswith("Pss:")) / 1024


@contextmanager
def serving(folder: Path, scale: float) -> Iterator[tuple[str, int, int]]:
    """The address of a server, its process, and that of its PostgreSQL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "zava",
        "serve",
        "--port",
        str(port),
        "--data-dir",
        str(folder),
        "--scale",
        str(scale),
    ]
    settings = {
        "ZAVA_LIMITS__CALLS_PER_SECOND": "10000",
        "ZAVA_LIMITS__BURST": "10000",
        "ZAVA_EMBEDDING__PROVIDER": "none",
        # An answer that is kept asks nothing.
        "ZAVA_CACHE__ENABLED": "false",
    }
    silent = subprocess.DEVNULL
    with subprocess.Popen(command, env=os.environ | settings, stdout=silent, stderr=silent) as server:  # noqa: S603
        try:
            while server.poll() is None:
                with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/health/live"):
                    break
                time.sleep(0.2)
            postmaster = int((folder / "postgres/postmaster.pid").read_text(encoding="ascii").split()[0])
            yield f"http://127.0.0.1:{port}/mcp", server.pid, postmaster
        finally:
            server.terminate()


async def measure(url: str, server: int, postmaster: int, calls: int) -> None:
    """Prints what each question takes."""
    print(f"{'milliseconds of a processor':34} server  PostgreSQL")
    for title, (token, tool, arguments) in QUESTIONS.items():
        async with Client(url, auth=BearerAuth(token)) as client:
            for _ in range(5):
                await client.call_tool(tool, arguments)
            before = seconds(server), seconds(postmaster)
            for _ in range(calls):
                await client.call_tool(tool, arguments)
            here, there = (
                (after - then) * 1000 / calls
                for after, then in zip((seconds(server), seconds(postmaster)), before, strict=True)
            )
        print(f"{title:34} {here:6.1f} {there:11.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--calls", type=int, default=200, help="of each question")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zava-benchmark-", dir="/tmp") as place:
        folder = Path(place) / "data"
        Path(place).chmod(0o711)
        with serving(folder, arguments.scale) as (url, server, postmaster):
            dsn = EmbeddedPostgres(folder).dsn()
            with psycopg.connect(dsn, autocommit=True) as connection:
                # Days are summed meanwhile.
                while connection.execute("SELECT FROM retail.sales_changes LIMIT 1").fetchone():
                    time.sleep(1)
                # Or autovacuum would do it while the clock runs.
                connection.execute("VACUUM (ANALYZE)")
            print(f"megabytes of a server that has just begun: {megabytes(server):.0f}")
            asyncio.run(measure(url, server, postmaster, arguments.calls))
            processes = _family(postmaster)
            print(f"megabytes of the server: {megabytes(server):.0f}")
            print(f"megabytes of {len(processes)} processes of PostgreSQL: {megabytes(*processes):.0f}")
            with psycopg.connect(dsn) as connection:
                row = connection.execute(
                    "SELECT pg_database_size(current_database()), (SELECT count(*) FROM retail.order_items)"
                ).fetchone()
            size, lines = row or (0, 1)
            print(f"disk: {size / 2**20:,.0f} MB, {lines:,} lines of orders, {size / lines:.0f} bytes each")


if __name__ == "__main__":
    main()
