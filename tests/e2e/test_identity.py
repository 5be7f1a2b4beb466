"""Whom the server lets in, with an authorization server whose keys and signatures are real."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.authorization_server import AUDIENCE, ISSUER, AuthorizationServer, SigningKey, claims
from tests.clock import Clock
from tests.e2e.served import API_TOKEN, ERA, HANDSHAKE_ERA, Served, call, message, people, serving
from tests.fakes import FakePrincipalDirectory
from tests.tiny_shop import SEATTLE
from zava.adapters.mcp.identity import AuthorizationServer as TrustedServer
from zava.adapters.mcp.identity import DirectoryCallers
from zava.adapters.mcp.json_web_tokens import JsonWebTokens, TokenRules
from zava.adapters.mcp.recent_principals import RecentPrincipals
from zava.adapters.mcp.signing_keys import LEAST_SECONDS, REFRESH_SECONDS, USABLE_SECONDS, SigningKeys, fetch_from
from zava.core.errors import UnavailableError
from zava.core.model import KnownPrincipal
from zava.core.scopes import PRODUCTS_READ, SALES_QUERY, SALES_READ, SCOPES
from zava.demo.personas import PERSONAS

BASE_URL = "http://127.0.0.1:8000"
METADATA_URL = f"{BASE_URL}/.well-known/oauth-protected-resource/mcp"
ERAS = [ERA, HANDSHAKE_ERA]
EVERY_STORE = ["Bellevue", "Seattle", "Tacoma"]
ALL_SCOPES = " ".join(sorted(SCOPES))


@dataclass
class World:
    """A server, those it knows, and who issues their tokens. Its clock stands still; the tokens' is the real one."""

    provider: AuthorizationServer
    directory: FakePrincipalDirectory
    clock: Clock
    server: Served = field(init=False)

    def begin_anew(self) -> None:
        """Lets the server forget what it knows, and makes everything as it was at first."""
        self.clock.pass_by(100_000)
        vars(self.provider).update(vars(AuthorizationServer(url=self.provider.url)))
        vars(self.directory).update(vars(people()))


@pytest.fixture
def world(the_world: World) -> World:
    the_world.begin_anew()
    return the_world


@pytest.fixture(scope="module")
def the_world() -> Iterator[World]:
    world = World(AuthorizationServer(), people(), Clock())
    with world.provider.running():
        keys = SigningKeys(fetch_from(world.provider.url, seconds=3), world.clock)
        tokens = JsonWebTokens(keys, TokenRules(ISSUER, AUDIENCE), clock=world.clock)
        callers = DirectoryCallers(
            RecentPrincipals(world.directory, world.clock), TrustedServer(ISSUER, tokens), base_url=BASE_URL
        )
        with serving(callers) as world.server:
            yield world


def assert_refused(world: World, token: str) -> None:
    answer = world.server.post(token)
    assert answer.status_code == 401
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith("Bearer ")
    assert 'error="invalid_token"' in challenge
    assert f'resource_metadata="{METADATA_URL}"' in challenge
    assert token not in answer.text


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("era", ERAS)
def test_a_good_token_is_accepted_and_says_who_asks(world: World, algorithm: str, era: str) -> None:
    world.provider.keys.append(SigningKey.new("another", algorithm))
    assert world.server.stores(world.provider.token("ada"), era) == ["Seattle"]
    assert world.server.stores(world.provider.token("boss"), era) == EVERY_STORE


def test_an_api_token_is_accepted_and_no_other_is(world: World) -> None:
    assert world.server.stores(API_TOKEN) == EVERY_STORE
    assert world.provider.fetched == 0
    assert_refused(world, "zava_nobody")


def test_without_a_token_one_is_told_where_to_get_one(world: World) -> None:
    for authorization in ({}, {"Authorization": "Basic YWRhOng="}):
        answer = world.server.post(None, **authorization)
        assert answer.status_code == 401
        challenge = answer.headers["WWW-Authenticate"]
        # RFC 6750: who sent no token is told of no error.
        assert challenge == f'Bearer scope="{ALL_SCOPES}", resource_metadata="{METADATA_URL}"'


def test_the_metadata_name_the_authorization_server(world: World) -> None:
    answer = world.server.client.get(world.server.url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp"))
    assert answer.status_code == 200
    metadata = {name: value for name, value in answer.json().items() if value is not None}
    assert metadata == {
        "resource": AUDIENCE,
        "authorization_servers": [ISSUER],
        "scopes_supported": sorted(SCOPES),
        "bearer_methods_supported": ["header"],
        "resource_name": "Zava Retail Analytics",
    }


NOW = int(time.time())
BAD_CLAIMS = {
    "expired": {"exp": NOW - 60},
    "without an end": {"exp": None},
    "an end that is no number": {"exp": "soon"},
    "not yet valid": {"nbf": NOW + 600},
    "issued in the future": {"iat": NOW + 600},
    "another audience": {"aud": "http://127.0.0.1:8000"},
    "other audiences": {"aud": ["account", f"{AUDIENCE}/"]},
    "no audience": {"aud": None},
    "another issuer": {"iss": f"{ISSUER}/"},
    "no issuer": {"iss": None},
    "nobody that is known": {"sub": "eve"},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "a subject that is no text": {"sub": {"name": "ada"}},
    "a subject that is too long": {"sub": "a" * 501},
}


@pytest.mark.parametrize("changed", BAD_CLAIMS.values(), ids=BAD_CLAIMS)
def test_a_token_is_refused_that_is(world: World, changed: dict[str, object]) -> None:
    assert_refused(world, world.provider.keys[0].sign(claims(**changed)))
    assert world.server.post(world.provider.token()).status_code == 200


@pytest.mark.parametrize("changed", [{"exp": NOW - 5}, {"nbf": NOW + 15}, {"aud": ["account", AUDIENCE]}])
def test_clocks_may_differ_and_audiences_be_many(world: World, changed: dict[str, object]) -> None:
    late = {
        name: value + int(time.time()) - NOW if isinstance(value, int) else value for name, value in changed.items()
    }
    assert world.server.post(world.provider.keys[0].sign(claims(**late))).status_code == 200


def encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def unsigned(algorithm: str) -> str:
    return f"{encoded({'alg': algorithm, 'kid': 'first'})}.{encoded(claims())}."


def signed_with_the_public_key(key: SigningKey, form: str) -> str:
    public = key.private.public_key()
    secret = {
        "PEM": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "JWK": json.dumps(key.public()).encode(),
    }[form]
    signing = f"{encoded({'alg': 'HS256', 'kid': key.key_id, 'typ': 'JWT'})}.{encoded(claims())}"
    mac = hmac.digest(secret, signing.encode(), hashlib.sha256)
    return f"{signing}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "RS256", "ES256"])
def test_a_token_without_a_signature_is_refused(world: World, algorithm: str) -> None:
    assert_refused(world, unsigned(algorithm))


@pytest.mark.parametrize("form", ["PEM", "DER", "JWK"])
def test_the_public_key_is_no_shared_secret(world: World, form: str) -> None:
    world.provider.keys.append(SigningKey.new("rsa", "RS256"))
    assert_refused(world, signed_with_the_public_key(world.provider.keys[-1], form))


def test_a_shared_secret_among_the_published_keys_signs_nothing(world: World) -> None:
    secret = b"thirty-two bytes that are published"
    oct_key = {"kty": "oct", "k": base64.urlsafe_b64encode(secret).decode().rstrip("="), "kid": "oct"}
    world.provider.body = json.dumps({"keys": [world.provider.keys[0].public(), oct_key]}).encode()
    assert_refused(world, jwt.encode(claims(), secret, "HS256", {"kid": "oct"}))
    assert world.server.post(world.provider.token()).status_code == 200


def test_other_algorithms_and_keys_are_refused(world: World) -> None:
    key = SigningKey.new("rsa", "RS256")
    short = SigningKey.new("short", "RS256", bits=1024)
    encryption = SigningKey.new("encryption")
    published = [world.provider.keys[0].public(), key.public(alg=None), encryption.public(use="enc")]
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        by_short = short.sign(claims())
    world.provider.body = json.dumps({"keys": [*published, short.public()]}).encode()
    assert_refused(world, jwt.encode(claims(), key.private, "RS512", {"kid": "rsa"}))
    assert_refused(world, jwt.encode(claims(), key.private, "PS256", {"kid": "rsa"}))
    assert_refused(world, by_short)
    assert_refused(world, encryption.sign(claims()))
    # The key of one id under the name of another.
    assert_refused(world, SigningKey.new("first").sign(claims()))


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "logout+jwt"},
        {"typ": "dpop+jwt"},
        {"typ": 7},
        {"crit": ["exp"]},
        {"crit": ["unheard-of"], "unheard-of": True},
        {"kid": 7},
        {"kid": ["first"]},
    ],
)
def test_a_token_of_another_kind_is_refused(world: World, header: dict[str, object]) -> None:
    key = world.provider.keys[0]
    real = encoded({"alg": key.algorithm, "typ": "JWT", "kid": "first", **header})
    signing = f"{real}.{encoded(claims())}"
    signature = jwt.get_algorithm_by_name(key.algorithm).sign(signing.encode(), key.private)
    assert_refused(world, f"{signing}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}")


@pytest.mark.parametrize("kind", ["at+jwt", "application/at+jwt", "AT+JWT", "jwt", None])
def test_these_kinds_are_accepted(world: World, kind: str | None) -> None:
    assert world.server.post(world.provider.keys[0].sign(claims(), typ=kind)).status_code == 200


def test_a_key_in_the_token_itself_is_not_believed(world: World) -> None:
    forged = SigningKey.new("first")
    assert_refused(world, forged.sign(claims(), jwk=forged.public()))
    assert_refused(world, forged.sign(claims(), jku=world.provider.url, x5u=world.provider.url))


@pytest.mark.parametrize(
    "token",
    ["x", "a.b.c", "..", "Bearer", "zava", "e30.e30.e30", "x" * 16_385, "[" * 2_000, "{}.{}.{}", "%00", "eyJ" * 4000],
)
def test_what_is_no_token_is_refused(world: World, token: str) -> None:
    assert world.server.post(token).status_code == 401
    assert world.provider.fetched == 0


def test_a_deep_header_is_refused(world: World) -> None:
    deep = base64.urlsafe_b64encode(b'{"a":' * 2_000).decode().rstrip("=")
    assert_refused(world, f"{deep}.e30.e30")


@pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.token)
def test_the_tokens_of_the_sample_shop_are_nobodys(world: World, persona: object) -> None:
    assert_refused(world, persona.token)  # type: ignore[attr-defined] # a persona


# Keys


def test_the_keys_are_fetched_once(world: World) -> None:
    for _ in range(3):
        for subject in ("ada", "boss"):
            assert world.server.post(world.provider.token(subject)).status_code == 200
    assert world.provider.fetched == 1


def test_a_new_key_serves_at_once_and_an_old_one_no_more_than_a_minute(world: World) -> None:
    old = world.provider.token()
    assert world.server.post(old).status_code == 200
    world.clock.pass_by(LEAST_SECONDS)
    world.provider.keys = [SigningKey.new("second", "RS256")]
    assert world.server.post(world.provider.token()).status_code == 200
    world.clock.pass_by(61)
    assert_refused(world, old)


def test_keys_that_nobody_knows_are_sought_every_ten_seconds_at_most(world: World) -> None:
    assert world.server.post(world.provider.token()).status_code == 200
    for number in range(20):
        assert_refused(world, SigningKey.new(f"invented-{number}").sign(claims()))
    assert world.provider.fetched == 1
    world.clock.pass_by(LEAST_SECONDS)
    for number in range(20):
        assert_refused(world, SigningKey.new(f"invented-{number}").sign(claims()))
    assert world.provider.fetched == 2
    assert world.server.post(world.provider.token()).status_code == 200


@pytest.mark.parametrize(
    "trouble",
    [
        {"status": 500},
        {"status": 302},
        {"delay": 5.0},
        {"body": b"<html>"},
        {"body": b"[]"},
        {"body": b"{}"},
        {"body": b'{"keys": 7}'},
        {"body": b'{"keys": [7, null, {}]}'},
        {"body": b"[" * 100_000},
        {"body": b'{"keys": [], "more": "' + b"x" * 300_000 + b'"}'},
        {"body": b"\xff"},
    ],
    ids=str,
)
def test_known_keys_serve_for_an_hour_when_the_provider_fails(world: World, trouble: dict[str, object]) -> None:
    assert world.server.post(world.provider.token()).status_code == 200
    for name, value in trouble.items():
        setattr(world.provider, name, value)
    for seconds in (REFRESH_SECONDS + 1, LEAST_SECONDS + 1, LEAST_SECONDS + 1):
        world.clock.pass_by(seconds)
        began = time.monotonic()
        assert world.server.post(world.provider.token()).status_code == 200
        assert time.monotonic() - began < 0.9  # nobody waits for the provider
    world.clock.pass_by(USABLE_SECONDS)
    answer = world.server.post(world.provider.token())
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert answer.json() == {
        "error": "temporarily_unavailable",
        "error_description": "The identity provider's keys cannot be fetched at present. Try again.",
    }
    assert world.server.post(API_TOKEN).status_code == 200


def test_more_than_keys_is_not_read(world: World) -> None:
    world.provider.body = world.provider.document() + b" " * 300_000
    assert world.server.post(world.provider.token()).status_code == 503


def test_the_server_recovers_with_its_provider(world: World) -> None:
    world.provider.status = 500
    assert world.server.post(world.provider.token()).status_code == 503
    world.provider.status = 200
    assert world.server.post(world.provider.token()).status_code == 503
    world.clock.pass_by(LEAST_SECONDS)
    assert world.server.post(world.provider.token()).status_code == 200


# Principals


@pytest.mark.parametrize("era", ERAS)
def test_who_is_disabled_is_out_within_a_second(world: World, era: str) -> None:
    token = world.provider.token("ada")
    assert world.server.post(token, era=era).status_code == 200
    del world.directory.subjects["ada"], world.directory.tokens[API_TOKEN]
    world.clock.pass_by(1)
    assert_refused(world, token)
    assert_refused(world, API_TOKEN)


def test_the_directory_is_asked_once_a_second(world: World) -> None:
    for _ in range(5):
        assert world.server.post(API_TOKEN).status_code == 200
    assert world.directory.asked == [API_TOKEN]
    world.clock.pass_by(1)
    assert world.server.post(API_TOKEN).status_code == 200
    assert world.directory.asked == [API_TOKEN, API_TOKEN]


def test_a_directory_that_is_away_is_no_fault_of_the_token(world: World) -> None:
    world.directory.failure = UnavailableError("The database cannot be reached. Try again.")
    for token in (API_TOKEN, world.provider.token()):
        answer = world.server.post(token)
        assert answer.status_code == 503
        assert answer.json()["error_description"] == "The database cannot be reached. Try again."
    world.directory.failure = None
    assert world.server.post(API_TOKEN).status_code == 200


@pytest.mark.parametrize("era", ERAS)
def test_two_subjects_on_one_connection_see_each_their_own(world: World, era: str) -> None:
    ada, boss = world.provider.token("ada"), world.provider.token("boss")
    for _ in range(5):
        assert world.server.stores(ada, era) == ["Seattle"]
        assert world.server.stores(boss, era) == EVERY_STORE
    assert_refused(world, world.provider.token("eve"))


def test_a_token_swapped_in_mid_session_decides_from_then_on(world: World) -> None:
    ada, boss = world.provider.token("ada"), world.provider.token("boss")
    opening = message(
        "initialize",
        {"protocolVersion": HANDSHAKE_ERA, "capabilities": {}, "clientInfo": {"name": "tests", "version": "0"}},
        HANDSHAKE_ERA,
    )
    opened = world.server.post(ada, opening, HANDSHAKE_ERA)
    assert opened.status_code == 200
    # There is no session that could remember who opened it, and one that is made up is none.
    assert "Mcp-Session-Id" not in opened.headers
    question = call("get_store_performance", {"period": "2026-03"}, HANDSHAKE_ERA)
    stores = [
        world.server.post(token, question, HANDSHAKE_ERA, **{"Mcp-Session-Id": "made-up"}).json()["result"][
            "structuredContent"
        ]["store"]["stores"]
        for token in (ada, boss, ada)
    ]
    assert stores == [["Seattle"], EVERY_STORE, ["Seattle"]]


# Scopes


def test_a_tool_without_its_scope_is_neither_listed_nor_called(world: World) -> None:
    world.directory.subjects["ada"] = KnownPrincipal(SEATTLE.principal, frozenset((PRODUCTS_READ, "unheard:of")))
    token = world.provider.token("ada")
    for era in ERAS:
        assert world.server.tools(token, era) == {"semantic_search_products", "get_current_utc_date"}
        answer = world.server.post(token, call("get_store_performance", {"period": "2026-03"}, era), era)
        # No token could do better: an administrator has to grant it.
        assert answer.status_code == 200
        result = answer.json()["result"]
        assert result["isError"]
        assert result["_meta"]["zava/error"] == {"code": "AUTHORIZATION_ERROR", "retryable": False}
        assert result["content"][0]["text"].endswith("needs the scope sales:read: ask an administrator for it.")


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("claim", [{"scope": "openid products:read"}, {"scp": ["products:read", "profile", 7]}])
def test_a_token_that_names_scopes_has_no_others_and_one_can_sign_in_for_more(
    world: World, era: str, claim: dict[str, object]
) -> None:
    token = world.provider.token("ada", **claim)
    assert world.server.tools(token, era) == {"semantic_search_products", "get_current_utc_date"}
    answer = world.server.post(token, call("get_store_performance", {"period": "2026-03"}, era), era)
    assert answer.status_code == 403
    assert answer.headers["WWW-Authenticate"] == (
        f'Bearer error="insufficient_scope", scope="products:read sales:read", resource_metadata="{METADATA_URL}"'
    )
    assert answer.json()["result"]["isError"]
    better = world.provider.token("ada", scope="products:read sales:read")
    assert world.server.stores(better, era) == ["Seattle"]


def test_a_token_that_names_no_scope_of_ours_leaves_them_to_the_directory(world: World) -> None:
    every = world.server.tools(API_TOKEN)
    assert len(every) > 5
    assert world.server.tools(world.provider.token("ada", scope="openid profile")) == every


def test_a_token_cannot_name_itself_more_than_was_granted(world: World) -> None:
    world.directory.subjects["ada"] = KnownPrincipal(SEATTLE.principal, frozenset((PRODUCTS_READ,)))
    token = world.provider.token("ada", scope=ALL_SCOPES)
    assert world.server.tools(token) == {"semantic_search_products", "get_current_utc_date"}


def test_prompts_are_listed_with_their_scope_only(world: World) -> None:
    listed = world.server.post(API_TOKEN, message("prompts/list", {})).json()["result"]["prompts"]
    assert len(listed) == 4
    token = world.provider.token("ada", scope=PRODUCTS_READ)
    assert world.server.post(token, message("prompts/list", {})).json()["result"]["prompts"] == []
    refused = world.server.post(token, message("prompts/get", {"name": "daily_brief", "arguments": {}}))
    assert refused.status_code == 403


def test_a_link_to_a_file_needs_the_scope_of_its_tool(world: World) -> None:
    answer = world.server.post(world.provider.token("boss"), call("compare_stores", {"period": "2026-03"})).json()
    (link,) = [part["uri"] for part in answer["result"]["content"] if part["type"] == "resource_link"]
    read = message("resources/read", {"uri": link})
    assert "result" in world.server.post(world.provider.token("boss"), read).json()
    narrow = world.server.post(world.provider.token("boss", scope=SALES_QUERY), read)
    assert narrow.status_code == 403
    assert f'scope="{SALES_QUERY} {SALES_READ}"' in narrow.headers["WWW-Authenticate"]


def test_no_token_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    tokens = [world.provider.token("ada"), world.provider.token("eve"), API_TOKEN, "zava_nobody", unsigned("none")]
    for token in tokens:
        world.server.post(token)
    assert caplog.text
    assert [token for token in tokens if token in caplog.text] == []
