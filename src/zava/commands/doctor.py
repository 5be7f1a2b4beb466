"""zava doctor: each thing Zava needs, whether it is there, and the remedy when it is not."""

import asyncio
from collections.abc import Awaitable, Callable

from zava.adapters.postgres.access import DatabaseAccess
from zava.commands.database import open_database
from zava.container import new_container
from zava.core.errors import SetupError
from zava.settings import Settings


def examine(settings: Settings) -> int:
    """Prints every check with its remedy, and returns the exit code: 1 when Zava cannot serve as it is."""
    try:
        with open_database(settings) as database:
            where = f"embedded PostgreSQL {database.embedded.version}" if database.embedded else "ZAVA_DATABASE__DSN"
            database.check_login()
            print(f"ok    database server: {where}")
            return asyncio.run(_examine(settings, database.access))
    except SetupError as error:
        print(f"FAIL  database server: {error}")
        return 1


async def _examine(settings: Settings, access: DatabaseAccess) -> int:
    container = new_container(settings, access)
    inspection = container.inspection()
    async with container.pool():
        needed = [
            await _found("schema version", inspection.schema_version, "FAIL"),
            await _found("row security in force", inspection.row_security, "FAIL"),
            await _found("clocks agree", inspection.clock, "FAIL"),
        ]
        # Without these Zava serves, with less.
        await _found("catalogs closed to free SQL", inspection.catalogs, "weak")
        await _found("temporary files limited", inspection.limits, "weak")
        await _found("products found by meaning", inspection.vectors, "weak")
    return 0 if all(needed) else 1


async def _found(check: str, inspect: Callable[[], Awaitable[None]], otherwise: str) -> bool:
    try:
        await inspect()
    except SetupError as error:
        print(f"{otherwise}  {check}: {error}")
        return False
    print(f"ok    {check}")
    return True
