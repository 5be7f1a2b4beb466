"""Is the audit trail as it was written? And: rows that are old enough make room for a signed checkpoint."""

import hmac
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from zava.adapters.postgres.audit_chain import AuditKey, AuditRow, Link, text_mac
from zava.adapters.postgres.migrate import acting_as
from zava.adapters.postgres.sql import load

Connection = psycopg.Connection[Any]
# By their ids.
Keys = Mapping[str, AuditKey]

ROWS = load("audit_rows")
ROWS_AT_ONCE = 1_000
NOT_ANCHORED = "changed: it is not the row that an anchor names"


@dataclass(frozen=True, slots=True)
class Broken:
    """The first thing that is not as it was written in the chain of a writer.

    Attributes:
        sequence: of the row where the chain breaks.
        what: changed, missing, out of order or cut tail, and the rest in words.
    """

    writer_id: UUID
    sequence: int
    what: str

    def __str__(self) -> str:
        return f"writer {self.writer_id}, row {self.sequence}: {self.what}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look at all chains has found.

    Attributes:
        rows: that are as they were written.
        writers: whose chains were looked at.
        breaks: the first of each chain that has one.
    """

    rows: int
    writers: int
    breaks: Sequence[Broken]


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was pruned, and the chains that were left alone because they are broken."""

    rows: int
    breaks: Sequence[Broken]


@dataclass(frozen=True, slots=True)
class StoredRow(AuditRow):
    """A row as PostgreSQL has it. Its own MAC is `stored_mac`."""

    stored_mac: str
    query_text: str | None
    erased_at: datetime | None
    erased_by: str | None
    erasure_key_id: str | None
    erasure_signature: str | None

    @property
    def link(self) -> Link:
        return Link(self.writer_id, self.sequence, self.stored_mac)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Up to where rows of a writer were pruned. The columns are those of audit.checkpoints."""

    writer_id: UUID
    sequence: int
    mac: str
    key_id: str
    signature: str

    @classmethod
    def signed(cls, key: AuditKey, link: Link) -> "Checkpoint":
        signature = key.mac("checkpoint", str(link))
        return cls(link.writer_id, link.sequence, link.mac, key.key_id, signature)

    @property
    def link(self) -> Link:
        return Link(self.writer_id, self.sequence, self.mac)


@dataclass(frozen=True, slots=True)
class Erasure:
    """That a full text was erased. The columns are those of audit.erasures."""

    writer_id: UUID
    sequence: int
    erased_at: datetime
    erased_by: str
    key_id: str
    signature: str

    @classmethod
    def signed(cls, key: AuditKey, writer_id: UUID, sequence: int, erased_at: datetime, erased_by: str) -> "Erasure":
        moment = erased_at.astimezone(UTC).isoformat(timespec="microseconds")
        signature = key.mac("erasure", str(writer_id), str(sequence), moment, erased_by)
        return cls(writer_id, sequence, erased_at, erased_by, key.key_id, signature)


class _BrokenError(Exception):
    """The chain breaks here."""

    def __init__(self, sequence: int, what: str) -> None:
        super().__init__(what)
        self.sequence = sequence
        self.what = what


def verify(connection: Connection, keys: Iterable[AuditKey], anchors: Iterable[Link]) -> Verdict:
    """Looks at every row, in order.

    Args:
        connection: an administrator's, in autocommit mode.
        keys: of all rows.
        anchors: rows that are known to have been there, from files and logs. They are read before this is called.
    """
    known = {key.key_id: key for key in keys}
    with acting_as(connection, "zava_audit"), connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        marks = defaultdict[UUID, list[Link]](list)
        for anchor in anchors:
            marks[anchor.writer_id].append(anchor)
        stored = {link.writer_id: link for link in _all(connection, Link, "writers")}
        checkpoints = {point.writer_id: point for point in _all(connection, Checkpoint, "checkpoints")}
        waiting = marks.keys() | stored.keys() | checkpoints.keys()
        rows = writers = 0
        breaks: list[Broken] = []

        def examine(writer_id: UUID, found: Iterator[StoredRow]) -> None:
            nonlocal rows, writers
            writers += 1
            walk = _Walk(connection, known, writer_id, checkpoints.get(writer_id), marks[writer_id])
            try:
                for row in found:
                    walk.step(row)
                walk.arrive(stored.get(writer_id))
            except _BrokenError as error:
                breaks.append(Broken(writer_id, error.sequence, error.what))
            rows += walk.steps

        with closing(_rows(connection)) as everything:
            for writer_id, found in groupby(everything, key=lambda row: row.writer_id):
                waiting.discard(writer_id)
                examine(writer_id, found)
        for writer_id in sorted(waiting):
            examine(writer_id, iter(()))
    return Verdict(rows, writers, breaks)


def prune(connection: Connection, keys: Iterable[AuditKey], before: datetime) -> Pruned:
    """Takes away the rows from the beginning of each chain to the last that is older, and leaves a checkpoint.

    A row is taken away only when the chain up to it is whole: what was tampered with stays to be seen.

    Args:
        connection: an administrator's, in autocommit mode.
        keys: of all rows.
        before: rows of calls since then stay, and all that come after one of them in its chain.
    """
    known = {key.key_id: key for key in keys}
    pruned = 0
    breaks: list[Broken] = []
    with acting_as(connection, "zava_audit"), connection.transaction():
        # One at a time.
        connection.execute("LOCK TABLE audit.checkpoints IN SHARE ROW EXCLUSIVE MODE")
        checkpoints = {point.writer_id: point for point in _all(connection, Checkpoint, "checkpoints")}
        writers = [link.writer_id for link in _all(connection, Link, "writers")]
        for writer_id in writers:
            walk = _Walk(connection, known, writer_id, checkpoints.get(writer_id))
            last: StoredRow | None = None
            try:
                with closing(_rows(connection, writer_id)) as found:
                    for row in found:
                        if row.called_at >= before:
                            break
                        walk.step(row)
                        last = row
            except _BrokenError as error:
                breaks.append(Broken(writer_id, error.sequence, error.what))
            if last:
                _leave_checkpoint(connection, Checkpoint.signed(known[last.key_id], last.link))
                pruned += walk.steps
    return Pruned(pruned, breaks)


class _Walk:
    """Goes along a chain from its beginning, or from its checkpoint, and stops where it breaks."""

    def __init__(
        self,
        connection: Connection,
        keys: Keys,
        writer_id: UUID,
        checkpoint: Checkpoint | None,
        anchors: Sequence[Link] = (),
    ) -> None:
        self.steps = 0
        self._anchors = anchors
        self._anchored = defaultdict[int, set[str]](set)
        for anchor in anchors:
            self._anchored[anchor.sequence].add(anchor.mac)
        self._connection = connection
        self._keys = keys
        self._end = checkpoint.link if checkpoint else Link(writer_id)
        self._checkpoint = checkpoint

    def step(self, row: StoredRow) -> None:
        """On to the next row."""
        self._check_beginning()
        expected = self._end.sequence + 1
        if row.sequence < expected:
            raise _BrokenError(row.sequence, "out of order: it was pruned, and is here again")
        if row.sequence > expected:
            raise _BrokenError(expected, f"missing: {_rows_in_words(expected, row.sequence - 1)}")
        key = self._key(row.key_id, row.sequence)
        if not _same(row.mac(key, self._end.mac), row.stored_mac):
            place = self._place_of(key, row)
            raise _BrokenError(row.sequence, f"out of order: it was row {place}" if place else "changed")
        self._check_erasure(row)
        if row.query_mac and row.query_text is None and row.erasure_key_id is None:
            raise _BrokenError(row.sequence, "missing: its full text")
        if row.query_text is not None and not _same(
            text_mac(key, row.writer_id, row.sequence, row.query_text), row.query_mac or ""
        ):
            raise _BrokenError(row.sequence, "changed: its full text")
        if not self._anchored.get(row.sequence, set()) <= {row.stored_mac}:
            raise _BrokenError(row.sequence, NOT_ANCHORED)
        self._end = row.link
        self.steps += 1

    def arrive(self, stored: Link | None) -> None:
        """All rows are passed: are they all that there were?"""
        self._check_beginning()
        end = self._end
        last = max((anchor.sequence for anchor in (stored, *self._anchors) if anchor), default=0)
        if last > end.sequence:
            missing = _rows_in_words(end.sequence + 1, last)
            raise _BrokenError(end.sequence + 1, f"cut tail: {missing} missing")
        if stored is None:
            raise _BrokenError(end.sequence, "missing: its anchor in audit.writers")
        if stored.sequence < end.sequence:
            raise _BrokenError(stored.sequence, "changed: its anchor in audit.writers")
        if not _same(stored.mac, end.mac):
            raise _BrokenError(end.sequence, NOT_ANCHORED)

    def _check_beginning(self) -> None:
        point = self._checkpoint
        if point and not _same(
            Checkpoint.signed(self._key(point.key_id, point.sequence), point.link).signature, point.signature
        ):
            raise _BrokenError(point.sequence, "changed: its checkpoint")
        self._checkpoint = None

    def _check_erasure(self, row: StoredRow) -> None:
        if row.erasure_key_id is None or row.erased_at is None or row.erased_by is None:
            return
        key = self._key(row.erasure_key_id, row.sequence)
        signature = Erasure.signed(key, row.writer_id, row.sequence, row.erased_at, row.erased_by).signature
        if not _same(signature, row.erasure_signature or ""):
            raise _BrokenError(row.sequence, "changed: the erasure of its full text")
        if row.query_text is not None:
            raise _BrokenError(row.sequence, "out of order: its full text was erased, and is here again")

    def _key(self, key_id: str, sequence: int) -> AuditKey:
        if key_id not in self._keys:
            raise _BrokenError(sequence, f"changed, or signed with a key that is not at hand: {key_id}")
        return self._keys[key_id]

    def _place_of(self, key: AuditKey, row: StoredRow) -> int | None:
        """Where the row would be as it was written; None when it is so nowhere."""
        query = "SELECT sequence, mac FROM audit.calls WHERE writer_id = %s"
        macs = dict(self._connection.execute(query, [row.writer_id]).fetchall())
        for sequence, mac in macs.items():
            moved = replace(row, sequence=sequence)
            # The row before it may have changed places with it.
            for previous in (macs.get(sequence - 1), mac):
                if previous and _same(moved.mac(key, previous), row.stored_mac):
                    return int(sequence)
        return None


def _all(connection: Connection, kind: type[Any], table: str) -> list[Any]:
    query = sql.SQL("SELECT * FROM {}").format(sql.Identifier("audit", table))
    return connection.cursor(row_factory=class_row(kind)).execute(query).fetchall()


def _rows(connection: Connection, writer_id: UUID | None = None) -> Generator[StoredRow]:
    """The rows of this writer, or of all writers one after the other, in order."""
    with connection.cursor("audit_rows", row_factory=class_row(StoredRow)) as cursor:
        cursor.itersize = ROWS_AT_ONCE
        yield from cursor.execute(ROWS, {"writer": writer_id})


def _leave_checkpoint(connection: Connection, point: Checkpoint) -> None:
    connection.execute(
        """
        INSERT INTO audit.checkpoints (writer_id, sequence, mac, key_id, signature) VALUES (%s, %s, %s, %s, %s)
        ON CONFLICT (writer_id) DO UPDATE
        SET sequence = excluded.sequence, mac = excluded.mac, key_id = excluded.key_id, signature = excluded.signature
        """,
        [point.writer_id, point.sequence, point.mac, point.key_id, point.signature],
    )
    connection.execute(
        "DELETE FROM audit.calls WHERE writer_id = %s AND sequence <= %s", [point.writer_id, point.sequence]
    )


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _rows_in_words(first: int, last: int) -> str:
    return f"row {first}" if first == last else f"rows {first} to {last}"
