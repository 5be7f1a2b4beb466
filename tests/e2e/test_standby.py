"""A server that reads from a standby, on which nothing can be written: what it has to write goes to the primary.

What becomes of its questions when one of the two fails under load, tests/contract/test_replicas.py asks.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psycopg
import pytest

from tests.e2e.conftest import CopyShop, Server, start_server, zava
from tests.e2e.test_sign_in import me
from tests.standby import kill, several, standby_of
from zava.adapters.embedded.supervisor import EmbeddedPostgres


@pytest.fixture(scope="module")
def settings(folder: Path, copy_shop: CopyShop) -> Iterator[dict[str, str]]:
    primary_dir = copy_shop("0")
    with EmbeddedPostgres(primary_dir) as primary, standby_of(primary, primary_dir, folder / "standby") as standby:
        yield {
            "ZAVA_DATABASE__DSN": several(
                *(server.dsn(user="zava_app", password=primary.secret("zava_app")) for server in (primary, standby)),
                target_session_attrs="prefer-standby",
            ),
            "ZAVA_DATABASE__WRITER_DSN": primary.dsn(user="zava_writer", password=primary.secret("zava_writer")),
            "ZAVA_DATABASE__ADMIN_DSN": primary.dsn(),
            "ZAVA_DATABASE__CONTEXT_KEY_FILE": str(primary.secret_file("context-key")),
            "ZAVA_AUDIT__SPOOL_DIR": str(folder / "spool-of-the-standby"),
        }


@pytest.fixture(scope="module")
def token(settings: dict[str, str]) -> str:
    """Of somebody who is entered on the primary, and so becomes known to the standby."""
    for arguments in (
        ("principals", "add", "ada", "--name", "Ada", "--role", "store_manager", "--stores", "Seattle"),
        ("token", "create", "--principal", "ada"),
    ):
        done = zava(*arguments, **settings)
        assert done.returncode == 0, done.stderr
    return next(word for word in done.stdout.split() if word.startswith("zava_"))


@pytest.fixture(scope="module")
def server(settings: dict[str, str], folder: Path) -> Iterator[Server]:
    server = start_server(folder / "unused", **{name: value for name, value in settings.items() if "ADMIN" not in name})
    yield server
    assert server.stop() == 0


def test_the_server_reads_where_nothing_can_be_written(settings: dict[str, str]) -> None:
    with psycopg.connect(settings["ZAVA_DATABASE__DSN"]) as connection:
        assert connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)


def test_an_answer_of_a_standby_is_audited_on_the_primary(settings: dict[str, str], server: Server, token: str) -> None:
    assert me(server, token) == ("Ada", 1)

    for _ in range(100):
        if "Ada" in (shown := zava("audit", "tail", **settings).stdout):
            break
        time.sleep(0.2)
    assert "Ada" in shown
    assert " me " in shown
    verified = zava("audit", "verify", **settings)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_when_the_standby_has_gone_the_primary_answers(
    settings: dict[str, str], server: Server, token: str, folder: Path
) -> None:
    kill(folder / "standby")
    assert [me(server, token) for _ in range(5)] == [("Ada", 1)] * 5
    with psycopg.connect(settings["ZAVA_DATABASE__DSN"]) as connection:
        assert connection.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)
    # Hosts are looked at once a second: what readiness says may be as old.
    until = time.monotonic() + 10
    while (ready := httpx2.get(server.url.replace("/mcp", "/health/ready"), timeout=30)).json()["status"] == "healthy":
        assert time.monotonic() < until, ready.json()
        time.sleep(0.1)
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert "does not answer" in ready.json()["parts"]["replicas"]
    log = "".join(server.errors)
    assert "Questions go to" in log
    assert "Traceback" not in log
