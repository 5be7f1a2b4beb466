"""What the tools answer to their own examples, in the sample shop as it was on one day."""

import asyncio
import re
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

from dependency_injector import providers

from tests.postgres import reachable_folder
from zava.adapters.mcp.pipeline import UNBOUNDED, ToolSpec
from zava.adapters.postgres.sales_rollup import SalesRollup
from zava.commands.database import Database, open_database
from zava.commands.embed import BATCH, embed
from zava.container import new_container
from zava.demo.shop import open_sample_shop
from zava.settings import EmbeddedSettings, Settings

# Midnight in Seattle: the last month is December 2025, and it is over.
MOMENT = datetime(2026, 1, 1, 8, tzinfo=UTC)
WHO = "demo-store-seattle"
MOST_LINES = 14
LONGEST_LINE = 240
# What differs from one run to the next: moments of the database's clock, and how long a query took.
CLOCK = re.compile(r"(?<=as of )20\d\d-[^,.;\n]*|\d+\.\d+(?= s$)", re.MULTILINE)


def shown(text: str) -> str:
    """The beginning of an answer, and of each of its lines."""
    lines = [
        line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…" for line in CLOCK.sub("…", text).splitlines()
    ]
    return "\n".join(lines if len(lines) <= MOST_LINES else [*lines[:MOST_LINES], "…"])


async def _ask(database: Database, settings: Settings, examples: dict[str, dict[str, Any]]) -> dict[str, str]:
    container = new_container(settings, database.access, database.principals())
    container.now.override(providers.Object(lambda: MOMENT))
    principal = (database.principals() or {})[WHO]
    async with AsyncExitStack() as stack:
        for pool in (container.pool(), container.sandbox_pool()):
            await stack.enter_async_context(pool)
        for source in container.embedding_sources():
            stack.push_async_callback(source.close)
        if database.access.writer_dsn:
            await SalesRollup(database.access.writer_dsn).bring_up_to_date()
        await embed(database, container.embedding_sources()[0], BATCH, lambda _: None, lambda *_: None)
        specs: dict[str, ToolSpec[Any]] = {spec.name: spec for spec in container.tools().specs()}
        return {
            name: shown((await specs[name].answer(principal, specs[name].check(example), UNBOUNDED)).text)
            for name, example in examples.items()
        }


def sample_answers(examples: dict[str, dict[str, Any]]) -> dict[str, str]:
    """The beginning of each tool's answer to its example, for the manager of Seattle.

    It takes a minute: a sample shop is made, summed and embedded, as whoever serves it for the first time has it.
    """
    with reachable_folder() as folder:
        settings = Settings(embedded=EmbeddedSettings(data_dir=folder / "data"))
        with open_database(settings) as database:
            database.migrate()
            with database.administration() as connection:
                open_sample_shop(connection, now=MOMENT, scale=1)
            return asyncio.run(_ask(database, settings, examples))
