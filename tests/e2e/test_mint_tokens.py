"""The little identity provider of the examples, as somebody who tries it uses it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.clock import Clock
from tests.e2e.conftest import free_port
from tests.e2e.served import Served, people, serving
from zava.adapters.mcp.identity import AuthorizationServer, DirectoryCallers
from zava.adapters.mcp.json_web_tokens import JsonWebTokens, TokenRules
from zava.adapters.mcp.signing_keys import LEAST_SECONDS, SigningKeys, fetch_from
from zava.settings import AuthSettings

SCRIPT = Path(__file__).parents[2] / "examples" / "mint_tokens.py"


@pytest.fixture(scope="module")
def provider() -> Iterator[dict[str, str]]:
    """What it tells its user to export, by name, while it runs."""
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, SCRIPT, "ada", "--port", str(free_port())],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout
    told: dict[str, str] = {}
    for line in process.stdout:
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").strip().partition("=")
            told[name] = value
        if line.startswith("curl"):
            break
    yield told
    process.terminate()
    process.wait()
    process.stdout.close()


@pytest.fixture
def server(provider: dict[str, str], clock: Clock) -> Iterator[Served]:
    settings = AuthSettings.model_validate(
        {name.removeprefix("ZAVA_AUTH__").lower(): value for name, value in provider.items() if name != "TOKEN"}
    )
    assert settings.issuer
    assert settings.audience
    tokens = JsonWebTokens(
        SigningKeys(fetch_from(str(settings.jwks_url)), clock),
        TokenRules(settings.issuer, settings.audience),
        clock=clock,
    )
    callers = DirectoryCallers(people(), AuthorizationServer(settings.issuer, tokens), base_url="http://127.0.0.1:8000")
    with serving(callers) as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


def mint(provider: dict[str, str], query: str) -> str:
    return httpx2.get(f"{provider['ZAVA_AUTH__ISSUER']}/{query}").text.strip()


def test_what_it_prints_lets_one_in(server: Served, provider: dict[str, str]) -> None:
    assert server.stores(provider["TOKEN"]) == ["Seattle"]


def test_it_mints_others_and_changes_its_keys(server: Served, provider: dict[str, str], clock: Clock) -> None:
    narrow = mint(provider, "token?sub=boss&scope=products:read")
    assert server.tools(narrow) == {"semantic_search_products", "get_current_utc_date"}
    assert server.post(mint(provider, "token?sub=ada&expires=-60")).status_code == 401
    assert server.post(mint(provider, "token?sub=ada&aud=another")).status_code == 401
    mint(provider, "rotate")
    clock.pass_by(LEAST_SECONDS)
    assert server.post(mint(provider, "token?sub=ada")).status_code == 200
    assert server.post(provider["TOKEN"]).status_code == 200
    mint(provider, "forget")
    clock.pass_by(61)
    assert server.post(mint(provider, "token?sub=ada")).status_code == 200
    # Some time later the keys are fetched anew, beside the calls.
    for _ in range(100):
        clock.pass_by(61)
        assert server.post(mint(provider, "token?sub=ada")).status_code == 200
        if server.post(provider["TOKEN"]).status_code == 401:
            return
    pytest.fail("the old key is still believed")


@pytest.mark.parametrize("query", ["token", "token?sub=ada&expires=soon", "nowhere"])
def test_it_says_what_it_does_not_understand(provider: dict[str, str], query: str) -> None:
    assert httpx2.get(f"{provider['ZAVA_AUTH__ISSUER']}/{query}").status_code in {400, 404}
