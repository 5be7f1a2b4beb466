"""Somebody brings an empty database, and asks a question of their own shop in the end."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from fastmcp import Client
from fastmcp.client.auth import BearerAuth
from fastmcp.client.client import CallToolResult
from mcp_types import TextContent
from psycopg.conninfo import make_conninfo

from tests.contract.conftest import SERVERS, running_postgres
from tests.e2e.conftest import environment, start_server, zava
from zava.adapters.embedded.supervisor import EmbeddedPostgres

EXAMPLE = Path(__file__).parents[2] / "examples" / "shop"
PASSWORD = "only-for-tests"


@dataclass
class Case:
    """An empty database, and an administrator of it.

    Attributes:
        admin_dsn: without the password, which is in the environment.
    """

    postgres: EmbeddedPostgres
    superuser: bool
    admin_dsn: str
    variables: dict[str, str]

    def init(self, *arguments: str, dsn: str | None = None) -> subprocess.CompletedProcess[str]:
        return zava("init", "--dsn", dsn or self.admin_dsn, *arguments, **self.variables)


CASES = [
    pytest.param((name, superuser), id=f"{name}-{'superuser' if superuser else 'owner'}")
    for name in SERVERS
    for superuser in (True, False)
]


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    name, superuser = request.param
    with running_postgres(SERVERS[name]) as postgres:
        with psycopg.connect(postgres.dsn(database="postgres"), autocommit=True) as connection:
            connection.execute(
                f"CREATE ROLE installer LOGIN {'SUPERUSER' if superuser else 'CREATEROLE'} PASSWORD '{PASSWORD}'"
            )
            connection.execute("CREATE DATABASE shop OWNER installer")
        passwords = tmp_path_factory.mktemp("administrator") / "pgpass"
        passwords.write_text(f"*:*:*:installer:{PASSWORD}\n")
        passwords.chmod(0o600)
        host = str(postgres.dsn(database="shop")).split("host=")[1].split()[0]
        dsn = make_conninfo("", host=host, port="5432", dbname="shop", user="installer", passfile=str(passwords))
        spool = tmp_path_factory.mktemp("spool")
        yield Case(postgres, superuser, dsn, {"ZAVA_AUDIT__SPOOL_DIR": str(spool)})


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files of the server will be."""
    return tmp_path_factory.mktemp("server") / "files"


@pytest.fixture(scope="module")
def prepared(case: Case, files: Path) -> str:
    """What is said when a database is prepared."""
    shutil.rmtree(files, ignore_errors=True)
    done = case.init("--folder", str(files))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def test_the_doctor_finds_nothing_that_keeps_a_server_from_serving(case: Case, prepared: str) -> None:
    states = {line.split()[0] for line in prepared.splitlines() if re.match(r"(ok|weak|FAIL|look|off) ", line)}
    assert "FAIL" not in states
    weak = [line for line in prepared.splitlines() if line.startswith("weak")]
    assert bool(weak) != case.superuser
    assert prepared.count("as a superuser") == len(weak)


def in_a_shell(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs commands as somebody would who pastes them."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(  # noqa: S603 - what our own program has told
        ["/bin/sh", "-ec", script],
        env=environment(**variables, PATH=path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def test_what_comes_next_leads_to_an_answered_question(case: Case, prepared: str, tmp_path: Path) -> None:
    _, _, told = prepared.partition("Next, in this shell:\n")
    commands = told.strip().splitlines()
    assert commands.pop().strip() == "zava serve"
    assert sum("zava import FOLDER" in command for command in commands) == 1
    script = "\n".join(commands).replace("zava import FOLDER", f"zava import {EXAMPLE}")
    done = in_a_shell(f"{script}\nenv | grep ^ZAVA_", **case.variables)
    assert done.returncode == 0, done.stdout + done.stderr
    variables = dict(line.split("=", 1) for line in done.stdout.splitlines() if line.startswith("ZAVA_"))
    assert "ZAVA_DATABASE__ADMIN_DSN" not in variables
    token = variables.pop("ZAVA_TOKEN")
    assert f'"Authorization": "Bearer {token}"' in done.stdout
    server = start_server(tmp_path, **variables)
    try:
        async with Client(server.url, auth=BearerAuth(token)) as client:
            answer = await client.call_tool("get_store_performance", {"period": "2026-03"})
            found = await client.call_tool("semantic_search_products", {"query_description": "earl grey"})
    finally:
        assert server.stop() == 0
    assert (answer.structured_content or {})["metrics"]["revenue"]["value"] == 129.95
    exported = zava(
        "export", "orders", str(tmp_path / "orders.csv"), ZAVA_DATABASE__ADMIN_DSN=case.admin_dsn, **variables
    )
    assert exported.returncode == 0, exported.stderr
    assert "words only" in text_of(found)


def text_of(answer: CallToolResult) -> str:
    """What the model reads of an answer."""
    (content,) = answer.content
    assert isinstance(content, TextContent)
    return content.text
