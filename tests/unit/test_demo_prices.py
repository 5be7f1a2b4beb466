"""What the sample shop pays and asks."""

from itertools import pairwise

import pytest

from zava.demo.catalogue import read_catalogue
from zava.demo.prices import COST_SHARE, price_list


@pytest.mark.parametrize("month", [(2020, 1), (2023, 6), (2026, 11), (2029, 2)])
def test_a_price_is_the_cost_over_its_share_give_or_take_a_fifth(month: tuple[int, int]) -> None:
    for product, price in zip(read_catalogue().products, price_list(month), strict=True):
        assert 0.8 <= price.price * COST_SHARE / price.cost <= 1.2, product.name


def test_costs_rise_by_two_to_six_percent_a_year() -> None:
    for then, now in zip(price_list((2020, 6)), price_list((2026, 6)), strict=True):
        assert 1.015**6 * then.cost - 1 <= now.cost <= 1.065**6 * then.cost + 1


def test_prices_change_in_steps_and_not_in_the_same_month() -> None:
    months = [price_list((2024, month)) for month in range(1, 13)]
    changes = [
        sum(before.cost != after.cost for before, after in zip(earlier, later, strict=True))
        for earlier, later in pairwise(months)
    ]
    products = len(read_catalogue().products)
    assert sum(changes) <= products
    assert max(changes) < products / 4


def test_there_is_no_price_without_sense() -> None:
    for product, price in zip(read_catalogue().products, price_list((2026, 11)), strict=True):
        assert 100 <= price.price <= 80_000, product.name
        assert price.price > price.cost, product.name
