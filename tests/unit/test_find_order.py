"""Which store's order is meant, and what nobody is told of others'."""

from datetime import date
from decimal import Decimal

import pytest

from tests import tiny_shop
from tests.fakes import FakeOrderRepository, FakeStoreDirectory
from tests.tiny_shop import PersonRow, identify
from zava.core.errors import AuthorizationError, NotFoundError, ValidationError
from zava.core.use_cases.find_order import FindOrder, FoundOrder, OrderCandidate


async def find(number: int, store: str | None = None, person: PersonRow = tiny_shop.SEATTLE) -> FoundOrder:
    return await FindOrder(FakeStoreDirectory(), FakeOrderRepository())(person.principal, number, store)


async def test_the_only_order_of_a_number_is_meant() -> None:
    found = await find(2)
    assert found.order
    assert (found.order.store, found.order.order_number, found.order.total_amount) == ("Seattle", 2, Decimal("89.50"))
    assert (found.candidates, found.currency) == ((), "USD")


async def test_its_moment_is_in_the_time_of_the_business() -> None:
    found = await find(2)
    assert found.order
    assert found.order.ordered_at.isoformat() == "2026-03-31T12:00:00-07:00"


async def test_when_several_stores_have_it_they_are_listed_the_latest_first() -> None:
    found = await find(1, person=tiny_shop.HEAD_OFFICE)
    assert found.order is None
    assert found.candidates == (
        OrderCandidate("Tacoma", date(2026, 3, 4), Decimal("310.00")),
        OrderCandidate("Bellevue", date(2026, 3, 3), Decimal("20.00")),
        OrderCandidate("Seattle", date(2026, 3, 2), Decimal("40.00")),
    )


@pytest.mark.parametrize("store", ["tacoma", str(identify("Tacoma"))])
async def test_a_store_says_which_of_them_is_meant(store: str) -> None:
    found = await find(1, store, tiny_shop.HEAD_OFFICE)
    assert found.order
    assert found.order.store == "Tacoma"


@pytest.mark.parametrize(
    ("person", "number", "store", "message"),
    [
        (tiny_shop.SEATTLE, 99, None, "There is no order 99 in Seattle."),
        (tiny_shop.TACOMA, 8, None, "There is no order 8 in Tacoma."),  # Seattle has one
        (tiny_shop.REGION, 99, None, "There is no order 99 in your stores."),
        (tiny_shop.HEAD_OFFICE, 8, "Tacoma", "There is no order 8 in Tacoma."),
        (tiny_shop.HEAD_OFFICE, 2**63 - 1, None, "There is no order 9223372036854775807 in your stores."),
    ],
)
async def test_no_order_is_said_in_the_same_words_whoever_else_has_one(
    person: PersonRow, number: int, store: str | None, message: str
) -> None:
    with pytest.raises(NotFoundError) as none:
        await find(number, store, person)
    assert none.value.message == message


async def test_a_store_that_is_not_ones_own_is_refused_whether_it_has_the_order_or_not() -> None:
    for number in (1, 99):
        with pytest.raises(AuthorizationError, match="not among yours"):
            await find(number, "Tacoma")


async def test_who_has_no_store_has_no_orders() -> None:
    with pytest.raises(AuthorizationError, match="No store is assigned"):
        await find(1, person=tiny_shop.STORELESS)


@pytest.mark.parametrize("number", [-1, 0, 2**63])
async def test_a_number_that_no_order_can_have_is_refused(number: int) -> None:
    with pytest.raises(ValidationError) as refused:
        await find(number)
    assert refused.value.field == "order_number"
