"""Which products are asked for: by store, month and basket."""

from bisect import bisect
from collections.abc import Iterable
from functools import lru_cache
from itertools import accumulate
from math import fsum

from zava.demo.catalogue import Product, read_catalogue
from zava.demo.chance import fraction
from zava.demo.prices import price_list
from zava.demo.rhythm import FIRST_DAY
from zava.demo.stores import Store

LINES = ((0.44, 1), (0.69, 2), (0.84, 3), (0.925, 4), (0.975, 5), (1.0, 6))
PIECES_PER_LINE = 2  # the power of chance: the higher, the rarer are large quantities


class Choice:
    """Products to choose from, each as likely as its weight."""

    def __init__(self, products: list[Product], weights: Iterable[float]) -> None:
        self.products = products
        self._cumulative = list(accumulate(weights))

    def pick(self, chance: float) -> Product:
        return self.products[bisect(self._cumulative, chance * self._cumulative[-1])]


class Demand:
    """What the customers of one store ask for in one month."""

    def __init__(self, store: Store, month: tuple[int, int]) -> None:
        carried = [product for product in carried_by(store) if product.is_sold(month)]
        self.weights = [_weight(product, store, month) for product in carried]
        self.any = Choice(carried, self.weights)
        self._of_type: dict[int, list[Product]] = {}
        for product in carried:
            self._of_type.setdefault(product.type_number, []).append(product)
        self._companions: dict[int, Choice] = {}

    def companions(self, product: Product) -> Choice:
        """What is put into the same basket."""
        choice = self._companions.get(product.type_number)
        if choice is None:
            related = read_catalogue().types[product.type_number].related
            products = [other for number in related for other in self._of_type.get(number, ())]
            choice = Choice(products, [other.popularity for other in products]) if products else self.any
            self._companions[product.type_number] = choice
        return choice

    def value_of_a_line(self, month: tuple[int, int]) -> float:
        """Expected cents, at list price."""
        prices = price_list(month)
        values = (
            weight * prices[product.number].price * usual_quantity(product.most)
            for product, weight in zip(self.any.products, self.weights, strict=True)
        )
        return fsum(values) / fsum(self.weights)


@lru_cache(maxsize=1024)
def demand_of(store: Store, month: tuple[int, int]) -> Demand:
    return Demand(store, month)


@lru_cache(maxsize=16)
def carried_by(store: Store) -> tuple[Product, ...]:
    """Best sellers are on every shelf, the rest where there is room."""
    return tuple(
        product
        for product in read_catalogue().products
        if product.best_seller or fraction("carried", store.name, product.sku) < store.assortment
    )


@lru_cache(maxsize=64)
def usual_quantity(most: int) -> float:
    """The mean of 1 + int(most * chance ** PIECES_PER_LINE)."""
    return 1 + fsum(1 - (pieces / most) ** (1 / PIECES_PER_LINE) for pieces in range(1, most))


def _weight(product: Product, store: Store, month: tuple[int, int]) -> float:
    season = read_catalogue().categories[product.category_number].months[month[1] - 1]
    trend, local = _tastes(product, store)
    return product.popularity * season * local * trend ** (month[0] - FIRST_DAY.year)


@lru_cache(maxsize=8192)
def _tastes(product: Product, store: Store) -> tuple[float, float]:
    """A product grows or fades by up to a tenth a year; a store has its strong and weak departments."""
    trend = 0.92 + 0.18 * fraction("trend", product.sku)
    local = 0.85 + 0.3 * fraction("local taste", store.name, product.category_number)
    return trend, local
