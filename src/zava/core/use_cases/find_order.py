"""What is in this order? Its lines, its returns, its customer."""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

from zava.core.checks import check_range
from zava.core.errors import NotFoundError
from zava.core.model import Order, Principal
from zava.core.ports import OrderRepository, StoreDirectory
from zava.core.use_cases.get_store_performance import choose_stores

# As far as PostgreSQL counts.
HIGHEST_ORDER_NUMBER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class OrderCandidate:
    """An order that may be meant."""

    store: str
    order_date: date
    total_amount: Decimal


@dataclass(frozen=True, slots=True)
class FoundOrder:
    """The order; or, when several stores have one of this number, those that may be meant.

    Attributes:
        order: None when several may be meant. Its moment is in the business time zone.
        candidates: the latest first; none when there is an order.
        currency: of every amount, ISO 4217.
    """

    order: Order | None
    candidates: tuple[OrderCandidate, ...]
    currency: str


@dataclass(frozen=True)
class FindOrder:
    """Decides which store's order is meant. Numbers count up within each store, so several may have the same."""

    directory: StoreDirectory
    orders: OrderRepository

    async def __call__(self, principal: Principal, order_number: int, store: str | None = None) -> FoundOrder:
        """The order of this number in one store, or in the only one of the principal's stores that has it.

        Raises:
            ValidationError: the number or the store name is out of bounds.
            AuthorizationError: the store is not among the principal's own, or none is assigned to them.
            NotFoundError: none of these stores has such an order, whoever else has.
        """
        check_range("order_number", order_number, 1, HIGHEST_ORDER_NUMBER)
        directory = await self.directory.stores_of(principal)
        chosen = choose_stores(directory, store)
        business = directory.business
        found = await self.orders.find_order(principal, [one.store_id for one in chosen], order_number)
        if not found:
            where = chosen[0].name if len(chosen) == 1 else "your stores"
            raise NotFoundError(f"There is no order {order_number} in {where}.")
        if len(found) > 1:
            candidates = tuple(OrderCandidate(one.store, one.order_date, one.total_amount) for one in found)
            return FoundOrder(None, candidates, business.currency)
        moment = found[0].ordered_at.astimezone(ZoneInfo(business.time_zone))
        return FoundOrder(replace(found[0], ordered_at=moment), (), business.currency)
