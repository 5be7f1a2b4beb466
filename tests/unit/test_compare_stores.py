"""Stores side by side: who is ahead, what is alike, what stands out, and what a single store may know of the chain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests import tiny_shop
from tests.fakes import AS_OF, BUSINESS, FakeProductRepository, FakeSalesRepository, FakeStoreDirectory
from tests.tiny_shop import PersonRow, identify
from zava.core.errors import AuthorizationError, ValidationError
from zava.core.metrics import ANALYSIS_METRICS, CHAIN_METRICS
from zava.core.model import (
    AnalysisFigures,
    AnalysisQuery,
    Directory,
    Principal,
    Slice,
    Store,
    Totals,
)
from zava.core.ports import StoreDirectory
from zava.core.use_cases.analyze_sales import AnalyzeSales
from zava.core.use_cases.compare_stores import CompareStores, StoreComparison

# Ten in the evening of 31 March in Seattle.
NOW = datetime(2026, 4, 1, 5, tzinfo=UTC)
SOMEBODY = Principal(identify("Somebody"), "Somebody")
FEBRUARY, MARCH = date(2026, 2, 1), date(2026, 3, 1)


async def compare(
    metrics: Sequence[str] = ("revenue",),
    period: str = "2026-03",
    person: PersonRow = tiny_shop.HEAD_OFFICE,
    *,
    quartiles: bool = True,
    least_shops: int = 3,
) -> StoreComparison:
    use_case = CompareStores(
        FakeStoreDirectory(), FakeSalesRepository(), lambda: NOW, quartiles=quartiles, least_shops=least_shops
    )
    return await use_case(person.principal, period, metrics)


@dataclass(frozen=True)
class Chain(StoreDirectory):
    """Some stores that one person sees, with their revenue in March and February."""

    revenue: Mapping[str, tuple[int, int]]
    opened_on: Mapping[str, date] = field(default_factory=dict)
    online: str | None = None

    async def stores_of(self, principal: Principal) -> Directory:  # noqa: ARG002
        stores = [
            Store(identify(name), name, "", self.opened_on.get(name, date(2020, 1, 1)), is_online=name == self.online)
            for name in self.revenue
        ]
        return Directory(tuple(stores), sees_all_stores=True, reads_audit=False, business=BUSINESS)

    async def compare(self, metric: str = "revenue") -> StoreComparison:
        sales = SalesOf(self.revenue)
        use_case = CompareStores(self, sales, lambda: NOW, quartiles=True, least_shops=3)
        return await use_case(SOMEBODY, "2026-03", [metric])


@dataclass(frozen=True)
class SalesOf(FakeSalesRepository):
    """Revenue and nothing else; where there is none, no slice."""

    revenue: Mapping[str, tuple[int, int]]

    async def analyze(self, principal: Principal, query: AnalysisQuery) -> AnalysisFigures:  # noqa: ARG002
        wanted = dict(query.filters).get("store", tuple(self.revenue))
        month = 0 if query.days.first_day >= MARCH else 1
        sold = {name: figures[month] for name, figures in self.revenue.items() if name in wanted and figures[month]}
        slices = [Slice((name,), revenue_of(figure)) for name, figure in sold.items()]
        if sold and not query.dimensions:
            slices = [Slice((), revenue_of(sum(sold.values())))]
        return AnalysisFigures(tuple(slices), len(slices), AS_OF, (), 0)


def revenue_of(figure: int) -> Totals:
    return Totals(Decimal(figure), Decimal(0), 0, 1, 0, Decimal(0))


def by_store(result: StoreComparison) -> dict[str, dict[str, Any]]:
    names = [column.name for column in result.columns]
    return {str(row[0]): dict(zip(names, row, strict=True)) for row in result.rows}


async def test_stores_are_ranked_by_the_first_metric_the_highest_first() -> None:
    result = await compare(["revenue", "units", "average_order_value"])
    assert [row[0] for row in result.rows] == ["Tacoma", "Seattle", "Bellevue"]
    rows = by_store(result)
    assert [rows[name]["revenue_rank"] for name in ("Tacoma", "Seattle", "Bellevue")] == [1, 2, 3]
    assert [rows[name]["units_rank"] for name in ("Tacoma", "Seattle", "Bellevue")] == [1, 2, 3]
    assert [row[0] for row in (await compare(["gross_margin_percent"])).rows] == ["Bellevue", "Tacoma", "Seattle"]


async def test_the_figures_are_those_of_an_analysis_by_store() -> None:
    analyze = AnalyzeSales(FakeStoreDirectory(), FakeSalesRepository(), FakeProductRepository(), lambda: NOW)
    names = list(ANALYSIS_METRICS)
    for metrics in (names[:8], names[8:]):
        analysis = await analyze(
            tiny_shop.HEAD_OFFICE.principal,
            metrics,
            group_by=["store"],
            period="2026-03",
            compare_to="previous_period",
            totals=True,
        )
        analyzed = [column.name for column in analysis.columns]
        result = await compare(metrics)
        compared = by_store(result)
        assert len(analysis.rows) == len(compared) == 3
        for row in analysis.rows:
            expected = dict(zip(analyzed, row, strict=True))
            assert compared[str(row[0])] | expected == compared[str(row[0])]
        assert analysis.totals is not None
        assert result.totals | analysis.totals == result.totals


async def test_the_same_figure_has_the_same_rank_and_the_next_one_is_skipped() -> None:
    rows = by_store(await Chain({"A": (5, 5), "B": (7, 5), "C": (7, 5), "D": (0, 5)}).compare())
    assert {name: row["revenue_rank"] for name, row in rows.items()} == {"B": 1, "C": 1, "A": 3, "D": 4}


async def test_what_has_no_value_has_no_rank_and_comes_last() -> None:
    result = await compare(["average_order_value"], "2026-02")
    assert [row[0] for row in result.rows] == ["Tacoma", "Seattle", "Bellevue"]
    assert by_store(result)["Bellevue"]["average_order_value_rank"] is None
    result = await Chain({"None": (0, 1), "Less": (-5, 1)}).compare("average_order_value")
    assert [row[0] for row in result.rows] == ["Less", "None"]


async def test_totals_and_shares_are_of_all_stores() -> None:
    result = await compare(["revenue", "customers"])
    assert result.totals["revenue"] == Decimal("475.49")
    assert result.totals["customers"] == 3  # Ada bought in two of them
    shares = [row["revenue_share_percent"] for row in by_store(result).values()]
    assert shares == [Decimal("65.2"), Decimal("30.6"), Decimal("4.2")]
    assert "customers_share_percent" not in [column.name for column in result.columns]


async def test_like_for_like_counts_stores_that_were_open_during_all_of_both_periods() -> None:
    chain = Chain(
        {"Old": (110, 100), "First": (30, 20), "Second": (50, 10), "Later": (9, 0)},
        {"First": FEBRUARY, "Second": date(2026, 2, 2), "Later": date(2026, 3, 9)},
    )
    result = await chain.compare()
    assert result.like_for_like_stores == ("Old", "First")
    assert result.like_for_like == {
        "revenue": 140,
        "revenue_previous": 120,
        "revenue_change_percent": Decimal("16.7"),
    }
    assert result.totals == {"revenue": 199, "revenue_previous": 130, "revenue_change_percent": Decimal("53.1")}
    changes = {name: row["revenue_change_percent"] for name, row in by_store(result).items()}
    assert changes == {"Old": Decimal("10.0"), "Second": None, "First": Decimal("50.0"), "Later": None}
    assert "No change, since not open during all of both periods: Second, Later." in result.notes


async def test_a_store_that_opens_later_is_not_compared() -> None:
    result = await Chain({"Old": (1, 1), "New": (0, 0)}, {"New": date(2026, 4, 1)}).compare()
    assert list(by_store(result)) == ["Old"]
    assert "Not open yet: New." in result.notes


async def test_a_store_that_sold_something_before_it_opened_is_compared_all_the_same() -> None:
    result = await Chain({"Old": (1, 1), "Early": (5, 0)}, {"Early": date(2026, 4, 1)}).compare()
    assert list(by_store(result)) == ["Early", "Old"]
    assert result.totals["revenue"] == 6
    assert result.like_for_like_stores == ("Old",)


async def test_of_all_time_there_is_no_change() -> None:
    result = await compare(period="all_time")
    assert [column.name for column in result.columns] == [
        "store",
        "revenue",
        "revenue_rank",
        "revenue_share_percent",
    ]
    assert (result.like_for_like, result.like_for_like_stores) == ({}, ())
    assert result.period.compared_with is None


async def test_the_online_store_counts_but_has_no_rank_and_is_no_outlier() -> None:
    revenue = {name: (10 + number, 10) for number, name in enumerate("ABCDE")}
    result = await Chain(revenue | {"Online": (900, 10)}, online="Online").compare()
    rows = by_store(result)
    assert list(rows) == ["Online", "E", "D", "C", "B", "A"]
    assert (rows["Online"]["revenue_rank"], rows["E"]["revenue_rank"]) == (None, 1)
    assert rows["Online"]["revenue_share_percent"] == Decimal("93.8")
    assert result.totals["revenue"] == 960
    assert result.outliers == {}
    assert "Online shops have no rank and are never outliers: Online." in result.notes


@pytest.mark.parametrize(
    ("figures", "far"),
    [
        # The median is 12, and half of the shops are within 1 of it: beyond 5 is far.
        ([10, 11, 12, 13, 17], ()),
        ([10, 11, 12, 13, 18], ("E",)),
        ([6, 11, 12, 13, 40], ("A", "E")),
        # Most are the same.
        ([12, 12, 12, 12, 900], ()),
        # Too few to say what is usual.
        ([11, 12, 12, 900], ()),
    ],
)
async def test_an_outlier_is_far_from_the_median_in_terms_of_what_is_usual(
    figures: list[int], far: tuple[str, ...]
) -> None:
    chain = Chain({name: (figure, figure) for name, figure in zip("ABCDE", figures, strict=False)})
    assert (await chain.compare()).outliers == ({"revenue": far} if far else {})


async def test_a_change_can_be_an_outlier_and_who_opened_in_between_is_none() -> None:
    revenue = {"A": (101, 100), "B": (102, 100), "C": (103, 100), "D": (104, 100), "E": (105, 100), "F": (104, 20)}
    assert (await Chain(revenue).compare()).outliers == {"revenue_change_percent": ("F",)}
    assert (await Chain(revenue, {"F": date(2026, 2, 9)}).compare()).outliers == {}
    low = revenue | {"F": (1, 1)}
    assert (await Chain(low).compare()).outliers == {"revenue": ("F",)}
    assert (await Chain(low, {"F": date(2026, 3, 2)}).compare()).outliers == {}


async def test_a_store_manager_learns_the_quarter_of_the_chain_and_no_other_stores_figure() -> None:
    result = await compare(["revenue", "gross_margin_percent"], "2025-07", tiny_shop.SEATTLE)
    assert result.quartiles == {"revenue": 2, "gross_margin_percent": 3}
    assert result.notes == (
        "Your store is in the second quarter of revenue in the chain of 3 shops.",
        "Your store is in the third quarter of gross_margin_percent in the chain of 3 shops.",
    )
    assert [column.name for column in result.columns] == [
        "store",
        "revenue",
        "revenue_previous",
        "revenue_change_percent",
        "gross_margin_percent",
        "gross_margin_percent_previous",
        "gross_margin_percent_change_points",
    ]
    ((store, revenue, previous, *_),) = result.rows
    assert (store, revenue, previous) == ("Seattle", Decimal("40.00"), Decimal("18.00"))
    assert (result.totals, result.like_for_like, result.like_for_like_stores, result.outliers) == ({}, {}, (), {})


@pytest.mark.parametrize(
    "period", ["2025-07-01..2025-07-30", "2026-03", "this_month", "today", "all_time", "2026-03-02..2026-03-08"]
)
async def test_where_no_quarter_can_be_told_it_is_said_when_it_can(period: str) -> None:
    result = await compare(period=period, person=tiny_shop.SEATTLE)
    assert result.quartiles == {}
    (note,) = result.notes
    assert "a whole week, month, fiscal quarter or fiscal year that is over" in note
    assert "at least 3 shops" in note
    assert len(result.rows) == 1


async def test_the_operator_says_among_how_many_shops_and_whether_at_all() -> None:
    few = await compare(period="2025-07", person=tiny_shop.SEATTLE, least_shops=5)
    assert (few.quartiles, "at least 5 shops" in few.notes[0]) == ({}, True)
    off = await compare(period="2025-07", person=tiny_shop.SEATTLE, quartiles=False)
    assert (off.quartiles, off.notes) == ({}, ("Where a store stands in the chain is not told here.",))


async def test_the_online_store_is_not_compared_with_shops() -> None:
    result = await Chain({"Online": (9, 9)}, online="Online").compare()
    assert (result.quartiles, result.notes) == ({}, ("The online store is not compared with shops.",))


async def test_some_metrics_are_not_told_by_quarters_and_that_is_said() -> None:
    result = await compare(["new_customers", "target_progress"], "2025-07", tiny_shop.SEATTLE)
    assert result.quartiles == {}
    (note,) = result.notes
    assert note.startswith("Where your store stands in the chain is told by average_order_value, customers, ")
    assert set(ANALYSIS_METRICS) > CHAIN_METRICS
    assert (await compare(["new_customers", "revenue"], "2025-07", tiny_shop.SEATTLE)).quartiles == {"revenue": 2}


async def test_progress_to_targets_is_compared_in_whole_months() -> None:
    rows = by_store(await compare(["target_progress"]))
    assert {name: row["target_progress"] for name, row in rows.items()} == {
        "Tacoma": Decimal("77.5"),
        "Seattle": Decimal("72.7"),
        "Bellevue": None,
    }
    assert rows["Seattle"]["target_progress_previous"] == Decimal("73.0")
    with pytest.raises(ValidationError, match="targets are for whole months"):
        await compare(["target_progress"], "yesterday")


async def test_several_stores_are_compared_with_each_other_and_not_with_the_chain() -> None:
    result = await compare(period="2025-07", person=tiny_shop.REGION)
    assert list(by_store(result)) == ["Bellevue", "Seattle"]
    assert result.quartiles == {}
    assert result.totals["revenue"] == Decimal("130.00")


@pytest.mark.parametrize(
    ("metrics", "period", "words"),
    [
        (["revenu"], "2026-03", r"there is no 'revenu'\. Did you mean revenue\?"),
        ([], "2026-03", "name 1 to 8"),
        (list(ANALYSIS_METRICS)[:9], "2026-03", "name 1 to 8"),
        (["revenue"], "next_month", "period"),
    ],
)
async def test_nonsense_is_refused_in_words_that_help(metrics: list[str], period: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        await compare(metrics, period)


async def test_who_has_no_store_is_told_so() -> None:
    with pytest.raises(AuthorizationError, match="No store is assigned"):
        await compare(person=tiny_shop.STORELESS)
