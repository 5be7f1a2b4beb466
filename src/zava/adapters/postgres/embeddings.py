"""Embeddings of products, kept in PostgreSQL by an administrator."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row, scalar_row

from zava.adapters.postgres.products import index_name, vector
from zava.adapters.postgres.sql import load
from zava.core.errors import SetupError
from zava.core.model import Backlog, Embedding, EmbeddingModel, ProductContent
from zava.core.ports import EmbeddingRepository

VECTORS = load("vectors_exist")
DUE = load("products_to_embed")
BACKLOG = load("embedding_backlog")
KEEP = load("keep_embedding")
RETIRE = load("retire_embedding_models")
SERVE = load("serve_embedding_model")
REGISTER = load("register_embedding_model")
INDEXABLE = load("indexable_embeddings")
INDEX = load("index_embeddings")

# Any number will do, as long as no other program in this database uses it.
LOCK = 7_203_912

# Of pgvector's index.
MOST_DIMENSIONS = 2_000
# An index of 100,000 products fits; one that does not takes many times as long to make.
BUILDING_MEMORY = "384MB"


@dataclass(frozen=True)
class PostgresEmbeddingRepository(EmbeddingRepository):
    """Reads and writes as zava_owner.

    Attributes:
        connection: an administrator's, in autocommit mode. One at a time in the whole database may embed.
    """

    connection: psycopg.AsyncConnection[Any]

    async def begin(self, model: EmbeddingModel) -> Backlog:
        await self.connection.execute("SET ROLE zava_owner")
        cursor = await self.connection.execute(VECTORS)
        if await cursor.fetchone() != (True,):
            raise SetupError(
                "Products cannot be embedded: this database has no place for embeddings. Install pgvector if it is "
                "not there, then run `zava db migrate`."
            )
        cursor = await self.connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        if await cursor.fetchone() != (True,):
            raise SetupError("Products cannot be embedded now: another `zava embed` is at it, or a server.")
        await self._drop_index_of_other_dimensions(model)
        await self.connection.execute(REGISTER, {"model": model.name, "dimensions": model.dimensions})
        counting = self.connection.cursor(row_factory=class_row(Backlog))
        (backlog,) = await (await counting.execute(BACKLOG, {"model": model.name})).fetchall()
        return backlog

    async def due(self, model: EmbeddingModel, most: int) -> Sequence[ProductContent]:
        cursor = self.connection.cursor(row_factory=class_row(ProductContent))
        return await (await cursor.execute(DUE, {"model": model.name, "most": most})).fetchall()

    async def keep(self, model: EmbeddingModel, embedded: Sequence[tuple[ProductContent, Embedding]]) -> None:
        rows = [
            {
                "product_id": product.product_id,
                "model": model.name,
                "embedding": vector(embedding),
                "content_hash": product.content_hash,
            }
            for product, embedding in embedded
        ]
        async with self.connection.transaction():
            await self.connection.cursor().executemany(KEEP, rows)

    async def serve(self, model: EmbeddingModel) -> None:
        async with self.connection.transaction():
            await self.connection.execute(RETIRE, {"model": model.name})
            await self.connection.execute(SERVE, {"model": model.name})

    async def count(self, model: EmbeddingModel) -> int:
        """How many products are embedded with this model."""
        cursor = self.connection.cursor(row_factory=scalar_row)
        await cursor.execute(
            "SELECT count(*) FROM retail.product_description_embeddings WHERE model = %s", [model.name]
        )
        return int(await cursor.fetchone() or 0)

    async def index(self, model: EmbeddingModel) -> bool:
        """Makes the index of this model's embeddings, unless it is there; searches go on meanwhile.

        Returns:
            whether it had to be made.

        Raises:
            SetupError: pgvector cannot make it, or not search it as Zava does.
        """
        name = index_name(model)
        unfinished = sql.Identifier(f"{name}_unfinished")
        await self.connection.execute("SET ROLE zava_owner")
        if await self._exists(name):
            return False
        checking = self.connection.cursor(row_factory=scalar_row)
        if not await (await checking.execute(INDEXABLE, {"dimensions": model.dimensions})).fetchone():
            raise SetupError(
                f"The embeddings of {model} cannot be indexed: that takes pgvector 0.8 or newer, and no more than "
                f"{MOST_DIMENSIONS:,} dimensions. They are searched all the same, without an index."
            )
        # What an interrupted attempt leaves behind is no use, and kept up to date all the same.
        await self.connection.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS retail.{}").format(unfinished))
        await self.connection.execute(
            "SELECT set_config('maintenance_work_mem', %s, false)"
            " WHERE pg_size_bytes(current_setting('maintenance_work_mem')) < pg_size_bytes(%s)",
            [BUILDING_MEMORY, BUILDING_MEMORY],
        )
        await self.connection.execute(
            sql.SQL(INDEX).format(
                name=unfinished, model=sql.Literal(model.name), dimensions=sql.Literal(model.dimensions)
            )
        )
        # Its name says that it is finished: searches look for no more.
        await self.connection.execute(
            sql.SQL("ALTER INDEX retail.{} RENAME TO {}").format(unfinished, sql.Identifier(name))
        )
        return True

    async def _exists(self, name: str) -> bool:
        cursor = await self.connection.execute("SELECT to_regclass(%s) IS NOT NULL", [f"retail.{name}"])
        return await cursor.fetchone() == (True,)

    async def _drop_index_of_other_dimensions(self, model: EmbeddingModel) -> None:
        """An index of so many dimensions would refuse embeddings of others."""
        cursor = await self.connection.execute(
            "SELECT FROM retail.embedding_models WHERE model = %s AND dimensions <> %s", [model.name, model.dimensions]
        )
        if await cursor.fetchone() is not None:
            for name in (index_name(model), f"{index_name(model)}_unfinished"):
                await self.connection.execute(sql.SQL("DROP INDEX IF EXISTS retail.{}").format(sql.Identifier(name)))
