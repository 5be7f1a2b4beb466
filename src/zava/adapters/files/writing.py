"""Files of rows: exports, and what an import has rejected."""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

from zava.adapters.files.reading import CSV, ShopFile
from zava.core.errors import SetupError
from zava.core.formulas import FORMULA
from zava.core.imports import Rejection, Row

LINE, REASON = "rejected_line", "rejected_because"
REPORT_EVERY = 10_000


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Row], report: Callable[[int], None]) -> int:
    """Writes a file that can be imported, in place of the one that is there; returns how many rows it has.

    Texts that a spreadsheet would run as a formula have an apostrophe in front, in CSV; an import takes it away.

    Args:
        path: ends in .csv or .jsonl.
        columns: names of the values.
        rows: of the shop.
        report: told how many are written.
    """
    written = 0
    with replaced(path) as file:
        write = _csv_writer(file, columns) if path.suffix == CSV else _json_writer(file, columns)
        for row in rows:
            write(row)
            written += 1
            if written % REPORT_EVERY == 0:
                report(written)
    return written


def write_rejections(path: Path, file: ShopFile, rejections: Sequence[Rejection]) -> None:
    """Writes rejected rows as they stand in the file, with line and reason in front; mended, they can be imported.

    Cells that a spreadsheet would run as a formula have an apostrophe in front, as in exports.
    """
    reasons = {rejection.line: rejection.reason for rejection in rejections}
    rejected = (record for record in file.records() if record.line in reasons)
    with replaced(path) as written:
        if file.path.suffix == CSV:
            writer = csv.writer(written)
            writer.writerow([LINE, REASON, *map(_harmless, file.header)])
            for record in rejected:
                values: Mapping[str, Any] = record.values or {}
                cells = (_harmless(values.get(name, "")) for name in file.header)
                writer.writerow([record.line, reasons[record.line], *cells])
        else:
            for record in rejected:
                row = {LINE: record.line, REASON: reasons[record.line], **(record.values or {})}
                written.write(f"{json.dumps(row, default=str)}\n")


def _csv_writer(file: TextIO, columns: Sequence[str]) -> Callable[[Row], object]:
    writer = csv.writer(file)
    writer.writerow(columns)
    return lambda row: writer.writerow(map(_cell, row))


def _json_writer(file: TextIO, columns: Sequence[str]) -> Callable[[Row], object]:
    def write(row: Row) -> None:
        values = {name: _json_value(value) for name, value in zip(columns, row, strict=True) if value is not None}
        file.write(f"{json.dumps(values, ensure_ascii=False)}\n")

    return write


def _cell(value: object) -> object:
    match value:
        case str() if value.lstrip("'").startswith(FORMULA):
            return f"'{value}"
        case bool():
            return str(value).lower()
        case date():
            return value.isoformat()
        case _:
            return value


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _json_value(value: object) -> object:
    """Amounts are texts: every digit of them counts, and many programs read numbers as binary fractions."""
    match value:
        case Decimal():
            return f"{value:f}"
        case date():
            return value.isoformat()
        case _:
            return value


@contextmanager
def replaced(path: Path) -> Iterator[TextIO]:
    """A new file in place of this one, when it is complete. It may name customers: only its owner may read it."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            yield file
        unfinished.replace(path)
    except OSError as error:
        raise SetupError(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        unfinished.unlink(missing_ok=True)
