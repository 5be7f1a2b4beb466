"""zava doctor: each thing Zava needs, whether it is there, and the remedy when it is not."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from importlib.util import find_spec

from zava.adapters.charts.vega_lite import PACKAGES as PICTURES
from zava.adapters.embeddings.local import PACKAGES as LOCAL_MODEL
from zava.adapters.postgres.guard import check
from zava.adapters.postgres.inspection import DatabaseInspection
from zava.adapters.postgres.layers import LAYERS
from zava.commands.audit import check_auditing, check_backlog
from zava.commands.database import Database, open_database
from zava.container import new_container
from zava.core.errors import QueryRefusedError, SetupError
from zava.core.ports import EmbeddingProvider
from zava.settings import Settings

LAYERS_TITLE = "What keeps free SQL to its caller's stores, and to its share of the machine:"
BY_HAND = "give its service LimitDATA=512M (docs/operations.md)"


def examine(settings: Settings) -> int:
    """Prints every check with its remedy, and returns the exit code: 1 when Zava should not serve as it is."""
    try:
        with open_database(settings) as database:
            where = f"embedded PostgreSQL {database.embedded.version}" if database.embedded else "ZAVA_DATABASE__DSN"
            database.check_login(settings.database.pooler)
            print(f"ok    database server: {where}")
            return asyncio.run(_examine(settings, database))
    except SetupError as error:
        print(f"FAIL  database server: {error}")
        return 1


async def _examine(settings: Settings, database: Database) -> int:
    container = new_container(settings, database.access)
    inspection = container.inspection()
    async with container.pool():
        needed = [
            await _found("schema version", inspection.schema_version, "FAIL"),
            await _found("clocks agree", inspection.clock, "FAIL"),
        ]
        needed.append(await _audit(settings, database))
        # Without it Zava serves, with less.
        await _meaning(settings, inspection, container.embedding_providers())
        _charts()
        if needed[0]:
            print(f"\n{LAYERS_TITLE}")
            needed += [
                await _found("row security in force", inspection.row_security, "FAIL"),
                await _found("guard in front of free SQL", _guard, "FAIL"),
                await _layers(inspection),
            ]
            _memory(database)
            if not settings.sandbox.enabled:
                print("off   free SQL itself: ZAVA_SANDBOX__ENABLED is false, and nobody is offered it")
    return 0 if all(needed) else 1


async def _audit(settings: Settings, database: Database) -> bool:
    """Whether calls can be audited, if they are to be."""
    if database.access.audit_dir is None:
        print("off   calls audited: ZAVA_AUDIT__ENABLED is false, and nobody will know who asked what")
        return True
    return await _found("calls audited", lambda: check_auditing(settings, database), "FAIL") and await _found(
        "audit rows reach the database", lambda: check_backlog(settings, database), "FAIL"
    )


async def _meaning(settings: Settings, inspection: DatabaseInspection, providers: Sequence[EmbeddingProvider]) -> None:
    what = "products found by meaning"
    if settings.embedding.provider == "local" and (missing := _missing(LOCAL_MODEL)):
        print(f"weak  {what}: {missing} is not installed: pip install 'zava[local]'; words find them")
    elif providers:
        await _found(what, lambda: inspection.embeddings(providers[0].model), "weak")
    else:
        print(f"off   {what}: ZAVA_EMBEDDING__PROVIDER is none, and they are found by words")


def _charts() -> None:
    if missing := _missing(PICTURES):
        print(f"weak  charts drawn: {missing} is not installed: pip install 'zava[charts]'; answers come in words")
    else:
        print("ok    charts drawn")


def _missing(packages: Sequence[str]) -> str | None:
    """The first of these packages of an extra that is not installed."""
    return next((package for package in packages if find_spec(package) is None), None)


async def _found(what: str, inspect: Callable[[], Awaitable[None]], otherwise: str) -> bool:
    try:
        await inspect()
    except SetupError as error:
        print(f"{otherwise}  {what}: {error}")
        return False
    print(f"ok    {what}")
    return True


async def _layers(inspection: DatabaseInspection) -> bool:
    """A line for each layer; whether all that are needed are in force."""
    await _found("catalogs closed to free SQL", inspection.catalogs, "weak")
    amiss = await inspection.layers()
    for layer in LAYERS:
        if layer.key not in amiss:
            print(f"ok    {layer.name}")
        else:
            print(f"{'FAIL' if layer.needed else 'weak'}  {layer.name}: {amiss[layer.key]}; {layer.otherwise}")
    return not any(layer.needed and layer.key in amiss for layer in LAYERS)


def _memory(database: Database) -> None:
    what = "memory of each process bounded"
    if database.embedded is None:
        print(f"look  {what}: PostgreSQL does not tell; {BY_HAND}")
    elif bound := database.memory_bound():
        print(f"ok    {what}: {bound // 1024**2} MB")
    else:
        print(f"weak  {what}: not on this system; one query may take all of it")


async def _guard() -> None:
    try:
        check("SELECT pg_catalog.pg_sleep(1)", {})
    except QueryRefusedError:
        return
    raise SetupError("it admits what it should refuse; install Zava anew")
