"""How good is the search? Judged queries over the sample catalogue, through the real repository and the local model."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import fmean
from typing import Literal, TypeAlias

import psycopg

from tests import tiny_shop
from tests.contract.conftest import KEY, new_database, new_pool, running_postgres
from tests.postgres import load_people
from zava.adapters.cache.memory import InMemoryCache
from zava.adapters.embeddings.cached import CachedEmbeddings
from zava.adapters.embeddings.english import english_words
from zava.adapters.embeddings.local import LocalEmbeddings
from zava.adapters.postgres.embeddings import PostgresEmbeddingRepository
from zava.adapters.postgres.products import PostgresProductRepository, vector
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.core.use_cases.embed_products import EmbedProducts
from zava.core.use_cases.semantic_search_products import MEANING_AND_WORDS, SemanticSearchProducts
from zava.demo.foundations import lay_foundations, stock_assortment

QUERIES = Path(__file__).with_name("judged_queries.jsonl")
ASKING = tiny_shop.HEAD_OFFICE
SHOWN = 20

Leg: TypeAlias = Literal["vector", "words", "fusion"]
LEGS: tuple[Leg, ...] = ("vector", "words", "fusion")


@dataclass(frozen=True)
class JudgedQuery:
    """What people ask, and the SKUs that are right."""

    query: str
    kind: str
    right: frozenset[str]


@dataclass(frozen=True)
class Score:
    """Of one kind of query, by one way of searching.

    Attributes:
        hit: how often the first is right.
        recall: how many of the right ones are among the first five, of those that could be.
    """

    queries: int
    hit: float
    recall: float

    @classmethod
    def of(cls, found: Sequence[tuple[JudgedQuery, Sequence[str]]]) -> "Score":
        return cls(
            len(found),
            fmean(bool(skus) and skus[0] in judged.right for judged, skus in found),
            fmean(len(judged.right & set(skus[:5])) / min(5, len(judged.right)) for judged, skus in found),
        )


Search: TypeAlias = Callable[[str, int], "AsyncIterator[tuple[Leg, Sequence[str]]]"]


def read_queries() -> list[JudgedQuery]:
    lines = (json.loads(line) for line in QUERIES.read_text(encoding="utf-8").splitlines())
    return [JudgedQuery(line["query"], line["kind"], frozenset(line["right"])) for line in lines]


@asynccontextmanager
async def embedded_catalogue() -> AsyncIterator[Search]:
    """The sample catalogue, embedded, and a function that searches it in each way."""
    with running_postgres() as postgres:
        database = new_database(postgres)
        with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
            with connection.transaction(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL ROLE zava_owner")
                lay_foundations(cursor)
                stock_assortment(cursor, date(2026, 11, 28))
                load_people(cursor, [ASKING])
            local = LocalEmbeddings()
            async with await psycopg.AsyncConnection.connect(database.admin_dsn, autocommit=True) as administrator:
                await EmbedProducts(PostgresEmbeddingRepository(administrator), local, batch=64)(
                    lambda _: None, lambda *_: None
                )
            async with new_pool(database) as pool:
                repository = PostgresProductRepository(PrincipalSessions(pool, lambda: KEY))
                embeddings = CachedEmbeddings(local, InMemoryCache())
                english = english_words()
                by_words = SemanticSearchProducts(repository, [], english)
                by_both = SemanticSearchProducts(repository, [embeddings], english)

                async def search(text: str, threshold: int) -> AsyncIterator[tuple[Leg, Sequence[str]]]:
                    fusion = await by_both(ASKING.principal, text, similarity_threshold=threshold, max_rows=SHOWN)
                    assert fusion.engine == MEANING_AND_WORDS
                    words = await by_words(ASKING.principal, text, max_rows=SHOWN)
                    (embedding,) = await embeddings.embed([fusion.read_as or text])
                    nearest = connection.execute(
                        """
                        SELECT sku FROM retail.product_description_embeddings
                        INNER JOIN retail.products USING (product_id)
                        ORDER BY embedding <=> %s::vector, product_id LIMIT %s
                        """,
                        [vector(embedding), SHOWN],
                    )
                    yield "vector", [sku for (sku,) in nearest]
                    yield "words", [match.product.sku for match in words.products]
                    yield "fusion", [match.product.sku for match in fusion.products]

                yield search
            await local.close()


async def evaluate(search: Search, queries: Sequence[JudgedQuery], threshold: int) -> dict[str, dict[Leg, Score]]:
    """The score of each kind of query, by each way of searching."""
    found: dict[str, dict[Leg, list[tuple[JudgedQuery, Sequence[str]]]]] = {}
    for judged in queries:
        async for leg, skus in search(judged.query, threshold):
            found.setdefault(judged.kind, {}).setdefault(leg, []).append((judged, skus))
    return {kind: {leg: Score.of(several) for leg, several in legs.items()} for kind, legs in found.items()}


def table(scores: dict[str, dict[Leg, Score]]) -> str:
    """For people: hit@1 and recall@5 side by side."""
    lines = [f"{'':12}{'queries':>8}" + "".join(f"{leg:>16}" for leg in LEGS)]
    lines += [
        f"{kind:12}{legs['fusion'].queries:8}"
        + "".join(f"{legs[leg].hit:9.3f} {legs[leg].recall:6.3f}" for leg in LEGS)
        for kind, legs in scores.items()
    ]
    return "\n".join(lines)
