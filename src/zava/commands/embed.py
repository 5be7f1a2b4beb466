"""zava embed: what products mean, so that they are found by it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import psycopg

from zava.adapters.postgres.embeddings import PostgresEmbeddingRepository
from zava.commands.database import Database, failures_of, open_database
from zava.commands.progress import progress_bar
from zava.container import new_container
from zava.core.errors import EmbeddingError, SetupError
from zava.core.model import Backlog, EmbeddingModel
from zava.core.ports import EmbeddingProvider
from zava.core.use_cases.embed_products import EmbedProducts
from zava.demo.shop import Report
from zava.settings import Settings

# Of English text, about.
BYTES_A_TOKEN = 4
# A product is embedded as a whole, and its parts once or twice more: about as long again.
TIMES_EMBEDDED = 2
BATCH = 64
# Up to here looking at all of them is about as fast, and finds them all.
WORTH_AN_INDEX = 20_000


def embed_products(settings: Settings, batch: int, *, index: bool) -> None:
    """Embeds what is due, and says how much that was; makes an index of all, when that is wanted and worth it."""
    with open_database(settings) as database:
        asyncio.run(_embed(settings, database, batch, index=index))


async def _embed(settings: Settings, database: Database, batch: int, *, index: bool) -> None:
    container = new_container(settings, database.access)
    sources = container.embedding_sources()
    if not sources:
        raise SetupError("There is nobody to embed with: ZAVA_EMBEDDING__PROVIDER is none.")
    price = settings.embedding.price if settings.embedding.provider == "openai" else None
    try:
        with progress_bar("Embedding") as report:
            done = await embed(database, sources[0], batch, lambda backlog: announce_cost(backlog, price), report)
        print(f"Embedded {done:,} products. All are found by meaning.")
        if index:
            print(await _index(database, sources[0].model))
    except EmbeddingError as error:
        raise SetupError(
            f"Not all products could be embedded: {error.message}. What is done is kept; run `zava embed` again."
        ) from None
    finally:
        for source in sources:
            await source.close()


async def embed(
    database: Database,
    provider: EmbeddingProvider,
    batch: int,
    announce: Callable[[Backlog], None],
    report: Report,
) -> int:
    """Embeds the products of this database that are due; returns how many they were."""
    async with _repository(database) as repository:
        return await EmbedProducts(repository, provider, batch)(announce, report)


async def _index(database: Database, model: EmbeddingModel) -> str:
    """Makes the index, if there are products enough; returns what there is to say of it."""
    async with _repository(database) as repository:
        if await repository.count(model) < WORTH_AN_INDEX:
            return f"No index: with fewer than {WORTH_AN_INDEX:,} products it saves no time and finds less."
        print("Making the index. Searches go on meanwhile.", file=sys.stderr)
        made = await repository.index(model)
    return "Searches use the index from now on." if made else "The index is there already."


@asynccontextmanager
async def _repository(database: Database) -> AsyncIterator[PostgresEmbeddingRepository]:
    if database.admin_dsn is None:
        raise SetupError("This needs an administrator of the database: set ZAVA_DATABASE__ADMIN_DSN for this command.")
    with database.ownership(), failures_of("zava embed"):
        async with await psycopg.AsyncConnection.connect(database.admin_dsn, autocommit=True) as connection:
            yield PostgresEmbeddingRepository(connection)


def announce_cost(backlog: Backlog, price: float | None) -> None:
    """What lies ahead, and for a paid provider what that will cost."""
    if price is None or not backlog.products:
        return
    tokens = backlog.bytes * TIMES_EMBEDDED // BYTES_A_TOKEN
    print(
        f"{backlog.products:,} products, about {tokens:,} tokens: {tokens * price / 1_000_000:.2f} dollars "
        f"at {price} for a million (ZAVA_EMBEDDING__PRICE).",
        file=sys.stderr,
    )
