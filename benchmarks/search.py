"""How long does a product search take, beside its two parts: what the text means, and what the database finds?

On the sample shop, as the manager of Seattle, with the local model warm, and each text asked once so that no cache
helps. The three are measured in turn for each text, and the medians compared. A probe that should run every
millisecond tells how long the event loop was kept from other work at the worst.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path
from statistics import median

from psycopg_pool import AsyncConnectionPool

from zava.adapters.cache.memory import InMemoryCache
from zava.adapters.embedded.supervisor import EmbeddedPostgres, default_data_dir
from zava.adapters.embeddings.cached import CachedEmbeddings
from zava.adapters.embeddings.english import english_words
from zava.adapters.embeddings.local import LocalEmbeddings
from zava.adapters.postgres.context import ContextKey
from zava.adapters.postgres.products import PostgresProductRepository
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.core.model import Meaning, Principal, ProductFilter
from zava.core.use_cases.semantic_search_products import SemanticSearchProducts
from zava.demo.catalogue import read_catalogue
from zava.demo.personas import PERSONAS

PROBE_SECONDS = 0.001


async def milliseconds(work: Awaitable[object]) -> float:
    started = time.perf_counter()
    await work
    return (time.perf_counter() - started) * 1000


async def probe(pauses: list[float]) -> None:
    while True:
        started = time.perf_counter()
        await asyncio.sleep(PROBE_SECONDS)
        pauses.append((time.perf_counter() - started - PROBE_SECONDS) * 1000)


def texts(count: int) -> list[str]:
    """What products are for, in their own words: as long as questions are."""
    purposes = [product.description.split(". ")[0] for product in read_catalogue().products]
    return [f"something that {purpose[0].lower()}{purpose[1:]}" for purpose in purposes[:count]]


async def run(data_dir: Path, count: int) -> None:
    persona = next(persona for persona in PERSONAS if persona.token == "demo-store-seattle")  # noqa: S105 - of the sample shop
    principal = Principal(persona.principal_id, persona.name)
    local = LocalEmbeddings()
    with EmbeddedPostgres(data_dir) as postgres:
        key = ContextKey.read(postgres.secret_file("context-key"))
        app = postgres.dsn(user="zava_app", password=postgres.secret("zava_app"))
        async with AsyncConnectionPool(app, min_size=1, max_size=1, kwargs={"autocommit": True}) as pool:
            products = PostgresProductRepository(PrincipalSessions(pool, lambda: key))
            search = SemanticSearchProducts(products, [CachedEmbeddings(local, InMemoryCache())], english_words())
            print((await search(principal, "warm up")).engine)
            embedding, database, whole, pauses = [], [], [], list[float]()
            probing = asyncio.create_task(probe(pauses))
            for text in texts(count):
                embedding.append(await milliseconds(local.embed([text])))
                (vector,) = await local.embed([text])
                asked = products.semantic_search(
                    principal,
                    text,
                    Meaning(local.model, vector),
                    wanted=ProductFilter(),
                    similarity_threshold=30,
                    max_rows=20,
                )
                database.append(await milliseconds(asked))
                whole.append(await milliseconds(search(principal, text)))
            probing.cancel()
            with suppress(asyncio.CancelledError):
                await probing
    await local.close()
    parts = median(embedding) + median(database)
    print(
        f"medians of {count}: embedding {median(embedding):.1f} ms, database {median(database):.1f} ms, "
        f"search {median(whole):.1f} ms: {median(whole) / parts:.2f} times both; "
        f"longest pause of the event loop {max(pauses):.1f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=default_data_dir())
    parser.add_argument("--searches", type=int, default=200)
    arguments = parser.parse_args()
    asyncio.run(run(arguments.data_dir, arguments.searches))


if __name__ == "__main__":
    main()
