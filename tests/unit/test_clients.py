"""Which configuration each client gets: the documented one, in the form that the client documents."""

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import SecretStr

from zava.commands.clients import CLIENTS, PLACES, ClientName, Http, Stdio, client_configuration, show_client
from zava.core.errors import SetupError
from zava.settings import DatabaseSettings, HttpSettings, Settings

TOKEN = "demo-store-seattle"
URL = "http://127.0.0.1:8000/mcp"
PROGRAM = ["/absolute/path/to/zava/.venv/bin/zava", "serve", "--transport", "stdio"]
WAYS: dict[str, Http | Stdio] = {
    "http": Http(URL, TOKEN),
    "stdio": Stdio(PROGRAM, TOKEN),
    "signed in": Http("https://zava.example.com/mcp", None),
}
DOCUMENT = (Path(__file__).parents[2] / "docs" / "clients.md").read_text(encoding="utf-8")

COMMANDS = {
    ("claude-code", "http"),
    ("claude-code", "stdio"),
    ("claude-code", "signed in"),
    ("inspector", "http"),
    ("inspector", "signed in"),
}
TEXT = {"type": "string", "minLength": 1}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}


def fields(required: Mapping[str, Any], **optional: Any) -> dict[str, Any]:  # noqa: ANN401 - parts of a schema
    """An object that has nothing else."""
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


def servers(key: str, *kinds: Mapping[str, Any], **optional: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """A file with servers, each of one kind exactly."""
    return fields({key: {"type": "object", "minProperties": 1, "additionalProperties": {"oneOf": kinds}}}, **optional)


STARTED = {"args": {"type": "array", "items": {"type": "string"}}, "env": TEXTS}

# As the clients document their files: code.visualstudio.com/docs/agents/reference/mcp-configuration,
# cursor.com/docs/mcp, docs.windsurf.com/windsurf/cascade/mcp, code.claude.com/docs/en/mcp (.mcp.json),
# modelcontextprotocol.io/docs/develop/connect-local-servers, and the README of the Inspector.
SCHEMAS: dict[ClientName, dict[str, Any]] = {
    "vscode": servers(
        "servers",
        fields({"type": {"const": "stdio"}, "command": TEXT}, **STARTED, envFile=TEXT, cwd=TEXT),
        fields({"type": {"enum": ["http", "sse"]}, "url": TEXT}, headers=TEXTS),
        inputs={"type": "array"},
    ),
    "cursor": servers(
        "mcpServers",
        fields({"command": TEXT}, **STARTED, type={"const": "stdio"}, envFile=TEXT),
        fields({"url": TEXT}, headers=TEXTS, auth={"type": "object"}),
    ),
    "windsurf": servers(
        "mcpServers",
        fields({"command": TEXT}, **STARTED, disabled={"type": "boolean"}, disabledTools={"type": "array"}),
        fields({"serverUrl": TEXT}, headers=TEXTS, disabled={"type": "boolean"}, disabledTools={"type": "array"}),
    ),
    "claude-desktop": servers("mcpServers", fields({"command": TEXT}, **STARTED)),
    "inspector": servers(
        "mcpServers",
        fields({"command": TEXT}, **STARTED, type={"const": "stdio"}),
        fields({"type": {"enum": ["sse", "streamable-http"]}, "url": TEXT}, headers=TEXTS),
    ),
    "json": servers(
        "mcpServers",
        fields({"command": TEXT}, **STARTED, type={"const": "stdio"}),
        fields({"type": {"enum": ["http", "sse"]}, "url": TEXT}, headers=TEXTS),
    ),
}


@pytest.mark.parametrize(
    ("client", "transport"),
    [(client, transport) for client in SCHEMAS for transport in WAYS if (client, transport) not in COMMANDS],
)
def test_a_configuration_has_the_form_that_its_client_documents(client: ClientName, transport: str) -> None:
    configuration = json.loads(client_configuration(client, WAYS[transport]))
    assert [error.message for error in Draft202012Validator(SCHEMAS[client]).iter_errors(configuration)] == []


@pytest.mark.parametrize("transport", WAYS)
@pytest.mark.parametrize("client", CLIENTS)
def test_what_is_printed_is_what_is_documented(client: ClientName, transport: str) -> None:
    printed = client_configuration(client, WAYS[transport])
    if (client, transport) in COMMANDS:
        blocks = re.findall(r"^```sh\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
        documented = [shlex.split(block.replace("\\\n", "")) for block in blocks]
        assert shlex.split(printed.replace("\\\n", "")) in documented
    else:
        blocks = re.findall(r"^```json\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
        assert json.loads(printed) in [json.loads(block) for block in blocks]


@pytest.mark.parametrize("token", ["it's; rm -rf /", '"}\n', "$(id)"])
@pytest.mark.parametrize("transport", ["http", "stdio"])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_strange_token_stays_a_token(client: ClientName, transport: str, token: str) -> None:
    way = Http(URL, token) if transport == "http" else Stdio(PROGRAM, token)
    assert token not in repr(way)
    printed = client_configuration(client, way)
    if (client, transport) in COMMANDS:
        words = shlex.split(printed.replace("\\\n", ""))
        assert f"Authorization: Bearer {token}" in words or f"ZAVA_TOKEN={token}" in words
    else:
        (server,) = next(iter(json.loads(printed).values())).values()
        said = {**server.get("env", {}), **server.get("headers", {})}
        assert set(said.values()) <= {token, f"Bearer {token}"}


def test_every_client_has_a_place() -> None:
    assert set(PLACES) == set(CLIENTS)


def test_the_sample_shop_is_where_the_settings_say(capsys: pytest.CaptureFixture[str]) -> None:
    show_client(Settings(http=HttpSettings(host="::1", port=9000)), "vscode", None)
    printed = capsys.readouterr()
    assert json.loads(printed.out)["servers"]["zava"]["url"] == "http://[::1]:9000/mcp"
    assert printed.err == "For .vscode/mcp.json in your workspace:\n"


def test_claude_desktop_starts_the_sample_shop_itself(capsys: pytest.CaptureFixture[str]) -> None:
    show_client(
        Settings.model_validate({"embedded": {"data_dir": "shop"}, "token": "demo-head-office"}), "claude-desktop", None
    )
    server = json.loads(capsys.readouterr().out)["mcpServers"]["zava"]
    assert server["command"].endswith("/zava")
    assert server["args"] == ["serve", "--data-dir", str(Path("shop").absolute()), "--transport", "stdio"]
    assert server["env"] == {"ZAVA_TOKEN": "demo-head-office"}


OWN = {"database": DatabaseSettings.model_validate({"dsn": "host=shop", "context_key_file": "key"})}


def test_a_database_of_ones_own_is_asked_over_http_by_somebody_who_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SetupError, match="Who asks"):
        show_client(Settings.model_validate(OWN), "cursor", None)
    named = Settings.model_validate(OWN | {"token": "hunter2"})
    with pytest.raises(SetupError, match="say --transport http"):
        show_client(named, "cursor", "stdio")
    show_client(named, "claude-desktop", None)
    assert json.loads(capsys.readouterr().out)["mcpServers"]["zava"]["env"] == {"AUTH_HEADER": "Bearer hunter2"}


def test_where_people_sign_in_no_configuration_holds_a_token(capsys: pytest.CaptureFixture[str]) -> None:
    provider = {"issuer": "https://login.example.com", "jwks_url": "https://login.example.com/keys"}
    http = {"public_url": "https://zava.example.com"}
    settings = Settings.model_validate(OWN | {"auth": provider, "http": http})
    for client in CLIENTS:
        show_client(settings, client, None)
        printed = capsys.readouterr().out
        assert printed.strip() == client_configuration(client, WAYS["signed in"])
        assert not re.search("authorization|bearer|token|None", printed, re.IGNORECASE)
    # A machine has a token all the same.
    show_client(settings.model_copy(update={"token": SecretStr("zava_report")}), "json", None)
    assert "Bearer zava_report" in capsys.readouterr().out
