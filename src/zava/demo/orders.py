"""The orders of one store on one day. They depend on seed, scale, store and day alone, not on when one asks."""

from bisect import bisect
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import accumulate
from operator import attrgetter
from random import Random
from typing import NamedTuple, TypeVar

from zava.demo.catalogue import Product
from zava.demo.chance import stream, time_ordered_id
from zava.demo.demand import LINES, PIECES_PER_LINE, Demand, demand_of
from zava.demo.prices import Price, price_list
from zava.demo.rhythm import FIRST_DAY, Clock, Rhythm
from zava.demo.stores import BY_NAME, Store

Of = TypeVar("Of")

LONGEST_RETURN = 30  # days after the sale

_ANONYMOUS = 0.04
_GUEST = 0.075
_CANCELLED = 0.02
_COMPANION = 0.6
_DISCOUNTED = 0.15
_DISCOUNTS = ((0.30, 5), (0.65, 10), (0.82, 15), (0.94, 20), (1.0, 25))
_LOYAL_VISITS = 0.5
_LOYAL = 8  # one customer in eight makes half of the repeat visits
_SOONEST_RETURN = 4  # by then every order is completed
_SOONEST_RETURN_ONLINE = 6
_UNIX_DAY = date(1970, 1, 1).toordinal()
_REASONS = (
    (0.30, "No longer needed"),
    (0.50, "Wrong size"),
    (0.64, "Does not fit"),
    (0.76, "Defective"),
    (0.86, "Damaged packaging"),
    (0.94, "Not as described"),
    (1.00, "Wrong color"),
)


class Return(NamedTuple):
    return_id: str
    returned_on: date
    quantity: int
    refund: int
    reason: str


class Line(NamedTuple):
    """Amounts are cents."""

    product: Product
    quantity: int
    price: Price
    discount_percent: int
    discount: int
    total: int
    returned: Return | None


class Customer(NamedTuple):
    home: Store
    number: int
    is_new: bool


class Order(NamedTuple):
    order_id: str
    moment: int
    customer: Customer | None
    cancelled: bool
    lines: list[Line]


@dataclass
class StoreLife:
    """One store, its customers and their orders.

    Attributes:
        rhythms: of every store by name, since people buy in other stores than their own, too.
    """

    store: Store
    seed: int
    rhythms: dict[str, Rhythm]
    _neighbors: list[Store] = field(init=False)
    _neighbor_weights: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self._neighbors = [BY_NAME[name] for name in self.store.neighbors]
        self._neighbor_weights = list(accumulate(neighbor.weight for neighbor in self._neighbors))

    def orders_of(self, day: date) -> list[Order]:
        """The orders of a day in the order of their moments."""
        luck = stream(self.seed, "orders", self.store.name, day)
        chance = luck.random
        number = (day - FIRST_DAY).days
        rhythm = self.rhythms[self.store.name]
        known, joined = int(rhythm.people[number]), int(rhythm.people[number + 1])
        repeat = rhythm.orders[number] - (rhythm.people[number + 1] - rhythm.people[number])
        # Three throws of the weather, and the fraction of an order decided by lot.
        repeats = int(max(0.0, repeat) * (0.7 + 0.2 * (chance() + chance() + chance())) + chance())
        clock = Clock(self.store, day)
        demand, prices = demand_of(self.store, (day.year, day.month)), price_list((day.year, day.month))
        customers: list[Customer | None] = [
            Customer(self.store, person, is_new=True) for person in range(known, joined)
        ]
        customers += [self._returning(luck, number, known) for _ in range(repeats)]
        orders = []
        for customer in customers:
            moment = clock.moment(chance(), chance())
            cancelled = chance() < _CANCELLED
            lines = [_line(chance, product, prices[product.number]) for product in _basket(chance, demand)]
            if not cancelled:
                lines = [self._perhaps_returned(luck, day, line) for line in lines]
            orders.append(Order(time_ordered_id(luck, moment), moment, customer, cancelled, lines))
        orders.sort(key=attrgetter("moment"))
        return orders

    def _returning(self, luck: Random, day: int, known: int) -> Customer | None:
        chance = luck.random
        who = chance()
        home = self.store
        if who < _GUEST:
            weights = self._neighbor_weights
            home = self._neighbors[bisect(weights, chance() * weights[-1])]
            known = int(self.rhythms[home.name].people[day])
        elif who > 1 - _ANONYMOUS and not home.is_online:
            return None
        if not known:
            return None
        # Those who came lately come again sooner.
        person = int(known * (1 - chance() ** 2))
        if chance() < _LOYAL_VISITS:
            person -= person % _LOYAL
        return Customer(home, min(person, known - 1), is_new=False)

    def _perhaps_returned(self, luck: Random, day: date, line: Line) -> Line:
        if luck.random() >= line.product.return_rate:
            return line
        soonest = _SOONEST_RETURN_ONLINE if self.store.is_online else _SOONEST_RETURN
        return line._replace(returned=_return(luck, day, soonest, line))


def _basket(chance: Callable[[], float], demand: Demand) -> list[Product]:
    """One product draws others of its kind of work along."""
    product = demand.any.pick(chance())
    basket = [product]
    for _ in range(_step(LINES, chance()) - 1):
        choice = demand.companions(product) if chance() < _COMPANION else demand.any
        product = choice.pick(chance())
        if product not in basket:
            basket.append(product)
    return basket


def _line(chance: Callable[[], float], product: Product, price: Price) -> Line:
    quantity = 1 + int(product.most * chance() ** PIECES_PER_LINE) if product.most > 1 else 1
    percent = _step(_DISCOUNTS, chance()) if chance() < _DISCOUNTED else 0
    amount = quantity * price.price
    discount = (amount * percent + 50) // 100
    return Line(product, quantity, price, percent, discount, amount - discount, None)


def _return(luck: Random, day: date, soonest: int, line: Line) -> Return:
    days = soonest + int((LONGEST_RETURN + 1 - soonest) * luck.random() ** 2)
    quantity = 1 + int(line.quantity * luck.random())
    refund = (2 * line.total * quantity + line.quantity) // (2 * line.quantity)
    return_id = time_ordered_id(luck, (day.toordinal() + days - _UNIX_DAY) * 86400)
    return Return(return_id, day + timedelta(days), quantity, refund, _step(_REASONS, luck.random()))


def _step(steps: tuple[tuple[float, Of], ...], chance: float) -> Of:
    for limit, value in steps:
        if chance < limit:
            return value
    return steps[-1][1]
