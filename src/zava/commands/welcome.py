"""What a person sees when the server is ready."""

from collections.abc import Iterable

from zava.commands.clients import SAMPLE_TOKEN, Http, client_configuration
from zava.demo.personas import PERSONAS, Persona

EXAMPLE = "How did my store do last month?"


def sample_shop_welcome(url: str, personas: Iterable[Persona] = PERSONAS) -> str:
    """The address, who one can be, and a client configuration to paste."""
    people = "\n".join(f"  {persona.token:<26} {persona.name}{_stores(persona)}" for persona in personas)
    return f"""
Zava is open at {url}

Be one of these people of the sample shop, by bearer token:
{people}

Paste this into your client's configuration (VS Code: .vscode/mcp.json):
{client_configuration("vscode", Http(url, SAMPLE_TOKEN))}

Then ask: {EXAMPLE}
Or try it in a browser: {url.removesuffix("/mcp")}/
Stop with Ctrl-C.
"""


def plain_welcome(url: str, issuer: str | None) -> str:
    """The address of a server over a database of the operator's own, and who is let in."""
    tokens = f"API tokens, and tokens of {issuer}" if issuer else "API tokens; ZAVA_AUTH__ISSUER adds a provider's"
    return f"""
Zava is open at {url}

Accepted are {tokens}. /health/ready tells how the server is.
Stop with Ctrl-C.
"""


def _stores(persona: Persona) -> str:
    return f" ({', '.join(persona.stores)})" if len(persona.stores) > 1 else ""
