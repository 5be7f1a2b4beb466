"""Notes down what happens in the shop and has it written, batch by batch."""

from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import psycopg

from zava.demo.batches import Batch, write_batch
from zava.demo.catalogue import read_catalogue
from zava.demo.orders import Order
from zava.demo.people import customer_id, person
from zava.demo.stores import Store

_BATCH = 4000  # orders
_MUCH = 8


@dataclass(frozen=True)
class Window:
    """The stretch of life that is written now: later than `after`, up to `until`, in seconds since 1970."""

    after: int
    until: int
    returned_after: date
    returned_until: date


@dataclass
class Books:
    """Notes down what happened in the window and has it written, batch by batch.

    Attributes:
        order_numbers: the last one given in each store, by name.
    """

    connection: psycopg.Connection[Any]
    clerk: Executor
    seed: int
    window: Window
    order_numbers: dict[str, int]
    people: int = 0
    orders: int = 0
    items: int = 0
    _batch: Batch = field(default_factory=Batch)
    _writing: Future[None] | None = None

    def __post_init__(self) -> None:
        self._product_ids = [str(product.product_id) for product in read_catalogue().products]
        self._before = self._analyzed_at = sum(self.order_numbers.values())

    def enter(self, store: Store, day: date, orders: list[Order]) -> None:
        """Take note of the orders of a day, and of their returns."""
        store_id, date_text = str(store.store_id), day.isoformat()
        for order in orders:
            if self.window.after < order.moment <= self.window.until:
                self._enter_order(store, store_id, date_text, order)
            self._enter_returns(store_id, order)

    def _enter_order(self, store: Store, store_id: str, date_text: str, order: Order) -> None:
        number = self.order_numbers[store.name] = self.order_numbers[store.name] + 1
        moment = str(order.moment)
        total = 0
        for line_no, line in enumerate(order.lines, 1):
            total += line.total
            self._batch.items.append(
                (
                    store_id,
                    order.order_id,
                    str(line_no),
                    date_text,
                    self._product_ids[line.product.number],
                    str(line.quantity),
                    _dollars(line.price.price),
                    _dollars(line.price.cost),
                    str(line.discount_percent),
                    _dollars(line.discount),
                    _dollars(line.total),
                    moment,
                )
            )
        self._batch.orders.append(
            (
                store_id,
                order.order_id,
                str(number),
                self._enter_customer(store, store_id, order),
                moment,
                date_text,
                _dollars(total),
                "cancelled" if order.cancelled else "completed",
            )
        )
        self.orders += 1
        self.items += len(order.lines)

    def _enter_customer(self, store: Store, store_id: str, order: Order) -> str:
        """Their id, and at their first visit a record. Guests are recorded at every visit; the first one stays."""
        customer = order.customer
        if customer is None:
            return "NULL"
        if not customer.is_new and customer.home is store:
            return customer_id(self.seed, store, customer.number)
        known = person(self.seed, customer.home, customer.number)
        self._batch.customers.append((store_id, *known, str(order.moment)))
        self.people += customer.is_new
        return known.customer_id

    def _enter_returns(self, store_id: str, order: Order) -> None:
        window = self.window
        for line_no, line in enumerate(order.lines, 1):
            back = line.returned
            if back is not None and window.returned_after < back.returned_on <= window.returned_until:
                self._batch.returns.append(
                    (
                        store_id,
                        back.return_id,
                        order.order_id,
                        str(line_no),
                        back.returned_on.isoformat(),
                        str(back.quantity),
                        _dollars(back.refund),
                        back.reason,
                    )
                )

    @property
    def mostly_new(self) -> bool:
        return self.orders > self._before

    @property
    def full(self) -> bool:
        return len(self._batch.orders) >= _BATCH

    def write(self) -> None:
        """Hand over the batch once the one before it is written."""
        self.wait()
        # Foreign keys are checked by a plan that stays as it was first made, be the tables empty then.
        total = self._before + self.orders
        growing = total >= _MUCH * self._analyzed_at
        if growing:
            self._analyzed_at = total
        self._writing = self.clerk.submit(write_batch, self.connection, self._batch, analyze=growing)
        self._batch = Batch()

    def wait(self) -> None:
        """Until everything handed over is written."""
        if self._writing:
            self._writing.result()


def _dollars(cents: int) -> str:
    """A quick way to write cents as a decimal number."""
    return f"{cents}e-2"
