"""One customer's data is handed over, and forgotten: in the shop, and in the audit trail, which stays whole."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.contract.conftest import KEY as CONTEXT_KEY
from tests.contract.conftest import TestDatabase, installed_by_no_superuser, new_database, running_postgres
from tests.contract.test_audit import CALL, KEY, spool_in, write, writer_dsn
from tests.contract.test_imports import EXAMPLE, copied, examples
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.postgres.audit_verification import prune, verify
from zava.adapters.postgres.customers import customer_data, erase_customer
from zava.adapters.postgres.imports import PostgresImportRepository
from zava.commands.exporting import export_files
from zava.commands.importing import ImportOptions, import_files
from zava.core.customers import Erased
from zava.core.errors import SetupError
from zava.core.use_cases.import_shop import ImportShop
from zava.demo.postponed import checks_postponed
from zava.settings import Settings

pytestmark = pytest.mark.operations

NAMING = [
    "SELECT * FROM retail.customers WHERE email = 'ADA@example.com'",
    "SELECT 'C-1001' AS customer",
    "SELECT first_name FROM retail.customers WHERE last_name = 'Archer' AND first_name = 'Ada'",
]
NOT_NAMING = [
    "SELECT 'C-10012', 'xada@example.com'",
    "SELECT * FROM retail.customers WHERE first_name = 'Ada'",
    "SELECT count(*) FROM orders",
]


@pytest.fixture(scope="module")
def shop_dsn(server: EmbeddedPostgres) -> str:
    """The shop of the example, to be copied. Ada Archer buys in Chicago and in the online shop."""
    dsn = new_database(server).admin_dsn
    with psycopg.connect(dsn, autocommit=True) as connection:
        importing = ImportShop(PostgresImportRepository.open(connection, checks_postponed))
        assert importing(examples(), lambda *_: None).applied
    return dsn


@pytest.fixture
def shop(server: EmbeddedPostgres, shop_dsn: str) -> Iterator[TestDatabase]:
    with copied(server, shop_dsn) as dsn:
        yield TestDatabase(dsn, dsn)


def ask(database: TestDatabase, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def erase(
    database: TestDatabase, wanted: str, store: str | None = None, also: Sequence[str] = (), *, trial: bool = False
) -> Erased:
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        return erase_customer(connection, KEY, wanted, store, also, trial=trial)


def breaks(database: TestDatabase) -> list[str]:
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        return [broken.what for broken in verify(connection, [KEY], []).breaks]


async def asked(database: TestDatabase, folder: Path, *queries: str) -> None:
    """A server that keeps full texts was asked this."""
    await write(database, folder, [replace(CALL, query=query) for query in queries], full_texts=True)


def everything(database: TestDatabase) -> str:
    """Every row of every table that holds one, as text."""
    tables = ask(database, "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relname !~ '^(pg|sql)_'")
    return "".join(str(ask(database, f"SELECT row::text FROM {table} AS row")) for (table,) in tables)  # noqa: S608


async def test_all_that_is_kept_of_somebody_is_handed_over(shop: TestDatabase, tmp_path: Path) -> None:
    await asked(shop, tmp_path, *NAMING, *NOT_NAMING)
    with psycopg.connect(shop.admin_dsn, autocommit=True) as connection:
        data = customer_data(connection, "Ada@example.com", None)
    assert [(record.store, record.customer_number, record.last_name) for record in data.records] == [
        ("Chicago", "C-1001", "Archer"),
        ("Web", None, "Archer"),
    ]
    assert {(order["store"], order["order_number"]) for order in data.orders} == {("Chicago", 1), ("Web", 1)}
    (order,) = [order for order in data.orders if order["store"] == "Chicago"]
    assert order["total_amount"] == "23.65"
    assert [line["sku"] for line in order["lines"]] == ["TEA-EG-100", "ACC-STR-01"]  # type: ignore[attr-defined]
    assert sorted(text for _, text in data.audit_texts) == sorted(NAMING)


async def test_whoever_is_erased_is_nowhere_and_the_books_are_as_they_were(shop: TestDatabase, tmp_path: Path) -> None:
    await asked(shop, tmp_path, *NAMING, NOT_NAMING[-1])
    books = "SELECT sum(total_amount), count(*) FROM retail.orders"
    before = ask(shop, books)
    assert erase(shop, "C-1001", "Chicago") == Erased(records=2, orders=2, audit_texts=3)
    found = everything(shop)
    for trace in ("ada@example.com", "C-1001,", "Archer"):
        assert trace.lower() not in found.lower()
    assert ask(shop, books) == before
    assert ask(shop, "SELECT count(*) FROM retail.orders WHERE customer_id IS NULL") > [(1,)]
    assert sorted(text for (text,) in ask(shop, "SELECT query_text FROM audit.texts")) == [NOT_NAMING[-1]]
    assert "ada@" not in str(
        ask(shop, "SELECT most_common_vals, histogram_bounds FROM pg_stats WHERE attname = 'email'")
    )


async def test_the_audit_trail_stays_whole_and_can_be_pruned(shop: TestDatabase, tmp_path: Path) -> None:
    await asked(shop, tmp_path, *NAMING, *NOT_NAMING)
    erase(shop, "ada@example.com")
    assert breaks(shop) == []
    assert ask(shop, "SELECT erased_by FROM audit.erasures") == [("postgres",)] * 3
    with psycopg.connect(shop.admin_dsn, autocommit=True) as connection:
        pruned = prune(connection, [KEY], CALL.started_at.replace(year=2027))
    assert (pruned.rows, pruned.breaks) == (6, [])
    assert ask(shop, "SELECT count(*) FROM audit.erasures") == [(0,)]
    assert breaks(shop) == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM audit.texts WHERE sequence = 4", "missing: its full text"),
        ("UPDATE audit.erasures SET sequence = 4 WHERE sequence = 1", "missing: its full text"),
        ("DELETE FROM audit.erasures WHERE sequence = 2", "missing: its full text"),
        ("UPDATE audit.erasures SET erased_at = now() + interval '1 day'", "changed: the erasure of its full text"),
        ("UPDATE audit.erasures SET erased_by = 'somebody'", "changed: the erasure of its full text"),
        (
            "INSERT INTO audit.texts SELECT writer_id, sequence, 'SELECT 1' FROM audit.erasures WHERE sequence = 1",
            "out of order: its full text was erased, and is here again",
        ),
        (
            """
            WITH gone AS (DELETE FROM audit.texts WHERE sequence = 4 RETURNING writer_id, sequence)
            INSERT INTO audit.erasures
            SELECT gone.writer_id, gone.sequence, note.erased_at, note.erased_by, note.key_id, note.signature
            FROM gone CROSS JOIN audit.erasures AS note WHERE note.sequence = 1
            """,
            "changed: the erasure of its full text",
        ),
    ],
)
async def test_nobody_without_the_key_erases_unseen(
    shop: TestDatabase, tmp_path: Path, statement: str, said: str
) -> None:
    await asked(shop, tmp_path, *NAMING, *NOT_NAMING)
    erase(shop, "ada@example.com")
    with psycopg.connect(shop.admin_dsn, autocommit=True) as connection:
        assert connection.execute(statement.encode()).rowcount
    assert breaks(shop) == [said]


async def test_a_text_that_was_erased_does_not_come_back_with_a_batch_that_is_sent_again(
    shop: TestDatabase, tmp_path: Path
) -> None:
    sent: list[str] = []

    async def send(rows: Sequence[str]) -> None:
        sent.extend(rows)

    with spool_in(tmp_path, full_texts=True) as spool:
        await spool.append(replace(CALL, query=NAMING[0]), ("Chicago",))
        await spool.drain(send)
    with psycopg.connect(writer_dsn(shop), autocommit=True) as connection:
        connection.execute("SELECT audit.append(%s)", [f"[{sent[0]}]"])
    assert erase(shop, "ada@example.com").audit_texts == 1
    with psycopg.connect(writer_dsn(shop), autocommit=True) as connection:
        connection.execute("SELECT audit.append(%s)", [f"[{sent[0]}]"])
    assert ask(shop, "SELECT * FROM audit.texts") == []
    assert breaks(shop) == []


async def test_texts_that_came_later_and_other_words_are_erased_too(shop: TestDatabase, tmp_path: Path) -> None:
    erase(shop, "ada@example.com")
    await asked(shop, tmp_path, NAMING[0], "SELECT 'Lady Lovelace''s'", NOT_NAMING[0])
    assert erase(shop, "ada@example.com", also=["lady lovelace's"]) == Erased(0, 0, 2)
    assert breaks(shop) == []


async def test_a_trial_erases_nothing(shop: TestDatabase, tmp_path: Path) -> None:
    await asked(shop, tmp_path, *NAMING)
    before = everything(shop)
    assert erase(shop, "ada@example.com", trial=True) == Erased(2, 2, 3)
    assert everything(shop) == before


def test_what_waits_of_an_interrupted_import_goes_too(shop: TestDatabase) -> None:
    with psycopg.connect(shop.admin_dsn, autocommit=True) as connection:
        repository = PostgresImportRepository.open(connection, checks_postponed)
        file = examples()[3]
        repository.staged_until("customers", file.fingerprint)
        repository.stage("customers", next(file.batches(0)))
        with pytest.raises(SetupError, match="`zava import` is at it"):
            erase(shop, "ada@example.com")
    erase(shop, "ada@example.com")
    assert "ada@example.com" not in everything(shop)


def test_a_number_of_several_people_needs_its_store(shop: TestDatabase) -> None:
    with psycopg.connect(shop.admin_dsn, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO retail.customer_records (store_id, customer_number, first_name, last_name)"
            " SELECT store_id, 'C-1001', 'Eve', 'Other' FROM retail.stores WHERE name = 'Springfield'"
        )
        with pytest.raises(SetupError, match="Several customers are known as C-1001, in Chicago, Springfield"):
            customer_data(connection, "C-1001", None)
        data = customer_data(connection, "C-1001", "Springfield")
        assert [record.first_name for record in data.records] == ["Eve"]
        with pytest.raises(SetupError, match="Nobody is known as nobody@"):
            customer_data(connection, "nobody@example.com", None)


def test_an_administrator_who_is_no_superuser_imports_exports_and_erases(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(CONTEXT_KEY.secret)
    key.chmod(0o600)
    with running_postgres() as postgres:
        database = installed_by_no_superuser(postgres)
        settings = Settings(
            database={"dsn": database.app_dsn, "admin_dsn": database.admin_dsn, "context_key_file": key},  # type: ignore[arg-type]
            embedding={"provider": "none"},  # type: ignore[arg-type]
        )
        import_files(settings, str(EXAMPLE), None, ImportOptions())
        assert erase(database, "ada@example.com").orders == 2
        export_files(settings, str(tmp_path / "out"), None)
    assert len((tmp_path / "out" / "customers.csv").read_text(encoding="utf-8").splitlines()) == 3
    assert "ada@" not in (tmp_path / "out" / "orders.csv").read_text(encoding="utf-8")
