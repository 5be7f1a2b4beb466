"""Which metrics split by which dimensions, what they are compared with, and what is said of nonsense."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests import tiny_shop
from tests.fakes import FakeProductRepository, FakeSalesRepository, FakeStoreDirectory
from tests.tiny_shop import PersonRow
from zava.core.analysis import DIMENSIONS
from zava.core.errors import AuthorizationError, NotFoundError, ValidationError, ZavaError
from zava.core.metrics import ANALYSIS_METRICS, METRICS
from zava.core.model import AnalysisFigures, AnalysisQuery, Principal, Slice, Totals
from zava.core.use_cases.analyze_sales import SUMS, ZERO, AnalyzeSales, SalesAnalysis
from zava.core.use_cases.get_store_performance import GetStorePerformance

# Ten in the evening of 31 March in Seattle.
NOW = datetime(2026, 4, 1, 5, tzinfo=UTC)


async def analyze(
    metrics: Sequence[str] = ("revenue",),
    *group_by: str,
    period: str = "2026-03",
    person: PersonRow = tiny_shop.SEATTLE,
    **others: Any,  # noqa: ANN401 - whatever the use case takes
) -> SalesAnalysis:
    use_case = AnalyzeSales(FakeStoreDirectory(), FakeSalesRepository(), FakeProductRepository(), lambda: NOW)
    return await use_case(person.principal, metrics, group_by=group_by, period=period, **others)


def by_name(result: SalesAnalysis) -> list[dict[str, Any]]:
    names = [column.name for column in result.columns]
    return [dict(zip(names, row, strict=True)) for row in result.rows]


@pytest.mark.parametrize("person", [tiny_shop.SEATTLE, tiny_shop.REGION, tiny_shop.HEAD_OFFICE])
async def test_without_dimensions_it_says_what_store_performance_says(person: PersonRow) -> None:
    performance = await GetStorePerformance(FakeStoreDirectory(), FakeSalesRepository(), lambda: NOW)(
        person.principal, None, "2026-03"
    )
    for start in (0, 6):
        names = list(METRICS)[start : start + 6]
        (row,) = by_name(await analyze(names, person=person, compare_to="previous_period"))
        for name in names:
            assert row[name] == performance.metrics[name].value
            assert row[f"{name}_previous"] == performance.metrics[name].previous


async def test_parts_of_an_additive_metric_make_up_the_whole() -> None:
    for name in (name for name, metric in ANALYSIS_METRICS.items() if metric.additive):
        result = await analyze([name], "store", person=tiny_shop.HEAD_OFFICE, totals=True)
        assert result.totals is not None
        assert sum(row[name] for row in by_name(result)) == result.totals[name]
        shares = [row[f"{name}_share_percent"] for row in by_name(result)]
        assert result.totals[name] == 0 or abs(sum(shares) - 100) <= Decimal("0.5")


async def test_what_does_not_add_up_has_no_share() -> None:
    result = await analyze(["customers"], "product", totals=True)
    assert [column.name for column in result.columns] == ["product", "customers"]


async def test_a_running_period_ends_today() -> None:
    result = await analyze(period="this_month")
    assert (result.period.first_day, result.period.last_day) == (date(2026, 3, 1), date(2026, 3, 31))


@pytest.mark.parametrize(
    ("compare_to", "period", "days"),
    [
        ("previous_period", "2026-03", (date(2026, 2, 1), date(2026, 2, 28))),
        ("previous_year", "2026-03", (date(2025, 3, 1), date(2025, 3, 31))),
        ("previous_year", "2026-02-28..2026-03-01", (date(2025, 2, 28), date(2025, 3, 1))),
        ("previous_year_weekdays", "2026-03", (date(2025, 3, 2), date(2025, 4, 1))),
    ],
)
async def test_what_is_compared_with(compare_to: str, period: str, days: tuple[date, date]) -> None:
    compared = (await analyze(period=period, compare_to=compare_to)).compared_with
    assert compared
    assert (compared.first_day, compared.last_day) == days


async def test_percentages_change_by_points() -> None:
    (row,) = by_name(await analyze(["gross_margin_percent"], compare_to="previous_period"))
    assert row["gross_margin_percent_change_points"] == Decimal("33.2") - row["gross_margin_percent_previous"]


async def test_slices_of_time_stand_beside_their_counterparts() -> None:
    rows = by_name(await analyze(["revenue"], "day", compare_to="previous_period"))
    assert [(row["day"], row["revenue"], row["revenue_previous"]) for row in rows] == [
        (date(2026, 3, 1), 0, 57),
        (date(2026, 3, 2), 40, 0),
        (date(2026, 3, 20), Decimal("15.99"), 0),
        (date(2026, 3, 28), 0, 16),
        (date(2026, 3, 31), Decimal("89.50"), 0),
    ]


@pytest.mark.parametrize("order", [(28, 29), (29, 28)])
async def test_the_29th_of_february_stands_beside_no_other_day(order: tuple[int, int]) -> None:
    class LeapYear(FakeSalesRepository):
        async def analyze(self, principal: Principal, query: AnalysisQuery) -> AnalysisFigures:
            figures = await super().analyze(principal, replace(query, dimensions=()))
            if query.days.first_day.year != 2024:
                return replace(figures, slices=())
            days = [Slice((date(2024, 2, day),), replace(ZERO, revenue=Decimal(day))) for day in order]
            return replace(figures, slices=tuple(days))

    use_case = AnalyzeSales(FakeStoreDirectory(), LeapYear(), FakeProductRepository(), lambda: NOW)
    result = await use_case(
        tiny_shop.SEATTLE.principal, ["revenue"], group_by=["day"], period="2025-Q1", compare_to="previous_year"
    )
    assert [(row["day"], row["revenue_previous"]) for row in by_name(result)] == [(date(2025, 2, 28), 28)]


@pytest.mark.parametrize(
    ("compare_to", "dimension"),
    [
        ("previous_period", "month"),
        ("previous_period", "week"),
        ("previous_year", "week"),
        ("previous_year_weekdays", "month"),
    ],
)
async def test_slices_of_time_without_a_counterpart_are_refused(compare_to: str, dimension: str) -> None:
    with pytest.raises(ValidationError, match=f"a {dimension} has no counterpart there; group by"):
        await analyze(["revenue"], dimension, compare_to=compare_to)


async def test_the_greatest_comes_first_and_time_runs_on() -> None:
    assert [row["product"] for row in by_name(await analyze(["revenue"], "product"))] == [
        "Wall paint",
        "Claw hammer",
        "Wood chisel",
        "Paint roller",
    ]
    for dimension in ("day", "weekday", "week"):
        times = [row[dimension] for row in by_name(await analyze(["revenue"], dimension, period="2026-Q1"))]
        assert times == sorted(times)


async def test_any_column_may_order_the_rows_and_a_limit_cuts_them() -> None:
    result = await analyze(["revenue", "units"], "product", order_by="units asc", limit=2)
    assert [row["units"] for row in by_name(result)] == [1, 1]
    assert (result.row_count, result.slices) == (2, 4)
    with pytest.raises(ValidationError, match="name one of product, revenue, and desc or asc"):
        await analyze(["revenue"], "product", order_by="store")


class Whole(FakeSalesRepository):
    """Answers all slices, whichever are wanted."""

    async def analyze(self, principal: Principal, query: AnalysisQuery) -> AnalysisFigures:
        return await super().analyze(principal, replace(query, ranking=None))


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
async def test_rows_are_the_same_whether_the_first_slices_are_asked_for_or_all(limit: int) -> None:
    for dimensions, names in (
        (("store", "month"), ["revenue", "orders", "gross_margin_percent", "customers", "net_revenue"]),
        (("product",), ["units", "average_order_value", "returned_amount"]),
        (("week", "category"), ["discount_amount", "gross_margin"]),
    ):
        columns = [*dimensions, *names]
        for order_by in (None, *columns, *(f"{name} desc" for name in columns)):
            first, whole = [
                await AnalyzeSales(FakeStoreDirectory(), sales, FakeProductRepository(), lambda: NOW)(
                    tiny_shop.HEAD_OFFICE.principal,
                    names,
                    group_by=dimensions,
                    period="2026",
                    order_by=order_by,
                    limit=limit,
                    totals=True,
                )
                for sales in (FakeSalesRepository(), Whole())
            ]
            assert first == whole
            assert first.slices > 2


def test_metrics_that_are_called_like_a_sum_are_that_sum() -> None:
    totals = Totals(Decimal(1), Decimal(2), 3, 4, 5, Decimal(6), Decimal(7), 8, 9, Decimal(10))
    named = SUMS & ANALYSIS_METRICS.keys()
    assert {"revenue", "orders", "customers"} < named
    for name in named:
        assert ANALYSIS_METRICS[name].value(totals) == getattr(totals, name)


class Upside(FakeSalesRepository):
    """Answers in another order."""

    async def analyze(self, principal: Principal, query: AnalysisQuery) -> AnalysisFigures:
        figures = await super().analyze(principal, query)
        return replace(figures, slices=figures.slices[::-1])


@pytest.mark.parametrize("order_by", ["units asc", "units desc", None])
async def test_equal_rows_come_in_the_order_of_their_names_whichever_way_the_others_run(order_by: str | None) -> None:
    for sales in (FakeSalesRepository(), Upside()):
        rows = by_name(
            await AnalyzeSales(FakeStoreDirectory(), sales, FakeProductRepository(), lambda: NOW)(
                tiny_shop.HEAD_OFFICE.principal, ["units"], group_by=["product"], period="2026-03", order_by=order_by
            )
        )
        equal = [row["product"] for row in rows if row["units"] == 1]
        assert len(equal) > 1
        assert equal == sorted(equal)


async def test_days_without_sales_have_a_row_of_zeros() -> None:
    (row,) = by_name(await analyze(["revenue", "orders", "gross_margin_percent"], period="2026-03-04..2026-03-05"))
    assert row == {"revenue": 0, "orders": 0, "gross_margin_percent": None}
    assert (await analyze(["revenue"], "product", period="2026-03-04..2026-03-05")).rows == ()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("profit", r"Zava has no profits after overheads\. Nearest to it: gross_margin and gross_margin_percent"),
        (
            "demand_forecast",
            r"Zava has no demand forecasts\. Nearest to it: the same days a year before, by compare_to",
        ),
        ("promo uplift", r"no promotions\. Nearest to it: discount_amount.*There are: revenue"),
    ],
)
async def test_a_metric_that_is_not_offered_is_answered_with_the_nearest_thing(name: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        await analyze([name])


@pytest.mark.parametrize(
    ("filters", "written"),
    [({"store": ["seattle"]}, 3), ({"category": [" paint "]}, 1), ({"product": ["roller"]}, 1)],
)
async def test_names_in_filters_may_be_written_carelessly(filters: dict[str, list[str]], written: int) -> None:
    (row,) = by_name(await analyze(["orders"], filters=filters))
    assert row["orders"] == written


@pytest.mark.parametrize(
    ("person", "filters", "error", "message"),
    [
        (tiny_shop.SEATTLE, {"store": ["Seattle", "Tacoma"]}, AuthorizationError, "You may ask for: Seattle."),
        (tiny_shop.SEATTLE, {"store": ["Atlantis"]}, AuthorizationError, "You may ask for: Seattle."),
        (tiny_shop.HEAD_OFFICE, {"store": ["Atlantis"]}, NotFoundError, "The stores are: "),
        (tiny_shop.SEATTLE, {"category": ["Hand"]}, NotFoundError, "Did you mean Hand tools?"),
        (tiny_shop.SEATTLE, {"product_type": ["Toys"]}, NotFoundError, "There are: Hand tools, Paint."),
        (tiny_shop.SEATTLE, {"region": ["Atlantis"]}, ValidationError, "There are: Puget Sound."),
        (tiny_shop.SEATTLE, {"product": ["Toys"]}, NotFoundError, "There is no such product."),
        (tiny_shop.SEATTLE, {"weekday": ["Saturday"]}, ValidationError, "There are: 1, 2, 3, 4, 5, 6, 7. 1 is Monday"),
        (tiny_shop.SEATTLE, {"hour": ["24"]}, ValidationError, "Hour of the sale, 0 to 23."),
        (tiny_shop.SEATTLE, {"channel": ["web"]}, ValidationError, "There are: online, shop."),
        (tiny_shop.SEATTLE, {"month": ["2026-03"]}, ValidationError, "First day of the month, such as 2026-03-01."),
        (tiny_shop.SEATTLE, {"quarter": ["Q2"]}, ValidationError, "such as 2026-Q2."),
        (tiny_shop.SEATTLE, {"year": ["26"]}, ValidationError, "'26' is no year."),
    ],
)
async def test_a_value_of_a_filter_that_is_none_does_not_pass_for_one_without_sales(
    person: PersonRow, filters: dict[str, list[str]], error: type[ZavaError], message: str
) -> None:
    with pytest.raises(error) as refused:
        await analyze(filters=filters, person=person)
    assert message in refused.value.message


async def test_filters_say_what_counts() -> None:
    rows = by_name(await analyze(["revenue"], "product", filters={"category": ["Paint"]}))
    assert {row["product"] for row in rows} == {"Wall paint", "Paint roller"}


@pytest.mark.parametrize(
    ("metrics", "group_by", "others", "words"),
    [
        (["revenu"], [], {}, r"there is no 'revenu'\. Did you mean revenue\? There are: revenue, returned_amount"),
        (["revenue"], ["categories"], {}, "Did you mean category"),
        (["revenue"], [], {"filters": {"shop": ["x"]}}, "There are: store, region"),
        ([], [], {}, "name 1 to 8"),
        (["revenue"], ["store", "day", "product", "hour"], {}, "name 0 to 3"),
        (["revenue"], [], {"filters": {"store": []}}, "name 1 to 100 values of store"),
        (["revenue"], [], {"filters": {"store": ["x"] * 101}}, "name 1 to 100 values of store"),
        (["revenue"], [], {"filters": {"store": ["x" * 201]}}, "at most 200 bytes"),
        (["revenue"], [], {"filters": {"store": ["\0"]}}, "NUL"),
        (["net_revenue"], ["hour"], {}, "net_revenue has no hour: returns are known by the day"),
        (["returned_amount"], [], {"filters": {"hour": ["9"]}}, "returned_amount has no hour"),
        (["revenue"], [], {"limit": 0}, "from 1 to 1000"),
        (["revenue"], [], {"limit": 1001}, "from 1 to 1000"),
        (["revenue"], [], {"period": "all_time", "compare_to": "previous_period"}, "has no period before it"),
        (["revenue"], [], {"period": "next_month"}, "period"),
    ],
)
async def test_nonsense_is_refused_in_words_that_help(
    metrics: list[str], group_by: list[str], others: Mapping[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        await analyze(metrics, *group_by, **others)


async def test_who_has_no_store_is_told_so() -> None:
    with pytest.raises(AuthorizationError, match="No store is assigned"):
        await analyze(person=tiny_shop.STORELESS)


def test_every_metric_and_dimension_says_what_it_is() -> None:
    for metric in ANALYSIS_METRICS.values():
        assert metric.definition.endswith(".")
        assert metric.facts
    for dimension in DIMENSIONS.values():
        assert dimension.definition.endswith(".")
        assert dimension.facts


@pytest.mark.parametrize(
    ("filters", "says"),
    [
        ({"region": ["Puget"]}, "no region 'Puget'. There are: Puget Sound"),
        ({"channel": ["web"]}, "There are: online, shop"),
        ({"weekday": ["Monday"]}, "There are: 1, 2, 3, 4, 5, 6, 7"),
    ],
)
async def test_a_value_that_is_none_is_refused_rather_than_answered_with_nothing(
    filters: dict[str, list[str]], says: str
) -> None:
    with pytest.raises(ValidationError, match=re.escape(says)):
        await analyze(filters=filters)


async def test_a_period_before_the_first_store_opened_is_refused() -> None:
    with pytest.raises(ValidationError, match="the first of yours opened on 2025-01-01"):
        await analyze(period="2019")
