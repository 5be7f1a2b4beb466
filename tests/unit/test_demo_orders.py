"""A day in the sample shop."""

from collections import Counter
from datetime import UTC, date, datetime
from hashlib import sha256

import pytest

from zava.demo.orders import Order, StoreLife
from zava.demo.rhythm import ORDERS, PEOPLE, REFERENCE_DAY, TIME_ZONE, days, rhythm_of
from zava.demo.stores import BY_NAME, STORES

RHYTHMS = {store.name: rhythm_of(store, 1, REFERENCE_DAY) for store in STORES}


def orders_of(store: str, day: date) -> list[Order]:
    return StoreLife(BY_NAME[store], 20200101, RHYTHMS).orders_of(day)


def local(order: Order) -> datetime:
    return datetime.fromtimestamp(order.moment, UTC).astimezone(TIME_ZONE)


def test_a_day_is_the_same_on_every_machine() -> None:
    text = "\n".join(map(str, [_facts(order) for order in orders_of("Seattle", date(2024, 2, 29))]))
    assert sha256(text.encode()).hexdigest()[:16] == "1de24a77487b31f4"


def _facts(order: Order) -> object:
    lines = [(line.product.sku, line.quantity, line.price, line.discount, line.returned) for line in order.lines]
    return order.order_id, order.moment, order.customer and order.customer.number, order.cancelled, lines


def test_orders_are_in_the_order_of_time() -> None:
    moments = [order.moment for order in orders_of("Online", date(2024, 11, 29))]
    assert len(moments) > 30
    assert moments == sorted(moments)


@pytest.mark.parametrize("day", [date(2024, 3, 10), date(2024, 11, 3), date(2024, 7, 1)])
@pytest.mark.parametrize("store", ["Online", "Bellevue"])
def test_an_order_is_of_its_local_day_also_when_the_clocks_change(store: str, day: date) -> None:
    assert {local(order).date() for order in orders_of(store, day)} == {day}


def test_shops_sell_while_they_are_open_and_online_most_in_the_evening() -> None:
    fortnight = days(date(2025, 5, 1), date(2025, 5, 14))
    shop = Counter(local(order).hour for day in fortnight for order in orders_of("Seattle", day))
    online = Counter(local(order).hour for day in fortnight for order in orders_of("Online", day))
    assert set(shop) <= set(range(7, 21))
    assert sum(online[hour] for hour in range(18, 23)) > sum(online[hour] for hour in range(7, 14))


def test_shops_are_closed_on_thanksgiving_and_christmas() -> None:
    assert orders_of("Tacoma", date(2025, 11, 27)) == []
    assert orders_of("Tacoma", date(2025, 12, 25)) == []
    assert orders_of("Online", date(2025, 12, 25)) != []


def test_a_product_is_once_in_a_basket_and_lines_add_up() -> None:
    for order in orders_of("Seattle", date(2025, 6, 14)):
        assert len({line.product.sku for line in order.lines}) == len(order.lines)
        for line in order.lines:
            assert line.total == line.quantity * line.price.price - line.discount
            assert line.returned is None or line.returned.refund <= line.total


def test_a_product_that_is_discontinued_is_no_longer_sold() -> None:
    fortnight = days(date(2025, 5, 1), date(2025, 5, 14))
    sold = {line.product.sku for day in fortnight for order in orders_of("Online", day) for line in order.lines}
    assert "HND-SAWS-004" not in sold


def test_by_the_reference_day_the_shop_has_its_size() -> None:
    end = (REFERENCE_DAY - date(2020, 1, 1)).days + 1
    assert sum(sum(rhythm.orders[:end]) for rhythm in RHYTHMS.values()) == pytest.approx(ORDERS)
    assert sum(rhythm.people[end] for rhythm in RHYTHMS.values()) == pytest.approx(PEOPLE)


def test_what_is_expected_of_a_day_does_not_depend_on_how_far_one_looks() -> None:
    near, far = RHYTHMS["Everett"], rhythm_of(BY_NAME["Everett"], 1, date(2031, 1, 1))
    assert far.orders[: len(near.orders)] == near.orders
    assert far.people[: len(near.people)] == near.people
