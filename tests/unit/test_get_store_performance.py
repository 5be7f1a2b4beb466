"""Which stores and days a question means, and what the answer holds; over the tiny shop, without a database."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from tests import tiny_shop
from tests.fakes import FakeSalesRepository, FakeStoreDirectory
from tests.tiny_shop import PersonRow, identify
from zava.core.errors import AuthorizationError, NotFoundError, ValidationError
from zava.core.metrics import METRICS
from zava.core.model import DateRange, Directory, PerformanceFigures, Principal, Sales, SliceSales, Store, Totals
from zava.core.periods import Period
from zava.core.ports import StoreDirectory
from zava.core.use_cases.get_store_performance import (
    GetStorePerformance,
    MetricChange,
    Seller,
    StorePerformance,
    StoreScope,
    TargetProgress,
)

# One in the afternoon of 1 April in Seattle.
NOW = datetime(2026, 4, 1, 20, tzinfo=UTC)
TEN_KILOBYTES = "Seattle " * 1_250
NOT_MINE = ["Tacoma", "tacoma ", str(identify("Tacoma"))]
NOBODYS = ["Atlantis", str(identify("Atlantis")), "Seattle, Tacoma", "%", "' OR name = 'Tacoma", "x" * 100]


@dataclass(frozen=True)
class DirectoryElsewhere(StoreDirectory):
    """The tiny shop in another time zone."""

    time_zone: str

    async def stores_of(self, principal: Principal) -> Directory:
        directory = await FakeStoreDirectory().stores_of(principal)
        return replace(directory, business=replace(directory.business, time_zone=self.time_zone))


@dataclass(frozen=True)
class GrowingChain(StoreDirectory):
    """A chain whose first store by name is not its oldest."""

    async def stores_of(self, principal: Principal) -> Directory:
        directory = await FakeStoreDirectory().stores_of(principal)
        days = (date(2025, 6, 1), date(2024, 2, 1), date(2026, 1, 1))
        stores: tuple[Store, ...] = tuple(
            replace(store, opened_on=day) for store, day in zip(directory.stores, days, strict=True)
        )
        return replace(directory, stores=stores)


@dataclass(frozen=True)
class TheseFigures(FakeSalesRepository):
    """The same figures for every question."""

    figures: PerformanceFigures

    async def store_performance(
        self,
        principal: Principal,  # noqa: ARG002
        stores: Sequence[UUID],  # noqa: ARG002
        period: Period,  # noqa: ARG002
    ) -> PerformanceFigures:
        return self.figures


async def ask(
    person: PersonRow = tiny_shop.SEATTLE, store: str | None = None, period: str = "2026-03", *, now: datetime = NOW
) -> StorePerformance:
    use_case = GetStorePerformance(FakeStoreDirectory(), FakeSalesRepository(), lambda: now)
    return await use_case(person.principal, store, period)


def totals(revenue: str = "0", cost: str = "0", orders: int = 0) -> Totals:
    return Totals(Decimal(revenue), Decimal(cost), 0, orders, 0, Decimal(0))


async def told(
    current: Totals,
    previous: Totals,
    *,
    target: str | None = None,
    categories: tuple[SliceSales, ...] = (),
    period: str = "2026-03",
) -> StorePerformance:
    """The answer when these are the figures."""
    sales = TheseFigures(PerformanceFigures(current, previous, Decimal(target) if target else None, (), categories, ()))
    return await GetStorePerformance(FakeStoreDirectory(), sales, lambda: NOW)(
        tiny_shop.SEATTLE.principal, None, period
    )


@pytest.mark.parametrize(
    "store",
    [
        "Seattle",
        "seattle",
        "SEATTLE",
        "  Seattle\n",
        str(identify("Seattle")),
        str(identify("Seattle")).upper(),
        f" {identify('Seattle')} ",
    ],
)
@pytest.mark.parametrize("person", [tiny_shop.SEATTLE, tiny_shop.REGION, tiny_shop.HEAD_OFFICE])
async def test_a_store_is_found_by_name_in_any_case_and_by_id(person: PersonRow, store: str) -> None:
    performance = await ask(person, store)
    assert performance.store == StoreScope("Seattle", ("Seattle",))
    assert performance.metrics["revenue"].value == Decimal("145.49")


@pytest.mark.parametrize(
    ("person", "stores", "revenue"),
    [
        (tiny_shop.SEATTLE, ("Seattle",), "145.49"),
        (tiny_shop.REGION, ("Bellevue", "Seattle"), "165.49"),
        (tiny_shop.HEAD_OFFICE, ("Bellevue", "Seattle", "Tacoma"), "475.49"),
    ],
)
async def test_without_a_name_all_stores_of_the_principal_count_together(
    person: PersonRow, stores: tuple[str, ...], revenue: str
) -> None:
    performance = await ask(person)
    assert performance.store == StoreScope("All my stores" if len(stores) > 1 else stores[0], stores)
    assert performance.metrics["revenue"].value == Decimal(revenue)


@pytest.mark.parametrize("person", [tiny_shop.SEATTLE, tiny_shop.REGION, tiny_shop.STORELESS])
@pytest.mark.parametrize("period", ["2026-03", "no period at all"])
async def test_a_store_that_is_not_mine_cannot_be_told_from_one_that_does_not_exist(
    person: PersonRow, period: str
) -> None:
    answers = set()
    for store in NOT_MINE + NOBODYS:
        with pytest.raises(AuthorizationError) as refused:
            await ask(person, store, period)
        answers.add((type(refused.value), refused.value.message, refused.value.code, refused.value.retryable))
    ((error, message, _, _),) = answers
    assert error is AuthorizationError
    assert "Tacoma" not in message


@pytest.mark.parametrize(
    ("person", "offered"),
    [(tiny_shop.SEATTLE, "Seattle."), (tiny_shop.REGION, "Bellevue, Seattle."), (tiny_shop.STORELESS, "none.")],
)
async def test_a_refusal_names_the_stores_one_may_ask_for(person: PersonRow, offered: str) -> None:
    with pytest.raises(AuthorizationError, match=f"You may ask for: {offered}$"):
        await ask(person, "Tacoma")


@pytest.mark.parametrize("store", NOBODYS)
async def test_head_office_is_told_that_there_is_no_such_store(store: str) -> None:
    with pytest.raises(NotFoundError, match=r"no such store\. The stores are: Bellevue, Seattle, Tacoma\.$"):
        await ask(tiny_shop.HEAD_OFFICE, store)


async def test_who_has_no_store_cannot_ask_for_all_of_them() -> None:
    with pytest.raises(AuthorizationError, match="Ask your administrator"):
        await ask(tiny_shop.STORELESS)


@pytest.mark.parametrize("principal", [tiny_shop.DISABLED.principal, tiny_shop.STRANGER])
async def test_who_is_not_known_is_refused(principal: Principal) -> None:
    use_case = GetStorePerformance(FakeStoreDirectory(), FakeSalesRepository(), lambda: NOW)
    with pytest.raises(AuthorizationError, match="not known"):
        await use_case(principal, "Seattle", "2026-03")


@pytest.mark.parametrize("person", [tiny_shop.SEATTLE, tiny_shop.HEAD_OFFICE, tiny_shop.STORELESS])
@pytest.mark.parametrize("store", ["", "   ", "\n", "x" * 101, TEN_KILOBYTES], ids=len)
async def test_a_store_name_that_is_empty_or_endless_is_refused(person: PersonRow, store: str) -> None:
    with pytest.raises(ValidationError, match="write a store's name or id, or leave it out") as refused:
        await ask(person, store)
    assert refused.value.field == "store"
    assert len(str(refused.value.value)) <= 100


async def test_a_period_that_means_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="write one of today, yesterday"):
        await ask(period="someday")


@pytest.mark.parametrize(
    ("time_zone", "now", "today"),
    [
        # Already tomorrow in UTC, still today in Seattle.
        ("America/Los_Angeles", datetime(2026, 4, 1, 5, tzinfo=UTC), date(2026, 3, 31)),
        ("America/Los_Angeles", datetime(2026, 4, 1, 8, tzinfo=UTC), date(2026, 4, 1)),
        # Still today in UTC, already tomorrow in Auckland.
        ("Pacific/Auckland", datetime(2026, 3, 31, 20, tzinfo=UTC), date(2026, 4, 1)),
        ("UTC", datetime(2026, 3, 31, 23, 59, tzinfo=UTC), date(2026, 3, 31)),
    ],
)
async def test_the_time_zone_of_the_business_decides_which_day_it_is(
    time_zone: str, now: datetime, today: date
) -> None:
    use_case = GetStorePerformance(DirectoryElsewhere(time_zone), FakeSalesRepository(), lambda: now)
    period = (await use_case(tiny_shop.SEATTLE.principal, None, "today")).period
    assert (period.first_day, period.last_day, period.time_zone) == (today, today, time_zone)


async def test_the_answer_says_which_days_it_covers_and_compares() -> None:
    period = (await ask(period="this_month", now=datetime(2026, 3, 15, 20, tzinfo=UTC))).period
    assert period.name == "this_month"
    assert (period.first_day, period.last_day) == (date(2026, 3, 1), date(2026, 3, 15))
    assert period.ends_on == date(2026, 3, 31)
    assert period.compared_with == DateRange(date(2026, 2, 1), date(2026, 2, 15))


@pytest.mark.parametrize(("store", "first_day"), [(None, date(2024, 2, 1)), ("Tacoma", date(2026, 1, 1))])
async def test_all_time_begins_when_the_oldest_of_the_stores_opened(store: str | None, first_day: date) -> None:
    use_case = GetStorePerformance(GrowingChain(), FakeSalesRepository(), lambda: NOW)
    performance = await use_case(tiny_shop.HEAD_OFFICE.principal, store, "all_time")
    assert performance.period.first_day == first_day


async def test_all_time_compares_with_nothing() -> None:
    moved = SliceSales("Paint", Sales(Decimal(9), Decimal(9), 1), Sales(Decimal(1), Decimal(0), 1), Decimal(0))
    performance = await told(totals("100", "60", 4), totals("50", "20", 2), categories=(moved,), period="all_time")
    assert performance.period.compared_with is None
    assert {(change.previous, change.change, change.change_percent) for change in performance.metrics.values()} == {
        (None, None, None)
    }
    assert performance.insights == ()


async def test_every_metric_is_told_with_its_value_now_and_before() -> None:
    performance = await ask()
    assert {name: (str(change.value), str(change.previous)) for name, change in performance.metrics.items()} == {
        "revenue": ("145.49", "73.00"),
        "returned_amount": ("19.00", "0"),
        "net_revenue": ("126.49", "73.00"),
        "units": ("7", "5"),
        "orders": ("3", "2"),
        "average_order_value": ("48.50", "36.50"),
        "gross_margin": ("48.23", "29.00"),
        "gross_margin_percent": ("33.2", "39.7"),
        "customers": ("2", "2"),
    }


@pytest.mark.parametrize(
    ("current", "previous", "change", "change_percent"),
    [
        (totals("150.00"), totals("100.00"), "50.00", "50.0"),
        (totals("50.00"), totals("100.00"), "-50.00", "-50.0"),
        (totals("100.00"), totals("100.00"), "0.00", "0.0"),
        (totals("100.00"), totals("0"), "100.00", None),
    ],
)
async def test_a_change_is_told_as_an_amount_and_in_percent_of_what_was(
    current: Totals, previous: Totals, change: str, change_percent: str | None
) -> None:
    assert (await told(current, previous)).metrics["revenue"] == MetricChange(
        value=current.revenue,
        previous=previous.revenue,
        change=Decimal(change),
        change_percent=Decimal(change_percent) if change_percent else None,
        unit="money",
        currency="USD",
    )


async def test_a_loss_that_becomes_a_gain_is_a_rise() -> None:
    change = (await told(totals("150", "100"), totals("100", "200"))).metrics["gross_margin"]
    assert (change.previous, change.change, change.change_percent) == (Decimal(-100), Decimal(150), Decimal("150.0"))


async def test_two_percentages_differ_by_points_and_not_in_percent() -> None:
    change = (await told(totals("100", "60"), totals("100", "75"))).metrics["gross_margin_percent"]
    assert (change.value, change.previous, change.change) == (Decimal("40.0"), Decimal("25.0"), Decimal("15.0"))
    assert change.change_percent is None


async def test_a_figure_without_meaning_before_has_no_change() -> None:
    change = (await told(totals("100", orders=4), totals())).metrics["average_order_value"]
    assert (change.value, change.previous, change.change) == (Decimal("25.00"), None, None)


async def test_money_has_the_currency_of_the_business_and_the_rest_has_none() -> None:
    metrics = (await ask()).metrics
    for name, metric in METRICS.items():
        assert metrics[name].unit == metric.unit
        assert metrics[name].currency == ("USD" if metric.unit == "money" else None)


@pytest.mark.parametrize(
    ("now", "reached", "gone"),
    [
        (NOW, "72.7", "100.0"),
        (datetime(2026, 3, 15, 20, tzinfo=UTC), "20.0", "48.4"),
        (datetime(2026, 3, 1, 20, tzinfo=UTC), "0.0", "3.2"),
    ],
)
async def test_a_target_shows_how_much_of_it_and_of_its_days_is_done(now: datetime, reached: str, gone: str) -> None:
    assert (await ask(now=now)).target == TargetProgress(Decimal("200.00"), Decimal(reached), Decimal(gone))


async def test_stores_without_a_target_have_no_progress() -> None:
    assert (await ask(tiny_shop.REGION)).target is None


async def test_a_target_of_nothing_has_no_share_that_is_reached() -> None:
    assert (await told(totals("10"), totals(), target="0.00")).target == TargetProgress(
        Decimal("0.00"), None, Decimal("100.0")
    )


async def test_best_sellers_are_told_with_what_they_brought() -> None:
    performance = await ask()
    assert performance.top_products[0] == Seller("Wall paint", Decimal("81.00"), Decimal(0), 3, Decimal("25.9"))
    assert performance.top_categories == (
        Seller("Paint", Decimal("89.50"), Decimal("16.00"), 4, Decimal("28.2")),
        Seller("Hand tools", Decimal("55.99"), Decimal("57.00"), 3, Decimal("41.0")),
    )


async def test_five_categories_are_enough_but_the_findings_look_at_all() -> None:
    def category(number: int, revenue: int) -> SliceSales:
        nothing = Sales(Decimal(0), Decimal(0), 0)
        return SliceSales(f"Category {number}", Sales(Decimal(revenue), Decimal(0), 1), nothing, Decimal(0))

    gone = SliceSales("Gone", Sales(Decimal(0), Decimal(0), 0), Sales(Decimal(999), Decimal(0), 1), Decimal(0))
    categories = (*(category(number, 70 - number) for number in range(6)), gone)
    performance = await told(totals("405"), totals("999"), categories=categories)
    assert [seller.name for seller in performance.top_categories] == [f"Category {number}" for number in range(5)]
    assert performance.insights[0].text.startswith("Gone moved most: -999.00 USD")


@pytest.mark.parametrize(("period", "told"), [("2026-03-01..2026-03-01", True), ("2026-02-28..2026-02-28", False)])
async def test_stock_as_of_today_is_told_of_periods_that_ended_within_a_month(period: str, *, told: bool) -> None:
    assert ("stock" in [insight.kind for insight in (await ask(period=period)).insights]) == told


async def test_findings_belong_to_the_answer() -> None:
    assert [insight.kind for insight in (await ask()).insights] == [
        "biggest_change",
        "margin",
        "margin",
        "returns",
        "stock",
    ]
