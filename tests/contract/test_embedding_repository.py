"""Which products are due, what is kept of them, and which model serves: fake and PostgreSQL, and PostgreSQL alone."""

import asyncio
from array import array
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, LiteralString, Protocol

import psycopg
import pytest
from pydantic import SecretStr

from tests import tiny_shop
from tests.contract.conftest import KEY, SERVERS, TestDatabase, new_pool, tiny_shop_on
from tests.fakes import MODEL, FakeEmbeddingRepository, FakeEmbeddings, meaning_of
from tests.tiny_shop import identify
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.postgres.access import DatabaseAccess
from zava.adapters.postgres.embeddings import PostgresEmbeddingRepository
from zava.adapters.postgres.products import PostgresProductRepository
from zava.adapters.postgres.sandbox import PostgresSandbox, SandboxLimits
from zava.adapters.postgres.schema_catalog import PostgresSchemaCatalog
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.commands.database import Database
from zava.commands.embed import embed, embed_products
from zava.core.errors import SetupError
from zava.core.model import Backlog, Embedding, EmbeddingModel, Meaning, ProductContent, ProductFilter
from zava.core.ports import EmbeddingRepository
from zava.settings import DatabaseSettings, EmbeddingSettings, Settings

# One with fewer dimensions, so that vectors of both cannot be compared by mistake.
NEWER = EmbeddingModel("newer", 2)
SHOP = {product.name for product in tiny_shop.PRODUCTS}
MOST = 100


class Assortment(Protocol):
    """What is sold, behind a repository; it begins with the tiny shop's products, and nothing is embedded."""

    @property
    def repository(self) -> EmbeddingRepository: ...

    def describe(self, name: str, description: str) -> None:
        """Adds a product, or changes what is said of it."""

    def remove(self, name: str) -> None: ...

    def embeddings(self, model: EmbeddingModel) -> dict[str, Embedding]:
        """What is kept, by the names of the products."""
        ...

    def serving(self) -> EmbeddingModel | None: ...


@dataclass
class FakeAssortment:
    repository: FakeEmbeddingRepository = field(default_factory=FakeEmbeddingRepository)

    def __post_init__(self) -> None:
        for product in tiny_shop.PRODUCTS:
            self.describe(product.name, product.description)

    def describe(self, name: str, description: str) -> None:
        self.repository.describe(identify(name), name, description)

    def remove(self, name: str) -> None:
        self.repository.remove(identify(name))

    def embeddings(self, model: EmbeddingModel) -> dict[str, Embedding]:
        return {
            self.repository.products[product_id].name: embedding
            for (name, product_id), (_, embedding) in self.repository.embeddings.items()
            if name == model.name
        }

    def serving(self) -> EmbeddingModel | None:
        return self.repository.serving


@dataclass
class PostgresAssortment:
    repository: PostgresEmbeddingRepository
    owner: psycopg.Connection[Any]

    def describe(self, name: str, description: str) -> None:
        self.owner.execute(
            """
            INSERT INTO retail.products (product_id, sku, name, product_type_id, cost, base_price, description)
            VALUES (%s, %s, %s, %s, 1, 2, %s)
            ON CONFLICT (product_id) DO UPDATE SET description = excluded.description
            """,
            [identify(name), name, name, identify("type Glues"), description],
        )

    def remove(self, name: str) -> None:
        self.owner.execute("DELETE FROM retail.products WHERE product_id = %s", [identify(name)])

    def embeddings(self, model: EmbeddingModel) -> dict[str, Embedding]:
        rows = self.owner.execute(
            "SELECT name, embedding::text::json FROM retail.product_description_embeddings"
            " INNER JOIN retail.products USING (product_id) WHERE model = %s",
            [model.name],
        )
        return {name: array("f", numbers) for name, numbers in rows}

    def serving(self) -> EmbeddingModel | None:
        rows = self.owner.execute("SELECT model, dimensions FROM retail.embedding_models WHERE active").fetchall()
        assert len(rows) <= 1
        return EmbeddingModel(*rows[0]) if rows else None


@pytest.fixture(scope="module")
def database(embedded_server: EmbeddedPostgres) -> TestDatabase:
    """A tiny shop of this module's own."""
    return tiny_shop_on(embedded_server)


@pytest.fixture
def owner(database: TestDatabase) -> Iterator[psycopg.Connection[Any]]:
    """The owner of the tables. Nothing is embedded when the test begins, and the products are the tiny shop's."""
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        connection.execute("SET ROLE zava_owner")
        connection.execute("DELETE FROM retail.product_description_embeddings")
        connection.execute("DELETE FROM retail.embedding_models")
        kind = {"category": identify("Adhesives"), "kind": identify("type Glues")}
        connection.execute("INSERT INTO retail.categories (category_id, name) VALUES (%(category)s, 'Adhesives')", kind)
        connection.execute(
            "INSERT INTO retail.product_types (product_type_id, category_id, name)"
            " VALUES (%(kind)s, %(category)s, 'Glues')",
            kind,
        )
        yield connection
        connection.execute(
            "DELETE FROM retail.products WHERE product_id <> ALL (%s)",
            [[product.product_id for product in tiny_shop.PRODUCTS]],
        )
        connection.execute("DELETE FROM retail.product_types WHERE product_type_id = %(kind)s", kind)
        connection.execute("DELETE FROM retail.categories WHERE category_id = %(category)s", kind)


@asynccontextmanager
async def repository_of(database: TestDatabase) -> AsyncIterator[PostgresEmbeddingRepository]:
    """One on a connection of its own, as a process has it."""
    async with await psycopg.AsyncConnection.connect(database.admin_dsn, autocommit=True) as connection:
        yield PostgresEmbeddingRepository(connection)


@pytest.fixture
async def on_postgres(database: TestDatabase, owner: psycopg.Connection[Any]) -> AsyncIterator[PostgresAssortment]:
    async with repository_of(database) as repository:
        yield PostgresAssortment(repository, owner)


@pytest.fixture(params=["fake", "postgres"])
def assortment(request: pytest.FixtureRequest) -> Assortment:
    """The same assortment twice. pgvector is where the embedded PostgreSQL is."""
    if request.param == "fake":
        return FakeAssortment()
    found: PostgresAssortment = request.getfixturevalue("on_postgres")
    return found


def vector_for(product: ProductContent, model: EmbeddingModel) -> Embedding:
    return meaning_of(product.content)[: model.dimensions]


async def due(assortment: Assortment, model: EmbeddingModel = MODEL, most: int = MOST) -> set[str]:
    return {product.name for product in await assortment.repository.due(model, most)}


async def keep(assortment: Assortment, model: EmbeddingModel = MODEL, most: int = MOST) -> Sequence[ProductContent]:
    """Embeds so many of those that are due."""
    products = await assortment.repository.due(model, most)
    await assortment.repository.keep(model, [(product, vector_for(product, model)) for product in products])
    return products


async def complete(assortment: Assortment, model: EmbeddingModel = MODEL) -> None:
    """Embeds all, and lets the model serve."""
    await assortment.repository.begin(model)
    await keep(assortment, model)
    await assortment.repository.serve(model)


async def test_at_first_every_product_is_due_and_counted_with_its_bytes(assortment: Assortment) -> None:
    assortment.describe("Glue", "Sticks: ä.")
    backlog = await assortment.repository.begin(MODEL)
    products = await assortment.repository.due(MODEL, MOST)
    assert {product.name for product in products} == SHOP | {"Glue"}
    assert backlog == Backlog(5, sum(len(product.content.encode()) for product in products))


async def test_a_product_comes_with_all_that_is_embedded_of_it(assortment: Assortment) -> None:
    await assortment.repository.begin(MODEL)
    (hammer,) = [one for one in await assortment.repository.due(MODEL, MOST) if one.name == "Claw hammer"]
    assert hammer.product_id == identify("Claw hammer")
    assert hammer.description == "Drives a nail into wood."
    assert hammer.content.startswith("Claw hammer. Drives a nail into wood. (")


async def test_no_more_are_due_than_asked_for_and_each_comes_once(assortment: Assortment) -> None:
    await assortment.repository.begin(MODEL)
    batches = [[product.name for product in await keep(assortment, most=3)] for _ in range(3)]
    assert [len(batch) for batch in batches] == [3, 1, 0]
    assert {name for batch in batches for name in batch} == SHOP


async def test_what_is_kept_is_due_no_longer_and_is_not_counted(assortment: Assortment) -> None:
    await assortment.repository.begin(MODEL)
    kept = await keep(assortment, most=3)
    assert await due(assortment) == SHOP - {product.name for product in kept}
    assert (await assortment.repository.begin(MODEL)).products == 1
    for product in kept:
        assert assortment.embeddings(MODEL)[product.name] == pytest.approx(vector_for(product, MODEL))


async def test_what_is_said_anew_is_due_again_and_replaces_the_old_embedding(assortment: Assortment) -> None:
    assortment.describe("Glue", "Sticks.")
    await assortment.repository.begin(MODEL)
    await keep(assortment)
    old = assortment.embeddings(MODEL)["Glue"]
    assortment.describe("Glue", "Sticks.")
    assert await due(assortment) == set()
    assortment.describe("Glue", "Sticks paint to a wall.")
    assert await due(assortment) == {"Glue"}
    await keep(assortment)
    assert await due(assortment) == set()
    assert assortment.embeddings(MODEL)["Glue"] != old


async def test_what_changed_while_it_was_embedded_is_due_again(assortment: Assortment) -> None:
    assortment.describe("Glue", "Sticks.")
    await assortment.repository.begin(MODEL)
    products = await assortment.repository.due(MODEL, MOST)
    assortment.describe("Glue", "Sticks paint to a wall.")
    await assortment.repository.keep(MODEL, [(product, vector_for(product, MODEL)) for product in products])
    assert await due(assortment) == {"Glue"}


async def test_a_product_that_goes_takes_its_embeddings_along(assortment: Assortment) -> None:
    assortment.describe("Glue", "Sticks.")
    await assortment.repository.begin(MODEL)
    await keep(assortment)
    assert set(assortment.embeddings(MODEL)) == SHOP | {"Glue"}
    assortment.remove("Glue")
    assert set(assortment.embeddings(MODEL)) == SHOP
    assert await due(assortment) == set()


async def test_what_went_while_it_was_embedded_is_forgotten_and_the_others_are_kept(assortment: Assortment) -> None:
    assortment.describe("Glue", "Sticks.")
    await assortment.repository.begin(MODEL)
    products = await assortment.repository.due(MODEL, MOST)
    assortment.remove("Glue")
    await assortment.repository.keep(MODEL, [(product, vector_for(product, MODEL)) for product in products])
    assert set(assortment.embeddings(MODEL)) == SHOP
    assert await due(assortment) == set()


async def test_a_model_serves_from_the_moment_that_is_said_and_the_old_one_until_then(assortment: Assortment) -> None:
    await complete(assortment)
    assert assortment.serving() == MODEL
    await assortment.repository.begin(NEWER)
    assert await due(assortment, NEWER) == SHOP
    await keep(assortment, NEWER)
    assert assortment.serving() == MODEL
    await assortment.repository.serve(NEWER)
    assert assortment.serving() == NEWER
    assert set(assortment.embeddings(MODEL)) == set(assortment.embeddings(NEWER)) == SHOP


async def test_one_can_go_back_to_the_old_model_without_embedding_anew(assortment: Assortment) -> None:
    await complete(assortment)
    await complete(assortment, NEWER)
    assert await assortment.repository.begin(MODEL) == Backlog(0, 0)
    await assortment.repository.serve(MODEL)
    assert assortment.serving() == MODEL


async def test_a_model_of_other_dimensions_loses_what_its_name_had_and_serves_when_it_is_complete(
    assortment: Assortment,
) -> None:
    await complete(assortment, NEWER)
    await complete(assortment)
    shorter = replace(MODEL, dimensions=2)
    backlog = await assortment.repository.begin(shorter)
    assert (backlog.products, assortment.embeddings(shorter), assortment.serving()) == (4, {}, None)
    assert set(assortment.embeddings(NEWER)) == SHOP
    await keep(assortment, shorter)
    await assortment.repository.serve(shorter)
    assert assortment.serving() == shorter
    assert {len(embedding) for embedding in assortment.embeddings(shorter).values()} == {2}


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ("UPDATE retail.products SET name = 'Mallet' WHERE sku = 'Glue'", {"Mallet"}),
        ("UPDATE retail.products SET description = 'Sticks.' WHERE sku = 'Glue'", {"Glue"}),
        ("UPDATE retail.product_types SET name = 'Sticky' WHERE name = 'Glues'", {"Glue", "Tape"}),
        ("UPDATE retail.categories SET name = 'Sticky' WHERE name = 'Adhesives'", {"Glue", "Tape"}),
        (
            """
            UPDATE retail.products
            SET product_type_id = (SELECT product_type_id FROM retail.product_types WHERE name = 'Paint')
            WHERE sku = 'Glue'
            """,
            {"Glue"},
        ),
        ("UPDATE retail.products SET base_price = 9, cost = 1, sku = 'Gum' WHERE sku = 'Glue'", set()),
        ("UPDATE retail.products SET name = name", set()),
        ("UPDATE retail.categories SET name = name", set()),
    ],
)
async def test_what_is_due_follows_product_kind_and_category_and_nothing_else(
    on_postgres: PostgresAssortment, change: LiteralString, changed: set[str]
) -> None:
    on_postgres.describe("Glue", "")
    on_postgres.describe("Tape", "")
    await complete(on_postgres)
    on_postgres.owner.execute(change)
    assert await due(on_postgres) == changed
    await keep(on_postgres)
    assert await due(on_postgres) == set()


async def test_one_at_a_time_embeds_and_who_comes_second_changes_nothing(
    on_postgres: PostgresAssortment, database: TestDatabase
) -> None:
    await complete(on_postgres)
    async with repository_of(database) as second:
        for model in (MODEL, NEWER, replace(MODEL, dimensions=2)):
            with pytest.raises(SetupError, match="another `zava embed` is at it"):
                await second.begin(model)
        assert set(on_postgres.embeddings(MODEL)) == SHOP
        assert on_postgres.serving() == MODEL
        await on_postgres.repository.connection.close()
        # PostgreSQL notices a moment later.
        assert await begun(second) == Backlog(0, 0)


async def test_a_connection_that_is_killed_keeps_nobody_out(
    on_postgres: PostgresAssortment, database: TestDatabase
) -> None:
    await on_postgres.repository.begin(MODEL)
    await keep(on_postgres, most=3)
    with psycopg.connect(database.admin_dsn, autocommit=True) as administrator:
        pid = on_postgres.repository.connection.info.backend_pid
        assert administrator.execute("SELECT pg_terminate_backend(%s, 10000)", [pid]).fetchone() == (True,)
    async with repository_of(database) as second:
        assert (await second.begin(MODEL)).products == 1
    with pytest.raises(psycopg.OperationalError):
        await keep(on_postgres)


async def begun(repository: PostgresEmbeddingRepository) -> Backlog:
    """Begins as soon as nobody else is at it."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await repository.begin(MODEL)
            except SetupError:
                await asyncio.sleep(0.01)


async def test_whoever_reads_while_models_change_sees_the_old_one_until_the_new_one_serves(
    on_postgres: PostgresAssortment, database: TestDatabase
) -> None:
    await complete(on_postgres)
    await on_postgres.repository.begin(NEWER)
    await keep(on_postgres, NEWER)
    with psycopg.connect(database.admin_dsn) as administrator:
        # Holds the change up when half of it is done.
        administrator.execute("SELECT FROM retail.embedding_models WHERE model = %s FOR UPDATE", [NEWER.name])
        change = asyncio.create_task(on_postgres.repository.serve(NEWER))
        pid = on_postgres.repository.connection.info.backend_pid
        async with asyncio.timeout(10):
            while on_postgres.owner.execute("SELECT pg_blocking_pids(%s)", [pid]).fetchone() == ([],):  # noqa: ASYNC110 - of PostgreSQL
                await asyncio.sleep(0.01)
        assert on_postgres.serving() == MODEL
    await change
    assert on_postgres.serving() == NEWER


async def test_searches_use_the_old_model_until_the_new_one_serves(
    on_postgres: PostgresAssortment, database: TestDatabase
) -> None:
    seattle = tiny_shop.SEATTLE.principal
    async with new_pool(database) as pool:
        products = PostgresProductRepository(PrincipalSessions(pool, lambda: KEY))

        async def found() -> tuple[EmbeddingModel | None, list[str], list[str]]:
            """The model, what it finds, and what is like the first."""
            model = await products.embedding_model(seattle)
            assert model is not None
            meaning = Meaning(model, meaning_of("colour")[: model.dimensions])
            matches = await products.semantic_search(
                seattle, "colour", meaning, wanted=ProductFilter(), similarity_threshold=50, max_rows=9
            )
            assert {match.matched for match in matches} == {"meaning"}
            similar = await products.similar_products(seattle, identify("Wall paint"), in_stock_only=False, max_rows=1)
            return model, [match.product.name for match in matches], [one.product.name for one in similar]

        assert await products.embedding_model(seattle) is None
        await complete(on_postgres)
        old = await found()
        assert old == (MODEL, ["Wall paint", "Paint roller"], ["Paint roller"])
        await on_postgres.repository.begin(NEWER)
        assert await found() == old
        await keep(on_postgres, NEWER, most=2)
        assert await found() == old
        await keep(on_postgres, NEWER)
        assert await found() == old
        await on_postgres.repository.serve(NEWER)
        assert (await found())[0] == NEWER


@pytest.fixture
async def sandbox(database: TestDatabase) -> AsyncIterator[PostgresSandbox]:
    async with new_pool(database) as pool:
        sessions = PrincipalSessions(pool, lambda: KEY)
        yield PostgresSandbox(sessions, PostgresSchemaCatalog(sessions), SandboxLimits())


async def like_wall_paint(
    sandbox: PostgresSandbox, arguments: str, *, model: EmbeddingModel = MODEL, schema: str = "retail."
) -> list[tuple[str, float]]:
    """What a store manager finds by SQL near to the wall paint, with its similarity."""
    table = await sandbox.execute_sales_query(
        tiny_shop.SEATTLE.principal,
        f"""
        SELECT name, similarity_score
        FROM {schema}search_products_by_description(
            (
                SELECT embedding
                FROM {schema}product_description_embeddings
                INNER JOIN {schema}products USING (product_id)
                WHERE model = '{model.name}' AND name = 'Wall paint'
                LIMIT 1
            ){arguments}
        )
        """,  # noqa: S608 - a caller's own SQL is what is tested
    )
    return [(str(name), round(float(str(score)), 2)) for name, score in table.rows]


@pytest.mark.parametrize("schema", ["retail.", ""], ids=["qualified", "unqualified"])
async def test_a_store_manager_finds_by_sql_what_is_near_with_threshold_and_limit(
    on_postgres: PostgresAssortment, sandbox: PostgresSandbox, schema: str
) -> None:
    await complete(on_postgres)
    assert await like_wall_paint(sandbox, "", schema=schema) == [("Wall paint", 1), ("Paint roller", 0.71)]
    assert await like_wall_paint(sandbox, ", 0.72", schema=schema) == [("Wall paint", 1)]
    assert await like_wall_paint(sandbox, ", 0.5, 3", schema=schema) == [("Wall paint", 1), ("Paint roller", 0.71)]
    assert len(await like_wall_paint(sandbox, ", 0, 3", schema=schema)) == 3
    assert len(await like_wall_paint(sandbox, ", 0", schema=schema)) == 4
    assert await like_wall_paint(sandbox, ", max_results => 1", schema=schema) == [("Wall paint", 1)]
    assert await like_wall_paint(sandbox, ", -1, -1", schema=schema) == []


async def test_sql_finds_by_the_model_that_serves_whatever_else_is_kept(
    on_postgres: PostgresAssortment, sandbox: PostgresSandbox
) -> None:
    await on_postgres.repository.begin(MODEL)
    await keep(on_postgres)
    assert await like_wall_paint(sandbox, ", 0, 9") == []
    await on_postgres.repository.serve(MODEL)
    before = await like_wall_paint(sandbox, ", 0, 9")
    assert len(before) == 4
    await on_postgres.repository.begin(NEWER)
    await keep(on_postgres, NEWER)
    assert await like_wall_paint(sandbox, ", 0, 9") == before
    await on_postgres.repository.serve(NEWER)
    assert (await like_wall_paint(sandbox, ", 0, 9", model=NEWER))[0] == ("Wall paint", 1)
    assert len(await like_wall_paint(sandbox, ", 0, 9", model=NEWER)) == 4


def settings_of(database: TestDatabase, key_file: Path, admin_dsn: str | None) -> Settings:
    """The operator's."""
    connections = DatabaseSettings(
        dsn=SecretStr(database.app_dsn),
        admin_dsn=SecretStr(admin_dsn) if admin_dsn else None,
        context_key_file=key_file,
    )
    return Settings(database=connections, embedding=EmbeddingSettings(provider="local"))


@pytest.mark.skipif("oldest" not in SERVERS, reason="there is no PostgreSQL 15")
def test_without_pgvector_the_operator_is_told(open_tiny_shop: Callable[[str], TestDatabase], tmp_path: Path) -> None:
    database = open_tiny_shop("oldest")
    with pytest.raises(SetupError, match=r"no place for embeddings\. Install pgvector .* `zava db migrate`"):
        embed_products(settings_of(database, tmp_path / "key", database.admin_dsn), 64, index=False)


def test_without_an_administrator_the_operator_is_told(database: TestDatabase, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="set ZAVA_DATABASE__ADMIN_DSN for this command"):
        embed_products(settings_of(database, tmp_path / "key", None), 64, index=False)


@dataclass
class Killing(FakeEmbeddings):
    """Ends the connections of the database's other users before its second answer."""

    administrator: psycopg.Connection[Any] | None = None

    async def embed(self, texts: Sequence[str]) -> Sequence[Embedding]:
        if self.asked and self.administrator:
            self.administrator.execute(
                """
                SELECT pg_terminate_backend(pid, 10000)
                FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
                """
            )
        return await super().embed(texts)


async def test_when_the_database_goes_away_what_is_done_is_kept_and_the_operator_is_told(
    database: TestDatabase, owner: psycopg.Connection[Any], tmp_path: Path
) -> None:
    owner.execute("RESET ROLE")
    reached = Database(DatabaseAccess(database.app_dsn, tmp_path / "key"), database.admin_dsn)
    with pytest.raises(SetupError, match=r"^The database failed: .*\. Run `zava embed` again\.$"):
        await embed(reached, Killing(administrator=owner), 3, lambda _: None, lambda *_: None)
    owner.execute("SET ROLE zava_owner")
    assert await embed(reached, FakeEmbeddings(), 3, lambda _: None, lambda *_: None) == 1
