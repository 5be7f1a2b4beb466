"""The audit trail: calls go to the spool, and from there to PostgreSQL, where those may read them who should."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from zava.adapters.postgres.audit_spool import AuditSpool
from zava.adapters.postgres.sessions import PrincipalSessions, Question
from zava.adapters.postgres.store_directory import SeenStores
from zava.core.model import Principal
from zava.core.observations import AuditedCall, Call
from zava.core.ports import AuditTrail

APPEND = "SELECT audit.append(%s::jsonb)"
MAY_APPEND = "SELECT has_function_privilege('audit.append(jsonb)', 'EXECUTE')"
CONNECT_SECONDS = 5

LATEST = Question.load("latest_calls", AuditedCall)


@dataclass(frozen=True)
class PostgresAuditTrail(AuditTrail):
    """Writes to the spool of this process, and reads audit.latest_calls.

    Attributes:
        seen: tells which stores an answer was about that was about all of the principal's.
    """

    spool: AuditSpool
    sessions: PrincipalSessions
    seen: SeenStores

    async def append(self, call: Call) -> None:
        stores = call.coverage.stores
        if call.decision != "allowed" or call.principal is None:
            stores = ()
        elif stores is None:
            stores = await self.seen.names(call.principal)
        await self.spool.append(call, stores)

    async def latest(self, principal: Principal, most: int) -> Sequence[AuditedCall]:
        answers = await self.sessions.ask(principal, {"most": most}, LATEST)
        return answers[LATEST]


@dataclass(frozen=True)
class AuditWriter:
    """Brings rows to PostgreSQL as the login zava_writer, which may do this and keep the rollups, and nothing else.

    Attributes:
        dsn: connection string, password included; never shown.
    """

    dsn: str = field(repr=False)

    async def drain(self, spool: AuditSpool) -> None:
        """Sends what waits.

        Raises:
            psycopg.Error: the database failed. What was sent is kept, and the rest waits on.
        """
        connection: psycopg.AsyncConnection | None = None

        async def send(rows: Sequence[str]) -> None:
            nonlocal connection
            connection = connection or await self._connect()
            await connection.execute(APPEND, [f"[{','.join(rows)}]"])

        try:
            await spool.drain(send)
        finally:
            if connection:
                await connection.close()

    async def check(self) -> bool:
        """Whether PostgreSQL lets it append.

        Raises:
            psycopg.Error: the database failed, or has no audit trail.
        """
        async with await self._connect() as connection:
            cursor = await connection.execute(MAY_APPEND)
            return await cursor.fetchone() == (True,)

    async def _connect(self) -> psycopg.AsyncConnection:
        return await psycopg.AsyncConnection.connect(
            self.dsn, autocommit=True, connect_timeout=CONNECT_SECONDS, prepare_threshold=None
        )
