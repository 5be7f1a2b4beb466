"""Which chart an answer becomes, and what its title claims."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from tests import tiny_shop
from tests.charted import (
    FEBRUARY,
    HOSTILE,
    JANUARY,
    MARCH,
    MARCH_2025,
    QUARTER,
    analysis,
    period,
)
from tests.fakes import FakeProductRepository, FakeSalesRepository, FakeStoreDirectory
from tests.tiny_shop import PersonRow
from zava.core.chart_texts import before_words, change_text, days_text, label, moment_text, short
from zava.core.charting import chart_analysis, chart_comparison, chart_performance
from zava.core.charts import LONGEST_LABEL, MOST_BARS, MOST_SERIES, Chart
from zava.core.errors import ChartError
from zava.core.model import DateRange
from zava.core.use_cases.analyze_sales import AnalyzeSales
from zava.core.use_cases.compare_stores import CompareStores, StoreComparison
from zava.core.use_cases.get_store_performance import GetStorePerformance

# Ten in the evening of 31 March in Seattle.
NOW = datetime(2026, 4, 1, 5, tzinfo=UTC)
MONTHS = [date(2026, month, 1) for month in (1, 2, 3)]


async def performance(asked: str = "2026-03") -> Chart:
    use_case = GetStorePerformance(FakeStoreDirectory(), FakeSalesRepository(), lambda: NOW)
    return chart_performance(await use_case(tiny_shop.SEATTLE.principal, None, asked))


def days(first: str, last: str) -> DateRange:
    return DateRange(date.fromisoformat(first), date.fromisoformat(last))


def values(chart: Chart) -> list[list[float | None]]:
    return [[None if value is None else float(value) for value in series.values] for series in chart.series]


async def test_performance_is_figures_over_bars_of_categories_beside_what_they_were() -> None:
    chart = await performance()
    assert (chart.mark, chart.title) == ("bars", "Revenue up 99.3 % on the month before")
    assert chart.subtitle == "USD, Seattle, Mar 2026; bars: revenue of the best categories; grey: Feb 2026"
    assert [(figure.name, figure.value, figure.note) for figure in chart.figures] == [
        ("Revenue", "145.49", "▲ 99.3 %"),
        ("Orders", "3", "▲ 50.0 %"),
        ("Average order value", "48.50", "▲ 32.9 %"),
        ("Gross margin %", "33.2 %", "▼ 6.5 points"),
        ("Target", "72.7 %", "of 200"),
    ]
    assert chart.labels == ("Paint", "Hand tools")
    assert values(chart) == [[89.5, 55.99], [16, 57]]
    assert [series.before for series in chart.series] == [False, True]
    assert chart.notes == ("89.50   ▲ 459.4 %", "55.99   ▼ 1.8 %")


async def test_performance_without_a_period_before_or_without_sales_claims_no_change() -> None:
    ever, nothing = await performance("all_time"), await performance("2025-01")
    assert ever.title.startswith("Revenue of ")
    assert len(ever.series) == 1
    assert "grey" not in ever.subtitle
    assert (nothing.mark, nothing.title, nothing.series) == ("figures", "Revenue of 0 USD", ())


async def test_what_analyze_sales_answers_is_drawn() -> None:
    use_case = AnalyzeSales(FakeStoreDirectory(), FakeSalesRepository(), FakeProductRepository(), lambda: NOW)
    result = await use_case(
        tiny_shop.HEAD_OFFICE.principal, ["revenue", "orders"], group_by=["store"], period="2026-03", totals=True
    )
    chart = chart_analysis(result)
    assert chart.mark == "bars"
    assert dict(zip(chart.labels, chart.series[0].values, strict=True)) == {row[0]: row[1] for row in result.rows}


async def comparison(metric: str, person: PersonRow = tiny_shop.HEAD_OFFICE, asked: str = "2025-07") -> StoreComparison:
    use_case = CompareStores(FakeStoreDirectory(), FakeSalesRepository(), lambda: NOW, quartiles=True, least_shops=3)
    return await use_case(person.principal, asked, [metric, "orders"])


async def test_stores_side_by_side_are_bars_beside_what_they_were() -> None:
    result = await comparison("revenue")
    chart = chart_comparison(result)
    assert (chart.mark, chart.labels, values(chart)) == (
        "bars",
        ("Bellevue", "Seattle", "Tacoma"),
        [[90, 40, 30], [15, 18, 60]],
    )
    assert chart.title == "Revenue up 72.0 % on the month before"
    assert chart.subtitle == "Revenue in USD by store; Jul 2025; grey: Jun 2025"
    assert chart.notes == ("90   ▲ 500.0 %", "40   ▲ 122.2 %", "30   ▼ 50.0 %")


async def test_a_percentage_of_stores_is_not_said_to_have_risen_by_percent() -> None:
    chart = chart_comparison(await comparison("gross_margin_percent"))
    assert " is highest in gross margin %: " in chart.title


async def test_a_store_that_was_not_open_all_the_while_has_nothing_beside_it() -> None:
    result = await comparison("revenue")
    place = [column.name for column in result.columns].index("revenue_change_percent")
    first, *others = result.rows
    newly_open = (*first[:place], None, *first[place + 1 :])
    chart = chart_comparison(replace(result, rows=(newly_open, *others)))
    assert values(chart)[1] == [None, 18, 60]
    assert chart.notes[0] == "90"


async def test_one_store_is_no_comparison() -> None:
    with pytest.raises(ChartError, match="there is one store, and nothing beside it"):
        chart_comparison(await comparison("revenue", tiny_shop.SEATTLE))


def test_time_is_a_line_whose_gaps_are_nought_where_nothing_was_sold() -> None:
    rows = ((date(2026, 3, 1), 10.0), (date(2026, 3, 2), 30.5), (date(2026, 3, 5), 20.0))
    chart = chart_analysis(analysis("day revenue", *rows))
    assert (chart.mark, chart.from_zero) == ("line", True)
    assert chart.labels == tuple(date(2026, 3, day) for day in range(1, 6))
    assert values(chart) == [[10, 30.5, 0, 0, 20]]
    assert chart.title == "Revenue highest on 2 Mar 2026: 30.50 USD"
    assert chart.subtitle == "Revenue in USD by day; Seattle; Mar 2026"


def test_a_ratio_has_no_value_where_nothing_was_sold_and_its_scale_need_not_begin_at_nought() -> None:
    rows = ((date(2026, 3, 1), 41.0), (date(2026, 3, 2), 40.0), (date(2026, 3, 4), 42.0))
    chart = chart_analysis(analysis("day gross_margin_percent", *rows))
    assert values(chart) == [[41, 40, None, 42]]
    assert not chart.from_zero


def test_weeks_and_months_are_filled_by_weeks_and_months() -> None:
    weeks = chart_analysis(analysis("week revenue", (date(2026, 3, 2), 1), (date(2026, 3, 23), 2)))
    assert weeks.labels == tuple(date(2026, 3, day) for day in (2, 9, 16, 23))
    months = chart_analysis(analysis("month revenue", (date(2025, 11, 1), 1), (date(2026, 2, 1), 2)))
    assert months.labels == (date(2025, 11, 1), date(2025, 12, 1), date(2026, 1, 1), date(2026, 2, 1))


def test_days_compared_are_two_lines_and_the_title_says_how_the_whole_moved() -> None:
    rows = [(month, 100.0, 80.0, 25.0) for month in MONTHS]
    year_before = days("2025-01-01", "2025-03-31")
    chart = chart_analysis(
        analysis(
            "month revenue revenue_previous revenue_change_percent", *rows, days=period(QUARTER), compared=year_before
        )
    )
    assert [(series.name, series.before) for series in chart.series] == [
        ("Jan to Mar 2026", False),
        ("Jan to Mar 2025", True),
    ]
    assert values(chart) == [[100] * 3, [80] * 3]
    assert chart.title == "Revenue up 25.0 % on a year earlier"


def test_a_fall_and_no_change_are_called_so() -> None:
    def title(now: float, before: float) -> str:
        row = ("Paint", now, before, None)
        columns = "category revenue revenue_previous revenue_change_percent"
        return chart_analysis(analysis(columns, row, compared=FEBRUARY)).title

    assert title(87.7, 100.0) == "Revenue down 12.3 % on the month before"
    assert title(100.0, 100.0) == "Revenue unchanged from the month before"
    assert title(100.0, 0.0) == "Paint: revenue 100 USD"


def test_what_does_not_add_up_is_not_summed_for_a_title() -> None:
    rows = (("Paint", 30.0, 20.0, 10.0), ("Tools", 40.0, 50.0, -10.0))
    columns = "category gross_margin_percent gross_margin_percent_previous gross_margin_percent_change_points"
    chart = chart_analysis(analysis(columns, *rows, compared=FEBRUARY))
    assert chart.title == "Tools is highest in gross margin %: 40.0 %"
    assert chart.notes == ("40.0 %   ▼ 10.0 points", "30.0 %   ▲ 10.0 points")


def test_several_names_over_time_are_as_many_lines_as_can_be_told_apart() -> None:
    rows = [(month, f"Store {name}", float(name)) for month in MONTHS for name in range(1, 9)]
    chart = chart_analysis(analysis("month store revenue", *rows, days=period(QUARTER)))
    assert [series.name for series in chart.series] == [f"Store {name}" for name in (8, 7, 6, 5, 4)]
    assert len(chart.series) == MOST_SERIES
    assert chart.title == "Store 8 leads with 22 % of revenue"
    assert "5 highest of 8" in chart.subtitle


def test_of_what_does_not_add_up_the_line_that_the_title_names_is_among_those_shown() -> None:
    rows = [(month, f"store {name}", 40.0 + name) for month in MONTHS for name in range(7)]
    peak = [(month, "a peak", 90.0 if month == MONTHS[1] else 1.0) for month in MONTHS]
    chart = chart_analysis(analysis("month store gross_margin_percent", *rows, *peak, days=period(QUARTER)))
    assert [series.name for series in chart.series] == ["a peak", *(f"store {name}" for name in (6, 5, 4, 3))]
    assert chart.title == "A peak is highest in gross margin %: 90.0 % in Feb 2026"


def test_a_year_that_its_months_lie_in_is_no_further_line() -> None:
    chart = chart_analysis(analysis("year month revenue", *[(2026, month, 5.0) for month in MONTHS]))
    assert (chart.mark, len(chart.series), chart.labels) == ("line", 1, tuple(MONTHS))


def test_a_week_that_lies_across_two_months_is_refused() -> None:
    rows = [(date(2026, 3, 30), date(2026, month, 1), 1.0) for month in (3, 4)]
    with pytest.raises(ChartError, match="one week has several rows; group by one stretch of time"):
        chart_analysis(analysis("week month revenue", *rows))


def test_two_moments_are_columns() -> None:
    chart = chart_analysis(analysis("year store revenue", *[(year, "Seattle", 1.0) for year in (2025, 2026)]))
    assert (chart.mark, chart.labels) == ("columns", ("2025", "2026"))
    two_days = chart_analysis(analysis("day revenue", (date(2026, 3, 1), 1.0), (date(2026, 3, 2), 1.0)))
    assert (two_days.mark, two_days.labels) == ("columns", ("1 Mar 2026", "2 Mar 2026"))


def test_weekdays_and_hours_are_columns_and_both_together_a_heat_map() -> None:
    weekdays = chart_analysis(analysis("weekday orders", (1, 5), (6, 9)))
    assert (weekdays.mark, weekdays.labels) == ("columns", ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"))
    assert values(weekdays) == [[5, 0, 0, 0, 0, 9, 0]]
    assert weekdays.title == "Orders highest on Saturdays: 9"
    hours = chart_analysis(analysis("hour orders", (9, 5), (11, 9)))
    assert (hours.mark, hours.labels) == ("columns", ("9:00", "10:00", "11:00"))
    both = chart_analysis(analysis("weekday hour orders", (7, 9, 5), (1, 10, 9)))
    assert (both.mark, both.title) == ("heat", "Orders highest on Mondays at 10:00: 9")
    assert [series.name for series in both.series] == ["Mon", "Sun"]
    assert values(both) == [[0, 9], [5, 0]]


def test_names_are_bars_in_order_of_value_whatever_the_order_of_the_rows() -> None:
    chart = chart_analysis(analysis("category revenue", ("Paint", 25.0), ("Tools", 75.0), ("Sundry", None)))
    assert (chart.mark, chart.labels, values(chart)) == ("bars", ("Tools", "Paint"), [[75, 25]])
    assert chart.title == "Tools leads with 75 % of revenue"


def test_two_kinds_of_names_are_one_bar_each() -> None:
    chart = chart_analysis(analysis("store category revenue", ("Seattle", "Paint", 2.0), ("Tacoma", "Paint", 3.0)))
    assert chart.labels == ("Tacoma · Paint", "Seattle · Paint")


def test_more_bars_than_can_be_read_are_left_out_and_that_is_said() -> None:
    rows = [(f"Product {number}", float(number)) for number in range(100)]
    chart = chart_analysis(analysis("product revenue", *rows, slices=812))
    assert len(chart.labels) == MOST_BARS
    assert "15 of 812" in chart.subtitle
    assert chart.title == "Product 99 is highest of the 100 listed: 99 USD"


def test_a_share_is_claimed_only_of_the_whole_and_of_what_has_parts() -> None:
    below = chart_analysis(analysis("store net_revenue", ("Seattle", 100.0), ("Tacoma", -50.0)))
    assert below.title == "Seattle is highest in net revenue: 100 USD"
    cut_short = chart_analysis(analysis("store revenue", ("Seattle", 100.0), ("Tacoma", 50.0), slices=3))
    assert "%" not in cut_short.title


def test_without_a_split_every_metric_is_a_figure() -> None:
    columns = "revenue revenue_previous revenue_change_percent orders orders_previous orders_change_percent"
    chart = chart_analysis(analysis(columns, (150.0, 100.0, 50.0, 4, 5, -20.0), compared=FEBRUARY))
    assert (chart.mark, chart.series) == ("figures", ())
    assert chart.title == "Revenue up 50.0 % on the month before"
    assert [(figure.name, figure.value, figure.note) for figure in chart.figures] == [
        ("Revenue", "150", "▲ 50.0 % from 100"),
        ("Orders", "4", "▼ 20.0 % from 5"),
    ]


@pytest.mark.parametrize(
    ("column", "first", "last", "covered", "said"),
    [
        ("month", date(2026, 1, 1), date(2026, 3, 1), days("2026-01-01", "2026-03-20"), "last month in part"),
        ("month", date(2026, 1, 1), date(2026, 3, 1), days("2026-01-09", "2026-03-31"), "first month in part"),
        ("week", date(2026, 2, 23), date(2026, 3, 30), MARCH, "first and last week in part"),
        ("week", date(2026, 3, 2), date(2026, 3, 23), days("2026-03-02", "2026-03-29"), None),
        ("month", date(2026, 1, 1), date(2026, 3, 1), QUARTER, None),
    ],
)  # fmt: skip
def test_a_stretch_that_is_covered_in_part_is_named(
    column: str, first: date, last: date, covered: DateRange, said: str | None
) -> None:
    chart = chart_analysis(analysis(f"{column} revenue", (first, 5), (last, 5), days=period(covered)))
    assert chart.subtitle.endswith(said or days_text(covered))


def test_the_last_day_of_a_running_period_is_in_part() -> None:
    running = period(days("2026-03-01", "2026-03-20"), ends_on=date(2026, 3, 31))
    chart = chart_analysis(analysis("day revenue", (date(2026, 3, 1), 5), (date(2026, 3, 20), 5), days=running))
    assert chart.subtitle.endswith("last day in part")


def test_a_part_of_a_stretch_of_time_is_no_line() -> None:
    rows = [(date(2026, 1, 1) + timedelta(days=number), 1.0) for number in range(100)]
    with pytest.raises(ChartError, match="100 of 365 rows would mislead; ask again with limit 365"):
        chart_analysis(analysis("day revenue", *rows, slices=365))


@pytest.mark.parametrize(("rows", "slices"), [(10_000, 10_000), (1_000, 10_000)])
def test_ten_thousand_points_are_refused_with_a_sentence(rows: int, slices: int) -> None:
    points = [(date(2000, 1, 1) + timedelta(days=number), 1.0) for number in range(rows)]
    with pytest.raises(ChartError, match="10,000 points are more than the 1,000 that can be read; group by a longer"):
        chart_analysis(analysis("day revenue", *points, slices=slices))


def test_two_days_far_apart_do_not_become_ten_thousand_points() -> None:
    rows = ((date(1990, 1, 1), 1.0), (date(2026, 1, 1), 1.0))
    with pytest.raises(ChartError, match="1,001 points are more than the 1,000"):
        chart_analysis(analysis("day revenue", *rows))


@pytest.mark.parametrize("columns", ["category revenue", "day revenue", "revenue"])
def test_no_rows_are_no_chart(columns: str) -> None:
    with pytest.raises(ChartError, match="there is nothing to show"):
        chart_analysis(analysis(columns))


def test_figures_that_have_no_meaning_are_no_chart() -> None:
    for columns, key in (("category gross_margin_percent", "Paint"), ("day gross_margin_percent", date(2026, 3, 1))):
        with pytest.raises(ChartError, match="there is nothing to show"):
            chart_analysis(analysis(columns, (key, None)))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_means_harm_is_one_short_line_that_any_font_can_hold(name: str) -> None:
    drawn = label(name)
    assert drawn == drawn.strip() != ""
    assert len(drawn) <= LONGEST_LABEL
    assert drawn.isprintable()
    assert drawn.encode()
    assert not any(character >= "\U0001f000" for character in drawn)


def test_the_alternative_text_holds_the_finding() -> None:
    chart = chart_analysis(analysis("category revenue", ("Paint", 25.0), ("Tools", 75.0)))
    assert chart.alt == ("Bar chart. Tools leads with 75 % of revenue. Revenue in USD by category; Seattle; Mar 2026.")


@pytest.mark.parametrize(
    ("value", "money", "count"),
    [
        ("0", "0", "0"),
        ("145.49", "145.49", "145.49"),
        ("999.99", "999.99", "999.99"),
        ("1000.4", "1,000", "1,000"),
        ("9999", "9,999", "9,999"),
        ("10462.40", "10,462", "10,462"),
        ("498123.45", "498,123", "498,123"),
        ("999999.4", "999,999", "999,999"),
        ("999999.5", "1.00M", "1.00M"),
        ("1234567", "1.23M", "1.23M"),
        ("-1234567", "-1.23M", "-1.23M"),
        ("994999999", "995.00M", "995.00M"),
        ("12345678901", "12.35B", "12.35B"),
    ],
)
def test_a_figure_is_short_and_never_a_thousand_thousands(value: str, money: str, count: str) -> None:
    assert (short(Decimal(value), "money"), short(Decimal(value), "count")) == (money, count)


def test_a_percentage_and_a_missing_figure_are_written_out() -> None:
    assert (short(Decimal("33.2"), "percent"), short(None, "money")) == ("33.2 %", "none")


@pytest.mark.parametrize(
    ("now", "before", "unit", "text"),
    [
        (110, 100, "money", "▲ 10.0 %"),
        (90, 100, "count", "▼ 10.0 %"),
        (100, 100, "money", "no change"),
        (10, 0, "money", "new"),
        (0, 0, "money", ""),
        (None, 5, "percent", ""),
        (-50, -100, "money", "▲ 50.0 %"),
        (35, 40, "percent", "▼ 5 points"),
    ],
)
def test_a_change_is_an_arrow_and_a_number(now: int | None, before: int, unit: str, text: str) -> None:
    value = None if now is None else Decimal(now)
    assert change_text(value, Decimal(before), "percent" if unit == "percent" else "money") == text


@pytest.mark.parametrize(
    ("these", "compared", "words"),
    [
        (MARCH, FEBRUARY, "the month before"),
        (QUARTER, days("2025-10-01", "2025-12-31"), "the quarter before"),
        (days("2026-02-01", "2026-03-31"), days("2025-12-01", "2026-01-31"), "the 2 months before"),
        (days("2026-03-09", "2026-03-15"), days("2026-03-02", "2026-03-08"), "the week before"),
        (days("2026-03-09", "2026-03-09"), days("2026-03-08", "2026-03-08"), "the day before"),
        (days("2026-03-03", "2026-03-12"), days("2026-02-21", "2026-03-02"), "the 10 days before"),
        (MARCH, MARCH_2025, "a year earlier"),
        (MARCH, days("2025-03-02", "2025-04-01"), "the same weekdays a year earlier"),
        (days("2026-03-01", "2026-03-09"), days("2026-02-01", "2026-02-09"), "1 to 9 Feb 2026"),
        (MARCH, JANUARY, "Jan 2026"),
    ],
)  # fmt: skip
def test_other_days_are_called_what_they_are_to_these(these: DateRange, compared: DateRange, words: str) -> None:
    assert before_words(these, compared) == words


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        (date(2025, 1, 1), date(2025, 12, 31), "2025"),
        (date(2025, 7, 1), date(2026, 6, 30), "Jul 2025 to Jun 2026"),
        (date(2026, 2, 1), date(2026, 2, 28), "Feb 2026"),
        (date(2026, 1, 1), date(2026, 3, 31), "Jan to Mar 2026"),
        (date(2026, 3, 1), date(2026, 3, 20), "1 to 20 Mar 2026"),
        (date(2026, 1, 1), date(2026, 3, 20), "1 Jan to 20 Mar 2026"),
        (date(2025, 12, 30), date(2026, 1, 2), "30 Dec 2025 to 2 Jan 2026"),
        (date(2026, 3, 3), date(2026, 3, 3), "3 Mar 2026"),
    ],
)
def test_days_are_written_as_people_do(first: date, last: date, text: str) -> None:
    assert days_text(DateRange(first, last)) == text


def test_moments_are_written_as_people_do() -> None:
    moments: list[tuple[str, date | int]] = [
        ("month", date(2026, 3, 1)),
        ("day", date(2026, 3, 1)),
        ("weekday", 7),
        ("hour", 17),
        ("year", 2026),
    ]
    assert [moment_text(name, value) for name, value in moments] == ["Mar 2026", "1 Mar 2026", "Sun", "17:00", "2026"]
