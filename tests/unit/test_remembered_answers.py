"""Answers that are remembered go the way of every call: whoever asks was admitted, and every call is written down."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.fakes import FakeAuditTrail, FakeCharts, FakeShopVersions
from tests.tiny_shop import HEAD_OFFICE, SEATTLE, TACOMA, PersonRow
from tests.unit.test_tools import NOW, QUESTIONS, retail_tools
from zava.adapters.cache.memory import InMemoryCache
from zava.adapters.mcp.coverage import coverage
from zava.adapters.mcp.csv_files import CsvFiles
from zava.adapters.mcp.identity import Caller
from zava.adapters.mcp.pipeline import Answer, Failure, Pipeline, ToolSpec, WorkOut
from zava.adapters.mcp.questions import SignedQuestions
from zava.adapters.mcp.remembered import RememberedAnswers
from zava.core.answer_cache import GOVERNED, AnswerCache, KeptAnswers
from zava.core.errors import ChartError, UnavailableError
from zava.core.fairness import Fairness, Rate, Work
from zava.core.observations import Call
from zava.core.readings import reading_under_way
from zava.core.scopes import SCOPES
from zava.core.turns import Turns

LINKED = {"analyze_sales", "compare_stores", "check_inventory"}


@dataclass(frozen=True)
class DatedAnswers(RememberedAnswers):
    """The fakes of the shop do not say what they saw: this does, for whoever asks."""

    versions: FakeShopVersions = field(default_factory=FakeShopVersions)
    worked: list[str] = field(default_factory=list)

    async def __call__(
        self, caller: Caller, spec: ToolSpec[Any], arguments: Mapping[str, Any], work_out: WorkOut
    ) -> Answer[Any]:
        async def work() -> Answer[Any]:
            self.worked.append(spec.name)
            if reading := reading_under_way.get():
                reading.snapshots.append(await self.versions.seen_by(caller.principal))
            return await work_out()

        return await super().__call__(caller, spec, arguments, work)


@dataclass
class Counter:
    """Where people ask: one after the other, each as they come."""

    charts: FakeCharts = field(default_factory=FakeCharts)
    fairness: Fairness = field(default_factory=lambda: Fairness(Rate(1_000, 1_000), {}))
    audit: FakeAuditTrail = field(default_factory=FakeAuditTrail)
    observed: list[Call] = field(default_factory=list)
    person: PersonRow | None = SEATTLE
    scopes: frozenset[str] = SCOPES

    async def open(self) -> "Counter":
        versions = FakeShopVersions(as_of=NOW)
        cache = AnswerCache(
            InMemoryCache(),
            rights=InMemoryCache(),
            versions=versions,
            policy=KeptAnswers("0.1.0", 300, free_sql=True),
            now=lambda: NOW,
        )
        await cache.look()
        self.remembered = DatedAnswers(cache, versions)
        self.specs = {spec.name: spec for spec in retail_tools(self.charts).specs()}
        files = CsvFiles(tuple(self.specs.values()), SignedQuestions(b"of the tests", lambda: NOW))
        self.pipeline = Pipeline(
            self.caller,
            timeout=5,
            link=files.link,
            cover=coverage,
            fairness=self.fairness,
            remember=self.remembered,
            audit=self.audit.append,
            observers=[self.observed.append],
        )
        return self

    async def caller(self) -> Caller | None:
        return Caller(self.person.principal, self.scopes) if self.person else None

    async def ask(self, tool: str, **others: object) -> Answer[Any] | Failure:
        return await self.pipeline.call(self.specs[tool], {**QUESTIONS[tool], **others})

    async def answer(self, tool: str, **others: object) -> Answer[Any]:
        answer = await self.ask(tool, **others)
        assert isinstance(answer, Answer)
        return answer


@pytest.fixture
async def counter() -> Counter:
    return await Counter().open()


def content_of(answer: Answer[Any]) -> dict[str, Any]:
    content = answer.structured
    assert isinstance(content, dict)
    return content


@pytest.mark.parametrize("tool", sorted(GOVERNED | {"execute_sales_query"}))
async def test_a_remembered_answer_says_the_same_and_that_it_is_one(counter: Counter, tool: str) -> None:
    first, second = await counter.answer(tool), await counter.answer(tool)
    assert counter.remembered.worked == [tool]
    assert second.text == first.text
    expected = content_of(first)
    assert "cached" not in expected
    assert content_of(second) == {"as_of": NOW.isoformat()} | expected | {"cached": True}
    assert json.dumps(content_of(second))


@pytest.mark.parametrize("tool", sorted(LINKED))
async def test_the_link_to_a_file_is_signed_for_whoever_asks(counter: Counter, tool: str) -> None:
    counter.person = HEAD_OFFICE
    first = await counter.answer(tool)
    same = await counter.answer(tool)
    assert first.link
    assert same.link == first.link
    twin = replace(HEAD_OFFICE, name="Head office's deputy")
    counter.remembered.versions.rights[twin.principal.principal_id] = HEAD_OFFICE.name
    counter.person = twin
    theirs = await counter.answer(tool)
    assert content_of(theirs)["cached"]
    assert theirs.link
    assert theirs.link != first.link


async def test_an_answer_that_is_no_table_has_no_link_either_time(counter: Counter) -> None:
    assert [(await counter.answer("get_store_performance")).link for _ in range(2)] == [None, None]


async def test_neighbours_get_their_own(counter: Counter) -> None:
    stores = []
    for person in (SEATTLE, TACOMA, SEATTLE, TACOMA):
        counter.person = person
        stores.append(content_of(await counter.answer("get_store_performance"))["store"]["name"])
    assert stores == ["Seattle", "Tacoma"] * 2
    assert len(counter.remembered.worked) == 2


async def test_whoever_may_not_ask_is_refused_an_answer_that_is_there(counter: Counter) -> None:
    await counter.answer("get_store_performance")
    counter.scopes = SCOPES - {"sales:read"}
    refused = await counter.ask("get_store_performance")
    assert isinstance(refused, Failure)
    assert refused.code == "AUTHORIZATION_ERROR"
    counter.person = None
    nobody = await counter.ask("get_store_performance")
    assert isinstance(nobody, Failure)
    assert nobody.code == "AUTHORIZATION_ERROR"


async def test_whoever_asks_too_often_is_refused_an_answer_that_is_there() -> None:
    counter = await Counter(fairness=Fairness(Rate(0.001, 2), {})).open()
    await counter.answer("get_store_performance")
    await counter.answer("get_store_performance")
    refused = await counter.ask("get_store_performance")
    assert isinstance(refused, Failure)
    assert refused.code == "BUSY"


async def test_a_remembered_answer_waits_for_nobody_s_turn() -> None:
    turns = Turns(1, 1, 0, 0, 0.01)
    counter = await Counter(fairness=Fairness(Rate(1_000, 1_000), {Work.QUESTION: [turns]})).open()
    await counter.answer("get_store_performance")
    async with counter.fairness.turn(SEATTLE.principal, Work.QUESTION):
        assert content_of(await counter.answer("get_store_performance"))["cached"]
        other = await counter.ask("get_store_performance", period="2026-02")
    assert isinstance(other, Failure)
    assert other.code == "BUSY"


@pytest.mark.parametrize("tool", sorted(GOVERNED | {"execute_sales_query"}))
async def test_each_call_is_written_down_with_what_its_answer_covers(counter: Counter, tool: str) -> None:
    await counter.answer(tool)
    await counter.answer(tool)
    first, second = counter.audit.calls
    same = [(one.tool, one.principal, one.query, one.code, one.coverage, one.text_bytes) for one in (first, second)]
    assert same[0] == same[1]
    assert counter.observed == [first, second]


async def test_without_an_audit_trail_there_is_no_answer_though_it_is_there(counter: Counter) -> None:
    await counter.answer("get_store_performance")

    async def fail(_: Call) -> None:
        raise UnavailableError("The audit trail is full.")

    counter.pipeline._audit = fail  # noqa: SLF001
    refused = await counter.ask("get_store_performance")
    assert isinstance(refused, Failure)
    assert refused.code == "UNAVAILABLE"


async def test_a_picture_is_remembered_with_its_answer_and_not_without(counter: Counter) -> None:
    plain = await counter.answer("get_store_performance")
    drawn, again = [await counter.answer("get_store_performance", chart=True) for _ in range(2)]
    assert plain.picture is None
    assert drawn.picture is not None
    assert again.picture == drawn.picture
    assert again.text == drawn.text
    assert len(counter.charts.drawn) == 1


async def test_an_answer_whose_picture_failed_is_drawn_anew(counter: Counter) -> None:
    counter.charts.failure = ChartError("nothing is installed that draws")
    failed = await counter.answer("get_store_performance", chart=True)
    counter.charts.failure = None
    drawn = await counter.answer("get_store_performance", chart=True)
    assert failed.picture is None
    assert drawn.picture is not None


async def test_a_failure_is_not_remembered(counter: Counter) -> None:
    for _ in range(2):
        refused = await counter.ask("get_store_performance", store="Atlantis")
        assert isinstance(refused, Failure)
    assert len(counter.remembered.worked) == 2


async def test_arguments_that_mean_the_same_have_one_answer(counter: Counter) -> None:
    """Those that were left out are those that are said, and the order of their names says nothing."""
    await counter.answer("get_store_performance", period="2026-03", store=None)
    await counter.answer("get_store_performance", store=None, period="2026-03", chart=False)
    await counter.answer("semantic_search_products", max_price=10)
    await counter.answer("semantic_search_products", max_price=10.0)
    assert counter.remembered.worked == ["get_store_performance", "semantic_search_products"]


async def test_many_who_ask_at_once_have_it_worked_out_once(counter: Counter) -> None:
    answers = await asyncio.gather(*(counter.answer("get_store_performance") for _ in range(200)))
    assert counter.remembered.worked == ["get_store_performance"]
    assert len({answer.text for answer in answers}) == 1
    assert len(counter.audit.calls) == 200
