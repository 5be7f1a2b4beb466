"""The rows of the audit trail, and the chain of MACs that tells when one was changed or taken away."""

import hashlib
import hmac
import json
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Self
from uuid import UUID

from zava.adapters.postgres.context import ContextKey, ContextKeyError
from zava.adapters.postgres.plain_queries import LONGEST_QUERY, plain
from zava.core.errors import SetupError
from zava.core.observations import Call

# What a chain begins with, in place of the MAC before.
BEGINNING = "0" * 64
ENCODER = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True)
class AuditKey:
    """The key of the chains. PostgreSQL never gets it.

    Attributes:
        secret: any number of bytes.
    """

    secret: bytes = field(repr=False)

    @classmethod
    def of(cls, context_key: ContextKey, key_file: Path | None) -> Self:
        """The key that leads from this file; without one, from the context key.

        Raises:
            SetupError: the file is no key.
        """
        try:
            source = ContextKey.read(key_file) if key_file else context_key
        except ContextKeyError as error:
            raise SetupError(f"The key of the audit trail is of no use. {error}") from None
        return cls(source.derive("audit trail"))

    @cached_property
    def key_id(self) -> str:
        """Names the key without telling it."""
        return hashlib.sha256(self.secret).hexdigest()[:16]

    @cached_property
    def _keyed(self) -> hmac.HMAC:
        # To copy it costs half of what it takes to begin with the key each time.
        return hmac.new(self.secret, digestmod="sha256")

    def sign(self, text: str) -> str:
        """64 hexadecimal digits."""
        keyed = self._keyed.copy()
        keyed.update(text.encode())
        return keyed.hexdigest()

    def mac(self, purpose: str, *parts: str) -> str:
        """64 hexadecimal digits."""
        return self.sign(json.dumps([purpose, *parts]))


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A row of audit.calls without its MAC. The columns have comments: schema/migrations/0012_audit.sql."""

    writer_id: UUID
    sequence: int
    called_at: datetime
    principal_id: UUID | None
    principal_name: str | None
    client: str | None
    tool: str
    fingerprint: str | None
    query: str | None
    stores: list[str] | None
    row_count: int | None
    text_bytes: int
    decision: str
    code: str | None
    seconds: float
    trace_id: str | None
    query_mac: str | None
    key_id: str

    def as_json(self) -> str:
        """The row as it is signed, spooled and sent."""
        values = dict(zip(COLUMNS, VALUES(self), strict=True))
        values["writer_id"] = str(self.writer_id)
        values["called_at"] = self.called_at.astimezone(UTC).isoformat(timespec="microseconds")
        values["principal_id"] = str(self.principal_id) if self.principal_id else None
        return ENCODER.encode(values)

    def mac(self, key: AuditKey, previous: str) -> str:
        """The MAC of this row and of the one before it.

        Args:
            key: of the chain.
            previous: the MAC of the row before; BEGINNING for the first.
        """
        return _chained(key, previous, self.as_json())


COLUMNS = tuple(column.name for column in fields(AuditRow))
VALUES = attrgetter(*COLUMNS)


def _chained(key: AuditKey, previous: str, row: str) -> str:
    return key.sign(f"{previous}{row}")


def text_mac(key: AuditKey, writer_id: UUID, sequence: int, text: str) -> str:
    """The MAC of a full text, which is that of no other row."""
    return key.mac("text", str(writer_id), str(sequence), text)


@dataclass(frozen=True, slots=True)
class Link:
    """The end of a chain: an anchor of all that is before it.

    Attributes:
        sequence: of the last row; 0 before the first.
        mac: of that row.
    """

    writer_id: UUID
    sequence: int = 0
    mac: str = BEGINNING

    def __str__(self) -> str:
        return f"{self.writer_id}:{self.sequence}:{self.mac}"

    @classmethod
    def read(cls, text: str) -> Self:
        """The anchor that str() has written.

        Raises:
            ValueError: this is none.
        """
        writer_id, sequence, mac = text.strip().split(":")
        return cls(UUID(writer_id), int(sequence), mac)


def chain(
    key: AuditKey, end: Link, call: Call, stores: tuple[str, ...] | None, *, full_texts: bool
) -> tuple[Link, str]:
    """The row of a call as a line of JSON, and the end of the chain with it.

    Args:
        key: of the chain.
        end: of the chain before.
        call: as it ended.
        stores: that the answer tells of, by name; None where that is not known.
        full_texts: whether free SQL is kept as it was written, too.
    """
    sequence = end.sequence + 1
    text = _text(call.query) if full_texts and call.query else None
    shown = plain(call.query) if call.query else None
    row = AuditRow(
        writer_id=end.writer_id,
        sequence=sequence,
        called_at=call.started_at,
        principal_id=call.principal.principal_id if call.principal else None,
        principal_name=_text(call.principal.name) if call.principal else None,
        client=_text(call.client) if call.client else None,
        tool=call.tool,
        fingerprint=shown.fingerprint if shown else None,
        query=shown.text if shown else None,
        stores=None if stores is None else list(stores),
        row_count=call.coverage.rows,
        text_bytes=call.text_bytes,
        decision=call.decision,
        code=call.code,
        seconds=round(call.seconds, 6),
        trace_id=call.trace_id,
        query_mac=text_mac(key, end.writer_id, sequence, text) if text else None,
        key_id=key.key_id,
    ).as_json()
    mac = _chained(key, end.mac, row)
    query_text = f',"query_text":{ENCODER.encode(text)}' if text else ""
    return Link(end.writer_id, sequence, mac), f'{row[:-1]},"mac":"{mac}"{query_text}}}'


def _text(text: str) -> str:
    """As much of it as is of use, in characters that PostgreSQL can keep."""
    return text[:LONGEST_QUERY].encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
