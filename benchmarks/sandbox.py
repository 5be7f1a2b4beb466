"""What does the sandbox cost a query, against the same SQL with a hand-written WHERE on a bare connection?

Both sides in turn, one after the other, on the sample shop: as the owner with `store_id = …` written by hand, and as
the principal through free SQL's own adapter. Neither side has parallel workers. Time is what PostgreSQL's process spent
on a processor (Linux counts it), so that whatever else the machine does stays outside; the least of all rounds counts.
The last column is the clock of the query by hand with parallel workers, which free SQL never has.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString, TypeAlias

import psycopg
from psycopg_pool import AsyncConnectionPool

from zava.adapters.embedded.supervisor import EmbeddedPostgres, default_data_dir
from zava.adapters.postgres.context import ContextKey
from zava.adapters.postgres.sandbox import PostgresSandbox, SandboxLimits
from zava.adapters.postgres.schema_catalog import PostgresSchemaCatalog
from zava.adapters.postgres.sessions import Pool, PrincipalSessions
from zava.core.model import Principal
from zava.demo.personas import PERSONAS

MONTHS: LiteralString = """
    SELECT date_trunc('month', o.order_date)::date AS month, count(*) AS orders, sum(o.total_amount) AS revenue
    FROM retail.orders AS o
    WHERE o.order_date >= '2023-01-01' {o}
    GROUP BY 1
    ORDER BY 1
"""
DAYS: LiteralString = """
    SELECT o.order_date, count(*) AS orders, sum(o.total_amount) AS revenue
    FROM retail.orders AS o
    WHERE o.order_date >= '2024-03-01' {o}
    GROUP BY 1
    ORDER BY 1
"""
BEST_SELLERS: LiteralString = """
    SELECT p.name, sum(i.line_total) AS revenue
    FROM retail.orders AS o
    INNER JOIN retail.order_items AS i ON o.store_id = i.store_id AND o.order_id = i.order_id
    INNER JOIN retail.products AS p ON i.product_id = p.product_id
    WHERE o.order_date >= '2023-01-01' {o} {i}
    GROUP BY p.name
    ORDER BY revenue DESC
    LIMIT 20
"""
NOTHING: LiteralString = "SELECT 1 AS one"
QUERIES: dict[str, LiteralString] = {
    "no table": NOTHING,
    "revenue by month": MONTHS,
    "revenue by day": DAYS,
    "best sellers": BEST_SELLERS,
}
LONGEST_SECONDS = 20


Connection: TypeAlias = psycopg.AsyncConnection[Any]


@dataclass(frozen=True)
class Backend:
    """A process of PostgreSQL's."""

    pid: int

    def milliseconds(self) -> float:
        """On a processor, so far."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e6


async def cost(backend: Backend, ask: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Milliseconds of PostgreSQL's process, and of the clock."""
    spent, started = backend.milliseconds(), time.perf_counter()
    await ask()
    waited = (time.perf_counter() - started) * 1000
    # The process goes to sleep a moment after its answer has been sent.
    await asyncio.sleep(0.001)
    return backend.milliseconds() - spent, waited


async def compare(owner: Connection, parallel: Connection, sandbox: PostgresSandbox, pool: Pool, rounds: int) -> None:
    cursor = await owner.execute("SELECT store_id FROM retail.stores WHERE name = 'Seattle'")
    seattle = (await cursor.fetchall())[0][0]
    bare = Backend(owner.info.backend_pid)
    async with pool.connection() as connection:
        boxed = Backend(connection.info.backend_pid)
    print(f"{'':34}{'bare':>9} {'sandbox':>9}  ratio  difference   on the clock   by hand, parallel")
    for token, condition in (("demo-store-seattle", f"AND {{}}.store_id = '{seattle}'"), ("demo-head-office", "")):
        persona = next(persona for persona in PERSONAS if persona.token == token)
        principal = Principal(persona.principal_id, persona.name)
        for name, query in QUERIES.items():
            by_hand = query.format(o=condition.format("o"), i=condition.format("i")).encode()
            asked = query.format(o="", i="")

            async def ask_owner(connection: Connection = owner, text: bytes = by_hand) -> None:
                await (await connection.execute(text)).fetchall()

            async def ask_sandbox(text: str = asked, principal: Principal = principal) -> None:
                await sandbox.execute_sales_query(principal, text)

            await ask_owner()
            await ask_sandbox()
            bare_costs, boxed_costs = [], []
            for _ in range(rounds * (10 if query is NOTHING else 1)):
                bare_costs.append(await cost(bare, ask_owner))
                boxed_costs.append(await cost(boxed, ask_sandbox))
            with_workers = min([(await cost(bare, lambda: ask_owner(parallel)))[1] for _ in range(rounds)])
            (plain, plain_clock), (boxed_cost, boxed_clock) = map(_least, (bare_costs, boxed_costs))
            print(
                f"{token.removeprefix('demo-'):16}{name:18}{plain:9.3f} {boxed_cost:9.3f}  {boxed_cost / plain:5.2f}"
                f"  {boxed_cost - plain:+10.3f}   {plain_clock:7.2f} {boxed_clock:7.2f} {with_workers:7.2f}"
            )


def _least(costs: list[tuple[float, float]]) -> tuple[float, float]:
    return min(cost for cost, _ in costs), min(clock for _, clock in costs)


async def run(data_dir: Path, rounds: int) -> None:
    with EmbeddedPostgres(data_dir) as postgres:
        key = ContextKey.read(postgres.secret_file("context-key"))
        app = postgres.dsn(user="zava_app", password=postgres.secret("zava_app"))
        async with (
            AsyncConnectionPool(app, min_size=1, max_size=1, kwargs={"autocommit": True}) as pool,
            await psycopg.AsyncConnection.connect(postgres.dsn(), autocommit=True) as owner,
            await psycopg.AsyncConnection.connect(postgres.dsn(), autocommit=True) as parallel,
        ):
            for connection in (owner, parallel):
                await connection.execute("SET ROLE zava_owner")
                await connection.execute("SET jit = off")
                await connection.execute(
                    "SELECT set_config('TimeZone', time_zone, false) FROM retail.business_settings"
                )
            await owner.execute("SET max_parallel_workers_per_gather = 0")
            sessions = PrincipalSessions(pool, lambda: key)
            limits = SandboxLimits(seconds=LONGEST_SECONDS)
            sandbox = PostgresSandbox(sessions, PostgresSchemaCatalog(sessions), limits)
            await compare(owner, parallel, sandbox, pool, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=default_data_dir())
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    asyncio.run(run(arguments.data_dir, arguments.rounds))


if __name__ == "__main__":
    main()
