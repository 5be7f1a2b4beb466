"""The audit trail of the real program: killed in the middle, cut off from its database, full, and verified."""

import asyncio
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, LiteralString

import httpx2
import psycopg
import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from mcp_types import Implementation
from psycopg import sql

from tests.e2e.conftest import SCALE, CopyShop, Server, free_port, start_server, zava
from zava.adapters.embedded.supervisor import EmbeddedPostgres

CALLS = 1_000
SEATTLE = "demo-store-seattle"
# All of them wait for their turn at once.
PATIENT = {
    "ZAVA_LIMITS__CALLS_PER_SECOND": str(CALLS),
    "ZAVA_LIMITS__BURST": str(CALLS),
    "ZAVA_LIMITS__QUEUE": str(CALLS),
    "ZAVA_LIMITS__QUEUE_IN_ALL": str(CALLS),
    "ZAVA_LIMITS__PATIENCE": "60",
    "ZAVA_DATABASE__POOL_TIMEOUT": "60",
    "ZAVA_HTTP__MAX_CONNECTIONS": str(2 * CALLS),
}


@pytest.fixture(scope="module")
def data_dir(copy_shop: CopyShop) -> Path:
    """A sample shop of this module's own, which is served again and again."""
    return copy_shop(SCALE)


@pytest.fixture
def server(data_dir: Path) -> Iterator[Server]:
    server = start_server(data_dir, **PATIENT)
    yield server
    if server.process.poll() is None:
        assert server.stop() == 0


async def ask(
    client: httpx2.AsyncClient, server: Server, tool: str, token: str = SEATTLE, **arguments: str
) -> dict[str, Any]:
    response = await client.post(
        server.url,
        headers={"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"},
        json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}},
    )
    response.raise_for_status()
    return dict(response.json()["result"])


def text_of(result: dict[str, Any]) -> str:
    return str(result["content"][0]["text"])


def asked(server: Server, tool: str, token: str = SEATTLE, **arguments: str) -> dict[str, Any]:
    async def once() -> dict[str, Any]:
        async with httpx2.AsyncClient(timeout=30) as client:
            return await ask(client, server, tool, token, **arguments)

    return asyncio.run(once())


def queries_in(data_dir: Path) -> list[str]:
    """What free SQL is in the audit trail."""
    with EmbeddedPostgres(data_dir) as postgres, psycopg.connect(postgres.dsn(database="zava")) as connection:
        cursor = connection.execute("SELECT query FROM audit.calls WHERE query IS NOT NULL")
        return [query for (query,) in cursor]


def verified(data_dir: Path) -> subprocess.CompletedProcess[str]:
    return zava("audit", "verify", "--data-dir", str(data_dir))


def wait_until_drained(server: Server) -> None:
    deadline = time.monotonic() + 30
    while any(path.stat().st_size for path in (server.data_dir / "audit").glob("*.spool")):
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.timeout(300)
def test_killing_the_server_with_a_thousand_calls_in_flight_loses_no_row_of_an_answered_call(
    server: Server, data_dir: Path
) -> None:
    """Each call is known by the name of a column, which is no literal."""
    answered: set[str] = set()

    async def ask_all() -> None:
        async with httpx2.AsyncClient(timeout=60, limits=httpx2.Limits(max_connections=CALLS)) as client:

            async def ask_one(number: int) -> None:
                name = f"call_{number}"
                try:
                    result = await ask(client, server, "execute_sales_query", postgresql_query=f"SELECT 1 AS {name}")
                except (httpx2.HTTPError, json.JSONDecodeError):
                    return
                if not result.get("isError"):
                    answered.add(name)
                    if len(answered) == CALLS // 4:
                        os.kill(server.process.pid, signal.SIGKILL)

            await asyncio.gather(*(ask_one(number) for number in range(CALLS)))

    asyncio.run(ask_all())
    server.process.wait(timeout=30)
    assert CALLS // 4 <= len(answered) < CALLS
    successor = start_server(data_dir)
    wait_until_drained(successor)
    assert successor.stop() == 0
    found = [name for query in queries_in(data_dir) for name in re.findall(r"call_\d+", query)]
    assert answered - set(found) == set()
    assert len(found) == len(set(found))
    assert verified(data_dir).returncode == 0


class Cut:
    """A database that nobody reaches any more: no new connection is made, and those that there were are ended."""

    def __init__(self, data_dir: Path) -> None:
        self._socket = data_dir / ".s.PGSQL.5432"
        self._hidden = data_dir / ".hidden"
        self._connection = psycopg.connect(administrator(data_dir), autocommit=True)

    def __enter__(self) -> None:
        self._socket.rename(self._hidden)
        self._connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IN ('zava_app', 'zava_writer')"
        )

    def __exit__(self, *_: object) -> None:
        self._hidden.rename(self._socket)
        self._connection.close()


def administrator(data_dir: Path) -> str:
    with EmbeddedPostgres(data_dir) as postgres:
        return postgres.dsn(database="zava")


def rows_in(data_dir: Path, condition: LiteralString) -> list[Any]:
    with psycopg.connect(administrator(data_dir)) as connection:
        return connection.execute(
            sql.SQL("SELECT decision, code, tool FROM audit.calls WHERE {}").format(sql.SQL(condition))
        ).fetchall()


def test_while_the_database_is_away_what_is_refused_is_written_down_and_reaches_it_later(data_dir: Path) -> None:
    server = start_server(data_dir, ZAVA_DATABASE__POOL_TIMEOUT="1", ZAVA_DATABASE__ATTEMPTS="1")
    since = "called_at > now() - interval '1 minute' AND code = 'UNAVAILABLE'"
    with Cut(data_dir):
        for _ in range(3):
            assert "UNAVAILABLE" in text_of(asked(server, "get_store_performance", period="last_month"))
        time.sleep(2)
        assert any("The audit trail waits in its spool" in line for line in server.errors)
    wait_until_drained(server)
    assert asked(server, "get_store_performance", period="last_month").get("isError") in (None, False)
    assert rows_in(data_dir, since) == [("failed", "UNAVAILABLE", "get_store_performance")] * 3
    assert any("has been brought to the database" in line for line in server.errors)
    assert server.stop() == 0
    assert verified(data_dir).returncode == 0


def test_a_full_spool_refuses_calls_until_it_is_drained(data_dir: Path) -> None:
    server = start_server(data_dir, ZAVA_AUDIT__SPOOL_BYTES="10000")
    with Cut(data_dir):
        said = [text_of(asked(server, "get_current_utc_date")) for _ in range(30)]
    assert not said[0].startswith("UNAVAILABLE")
    assert said[-1].startswith("UNAVAILABLE: Calls cannot be audited at the moment")
    wait_until_drained(server)
    assert not text_of(asked(server, "get_current_utc_date")).startswith("UNAVAILABLE")
    answered = sum(not text.startswith("UNAVAILABLE") for text in said)
    wait_until_drained(server)
    found = rows_in(data_dir, "tool = 'get_current_utc_date' AND called_at > now() - interval '1 minute'")
    assert len(found) == answered + 1
    assert server.stop() == 0


CANARY = "SELECT 'Canary' AS word FROM retail.customers WHERE last_name = 'Canary' -- Canary"


@pytest.mark.parametrize("kept", [False, True])
def test_what_callers_wrote_is_nowhere_unless_full_texts_are_kept(data_dir: Path, *, kept: bool) -> None:
    server = start_server(data_dir, ZAVA_AUDIT__FULL_TEXTS=str(kept))
    asked(server, "execute_sales_query", postgresql_query=CANARY)
    asked(server, "execute_sales_query", postgresql_query=f"{CANARY}; {CANARY}")
    asked(server, "find_order", order="Canary")
    spooled = [path.read_bytes() for path in (data_dir / "audit").iterdir() if path.exists()]
    wait_until_drained(server)
    with psycopg.connect(administrator(data_dir)) as connection:
        calls, texts = (
            str(connection.execute(query).fetchall())
            for query in ("SELECT * FROM audit.calls", "SELECT query_text FROM audit.texts")
        )
    assert "Canary" not in calls
    assert ("Canary" in texts) is kept
    assert kept or not any(b"Canary" in text for text in spooled)
    assert not any("Canary" in line for line in (*server.output, *server.errors))
    assert "Canary" not in (data_dir / "postgres.log").read_text()
    assert server.stop() == 0


def test_head_office_reads_the_trail_and_an_operator_looks_at_it(server: Server, data_dir: Path) -> None:
    asked(server, "execute_sales_query", "demo-store-tacoma", postgresql_query="SELECT 4711 AS tacomas")
    wait_until_drained(server)
    here = ("--data-dir", str(data_dir))
    shown = zava("audit", "tail", "--principal", "Store manager Tacoma", *here)
    assert re.search(
        r"^\d{4}-\d\d-\d\d .*  allowed  .*Store manager Tacoma .* execute_sales_query .* 1 rows .*Tacoma\n"
        r"    SELECT \? AS tacomas$",
        shown.stdout,
        re.MULTILINE,
    )
    (line,) = zava(
        "audit", "tail", "--json", "--lines", "1", "--tool", "execute_sales_query", *here
    ).stdout.splitlines()
    assert json.loads(line)["query"] == "SELECT ? AS tacomas"
    doctor = zava("doctor", *here)
    assert "ok    calls audited\nok    audit rows reach the database\n" in doctor.stdout
    assert zava("audit", "tail", "--since", "yesterday", *here).stderr == (
        "zava: --since takes 30m, 12h, 400d, or a moment such as 2026-03-31T18:00.\n"
    )


def test_the_client_says_who_it_is_in_both_eras_of_the_protocol(server: Server, data_dir: Path) -> None:
    async def ask_as(mode: str) -> None:
        transport = StreamableHttpTransport(server.url, headers={"Authorization": "Bearer demo-store-everett"})
        told = Implementation(name=f"{mode}\x1b[31m client", version="1.2.3")
        async with Client(transport, mode=mode, client_info=told) as client:
            await client.call_tool("get_current_utc_date", {})

    for mode in ("auto", "legacy"):
        asyncio.run(ask_as(mode))
    wait_until_drained(server)
    with psycopg.connect(administrator(data_dir)) as connection:
        found = connection.execute(
            "SELECT client FROM audit.calls WHERE principal_name = 'Store manager Everett' ORDER BY called_at"
        ).fetchall()
    (new,), (old,) = found
    assert new == "auto [31m client 1.2.3"
    assert old.startswith("python-httpx")


def test_tampering_is_told_and_pruning_leaves_what_can_be_verified(server: Server, data_dir: Path) -> None:
    here = ("--data-dir", str(data_dir))
    for _ in range(3):
        asked(server, "get_current_utc_date", "demo-store-redmond")
    wait_until_drained(server)
    pruned = zava("audit", "prune", "--older-than", "0m", *here)
    assert re.fullmatch(r"Took away [\d,]+ rows from before .* UTC\.\n", pruned.stdout)
    asked(server, "get_current_utc_date", "demo-store-redmond")
    wait_until_drained(server)
    whole = verified(data_dir)
    assert (whole.returncode, "rows of" in whole.stdout) == (0, True)
    with psycopg.connect(administrator(data_dir)) as connection:
        connection.execute("DELETE FROM audit.calls")
        connection.execute("DELETE FROM audit.writers WHERE writer_id NOT IN (SELECT writer_id FROM audit.checkpoints)")
        connection.execute(
            "UPDATE audit.writers AS w SET sequence = c.sequence, mac = c.mac FROM audit.checkpoints AS c"
            " WHERE c.writer_id = w.writer_id"
        )
    cut = verified(data_dir)
    assert cut.returncode == 1
    assert re.search(r"^BROKEN  writer [0-9a-f-]{36}, row \d+: cut tail: row \d+ missing$", cut.stdout, re.MULTILINE)


def test_an_anchor_is_logged_and_can_be_given_to_the_verification(data_dir: Path) -> None:
    server = start_server(data_dir)
    asked(server, "get_current_utc_date")
    assert server.stop() == 0
    (anchor,) = [line.split()[-1] for line in server.errors if "Audit anchor" in line]
    forged = f"{anchor[:-1]}{'0' if anchor[-1] != '0' else '1'}"
    named = zava("audit", "verify", "--anchor", forged, "--data-dir", str(data_dir))
    assert f"writer {anchor[:36]}, row 1: changed" in named.stdout
    assert "is no anchor" in zava("audit", "verify", "--anchor", "nonsense", "--data-dir", str(data_dir)).stderr


def test_a_configured_database_is_not_served_unaudited_by_accident(data_dir: Path, tmp_path: Path) -> None:
    with EmbeddedPostgres(data_dir) as postgres:
        login, writer = (
            postgres.dsn(database="zava", user=user, password=postgres.secret(user))
            for user in ("zava_app", "zava_writer")
        )
        settings = {
            "ZAVA_DATABASE__DSN": login,
            "ZAVA_DATABASE__CONTEXT_KEY_FILE": str(postgres.secret_file("context-key")),
            "ZAVA_AUDIT__SPOOL_DIR": str(tmp_path / "spool"),
        }
        refused = zava("serve", "--port", str(free_port()), **settings)
        assert refused.returncode == 1
        assert "set ZAVA_DATABASE__WRITER_DSN, or ZAVA_AUDIT__ENABLED=false" in refused.stderr
        examined = zava("doctor", **settings)
        assert "FAIL  calls audited: no login writes them; set ZAVA_DATABASE__WRITER_DSN" in examined.stdout
        settings["ZAVA_DATABASE__WRITER_DSN"] = login
        assert (
            "FAIL  calls audited: the login zava_writer does not get there: permission denied"
            in zava("doctor", **settings).stdout
        )
        settings["ZAVA_DATABASE__WRITER_DSN"] = writer
        assert "ok    calls audited\n" in zava("doctor", **settings).stdout
        commands = settings | {"ZAVA_DATABASE__ADMIN_DSN": postgres.dsn(database="zava")}
        zava("principals", "add", "till", "--name", "Till", "--role", "store_manager", "--stores", "Tacoma", **commands)
        (token,) = re.findall(r"zava_\S+", zava("token", "create", "--principal", "till", **commands).stdout)
        server = start_server(data_dir, **settings)
        asked(server, "execute_sales_query", token, postgresql_query="SELECT 1 AS one")
        assert server.stop() == 0
        shown = zava("audit", "tail", "--principal", "Till", **commands)
        assert re.search(r"allowed .* Till .* execute_sales_query .* Tacoma\n    SELECT \? AS one", shown.stdout)
        assert zava("audit", "verify", **commands).returncode == 0
