"""Answers are kept for as long as they are true, and given to nobody who would get another one."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import astuple, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import FakeShopVersions
from tests.tiny_shop import HEAD_OFFICE, SEATTLE, TACOMA
from zava.adapters.cache.memory import InMemoryCache
from zava.core.answer_cache import FRESH_SECONDS, AnswerCache, Asked, Ingredients, KeptAnswers, server_of
from zava.core.errors import BusyError, UnavailableError
from zava.core.model import EmbeddingModel, Membership, Principal, ShopVersion, Snapshot
from zava.core.readings import Reading, make_do, reading_under_way
from zava.core.scopes import SCOPES

QUESTION = "get_store_performance"
NOON = datetime(2026, 4, 1, 19, tzinfo=UTC)
KEPT = KeptAnswers("0.1.0", 300)
ASKED = Asked(SEATTLE.principal, QUESTION, SCOPES, {"period": "2026-03", "store": None})


@dataclass
class Desk:
    """A cache of answers, the shop they are of, and clocks that stand still."""

    versions: FakeShopVersions = field(default_factory=FakeShopVersions)
    policy: KeptAnswers = KEPT
    now: datetime = NOON
    seconds: float = 0
    worked: int = 0

    def __post_init__(self) -> None:
        self.answers = AnswerCache(
            InMemoryCache(),
            rights=InMemoryCache(),
            versions=self.versions,
            policy=self.policy,
            now=lambda: self.now,
            clock=lambda: self.seconds,
        )

    def work(
        self, asked: Asked, *, meanwhile: Callable[[], object] = lambda: None, error: Exception | None = None
    ) -> Callable[[], Awaitable[bytes]]:
        """Asks the shop, as whoever asks sees it. Each time the answer has another number."""

        async def work() -> bytes:
            self.worked += 1
            number = self.worked
            await asyncio.sleep(0)
            meanwhile()
            if reading := reading_under_way.get():
                reading.snapshots.append(await self.versions.seen_by(asked.principal))
            if error:
                raise error
            return f"answer {number}".encode()

        return work

    async def ask(self, asked: Asked = ASKED, **how: Any) -> bytes:  # noqa: ANN401 - as of work
        work = self.work(asked, **how)
        ingredients = await self.answers.ingredients(asked)
        return await (self.answers.recall(ingredients, work) if ingredients else work())


@pytest.fixture
async def desk() -> Desk:
    desk = Desk()
    await desk.answers.look()
    return desk


async def test_the_same_question_is_answered_once(desk: Desk) -> None:
    assert [await desk.ask() for _ in range(3)] == [b"answer 1"] * 3


async def test_two_hundred_who_ask_at_once_have_it_worked_out_once(desk: Desk) -> None:
    assert await asyncio.gather(*(desk.ask() for _ in range(200))) == [b"answer 1"] * 200
    assert desk.worked == 1
    assert desk.versions.asked_for_rights == 1 + 1  # for the key, and by the work itself


async def test_nothing_is_kept_before_the_state_of_the_shop_is_known() -> None:
    desk = Desk()
    assert [await desk.ask(), await desk.ask()] == [b"answer 1", b"answer 2"]


async def test_nothing_is_given_again_when_the_state_of_the_shop_was_known_long_ago(desk: Desk) -> None:
    await desk.ask()
    desk.seconds = FRESH_SECONDS
    assert await desk.ask() == b"answer 1"
    desk.seconds = FRESH_SECONDS + 0.01
    assert await desk.ask() == b"answer 2"
    await desk.answers.look()
    assert await desk.ask() == b"answer 1"


async def test_a_look_counts_from_when_it_was_asked(desk: Desk) -> None:
    """What the primary told may be as old as that."""
    desk.versions.before_telling = lambda: setattr(desk, "seconds", 10.0)
    await desk.answers.look()
    assert await desk.answers.ingredients(ASKED) is None


async def test_a_look_that_fails_leaves_what_was_known_until_it_is_old(desk: Desk) -> None:
    await desk.ask()
    desk.versions.error = UnavailableError("there is no primary")
    desk.seconds = 1
    with pytest.raises(UnavailableError):
        await desk.answers.look()
    assert await desk.ask() == b"answer 1"
    desk.seconds = FRESH_SECONDS + 1
    assert await desk.ask() == b"answer 2"


@pytest.mark.parametrize("version", [ShopVersion(None, "1", "UTC"), ShopVersion("1", None, "UTC")])
async def test_a_shop_of_no_known_version_is_asked_anew_each_time(desk: Desk, version: ShopVersion) -> None:
    desk.versions.version = version
    await desk.answers.look()
    assert [await desk.ask(), await desk.ask()] == [b"answer 1", b"answer 2"]


@pytest.mark.parametrize("kind", ["data_version", "policy_version"])
async def test_a_change_makes_old_answers_useless_as_soon_as_it_is_known(desk: Desk, kind: str) -> None:
    await desk.ask()
    desk.versions.version = replace(desk.versions.version, **{kind: "2"})
    await desk.answers.look()
    assert [await desk.ask(), await desk.ask()] == [b"answer 2"] * 2


@pytest.mark.parametrize("kind", ["data_version", "policy_version"])
async def test_an_answer_that_saw_a_change_is_not_kept_for_the_shop_before_it(desk: Desk, kind: str) -> None:
    def change() -> None:
        desk.versions.version = replace(desk.versions.version, **{kind: "2"})

    assert await desk.ask(meanwhile=change) == b"answer 1"
    desk.versions.version = replace(desk.versions.version, **{kind: "1"})
    assert await desk.ask() == b"answer 2"


async def test_those_who_wait_while_the_data_changes_share_the_answer_that_saw_it(desk: Desk) -> None:
    def change() -> None:
        desk.versions.version = replace(desk.versions.version, data_version="2")

    assert await asyncio.gather(*(desk.ask(meanwhile=change) for _ in range(5))) == [b"answer 1"] * 5


async def test_those_who_wait_while_rights_change_share_nothing(desk: Desk) -> None:
    """Whoever it was that was answered may see something else by now."""

    def change() -> None:
        desk.versions.rights[SEATTLE.principal.principal_id] = "everything"

    answers = await asyncio.gather(*(desk.ask(meanwhile=change) for _ in range(3)))
    assert sorted(answers) == [b"answer 1", b"answer 2", b"answer 3"]


async def test_an_answer_of_an_older_state_is_not_kept(desk: Desk) -> None:
    """As a replica gives that is behind."""
    lagging = replace(desk.versions.version, data_version="0")
    current = desk.versions.version

    def read_from_a_replica() -> None:
        desk.versions.version = lagging

    await desk.ask(meanwhile=read_from_a_replica)
    desk.versions.version = current
    assert await desk.ask() == b"answer 2"


async def test_an_answer_that_nobody_can_date_is_not_kept(desk: Desk) -> None:
    async def work() -> bytes:
        desk.worked += 1
        return b"from nowhere"

    for _ in range(2):
        ingredients = await desk.answers.ingredients(ASKED)
        assert ingredients
        assert await desk.answers.recall(ingredients, work) == b"from nowhere"
    assert desk.worked == 2


async def test_a_makeshift_is_not_kept_and_not_shared(desk: Desk) -> None:
    answers = await asyncio.gather(*(desk.ask(meanwhile=make_do) for _ in range(2)))
    assert sorted(answers) == [b"answer 1", b"answer 2"]
    assert await desk.ask() == b"answer 3"


async def test_an_error_is_not_kept(desk: Desk) -> None:
    with pytest.raises(UnavailableError):
        await desk.ask(error=UnavailableError("the database is away"))
    assert await desk.ask() == b"answer 2"


async def test_nobody_gets_an_error_that_is_another_s(desk: Desk) -> None:
    """Whose queue is full says nothing about that of the others."""
    first, second = await asyncio.gather(
        desk.ask(error=BusyError("You have too many questions under way.")), desk.ask(), return_exceptions=True
    )
    assert isinstance(first, BusyError)
    assert second == b"answer 2"


async def test_a_new_day_has_new_answers(desk: Desk) -> None:
    """The business counts its days in its own time zone: there it is noon, and midnight is 07:00 UTC."""
    await desk.ask()
    desk.now = datetime(2026, 4, 2, 6, 59, tzinfo=UTC)
    assert await desk.ask() == b"answer 1"
    desk.now = datetime(2026, 4, 2, 7, 0, tzinfo=UTC)
    assert await desk.ask() == b"answer 2"


async def test_an_answer_that_midnight_has_overtaken_is_not_kept(desk: Desk) -> None:
    def midnight() -> None:
        desk.now = NOON + timedelta(days=1)

    await desk.ask(meanwhile=midnight)
    desk.now = NOON
    assert await desk.ask() == b"answer 2"


async def test_an_answer_of_a_database_whose_clock_is_on_another_day_is_not_kept(desk: Desk) -> None:
    desk.versions.as_of = NOON - timedelta(days=1)
    assert [await desk.ask(), await desk.ask()] == [b"answer 1", b"answer 2"]


async def test_those_who_see_the_same_share_and_others_do_not(desk: Desk) -> None:
    twin = Principal(UUID(int=7), "Another manager of Seattle")
    desk.versions.rights[twin.principal_id] = desk.versions.rights[SEATTLE.principal.principal_id]
    assert await desk.ask() == b"answer 1"
    assert await desk.ask(replace(ASKED, principal=twin)) == b"answer 1"
    for number, other in enumerate((TACOMA, HEAD_OFFICE), start=2):
        assert await desk.ask(replace(ASKED, principal=other.principal)) == f"answer {number}".encode()


async def test_members_of_groups_have_rights_of_their_groups(desk: Desk) -> None:
    """The same person may come with other groups next time."""
    member = Principal(UUID(int=8), "ada", Membership("ada", frozenset(("seattle",))))
    moved = replace(member, membership=Membership("ada", frozenset(("tacoma",))))
    desk.versions.rights[member.principal_id] = "seattle"
    assert await desk.ask(replace(ASKED, principal=member)) == b"answer 1"
    desk.versions.rights[member.principal_id] = "tacoma"
    assert await desk.ask(replace(ASKED, principal=moved)) == b"answer 2"


async def test_who_has_lost_rights_is_asked_for_anew_as_soon_as_that_is_known(desk: Desk) -> None:
    await desk.ask()
    desk.versions.rights[SEATTLE.principal.principal_id] = "nothing"
    desk.versions.version = replace(desk.versions.version, policy_version="2")
    await desk.answers.look()
    assert await desk.ask() == b"answer 2"


@pytest.mark.parametrize("question", ["find_order", "get_multiple_table_schemas", "get_current_utc_date", "csv"])
async def test_what_costs_little_or_names_customers_is_not_kept(desk: Desk, question: str) -> None:
    asked = replace(ASKED, question=question)
    assert [await desk.ask(asked), await desk.ask(asked)] == [b"answer 1", b"answer 2"]


def free_sql(query: str) -> Asked:
    return replace(ASKED, question="execute_sales_query", arguments={"postgresql_query": query})


async def test_free_sql_is_kept_by_a_setting_alone(desk: Desk) -> None:
    asked = free_sql("SELECT count(*) FROM retail.orders")
    assert [await desk.ask(asked), await desk.ask(asked)] == [b"answer 1", b"answer 2"]
    desk = Desk(policy=replace(KEPT, free_sql=True))
    await desk.answers.look()
    assert [await desk.ask(asked), await desk.ask(asked)] == [b"answer 1"] * 2


@pytest.mark.parametrize(
    "query",
    [
        "SELECT now()",
        "SELECT clock_timestamp()",
        "SELECT transaction_timestamp(), 1",
        "SELECT statement_timestamp()",
        "SELECT Current_Date - 7",
        "SELECT CURRENT_TIMESTAMP(0)",
        "SELECT localtimestamp",
        "SELECT age(ordered_at) FROM retail.orders",
        "SELECT 'today'::date",
        "SELECT date 'yesterday'",
        "SELECT timestamptz 'tomorrow'",
        "SELECT * FROM retail.orders ORDER BY random() LIMIT 1",
        "SELECT random_normal()",
    ],
)
async def test_free_sql_that_reads_a_clock_or_chance_is_never_kept(query: str) -> None:
    desk = Desk(policy=replace(KEPT, free_sql=True))
    await desk.answers.look()
    assert [await desk.ask(free_sql(query)), await desk.ask(free_sql(query))] == [b"answer 1", b"answer 2"]


WORDS = st.text(max_size=8)
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS
INGREDIENTS = st.builds(
    Ingredients,
    server=WORDS,
    data_version=WORDS,
    policy_version=WORDS,
    rights=WORDS,
    scopes=st.frozensets(st.sampled_from(sorted(SCOPES)) | WORDS, max_size=3),
    time_zone=WORDS,
    today=st.dates(),
    question=WORDS,
    arguments=st.dictionaries(WORDS, VALUES | st.lists(WORDS, max_size=3), max_size=3),
)
EACH = [one.name for one in fields(Ingredients)]


def told(value: object) -> object:
    """The value, by which JSON's true and 1, 1 and 1.0, and "1" are told apart."""
    if isinstance(value, dict):
        return {name: told(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [told(one) for one in value]
    return (type(value).__name__, repr(value)) if not isinstance(value, frozenset) else value


@pytest.mark.parametrize("name", EACH)
@given(one=INGREDIENTS, other=INGREDIENTS)
def test_answers_share_a_key_only_when_each_ingredient_is_the_same(
    name: str, one: Ingredients, other: Ingredients
) -> None:
    varied = replace(one, **{name: getattr(other, name)})
    is_same = told(getattr(varied, name)) == told(getattr(one, name))
    assert (varied.key == one.key) is is_same


@given(one=INGREDIENTS, other=INGREDIENTS)
def test_no_ingredient_can_be_taken_for_another(one: Ingredients, other: Ingredients) -> None:
    same = all(told(getattr(one, name)) == told(getattr(other, name)) for name in EACH)
    assert (one.key == other.key) is same


@dataclass(frozen=True)
class Person:
    """Somebody who may ask, as the database knows them."""

    role: str
    stores: frozenset[str]
    grants: frozenset[str]
    scopes: frozenset[str]


PEOPLE = st.builds(
    Person,
    role=st.sampled_from(("store_manager", "regional_manager", "head_office")),
    stores=st.frozensets(st.sampled_from(("Seattle", "Tacoma", "Bellevue")), max_size=3),
    grants=st.frozensets(st.sampled_from(("personal", "audit:read")), max_size=2),
    scopes=st.frozensets(st.sampled_from(sorted(SCOPES)), max_size=4),
)


@given(people=st.lists(PEOPLE, min_size=2, max_size=6), varied=st.integers(0, 3), another=PEOPLE)
def test_no_two_people_share_an_answer_unless_they_see_the_same(
    people: list[Person], varied: int, another: Person
) -> None:
    """Some differ in one thing alone. Each asks in turn, and again; the answer says for whom it was worked out."""
    thing = fields(Person)[varied].name
    people = [*people, replace(people[0], **{thing: getattr(another, thing)})]

    async def everybody_asks() -> None:
        desk = Desk()
        for number, person in enumerate(people):
            desk.versions.rights[UUID(int=number)] = repr((person.role, sorted(person.stores), sorted(person.grants)))
        await desk.answers.look()
        for _ in range(2):
            for number, person in enumerate(people):
                asked = Asked(Principal(UUID(int=number), f"person {number}"), QUESTION, person.scopes, {})
                whose = repr([sorted(one) if isinstance(one, frozenset) else one for one in astuple(person)])
                assert await answer_of(desk, asked, whose) == whose

    asyncio.run(everybody_asks())


async def answer_of(desk: Desk, asked: Asked, whose: str) -> str:
    async def work() -> bytes:
        reading = reading_under_way.get()
        assert reading
        reading.snapshots.append(await desk.versions.seen_by(asked.principal))
        return whose.encode()

    ingredients = await desk.answers.ingredients(asked)
    assert ingredients
    return (await desk.answers.recall(ingredients, work)).decode()


def test_servers_are_told_apart_by_version_models_and_settings() -> None:
    model = EmbeddingModel("one", 3)
    servers = [
        server_of("0.1.0", [model], ["{}"]),
        server_of("0.1.1", [model], ["{}"]),
        server_of("0.1.0", [EmbeddingModel("two", 3)], ["{}"]),
        server_of("0.1.0", [EmbeddingModel("one", 4)], ["{}"]),
        server_of("0.1.0", [], ["{}"]),
        server_of("0.1.0", [model], ['{"quartiles": false}']),
    ]
    assert len(set(servers)) == len(servers)
    assert server_of("0.1.0", [model], ["{}"]) == servers[0]


def test_a_reading_is_as_old_as_its_oldest_snapshot() -> None:
    snapshots = [Snapshot("1", "1", "all", NOON + timedelta(seconds=second)) for second in (3, 1, 2)]
    assert Reading(snapshots).as_of == NOON + timedelta(seconds=1)
    assert Reading().as_of is None
