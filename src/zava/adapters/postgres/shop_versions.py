"""The state of the shop, from PostgreSQL: asked of the primary over a connection that nothing else takes."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import class_row

from zava.adapters.postgres.sessions import SNAPSHOT, PrincipalSessions
from zava.adapters.postgres.sql import load
from zava.core.errors import UnavailableError
from zava.core.model import Principal, ShopVersion, Snapshot
from zava.core.ports import ShopVersions

LATEST = load("shop_version")
# What takes longer comes too late.
PATIENCE_SECONDS = 2


@dataclass
class PostgresShopVersions(ShopVersions):
    """Asks as the server's own login.

    Attributes:
        dsn: connection string of the login, password included; never shown.
        sessions: for what a principal sees.
        application_name: what pg_stat_activity calls the server.
    """

    dsn: str = field(repr=False)
    sessions: PrincipalSessions
    application_name: str
    _connection: psycopg.AsyncConnection[Any] | None = field(default=None, init=False, repr=False)

    async def latest(self) -> ShopVersion:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                if self._connection is None:
                    self._connection = await self._connect()
                cursor = self._connection.cursor(row_factory=class_row(ShopVersion))
                (version,) = await (await cursor.execute(LATEST)).fetchall()
        except (psycopg.Error, TimeoutError) as error:
            await self.close()
            raise UnavailableError("The primary does not tell the state of the shop.") from error
        except BaseException:
            await self.close()
            raise
        return version

    async def seen_by(self, principal: Principal) -> Snapshot:
        (seen,) = (await self.sessions.ask(principal, {}, SNAPSHOT))[SNAPSHOT]
        return seen

    async def close(self) -> None:
        """Leaves the database."""
        if self._connection:
            await self._connection.close()
            self._connection = None

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(
            self.dsn,
            autocommit=True,
            application_name=self.application_name,
            # A pooler may give the next query another connection.
            prepare_threshold=None,
            # A standby does not know what is under way.
            target_session_attrs="primary",
        )
