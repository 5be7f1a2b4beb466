"""`zava serve --workers`: several processes on one port, replaced when they die, and all of them stopped with care."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from tests.e2e.conftest import UNHURRIED, CopyShop, Server, start_server
from tests.e2e.served import ERA, call, headers_of, message

TOKEN = "demo-head-office"
WORKERS = 2
PERFORMANCE = message("resources/read", {"uri": "zava://performance"})


@pytest.fixture
def server(copy_shop: CopyShop) -> Iterator[Server]:
    server = start_server(copy_shop("0"), "--workers", str(WORKERS), **UNHURRIED)
    yield server
    if server.process.poll() is None:
        assert server.stop(signal.SIGTERM) == 0


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(timeout=30) as client:
        yield client


def ask(client: httpx2.Client, server: Server, asked: dict[str, object]) -> httpx2.Response:
    """On a connection of its own, which either may take."""
    headers = headers_of(asked, ERA, TOKEN) | {"Connection": "close"}
    return client.post(server.url, content=json.dumps(asked), headers=headers)


def who_answers(client: httpx2.Client, server: Server) -> int:
    """The process that takes a connection."""
    answer = ask(client, server, PERFORMANCE)
    assert answer.status_code == 200, answer.text
    return int(json.loads(answer.json()["result"]["contents"][0]["text"])["process"])


def workers_of(server: Server) -> set[int]:
    """The processes that are children of the server's and Zava too."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text(encoding="ascii")
    return {pid for pid in map(int, children.split()) if b"-m\0zava\0" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def until(condition: str, holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, condition
        time.sleep(0.05)


def test_each_worker_answers_and_one_that_dies_is_replaced(server: Server, client: httpx2.Client) -> None:
    both = workers_of(server)
    assert len(both) == WORKERS
    assert "".join(server.output).count("Stop with Ctrl-C") == 1
    seen: set[int] = set()

    def each_has_answered() -> bool:
        seen.add(who_answers(client, server))
        return seen == both

    until("each of them answers", each_has_answered)

    killed = both.pop()
    os.kill(killed, signal.SIGKILL)
    until("another takes its place", lambda: len(workers_of(server) - {killed}) == WORKERS)
    assert ask(client, server, call()).status_code == 200
    until("it is said", lambda: "another takes its place" in "".join(server.errors))


def test_all_of_them_answer_what_they_have_accepted_before_they_stop(server: Server, client: httpx2.Client) -> None:
    statuses: list[int] = []
    failures: list[str] = []
    stopped = threading.Event()

    def keep_asking() -> None:
        while not stopped.is_set():
            try:
                statuses.append(
                    ask(client, server, call("get_store_performance", {"period": "last_month"})).status_code
                )
            except httpx2.ConnectError:
                return
            except httpx2.HTTPError as error:
                failures.append(repr(error))

    askers = [threading.Thread(target=keep_asking) for _ in range(6)]
    for asker in askers:
        asker.start()
    until("they answer", lambda: len(statuses) > 20)
    workers = workers_of(server)
    assert server.stop(signal.SIGTERM) == 0
    stopped.set()
    for asker in askers:
        asker.join()
    assert set(statuses) == {200}
    # A connection that nobody had taken yet ends with the port.
    assert len(failures) <= len(askers)
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]


def test_when_the_one_that_looks_after_them_is_killed_they_stop_too(server: Server) -> None:
    workers = workers_of(server)
    server.process.kill()
    server.process.wait()
    until("they stop", lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
