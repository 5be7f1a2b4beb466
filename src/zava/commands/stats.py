"""zava stats: how long calls and queries have taken in a server that runs."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from fastmcp import Client
from fastmcp.exceptions import McpError
from mcp_types import TextResourceContents

from zava.commands.tables import print_table
from zava.core.errors import SetupError
from zava.demo.personas import HEAD_OFFICE
from zava.settings import Settings

PERFORMANCE = "zava://performance"
COUNTS = ("count", "slow", "failed", "refused")
SECONDS = ("mean", "min", "p50", "p95", "p99", "max")

Json: TypeAlias = Mapping[str, Any]


def show_stats(settings: Settings, url: str | None, *, as_json: bool) -> None:
    """Shows what the server at this URL has counted, for the principal of ZAVA_TOKEN.

    Args:
        settings: of the server, unless there is a URL; without a token head office of the sample shop asks.
        url: of the MCP endpoint.
        as_json: the resource as it is.
    """
    url = url or f"{settings.http.base_url}/mcp"
    token = settings.token.get_secret_value() if settings.token else HEAD_OFFICE.token
    text = asyncio.run(_read(url, token))
    if as_json:
        print(text)
        return
    report = json.loads(text)
    since = datetime.fromisoformat(report["since"])
    whose = "calls of everybody" if report["of_everybody"] else "your own calls"
    print(
        f"Process {report['process']} at {url} since {since:%Y-%m-%d %H:%M:%S} UTC: {whose}. Times are in seconds; "
        f"slow is {report['slow_seconds']:g} and more.\n"
    )
    if not report["calls"]:
        print("There has been no call yet.")
        return
    print_table(("call", *COUNTS, *SECONDS), _rows(report["calls"], "tool"))
    print()
    print_table(("query", *COUNTS, *SECONDS, "text"), _rows(report["queries"], "name"))
    if report["given_up"]:
        print(f"\n{report['given_up']} had to make room for later ones, and are missing here.")


async def _read(url: str, token: str) -> str:
    try:
        async with Client(url, auth=token) as client:
            (content,) = await client.read_resource(PERFORMANCE)
    except ValueError as error:
        raise SetupError(f"{url} is no URL of a server, such as http://127.0.0.1:8000/mcp.") from error
    except McpError as error:
        raise SetupError(
            f"{url} does not tell: {error.error.message}. ZAVA_TOKEN says who asks, and the server has to know it."
        ) from error
    except RuntimeError as error:
        raise SetupError(f"Nobody answers at {url}: {error}. Is `zava serve` running there?") from error
    if not isinstance(content, TextResourceContents):
        raise SetupError(f"{url} is no server of Zava's.")
    return content.text


def _rows(reported: Sequence[Json], name: str) -> Iterator[Sequence[str]]:
    """A row for each, and one below it for each principal where there are several."""
    for one in reported:
        text = (one["text"] or "",) if "text" in one else ()
        yield (" ".join(filter(None, (one[name], one.get("fingerprint")))), *_cells(one["figures"]), *text)
        if len(one["principals"]) > 1:
            for principal in one["principals"]:
                yield (f"  {principal['principal'] or 'nobody'}", *_cells(principal["figures"]), *([""] * len(text)))


def _cells(figures: Json) -> Iterator[str]:
    yield from (str(figures[name]) for name in COUNTS)
    yield from (f"{figures[name]:.4f}" for name in SECONDS)
