"""What do row policies cost a query, and what would one policy for each kind of principal cost?

Three ways to ask for one store's month in the sample shop, in turn: with a hand-written WHERE as the owner, under the
one policy that Zava has, and under two policies (own stores, head office), which PostgreSQL joins by OR.
The two-policy variant lives and dies in a transaction of its own.
"""

import argparse
import statistics
import time
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from zava.adapters.embedded.supervisor import EmbeddedPostgres, default_data_dir
from zava.adapters.postgres.context import ContextKey
from zava.core.model import Principal
from zava.demo.personas import PERSONAS

MONTH: LiteralString = """
    SELECT order_date, count(*), sum(total_amount)
    FROM retail.orders
    WHERE order_date BETWEEN '2025-10-01' AND '2025-10-31' AND status <> 'cancelled' {}
    GROUP BY order_date
"""
TWO_POLICIES: LiteralString = """
    SET LOCAL ROLE zava_owner;
    CREATE POLICY head_office_orders ON retail.orders
    FOR SELECT TO zava_reader USING ((SELECT access.sees_all_stores()));
    RESET ROLE;
"""
SEATTLE = next(persona for persona in PERSONAS if persona.token == "demo-store-seattle")  # noqa: S105
ROUNDS = 200


def timed(connection: psycopg.Connection[Any], query: LiteralString, rounds: int) -> list[float]:
    """Milliseconds of each round."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        connection.execute(query, prepare=True).fetchall()
        times.append((time.perf_counter() - started) * 1000)
    return times


def as_reader(connection: psycopg.Connection[Any], key: ContextKey) -> None:
    principal = Principal(SEATTLE.principal_id, SEATTLE.name)
    connection.execute("SELECT access.seal_context(%s)", [key.token(principal, now=time.time())])
    connection.execute("SET LOCAL ROLE zava_reader")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=default_data_dir())
    arguments = parser.parse_args()
    with (
        EmbeddedPostgres(arguments.data_dir) as postgres,
        psycopg.connect(postgres.dsn(), autocommit=True) as connection,
    ):
        key = ContextKey.read(postgres.secret_file("context-key"))
        results: dict[str, list[float]] = {"by hand": [], "one policy": [], "two policies": []}
        for _ in range(5):
            with connection.transaction(force_rollback=True):
                connection.execute("SET LOCAL ROLE zava_owner")
                by_hand = MONTH.format("AND store_id = (SELECT store_id FROM retail.stores WHERE name = 'Seattle')")
                results["by hand"] += timed(connection, by_hand, ROUNDS)
            with connection.transaction(force_rollback=True):
                as_reader(connection, key)
                results["one policy"] += timed(connection, MONTH.format(""), ROUNDS)
            with connection.transaction(force_rollback=True):
                connection.execute(TWO_POLICIES)
                as_reader(connection, key)
                results["two policies"] += timed(connection, MONTH.format(""), ROUNDS)
    base = statistics.median(results["by hand"])
    for name, times in results.items():
        print(f"{name:>12}: median {statistics.median(times):.2f} ms, {statistics.median(times) / base:.2f} × by hand")


if __name__ == "__main__":
    main()
