"""What people mean by a period: the days of it, and the comparable days before."""

import re
from contextlib import suppress
from datetime import date, timedelta

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from zava.core.errors import ValidationError
from zava.core.model import BusinessSettings, DateRange
from zava.core.periods import EXPECTED, NAMES, Period, resolve_period

# A Wednesday.
TODAY = "2026-03-18"
OPENED_ON = date(2025, 1, 1)
ONE_DAY = timedelta(days=1)


def business(*, week: int = 1, fiscal: int = 1) -> BusinessSettings:
    return BusinessSettings(time_zone="UTC", week_starts_on=week, fiscal_year_starts_in=fiscal, currency="USD")


def resolve(text: str, today: str = TODAY, settings: BusinessSettings | None = None) -> Period:
    return resolve_period(text, today=date.fromisoformat(today), business=settings or business(), opened_on=OPENED_ON)


def written(days: DateRange | None) -> str:
    return f"{days.first_day}..{days.last_day}" if days else "nothing"


def refusal(text: str, today: str = TODAY) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        resolve(text, today)
    return caught.value


@pytest.mark.parametrize(
    ("name", "elapsed", "ends_on", "previous"),
    [
        ("today", "2026-03-18..2026-03-18", "2026-03-18", "2026-03-17..2026-03-17"),
        ("yesterday", "2026-03-17..2026-03-17", "2026-03-17", "2026-03-16..2026-03-16"),
        ("this_week", "2026-03-16..2026-03-18", "2026-03-22", "2026-03-09..2026-03-11"),
        ("last_week", "2026-03-09..2026-03-15", "2026-03-15", "2026-03-02..2026-03-08"),
        ("this_month", "2026-03-01..2026-03-18", "2026-03-31", "2026-02-01..2026-02-18"),
        ("last_month", "2026-02-01..2026-02-28", "2026-02-28", "2026-01-01..2026-01-31"),
        ("month_to_date", "2026-03-01..2026-03-18", "2026-03-31", "2026-02-01..2026-02-18"),
        ("quarter_to_date", "2026-01-01..2026-03-18", "2026-03-31", "2025-10-01..2025-12-16"),
        ("last_quarter", "2025-10-01..2025-12-31", "2025-12-31", "2025-07-01..2025-09-30"),
        ("year_to_date", "2026-01-01..2026-03-18", "2026-12-31", "2025-01-01..2025-03-18"),
        ("last_year", "2025-01-01..2025-12-31", "2025-12-31", "2024-01-01..2024-12-31"),
        ("last_30_days", "2026-02-16..2026-03-17", "2026-03-17", "2026-01-17..2026-02-15"),
        ("all_time", "2025-01-01..2026-03-18", "2026-03-18", "nothing"),
    ],
)
def test_a_named_period_has_its_days_and_comparable_days_before(
    name: str, elapsed: str, ends_on: str, previous: str
) -> None:
    period = resolve(name)
    assert (written(period.elapsed), str(period.ends_on), written(period.previous)) == (elapsed, ends_on, previous)
    assert (period.name, period.today) == (name, date.fromisoformat(TODAY))


@pytest.mark.parametrize(
    ("text", "elapsed", "ends_on", "previous"),
    [
        ("2025", "2025-01-01..2025-12-31", "2025-12-31", "2024-01-01..2024-12-31"),
        ("2026", "2026-01-01..2026-03-18", "2026-12-31", "2025-01-01..2025-03-18"),
        ("2025-Q1", "2025-01-01..2025-03-31", "2025-03-31", "2024-10-01..2024-12-31"),
        ("2025-Q4", "2025-10-01..2025-12-31", "2025-12-31", "2025-07-01..2025-09-30"),
        ("2026-Q1", "2026-01-01..2026-03-18", "2026-03-31", "2025-10-01..2025-12-16"),
        ("2025-11", "2025-11-01..2025-11-30", "2025-11-30", "2025-10-01..2025-10-31"),
        ("2026-01", "2026-01-01..2026-01-31", "2026-01-31", "2025-12-01..2025-12-31"),
        ("2026-03", "2026-03-01..2026-03-18", "2026-03-31", "2026-02-01..2026-02-18"),
        ("2026-02-01..2026-02-10", "2026-02-01..2026-02-10", "2026-02-10", "2026-01-22..2026-01-31"),
        ("2026-03-18..2026-03-18", "2026-03-18..2026-03-18", "2026-03-18", "2026-03-17..2026-03-17"),
        ("2026-03-11..2026-03-20", "2026-03-11..2026-03-18", "2026-03-20", "2026-03-01..2026-03-08"),
    ],
)
def test_a_written_period_has_its_days_and_comparable_days_before(
    text: str, elapsed: str, ends_on: str, previous: str
) -> None:
    period = resolve(text)
    assert (written(period.elapsed), str(period.ends_on), written(period.previous)) == (elapsed, ends_on, previous)


@pytest.mark.parametrize(
    ("text", "today", "elapsed", "previous"),
    [
        ("this_month", "2024-02-29", "2024-02-01..2024-02-29", "2024-01-01..2024-01-31"),
        ("this_month", "2024-02-28", "2024-02-01..2024-02-28", "2024-01-01..2024-01-28"),
        ("last_month", "2024-03-31", "2024-02-01..2024-02-29", "2024-01-01..2024-01-31"),
        ("today", "2024-03-01", "2024-03-01..2024-03-01", "2024-02-29..2024-02-29"),
        ("year_to_date", "2024-02-29", "2024-01-01..2024-02-29", "2023-01-01..2023-03-01"),
        ("last_30_days", "2024-03-01", "2024-01-31..2024-02-29", "2024-01-01..2024-01-30"),
        ("2024-02", "2024-06-01", "2024-02-01..2024-02-29", "2024-01-01..2024-01-31"),
        ("2024-02-29..2024-02-29", "2024-06-01", "2024-02-29..2024-02-29", "2024-02-28..2024-02-28"),
        ("2024", "2025-06-01", "2024-01-01..2024-12-31", "2023-01-01..2023-12-31"),
    ],
)
def test_leap_days_count(text: str, today: str, elapsed: str, previous: str) -> None:
    period = resolve(text, today)
    assert (written(period.elapsed), written(period.previous)) == (elapsed, previous)


@pytest.mark.parametrize(
    ("text", "today", "elapsed", "previous"),
    [
        ("yesterday", "2026-01-01", "2025-12-31..2025-12-31", "2025-12-30..2025-12-30"),
        ("this_week", "2026-01-01", "2025-12-29..2026-01-01", "2025-12-22..2025-12-25"),
        ("this_month", "2025-12-31", "2025-12-01..2025-12-31", "2025-11-01..2025-11-30"),
        ("last_month", "2026-01-15", "2025-12-01..2025-12-31", "2025-11-01..2025-11-30"),
        ("quarter_to_date", "2026-01-01", "2026-01-01..2026-01-01", "2025-10-01..2025-10-01"),
        ("year_to_date", "2025-12-31", "2025-01-01..2025-12-31", "2024-01-01..2024-12-31"),
        ("year_to_date", "2026-01-01", "2026-01-01..2026-01-01", "2025-01-01..2025-01-01"),
        ("last_30_days", "2026-01-10", "2025-12-11..2026-01-09", "2025-11-11..2025-12-10"),
    ],
)
def test_a_period_may_cross_or_touch_the_end_of_a_year(text: str, today: str, elapsed: str, previous: str) -> None:
    period = resolve(text, today)
    assert (written(period.elapsed), written(period.previous)) == (elapsed, previous)


@pytest.mark.parametrize(
    ("week", "name", "today", "elapsed", "ends_on", "previous"),
    [
        # 2026-03-15 is a Sunday.
        (1, "this_week", "2026-03-15", "2026-03-09..2026-03-15", "2026-03-15", "2026-03-02..2026-03-08"),
        (1, "this_week", "2026-03-16", "2026-03-16..2026-03-16", "2026-03-22", "2026-03-09..2026-03-09"),
        (1, "last_week", "2026-03-15", "2026-03-02..2026-03-08", "2026-03-08", "2026-02-23..2026-03-01"),
        (7, "this_week", "2026-03-14", "2026-03-08..2026-03-14", "2026-03-14", "2026-03-01..2026-03-07"),
        (7, "this_week", "2026-03-15", "2026-03-15..2026-03-15", "2026-03-21", "2026-03-08..2026-03-08"),
        (7, "last_week", "2026-03-15", "2026-03-08..2026-03-14", "2026-03-14", "2026-03-01..2026-03-07"),
    ],
)
def test_a_week_starts_on_the_day_of_the_business(  # noqa: PLR0913, PLR0917
    week: int, name: str, today: str, elapsed: str, ends_on: str, previous: str
) -> None:
    period = resolve(name, today, business(week=week))
    assert (written(period.elapsed), str(period.ends_on), written(period.previous)) == (elapsed, ends_on, previous)


@pytest.mark.parametrize(
    ("fiscal", "text", "today", "whole"),
    [
        (1, "2025", TODAY, "2025-01-01..2025-12-31"),
        (4, "2026", TODAY, "2025-04-01..2026-03-31"),
        (4, "2025", TODAY, "2024-04-01..2025-03-31"),
        (4, "2026-Q1", TODAY, "2025-04-01..2025-06-30"),
        (4, "2026-Q4", TODAY, "2026-01-01..2026-03-31"),
        (4, "2027", "2026-04-01", "2026-04-01..2027-03-31"),
        (4, "year_to_date", "2026-03-31", "2025-04-01..2026-03-31"),
        (4, "year_to_date", "2026-04-01", "2026-04-01..2027-03-31"),
        (7, "2026", TODAY, "2025-07-01..2026-06-30"),
        (7, "2026-Q2", TODAY, "2025-10-01..2025-12-31"),
        (7, "year_to_date", TODAY, "2025-07-01..2026-06-30"),
        (10, "2026-Q1", TODAY, "2025-10-01..2025-12-31"),
        (10, "2026-Q2", TODAY, "2026-01-01..2026-03-31"),
        (10, "year_to_date", TODAY, "2025-10-01..2026-09-30"),
        (2, "2026-Q4", TODAY, "2025-11-01..2026-01-31"),
        (2, "quarter_to_date", TODAY, "2026-02-01..2026-04-30"),
        (2, "quarter_to_date", "2026-01-31", "2025-11-01..2026-01-31"),
        (12, "quarter_to_date", TODAY, "2026-03-01..2026-05-31"),
        (12, "last_quarter", TODAY, "2025-12-01..2026-02-28"),
        (4, "last_year", "2026-03-31", "2024-04-01..2025-03-31"),
        (4, "last_year", "2026-04-01", "2025-04-01..2026-03-31"),
        (12, "2026", TODAY, "2025-12-01..2026-11-30"),
        # Months are the calendar's.
        (4, "2025-11", TODAY, "2025-11-01..2025-11-30"),
        (10, "this_month", TODAY, "2026-03-01..2026-03-31"),
    ],
)
def test_a_fiscal_year_is_named_after_the_year_it_ends_in(fiscal: int, text: str, today: str, whole: str) -> None:
    assert written(resolve(text, today, business(fiscal=fiscal)).whole) == whole


@pytest.mark.parametrize(
    ("text", "today", "previous"),
    [
        ("this_month", "2026-03-28", "2026-02-01..2026-02-28"),
        ("this_month", "2026-03-29", "2026-02-01..2026-02-28"),
        ("this_month", "2026-03-30", "2026-02-01..2026-02-28"),
        ("this_month", "2026-03-31", "2026-02-01..2026-02-28"),
        ("this_month", "2024-03-30", "2024-02-01..2024-02-29"),
        ("month_to_date", "2026-05-30", "2026-04-01..2026-04-30"),
        ("quarter_to_date", "2026-06-30", "2026-01-01..2026-03-31"),
        ("year_to_date", "2024-12-30", "2023-01-01..2023-12-31"),
    ],
)
def test_a_running_period_never_compares_with_its_own_days(text: str, today: str, previous: str) -> None:
    assert written(resolve(text, today).previous) == previous


@pytest.mark.parametrize(
    ("text", "running"),
    [
        ("this_week", True),
        ("2026-Q1", True),
        ("today", False),
        ("last_month", False),
        ("2026-03-01..2026-03-18", False),
        ("all_time", False),
    ],
)
def test_a_period_runs_until_its_last_day_has_come(text: str, running: bool) -> None:  # noqa: FBT001
    assert resolve(text).running == running


def test_all_time_of_a_shop_that_opens_tomorrow_is_today() -> None:
    today = date(2024, 12, 31)
    period = resolve_period("all_time", today=today, business=business(), opened_on=OPENED_ON)
    assert period.elapsed == DateRange(today, today)


@pytest.mark.parametrize("text", [" last_month", "last_month\n", "\t2025-Q4  "])
def test_blanks_around_a_period_do_not_matter(text: str) -> None:
    assert resolve(text) == resolve(text.strip())


@pytest.mark.parametrize("text", re.split(", or | or |, ", EXPECTED.removeprefix("write one of ")))
def test_every_form_that_a_refusal_recommends_is_accepted(text: str) -> None:
    assert resolve(text, "2026-12-31").name == text


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_recommended(name: str) -> None:
    assert f" {name}," in refusal("soon").constraint


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("  \n", id="blank"),
        pytest.param("soon", id="another word"),
        pytest.param("last month", id="a blank for an underscore"),
        pytest.param("2026-13", id="month 13"),
        pytest.param("2026-00", id="month 0"),
        pytest.param("2026-Q5", id="quarter 5"),
        pytest.param("2026-Q0", id="quarter 0"),
        pytest.param("2025-Q", id="quarter without a number"),
        pytest.param("0000", id="year 0"),
        pytest.param("0000-Q1", id="first quarter of year 0"),
        pytest.param("0000-01", id="month of year 0"),
        pytest.param("0001", id="nothing before it"),
        pytest.param("0001-01", id="no month before it"),
        pytest.param("0001-01-01..0001-01-01", id="no day before it"),
        pytest.param("0001-01-01..2026-01-01", id="as many days before would be before time"),
        pytest.param("9999", id="last year"),
        pytest.param("9999-Q4", id="last quarter"),
        pytest.param("9999-12", id="last month of time"),
        pytest.param("20255", id="five digits"),
        pytest.param("2025-1", id="one digit for a month"),
        pytest.param("-2025", id="negative"),
        pytest.param("2025-02-29..2025-03-01", id="no leap year"),
        pytest.param("2026-01-01..", id="no end"),
        pytest.param("..2026-01-01", id="no beginning"),
        pytest.param("2026-01-01", id="one day"),
        pytest.param("2026-01-01...2026-02-01", id="three dots"),
        pytest.param("2026-01-01..2026-02-01..2026-03-01", id="three dates"),
        pytest.param("2025..2026", id="years joined"),
        pytest.param("2025\n2026", id="two lines"),
        pytest.param("2025\x00", id="a null byte"),
        pytest.param("\uff12\uff10\uff12\uff15", id="full-width digits"),
        pytest.param("\u0662\u0660\u0662\u0665-11", id="Arabic digits"),
        pytest.param("2025'; DROP TABLE retail.orders; --", id="injection after a year"),
        pytest.param("today OR 1=1", id="injection after a name"),
        pytest.param("x" * 10_000, id="10 kB of text"),
        pytest.param("2" * 10_000, id="10 kB of digits"),
        pytest.param("2025-11" + " 2025-11" * 1_250, id="10 kB of months"),
    ],
)
def test_a_malformed_period_is_refused_with_the_forms_that_are_understood(text: str) -> None:
    error = refusal(text)
    assert (error.field, error.constraint) == ("period", EXPECTED)
    assert len(str(error.value)) <= 100
    assert error.message == f"Validation failed for period: {EXPECTED}"


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("2026-04", "2026-04-01"),
        ("2026-Q2", "2026-04-01"),
        ("2027", "2027-01-01"),
        ("2026-03-19..2026-03-20", "2026-03-19"),
        ("9999-12-31..9999-12-31", "9999-12-31"),
    ],
)
def test_a_period_that_has_not_begun_is_refused_with_its_first_day(text: str, begins: str) -> None:
    assert refusal(text).constraint == f"it begins on {begins}, and today is {TODAY}"


def test_reversed_dates_are_refused_with_a_way_out() -> None:
    assert refusal("2026-03-02..2026-03-01").constraint == "it ends before it begins; write the earlier date first"


BUSINESSES = st.builds(
    BusinessSettings,
    time_zone=st.just("UTC"),
    week_starts_on=st.integers(1, 7),
    fiscal_year_starts_in=st.integers(1, 12),
    currency=st.just("USD"),
)
DAYS = st.dates(date(1990, 1, 1), date(2099, 12, 31))


@st.composite
def questions(draw: st.DrawFn) -> tuple[str, date, BusinessSettings]:
    """A period that somebody could ask for on some day, all time aside."""
    today = draw(DAYS)
    year = today.year - draw(st.integers(-1, 3))
    since, until = sorted((draw(DAYS), draw(DAYS)))
    text = draw(
        st.sampled_from([name for name in NAMES if name != "all_time"])
        | st.just(f"{year}")
        | st.integers(1, 4).map(lambda quarter: f"{year}-Q{quarter}")
        | st.integers(1, 12).map(lambda month: f"{year}-{month:02}")
        | st.just(f"{since}..{until}")
    )
    return text, today, draw(BUSINESSES)


def begun(question: tuple[str, date, BusinessSettings]) -> tuple[Period, DateRange]:
    """The period and the one before it; questions about the future are passed over."""
    text, today, settings = question
    try:
        period = resolve_period(text, today=today, business=settings, opened_on=OPENED_ON)
    except ValidationError as error:
        assume("it begins on" not in error.constraint)
        raise
    assert period.previous is not None
    return period, period.previous


@given(questions())
def test_the_days_of_a_period_are_in_order_and_have_come(question: tuple[str, date, BusinessSettings]) -> None:
    period, previous = begun(question)
    assert previous.first_day <= previous.last_day < period.elapsed.first_day
    assert period.elapsed.first_day <= period.elapsed.last_day <= period.today
    assert period.elapsed.last_day == min(period.ends_on, period.today)


@given(questions())
@example(("this_month", date(2026, 3, 30), business()))
def test_a_complete_period_follows_the_one_before_and_a_running_one_has_as_many_days(
    question: tuple[str, date, BusinessSettings],
) -> None:
    period, previous = begun(question)
    adjacent = previous.last_day + ONE_DAY == period.elapsed.first_day
    if period.running:
        assert previous.days == period.elapsed.days or (previous.days < period.elapsed.days and adjacent)
    else:
        assert adjacent


@given(questions())
@example(("last_week", date(2026, 3, 18), business()))
def test_plain_days_and_weeks_compare_with_exactly_as_many(question: tuple[str, date, BusinessSettings]) -> None:
    period, previous = begun(question)
    if ".." in period.name or period.name.endswith(("day", "week", "days")):
        assert previous.days == period.elapsed.days


@given(st.text() | st.text("0123456789-.Q", max_size=25), DAYS)
@example("0001-01-01..9999-12-31", date(2026, 3, 18))
def test_no_text_whatever_does_worse_than_being_refused(text: str, today: date) -> None:
    with suppress(ValidationError):
        period = resolve_period(text, today=today, business=business(), opened_on=OPENED_ON)
        assert period.elapsed.last_day <= today
