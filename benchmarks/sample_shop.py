"""How long does it take to make the sample shop, and to add a day?"""

import argparse
import shutil
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.postgres.migrate import create_database, migrate
from zava.demo.shop import open_sample_shop


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="zava-benchmark-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        with EmbeddedPostgres(folder / "data") as postgres:
            with psycopg.connect(postgres.dsn(database="postgres"), autocommit=True) as connection:
                create_database(connection, "zava")
            with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
                migrate(connection)
                now = datetime.now(UTC)
                for what, moment in (("new shop", now - timedelta(days=1)), ("a day more", now), ("nothing new", now)):
                    started = time.perf_counter()
                    added = open_sample_shop(connection, now=moment, scale=arguments.scale)
                    seconds = time.perf_counter() - started
                    print(f"{what}: {seconds:.2f} s, {added.orders:,} orders, {added.items:,} lines")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
