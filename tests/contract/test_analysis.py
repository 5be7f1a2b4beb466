"""Sums by dimensions: fake and PostgreSQL answer alike for every combination, and plain SQL agrees."""

from dataclasses import replace
from datetime import date
from itertools import combinations

import pytest

from tests import tiny_shop
from tests.contract.conftest import Ports
from tests.fakes import FakeSalesRepository
from tests.tiny_shop import PersonRow
from zava.core.analysis import DIMENSIONS
from zava.core.errors import AuthorizationError
from zava.core.metrics import ANALYSIS_METRICS
from zava.core.model import AnalysisQuery, DateRange, Fact, Ranking, Slice
from zava.core.use_cases.analyze_sales import SUMS

PEOPLE = [tiny_shop.HEAD_OFFICE, tiny_shop.REGION, tiny_shop.SEATTLE, tiny_shop.STORELESS]
PERIODS = [DateRange(date(2026, 3, 1), date(2026, 3, 31)), DateRange(date(2026, 1, 1), date(2026, 12, 31))]
EVERY: tuple[Fact, ...] = ("lines", "orders", "returns", "customers", "first_orders", "targets")
FACTS = [frozenset(several) for count in (1, 2, len(EVERY)) for several in combinations(EVERY, count)]


def query(
    dimensions: tuple[str, ...],
    facts: frozenset[Fact],
    days: DateRange,
    filters: tuple[tuple[str, tuple[str, ...]], ...] = (),
) -> AnalysisQuery:
    return AnalysisQuery(dimensions, facts, filters, days, days, most=1000)


def possible(dimensions: tuple[str, ...], facts: frozenset[Fact]) -> bool:
    return all(facts <= DIMENSIONS[name].facts for name in dimensions)


async def both(ports: Ports, person: PersonRow, asked: AnalysisQuery) -> tuple[list[Slice], list[Slice]]:
    found = await ports.sales.analyze(person.principal, asked)
    expected = await FakeSalesRepository().analyze(person.principal, asked)
    return sorted(found.slices, key=repr), sorted(expected.slices, key=repr)


@pytest.mark.parametrize(
    ("person", "days"),
    [(tiny_shop.HEAD_OFFICE, PERIODS[1]), *((person, PERIODS[0]) for person in PEOPLE)],
    ids=lambda value: value.name if isinstance(value, PersonRow) else f"{value.days} days",
)
async def test_every_pair_of_dimensions_of_every_fact_adds_up_alike(
    ports: Ports, person: PersonRow, days: DateRange
) -> None:
    for count in (0, 1, 2):
        for dimensions in combinations(DIMENSIONS, count):
            every = frozenset(fact for fact in EVERY if possible(dimensions, frozenset((fact,))))
            for facts in FACTS if count < 2 else [every]:
                if possible(dimensions, facts):
                    found, expected = await both(ports, person, query(dimensions, facts, days))
                    assert found == expected, (dimensions, facts)


async def test_three_dimensions_add_up_alike(ports: Ports) -> None:
    for dimensions in (
        ("store", "category", "month"),
        ("region", "product", "weekday"),
        ("day", "store", "product_type"),
    ):
        every = frozenset(fact for fact in EVERY if possible(dimensions, frozenset((fact,))))
        found, expected = await both(ports, tiny_shop.HEAD_OFFICE, query(dimensions, every, PERIODS[1]))
        assert found == expected
        assert found


@pytest.mark.parametrize(
    "filters",
    [
        (("store", ("Seattle", "Tacoma")),),
        (("category", ("Paint",)), ("month", ("2026-03-01",))),
        (("product", ("Claw hammer", "'; DROP TABLE retail.orders; --")),),
        (("weekday", ("1", "2")),),
        (("quarter", ("2026-Q1",)),),
        (("channel", ("online",)),),
    ],
    ids=str,
)
async def test_filters_let_through_what_they_name(
    ports: Ports, filters: tuple[tuple[str, tuple[str, ...]], ...]
) -> None:
    for person in PEOPLE:
        facts = frozenset[Fact](("lines", "orders", "returns", "customers"))
        found, expected = await both(ports, person, query(("store", "product"), facts, PERIODS[1], filters))
        assert found == expected


async def test_one_slice_more_than_wanted_says_that_there_are_more(ports: Ports) -> None:
    asked = AnalysisQuery(("product",), frozenset(("lines",)), (), PERIODS[1], None, most=2)
    assert len((await ports.sales.analyze(tiny_shop.HEAD_OFFICE.principal, asked)).slices) == 3


@pytest.mark.parametrize("descending", [False, True])
async def test_the_first_slices_are_those_that_are_wanted_and_what_equals_the_last_of_them(
    ports: Ports, *, descending: bool
) -> None:
    facts = frozenset[Fact](("lines", "orders", "returns", "customers", "first_orders"))
    sums = sorted(SUMS - {"revenue_target"})
    for dimensions in (("store", "month"), ("quarter", "region"), ("product", "week")):
        possible_facts = frozenset(fact for fact in facts if possible(dimensions, frozenset((fact,))))
        every = query(dimensions, possible_facts, PERIODS[1])
        there_are = len((await ports.sales.analyze(tiny_shop.HEAD_OFFICE.principal, every)).slices)
        known = {metric.name for metric in ANALYSIS_METRICS.values() if metric.facts <= possible_facts}
        for by in (*dimensions, *(name for name in sums if name in known)):
            for rows in (1, 3, 1000):
                asked = replace(every, ranking=Ranking(by, descending, rows))
                found, expected = await both(ports, tiny_shop.HEAD_OFFICE, asked)
                assert found == expected, asked.ranking
                assert len(found) >= min(rows, there_are)
                assert (await ports.sales.analyze(tiny_shop.HEAD_OFFICE.principal, asked)).slice_count == there_are


async def test_nobody_analyzes_nothing(ports: Ports) -> None:
    for person in (tiny_shop.DISABLED.principal, tiny_shop.STRANGER):
        with pytest.raises(AuthorizationError):
            await ports.sales.analyze(person, query((), FACTS[0], PERIODS[0]))
