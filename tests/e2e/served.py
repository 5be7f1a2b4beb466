"""The HTTP server as it is served, in this process: real connections, and people of the tests' own."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import uvicorn
import uvloop

from tests.fakes import FakePrincipalDirectory
from tests.tiny_shop import HEAD_OFFICE, SEATTLE
from tests.unit.test_tools import NOW, retail_tools
from zava.adapters.mcp.csv_files import CsvFiles
from zava.adapters.mcp.direct_calls import DirectTools
from zava.adapters.mcp.identity import Callers
from zava.adapters.mcp.pipeline import UNBOUNDED, Pipeline
from zava.adapters.mcp.prompts import prompt_specs
from zava.adapters.mcp.questions import SignedQuestions
from zava.adapters.mcp.server import NAME, build_server
from zava.commands.http_server import http_app, server_config
from zava.core.fairness import Fairness, Requests
from zava.core.model import KnownPrincipal
from zava.core.scopes import SCOPES
from zava.settings import HttpSettings

ERA = "2026-07-28"
HANDSHAKE_ERA = "2025-11-25"
DATE = "get_current_utc_date"
API_TOKEN = "zava_head-office"


def people() -> FakePrincipalDirectory:
    """The manager of Seattle, and head office, who has an API token too."""
    ada = KnownPrincipal(SEATTLE.principal, SCOPES)
    boss = KnownPrincipal(HEAD_OFFICE.principal, SCOPES)
    return FakePrincipalDirectory({"ada": ada, "boss": boss}, {API_TOKEN: boss})


@dataclass
class Served:
    """A running server, and a client of it."""

    url: str
    port: int
    client: httpx2.Client

    def post(self, token: str | None, body: Any = None, era: str = ERA, **headers: str) -> httpx2.Response:  # noqa: ANN401
        """Asks with this token; today's date unless told otherwise."""
        message = call(era=era) if body is None else body
        sent = headers_of(message, era, token) | headers
        return self.client.post(self.url, content=json.dumps(message), headers=sent)

    def tools(self, token: str, era: str = ERA) -> set[str]:
        """The names of the tools that are listed for whoever has this token."""
        answer = self.post(token, message("tools/list", {}, era), era)
        assert answer.status_code == 200, answer.text
        return {tool["name"] for tool in answer.json()["result"]["tools"]}

    def stores(self, token: str, era: str = ERA) -> list[str]:
        """The stores that an answer covers, for whoever has this token."""
        answer = self.post(token, call("get_store_performance", {"period": "2026-03"}, era), era)
        assert answer.status_code == 200, answer.text
        stores: list[str] = answer.json()["result"]["structuredContent"]["store"]["stores"]
        return stores


def message(method: str, params: dict[str, Any], era: str = ERA) -> dict[str, Any]:
    """A request of this era of the protocol."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": era,
        "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "0"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params | ({"_meta": meta} if era == ERA else {})}


def call(tool: str = DATE, arguments: dict[str, Any] | None = None, era: str = ERA) -> dict[str, Any]:
    return message("tools/call", {"name": tool, "arguments": arguments or {}}, era)


def headers_of(asked: Any, era: str = ERA, token: str | None = None) -> dict[str, str]:  # noqa: ANN401 - any JSON
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    headers["MCP-Protocol-Version"] = era
    if era == ERA and isinstance(asked, dict):
        headers["Mcp-Method"] = str(asked.get("method"))
        params = asked.get("params")
        if isinstance(params, dict) and (name := params.get("name") or params.get("uri")):
            headers["Mcp-Name"] = str(name)
    return headers | ({"Authorization": f"Bearer {token}"} if token is not None else {})


@contextmanager
def serving(
    identity: Callers,
    settings: HttpSettings | None = None,
    *,
    fairness: Fairness = UNBOUNDED,
    requests: Requests | None = None,
) -> Iterator[Served]:
    """The server over the tiny shop, for these callers, of whom each has this share, and sends so many requests."""
    tools = retail_tools()
    files = CsvFiles(tools.specs(), SignedQuestions(b"of the tests", lambda: NOW))
    pipeline = Pipeline(identity.caller, timeout=10, link=files.link, fairness=fairness)
    server = build_server(
        tools.specs(),
        pipeline,
        prompts=prompt_specs(),
        files=files.spec(),
        auth=identity,
        version="0.0.0",
    )
    settings = settings or HttpSettings()
    app = http_app(
        server,
        identity,
        settings,
        requests or Requests(UNBOUNDED.rate, 1_000),
        DirectTools(tools.specs(), pipeline, None, {"name": NAME, "version": "0.0.0"}),
    )
    uvicorn_server = uvicorn.Server(server_config(app, settings))
    with socket.create_server(("127.0.0.1", 0), backlog=600) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=lambda: uvloop.run(uvicorn_server.serve(sockets=[listener])))
        thread.start()
        scheme = "https" if settings.tls_certificate_file else "http"
        try:
            with httpx2.Client(timeout=20, verify=False) as client:
                yield Served(f"{scheme}://127.0.0.1:{port}/mcp", port, client)
        finally:
            uvicorn_server.should_exit = True
            thread.join()
