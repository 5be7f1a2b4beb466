"""What will run out, how much should be ordered, and what lies there unsold?"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal, TypeAlias

from zava.core.categories import choose_category
from zava.core.checks import check_range
from zava.core.metrics import TENTH, ratio
from zava.core.model import DateRange, InventoryQuery, Principal, Risk, StockPosition
from zava.core.periods import today_of
from zava.core.ports import InventoryRepository, ProductRepository, StoreDirectory
from zava.core.use_cases.get_store_performance import choose_stores
from zava.core.use_cases.semantic_search_products import MOST_ROWS

# Whole weeks, so that each weekday counts alike.
PACE_DAYS = 28
# Stock for so many days is kept beyond the time of delivery.
SAFETY_DAYS = 7
# What did not sell for so long is overstock.
UNSOLD_DAYS = 90
# So is what lasts longer.
OVERSTOCK_DAYS = 180
LONGEST_HORIZON = 365

AskedRisk: TypeAlias = Literal["stockout", "overstock", "all"]
RISKS: dict[AskedRisk, tuple[Risk, ...]] = {
    "stockout": ("stockout",),
    "overstock": ("overstock",),
    "all": ("stockout", "overstock"),
}


@dataclass(frozen=True, slots=True)
class ProductAtRisk:
    """A product in a store, why it is at risk, and the numbers behind it.

    Attributes:
        units_sold: in the 28 days before today, cancelled orders left out.
        units_sold_90_days: in the 90 days before today.
        days_of_cover: stock ÷ units sold a day; None where none was sold, unless there is no stock.
        stockout_on: the day on which the stock will be gone; None of overstock.
        lead_days: what the supplier needs to deliver.
        pack_size: units in the supplier's pack.
        suggested_reorder: units, in whole packs.
        stock_value: at today's cost.
    """

    risk: Risk
    store: str
    product: str
    sku: str
    stock_level: int
    units_sold: int
    units_sold_90_days: int
    days_of_cover: Decimal | None
    stockout_on: date | None
    lead_days: int
    pack_size: int
    suggested_reorder: int
    stock_value: Decimal


@dataclass(frozen=True, slots=True)
class InventoryCheck:
    """Products at risk, the most urgent first, and how many there are in all, of either risk.

    Attributes:
        today: the day before which sales count, in the business time zone.
        overstock_value: at today's cost.
        currency: of every amount, ISO 4217.
    """

    today: date
    horizon_days: int
    stockouts: int
    overstocks: int
    overstock_value: Decimal
    currency: str
    stores: tuple[str, ...]
    products: tuple[ProductAtRisk, ...]


@dataclass(frozen=True)
class CheckInventory:
    """Decides what counts as a risk, when the stock will be gone, and how much to order.

    Attributes:
        most_rows: that anybody may ask for.
    """

    directory: StoreDirectory
    inventory: InventoryRepository
    products: ProductRepository
    now: Callable[[], datetime]
    most_rows: int = MOST_ROWS

    async def __call__(  # noqa: PLR0913 - as callers may ask
        self,
        principal: Principal,
        *,
        store: str | None = None,
        category: str | None = None,
        risk: AskedRisk = "all",
        horizon_days: int = 30,
        max_rows: int = 20,
    ) -> InventoryCheck:
        """The products at risk in one store, or in all the principal's stores when none is named.

        Raises:
            ValidationError: a number or a name is out of bounds.
            AuthorizationError: the store is not among the principal's own, or none is assigned to them.
            NotFoundError: there is no such category, or no such store for who sees every one.
        """
        check_range("horizon_days", horizon_days, 1, LONGEST_HORIZON)
        check_range("max_rows", max_rows, 1, self.most_rows)
        directory = await self.directory.stores_of(principal)
        chosen = choose_stores(directory, store)
        today = today_of(directory.business, self.now())
        query = InventoryQuery(
            stores=tuple(one.store_id for one in chosen),
            category=await choose_category(self.products, principal, category) if category is not None else None,
            risks=RISKS[risk],
            pace=DateRange(today - timedelta(days=PACE_DAYS), today - timedelta(days=1)),
            unsold_since=today - timedelta(days=UNSOLD_DAYS),
            horizon_days=horizon_days,
            # What may run out within the horizon is never too much.
            overstock_days=max(OVERSTOCK_DAYS, horizon_days),
            max_rows=max_rows,
        )
        found = await self.inventory.check_inventory(principal, query)
        return InventoryCheck(
            today=today,
            horizon_days=horizon_days,
            stockouts=found.stockouts,
            overstocks=found.overstocks,
            overstock_value=found.overstock_value,
            currency=directory.business.currency,
            stores=tuple(one.name for one in chosen),
            products=tuple(_at_risk(position, today) for position in found.positions),
        )


def _at_risk(position: StockPosition, today: date) -> ProductAtRisk:
    return ProductAtRisk(
        risk=position.risk,
        store=position.store,
        product=position.product,
        sku=position.sku,
        stock_level=position.stock_level,
        units_sold=position.units_sold,
        units_sold_90_days=position.units_sold_longer,
        days_of_cover=ratio(position.stock_level * PACE_DAYS, position.units_sold, to=TENTH)
        if position.stock_level
        else Decimal(0),
        stockout_on=today + timedelta(days=_days_left(position)) if position.risk == "stockout" else None,
        lead_days=position.lead_days,
        pack_size=position.pack_size,
        suggested_reorder=suggest_reorder(position),
        stock_value=position.stock_level * position.cost,
    )


def _days_left(position: StockPosition) -> int:
    """Whole days that the stock of what may run out lasts."""
    return position.stock_level * PACE_DAYS // position.units_sold if position.stock_level else 0


def suggest_reorder(position: StockPosition) -> int:
    """Units to order now: what will sell until a delivery and for 7 days more, less the stock, in whole packs.

    None of a discontinued product.
    """
    if position.discontinued:
        return 0
    # In units × days of the pace, so that nothing is rounded before the packs are.
    missing = position.units_sold * (position.lead_days + SAFETY_DAYS) - position.stock_level * PACE_DAYS
    packs = -(-missing // (position.pack_size * PACE_DAYS))
    return max(packs, 0) * position.pack_size
