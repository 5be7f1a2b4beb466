"""Orders, from PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from zava.adapters.postgres.sessions import PrincipalSessions, Question
from zava.core.model import Customer, Order, OrderLine, OrderReturn, OrderStatus, Principal
from zava.core.ports import OrderRepository


@dataclass(frozen=True, slots=True)
class OrderRow:
    store_id: UUID
    store: str
    order_number: int
    order_date: date
    ordered_at: datetime
    status: OrderStatus
    total_amount: Decimal
    first_name: str | None
    last_name: str | None
    email: str | None


@dataclass(frozen=True, slots=True)
class LineRow:
    store_id: UUID
    line_no: int
    product: str
    sku: str
    quantity: int
    unit_price: Decimal
    discount_amount: Decimal
    line_total: Decimal


@dataclass(frozen=True, slots=True)
class ReturnRow:
    store_id: UUID
    line_no: int
    returned_on: date
    quantity: int
    refund_amount: Decimal
    reason: str


ORDERS = Question.load("find_order", OrderRow)
LINES = Question.load("find_order_lines", LineRow)
RETURNS = Question.load("find_order_returns", ReturnRow)


@dataclass(frozen=True)
class PostgresOrderRepository(OrderRepository):
    """Reads orders under the row policies, and customers through the view that masks them."""

    sessions: PrincipalSessions

    async def find_order(self, principal: Principal, stores: Sequence[UUID], order_number: int) -> Sequence[Order]:
        parameters = {"stores": list(stores), "order_number": order_number}
        answers = await self.sessions.ask(principal, parameters, ORDERS, LINES, RETURNS)
        # A store has one order of a number at most.
        return [_order(row, answers[LINES], answers[RETURNS]) for row in answers[ORDERS]]


def _order(row: OrderRow, lines: Sequence[LineRow], returns: Sequence[ReturnRow]) -> Order:
    return Order(
        store=row.store,
        order_number=row.order_number,
        order_date=row.order_date,
        ordered_at=row.ordered_at,
        status=row.status,
        total_amount=row.total_amount,
        customer=_customer(row),
        lines=tuple(_line(line, returns) for line in lines if line.store_id == row.store_id),
    )


def _customer(row: OrderRow) -> Customer | None:
    """None for an anonymous sale."""
    if row.first_name is None or row.last_name is None:
        return None
    return Customer(row.first_name, row.last_name, row.email)


def _line(line: LineRow, returns: Sequence[ReturnRow]) -> OrderLine:
    return OrderLine(
        product=line.product,
        sku=line.sku,
        quantity=line.quantity,
        unit_price=line.unit_price,
        discount_amount=line.discount_amount,
        line_total=line.line_total,
        returns=tuple(
            OrderReturn(back.returned_on, back.quantity, back.refund_amount, back.reason)
            for back in returns
            if (back.store_id, back.line_no) == (line.store_id, line.line_no)
        ),
    )
