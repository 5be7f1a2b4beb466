"""A query that takes its time, and a client that wants to know how it fares: over HTTP and over stdio."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client

from tests.e2e.conftest import ZAVA, CopyShop, Server, start_server
from tests.e2e.test_cancellation import (
    ERAS,
    LIMITS,
    QUICK,
    SLOW,
    STATELESS,
    TOKEN,
    HttpClient,
    assert_hears,
    assert_says_only_that,
    query,
    speaking,
    watching,
)
from zava.adapters.embedded.supervisor import EmbeddedPostgres

SECONDS = "5"
SHORT = LIMITS | {"ZAVA_SANDBOX__STATEMENT_TIMEOUT": SECONDS}


@pytest.fixture(scope="module")
def server(copy_shop: CopyShop) -> Iterator[Server]:
    server = start_server(copy_shop("0"), **SHORT)
    yield server
    assert server.stop() == 0


def asking(era: str, text: str) -> dict[str, Any]:
    """A query whose client wants to know how it fares."""
    message = query(era, text)
    message["params"].setdefault("_meta", {})["progressToken"] = "mine"
    return message


def assert_is_progress(messages: list[dict[str, Any]]) -> None:
    said = [message["params"] for message in messages]
    assert [message["method"] for message in messages] == ["notifications/progress"] * 2
    assert [one["message"] for one in said] == ["still working, 2 s", "still working, 4 s"]
    assert [one["progressToken"] for one in said] == ["mine"] * 2
    assert not [one for one in said if "total" in one]


@pytest.mark.parametrize("era", ERAS)
def test_over_http_who_asks_is_told_of_a_slow_query_and_then_answered(server: Server, era: str) -> None:
    response = HttpClient(server.url, era).post(asking(era, SLOW))
    assert response.headers["content-type"].startswith("text/event-stream")
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: {")]
    *progress, answer = map(json.loads, lines)
    assert_is_progress(progress)
    assert "QUERY_TIMEOUT" in str(answer["result"])


@pytest.mark.parametrize("era", ERAS)
def test_over_http_who_does_not_ask_is_answered_in_json(server: Server, era: str) -> None:
    response = HttpClient(server.url, era).post(query(era, SLOW))
    assert response.headers["content-type"] == "application/json"
    assert "QUERY_TIMEOUT" in str(response.json()["result"])


@pytest.mark.parametrize("era", ERAS)
def test_over_http_a_quick_answer_comes_alone(server: Server, era: str) -> None:
    response = HttpClient(server.url, era).post(asking(era, QUICK))
    assert response.status_code == 200
    assert "notifications/progress" not in response.text
    assert response.headers["content-type"].startswith("application/json" if era == STATELESS else "text/event-stream")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_of_fastmcp_hears_it(server: Server, mode: str) -> None:
    heard: list[str | None] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001
        heard.append(message)

    async with Client(server.url, auth=TOKEN, mode=mode, progress_handler=hear) as client:
        await client.call_tool("execute_sales_query", {"postgresql_query": SLOW}, raise_on_error=False)
    assert heard == ["still working, 2 s", "still working, 4 s"]


def test_over_http_nobody_unknown_is_given_a_stream(server: Server) -> None:
    for era in ERAS:
        assert HttpClient(server.url, era, token="wrong").post(asking(era, QUICK)).status_code == 401


@pytest.mark.parametrize("era", ERAS)
def test_a_dropped_stream_stops_the_query(server: Server, era: str) -> None:
    client = HttpClient(server.url, era)
    said = len(server.errors)
    with EmbeddedPostgres(server.data_dir) as postgres, watching(postgres.dsn()) as watch:
        with client.begin(asking(era, SLOW)) as connection:
            watch.started()
            assert_hears(connection, b"still working")
        watch.assert_stops(f"stream, {era}, dropped")
        client.assert_answers()
    assert_says_only_that(server.errors[said:], times=1)


@pytest.fixture(scope="module")
def own_shop(copy_shop: CopyShop) -> Path:
    """A data directory that a server may have for itself."""
    return copy_shop("0")


@pytest.mark.parametrize("era", ERAS)
def test_over_stdio_who_asks_is_told_of_a_slow_query(own_shop: Path, era: str, tmp_path: Path) -> None:
    command = [*ZAVA, "serve", "--transport", "stdio", "--data-dir", str(own_shop)]
    with speaking(command, era, tmp_path / "log", ZAVA_TOKEN=TOKEN) as client:
        client.send(asking(era, SLOW))
        assert_is_progress([client.receive(), client.receive()])
        client.close()
        assert client.process.wait(timeout=10) == 0
