"""The latest calls of the audit trail, for an administrator, and those that come after them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from zava.adapters.postgres.migrate import acting_as
from zava.adapters.postgres.sql import load
from zava.core.observations import AuditedCall

WRITERS = "SELECT writer_id, sequence FROM audit.writers"
TAIL = load("audit_tail")
FOLLOW = load("audit_follow")


@dataclass
class AuditTail:
    """Reads as an administrator. Full texts are not among it: those are for who holds a grant.

    Attributes:
        connection: in autocommit mode.
        principal: name or id of who asked; None for everybody.
        tool: that was called; None for all.
        since: the moment of the first; None for any.
    """

    connection: psycopg.Connection[Any]
    principal: str | None = None
    tool: str | None = None
    since: datetime | None = None
    _seen: dict[UUID, int] = field(default_factory=dict)

    def latest(self, most: int) -> Sequence[AuditedCall]:
        """So many of the latest, the last one last."""
        with self._snapshot():
            self._seen = self._written()
            return self._calls(TAIL, {"most": most})[::-1]

    def later(self) -> Sequence[AuditedCall]:
        """What has come to the database since it was last looked for, in the order of the calls."""
        with self._snapshot():
            written = self._written()
            grown = {
                writer: self._seen.get(writer, 0) for writer in written if written[writer] != self._seen.get(writer)
            }
            self._seen = written
            return self._calls(FOLLOW, {"writers": list(grown), "sequences": list(grown.values())}) if grown else []

    def _written(self) -> dict[UUID, int]:
        return dict(self.connection.execute(WRITERS).fetchall())

    def _calls(self, query: LiteralString, wanted: Mapping[str, Any]) -> list[AuditedCall]:
        conditions = {"principal": self.principal, "tool": self.tool, "since": self.since}
        cursor = self.connection.cursor(row_factory=class_row(AuditedCall))
        return cursor.execute(query, {**conditions, **wanted}).fetchall()

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        with acting_as(self.connection, "zava_audit"), self.connection.transaction():
            self.connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield
