"""Embeddings of products, kept in PostgreSQL by an administrator."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row

from zava.adapters.postgres.products import vector_text
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

# Any number will do, as long as no other program in this database uses it.
LOCK = 7_203_912


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
                "embedding": vector_text(embedding),
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
