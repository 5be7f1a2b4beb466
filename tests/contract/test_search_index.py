"""The index of embeddings, where there is one: it is asked for many products, and finds enough, and the right ones."""

import asyncio
from array import array
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from tests import tiny_shop
from tests.contract.conftest import KEY, TestDatabase, tiny_shop_on
from tests.tiny_shop import PersonRow, identify
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.postgres.embeddings import PostgresEmbeddingRepository
from zava.adapters.postgres.products import PostgresProductRepository, index_name
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.core.model import Embedding, EmbeddingModel, Meaning, ProductFilter, ProductMatch
from zava.core.use_cases.embed_products import mean

# A name that has to be quoted in SQL, and is no parameter either.
MODEL = EmbeddingModel("it's 100 % ours", 16)
# More than the index is searched for before it gives up.
PRODUCTS = 6_000
IN_TACOMA = 12

FILL = f"""
INSERT INTO retail.products (sku, name, product_type_id, cost, base_price, discontinued)
SELECT 'P-' || number, 'Thing ' || number, product_type.product_type_id, 1, 2, number % 400 = 0
FROM retail.product_types AS product_type CROSS JOIN generate_series(1, {PRODUCTS}) AS number
WHERE product_type.name = 'Paint';

DELETE FROM retail.inventory;
INSERT INTO retail.inventory (store_id, product_id, stock_level)
SELECT store.store_id, product.product_id, 3
FROM retail.stores AS store CROSS JOIN retail.products AS product
WHERE store.name = 'Tacoma' AND product.sku IN (
    SELECT 'P-' || 401 * number FROM generate_series(1, {IN_TACOMA}) AS number
);
"""  # noqa: S608 - numbers

EXPLAIN = """
DO $$
DECLARE
    setting text[];
BEGIN
    FOREACH setting SLICE 1 IN ARRAY ARRAY[
        ['session_preload_libraries', 'auto_explain'],
        ['auto_explain.log_min_duration', '0'],
        ['auto_explain.log_analyze', 'on'],
        ['auto_explain.log_level', 'notice']
    ] LOOP
        EXECUTE format('ALTER ROLE zava_app IN DATABASE %I SET %s = %L', current_database(), setting[1], setting[2]);
    END LOOP;
END
$$;
"""


def somewhere(random: Random) -> Embedding:
    """A direction that has something in common with all others."""
    return mean([array("f", [1 + random.gauss(0, 1) for _ in range(MODEL.dimensions)])])


async def embed(admin_dsn: str) -> None:
    async with await psycopg.AsyncConnection.connect(admin_dsn, autocommit=True) as connection:
        repository = PostgresEmbeddingRepository(connection)
        await repository.begin(MODEL)
        due = await repository.due(MODEL, 2 * PRODUCTS)
        # Ids are others every time, and so is the order in which products come.
        await repository.keep(MODEL, [(product, somewhere(Random(product.name))) for product in due])  # noqa: S311
        await repository.serve(MODEL)


@pytest.fixture(scope="module")
def database(embedded_server: EmbeddedPostgres) -> TestDatabase:
    database = tiny_shop_on(embedded_server)
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        connection.execute(FILL.encode())
        connection.execute(EXPLAIN)
    asyncio.run(embed(database.admin_dsn))
    return database


@pytest.fixture
async def repository(database: TestDatabase) -> AsyncIterator[PostgresEmbeddingRepository]:
    """All products are embedded; the index is of the test's own making."""
    async with await psycopg.AsyncConnection.connect(database.admin_dsn, autocommit=True) as connection:
        yield PostgresEmbeddingRepository(connection)
        for name in (index_name(MODEL), f"{index_name(MODEL)}_unfinished"):
            await connection.execute(f"DROP INDEX IF EXISTS retail.{name}".encode())


@dataclass
class Search:
    """Searches, and remembers how PostgreSQL went about it."""

    products: PostgresProductRepository
    said: list[str]

    async def __call__(
        self,
        embedding: Embedding,
        person: PersonRow = tiny_shop.HEAD_OFFICE,
        *,
        text: str = "nothing of the kind",
        wanted: ProductFilter | None = None,
        most: int = 10,
    ) -> Sequence[ProductMatch]:
        self.said.clear()
        return await self.products.semantic_search(
            person.principal,
            text,
            Meaning(MODEL, embedding),
            wanted=wanted or ProductFilter(),
            similarity_threshold=0,
            max_rows=most,
        )

    @property
    def asked_index(self) -> bool:
        """Whether the last search did; a part of its plan that was not needed is never executed."""
        lines = "\n".join(self.said).splitlines()
        return any(f"using {index_name(MODEL)} " in line and "never executed" not in line for line in lines)


@pytest.fixture
async def search(database: TestDatabase, request: pytest.FixtureRequest) -> AsyncIterator[Search]:
    said: list[str] = []

    async def listen(connection: psycopg.AsyncConnection[Any]) -> None:
        connection.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))

    async with AsyncConnectionPool(
        database.app_dsn, kwargs={"autocommit": True}, min_size=1, max_size=1, configure=listen, open=False
    ) as pool:
        few = getattr(request, "param", 0)
        yield Search(PostgresProductRepository(PrincipalSessions(pool, lambda: KEY), few=few), said)


async def exact(
    repository: PostgresEmbeddingRepository, embedding: Embedding, store: str | None = None, most: int = 10
) -> list[str]:
    """The SKUs of the nearest that may be shown, in order, as the database's superuser counts them."""
    connection = repository.connection
    await connection.execute("RESET ROLE")
    held: list[UUID] = [identify(store)] if store else []
    cursor = await connection.execute(
        """
        SELECT product.sku
        FROM retail.product_description_embeddings AS embedded INNER JOIN retail.products AS product USING (product_id)
        WHERE embedded.model = %(model)s
            AND (
                (%(held)s::uuid[] = '{}' AND NOT product.discontinued)
                OR product_id IN (
                    SELECT product_id FROM retail.inventory
                    WHERE stock_level > 0 AND (store_id = ANY (%(held)s) OR %(held)s::uuid[] = '{}')
                )
            )
        ORDER BY (embedded.embedding <=> %(embedding)s::vector) + 0
        LIMIT %(most)s
        """,
        {"model": MODEL.name, "held": held, "embedding": str(embedding.tolist()), "most": most},
    )
    return [row[0] for row in await cursor.fetchall()]


def skus(matches: Sequence[ProductMatch]) -> list[str]:
    return [match.product.sku for match in matches]


async def test_the_index_finds_what_looking_at_all_finds(
    repository: PostgresEmbeddingRepository, search: Search
) -> None:
    await repository.index(MODEL)
    random = Random(2)  # noqa: S311 - the same every time
    right = found = 0
    for _ in range(20):
        sought = somewhere(random)
        matches = skus(await search(sought))
        assert search.asked_index
        assert len(matches) == 10
        right += len(set(matches).intersection(await exact(repository, sought)))
        found += len(matches)
    assert right / found >= 0.95


async def test_without_an_index_all_are_looked_at(repository: PostgresEmbeddingRepository, search: Search) -> None:
    sought = somewhere(Random(3))  # noqa: S311 - the same every time
    assert skus(await search(sought)) == await exact(repository, sought)
    assert not search.asked_index


async def test_where_the_index_gives_up_all_are_looked_at(
    repository: PostgresEmbeddingRepository, search: Search
) -> None:
    await repository.index(MODEL)
    sought = somewhere(Random(4))  # noqa: S311 - the same every time
    for most in (IN_TACOMA, 2 * IN_TACOMA):
        found = skus(await search(sought, tiny_shop.TACOMA, wanted=ProductFilter(in_stock_only=True), most=most))
        assert search.asked_index
        assert found == await exact(repository, sought, "Tacoma", most)
        assert len(found) == IN_TACOMA


@pytest.mark.parametrize("max_price", [None, Decimal(2)])
async def test_words_find_what_is_in_stock_and_nothing_else_where_the_index_is_asked(
    repository: PostgresEmbeddingRepository, search: Search, max_price: Decimal | None
) -> None:
    await repository.index(MODEL)
    in_stock = ProductFilter(in_stock_only=True, max_price=max_price)
    for number, matched in ((401, ["both"]), (402, [])):
        found = await search(somewhere(Random(7)), tiny_shop.TACOMA, text=f"thing {number}", wanted=in_stock, most=100)  # noqa: S311 - the same every time
        assert search.asked_index
        assert len(found) == IN_TACOMA
        assert [match.matched for match in found if match.product.sku == f"P-{number}"] == matched


@pytest.mark.parametrize("search", [IN_TACOMA], indirect=True)
async def test_for_a_few_products_the_index_is_not_asked(
    repository: PostgresEmbeddingRepository, search: Search
) -> None:
    await repository.index(MODEL)
    sought = somewhere(Random(5))  # noqa: S311 - the same every time
    in_stock = ProductFilter(in_stock_only=True)
    assert skus(await search(sought, tiny_shop.TACOMA, wanted=in_stock)) == await exact(repository, sought, "Tacoma")
    assert not search.asked_index
    assert await search(sought, tiny_shop.TACOMA, wanted=ProductFilter(category="Hand tools"))
    assert not search.asked_index
    assert len(await search(sought, tiny_shop.TACOMA, wanted=ProductFilter(category="Paint"))) == 10
    assert search.asked_index


async def test_the_index_is_made_once(repository: PostgresEmbeddingRepository) -> None:
    assert await repository.index(MODEL)
    assert not await repository.index(MODEL)


async def test_what_an_interrupted_attempt_left_is_made_anew(
    repository: PostgresEmbeddingRepository, search: Search
) -> None:
    await repository.connection.execute(
        f"CREATE INDEX {index_name(MODEL)}_unfinished ON retail.product_description_embeddings (model)".encode()
    )
    assert await repository.index(MODEL)
    await search(somewhere(Random(6)))  # noqa: S311 - the same every time
    assert search.asked_index


async def test_a_model_of_other_dimensions_is_not_held_up_by_the_index(repository: PostgresEmbeddingRepository) -> None:
    for dimensions in (3, 2):
        model = EmbeddingModel("another", dimensions)
        await repository.begin(model)
        (product,) = await repository.due(model, 1)
        await repository.keep(model, [(product, array("f", [1] * dimensions))])
        assert await repository.index(model)
