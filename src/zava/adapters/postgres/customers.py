"""What is known of one customer, for an administrator: to be handed over, and to be forgotten."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row, scalar_row

from zava.adapters.postgres.audit_chain import AuditKey
from zava.adapters.postgres.audit_verification import Erasure
from zava.adapters.postgres.imports import LOCK, sample_shop_lives
from zava.adapters.postgres.migrate import acting_as, as_owners
from zava.adapters.postgres.sql import load
from zava.core.customers import CustomerData, CustomerRecord, Erased, naming, one_customer
from zava.core.errors import SetupError

Connection = psycopg.Connection[Any]

RECORDS = load("customer_records")
ORDERS = load("customer_orders")
TEXTS = load("audit_texts")
TEXTS_AT_ONCE = 1_000
# Files of an import that was interrupted.
STAGED = ("retail.staged_customers", "retail.staged_orders")


@dataclass(frozen=True, slots=True)
class _Text:
    writer_id: UUID
    sequence: int
    called_at: datetime
    query_text: str


def customer_data(connection: Connection, wanted: str, store: str | None) -> CustomerData:
    """All that is kept of somebody.

    Args:
        connection: an administrator's, in autocommit mode.
        wanted: e-mail address, customer number or customer_id.
        store: whose customer number it is.

    Raises:
        SetupError: nobody is known so, or several people are.
    """
    with _as_owner(connection):
        records = one_customer(_records(connection, wanted, store), wanted)
        if not records:
            raise SetupError(f"Nobody is known as {wanted}{f' in {store}' if store else ''}.")
        (currency,) = _scalars(connection, "SELECT currency FROM retail.business_settings")
        orders = _scalars(connection, ORDERS, {"customers": _ids(records)})
        connection.execute("SET LOCAL ROLE zava_audit")
        texts = [(text.called_at, text.query_text) for text in _texts(connection, naming(records, [wanted]))]
    return CustomerData(currency, records, orders, texts)


def erase_customer(  # noqa: PLR0913 - what an operator says
    connection: Connection,
    key: AuditKey,
    wanted: str,
    store: str | None,
    also: Collection[str] = (),
    *,
    trial: bool = False,
) -> Erased:
    """Forgets somebody. Orders stay and are nobody's; full texts of the audit trail go, and leave a signed note.

    Whoever is not known any more may still be named by texts, which go as well.

    Args:
        connection: an administrator's, in autocommit mode.
        key: of the audit trail.
        wanted: e-mail address, customer number or customer_id.
        store: whose customer number it is.
        also: words that name them in texts.
        trial: whether everything is done but the end.

    Raises:
        SetupError: several people are known so, an import is at it, or this is the sample shop.
    """
    with _as_owner(connection) as transaction:
        if sample_shop_lives(connection):
            raise SetupError("This is the sample shop: its customers are made up, and they come again.")
        connection.execute("SET LOCAL ROLE zava_owner")
        if _scalars(connection, "SELECT pg_try_advisory_xact_lock(%(lock)s)", {"lock": LOCK}) != [True]:
            raise SetupError("Nobody can be erased now: `zava import` is at it.")
        records = one_customer(_records(connection, wanted, store), wanted)
        for table in STAGED:
            connection.execute(f"DROP TABLE IF EXISTS {table}, {table}_rejected".encode())
        mine = {"customers": _ids(records)}
        orders = connection.execute(
            "UPDATE retail.orders SET customer_id = NULL WHERE customer_id = ANY (%(customers)s)", mine
        ).rowcount
        connection.execute("DELETE FROM retail.customer_records WHERE customer_id = ANY (%(customers)s)", mine)
        connection.execute("SET LOCAL ROLE zava_audit")
        texts = list(_texts(connection, naming(records, [wanted, *also])))
        _erase_texts(connection, key, texts)
        if trial:
            raise psycopg.Rollback(transaction)
    if not trial:
        _vacuum(connection)
    return Erased(len(records), orders, len(texts))


@contextmanager
def _as_owner(connection: Connection) -> Iterator[psycopg.Transaction]:
    with as_owners(connection), connection.transaction() as transaction:
        connection.execute("SET LOCAL ROLE zava_owner")
        yield transaction


def _records(connection: Connection, wanted: str, store: str | None) -> Sequence[CustomerRecord]:
    cursor = connection.cursor(row_factory=class_row(CustomerRecord))
    return cursor.execute(RECORDS, {"wanted": wanted, "store": store}).fetchall()


def _ids(records: Sequence[CustomerRecord]) -> list[UUID]:
    return sorted({record.customer_id for record in records})


def _texts(connection: Connection, names_them: Callable[[str], bool]) -> Iterator[_Text]:
    with connection.cursor("audit_texts", row_factory=class_row(_Text)) as cursor:
        cursor.itersize = TEXTS_AT_ONCE
        yield from (text for text in cursor.execute(TEXTS) if names_them(text.query_text))


def _erase_texts(connection: Connection, key: AuditKey, texts: Sequence[_Text]) -> None:
    ((now, login),) = connection.execute("SELECT now(), session_user::text").fetchall()
    with connection.cursor() as cursor:
        for text in texts:
            note = Erasure.signed(key, text.writer_id, text.sequence, now, login)
            cursor.execute(
                "INSERT INTO audit.erasures (writer_id, sequence, erased_at, erased_by, key_id, signature)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                [note.writer_id, note.sequence, note.erased_at, note.erased_by, note.key_id, note.signature],
            )
            cursor.execute(
                "DELETE FROM audit.texts WHERE writer_id = %s AND sequence = %s", [text.writer_id, text.sequence]
            )


def _vacuum(connection: Connection) -> None:
    """What was deleted lies in the tables until then, and examples of it in the statistics."""
    for role, tables in (("zava_owner", "retail.customer_records, retail.orders"), ("zava_audit", "audit.texts")):
        with acting_as(connection, role):
            connection.execute(f"VACUUM (ANALYZE) {tables}".encode())


def _scalars(connection: Connection, query: str, parameters: dict[str, Any] | None = None) -> list[Any]:
    return connection.cursor(row_factory=scalar_row).execute(query.encode(), parameters).fetchall()
