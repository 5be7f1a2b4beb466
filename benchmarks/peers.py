"""How fast, and in how many words, do servers answer over MCP from one PostgreSQL, in one run?

psycopg without any server, MCP Toolbox, dbhub, postgres-mcp, server-postgres, and Zava: by the tool that is made for a
question, and by its SQL tool. The others see everything; Zava's caller is head office, through the row policies. First
all answers are compared, then all servers are asked in turn, round by round, in another order each time. CPU is what
all threads of a server spent on processors (Linux counts it). The others are installed in pinned versions, in
build/peers, and the sample shops are made in build/bench.
"""

import argparse
import os
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import uvloop
from side_by_side import report
from side_by_side.answers import check
from side_by_side.install import Peers
from side_by_side.postgres import Shop, make_shop, open_shop
from side_by_side.report import CACHED, CACHED_SEARCH, ZAVA, ZAVA_SEARCH, ZAVA_SQL, Cell, Measured
from side_by_side.servers import Command, Server, free_port, peers, raw, running, zava
from side_by_side.usage import processor_times, resident_mebibytes, spent_milliseconds
from side_by_side.workloads import Workload, workloads

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "benchmarks" / "RESULTS.md"
WITHOUT_MODEL = {"ZAVA_EMBEDDING__PROVIDER": "none"}
WITH_CACHE = {"ZAVA_CACHE__ENABLED": "true", "ZAVA_CACHE__FREE_SQL": "true"}
ALL_BUT_SEARCH = ("W1", "W2", "W3", "W4", "W5", "W6")
# Which workloads a server is asked, where not all. Search has a server of its own, since the model takes memory.
ASKED = {
    ZAVA: ALL_BUT_SEARCH,
    CACHED: ALL_BUT_SEARCH,
    ZAVA_SQL: ("W3", "W4"),
    ZAVA_SEARCH: ("W7",),
    CACHED_SEARCH: ("W7",),
}
# Calls of more than this many milliseconds are not repeated 64 at a time: that would take minutes.
SLOW_MILLISECONDS = 100


def commands(installed: Peers, shop: Shop, variants: Mapping[str, Mapping[str, str]]) -> dict[str, Command]:
    ours = {
        ZAVA: zava(shop, WITHOUT_MODEL, governed=True),
        CACHED: zava(shop, WITHOUT_MODEL | WITH_CACHE, governed=True),
        ZAVA_SQL: zava(shop, WITHOUT_MODEL, governed=False),
        ZAVA_SEARCH: zava(shop, {}, governed=True),
        CACHED_SEARCH: zava(shop, WITH_CACHE, governed=True),
        **{name: zava(shop, variables, governed=True) for name, variables in variants.items()},
    }
    return peers(installed, shop, shop.folder.parent) | ours


@asynccontextmanager
async def started(shop: Shop, wanted: Mapping[str, Command]) -> AsyncIterator[list[Server]]:
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(raw(shop))]
        for name, command in wanted.items():
            log = shop.folder.parent / f"{name.replace(', ', '-').replace(' ', '-')}.log"
            servers.append(await stack.enter_async_context(running(name, command, log)))
        yield servers


async def measure(server: Server, shop: Shop, workload: Workload, concurrency: int, seconds: float) -> Cell:
    # All others are descendants of this program.
    has_own = server.pid != os.getpid()
    mine, database = processor_times(server.pid, descendants=has_own), processor_times(shop.pid)
    load = await server.asked.load(workload.questions(server), concurrency, seconds)
    return Cell(
        load,
        spent_milliseconds(mine, processor_times(server.pid, descendants=has_own)),
        spent_milliseconds(database, processor_times(shop.pid)),
    )


async def compare(shop: Shop, measured: Measured, servers: Sequence[Server], wanted: argparse.Namespace) -> None:
    """All workloads at all concurrencies."""
    calls = dict.fromkeys((server.name for server in servers), 0)
    for workload in wanted.workloads:
        raw, *others = [server for server in servers if workload.name in ASKED.get(server.name, (workload.name,))]
        checked = {server.name: await check(workload, server, raw) for server in others}
        measured.sizes[workload.name] = {name: size for name, size in checked.items() if size}
        measured.left_out += [f"{name} in {workload.name}" for name, size in checked.items() if size is None]
        asked = [raw, *(server for server in others if checked[server.name])]
        concurrencies = [1] if workload.slow else wanted.concurrency
        for concurrency in concurrencies:
            cells: dict[str, list[Cell]] = {server.name: [] for server in asked}
            measured.rounds[workload.name, concurrency] = cells
            slow = any(
                one[0].load.milliseconds[0] > SLOW_MILLISECONDS
                for one in measured.rounds[workload.name, concurrencies[0]].values()
                if one
            )
            for _ in range(1 if slow and concurrency > 1 else wanted.rounds):
                for server in random.sample(asked, len(asked)):
                    cell = await measure(server, shop, workload, concurrency, wanted.seconds)
                    cells[server.name].append(cell)
                    calls[server.name] += cell.calls
                    if cell.load.failures:
                        print(f"{server.name} failed: {cell.load.failure!r}", flush=True)
            told = ", ".join(f"{name} {one[-1].load.per_second:.3g}/s" for name, one in cells.items())
            print(f"scale {measured.scale:g}, {workload.name}, {concurrency} at once: {told}", flush=True)
    measured.memory = {
        server.name: (resident_mebibytes(server.pid), calls[server.name])
        for server in servers
        if server.command.program
    }


async def run(wanted: argparse.Namespace) -> None:
    installed = Peers(REPOSITORY / "build" / "peers")
    installed.install()
    wanted.workloads = [one for one in await workloads() if one.name in wanted.only]
    found = []
    for scale in wanted.scale:
        folder = wanted.folder / f"shop-{scale:g}"
        print(f"Making the sample shop at scale {scale:g}, unless it is there …", flush=True)
        make_shop(folder, scale)
        with open_shop(folder, free_port()) as shop:
            found.append(Measured(scale))
            async with started(shop, commands(installed, shop, wanted.zava)) as servers:
                await compare(shop, found[-1], servers, wanted)
    how = f"{wanted.rounds} rounds of {wanted.seconds:g} s"
    text = report.report(found, wanted.workloads, how)
    print(text)
    if wanted.write and not wanted.quick:
        report.write(RESULTS, text)


def variant(text: str) -> tuple[str, dict[str, str]]:
    name, _, variables = text.partition(":")
    return name, dict(variable.split("=", 1) for variable in variables.split(";"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, nargs="+", default=[1, 10])
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--only", nargs="+", default=["W1", "W2", "W3", "W4", "W5", "W6", "W7"], help="workloads")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.7, help="of one server in a round")
    parser.add_argument(
        "--zava", type=variant, action="append", default=[], help="another server of ours: 'NAME:VARIABLE=VALUE;…'"
    )
    parser.add_argument("--quick", action="store_true", help="scale 1, one round, in two minutes")
    parser.add_argument("--write", action="store_true", help="the results into RESULTS.md, but for a quick look")
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "build" / "bench", help="for the shops")
    wanted = parser.parse_args()
    if wanted.quick:
        wanted.scale, wanted.rounds, wanted.seconds = [1], 1, 0.3
    wanted.zava = dict(wanted.zava)
    uvloop.run(run(wanted))


if __name__ == "__main__":
    main()
