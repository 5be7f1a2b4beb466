"""Tokens by other rules than the usual ones, and what is remembered of them. No provider is asked."""

import asyncio
import time

import pytest

from tests.authorization_server import AUDIENCE, ISSUER, AuthorizationServer, SigningKey, claims
from tests.clock import Clock
from zava.adapters.mcp.json_web_tokens import REMEMBERED_SECONDS, JsonWebTokens, TokenRules, VerifiedToken
from zava.adapters.mcp.signing_keys import LEAST_SECONDS, REFRESH_SECONDS, USABLE_SECONDS, FetchError, SigningKeys
from zava.core.errors import UnavailableError

KEYS = {algorithm: SigningKey.new(algorithm, algorithm) for algorithm in ("RS256", "ES256", "EdDSA")}


class Published:
    """What a provider publishes, and how often it was asked."""

    def __init__(self, *keys: SigningKey) -> None:
        self.keys = list(keys)
        self.asked = 0
        self.fails = False
        self.answers = asyncio.Event()
        self.answers.set()

    async def fetch(self) -> bytes:
        self.asked += 1
        await self.answers.wait()
        if self.fails:
            raise FetchError("away")
        return AuthorizationServer(self.keys).document()


async def verify(token: str, rules: TokenRules) -> VerifiedToken | None:
    return await JsonWebTokens(SigningKeys(Published(*KEYS.values()).fetch), rules).verify(token)


@pytest.mark.parametrize("allowed", KEYS)
@pytest.mark.parametrize("used", KEYS)
async def test_an_operator_may_allow_fewer_algorithms(allowed: str, used: str) -> None:
    verified = await verify(KEYS[used].sign(claims()), TokenRules(ISSUER, AUDIENCE, (allowed,)))
    assert bool(verified) is (allowed == used)


@pytest.mark.parametrize("claim", ["oid", "https://example.com/employee"])
async def test_another_claim_may_say_who_it_is(claim: str) -> None:
    rules = TokenRules(ISSUER, AUDIENCE, subject_claim=claim)
    verified = await verify(KEYS["ES256"].sign(claims("ada", **{claim: "E-1042"})), rules)
    assert verified
    assert verified.subject == "E-1042"
    assert await verify(KEYS["ES256"].sign(claims("ada")), rules) is None


@pytest.mark.parametrize(
    ("said", "scopes"),
    [
        ({}, set()),
        ({"scope": "a b"}, {"a", "b"}),
        ({"scp": "a b"}, {"a", "b"}),
        ({"scp": ["a", "b"]}, {"a", "b"}),
        ({"scope": "a", "scp": ["b"]}, {"a", "b"}),
        ({"scope": 7, "scp": {"a": 1}}, set()),
        ({"scope": [["a"], None, "b"]}, {"b"}),
    ],
)
async def test_scopes_are_named_as_providers_name_them(said: dict[str, object], scopes: set[str]) -> None:
    verified = await verify(KEYS["ES256"].sign(claims(**said)), TokenRules(ISSUER, AUDIENCE))
    assert verified
    assert verified.scopes == scopes


@pytest.mark.parametrize("skew", [0, 300])
async def test_the_clock_skew_is_the_operators(skew: int) -> None:
    rules = TokenRules(ISSUER, AUDIENCE, clock_skew=skew)
    now = int(time.time())
    assert bool(await verify(KEYS["ES256"].sign(claims(exp=now - 200)), rules)) is (skew == 300)
    assert bool(await verify(KEYS["ES256"].sign(claims(nbf=now + 200)), rules)) is (skew == 300)


async def test_a_token_without_a_key_id_is_tried_with_the_keys_that_fit() -> None:
    for key in KEYS.values():
        assert await verify(key.sign(claims(), kid=None), TokenRules(ISSUER, AUDIENCE))
    other = SigningKey.new("another")
    assert await verify(other.sign(claims(), kid=None), TokenRules(ISSUER, AUDIENCE)) is None


async def test_an_end_beyond_all_time_is_no_fault() -> None:
    assert await verify(KEYS["ES256"].sign(claims(exp=10**400)), TokenRules(ISSUER, AUDIENCE))


async def test_a_genuine_token_is_remembered_for_a_minute() -> None:
    published, clock = Published(KEYS["ES256"]), Clock()
    tokens = JsonWebTokens(SigningKeys(published.fetch, clock), TokenRules(ISSUER, AUDIENCE), clock=clock)
    token = KEYS["ES256"].sign(claims())
    assert await tokens.verify(token)
    # The keys are too old to be used, and there are none.
    published.fails = True
    tokens._keys._fetched_at = clock() - USABLE_SECONDS - 1  # noqa: SLF001
    clock.pass_by(REMEMBERED_SECONDS - 1)
    assert await tokens.verify(token)
    clock.pass_by(2)
    with pytest.raises(UnavailableError):
        await tokens.verify(token)


async def test_a_remembered_token_ends_when_it_ends() -> None:
    now = Clock(time.time())
    tokens = JsonWebTokens(SigningKeys(Published(KEYS["ES256"]).fetch), TokenRules(ISSUER, AUDIENCE), now=now)
    token = KEYS["ES256"].sign(claims(exp=int(now()) + 10))
    assert await tokens.verify(token)
    now.pass_by(39)
    assert await tokens.verify(token)
    now.pass_by(2)
    assert await tokens.verify(token) is None


async def test_those_who_wait_for_the_keys_wait_for_one_answer_and_can_leave_alone() -> None:
    published = Published(KEYS["ES256"])
    published.answers.clear()
    tokens = JsonWebTokens(SigningKeys(published.fetch), TokenRules(ISSUER, AUDIENCE))
    waiting = [asyncio.create_task(tokens.verify(KEYS["ES256"].sign(claims(str(number))))) for number in range(5)]
    await asyncio.sleep(0.01)
    waiting[0].cancel()
    await asyncio.sleep(0.01)
    published.answers.set()
    assert [one.subject for one in await asyncio.gather(*waiting[1:]) if one] == ["1", "2", "3", "4"]
    assert published.asked == 1


async def test_nobody_waits_for_keys_that_are_known() -> None:
    published, clock = Published(KEYS["ES256"]), Clock()
    keys = SigningKeys(published.fetch, clock)
    assert await keys.find("ES256")
    published.answers.clear()
    clock.pass_by(REFRESH_SECONDS + 1)
    for _ in range(3):
        assert await asyncio.wait_for(keys.find("ES256"), 1)
    published.answers.set()
    await asyncio.sleep(0.01)
    assert published.asked == 2


async def test_a_key_that_is_not_known_is_no_fault_of_the_provider_unless_it_fails() -> None:
    published, clock = Published(KEYS["ES256"]), Clock()
    keys = SigningKeys(published.fetch, clock)
    assert await keys.find("another") == []
    published.fails = True
    clock.pass_by(LEAST_SECONDS)
    with pytest.raises(UnavailableError):
        await keys.find("another")
    assert await keys.find("ES256")


async def test_a_fault_of_our_own_is_not_raised_for_who_asks(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> bytes:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    with pytest.raises(UnavailableError):
        await SigningKeys(broken).find("x")
    assert "ZeroDivisionError" in caplog.text
