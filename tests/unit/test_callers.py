"""Those whom an administrator has entered, by their tokens, where no provider is asked."""

import asyncio
import logging
from dataclasses import dataclass, field

import httpx2
import pytest
from fastmcp import Client, FastMCP
from starlette.applications import Starlette

from tests.authorization_server import AUDIENCE, ISSUER
from tests.authorization_server import AuthorizationServer as Provider
from tests.callers import always
from tests.clock import Clock
from tests.fakes import STORES_QUERY, FakePrincipalDirectory
from tests.tiny_shop import HEAD_OFFICE, SEATTLE
from tests.unit.test_tools import retail_tools
from zava.adapters.mcp.identity import AuthorizationServer, Caller, DirectoryCallers
from zava.adapters.mcp.json_web_tokens import JsonWebTokens, TokenRules, VerifiedToken
from zava.adapters.mcp.pipeline import Pipeline
from zava.adapters.mcp.prompts import prompt_specs
from zava.adapters.mcp.recent_principals import MOST_RECENT, RecentPrincipals
from zava.adapters.mcp.scoped import check_scope
from zava.adapters.mcp.server import build_server
from zava.adapters.mcp.signing_keys import SigningKeys
from zava.core.errors import AuthorizationError, UnavailableError
from zava.core.model import KnownPrincipal
from zava.core.scopes import PRODUCTS_READ, SALES_QUERY, SALES_READ, SCOPES

ADA = KnownPrincipal(SEATTLE.principal, frozenset((SALES_READ,)))
BOSS = KnownPrincipal(HEAD_OFFICE.principal, SCOPES)
TOKEN = "zava_ada"


@dataclass
class SlowDirectory(FakePrincipalDirectory):
    """Answers when it is let."""

    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def by_subject(self, subject: str, groups: frozenset[str] = frozenset()) -> KnownPrincipal | None:  # noqa: ARG002
        self.asked.append(subject)
        await self.open.wait()
        return self.subjects.get(subject)


# The directory, asked once a second


async def test_an_answer_serves_for_a_second() -> None:
    directory, clock = FakePrincipalDirectory({"ada": ADA}, {TOKEN: BOSS}), Clock()
    recent = RecentPrincipals(directory, clock)
    for _ in range(3):
        assert await recent.by_subject("ada") == ADA
        assert await recent.by_token(TOKEN) == BOSS
        assert await recent.by_subject("eve") is None
    assert directory.asked == ["ada", TOKEN, "eve"]
    directory.subjects.clear()
    clock.pass_by(0.99)
    assert await recent.by_subject("ada") == ADA
    clock.pass_by(0.02)
    assert await recent.by_subject("ada") is None


async def test_an_answer_serves_for_the_groups_that_were_asked_about_and_no_others() -> None:
    directory, clock = FakePrincipalDirectory(groups={"chiefs": BOSS, "seattle": ADA}), Clock()
    recent = RecentPrincipals(directory, clock)
    assert await recent.by_subject("eve", frozenset({"chiefs"})) == BOSS
    assert await recent.by_subject("eve", frozenset({"seattle"})) == ADA
    assert await recent.by_subject("eve") is None
    directory.groups.clear()
    clock.pass_by(0.99)
    assert await recent.by_subject("eve", frozenset({"chiefs"})) == BOSS
    clock.pass_by(0.02)
    assert await recent.by_subject("eve", frozenset({"chiefs"})) is None


async def test_a_token_is_no_subject() -> None:
    recent = RecentPrincipals(FakePrincipalDirectory({"ada": ADA}, {TOKEN: BOSS}), Clock())
    assert await recent.by_token("ada") is None
    assert await recent.by_subject(TOKEN) is None
    assert await recent.by_token(TOKEN) == BOSS


async def test_the_second_begins_when_the_directory_is_asked() -> None:
    directory, clock = SlowDirectory({"ada": ADA}), Clock()
    recent = RecentPrincipals(directory, clock)
    waiting = asyncio.create_task(recent.by_subject("ada"))
    await asyncio.sleep(0)
    clock.pass_by(1)
    directory.open.set()
    assert await waiting == ADA
    assert await recent.by_subject("ada") == ADA
    assert directory.asked == ["ada", "ada"]


async def test_those_who_ask_at_once_wait_for_one_answer_and_can_leave_alone() -> None:
    directory = SlowDirectory({"ada": ADA})
    recent = RecentPrincipals(directory, Clock())
    waiting = [asyncio.create_task(recent.by_subject("ada")) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    directory.open.set()
    assert await asyncio.gather(*waiting[1:]) == [ADA] * 4
    assert directory.asked == ["ada"]


async def test_a_failure_is_not_remembered() -> None:
    directory = FakePrincipalDirectory({"ada": ADA}, failure=UnavailableError("away"))
    recent = RecentPrincipals(directory, Clock())
    with pytest.raises(UnavailableError):
        await recent.by_subject("ada")
    directory.failure = None
    assert await recent.by_subject("ada") == ADA


async def test_what_is_remembered_is_bounded() -> None:
    recent = RecentPrincipals(FakePrincipalDirectory(), Clock())
    for number in range(MOST_RECENT + 10):
        await recent.by_token(f"zava_{number}")
    assert len(recent._answers) == MOST_RECENT  # noqa: SLF001


# Over stdio


async def test_over_stdio_the_directory_is_asked_for_every_call() -> None:
    directory = FakePrincipalDirectory(tokens={TOKEN: ADA})
    callers = DirectoryCallers(directory, None, stdio_token=TOKEN)
    assert await callers.caller() == Caller(SEATTLE.principal, frozenset((SALES_READ,)))
    directory.tokens.clear()
    assert await callers.caller() is None


async def test_without_a_provider_a_token_of_one_is_nobodys() -> None:
    directory = FakePrincipalDirectory({"a.b.c": ADA}, {"a.b.c": ADA})
    assert await DirectoryCallers(directory, None, stdio_token="a.b.c").caller() is None
    assert directory.asked == []


class Verifier(JsonWebTokens):
    """Takes every token for one of a person whom nobody has entered."""

    def __init__(self) -> None:
        """It needs no keys."""

    async def verify(self, token: str) -> VerifiedToken | None:
        return VerifiedToken(f"eve of {token}", frozenset(), frozenset({"staff"}), 0)


@pytest.mark.parametrize(
    ("token", "provider", "reason"),
    [
        ("zava_other", None, "no API token is this one, or it has ended, or whose it is is disabled"),
        ("a.b.c", None, "it is no API token, and without ZAVA_AUTH__ISSUER no others are accepted"),
        (
            "a.b.c",
            AuthorizationServer("https://a.example.com", Verifier()),
            "its subject is disabled, or was not entered and no group lets them in",
        ),
    ],
)
async def test_why_a_token_is_refused_is_logged_and_nothing_that_stands_in_it(
    caplog: pytest.LogCaptureFixture, token: str, provider: AuthorizationServer | None, reason: str
) -> None:
    caplog.set_level(logging.INFO)
    assert await DirectoryCallers(FakePrincipalDirectory(), provider).caller_of(token) is None
    assert caplog.messages == [f"A token was refused: {reason}"]


def server_for(scopes: frozenset[str]) -> FastMCP:
    return build_server(
        retail_tools().specs(),
        Pipeline(always(SEATTLE.principal, scopes), timeout=5),
        prompts=prompt_specs(),
        auth=None,
        version="0.0.0",
    )


LISTED = {
    SALES_READ: {
        "get_store_performance",
        "analyze_sales",
        "compare_stores",
        "find_related_products",
        "check_inventory",
        "find_order",
    },
    SALES_QUERY: {"execute_sales_query", "get_multiple_table_schemas"},
    PRODUCTS_READ: {"semantic_search_products"},
}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("scope", LISTED)
async def test_each_scope_lists_its_tools_and_lets_them_be_called(scope: str, mode: str) -> None:
    async with Client(server_for(frozenset((scope,))), mode=mode) as client:
        listed = {tool.name for tool in await client.list_tools()}
        assert listed == LISTED[scope] | {"get_current_utc_date"}
        assert bool(await client.list_prompts()) is (scope == SALES_READ)
        for other in set().union(*LISTED.values()) - listed:
            refused = await client.call_tool(other, ARGUMENTS[other], raise_on_error=False)
            assert refused.is_error
            assert refused.content[0].text.startswith(f"AUTHORIZATION_ERROR: {other} needs the scope ")
        for own in listed - {"get_current_utc_date"}:
            assert not (await client.call_tool(own, ARGUMENTS[own], raise_on_error=False)).is_error


ARGUMENTS: dict[str, dict[str, object]] = {
    "get_store_performance": {"period": "2026-03"},
    "analyze_sales": {"metrics": ["revenue"], "period": "2026-03"},
    "compare_stores": {"period": "2026-03"},
    "semantic_search_products": {"query_description": "nail into wood"},
    "find_related_products": {"kind": "trending"},
    "check_inventory": {},
    "find_order": {"order_number": 2},
    "execute_sales_query": {"postgresql_query": STORES_QUERY},
    "get_multiple_table_schemas": {"table_names": ["stores"]},
}


async def test_who_has_every_scope_has_every_tool() -> None:
    async with Client(server_for(SCOPES)) as client:
        assert {tool.name for tool in await client.list_tools()} == set(ARGUMENTS) | {"get_current_utc_date"}


@pytest.mark.parametrize(("prefix", "left_on"), [("", ""), ("api://zava/", ""), ("api://zava/", "api://zava/")])
async def test_a_scope_narrows_whether_or_not_the_provider_leaves_the_prefix_on(prefix: str, left_on: str) -> None:
    provider = Provider()

    async def fetch() -> bytes:
        return provider.document()

    trusted = AuthorizationServer(ISSUER, JsonWebTokens(SigningKeys(fetch), TokenRules(ISSUER, AUDIENCE)), prefix)
    callers = DirectoryCallers(FakePrincipalDirectory({"boss": BOSS}), trusted)
    caller = await callers.caller_of(provider.token("boss", scope=f"openid {left_on}{PRODUCTS_READ}"))
    assert caller == Caller(BOSS.principal, frozenset((PRODUCTS_READ,)), SCOPES - {PRODUCTS_READ})


@pytest.mark.parametrize("issuer", ["https://login.example.com", "https://login.example.com/", ISSUER])
async def test_the_issuer_is_told_to_the_letter_since_clients_compare_it(issuer: str) -> None:
    async def fetch() -> bytes:
        return Provider().document()

    trusted = AuthorizationServer(issuer, JsonWebTokens(SigningKeys(fetch), TokenRules(issuer, AUDIENCE)))
    callers = DirectoryCallers(FakePrincipalDirectory(), trusted, base_url="https://zava.example.com")
    transport = httpx2.ASGITransport(app=Starlette(routes=callers.get_routes("/mcp")))
    async with httpx2.AsyncClient(transport=transport, base_url="https://zava.example.com") as client:
        answer = await client.get("/.well-known/oauth-protected-resource/mcp")
    assert answer.json()["authorization_servers"] == [issuer]


def test_a_scope_that_the_token_withholds_is_told_from_one_that_was_not_granted() -> None:
    caller = Caller(SEATTLE.principal, frozenset((PRODUCTS_READ,)), withheld=frozenset((SALES_READ,)))
    check_scope(caller, "search", PRODUCTS_READ)
    check_scope(caller, "date", None)
    with pytest.raises(AuthorizationError, match=r"sales:read, which you have: sign in anew for it"):
        check_scope(caller, "sales", SALES_READ)
    with pytest.raises(AuthorizationError, match=r"sales:query: ask an administrator for it"):
        check_scope(caller, "query", SALES_QUERY)
