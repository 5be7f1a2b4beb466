"""Is this database fit to answer? Asked before the doors open, and again by every readiness check."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from zava.adapters.postgres.layers import CALLABLE
from zava.adapters.postgres.sessions import Pool
from zava.adapters.postgres.sql import load
from zava.core.errors import SetupError
from zava.core.model import EmbeddingModel

# The schema this server needs at least: the highest migration that its queries rely on.
OLDEST_SCHEMA = 17

SCHEMA_VERSION = load("schema_version")
WEAKNESSES = load("weaknesses")
VECTORS = load("vectors_exist")
SERVING = load("embedding_model")
LAYERS = load("layers")
MOST_WEAKNESSES = 5
MOST_SKEW_SECONDS = 10


class UnfitError(SetupError):
    """The database must not be served from. The message says why, and what to do."""


@dataclass(frozen=True)
class DatabaseInspection:
    """Looks at the database as the server's own login sees it.

    Attributes:
        citus: whether the server takes it for a Citus cluster.
    """

    pool: Pool
    server_version: str
    citus: bool = False

    async def reachable(self) -> None:
        """Raises UnfitError unless the database answers."""
        await self._rows("SELECT 1")

    async def schema_version(self) -> None:
        """Raises UnfitError when schema and server are too far apart to live together."""
        (row,) = await self._rows(SCHEMA_VERSION)
        if row["version"] < OLDEST_SCHEMA:
            raise UnfitError(
                f"the schema is at version {row['version']} and this server needs {OLDEST_SCHEMA}; "
                "run `zava db migrate`"
            )
        if _as_numbers(row["oldest_server"]) > _as_numbers(self.server_version):
            raise UnfitError(
                f"the schema needs Zava {row['oldest_server']} or newer and this is {self.server_version}; "
                "upgrade this server"
            )
        if row["distributed"] and not self.citus:
            raise UnfitError("its tables are distributed by Citus: set ZAVA_DATABASE__CITUS=true")
        if self.citus and not row["distributed"]:
            raise UnfitError(
                "ZAVA_DATABASE__CITUS is true, and its tables are not distributed: run `zava db migrate` on a cluster "
                "with workers"
            )

    async def row_security(self) -> None:
        """Raises UnfitError when the login could get past row security."""
        found = [str(row["weakness"]) for row in await self._rows(WEAKNESSES)]
        if found:
            raise UnfitError(
                f"row security could be bypassed: {_some(found)}. "
                "Connect as zava_app, and run `zava db migrate` to restore the policies' grants"
            )

    async def clock(self) -> None:
        """Raises UnfitError when the clocks differ so much that tokens expire before they are used."""
        (row,) = await self._rows("SELECT extract(epoch FROM clock_timestamp())::float8 AS seconds")
        skew = abs(row["seconds"] - time.time())
        if skew > MOST_SKEW_SECONDS:
            raise UnfitError(f"the clocks of server and database differ by {skew:.0f} seconds; synchronise them (NTP)")

    async def catalogs(self) -> None:
        """Raises UnfitError when free SQL could use all of PostgreSQL's own functions and catalogs."""
        (row,) = await self._rows(
            """
            SELECT EXISTS (
                SELECT FROM pg_proc AS f
                CROSS JOIN LATERAL aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) AS granted
                WHERE f.pronamespace IN ('pg_catalog'::regnamespace, 'public'::regnamespace) AND granted.grantee = 0
            ) OR has_table_privilege('zava_sandbox', 'pg_catalog.pg_stat_activity', 'SELECT') AS open
            """
        )
        if row["open"]:
            raise UnfitError(
                "PostgreSQL's catalogs are open to free SQL, and the guard alone keeps it from them; "
                "run `zava db migrate` as a superuser"
            )

    async def layers(self) -> Mapping[str, str]:
        """What is amiss with the layers that are not in force, by their keys."""
        found: dict[str, list[str]] = {}
        for row in await self._rows(LAYERS, {"functions": CALLABLE}):
            found.setdefault(row["layer"], []).append(row["amiss"])
        return {layer: _some(amiss) for layer, amiss in found.items()}

    async def embeddings(self, model: EmbeddingModel) -> None:
        """Raises UnfitError when products cannot be found by what they mean to this model."""
        (row,) = await self._rows(VECTORS)
        if not row["exist"]:
            raise UnfitError("there is no pgvector; install it, then run `zava db migrate`")
        serving = await self._rows(SERVING, role="zava_reader")
        if not serving or EmbeddingModel(**serving[0]) != model:
            now = f"{EmbeddingModel(**serving[0])} serves" if serving else "none serves"
            raise UnfitError(
                f"not every product is embedded with {model} yet, and {now}: run `zava embed`; the sample shop does so "
                "by itself"
            )

    async def _rows(
        self, query: LiteralString, parameters: Mapping[str, Any] | None = None, role: LiteralString = "NONE"
    ) -> list[dict[str, Any]]:
        """Asks as the login, or as a role that it may enter: the login itself reads no table."""
        try:
            async with self.pool.connection(timeout=2) as connection, connection.transaction():
                await connection.execute(f"SET LOCAL ROLE {role}")
                cursor = connection.cursor(row_factory=dict_row)
                await cursor.execute(query, parameters)
                return await cursor.fetchall()
        except (psycopg.errors.UndefinedFunction, psycopg.errors.InvalidSchemaName) as error:
            raise UnfitError("this database has no Zava schema; run `zava db migrate`") from error
        except psycopg.Error as error:
            raise UnfitError(f"the database does not answer ({type(error).__name__})") from error


def _some(found: list[str]) -> str:
    more = f" and {len(found) - MOST_WEAKNESSES} more" if len(found) > MOST_WEAKNESSES else ""
    return f"{'; '.join(found[:MOST_WEAKNESSES])}{more}"


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
