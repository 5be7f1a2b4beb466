"""From an administrator's command to an answer: a database of one's own, a provider, and the program as it serves."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import httpx2
import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from tests.authorization_server import ISSUER, AuthorizationServer
from tests.e2e.conftest import ZAVA, CopyShop, Server, environment, free_port, start_server, zava
from tests.e2e.served import HANDSHAKE_ERA, call, headers_of, message
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.demo.personas import PERSONAS

AUDIENCE = "https://zava.example.com/mcp"


@dataclass
class Company:
    """A database of one's own, and who issues the tokens of its people."""

    settings: dict[str, str]
    provider: AuthorizationServer
    api_token: str

    def token(self, subject: str = "ada", **changed: object) -> str:
        return self.provider.token(subject, aud=AUDIENCE, **changed)

    def run(self, *arguments: str) -> str:
        done = zava(*arguments, **self.settings)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def company(folder: Path, copy_shop: CopyShop) -> Iterator[Company]:
    provider = AuthorizationServer()
    with EmbeddedPostgres(copy_shop("0")) as postgres, provider.running():
        settings = {
            "ZAVA_DATABASE__DSN": postgres.dsn(user="zava_app", password=postgres.secret("zava_app")),
            "ZAVA_DATABASE__WRITER_DSN": postgres.dsn(user="zava_writer", password=postgres.secret("zava_writer")),
            "ZAVA_DATABASE__ADMIN_DSN": postgres.dsn(),
            "ZAVA_AUDIT__SPOOL_DIR": str(folder / "spool"),
            "ZAVA_DATABASE__CONTEXT_KEY_FILE": str(postgres.secret_file("context-key")),
            "ZAVA_AUTH__ISSUER": ISSUER,
            "ZAVA_AUTH__JWKS_URL": provider.url,
            "ZAVA_AUTH__GROUPS_CLAIM": "groups",
            "ZAVA_HTTP__PUBLIC_URL": AUDIENCE.removesuffix("/mcp"),
        }
        company = Company(settings, provider, "")
        company.run("principals", "add", "ada", "--name", "Ada", "--role", "store_manager", "--stores", "Seattle")
        company.run("principals", "add", "boss", "--name", "Boss", "--role", "head_office")
        company.api_token = next(
            word for word in company.run("token", "create", "--principal", "boss").split() if word.startswith("zava_")
        )
        yield company


@pytest.fixture(scope="module")
def server(company: Company, folder: Path) -> Iterator[Server]:
    served = {name: value for name, value in company.settings.items() if "ADMIN" not in name}
    server = start_server(folder / "untouched", **served)
    yield server
    assert server.stop() == 0


def ask(server: Server, token: str, asked: dict[str, object] | None = None) -> httpx2.Response:
    body = asked or message("resources/read", {"uri": "zava://me"}, HANDSHAKE_ERA)
    return httpx2.post(server.url, content=json.dumps(body), headers=headers_of(body, HANDSHAKE_ERA, token), timeout=30)


def me(server: Server, token: str) -> tuple[str, int]:
    """Who the server takes this to be, and how many stores they see."""
    answer = ask(server, token)
    assert answer.status_code == 200, answer.text
    told = json.loads(answer.json()["result"]["contents"][0]["text"])
    return told["name"], len(told["stores"])


def audited(company: Company, principal: str) -> str:
    """The latest calls of somebody, as soon as the audit trail has one."""
    for _ in range(50):
        if shown := company.run("audit", "tail", "--principal", principal, "--tool", "execute_sales_query"):
            return shown
        time.sleep(0.2)
    return ""


def test_who_was_entered_sees_their_own_stores(company: Company, server: Server) -> None:
    assert me(server, company.token("ada")) == ("Ada", 1)
    assert me(server, company.token("boss")) == ("Boss", 8)
    assert me(server, company.api_token) == ("Boss", 8)


def test_nobody_else_is_let_in(company: Company, server: Server) -> None:
    for token in (company.token("eve"), company.provider.token("ada"), *(persona.token for persona in PERSONAS)):
        answer = ask(server, token)
        assert answer.status_code == 401
        assert "https://zava.example.com/.well-known/oauth-protected-resource/mcp" in answer.headers["WWW-Authenticate"]


def test_a_group_lets_its_members_in_but_none_who_is_disabled(company: Company, server: Server) -> None:
    company.run("groups", "add", "managers", "--role", "regional_manager", "--stores", "Seattle", "Tacoma")
    company.run("principals", "add", "cleo", "--name", "Cleo", "--role", "head_office")
    company.run("principals", "disable", "cleo")
    groups = ["staff", "managers"]
    assert me(server, company.token("eve", groups=groups)) == ("eve", 2)
    assert me(server, company.token("ada", groups=groups)) == ("Ada", 1)
    assert ask(server, company.token("cleo", groups=groups)).status_code == 401
    assert ask(server, company.token("eve", groups=["staff"])).status_code == 401
    asked = call("execute_sales_query", {"postgresql_query": "SELECT count(*) FROM retail.stores"}, HANDSHAKE_ERA)
    answer = ask(server, company.token("eve", groups=groups), asked).json()["result"]
    assert answer["structuredContent"]["rows"] == [[2]]
    eve = str(uuid5(uuid5(NAMESPACE_URL, ISSUER), "eve"))
    assert "count(*) FROM retail.stores" in audited(company, eve)
    company.run("groups", "remove", "managers")
    time.sleep(1)
    assert ask(server, company.token("eve", groups=groups)).status_code == 401


def test_a_scope_that_was_taken_away_takes_the_tools_along(company: Company, server: Server) -> None:
    arguments = ("principals", "add", "ada", "--name", "Ada", "--role", "store_manager", "--stores", "Seattle")
    company.run(*arguments, "--scopes", "products:read")
    time.sleep(1)
    listed = ask(server, company.token(), message("tools/list", {}, HANDSHAKE_ERA)).json()["result"]["tools"]
    assert {tool["name"] for tool in listed} == {"semantic_search_products", "get_current_utc_date"}
    company.run(*arguments)
    time.sleep(1)
    asked = call("get_store_performance", {"period": "last_month"}, HANDSHAKE_ERA)
    assert not ask(server, company.token(), asked).json()["result"]["isError"]


async def test_over_stdio_a_token_of_the_provider_says_who_asks(company: Company) -> None:
    served = {name: value for name, value in company.settings.items() if "ADMIN" not in name}
    transport = StdioTransport(
        ZAVA[0], [*ZAVA[1:], "serve", "--transport", "stdio"], environment(**served, ZAVA_TOKEN=company.token("ada"))
    )
    async with Client(transport) as client:
        (content,) = await client.read_resource("zava://me")
    assert json.loads(content.text)["name"] == "Ada"
    for token in (company.token("eve"), "demo-head-office", ""):
        refused = zava("serve", "--transport", "stdio", **served, ZAVA_TOKEN=token)
        assert refused.returncode == 1
        assert "ZAVA_TOKEN" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert refused.stdout == ""


def test_others_reach_it_when_it_is_set_up_for_a_network(company: Company) -> None:
    refused = zava("serve", "--host", "0.0.0.0", "--port", str(free_port()), **company.settings)  # noqa: S104
    assert refused.returncode == 1
    assert "ZAVA_HTTP__TLS_CERTIFICATE_FILE" in refused.stderr


def test_who_is_disabled_or_revoked_is_out_within_a_second(company: Company, server: Server) -> None:
    token = company.token("ada")
    assert me(server, token) == ("Ada", 1)
    assert me(server, company.api_token) == ("Boss", 8)
    company.run("principals", "disable", "ada")
    company.run("token", "revoke", "1")
    time.sleep(1)
    assert ask(server, token).status_code == 401
    assert ask(server, company.api_token).status_code == 401
