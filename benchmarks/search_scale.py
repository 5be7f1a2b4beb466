"""How fast is the product search among 100,000 products, and does it find what an exact search finds?

A shop of its own: products in 500 clusters within a few categories, a store that has 1 % of them, one that has 10 %,
and one that has all. Zava's search takes turns with queries written by hand on a bare connection: an exact scan of the
slice, materialised, and pgvector's index with an iterative scan in strict order at several widths. The best by hand is
the fastest that finds 95 % of the right ten. All fetch the same columns of ten products. By hand only the meaning is
searched, without policies and transactions; Zava searches the words too.
"""

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from array import array
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString, TypeAlias
from uuid import UUID, uuid5

import numpy as np
import numpy.typing as npt
import psycopg
from pgvector.psycopg import register_vector, register_vector_async
from psycopg_pool import AsyncConnectionPool

from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.postgres.context import ContextKey
from zava.adapters.postgres.embeddings import PostgresEmbeddingRepository
from zava.adapters.postgres.migrate import create_database, migrate, register_context_key, set_first_password
from zava.adapters.postgres.products import PostgresProductRepository
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.core.model import EmbeddingModel, Meaning, Principal, ProductFilter

Vectors: TypeAlias = npt.NDArray[np.float32]

PRODUCTS = 100_000
CLUSTERS = 500
MODEL = EmbeddingModel("benchmark", 384)
# The first is large, the others share the rest.
CATEGORIES = ["Garden", "Kitchen", "Paint", "Plumbing", "Lighting", "Tools", "Storage", "Heating", "Flooring", "Doors"]
GARDEN_SHARE = 0.3
SHARES = {"one percent": 0.01, "ten percent": 0.1, "everything": 1.0}
ROWS = 10
WARM_UP = 6
HEAD_OFFICE = "head office"
LEAST_RECALL = 0.95
WIDTHS = (40, 80, 160)

KEY = ContextKey(b"a key of the benchmark, known to everybody")
PASSWORD = "only-for-the-benchmark"  # noqa: S105


def identify(name: str) -> UUID:
    return uuid5(UUID(int=0), name)


# By hand, each says which products are near; then the columns of the nearest are fetched, which is the same for all.
COLUMNS: LiteralString = """
SELECT
    product.product_id, product.name, product.sku, category.name AS category, product.base_price, 'USD' AS currency,
    product.description, round((1 - near.distance) * 100)::integer AS similarity,
    (
        SELECT json_agg(json_build_object('store', store.name, 'stock_level', level.stock_level))
        FROM retail.inventory AS level INNER JOIN retail.stores AS store USING (store_id)
        WHERE level.product_id = product.product_id AND level.store_id = ANY (%(stores)s)
    ) AS stock,
    (
        SELECT json_agg(json_build_object('store', store.name, 'availability', told.availability))
        FROM retail.product_availability AS told INNER JOIN retail.stores AS store USING (store_id)
        WHERE told.product_id = product.product_id AND told.store_id <> ALL (%(stores)s)
    ) AS elsewhere
FROM near
INNER JOIN retail.products AS product USING (product_id)
INNER JOIN retail.product_types AS product_type USING (product_type_id)
INNER JOIN retail.categories AS category USING (category_id)
ORDER BY near.distance
"""
EXACT: LiteralString = """
WITH wanted AS MATERIALIZED ({wanted}),
near AS MATERIALIZED (
    SELECT embedded.product_id, embedded.embedding <=> %(embedding)s AS distance
    FROM wanted INNER JOIN retail.product_description_embeddings AS embedded USING (product_id)
    WHERE embedded.model = 'benchmark'
    ORDER BY distance LIMIT 10
)
"""
EXACT_ALL: LiteralString = """
WITH near AS MATERIALIZED (
    SELECT embedded.product_id, embedded.embedding <=> %(embedding)s AS distance
    FROM retail.product_description_embeddings AS embedded
    WHERE embedded.model = 'benchmark'
    ORDER BY distance LIMIT 10
)
"""
INDEX: LiteralString = """
WITH near AS MATERIALIZED (
    SELECT embedded.product_id, embedded.embedding::vector(384) <=> %(embedding)s AS distance
    FROM retail.product_description_embeddings AS embedded
    WHERE embedded.model = 'benchmark' AND {wanted}
    ORDER BY distance LIMIT 10
)
"""


@dataclass(frozen=True)
class Shop:
    """What was made: the products' embeddings in the order of their identifiers, and words for queries."""

    product_ids: list[UUID]
    embeddings: Vectors
    categories: npt.NDArray[np.int64]
    words: npt.NDArray[np.str_]


@dataclass(frozen=True)
class Slice:
    """Some of the products, as a person asks for them and as they are asked for by hand.

    Attributes:
        exact: the query by hand that looks at all of them.
        index: the one that asks pgvector's index.
    """

    name: str
    person: str
    wanted: ProductFilter
    exact: LiteralString
    index: LiteralString


def of_store(name: str, store: str) -> Slice:
    stock: LiteralString = (
        "FROM retail.inventory AS stock WHERE stock.store_id = ANY (%(stores)s) AND stock.stock_level > 0"
    )
    return Slice(
        name,
        store,
        ProductFilter(in_stock_only=True),
        EXACT.replace("{wanted}", f"SELECT stock.product_id {stock}"),
        INDEX.replace("{wanted}", f"EXISTS (SELECT {stock} AND stock.product_id = embedded.product_id)"),
    )


def of_category(name: str, category: str) -> Slice:
    products: LiteralString = """
        FROM retail.products AS product
        INNER JOIN retail.product_types AS product_type USING (product_type_id)
        INNER JOIN retail.categories AS category USING (category_id)
        WHERE category.name = %(category)s
    """
    return Slice(
        name,
        HEAD_OFFICE,
        ProductFilter(category=category),
        EXACT.replace("{wanted}", f"SELECT product.product_id {products}"),
        INDEX.replace("{wanted}", f"EXISTS (SELECT {products} AND product.product_id = embedded.product_id)"),
    )


SLICES = [
    of_store("store with 1 %", "one percent"),
    of_store("store with 10 %", "ten percent"),
    of_store("store with all", "everything"),
    Slice("no filter", HEAD_OFFICE, ProductFilter(), EXACT_ALL, INDEX.replace("{wanted}", "true")),
    of_category("category of 30 %", "Garden"),
    of_category("category of 8 %", "Paint"),
]


def unit(vectors: npt.NDArray[np.float64]) -> Vectors:
    unit_vectors: Vectors = (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)
    return unit_vectors


def near(random: np.random.Generator, vectors: Vectors, noise: float) -> Vectors:
    """Unit vectors around these."""
    return unit(vectors + random.normal(0, noise / np.sqrt(MODEL.dimensions), vectors.shape))


def imagine(random: np.random.Generator) -> Shop:
    letters = np.array(["ba", "do", "fe", "gu", "ki", "lo", "ma", "ne", "pu", "ri", "so", "ta", "vu", "we", "zo"])
    words = np.array(["".join(random.choice(letters, 4)) for _ in range(2000)])
    share = (1 - GARDEN_SHARE) / (len(CATEGORIES) - 1)
    of_cluster = random.choice(len(CATEGORIES), CLUSTERS, p=[GARDEN_SHARE] + [share] * (len(CATEGORIES) - 1))
    centres = near(random, unit(random.normal(size=(len(CATEGORIES), MODEL.dimensions)))[of_cluster], 1.0)
    clusters = random.integers(CLUSTERS, size=PRODUCTS)
    return Shop(
        [UUID(bytes=random.bytes(16)) for _ in range(PRODUCTS)],
        near(random, centres[clusters], 0.7),
        of_cluster[clusters],
        words,
    )


def load(connection: psycopg.Connection[Any], random: np.random.Generator, shop: Shop) -> None:
    register_vector(connection)
    with connection.transaction(), connection.cursor() as cursor:
        for name in CATEGORIES:
            cursor.execute("INSERT INTO retail.categories (category_id, name) VALUES (%s, %s)", [identify(name), name])
            cursor.execute(
                "INSERT INTO retail.product_types (product_type_id, category_id, name) VALUES (%s, %s, %s)",
                [identify(f"type {name}"), identify(name), f"Kinds of {name.lower()}"],
            )
        with cursor.copy(
            "COPY retail.products (product_id, sku, name, description, product_type_id, cost, base_price) FROM STDIN"
        ) as copy:
            for number, product_id in enumerate(shop.product_ids):
                name, told = (" ".join(random.choice(shop.words, count)) for count in (3, 12))
                kind = identify(f"type {CATEGORIES[shop.categories[number]]}")
                copy.write_row((product_id, f"SKU-{number}", name, told, kind, 1, 2))
        for store, share in SHARES.items():
            cursor.execute(
                "INSERT INTO retail.stores (store_id, name, location, region, opened_on)"
                " VALUES (%s, %s, '', 'all', '2020-01-01')",
                [identify(store), store],
            )
            with cursor.copy("COPY retail.inventory (store_id, product_id, stock_level) FROM STDIN") as copy:
                for number in random.choice(PRODUCTS, int(PRODUCTS * share), replace=False):
                    copy.write_row((identify(store), shop.product_ids[number], 5))
        cursor.execute(
            "INSERT INTO retail.embedding_models (model, dimensions, active, completed_at)"
            " VALUES (%s, %s, true, now())",
            [MODEL.name, MODEL.dimensions],
        )
        with cursor.copy(
            "COPY retail.product_description_embeddings (product_id, model, embedding, content_hash)"
            " FROM STDIN WITH (FORMAT binary)"
        ) as copy:
            copy.set_types(["uuid", "text", "vector", "text"])
            for product_id, embedding in zip(shop.product_ids, shop.embeddings, strict=True):
                copy.write_row((product_id, MODEL.name, embedding, ""))
        for person in (HEAD_OFFICE, *SHARES):
            role = "head_office" if person == HEAD_OFFICE else "store_manager"
            cursor.execute(
                "INSERT INTO access.principals (principal_id, subject, name, role) VALUES (%s, %s, %s, %s)",
                [identify(person), person, person, role],
            )
        cursor.executemany(
            "INSERT INTO access.principal_stores (principal_id, store_id) VALUES (%s, %s)",
            [(identify(store), identify(store)) for store in SHARES],
        )
    connection.execute("VACUUM ANALYZE")


@dataclass(frozen=True)
class Asked:
    """A question: the words, what they mean, and the right answer."""

    words: str
    embedding: Vectors
    right: frozenset[UUID]


@dataclass
class Measured:
    """One way to ask: milliseconds, and the products found, question by question."""

    times: list[float]
    found: list[list[UUID]]

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    def recall(self, questions: Sequence[Asked]) -> float:
        return statistics.mean(
            len(asked.right.intersection(found)) / len(asked.right)
            for asked, found in zip(questions, self.found, strict=True)
        )


Ask: TypeAlias = Callable[[Asked], Awaitable[list[UUID]]]


def by_hand(connection: psycopg.AsyncConnection[Any], query: LiteralString, parameters: dict[str, object]) -> Ask:
    async def ask(asked: Asked) -> list[UUID]:
        cursor = await connection.execute(query + COLUMNS, parameters | {"embedding": asked.embedding})
        return [row[0] for row in await cursor.fetchall()]

    return ask


def by_zava(products: PostgresProductRepository, shop: Shop, slice_: Slice) -> Ask:
    known = {f"SKU-{number}": product_id for number, product_id in enumerate(shop.product_ids)}

    async def ask(asked: Asked) -> list[UUID]:
        matches = await products.semantic_search(
            Principal(identify(slice_.person), slice_.person),
            asked.words,
            Meaning(MODEL, array("f", asked.embedding)),
            wanted=slice_.wanted,
            similarity_threshold=0,
            max_rows=ROWS,
        )
        return [known[match.product.sku] for match in matches]

    return ask


async def in_turn(ways: dict[str, Ask], questions: Sequence[Asked], random: np.random.Generator) -> dict[str, Measured]:
    """Asks each question in every way, in any order: who comes first finds less in memory."""
    measured = {name: Measured([], []) for name in ways}
    for asked in questions:
        for name in random.permutation(list(ways)):
            started = time.perf_counter()
            found = await ways[name](asked)
            measured[name].times.append((time.perf_counter() - started) * 1000)
            measured[name].found.append(found)
    return measured


async def question(
    connection: psycopg.AsyncConnection[Any],
    random: np.random.Generator,
    shop: Shop,
    slice_: Slice,
    parameters: dict[str, object],
) -> Asked:
    """Something like a product, of the category that is asked for, in words that few products have together."""
    alike = np.arange(PRODUCTS)
    if slice_.wanted.category:
        alike = np.flatnonzero(shop.categories == CATEGORIES.index(slice_.wanted.category))
    embedding = near(random, shop.embeddings[random.choice(alike)], 0.5)
    right = await by_hand(connection, slice_.exact, parameters)(Asked("", embedding, frozenset()))
    return Asked(" ".join(random.choice(shop.words, 3)), embedding, frozenset(right))


async def compare(dsn: str, app_dsn: str, shop: Shop, rounds: int) -> None:
    random = np.random.default_rng(2)
    print(f"{'':18}{'rows':>6}{'recall':>8}{'Zava':>9}{'by hand':>9}  ratio  by hand, in ms and recall")
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            AsyncConnectionPool(app_dsn, min_size=1, max_size=1, kwargs={"autocommit": True})
        )
        products = PostgresProductRepository(PrincipalSessions(pool, lambda: KEY))

        async def bare(*settings: bytes) -> psycopg.AsyncConnection[Any]:
            connection = await stack.enter_async_context(await psycopg.AsyncConnection.connect(dsn, autocommit=True))
            await register_vector_async(connection)
            for setting in settings:
                await connection.execute(setting)
            return connection

        exact = await bare()
        # A setting of the session, which is not counted.
        by_index = {
            width: await bare(b"SET hnsw.iterative_scan = strict_order", b"SET hnsw.ef_search = %d" % width)
            for width in WIDTHS
        }
        for slice_ in SLICES:
            stores = list(SHARES) if slice_.person == HEAD_OFFICE else [slice_.person]
            parameters: dict[str, object] = {
                "stores": [identify(store) for store in stores],
                "category": slice_.wanted.category,
            }
            ways = {"Zava": by_zava(products, shop, slice_), "exact": by_hand(exact, slice_.exact, parameters)} | {
                f"index {width}": by_hand(connection, slice_.index, parameters)
                for width, connection in by_index.items()
            }
            questions = [await question(exact, random, shop, slice_, parameters) for _ in range(rounds + WARM_UP)]
            await in_turn(ways, questions[:WARM_UP], random)
            measured = await in_turn(ways, questions[WARM_UP:], random)
            report(slice_, measured, questions[WARM_UP:])


def report(slice_: Slice, measured: dict[str, Measured], questions: Sequence[Asked]) -> None:
    zava = measured.pop("Zava")
    good_enough = [way for way in measured.values() if way.recall(questions) >= LEAST_RECALL]
    best = min(good_enough, key=lambda way: way.median)
    # Of the same question at nearly the same time: other programs then disturb both.
    ratio = statistics.median(mine / other for mine, other in zip(zava.times, best.times, strict=True))
    ways = ", ".join(f"{name}: {way.median:.1f} ({way.recall(questions):.2f})" for name, way in measured.items())
    rows = min(map(len, zava.found))
    times = f"{zava.median:9.2f}{best.median:9.2f}{ratio:7.2f}"
    print(f"{slice_.name:18}{rows:6}{zava.recall(questions):8.3f}{times}  {ways}", flush=True)


async def index(dsn: str) -> None:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await PostgresEmbeddingRepository(connection).index(MODEL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="zava-benchmark-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        with EmbeddedPostgres(folder / "data") as postgres:
            with psycopg.connect(postgres.dsn(database="postgres"), autocommit=True) as connection:
                create_database(connection, "zava")
            random = np.random.default_rng(1)
            shop = imagine(random)
            with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
                migrate(connection)
                register_context_key(connection, KEY)
                set_first_password(connection, "zava_app", PASSWORD)
                load(connection, random, shop)
            asyncio.run(index(postgres.dsn()))
            asyncio.run(
                compare(postgres.dsn(), postgres.dsn(user="zava_app", password=PASSWORD), shop, arguments.rounds)
            )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
