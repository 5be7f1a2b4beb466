"""An operator finds a query that runs, and stops it, while the server serves."""

import time
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import CopyShop, Server, start_server, zava
from tests.e2e.test_cancellation import LIMITS, SLOW, STATELESS, TOKEN, HttpClient, assert_hears, query
from zava.demo.personas import PERSONAS

ASKER = next(persona for persona in PERSONAS if persona.token == TOKEN)


@pytest.fixture(scope="module")
def server(copy_shop: CopyShop) -> Iterator[Server]:
    server = start_server(copy_shop("0"), **LIMITS | {"ZAVA_SANDBOX__STATEMENT_TIMEOUT": "100"})
    yield server
    assert server.stop() == 0


def listed(server: Server) -> list[str]:
    found = zava("queries", "--data-dir", str(server.data_dir))
    assert (found.returncode, found.stderr) == (0, "")
    return found.stdout.splitlines()


def pid_of_the_one_that_runs(server: Server) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        first, *rest = listed(server)
        if rest:
            pid, _, about = first.partition(", ")
            assert about.startswith("active for ")
            assert about.endswith(f" s: {ASKER.name} ({ASKER.principal_id})")
            assert " ".join(line.strip() for line in rest[:-1]) == SLOW
            assert rest[-1] == "Stop one with `zava queries stop <pid>`."
            return pid
    raise AssertionError("no query runs")


def test_a_query_that_runs_is_listed_and_stopped_and_its_asker_told(server: Server) -> None:
    assert listed(server) == ["No query of free SQL is running."]
    client = HttpClient(server.url, STATELESS)
    pids = set()
    for _ in range(2):
        with client.begin(query(STATELESS, SLOW)) as connection:
            pid = pid_of_the_one_that_runs(server)
            pids.add(pid)
            stopped = zava("queries", "stop", pid, "--data-dir", str(server.data_dir))
            assert (stopped.returncode, stopped.stderr) == (0, "")
            assert stopped.stdout.startswith(f"Stopped {pid}, active for ")
            assert ASKER.name in stopped.stdout
            assert_hears(connection, b"QUERY_STOPPED: The query was stopped by an operator. Narrow it")
        client.assert_answers()
    assert len(pids) == 1, "the connection was not used again"


def test_a_process_that_runs_no_query_is_not_stopped(server: Server) -> None:
    postmaster = (server.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0]
    refused = zava("queries", "stop", postmaster, "--data-dir", str(server.data_dir))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"No query of free SQL runs as process {postmaster}: nothing was stopped" in refused.stderr
    assert "Traceback" not in refused.stderr
    HttpClient(server.url, STATELESS).assert_answers()
