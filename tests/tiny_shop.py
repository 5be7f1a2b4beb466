"""A chain small enough to check by hand: three stores, four products, eighteen orders, six people who may ask."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID, uuid5

from zava.core.model import OrderStatus, Principal

SPACE = UUID("6f0b7c1e-5a55-4f5e-9a43-000000000000")


def identify(name: str) -> UUID:
    return uuid5(SPACE, name)


@dataclass(frozen=True)
class StoreRow:
    name: str
    region: str
    opened_on: date = date(2025, 1, 1)

    @property
    def store_id(self) -> UUID:
        return identify(self.name)


@dataclass(frozen=True)
class ProductRow:
    name: str
    category: str
    lead_days: int = 7
    description: str = ""
    cost: Decimal = Decimal(1)
    pack_size: int = 1

    @property
    def product_id(self) -> UUID:
        return identify(self.name)


@dataclass(frozen=True)
class LineRow:
    product: str
    quantity: int
    unit_price: Decimal
    unit_cost: Decimal
    discount: Decimal = Decimal(0)

    @property
    def total(self) -> Decimal:
        return self.quantity * self.unit_price - self.discount


@dataclass(frozen=True)
class OrderRow:
    store: str
    number: int
    customer: str | None
    day: date
    lines: tuple[LineRow, ...]
    status: OrderStatus = "completed"

    @property
    def order_id(self) -> UUID:
        return identify(f"{self.store} {self.number}")


@dataclass(frozen=True)
class ReturnRow:
    store: str
    order_number: int
    line_no: int
    day: date
    quantity: int
    refund: Decimal
    reason: str = ""


@dataclass(frozen=True)
class PersonRow:
    """Someone who may ask."""

    name: str
    role: str
    stores: tuple[str, ...] = ()
    grants: tuple[str, ...] = ()
    disabled: bool = False

    @property
    def principal(self) -> Principal:
        return Principal(identify(self.name), self.name)


def line(product: str, quantity: int, price: str, cost: str, discount: str = "0") -> LineRow:
    return LineRow(product, quantity, Decimal(price), Decimal(cost), Decimal(discount))


STORES = (
    StoreRow("Bellevue", "Puget Sound"),
    StoreRow("Seattle", "Puget Sound"),
    StoreRow("Tacoma", "South Sound"),
)

PRODUCTS = (
    ProductRow("Claw hammer", "Hand tools", description="Drives a nail into wood."),
    ProductRow("Wood chisel", "Hand tools"),
    ProductRow("Wall paint", "Paint", lead_days=14, cost=Decimal("20.50"), pack_size=4),
    ProductRow("Paint roller", "Paint"),
)

ORDERS = (
    # March 2026, the period most tests ask for.
    OrderRow("Seattle", 1, "Ada", date(2026, 3, 2), (line("Claw hammer", 2, "20.00", "12.00"),)),
    OrderRow(
        "Seattle",
        2,
        "Ben",
        date(2026, 3, 31),
        (line("Wall paint", 3, "30.00", "20.00", "9.00"), line("Paint roller", 1, "8.50", "4.25")),
    ),
    OrderRow("Seattle", 3, "Ada", date(2026, 3, 15), (line("Wall paint", 5, "30.00", "20.00"),), "cancelled"),
    OrderRow("Seattle", 4, None, date(2026, 3, 20), (line("Wood chisel", 1, "15.99", "9.01"),), "pending"),
    OrderRow("Bellevue", 1, "Ada", date(2026, 3, 3), (line("Claw hammer", 1, "20.00", "12.00"),)),
    OrderRow("Tacoma", 1, "Cy", date(2026, 3, 4), (line("Wall paint", 10, "31.00", "20.00"),)),
    # February, with which it is compared.
    OrderRow("Seattle", 5, "Ada", date(2026, 2, 1), (line("Claw hammer", 3, "19.00", "12.00"),)),
    OrderRow("Seattle", 6, "Ben", date(2026, 2, 28), (line("Paint roller", 2, "8.00", "4.00"),)),
    OrderRow("Tacoma", 2, "Cy", date(2026, 2, 14), (line("Wall paint", 4, "30.00", "20.00"),)),
    # Days that belong to neither.
    OrderRow("Seattle", 7, "Ada", date(2026, 1, 31), (line("Claw hammer", 9, "19.00", "12.00"),)),
    OrderRow("Seattle", 8, "Ada", date(2026, 4, 1), (line("Claw hammer", 7, "20.00", "12.00"),)),
    # The summer of 2025: every store sold something in June and in July.
    OrderRow("Seattle", 9, "Ben", date(2025, 6, 9), (line("Claw hammer", 1, "18.00", "11.00"),)),
    OrderRow("Bellevue", 12, "Ada", date(2025, 6, 16), (line("Wood chisel", 1, "15.00", "9.00"),)),
    OrderRow("Tacoma", 14, "Cy", date(2025, 6, 30), (line("Wall paint", 2, "30.00", "20.00"),)),
    OrderRow("Seattle", 10, "Ben", date(2025, 7, 1), (line("Wood chisel", 2, "15.00", "9.00", "5.00"),)),
    OrderRow("Seattle", 11, None, date(2025, 7, 31), (line("Wood chisel", 1, "15.00", "9.00"),)),
    OrderRow("Bellevue", 13, "Ada", date(2025, 7, 8), (line("Claw hammer", 5, "18.00", "11.00"),)),
    OrderRow("Tacoma", 15, "Cy", date(2025, 7, 12), (line("Wall paint", 1, "30.00", "20.00"),)),
)

RETURNS = (
    ReturnRow("Seattle", 5, 1, date(2026, 3, 1), 1, Decimal("19.00")),
    ReturnRow("Seattle", 2, 1, date(2026, 4, 1), 1, Decimal("27.00"), "Wrong colour"),
    ReturnRow("Tacoma", 2, 1, date(2026, 3, 5), 1, Decimal("30.00")),
)

# By store and first day of the month. Bellevue has none for March.
TARGETS = {
    ("Seattle", date(2026, 2, 1)): Decimal("100.00"),
    ("Seattle", date(2026, 3, 1)): Decimal("200.00"),
    ("Tacoma", date(2026, 3, 1)): Decimal("400.00"),
}

# By store and product.
STOCK = {
    ("Seattle", "Claw hammer"): 1,
    ("Seattle", "Wall paint"): 500,
    ("Seattle", "Paint roller"): 0,
    ("Tacoma", "Wall paint"): 2,
    ("Bellevue", "Wood chisel"): 0,
}

HEAD_OFFICE = PersonRow("Head office", "head_office", grants=("audit:read", "personal"))
REGION = PersonRow("Puget Sound", "regional_manager", ("Seattle", "Bellevue"))
SEATTLE = PersonRow("Seattle manager", "store_manager", ("Seattle",), ("personal",))
TACOMA = PersonRow("Tacoma manager", "store_manager", ("Tacoma",))
STORELESS = PersonRow("New manager", "store_manager")
DISABLED = PersonRow("Former manager", "store_manager", ("Seattle",), disabled=True)
STRANGER = Principal(identify("Stranger"), "Stranger")

PEOPLE = (HEAD_OFFICE, REGION, SEATTLE, TACOMA, STORELESS, DISABLED)
