"""What the sample shop's page in the browser tells: who one can be, and how clients connect."""

from collections.abc import Sequence

from zava.adapters.web.welcome import Client, Person, Welcome
from zava.commands.clients import PLACES, ClientName, Http, Stdio, client_configuration
from zava.demo.personas import PERSONAS


def welcome_page(version: str, url: str, program: Sequence[str]) -> Welcome:
    """The page of the sample shop.

    Args:
        version: of this program.
        url: where it answers MCP clients.
        program: how a client that speaks over stdio starts Zava, up to its options.
    """

    def client(title: str, name: ClientName, note: str = "") -> Client:
        def way(token: str) -> Http | Stdio:
            return Stdio([*program, "--transport", "stdio"], token) if name == "claude-desktop" else Http(url, token)

        texts = {persona.token: client_configuration(name, way(persona.token)) for persona in PERSONAS}
        return Client(title, PLACES[name], note, texts)

    return Welcome(
        version=version,
        url=url,
        people=[Person(persona.token, persona.name, persona.stores) for persona in PERSONAS],
        clients=[
            client("VS Code", "vscode"),
            client("Cursor", "cursor"),
            client("Windsurf", "windsurf"),
            client("Claude Code", "claude-code"),
            client(
                "Claude Desktop",
                "claude-desktop",
                "Claude Desktop starts Zava itself. Stop this server first: one at a time can have the shop.",
            ),
            client("MCP Inspector", "inspector"),
        ],
    )
