"""What each MCP client is told to connect, for the page, the welcome in the terminal, and `zava client`."""

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from zava.core.errors import SetupError
from zava.settings import Settings

ClientName: TypeAlias = Literal["claude-desktop", "claude-code", "vscode", "cursor", "windsurf", "inspector", "json"]
CLIENTS: Sequence[ClientName] = get_args(ClientName)

INSPECTOR = "npx @modelcontextprotocol/inspector --cli"
# What the Inspector asks, to show that it connects.
QUESTION = "--method tools/call --tool-name get_store_performance --tool-arg period=last_month"
SAMPLE_TOKEN = "demo-store-seattle"  # noqa: S105 - a person of the sample shop, known to everybody

PLACES: Mapping[ClientName, str] = {
    "claude-desktop": "claude_desktop_config.json: Settings, Developer, Edit Config",
    "claude-code": "a terminal",
    "vscode": ".vscode/mcp.json in your workspace",
    "cursor": "~/.cursor/mcp.json",
    "windsurf": "~/.codeium/windsurf/mcp_config.json",
    "inspector": "a terminal, with Node.js",
    "json": "the client's configuration",
}


@dataclass(frozen=True)
class Http:
    """A server that runs.

    Attributes:
        token: of whoever asks; None where the client lets its user sign in.
    """

    url: str
    token: str | None = field(repr=False)


@dataclass(frozen=True)
class Stdio:
    """A server that the client starts.

    Attributes:
        program: how, from its path to its options.
        token: of whoever asks.
    """

    program: Sequence[str]
    token: str = field(repr=False)


def client_configuration(client: ClientName, way: Http | Stdio) -> str:
    """What belongs into PLACES[client]: JSON, or a command."""
    if client == "claude-code":
        return _claude_code(way)
    if client == "inspector" and isinstance(way, Http):
        return " \\\n  ".join([f"{INSPECTOR} {way.url} --transport http", *_header(way), QUESTION])
    servers = "servers" if client == "vscode" else "mcpServers"
    return json.dumps({servers: {"zava": _server(client, way)}}, indent=2)


def show_client(settings: Settings, client: ClientName, transport: Literal["http", "stdio"] | None) -> None:
    """Prints the configuration, and on standard error where it belongs.

    Raises:
        SetupError: nobody is said to ask, or not by this transport.
    """
    token = settings.token.get_secret_value() if settings.token else None
    own = settings.database.dsn is not None
    transport = transport or ("stdio" if client == "claude-desktop" and not own else "http")
    if own and token is None and settings.auth.issuer is None:
        raise SetupError(
            "Who asks? Set ZAVA_TOKEN to the API token of whoever will use the client; `zava token create` issues one. "
            "With ZAVA_AUTH__ISSUER clients sign in and need none."
        )
    if own and transport == "stdio":
        raise SetupError(
            "A client that starts Zava over stdio would need the settings of your database: serve it over HTTP, and "
            "say --transport http."
        )
    way = (
        Http(f"{settings.http.base_url}/mcp", token if own else token or SAMPLE_TOKEN)
        if transport == "http"
        else Stdio([*program(settings), "--transport", "stdio"], token or SAMPLE_TOKEN)
    )
    place = "inspector.json, for --config" if client == "inspector" and transport == "stdio" else PLACES[client]
    print(f"For {place}:", file=sys.stderr)
    print(client_configuration(client, way))


def program(settings: Settings) -> Sequence[str]:
    """How somebody else starts a server of this shop."""
    data_dir = settings.embedded.data_dir
    options = ["--data-dir", str(data_dir.absolute())] if data_dir else []
    return [str(Path(sys.executable).with_name("zava")), "serve", *options]


def _server(client: ClientName, way: Http | Stdio) -> Mapping[str, object]:
    """Zava's entry among the servers of a client."""
    if isinstance(way, Stdio):
        command, *arguments = way.program
        kind = {"type": "stdio"} if client in {"vscode", "inspector", "json"} else {}
        return {**kind, "command": command, "args": arguments, "env": {"ZAVA_TOKEN": way.token}}
    if client == "claude-desktop":
        # It has no entry for a URL.
        bridge = ["-y", "mcp-remote", way.url]
        if way.token is None:
            return {"command": "npx", "args": bridge}
        # A blank in an argument would be lost on Windows.
        arguments = [*bridge, "--header", "Authorization:${AUTH_HEADER}"]
        return {"command": "npx", "args": arguments, "env": {"AUTH_HEADER": f"Bearer {way.token}"}}
    kind = {"type": "http"} if client in {"vscode", "json"} else {}
    address = "serverUrl" if client == "windsurf" else "url"
    headers = {"headers": {"Authorization": f"Bearer {way.token}"}} if way.token else {}
    return {**kind, address: way.url, **headers}


def _claude_code(way: Http | Stdio) -> str:
    if isinstance(way, Http):
        return " ".join([f"claude mcp add --transport http zava {way.url}", *_header(way)])
    token = f"--env ZAVA_TOKEN={shlex.quote(way.token)}"
    return f"claude mcp add --transport stdio {token} zava \\\n  -- {shlex.join(way.program)}"


def _header(way: Http) -> Sequence[str]:
    """The option of a command, where there is a token."""
    return [f"--header {shlex.quote(f'Authorization: Bearer {way.token}')}"] if way.token else []
