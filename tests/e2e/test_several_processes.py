"""Three servers of one database, behind PgBouncer, asked in turn as by any balancer: together they are one server."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests import tiny_shop
from tests.contract.conftest import APP_PASSWORD, KEY, TestDatabase, tiny_shop_on
from tests.e2e.conftest import UNHURRIED, Server, start_server, zava
from tests.e2e.served import ERA, HANDSHAKE_ERA, call, headers_of, message
from tests.pgbouncer import needs_pgbouncer, running_pgbouncer
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.postgres.migrate import set_first_password
from zava.adapters.postgres.principal_registry import PostgresPrincipalRegistry, open_registry
from zava.core.people import TokenOrder

pytestmark = needs_pgbouncer

PROCESSES = 3
# How long it may take until everybody knows.
REVOKED_WITHIN_SECONDS = 1.0
BY_DAY = {"metrics": ["revenue", "units"], "period": "all_time", "group_by": ["month", "category"], "limit": 5}
QUESTIONS: list[dict[str, Any]] = [
    call("get_store_performance", {"period": "2026-03"}),
    call("compare_stores", {"period": "2026-03"}),
    call("semantic_search_products", {"query_description": "something to drill holes"}),
    call("find_related_products", {"kind": "trending", "period": "2026-03"}),
    call("execute_sales_query", {"postgresql_query": "SELECT count(*), sum(total_amount) FROM orders"}),
    message("tools/list", {}),
    message("resources/read", {"uri": "zava://me"}),
]
COUNT = "SELECT count(*), count(DISTINCT writer_id) FROM audit.calls WHERE tool = 'check_inventory'"


@dataclass
class Balanced:
    """The servers, of which each request is answered by the next one."""

    database: TestDatabase
    settings: dict[str, str]
    servers: list[Server]
    client: httpx2.Client
    turn: Iterator[Server] = field(init=False)

    def __post_init__(self) -> None:
        self.turn = cycle(self.servers)

    def ask(self, asked: dict[str, Any], token: str, era: str = ERA) -> httpx2.Response:
        headers = headers_of(asked, era, token)
        return self.client.post(next(self.turn).url, content=json.dumps(asked), headers=headers)

    def result(self, asked: dict[str, Any], token: str, era: str = ERA) -> dict[str, Any]:
        answer = self.ask(asked, token, era)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()["result"]
        assert not result.get("isError"), result
        return result

    @contextmanager
    def registry(self) -> Iterator[PostgresPrincipalRegistry]:
        with (
            psycopg.connect(self.database.admin_dsn, autocommit=True) as connection,
            open_registry(connection) as registry,
        ):
            yield registry

    def new_token(self, subject: str) -> tuple[int, str]:
        with self.registry() as registry:
            return registry.issue(TokenOrder(subject, "", None, datetime.now(UTC) + timedelta(days=1)))


@pytest.fixture(scope="module")
def balanced(folder: Path) -> Iterator[Balanced]:
    with EmbeddedPostgres(folder / "shared") as postgres:
        database = tiny_shop_on(postgres)
        with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
            set_first_password(connection, "zava_writer", APP_PASSWORD)
        passwords = dict.fromkeys(("zava_app", "zava_writer"), APP_PASSWORD)
        with running_pgbouncer(postgres.dsn(), passwords) as pgbouncer, ThreadPoolExecutor() as starting:
            app, writer = (pgbouncer.dsn(make_conninfo(database.app_dsn, user=name)) for name in passwords)
            settings = UNHURRIED | {
                "ZAVA_DATABASE__DSN": app,
                "ZAVA_DATABASE__WRITER_DSN": writer,
                "ZAVA_DATABASE__POOLER": "transaction",
                "ZAVA_AUDIT__SPOOL_DIR": str(folder / "shared-spool"),
            }

            def start(number: int) -> Server:
                # As on a machine of its own, which has a copy.
                key_file = folder / f"key-{number}"
                key_file.write_bytes(KEY.secret)
                key_file.chmod(0o600)
                return start_server(folder / "unused", **settings, ZAVA_DATABASE__CONTEXT_KEY_FILE=str(key_file))

            servers = list(starting.map(start, range(PROCESSES)))
            settings["ZAVA_DATABASE__CONTEXT_KEY_FILE"] = str(folder / "key-0")
            with httpx2.Client(timeout=60) as client:
                yield Balanced(database, settings, servers, client)
            for server in servers:
                assert server.process.poll() is not None or server.stop() == 0


@pytest.fixture(scope="module")
def manager(balanced: Balanced) -> str:
    """The token of the manager of Seattle."""
    return balanced.new_token(tiny_shop.SEATTLE.name)[1]


@pytest.fixture(scope="module")
def other(balanced: Balanced) -> str:
    """The token of the manager of Tacoma."""
    return balanced.new_token(tiny_shop.TACOMA.name)[1]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda asked: str(asked["params"].get("name", asked["method"])))
def test_whoever_answers_the_answer_is_the_same(balanced: Balanced, manager: str, question: dict[str, Any]) -> None:
    answers = [balanced.result(question, manager) for _ in range(PROCESSES)]
    assert [_timeless(answer) for answer in answers] == [_timeless(answers[0])] * PROCESSES


def test_a_client_of_the_older_protocol_needs_no_server_that_remembers_it(balanced: Balanced, manager: str) -> None:
    about = {"protocolVersion": HANDSHAKE_ERA, "capabilities": {}, "clientInfo": {"name": "tests", "version": "0"}}
    hello = balanced.ask(message("initialize", about, HANDSHAKE_ERA), manager, HANDSHAKE_ERA)
    assert hello.status_code == 200
    assert "mcp-session-id" not in hello.headers
    greeted = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert balanced.ask(greeted, manager, HANDSHAKE_ERA).status_code == 202
    assert balanced.result(message("tools/list", {}, HANDSHAKE_ERA), manager, HANDSHAKE_ERA)["tools"]
    assert balanced.result(call(era=HANDSHAKE_ERA), manager, HANDSHAKE_ERA)["content"]


def test_a_link_to_a_file_is_opened_by_every_server_for_whoever_asked_and_for_nobody_else(
    balanced: Balanced, manager: str, other: str
) -> None:
    content = balanced.result(call("analyze_sales", BY_DAY), manager)["content"]
    (uri,) = [block["uri"] for block in content if block["type"] == "resource_link"]
    reading = message("resources/read", {"uri": uri})
    files = [balanced.result(reading, manager)["contents"][0]["text"] for _ in range(PROCESSES)]
    assert files == [files[0]] * PROCESSES
    assert files[0].startswith("month,category")
    for _ in range(PROCESSES):
        assert "error" in balanced.ask(reading, other).json()


def test_what_an_administrator_takes_away_is_gone_everywhere_within_a_second(balanced: Balanced) -> None:
    number, token = balanced.new_token(tiny_shop.REGION.name)
    for _ in range(PROCESSES):
        balanced.result(call(), token)
    with balanced.registry() as registry:
        registry.revoke(number)
    time.sleep(REVOKED_WITHIN_SECONDS)
    assert [balanced.ask(call(), token).status_code for _ in range(PROCESSES)] == [401] * PROCESSES

    _, token = balanced.new_token(tiny_shop.REGION.name)
    for _ in range(PROCESSES):
        balanced.result(call(), token)
    with balanced.registry() as registry:
        registry.disable(tiny_shop.REGION.name, disabled=True)
    time.sleep(REVOKED_WITHIN_SECONDS)
    assert [balanced.ask(call(), token).status_code for _ in range(PROCESSES)] == [401] * PROCESSES


def test_every_call_is_audited_once_whoever_answered(balanced: Balanced, manager: str) -> None:
    for _ in range(4 * PROCESSES):
        balanced.result(call("check_inventory", {"max_rows": 1}), manager)
    with psycopg.connect(balanced.database.admin_dsn, autocommit=True) as connection:
        for _ in range(100):
            rows = connection.execute(COUNT).fetchone()
            if rows == (4 * PROCESSES, PROCESSES):
                break
            time.sleep(0.2)
    assert rows == (4 * PROCESSES, PROCESSES)
    verified = zava("audit", "verify", **balanced.settings, ZAVA_DATABASE__ADMIN_DSN=balanced.database.admin_dsn)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_server_that_is_told_to_stop_answers_what_it_has_accepted(balanced: Balanced, manager: str) -> None:
    """Whom it accepts no more asks the next, as balancers do."""
    over = threading.Event()
    statuses: list[int] = []
    failures: list[str] = []
    # When those asked whom nobody has answered.
    unheard: list[float] = []

    def ask() -> None:
        with httpx2.Client(timeout=30) as client:
            servers = cycle(balanced.servers)
            while not over.is_set():
                body = call("get_store_performance", {"period": "2026-03"})
                headers = headers_of(body, ERA, manager) | {"Connection": "close"}
                asked_at = time.monotonic()
                try:
                    statuses.append(
                        client.post(next(servers).url, content=json.dumps(body), headers=headers).status_code
                    )
                except (httpx2.ConnectError, httpx2.ReadError):
                    # Refused, or reset at the very moment at which the port is closed.
                    unheard.append(asked_at)
                except httpx2.HTTPError as error:
                    failures.append(repr(error))

    askers = [threading.Thread(target=ask) for _ in range(6)]
    for asker in askers:
        asker.start()
    time.sleep(1)
    stopping = balanced.servers[-1]
    stopped_at = time.monotonic()
    assert stopping.stop() == 0
    time.sleep(1)
    over.set()
    for asker in askers:
        asker.join()
    assert failures == []
    assert set(statuses) == {200}
    assert len(statuses) > 30
    assert len(unheard) < len(statuses)
    assert [asked_at for asked_at in unheard if asked_at < stopped_at] == []


def _timeless(answer: dict[str, Any]) -> str:
    """The answer without the moment at which it was given, and the seconds that it took."""
    structured = answer.get("structuredContent", answer)
    return json.dumps({name: value for name, value in structured.items() if name not in ("as_of", "seconds")})
