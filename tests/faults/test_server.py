"""The server itself is stopped, or killed, while people ask."""

import json
import os
import signal
import time
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

import httpx2
import pytest

from tests.e2e.conftest import start_server
from tests.faults.conftest import Database, Serve, Served
from tests.faults.load import LOST, QUESTION, RIGHT, Asker, asking, body_of, headers_of, told
from tests.faults.proxy import Proxy

# Also for a busy machine.
pytestmark = pytest.mark.timeout(300)

# What uvicorn gives those who are being answered.
DRAIN_SECONDS = 10


def audited(database: Database, proxy: Proxy, since: datetime) -> int:
    """How many calls were answered. What the server could not bring to the database, its successor does."""
    successor = start_server(Path("unused"), **database.settings(proxy.port))
    spool = database.data_dir.with_name("spool")
    while any(path.stat().st_size for path in spool.glob("*.spool")):
        time.sleep(0.1)
    assert successor.stop(signal.SIGTERM) == 0
    with database.administrator() as connection:
        # Where clocks jumped before, there are calls of later, too.
        found = connection.execute(
            "SELECT count(*) FROM audit.calls"
            " WHERE tool = 'get_store_performance' AND called_at BETWEEN %s AND clock_timestamp()",
            [since],
        ).fetchone()
        assert found is not None
        return int(found[0])


def test_a_server_that_is_told_to_stop_answers_whom_it_has_heard(
    serve: Serve, database: Database, proxy: Proxy
) -> None:
    served = serve()
    since = datetime.now(UTC)
    with asking(served.url, served.right, each=4, pause=0) as outcomes:
        time.sleep(2)
        stopped_at = time.monotonic()
        assert served.server.stop(signal.SIGTERM) == 0
        seconds = time.monotonic() - stopped_at
    assert {one.what for one in outcomes.all} == {RIGHT, LOST}, outcomes.counted()
    # Who was connected got an answer, and was then refused a new connection.
    assert [one for one in outcomes.all if one.what == LOST and not one.text.startswith("ConnectError")] == []
    # A call is audited before its answer leaves: so many were accepted.
    assert audited(database, proxy, since) == sum(one.what == RIGHT for one in outcomes.all)
    assert seconds < DRAIN_SECONDS
    print(f"{outcomes.counted()}, stopped after {seconds:.1f} s")


@pytest.mark.parametrize("workers", [1, 2])
def test_who_has_connected_before_the_server_is_told_to_stop_is_answered(serve: Serve, workers: int) -> None:
    """Whether it has accepted them or not, and whether they have asked already or are about to."""
    served = serve(ZAVA_HTTP__WORKERS=str(workers))
    token, right = next(iter(served.right.items()))
    with ExitStack() as stack:
        accepted = [stack.enter_context(closing(Asker(served.url, token))) for _ in range(4)]
        for asker in accepted:
            assert asker.outcome(right).what == RIGHT
        url = httpx2.URL(served.url)
        stopped = family(served.server.process.pid)
        for pid in reversed(stopped):
            os.kill(pid, signal.SIGSTOP)
        connected = [stack.enter_context(closing(HTTPConnection(url.host, url.port or 80, 30))) for _ in range(40)]
        for number, connection in enumerate(connected):
            connection.connect()
            if number % 2:
                ask(connection, token)
        served.server.process.send_signal(signal.SIGTERM)
        # With several, the first one tells the others to stop before they go on.
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.2)
        for connection in connected[::2]:
            ask(connection, token)
        outcomes = [asker.outcome(right) for asker in accepted]
        answers = [told(json.load(connection.getresponse())["result"]) for connection in connected]
    assert answers == [right] * len(connected)
    assert [one.what for one in outcomes] == [RIGHT] * len(accepted), outcomes
    assert served.server.process.wait(timeout=30) == 0


def ask(connection: HTTPConnection, token: str) -> None:
    headers = headers_of(token) | {"Content-Type": "application/json"}
    connection.request("POST", "/mcp", json.dumps(body_of(*QUESTION)), headers)


def family(pid: int) -> list[int]:
    """A process, and those that it has started."""
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split())]


def test_a_server_that_is_killed_leaves_nothing_behind(serve: Serve, database: Database) -> None:
    served = serve()
    with asking(served.url, served.right) as outcomes:
        time.sleep(1)
        os.kill(served.server.process.pid, signal.SIGKILL)
        time.sleep(0.5)
    served.server.stop(signal.SIGKILL)
    assert {one.what for one in outcomes.all} == {RIGHT, LOST}, outcomes.counted()
    deadline = time.monotonic() + 5
    while database.connections():
        assert time.monotonic() < deadline, "PostgreSQL goes on answering nobody"
        time.sleep(0.1)
    again = serve()
    assert again.right == served.right


@pytest.mark.long
def test_a_server_stops_though_the_database_says_nothing(serve: Serve, proxy: Proxy) -> None:
    served: Served = serve()
    with asking(served.url, served.right):
        time.sleep(1)
        proxy.freeze()
        try:
            time.sleep(1)
            stopped_at = time.monotonic()
            assert served.server.stop(signal.SIGTERM) == 0
            seconds = time.monotonic() - stopped_at
        finally:
            proxy.thaw()
    # Those who are being answered, then each of the two pools, and then what is left of cancelling.
    assert seconds < 3 * DRAIN_SECONDS
    print(f"stopped after {seconds:.1f} s")
