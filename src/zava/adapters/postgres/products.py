"""Products, from PostgreSQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from hashlib import sha256
from typing import Literal, TypedDict
from uuid import UUID

from pgvector import Vector
from pgvector.psycopg.vector import VectorBinaryDumper
from psycopg import adapters, sql

from zava.adapters.postgres.sessions import PrincipalSessions, Question
from zava.adapters.postgres.sql import load
from zava.core.model import (
    BasketProduct,
    DateRange,
    Embedding,
    EmbeddingModel,
    Meaning,
    NamedProduct,
    Principal,
    Product,
    ProductFilter,
    ProductMatch,
    SimilarProduct,
    StoreAvailability,
    StoreStock,
    TrendingProduct,
)
from zava.core.ports import ProductRepository

# How far down each of the two lists is read beyond what will be shown.
DEEPER = 50
CANDIDATES = 5

# Among no more products than these the index of embeddings is not asked. benchmarks/RESULTS.md has the figures.
FEW = 2_500
# So many are looked up one by one. Among more, all embeddings are read.
SOME = 20_000


class StockLevel(TypedDict):
    """As JSON."""

    store: str
    stock_level: int


class Told(TypedDict):
    """As JSON."""

    store: str
    availability: Literal["in_stock", "low", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductRow:
    product_id: UUID
    name: str
    sku: str
    category: str
    price: Decimal
    currency: str
    description: str
    stock: list[StockLevel]
    elsewhere: list[Told]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchRow(ProductRow):
    matched: Literal["meaning", "words", "both"]
    similarity: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarRow(ProductRow):
    similarity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BasketRow(ProductRow):
    support: int
    orders: int
    lift: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendingRow(ProductRow):
    units: int
    previous_units: int


@dataclass(frozen=True, slots=True)
class SettingsRow:
    """What was set; None for what was not."""

    plan_cache_mode: str
    iterative_scan: str | None
    ef_search: str | None
    max_scan_tuples: str | None


@dataclass(frozen=True, slots=True)
class NameRow:
    name: str


@dataclass(frozen=True, slots=True)
class WordRow:
    word: str
    products: int


@dataclass(frozen=True, slots=True)
class ExistRow:
    exist: bool


# The queries say of what type it is: no connection has to be asked what number that type has.
adapters.register_dumper(Vector, VectorBinaryDumper)

CATEGORIES = Question.load("product_categories", NameRow)
WORDS = Question.load("known_words", WordRow)
VECTORS = Question.load("vectors_exist", ExistRow)
MODEL = Question.load("embedding_model", EmbeddingModel)
SETTINGS = Question.load("search_settings", SettingsRow)
BY_WORDS = Question.load("search_by_words", MatchRow)
NAMED = Question.load("product_named", NamedProduct)
SIMILAR = Question.load("similar_products", SimilarRow)
TOGETHER = Question.load("bought_together", BasketRow)
TRENDING = Question.load("trending_products", TrendingRow)


@dataclass
class PostgresProductRepository(ProductRepository):
    """Searches the assortment, and shows the stock that the row policies let through.

    Attributes:
        tell_availability: whether answers say which other stores of the chain have a product.
        few: products; among no more than these the index of embeddings is not asked.
    """

    sessions: PrincipalSessions
    tell_availability: bool = True
    few: int = FEW
    _has_vectors: bool = False

    async def categories(self, principal: Principal) -> Sequence[str]:
        answers = await self.sessions.ask(principal, {}, CATEGORIES)
        return [row.name for row in answers[CATEGORIES]]

    async def embedding_model(self, principal: Principal) -> EmbeddingModel | None:
        if not self._has_vectors:
            # Without pgvector there is no such table; it may arrive while the server runs, and then stays.
            self._has_vectors = (await self.sessions.ask(principal, {}, VECTORS))[VECTORS][0].exist
        if not self._has_vectors:
            return None
        serving = (await self.sessions.ask(principal, {}, MODEL))[MODEL]
        return serving[0] if serving else None

    async def known_words(self, principal: Principal, words: Sequence[str]) -> Mapping[str, int]:
        answers = await self.sessions.ask(principal, {"words": list(words)}, WORDS)
        return {row.word: row.products for row in answers[WORDS]}

    async def semantic_search(  # noqa: PLR0913 - as the port
        self,
        principal: Principal,
        query_description: str,
        meaning: Meaning | None,
        *,
        wanted: ProductFilter,
        similarity_threshold: float,
        max_rows: int,
    ) -> Sequence[ProductMatch]:
        parameters = self._shown(in_stock_only=wanted.in_stock_only, max_rows=max_rows) | {
            "query_description": query_description,
            "category": wanted.category,
            "max_price": wanted.max_price,
            "depth": max_rows + DEEPER,
        }
        if meaning is None:
            rows = (await self.sessions.ask(principal, parameters, BY_WORDS))[BY_WORDS]
        else:
            by_meaning = meaning_question(meaning.model)
            parameters |= {
                "index": f"retail.{index_name(meaning.model)}",
                "embedding": vector(meaning.embedding),
                "similarity_threshold": similarity_threshold,
                "few": self.few,
                "some": SOME,
            }
            rows = (await self.sessions.ask(principal, parameters, SETTINGS, by_meaning))[by_meaning]
        return [ProductMatch(self._product(row), row.matched, row.similarity) for row in rows]

    async def products_named(self, principal: Principal, product: str) -> Sequence[NamedProduct]:
        return (await self.sessions.ask(principal, {"product": product, "most": CANDIDATES}, NAMED))[NAMED]

    async def similar_products(
        self, principal: Principal, product_id: UUID, *, in_stock_only: bool, max_rows: int
    ) -> Sequence[SimilarProduct]:
        parameters = self._shown(in_stock_only=in_stock_only, max_rows=max_rows) | {"product_id": product_id}
        rows = (await self.sessions.ask(principal, parameters, SIMILAR))[SIMILAR]
        return [SimilarProduct(self._product(row), row.similarity) for row in rows]

    async def bought_together(  # noqa: PLR0913 - as the port
        self,
        principal: Principal,
        product_id: UUID,
        days: DateRange,
        *,
        least_support: int,
        in_stock_only: bool,
        max_rows: int,
    ) -> Sequence[BasketProduct]:
        parameters = self._shown(in_stock_only=in_stock_only, max_rows=max_rows) | {
            "product_id": product_id,
            "first_day": days.first_day,
            "last_day": days.last_day,
            "least_support": least_support,
        }
        rows = (await self.sessions.ask(principal, parameters, TOGETHER))[TOGETHER]
        return [BasketProduct(self._product(row), row.support, row.orders, row.lift) for row in rows]

    async def trending_products(
        self, principal: Principal, days: DateRange, previous: DateRange, *, in_stock_only: bool, max_rows: int
    ) -> Sequence[TrendingProduct]:
        parameters = self._shown(in_stock_only=in_stock_only, max_rows=max_rows) | {
            "first_day": days.first_day,
            "last_day": days.last_day,
            "previous_first_day": previous.first_day,
            "previous_last_day": previous.last_day,
        }
        rows = (await self.sessions.ask(principal, parameters, TRENDING))[TRENDING]
        return [TrendingProduct(self._product(row), row.units, row.previous_units) for row in rows]

    def _shown(self, *, in_stock_only: bool, max_rows: int) -> dict[str, object]:
        return {
            "in_stock_only": in_stock_only,
            "max_rows": max_rows,
            "tell_availability": self.tell_availability,
        }

    def _product(self, row: ProductRow) -> Product:
        return Product(
            name=row.name,
            sku=row.sku,
            category=row.category,
            price=row.price,
            currency=row.currency,
            description=row.description,
            stock=tuple(StoreStock(**level) for level in row.stock),
            elsewhere=tuple(StoreAvailability(**told) for told in row.elsewhere) if self.tell_availability else None,
        )


def index_name(model: EmbeddingModel) -> str:
    """What the index of this model's embeddings is called, if there is one."""
    return f"embeddings_near_{sha256(model.name.encode()).hexdigest()[:16]}"


@cache
def meaning_question(model: EmbeddingModel) -> Question[MatchRow]:
    """The search by meaning, for a model: PostgreSQL finds the index by the literals in the text alone."""
    query = sql.SQL(load("semantic_search")).format(
        # A percent sign would be taken for a parameter.
        model=sql.Literal(model.name.replace("%", "%%")),
        dimensions=sql.Literal(model.dimensions),
        index=sql.Literal(f"retail.{index_name(model)}"),
    )
    # Quoted by psycopg, and nothing a caller wrote.
    return Question("semantic_search", query.as_string(), MatchRow)


def vector(embedding: Embedding) -> Vector:
    """As a parameter of a query."""
    return Vector(embedding.tolist())
