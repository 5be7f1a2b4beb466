"""What the sample shop's page in the browser tells: who one can be, and how clients connect."""

import json
import shlex
from collections.abc import Callable, Sequence

from zava.adapters.web.welcome import Client, Person, Welcome
from zava.commands.welcome import client_configuration
from zava.demo.personas import PERSONAS

INSPECTOR = "npx @modelcontextprotocol/inspector --cli"


def welcome_page(version: str, url: str, program: Sequence[str]) -> Welcome:
    """The page of the sample shop.

    Args:
        version: of this program.
        url: where it answers MCP clients.
        program: how a client that speaks over stdio starts Zava, up to its options.
    """
    command, *arguments = (*program, "--transport", "stdio")

    def cursor(token: str) -> str:
        server = {"url": url, "headers": {"Authorization": f"Bearer {token}"}}
        return json.dumps({"mcpServers": {"zava": server}}, indent=2)

    def claude_desktop(token: str) -> str:
        server = {"command": command, "args": arguments, "env": {"ZAVA_TOKEN": token}}
        return json.dumps({"mcpServers": {"zava": server}}, indent=2)

    def claude_code(token: str) -> str:
        header = shlex.quote(f"Authorization: Bearer {token}")
        return f"claude mcp add --transport http zava {url} --header {header}"

    def inspector(token: str) -> str:
        header = shlex.quote(f"Authorization: Bearer {token}")
        return (
            f"{INSPECTOR} {url} --transport http \\\n  --header {header} \\\n"
            "  --method tools/call --tool-name get_store_performance --tool-arg period=last_month"
        )

    return Welcome(
        version=version,
        url=url,
        people=[Person(persona.token, persona.name, persona.stores) for persona in PERSONAS],
        clients=[
            _client("VS Code", ".vscode/mcp.json in your workspace", lambda token: client_configuration(url, token)),
            _client("Cursor", "~/.cursor/mcp.json", cursor),
            _client("Claude Code", "a terminal", claude_code),
            _client(
                "Claude Desktop",
                "claude_desktop_config.json: Settings, Developer, Edit Config",
                claude_desktop,
                note="Claude Desktop starts Zava itself. Stop this server first: one at a time can have the shop.",
            ),
            _client("MCP Inspector", "a terminal, with Node.js", inspector),
        ],
    )


def _client(name: str, place: str, configuration: Callable[[str], str], note: str = "") -> Client:
    return Client(name, place, note, {persona.token: configuration(persona.token) for persona in PERSONAS})
