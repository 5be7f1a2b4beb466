"""zava customers: what is known of one customer is handed over, or forgotten."""

import json
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from zava.adapters.files.writing import replaced
from zava.adapters.postgres.audit_chain import AuditKey
from zava.adapters.postgres.audit_spool import segments_of
from zava.adapters.postgres.context import ContextKey
from zava.adapters.postgres.customers import customer_data, erase_customer
from zava.commands.database import failures_of, open_database
from zava.commands.queries import printable
from zava.core.customers import CustomerData
from zava.core.errors import SetupError
from zava.settings import Settings


def export_customer(settings: Settings, wanted: str, file: Path, store: str | None) -> None:
    """Writes all that is kept of somebody to a file of JSON that only its owner may read."""
    with (
        open_database(settings) as database,
        database.administration() as connection,
        failures_of("zava customers export"),
    ):
        data = customer_data(connection, wanted, store)
    with replaced(file) as written:
        json.dump(_as_json(data), written, ensure_ascii=False, indent=2, default=str)
    print(f"{file}: {_counted(len(data.records), len(data.orders), len(data.audit_texts))}")


def erase(settings: Settings, wanted: str, store: str | None, also: Collection[str], *, trial: bool) -> None:
    """Forgets somebody, and says what went and what is left to do."""
    with (
        open_database(settings) as database,
        database.administration() as connection,
        failures_of("zava customers erase"),
    ):
        key = AuditKey.of(ContextKey.read(database.access.context_key_file), settings.audit.key_file)
        erased = erase_customer(connection, key, wanted, store, also, trial=trial)
        directory = database.access.audit_dir
        waiting = segments_of(directory) if directory and directory.is_dir() else []
    counted = _counted(erased.records, erased.orders, erased.audit_texts)
    if not any(asdict(erased).values()):
        raise SetupError(f"Nobody is known as {printable(wanted)}, and no text of the audit trail says so.")
    print(
        f"That was a trial. To be erased: {counted}." if trial else f"Erased: {counted}. The orders stay as nobody's."
    )
    if any(path.stat().st_size for path in waiting):
        print(f"Rows of the audit trail wait in {directory}. Run this again when they are in the database.")


def _counted(records: int, orders: int, texts: int) -> str:
    counts = ((records, "record"), (orders, "order"), (texts, "text"))
    said = [f"{number:,} {word}{'' if number == 1 else 's'}" for number, word in counts]
    return f"{said[0]}, {said[1]}, {said[2]} of the audit trail"


def _as_json(data: CustomerData) -> dict[str, object]:
    records = [asdict(record) for record in data.records]
    for record in records:
        del record["is_meant"]
    return {
        "currency": data.currency,
        "records": records,
        "orders": data.orders,
        "audit_texts": [{"called_at": moment.isoformat(), "query": text} for moment, text in data.audit_texts],
    }
