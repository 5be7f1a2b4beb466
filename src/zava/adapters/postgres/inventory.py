"""Stock, from PostgreSQL."""

from dataclasses import dataclass
from decimal import Decimal

from zava.adapters.postgres.sessions import PrincipalSessions, Question
from zava.core.model import InventoryFindings, InventoryQuery, Principal, Risk, StockPosition
from zava.core.ports import InventoryRepository


@dataclass(frozen=True, slots=True)
class PositionRow:
    """A position, and beside each the totals of all."""

    risk: Risk
    store: str
    product: str
    sku: str
    stock_level: int
    units_sold: int
    units_sold_longer: int
    lead_days: int
    pack_size: int
    cost: Decimal
    discontinued: bool
    stockouts: int
    overstocks: int
    overstock_value: Decimal


INVENTORY = Question.load("check_inventory", PositionRow)


@dataclass(frozen=True)
class PostgresInventoryRepository(InventoryRepository):
    """Holds the stock against the sales, both under the row policies."""

    sessions: PrincipalSessions

    async def check_inventory(self, principal: Principal, query: InventoryQuery) -> InventoryFindings:
        parameters = {
            "stores": list(query.stores),
            "category": query.category,
            "risks": list(query.risks),
            "pace_first_day": query.pace.first_day,
            "pace_last_day": query.pace.last_day,
            "pace_days": query.pace.days,
            "unsold_since": query.unsold_since,
            "horizon_days": query.horizon_days,
            "overstock_days": query.overstock_days,
            "max_rows": query.max_rows,
        }
        rows = (await self.sessions.ask(principal, parameters, INVENTORY))[INVENTORY]
        if not rows:
            return InventoryFindings((), 0, 0, Decimal(0))
        return InventoryFindings(
            tuple(_position(row) for row in rows if row.risk in query.risks),
            rows[0].stockouts,
            rows[0].overstocks,
            rows[0].overstock_value,
        )


def _position(row: PositionRow) -> StockPosition:
    return StockPosition(
        risk=row.risk,
        store=row.store,
        product=row.product,
        sku=row.sku,
        stock_level=row.stock_level,
        units_sold=row.units_sold,
        units_sold_longer=row.units_sold_longer,
        lead_days=row.lead_days,
        pack_size=row.pack_size,
        cost=row.cost,
        discontinued=row.discontinued,
    )
