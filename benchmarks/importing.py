"""How long do a million lines of orders take to become part of a shop, and where does the time go?

Seconds on the clock, and of a processor, that this process and all of PostgreSQL's took. First a shop gets its first
orders, then the same file comes again, and at last the feed of a day: new orders, and some that have changed.
"""

import argparse
import csv
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.files.reading import ShopFile
from zava.adapters.postgres.imports import PostgresImportRepository
from zava.adapters.postgres.migrate import create_database, migrate
from zava.core.imports import Imported, Kind, Rejection
from zava.core.use_cases.import_shop import ImportShop
from zava.demo.postponed import checks_postponed

STORES, PRODUCTS, CUSTOMERS = 20, 2_000, 50_000
# A million lines are those of 690 days. The feed has the last three again, and a day more.
ORDERS_A_DAY, AGAIN, MORE = 680, 3, 1
KNOWN_BUYERS, CANCELLED = 0.6, 0.02
START = datetime(2024, 1, 1, 8, tzinfo=UTC)
HEADER = (
    "store,order_number,ordered_at,status,customer_number,customer_email,line_no,sku,quantity,unit_price,unit_cost,"
    "discount_percent,discount_amount"
).split(",")
TICKS = os.sysconf("SC_CLK_TCK")

Line = Sequence[object]


@dataclass
class Laps:
    """What has passed since the lap before is booked to a name.

    Attributes:
        postmaster: the process whose children do the work of PostgreSQL.
        seconds: by name: on the clock, of a processor here, and of one in PostgreSQL.
    """

    postmaster: int
    seconds: dict[str, list[float]] = field(default_factory=dict)
    _last: tuple[float, float, float] = (0, 0, 0)

    def start(self) -> None:
        self.seconds.clear()
        self._last = self._now()

    def lap(self, name: str) -> None:
        now = self._now()
        booked = self.seconds.setdefault(name, [0.0, 0.0, 0.0])
        for place, (before, after) in enumerate(zip(self._last, now, strict=True)):
            booked[place] += after - before
        self._last = now

    def show(self, title: str) -> None:
        print(f"\n{title:32}   clock   here   PostgreSQL")
        everything = [sum(column) for column in zip(*self.seconds.values(), strict=True)]
        for name, (clock, here, there) in {**self.seconds, "together": everything}.items():
            print(f"{name:32} {clock:7.1f} {here:6.1f} {there:12.1f}", flush=True)

    def _now(self) -> tuple[float, float, float]:
        children = Path(f"/proc/{self.postmaster}/task/{self.postmaster}/children").read_text(encoding="ascii").split()
        # Those that have ended are in the postmaster's own account.
        ticks = sum(_ticks(self.postmaster)) + sum(sum(_ticks(int(child))[:2]) for child in children)
        return time.perf_counter(), time.process_time(), ticks / TICKS


def _ticks(pid: int) -> Sequence[int]:
    """Of a process, in user and in system mode, and the same of its children that have ended; none once it has."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return ()
    return [int(number) for number in text.rpartition(")")[2].split()[11:15]]


@dataclass(frozen=True)
class TimedRepository(PostgresImportRepository):
    """One that says when it is through with something."""

    laps: Laps

    @contextmanager
    def transaction(self) -> Iterator[Callable[[], None]]:
        self.laps.lap("read, checked and staged")
        with super().transaction() as undo:
            yield undo
        self.laps.lap("committed")

    def reject(self, kind: Kind) -> Sequence[Rejection]:
        rejections = super().reject(kind)
        self.laps.lap("compared with the shop")
        return rejections

    def merge(self, kind: Kind) -> Imported:
        imported = super().merge(kind)
        self.laps.lap("into the shop")
        return imported


def load(connection: psycopg.Connection, laps: Laps, title: str, *files: ShopFile) -> None:
    """Imports these files as `zava import` does, and sums the days that have changed."""
    laps.start()
    opened = PostgresImportRepository.open(connection, checks_postponed)
    result = ImportShop(TimedRepository(opened.connection, opened.postponed, laps))(files, lambda *_: None)
    laps.lap("cleared away")
    connection.execute("RESET ROLE")
    while (row := connection.execute("SELECT retail.roll_up_sales()").fetchone()) and row[0]:
        pass
    laps.lap("days summed")
    connection.execute("SELECT pg_advisory_unlock_all()")
    laps.show(title if result.applied else f"NOT IMPORTED: {title}")
    for kind, imported in result.files.items():
        print(f"{kind}: {imported.rows:,} rows; {imported.new:,} new, {imported.changed:,} changed")


def write(path: Path, header: Sequence[str], rows: Iterable[Line]) -> ShopFile:
    """A file of one of the kinds, called like it."""
    kinds: dict[str, Kind] = {"stores": "stores", "products": "products", "customers": "customers"}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return ShopFile(path, kinds.get(path.stem, "orders"), {})


def foundations(folder: Path, chance: random.Random) -> list[ShopFile]:
    """Stores, products and customers."""
    people = [[f"Store {n % STORES}", f"C-{n}", f"c{n}@example.com", "Ada", "Park"] for n in range(CUSTOMERS)]
    goods = [[f"SKU-{n:05}", f"Thing {n}", f"C{n % 9}", f"T{n % 40 * 9 + n % 9}", 9, 5] for n in range(PRODUCTS)]
    chance.shuffle(people)
    return [
        write(
            folder / "stores.csv",
            ["name", "region", "opened_on"],
            [[f"Store {n}", f"Region {n % 4}", "2023-01-01"] for n in range(STORES)],
        ),
        write(folder / "products.csv", ["sku", "name", "category", "product_type", "base_price", "cost"], goods),
        write(folder / "customers.csv", ["store", "customer_number", "email", "first_name", "last_name"], people),
    ]


def order(number: int, chance: random.Random) -> Iterator[Line]:
    """The lines of an order, as a point of sale exports them: by moment, stores in between each other."""
    store = number % STORES
    moment = START + timedelta(days=number // ORDERS_A_DAY, minutes=chance.randrange(600))
    buyer = f"C-{chance.randrange(CUSTOMERS // STORES) * STORES + store}" if chance.random() < KNOWN_BUYERS else ""
    status = "cancelled" if chance.random() < CANCELLED else "completed"
    for line in range(1, chance.choice((1, 1, 2, 2, 2, 3, 4)) + 1):
        price = f"{chance.randrange(100, 9000) / 100:.2f}"
        # Most is sold of few products.
        sku = f"SKU-{int(PRODUCTS * chance.random() ** 3):05}"
        percent = chance.choice(("", "", "", "10.00"))
        yield [
            f"Store {store}", number // STORES + 1, moment.isoformat(), status, buyer, "", line,
            sku, chance.choice((1, 1, 1, 2, 5)), price, "5.00", percent, "",
        ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000, help="of orders, in the first file")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="zava-benchmark-", dir="/tmp"))
    folder.chmod(0o711)
    chance = random.Random(7)  # noqa: S311 - the same file every time
    lines: list[Line] = []
    number = 0
    while len(lines) < arguments.lines:
        lines += order(number, chance)
        number += 1
    first = write(folder / "first.csv", HEADER, lines)
    again = range(number - AGAIN * ORDERS_A_DAY, number + MORE * ORDERS_A_DAY)
    of_a_day = write(folder / "of_a_day.csv", HEADER, [line for one in again for line in order(one, chance)])
    try:
        with EmbeddedPostgres(folder / "data") as postgres:
            with psycopg.connect(postgres.dsn(database="postgres"), autocommit=True) as connection:
                create_database(connection, "zava")
            laps = Laps(int((folder / "data/postgres/postmaster.pid").read_text(encoding="ascii").split()[0]))
            with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
                migrate(connection)
                load(connection, laps, "stores, products, customers", *foundations(folder, chance))
                load(connection, laps, "the first orders", first)
                load(connection, laps, "the same again", first)
                load(connection, laps, "the feed of a day", of_a_day)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
