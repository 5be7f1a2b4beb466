"""What a product costs and what it sells for, month by month, in cents.

Each product's supplier raises the cost once a year, by its own 2 to 6 %; the price follows within two months.
"""

from dataclasses import dataclass
from functools import lru_cache

from zava.demo.catalogue import Product, read_catalogue
from zava.demo.chance import fraction

COST_SHARE = 0.67  # of the price, on average
_CATALOGUE_YEAR = 2026
_WHOLE_DOLLARS_FROM = 5000
_TEN_CENTS_FROM = 500


@dataclass(frozen=True, slots=True)
class Price:
    cost: int
    price: int


@lru_cache(maxsize=256)
def price_list(month: tuple[int, int]) -> tuple[Price, ...]:
    """The prices of one month, by the numbers of the products."""
    return tuple(policy.price_in(month) for policy in _policies())


@dataclass(frozen=True, slots=True)
class _Policy:
    """How one product's prices move."""

    cost: int
    price: float
    increase: float
    cost_month: int
    price_month: int

    def price_in(self, month: tuple[int, int]) -> Price:
        cost = self.cost * self.increase ** _increases(month, self.cost_month)
        price = self.price * self.increase ** _increases(month, self.price_month)
        return Price(max(1, round(cost)), _as_on_the_tag(price))


@lru_cache(maxsize=1)
def _policies() -> tuple[_Policy, ...]:
    return tuple(_policy(product) for product in read_catalogue().products)


def _policy(product: Product) -> _Policy:
    cost_month = 1 + int(10 * fraction("increase month", product.sku))
    return _Policy(
        cost=product.cost,
        price=product.cost * (0.86 + 0.28 * fraction("markup", product.sku)) / COST_SHARE,
        increase=1.02 + 0.04 * fraction("increase", product.sku),
        cost_month=cost_month,
        price_month=cost_month + int(3 * fraction("price month", product.sku)),
    )


def _increases(month: tuple[int, int], raised_in: int) -> int:
    """Since January of the catalogue's year; before it they are negative."""
    return month[0] - _CATALOGUE_YEAR + (month[1] >= raised_in)


def _as_on_the_tag(price: float) -> int:
    if price >= _WHOLE_DOLLARS_FROM:
        return round(price / 100) * 100 - 1
    if price >= _TEN_CENTS_FROM:
        return round(price / 10) * 10 - 1
    return max(1, round(price))
