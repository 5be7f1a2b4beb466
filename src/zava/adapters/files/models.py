"""What a row of each kind must be. Field names are those of the columns of a file."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, ClassVar, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from zava.core.imports import Kind

# What lies outside is a misprint, such as the year 0202 or 9999.
FIRST_YEAR, LAST_YEAR = 1900, 2199
MOST_INTEGER = 2**31 - 1

Moments = TypeVar("Moments", date, datetime)


def _day(value: object) -> date:
    """Written as ISO 8601, and nothing else: pydantic would take 20260302 for seconds since 1970."""
    try:
        day = date.fromisoformat(str(value).strip())
    except ValueError:
        raise ValueError("write a date as 2026-03-31") from None
    return _plausible(day)


def _month(value: object) -> date:
    """The first day of a month, or the month alone."""
    text = str(value).strip()
    day = _day(f"{text}-01" if text.count("-") == 1 else text)
    if day.day != 1:
        raise ValueError("write a month as 2026-03, or as its first day")
    return day


def _moment(value: object) -> str:
    """Without an offset it is a moment in the time zone of the business, which only the shop knows."""
    try:
        moment = datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise ValueError("write a moment as 2026-03-31T17:05:00, with or without an offset such as -07:00") from None
    return _plausible(moment).isoformat()


def _plausible(moment: Moments) -> Moments:
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"the year {moment.year} is not between {FIRST_YEAR} and {LAST_YEAR}")
    return moment


NO_NUL = r"^[^\x00]*$"
STATUS = "^(pending|paid|shipped|completed|cancelled)$"
CURRENCY = "^[A-Z]{3}$"

# PostgreSQL's texts cannot hold NUL.
Text = Annotated[str, StringConstraints(strip_whitespace=True, pattern=NO_NUL)]
Name = Annotated[Text, Field(min_length=1, max_length=100)]
Sku = Annotated[Text, Field(min_length=1, max_length=50)]
CustomerNumber = Annotated[Text, Field(max_length=50)]
Email = Annotated[Text, StringConstraints(to_lower=True, max_length=100)]
# Amounts stay texts: PostgreSQL reads every digit of them, and it takes a fifth of the time.
Amount = StringConstraints(strip_whitespace=True, pattern=r"^\d{1,8}(\.\d{1,2}0*)?$")
Percent = StringConstraints(strip_whitespace=True, pattern=r"^(100(\.0+)?|\d{1,2}(\.\d{1,2}0*)?)$")
LargeAmount = StringConstraints(strip_whitespace=True, pattern=r"^\d{1,10}(\.\d{1,2}0*)?$")
Money = Annotated[str, Amount]
Count = Annotated[int, Field(ge=0, le=MOST_INTEGER)]
Positive = Annotated[int, Field(ge=1, le=MOST_INTEGER)]
OrderNumber = Annotated[int, Field(ge=1, le=2**63 - 1)]
Day = Annotated[date, BeforeValidator(_day)]
Month = Annotated[date, BeforeValidator(_month)]
Moment = Annotated[str, BeforeValidator(_moment)]


# What is said where a form is not admitted, and pydantic would show the pattern.
FORMS = {
    Amount.pattern: "is no amount such as 12.50, from 0 to 99999999.99",
    LargeAmount.pattern: "is no amount such as 12.50, from 0 to 9999999999.99",
    Percent.pattern: "is no percentage such as 12.5, from 0 to 100",
    NO_NUL: "has a NUL character in it",
    STATUS: "is none of pending, paid, shipped, completed and cancelled",
    CURRENCY: "is no currency such as USD",
}


class RowModel(BaseModel):
    """A row.

    Attributes:
        clearable: fields whose empty cell says that there is nothing. Any other empty cell says nothing: what the shop
            has stays, or the default holds.
    """

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, hide_input_in_errors=True)

    clearable: ClassVar[frozenset[str]] = frozenset()


class BusinessRow(RowModel):
    """How the business counts its days and its money: one row."""

    time_zone: Name | None = None
    week_starts_on: Annotated[int, Field(ge=1, le=7)] | None = None
    fiscal_year_starts_in: Annotated[int, Field(ge=1, le=12)] | None = None
    currency: Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, pattern=CURRENCY)] | None = None


class StoreRow(RowModel):
    """A store, by its name."""

    clearable = frozenset({"location"})

    name: Name
    location: Annotated[Text, Field(max_length=200)] | None = None
    region: Name
    is_online: bool | None = None
    opened_on: Day


class ProductRow(RowModel):
    """A product, by its SKU."""

    clearable = frozenset({"description"})

    sku: Sku
    name: Annotated[Text, Field(min_length=1, max_length=200)]
    description: Annotated[Text, Field(max_length=20_000)] | None = None
    category: Name
    product_type: Name
    base_price: Money
    cost: Money
    pack_size: Positive | None = None
    supplier_lead_days: Count | None = None
    discontinued: bool | None = None


class CustomerRow(RowModel):
    """A customer of a store, by number, or by e-mail address where there is no number."""

    clearable = frozenset({"first_name", "last_name"})

    store: Name
    customer_number: Annotated[CustomerNumber, Field(min_length=1)] | None = None
    email: Annotated[Email, Field(min_length=1)] | None = None
    first_name: Annotated[Text, Field(max_length=50)] | None = None
    last_name: Annotated[Text, Field(max_length=50)] | None = None

    @model_validator(mode="after")
    def _has_a_key(self) -> Self:
        if self.customer_number is None and self.email is None:
            raise ValueError("a customer needs a customer_number or an email, to be known again")
        return self


class OrderRow(RowModel):
    """A line of an order. What is said of the order stands in each of its lines."""

    clearable = frozenset({"customer_number", "customer_email"})

    store: Name
    order_number: OrderNumber
    ordered_at: Moment
    status: Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, pattern=STATUS)] | None = None
    customer_number: CustomerNumber | None = None
    customer_email: Email | None = None
    line_no: Positive
    sku: Sku
    quantity: Positive
    unit_price: Money
    unit_cost: Money | None = None
    discount_percent: Annotated[str, Percent] | None = None
    discount_amount: Money | None = None


class ReturnRow(RowModel):
    """Goods of a line of an order that came back on a day."""

    clearable = frozenset({"reason"})

    store: Name
    order_number: OrderNumber
    line_no: Positive
    returned_on: Day
    quantity: Positive
    refund_amount: Money
    reason: Annotated[Text, Field(max_length=200)] | None = None


class InventoryRow(RowModel):
    """The stock of a product in a store."""

    store: Name
    sku: Sku
    stock_level: Count
    reorder_level: Count | None = None


class TargetRow(RowModel):
    """What a store means to turn over in a month."""

    store: Name
    month: Month
    revenue_target: Annotated[str, LargeAmount]


MODELS: Mapping[Kind, type[RowModel]] = {
    "business": BusinessRow,
    "stores": StoreRow,
    "products": ProductRow,
    "customers": CustomerRow,
    "orders": OrderRow,
    "returns": ReturnRow,
    "inventory": InventoryRow,
    "targets": TargetRow,
}
