"""The sample shop's page: what is served, with which headers, and which configurations it offers."""

import json
import re
import shlex
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from zava.adapters.web.welcome import FILES, welcome_routes
from zava.commands.welcome_page import welcome_page
from zava.demo.personas import PERSONAS

URL = "http://127.0.0.1:8000/mcp"
PAGE = welcome_page("1.2.3", URL, ["/absolute/path/to/zava/.venv/bin/zava", "serve"])
DOCUMENT = (Path(__file__).parents[2] / "docs" / "clients.md").read_text(encoding="utf-8")
CLIENTS = {client.name: client for client in PAGE.clients}
PATHS = ("/", "/welcome/about.json", *(f"/welcome/{name}" for name in FILES))


@pytest.fixture
def browser() -> TestClient:
    return TestClient(Starlette(routes=welcome_routes(PAGE)))


@pytest.mark.parametrize("path", PATHS)
def test_whatever_is_served_may_run_and_reach_nothing_of_others(browser: TestClient, path: str) -> None:
    response = browser.get(path)
    assert response.status_code == 200
    policy = dict(directive.split(" ", 1) for directive in response.headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-frame-options"] == "DENY"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cross-origin-opener-policy"] == "same-origin"
    assert response.headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in response.headers


def test_all_that_the_page_is_made_of_is_served_and_nothing_else(browser: TestClient) -> None:
    scripts = "".join(browser.get(f"/welcome/{name}").text for name in FILES if name.endswith(".js"))
    named = set(re.findall(r'(?:href|src)="/welcome/([^"]+)"', browser.get("/").text))
    assert named | set(re.findall(r'from "\./([^"]+)"', scripts)) == set(FILES)
    for path in ("/welcome", "/welcome/", "/welcome/welcome.html", "/welcome/..%2fwelcome.py", "/welcome/x.js"):
        assert browser.get(path).status_code == 404


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/welcome/welcome.js", "text/javascript"),
        ("/welcome/welcome.css", "text/css"),
        ("/welcome/icon.svg", "image/svg+xml"),
        ("/welcome/about.json", "application/json"),
    ],
)
def test_each_file_says_what_it_is(browser: TestClient, path: str, kind: str) -> None:
    assert browser.get(path).headers["content-type"].partition(";")[0] == kind


@pytest.mark.parametrize("path", PATHS)
def test_the_page_can_only_be_read(browser: TestClient, path: str) -> None:
    assert browser.post(path).status_code == 405


def test_the_page_is_told_the_address_and_everybody_one_can_be(browser: TestClient) -> None:
    about = browser.get("/welcome/about.json").json()
    assert (about["version"], about["url"]) == ("1.2.3", URL)
    assert [(person["token"], person["name"], tuple(person["stores"])) for person in about["people"]] == [
        (persona.token, persona.name, persona.stores) for persona in PERSONAS
    ]


@pytest.mark.parametrize("client", CLIENTS)
def test_there_is_a_configuration_for_each_person_with_their_token_and_no_other(client: str) -> None:
    tokens = [persona.token for persona in PERSONAS]
    assert {
        mine: [token for token in tokens if re.search(rf"{token}\b", text)]
        for mine, text in CLIENTS[client].texts.items()
    } == {token: [token] for token in tokens}


@pytest.mark.parametrize("client", ["VS Code", "Cursor", "Claude Desktop"])
def test_a_configuration_in_json_is_the_documented_one(client: str) -> None:
    documented = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)]
    assert json.loads(CLIENTS[client].texts["demo-store-seattle"]) in documented


@pytest.mark.parametrize("client", ["Claude Code", "MCP Inspector"])
def test_a_command_is_the_documented_one(client: str) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    documented = [shlex.split(block.replace("\\\n", "")) for block in blocks]
    assert shlex.split(CLIENTS[client].texts["demo-store-seattle"].replace("\\\n", "")) in documented
