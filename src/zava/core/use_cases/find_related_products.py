"""What belongs to this product, or to these days? Alike, bought together, or on the rise."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal, TypeAlias

from zava.core.checks import check_range
from zava.core.errors import NotFoundError, ValidationError
from zava.core.metrics import percent
from zava.core.model import Directory, NamedProduct, Principal, Product
from zava.core.named_products import LONGEST_PRODUCT, choose_product
from zava.core.periods import resolve_period_of, today_of
from zava.core.ports import ProductRepository, StoreDirectory
from zava.core.use_cases.get_store_performance import PeriodDates, choose_stores, period_dates
from zava.core.use_cases.semantic_search_products import MOST_ROWS

Kind: TypeAlias = Literal["similar", "bought_together", "trending"]

# Fewer orders with both say nothing.
LEAST_SUPPORT = 3
BASKET_DAYS = 365


@dataclass(frozen=True, slots=True)
class RelatedProduct:
    """A product, and what relates it: figures of the kind that was asked for, None for those of the others.

    Attributes:
        similarity: in percent.
        lift: how many times as often as chance would have it the two are in one order.
        support: orders with both.
        orders: orders with this one.
        units: sold in the period.
        previous_units: sold in the comparable period before.
        growth_percent: None where nothing was sold before.
    """

    product: Product
    similarity: int | None = None
    lift: Decimal | None = None
    support: int | None = None
    orders: int | None = None
    units: int | None = None
    previous_units: int | None = None
    growth_percent: Decimal | None = None


@dataclass(frozen=True, slots=True)
class RelatedProducts:
    """Products of one kind of relation, the closest first, and what they relate to.

    Attributes:
        product: that they relate to; None for trending.
        period: of the orders or sales that count; None for similar.
    """

    kind: Kind
    product: str | None
    period: PeriodDates | None
    products: tuple[RelatedProduct, ...]


@dataclass(frozen=True)
class FindRelatedProducts:
    """Decides which product and which days are meant, and whether the question can be answered at all."""

    directory: StoreDirectory
    products: ProductRepository
    now: Callable[[], datetime]

    async def __call__(  # noqa: PLR0913 - as callers may ask
        self,
        principal: Principal,
        kind: Kind,
        *,
        product: str | None = None,
        period: str | None = None,
        in_stock_only: bool = False,
        max_rows: int = 10,
    ) -> RelatedProducts:
        """The related products.

        Raises:
            ValidationError: an argument is missing, superfluous or out of bounds.
            AuthorizationError: no store is assigned to the principal.
            NotFoundError: no one product is meant by these words, or products have not been embedded yet.
        """
        check_range("max_rows", max_rows, 1, MOST_ROWS)
        if kind == "trending":
            if product is not None:
                raise ValidationError("product", product[:LONGEST_PRODUCT], "trending is of all products; leave it out")
            return await self._trending(principal, period, in_stock_only=in_stock_only, max_rows=max_rows)
        if product is None:
            raise ValidationError("product", None, f"name the product or its SKU for {kind}")
        meant = await choose_product(self.products, principal, product)
        if kind == "similar":
            if period is not None:
                raise ValidationError("period", period[:LONGEST_PRODUCT], "similar knows no days; leave it out")
            return await self._similar(principal, meant, in_stock_only=in_stock_only, max_rows=max_rows)
        return await self._bought_together(principal, meant, period, in_stock_only=in_stock_only, max_rows=max_rows)

    async def _similar(
        self, principal: Principal, meant: NamedProduct, *, in_stock_only: bool, max_rows: int
    ) -> RelatedProducts:
        if await self.products.embedding_model(principal) is None:
            raise NotFoundError(
                "What is similar is not known: products have not been embedded yet. The operator runs `zava embed`."
            )
        found = await self.products.similar_products(
            principal, meant.product_id, in_stock_only=in_stock_only, max_rows=max_rows
        )
        related = tuple(RelatedProduct(one.product, similarity=one.similarity) for one in found)
        return RelatedProducts("similar", meant.name, None, related)

    async def _bought_together(
        self, principal: Principal, meant: NamedProduct, period: str | None, *, in_stock_only: bool, max_rows: int
    ) -> RelatedProducts:
        directory, today = await self._today(principal)
        yesterday = today - timedelta(days=1)
        year = f"{today - timedelta(days=BASKET_DAYS)}..{yesterday}"
        days = resolve_period_of(directory.stores, period or year, today=today, business=directory.business)
        found = await self.products.bought_together(
            principal,
            meant.product_id,
            days.elapsed,
            least_support=LEAST_SUPPORT,
            in_stock_only=in_stock_only,
            max_rows=max_rows,
        )
        related = tuple(
            RelatedProduct(one.product, lift=one.lift, support=one.support, orders=one.orders) for one in found
        )
        return RelatedProducts("bought_together", meant.name, period_dates(days, directory.business.time_zone), related)

    async def _trending(
        self, principal: Principal, period: str | None, *, in_stock_only: bool, max_rows: int
    ) -> RelatedProducts:
        directory, today = await self._today(principal)
        days = resolve_period_of(directory.stores, period or "last_30_days", today=today, business=directory.business)
        if days.previous is None:
            raise ValidationError("period", period, "name one that has a period before it")
        found = await self.products.trending_products(
            principal, days.elapsed, days.previous, in_stock_only=in_stock_only, max_rows=max_rows
        )
        related = tuple(
            RelatedProduct(
                one.product,
                units=one.units,
                previous_units=one.previous_units,
                growth_percent=percent(one.units - one.previous_units, one.previous_units),
            )
            for one in found
        )
        return RelatedProducts("trending", None, period_dates(days, directory.business.time_zone), related)

    async def _today(self, principal: Principal) -> tuple[Directory, date]:
        directory = await self.directory.stores_of(principal)
        choose_stores(directory, None)
        return directory, today_of(directory.business, self.now())
