"""Imports into the shop: rows wait in tables beside it, and then change it in one transaction."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, LiteralString, TypeAlias

import psycopg
from psycopg import sql

from zava.adapters.postgres.migrate import applied_steps
from zava.adapters.postgres.sql import load
from zava.core.errors import SetupError
from zava.core.imports import Batch, Imported, Kind, Rejection
from zava.core.ports import ImportRepository

Postponed: TypeAlias = Callable[[psycopg.Cursor[Any]], AbstractContextManager[None]]

# Any number will do, as long as no other program in this database uses it.
LOCK = 7_203_913
# A sort or a hash of a million lines.
MEMORY = "128MB"

STAGE: dict[Kind, LiteralString] = {
    "business": load("import_business_stage"),
    "stores": load("import_stores_stage"),
    "products": load("import_products_stage"),
    "customers": load("import_customers_stage"),
    "orders": load("import_orders_stage"),
    "returns": load("import_returns_stage"),
    "inventory": load("import_inventory_stage"),
    "targets": load("import_targets_stage"),
}
REJECT: dict[Kind, LiteralString] = {
    "business": load("import_business_reject"),
    "stores": load("import_stores_reject"),
    "products": load("import_products_reject"),
    "customers": load("import_customers_reject"),
    "orders": load("import_orders_reject"),
    "returns": load("import_returns_reject"),
    "inventory": load("import_inventory_reject"),
    "targets": load("import_targets_reject"),
}
MERGE: dict[Kind, LiteralString] = {
    "business": load("import_business_merge"),
    "stores": load("import_stores_merge"),
    "products": load("import_products_merge"),
    "customers": load("import_customers_merge"),
    "orders": load("import_orders_merge"),
    "returns": load("import_returns_merge"),
    "inventory": load("import_inventory_merge"),
    "targets": load("import_targets_merge"),
}
# There is always one row of business settings.
MISSING: dict[Kind, LiteralString] = {
    "stores": load("import_stores_missing"),
    "products": load("import_products_missing"),
    "customers": load("import_customers_missing"),
    "orders": load("import_orders_missing"),
    "returns": load("import_returns_missing"),
    "inventory": load("import_inventory_missing"),
    "targets": load("import_targets_missing"),
}

# What each kind leaves beside its rows, until the transaction ends.
LEFT_BEHIND: dict[Kind, LiteralString] = {
    "customers": "retail.staged_customers_found",
    "orders": "retail.staged_orders_whole",
    "returns": "retail.staged_returns_counted",
}
TABLES: dict[Kind, LiteralString] = {
    "business": "retail.business_settings",
    "stores": "retail.stores",
    "products": "retail.products, retail.product_types, retail.categories, retail.product_search",
    "customers": "retail.customer_records",
    "orders": "retail.orders, retail.order_items",
    "returns": "retail.returns",
    "inventory": "retail.inventory",
    "targets": "retail.store_targets",
}


@dataclass(frozen=True)
class PostgresImportRepository(ImportRepository):
    """Writes as zava_owner.

    Attributes:
        connection: an administrator's, in autocommit mode, and of this one's own: it stays zava_owner's.

        postponed: lays foreign keys and indexes of sales aside while a shop without any gets its first.
    """

    connection: psycopg.Connection[Any]
    postponed: Postponed

    @classmethod
    def open(cls, connection: psycopg.Connection[Any], postponed: Postponed) -> "PostgresImportRepository":
        """The shop, for one import at a time in the whole database.

        Raises:
            SetupError: it is the sample shop, which lives by itself; or it is distributed; or another import is at it.
        """
        refuse_sample_shop(connection)
        refuse_distributed_shop(connection)
        connection.execute("SET ROLE zava_owner")
        connection.execute(
            "SELECT set_config(name, %s, false) FROM unnest('{work_mem, maintenance_work_mem}'::text[]) AS name",
            [MEMORY],
        )
        if connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone() != (True,):
            raise SetupError("Nothing can be imported now: another `zava import` is at it.")
        return cls(connection, postponed)

    def staged_until(self, kind: Kind, fingerprint: str) -> int:
        rows, rejected = _staged(kind), _rejected(kind)
        known = self.connection.execute(
            "SELECT obj_description(to_regclass(%s), 'pg_class')", [f"retail.staged_{kind}"]
        ).fetchone()
        if known == (fingerprint,):
            query = sql.SQL("SELECT max(line) FROM (SELECT line FROM {} UNION ALL SELECT line FROM {}) AS read")
            (line,) = self.connection.execute(query.format(rows, rejected)).fetchone() or (None,)
            return line or 0
        self.unstage(kind)
        with self.connection.transaction():
            self.connection.execute(STAGE[kind])
            self.connection.execute(
                sql.SQL("CREATE UNLOGGED TABLE {} (line integer, reason text, store text, order_number text)").format(
                    rejected
                )
            )
            self.connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(rows, sql.Literal(fingerprint)))
        return 0

    def stage(self, kind: Kind, batch: Batch) -> None:
        with self.connection.transaction(), self.connection.cursor() as cursor:
            with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(_staged(kind))) as copy:
                for row in batch.rows:
                    copy.write_row(row)
            with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(_rejected(kind))) as copy:
                for rejection in batch.rejections:
                    copy.write_row((rejection.line, rejection.reason, *(rejection.order or (None, None))))

    def unstage(self, kind: Kind) -> None:
        self.connection.execute(sql.SQL("DROP TABLE IF EXISTS {}, {}").format(_staged(kind), _rejected(kind)))

    def staged_rows(self, kind: Kind) -> int:
        query = sql.SQL("SELECT (SELECT count(*) FROM {}) + (SELECT count(*) FROM {})")
        (rows,) = self.connection.execute(query.format(_staged(kind), _rejected(kind))).fetchone() or (0,)
        return int(rows)

    @contextmanager
    def transaction(self) -> Iterator[Callable[[], None]]:
        undone = False

        def undo() -> None:
            nonlocal undone
            undone = True

        with self.connection.transaction() as transaction:
            yield undo
            for table in LEFT_BEHIND.values():
                self.connection.execute(f"DROP TABLE IF EXISTS {table}")
            if undone:
                raise psycopg.Rollback(transaction)

    def reject(self, kind: Kind) -> Sequence[Rejection]:
        rows, rejected = _staged(kind), _rejected(kind)
        self.connection.execute(sql.SQL("ANALYZE {}, {}").format(rows, rejected))
        # Moments without an offset are meant so.
        self.connection.execute("SELECT set_config('timezone', time_zone, true) FROM retail.business_settings")
        self.connection.execute(REJECT[kind])
        self.connection.execute(
            sql.SQL("DELETE FROM {} AS bad USING {} AS rejected WHERE bad.line = rejected.line").format(rows, rejected)
        )
        found = self.connection.execute(sql.SQL("SELECT line, reason FROM {} ORDER BY line").format(rejected))
        return [Rejection(line, reason) for line, reason in found]

    def merge(self, kind: Kind) -> Imported:
        with self._checks(kind):
            imported = self._counted(MERGE[kind])
            if imported.new or imported.changed:
                self.connection.execute(f"ANALYZE {TABLES[kind]}")
        return imported

    def remove_missing(self, kind: Kind) -> Imported:
        return self._counted(MISSING[kind]) if kind in MISSING else Imported(0)

    def _checks(self, kind: Kind) -> AbstractContextManager[None]:
        """One pass at the end is faster than row by row. It shuts others out, who would find no orders yet."""
        if kind != "orders" or self.connection.execute("SELECT FROM retail.orders LIMIT 1").fetchone() is not None:
            return nullcontext()
        return self.postponed(self.connection.cursor())

    def _counted(self, statements: LiteralString) -> Imported:
        """Adds up what the statements say they did: a word and a number each."""
        cursor = self.connection.execute(statements)
        counts = {"new": 0, "changed": 0, "removed": 0, "kept": 0}
        while True:
            if cursor.description:
                for word, number in cursor.fetchall():
                    counts[word] += number
            if not cursor.nextset():
                return Imported(0, counts["new"], counts["changed"], counts["removed"], counts["kept"])


def refuse_sample_shop(connection: psycopg.Connection[Any]) -> None:
    """Raises SetupError when this is the sample shop, unless that has never lived."""
    if sample_shop_lives(connection):
        raise SetupError(
            "This database holds the sample shop, which is made up and lives on by itself: nothing is imported into "
            "it. Import into a database of your own (ZAVA_DATABASE__DSN), or with --data-dir into another folder."
        )


def refuse_distributed_shop(connection: psycopg.Connection[Any]) -> None:
    """Raises SetupError when Citus has distributed the shop: no trigger on it marks what an import changes."""
    if any(step.series == "citus" for step in applied_steps(connection)):
        raise SetupError(
            "This shop is distributed by Citus, and nothing is imported into it. Import before it is distributed, or "
            "load with programs of your own: see docs/citus.md."
        )


def sample_shop_lives(connection: psycopg.Connection[Any]) -> bool:
    """Whether this is the sample shop, and has customers and orders that are made up."""
    with connection.transaction():
        connection.execute("SET LOCAL ROLE zava_access")
        return connection.execute("SELECT FROM access.sample_shop WHERE scale > 0").fetchone() is not None


def remove_stores(connection: psycopg.Connection[Any]) -> None:
    """Takes the stores out of a shop that has nothing else."""
    with connection.transaction():
        connection.execute("SET LOCAL ROLE zava_owner")
        connection.execute("DELETE FROM retail.stores")


def _staged(kind: Kind) -> sql.Identifier:
    return sql.Identifier("retail", f"staged_{kind}")


def _rejected(kind: Kind) -> sql.Identifier:
    return sql.Identifier("retail", f"staged_{kind}_rejected")
