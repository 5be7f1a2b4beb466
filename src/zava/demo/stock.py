"""Stock: it falls from delivery to delivery. Now and then a delivery fails, or far too much was ordered."""

from collections.abc import Iterator
from datetime import date
from math import ceil, fsum
from typing import NamedTuple

from zava.demo.catalogue import Product
from zava.demo.chance import fraction
from zava.demo.demand import carried_by, demand_of, usual_quantity
from zava.demo.stores import Store

_LINES_PER_ORDER = 2.0
_OUT_OF_STOCK = 0.05
_OVERSTOCKED = 0.06
_FEWEST_ON_SHELF = 3


class Stock(NamedTuple):
    product: Product
    level: int
    reorder_level: int


def stock_of(seed: int, store: Store, day: date, orders_a_day: float) -> Iterator[Stock]:
    """The stock of every product that the store carries, on this day."""
    month = (day.year, day.month)
    demand = demand_of(store, month)
    weights = dict(zip((product.number for product in demand.any.products), demand.weights, strict=True))
    total = fsum(demand.weights)
    for product in carried_by(store):
        share = weights.get(product.number, 0.0) / total
        units_a_day = orders_a_day * _LINES_PER_ORDER * share * usual_quantity(product.most)
        yield _stock(seed, store, day, product, units_a_day)


def _stock(seed: int, store: Store, day: date, product: Product, units_a_day: float) -> Stock:
    name = (seed, "stock", store.name, product.sku)
    if not product.is_sold((day.year, day.month)):
        return Stock(product, int(4 * fraction(*name, "left over")), 0)
    cycle = product.lead_days + 14 + int(28 * fraction(*name, "cycle"))
    delivery, age = divmod(day.toordinal() + int(cycle * fraction(*name, "phase")), cycle)
    safety = max(_FEWEST_ON_SHELF, units_a_day * (3 + product.lead_days / 4))
    packs = ceil(max(units_a_day * cycle, safety) / product.pack_size) if units_a_day else 1
    delivered = packs * product.pack_size
    reorder_level = ceil(safety + units_a_day * product.lead_days)
    if fraction(*name, "delivery", delivery) < _OUT_OF_STOCK:
        return Stock(product, 0, reorder_level)
    if fraction(*name, "overstock", delivery // 4) < _OVERSTOCKED:
        return Stock(product, round((safety + delivered) * (4 + 6 * fraction(*name, "how much"))), reorder_level)
    return Stock(product, round(safety + delivered * (1 - age / cycle)), reorder_level)
