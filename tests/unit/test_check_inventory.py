"""What counts as a risk, when stock will be gone, and how much to order: by hand."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests import tiny_shop
from tests.fakes import FakeInventoryRepository, FakeProductRepository, FakeStoreDirectory
from tests.tiny_shop import PersonRow, identify
from zava.core.errors import AuthorizationError, NotFoundError, ValidationError
from zava.core.model import DateRange, InventoryFindings, InventoryQuery, Principal, StockPosition
from zava.core.ports import InventoryRepository
from zava.core.use_cases.check_inventory import CheckInventory, InventoryCheck, ProductAtRisk

# Ten in the evening of 1 April in Seattle.
NOW = datetime(2026, 4, 2, 5, tzinfo=UTC)
POSITION = StockPosition(
    risk="stockout",
    store="Seattle",
    product="Wall paint",
    sku="PAINT",
    stock_level=10,
    units_sold=28,
    units_sold_longer=90,
    lead_days=7,
    pack_size=1,
    cost=Decimal("20.50"),
    discontinued=False,
)


@dataclass
class OnePosition(InventoryRepository):
    """Finds this one, and remembers what it was asked."""

    position: StockPosition = POSITION
    asked: list[InventoryQuery] = field(default_factory=list)

    async def check_inventory(self, principal: Principal, query: InventoryQuery) -> InventoryFindings:  # noqa: ARG002
        self.asked.append(query)
        return InventoryFindings((self.position,), 1, 0, Decimal(0))


async def check(
    repository: InventoryRepository | None = None,
    person: PersonRow = tiny_shop.HEAD_OFFICE,
    **arguments: Any,  # noqa: ANN401
) -> InventoryCheck:
    check_inventory = CheckInventory(
        FakeStoreDirectory(), repository or FakeInventoryRepository(), FakeProductRepository(), lambda: NOW
    )
    return await check_inventory(person.principal, **arguments)


async def judge(**facts: str | int | bool) -> ProductAtRisk:
    """What is said of a position with these facts. It sells one a day, unless told otherwise."""
    (product,) = (await check(OnePosition(replace(POSITION, **facts)))).products  # type: ignore[arg-type]
    return product


async def asked(**arguments: Any) -> InventoryQuery:  # noqa: ANN401
    repository = OnePosition()
    await check(repository, **arguments)
    return repository.asked[0]


async def test_the_most_urgent_comes_first_with_the_totals_of_all() -> None:
    result = await check()
    assert [(one.risk, one.store, one.product) for one in result.products] == [
        ("stockout", "Seattle", "Paint roller"),
        ("stockout", "Bellevue", "Wood chisel"),
        ("stockout", "Tacoma", "Wall paint"),
        ("overstock", "Seattle", "Wall paint"),
    ]
    assert (result.stockouts, result.overstocks, result.overstock_value) == (3, 1, Decimal("10250.00"))
    assert (result.stores, result.currency) == (("Bellevue", "Seattle", "Tacoma"), "USD")


async def test_a_row_carries_the_numbers_behind_it() -> None:
    (row,) = (await check(person=tiny_shop.TACOMA)).products
    # Ten in 28 days: 2 last for 5.6 days. Until a delivery in 14 days and 7 more, 7.5 will sell: 5.5 are missing.
    assert row == ProductAtRisk(
        risk="stockout",
        store="Tacoma",
        product="Wall paint",
        sku="Wall paint",
        stock_level=2,
        units_sold=10,
        units_sold_90_days=14,
        days_of_cover=Decimal("5.6"),
        stockout_on=date(2026, 4, 6),
        lead_days=14,
        pack_size=4,
        suggested_reorder=8,
        stock_value=Decimal("41.00"),
    )


@pytest.mark.parametrize(
    ("stock_level", "units_sold", "lead_days", "pack_size", "reorder"),
    [
        (10, 28, 7, 1, 4),  # 14 days of one a day, less 10
        (10, 28, 7, 6, 6),  # in packs of six
        (10, 28, 20, 6, 18),  # 27 − 10 = 17, three packs
        (14, 28, 7, 1, 0),  # just enough
        (13, 28, 7, 1, 1),
        (15, 28, 7, 12, 0),  # more than enough
        (0, 28, 0, 1, 7),  # a supplier around the corner: safety alone
        (0, 1, 7, 1, 1),  # half a unit is one
        (2, 1, 49, 1, 0),  # two in 56 days, not a thousandth more
        (0, 0, 7, 5, 0),  # what did not sell says nothing of what will
        (0, 28, 7, 14, 14),  # a whole pack
    ],
)
async def test_a_reorder_covers_delivery_and_a_week_less_the_stock_in_whole_packs(
    stock_level: int, units_sold: int, lead_days: int, pack_size: int, reorder: int
) -> None:
    row = await judge(stock_level=stock_level, units_sold=units_sold, lead_days=lead_days, pack_size=pack_size)
    assert row.suggested_reorder == reorder


async def test_what_is_discontinued_is_not_reordered() -> None:
    assert (await judge(discontinued=True)).suggested_reorder == 0


@pytest.mark.parametrize(
    ("stock_level", "units_sold", "cover", "day"),
    [
        (10, 28, "10.0", date(2026, 4, 11)),
        (0, 28, "0.0", date(2026, 4, 1)),
        (0, 0, "0", date(2026, 4, 1)),
        (1, 56, "0.5", date(2026, 4, 1)),
        (3, 56, "1.5", date(2026, 4, 2)),
        (1, 3, "9.3", date(2026, 4, 10)),
    ],
)
async def test_stock_is_gone_when_its_days_of_cover_are(
    stock_level: int, units_sold: int, cover: str, day: date
) -> None:
    row = await judge(stock_level=stock_level, units_sold=units_sold)
    assert (row.days_of_cover, row.stockout_on) == (Decimal(cover), day)


async def test_overstock_has_no_day_on_which_it_ends() -> None:
    dead = await judge(risk="overstock", stock_level=500, units_sold=0)
    assert (dead.days_of_cover, dead.stockout_on, dead.stock_value) == (None, None, Decimal("10250.00"))
    slow = await judge(risk="overstock", stock_level=500, units_sold=28)
    assert (slow.days_of_cover, slow.stockout_on, slow.suggested_reorder) == (Decimal(500), None, 0)


async def test_pace_is_that_of_four_weeks_before_today_and_dead_is_what_slept_for_ninety_days() -> None:
    query = await asked()
    assert query.pace == DateRange(date(2026, 3, 4), date(2026, 3, 31))
    assert query.unsold_since == date(2026, 1, 1)
    assert (query.horizon_days, query.overstock_days, query.max_rows) == (30, 180, 20)
    assert (await check()).today == date(2026, 4, 1)


@pytest.mark.parametrize(("horizon", "overstock"), [(1, 180), (180, 180), (181, 181), (365, 365)])
async def test_what_runs_out_within_the_horizon_is_never_too_much(horizon: int, overstock: int) -> None:
    query = await asked(horizon_days=horizon)
    assert (query.horizon_days, query.overstock_days) == (horizon, overstock)


@pytest.mark.parametrize(
    ("risk", "listed"),
    [("stockout", ["stockout"] * 3), ("overstock", ["overstock"]), ("all", ["stockout"] * 3 + ["overstock"])],
)
async def test_totals_are_of_either_risk_whichever_is_listed(risk: str, listed: list[str]) -> None:
    result = await check(risk=risk)
    assert [one.risk for one in result.products] == listed
    assert (result.stockouts, result.overstocks, result.overstock_value) == (3, 1, Decimal(10250))


async def test_the_stores_of_the_answer_are_those_that_were_asked_for() -> None:
    assert (await asked(store=" tacoma ")).stores == (identify("Tacoma"),)
    assert (await check(store="Tacoma")).stores == ("Tacoma",)
    assert len((await asked()).stores) == 3
    with pytest.raises(AuthorizationError, match="not among yours"):
        await check(person=tiny_shop.SEATTLE, store="Tacoma")
    with pytest.raises(AuthorizationError, match="No store is assigned"):
        await check(person=tiny_shop.STORELESS)


async def test_a_category_is_known_in_any_case_and_a_wrong_one_is_corrected() -> None:
    assert (await asked(category=" hand TOOLS ")).category == "Hand tools"
    with pytest.raises(NotFoundError, match=r"Did you mean Hand tools\?"):
        await check(category="hand tool")


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ({"horizon_days": 0}, "horizon_days"),
        ({"horizon_days": 366}, "horizon_days"),
        ({"max_rows": 0}, "max_rows"),
        ({"max_rows": 101}, "max_rows"),
        ({"category": " "}, "category"),
        ({"store": " "}, "store"),
    ],
)
async def test_what_is_out_of_bounds_is_named(arguments: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValidationError) as refused:
        await check(**arguments)
    assert refused.value.field == wrong
