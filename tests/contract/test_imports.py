"""Files become part of a shop: all of a file or nothing, however often, and every rejected row is explained."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.contract.conftest import new_database, tiny_shop_on
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.files.reading import ShopFile
from zava.adapters.files.writing import write_rows
from zava.adapters.postgres.exports import PostgresExportRepository
from zava.adapters.postgres.imports import PostgresImportRepository
from zava.core.errors import SetupError
from zava.core.imports import KINDS, Imported, ImportResult, Kind
from zava.core.use_cases.import_shop import ImportShop

EXAMPLE = Path(__file__).parents[2] / "examples" / "shop"

Rows = Mapping[Kind, Sequence[tuple[object, ...]]]


def silent(what: str, done: int, total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Shop:
    """A database that may be imported into, and a folder for files."""

    dsn: str
    folder: Path

    def file(self, kind: Kind, *lines: str | bytes, suffix: str = ".csv") -> ShopFile:
        """A file of these lines."""
        path = self.folder / f"{kind}{suffix}"
        path.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines))
        return ShopFile(path, kind, {})

    def load(self, *files: ShopFile, **options: bool) -> ImportResult:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return ImportShop(PostgresImportRepository.open(connection), **options)(files, silent)

    def load_kind(self, kind: Kind, *lines: str | bytes, **options: bool) -> Imported:
        return self.load(self.file(kind, *lines), **options).files[kind]

    def refusals(self, kind: Kind, *lines: str | bytes) -> dict[int, str]:
        """Reasons by line; nothing may have changed."""
        before = self.rows()
        result = self.load(self.file(kind, *lines))
        assert not result.applied
        assert self.rows() == before
        return {rejection.line: rejection.reason for rejection in result.files[kind].rejections}

    def rows(self) -> Rows:
        """All that an export has."""
        with (
            psycopg.connect(self.dsn, autocommit=True) as connection,
            PostgresExportRepository.open(connection) as exported,
        ):
            found: dict[Kind, Sequence[tuple[object, ...]]] = {}
            for kind in KINDS:
                with exported.table(kind) as (_, rows):
                    found[kind] = list(rows)
            return found

    def export(self, folder: Path, suffix: str) -> list[ShopFile]:
        """All of the shop, in files."""
        folder.mkdir()
        with (
            psycopg.connect(self.dsn, autocommit=True) as connection,
            PostgresExportRepository.open(connection) as exported,
        ):
            for kind in KINDS:
                with exported.table(kind) as (columns, rows):
                    write_rows(folder / f"{kind}{suffix}", columns, rows, lambda _: None)
        return [ShopFile(folder / f"{kind}{suffix}", kind, {}) for kind in KINDS]

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(query.encode(), values).fetchall()


def examples() -> list[ShopFile]:
    return [ShopFile(EXAMPLE / f"{kind}.csv", kind, {}) for kind in KINDS]


@pytest.fixture
def shop(server: EmbeddedPostgres, tmp_path: Path) -> Shop:
    """An empty one."""
    return Shop(new_database(server).admin_dsn, tmp_path)


@pytest.fixture
def example(shop: Shop) -> Shop:
    """The shop of the example."""
    assert shop.load(*examples()).applied
    return shop


def test_the_example_becomes_a_shop(shop: Shop) -> None:
    result = shop.load(*examples())
    assert result.applied
    assert {kind: (imported.rows, imported.new) for kind, imported in result.files.items()} == {
        "business": (1, 0),
        "stores": (3, 3),
        "products": (6, 6),
        "customers": (4, 4),
        "orders": (9, 15),
        "returns": (2, 2),
        "inventory": (7, 7),
        "targets": (3, 3),
    }
    assert shop.ask("SELECT order_date::text, total_amount::text FROM retail.orders WHERE status = 'cancelled'") == [
        ("2026-03-31", "8.90")
    ]


def test_the_same_files_again_change_nothing(example: Shop) -> None:
    before = example.rows()
    again = example.load(*examples(), delete_missing=True)
    assert {(i.new, i.changed, i.removed, i.kept) for i in again.files.values()} == {(0, 0, 0, 0)}
    assert example.rows() == before
