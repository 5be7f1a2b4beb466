"""Starting, refusing, stopping: what an operator meets."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from tests.e2e.conftest import SCALE, ZAVA, CopyShop, Server, environment, free_port, start_server, zava
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.demo.personas import PERSONAS

HEADERS = {
    "Accept": "application/json, text/event-stream",
    "Content-Type": "application/json",
    "MCP-Protocol-Version": "2026-07-28",
}
PERFORMANCE = "get_store_performance"


def request(method: str, **parameters: object) -> dict[str, Any]:
    """A request of the 2026 protocol, which says about itself all that a server may want to know."""
    about = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    }
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**parameters, "_meta": about}}


def performance_of(**arguments: str) -> dict[str, Any]:
    return request("tools/call", name=PERFORMANCE, arguments=arguments)


def post(server: Server, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    headers = HEADERS | {"Mcp-Method": "tools/list"} | named
    return httpx2.post(server.url, json=request("tools/list"), headers=headers, timeout=30)


def call(server: Server, persona: str, body: str) -> httpx2.Response:
    """What comes back for this body, sent as a call of get_store_performance."""
    headers = HEADERS | {
        "Mcp-Method": "tools/call",
        "Mcp-Name": PERFORMANCE,
        "Authorization": f"Bearer {persona}",
    }
    return httpx2.post(server.url, content=body.encode(), headers=headers, timeout=30)


def health(server: Server, which: str) -> httpx2.Response:
    return httpx2.get(server.url.removesuffix("/mcp") + f"/health/{which}", timeout=30)


def test_the_welcome_names_the_address_every_persona_and_a_configuration(shop: Server) -> None:
    said = "".join(shop.output)
    assert f"Zava is open at {shop.url}" in said
    for persona in PERSONAS:
        assert persona.token in said
    configuration = json.loads(said[said.index("{") : said.rindex("}") + 1])
    assert configuration["servers"]["zava"]["url"] == shop.url


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer wrong", "Basic demo-store-seattle", "Bearer demo-"]
)
def test_without_a_known_token_there_is_401(shop: Server, authorization: str | None) -> None:
    response = post(shop) if authorization is None else post(shop, Authorization=authorization)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")


def test_with_a_known_token_there_are_tools(shop: Server) -> None:
    response = post(shop, Authorization="Bearer demo-store-seattle")
    assert response.status_code == 200
    assert {tool["name"] for tool in response.json()["result"]["tools"]} >= {
        "get_store_performance",
        "get_multiple_table_schemas",
        "get_current_utc_date",
    }


@pytest.mark.parametrize(
    ("header", "status"), [({"Origin": "https://evil.example"}, 403), ({"Host": "evil.example"}, 421)]
)
def test_a_page_of_another_origin_is_refused(shop: Server, header: dict[str, str], status: int) -> None:
    assert post(shop, Authorization="Bearer demo-store-seattle", **header).status_code == status


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("", id="nothing"),
        pytest.param("{", id="half an object"),
        pytest.param("[]", id="an empty list"),
        pytest.param("null", id="null"),
        pytest.param('{"jsonrpc": "2.0"}', id="no method"),
        pytest.param("[" * 100_000, id="a deep nest"),
        pytest.param(json.dumps(request("tools/call", name="x" * 100_000, arguments={})), id="a long name"),
        # Lone surrogates are JSON, but no text.
        pytest.param(json.dumps(performance_of(period="\ud800", store="\ud800")), id="a surrogate for a period"),
        pytest.param(json.dumps(performance_of(period="2025", store="\ud800")), id="a surrogate for a store"),
        pytest.param(json.dumps(performance_of(**{"period": "2025", "\ud800": "x"})), id="a surrogate for a name"),
    ],
)
def test_a_body_that_makes_no_sense_is_refused_in_words(shop: Server, body: str) -> None:
    response = call(shop, "demo-store-seattle", body)
    assert response.status_code < 500
    assert "Traceback" not in response.text
    assert response.status_code >= 400 or "error" in response.json() or response.json()["result"]["isError"]
    sensible = performance_of(period="2025")
    assert not call(shop, "demo-store-seattle", json.dumps(sensible)).json()["result"].get("isError")


def page(server: Server, **headers: str) -> httpx2.Response:
    return httpx2.get(server.url.removesuffix("/mcp") + "/", headers=headers, timeout=30)


def test_the_sample_shop_has_a_page_for_this_machine_alone(shop: Server) -> None:
    assert "The people above and their tokens are public." in page(shop).text
    assert "default-src 'none'" in page(shop).headers["content-security-policy"]
    assert page(shop, Host="evil.example").status_code == 421
    assert f"in a browser: {shop.url.removesuffix('mcp')}" in "".join(shop.output)


def test_health_tells_each_part(shop: Server) -> None:
    assert health(shop, "live").json() == {"status": "healthy"}
    ready = health(shop, "ready")
    assert ready.status_code == 200
    assert ready.json() == {
        "status": "healthy",
        "parts": {
            "database": "healthy",
            "schema_version": "healthy",
            "row_security": "healthy",
            "catalogs": "healthy",
            "clock": "healthy",
            "embeddings": "healthy",
            "audit": "healthy",
        },
    }


def test_readiness_notices_when_row_security_is_weakened(shop: Server) -> None:
    with EmbeddedPostgres(shop.data_dir) as postgres, psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute("ALTER TABLE retail.orders NO FORCE ROW LEVEL SECURITY")
        try:
            ready = health(shop, "ready")
            assert ready.status_code == 503
            assert "not forced on retail.orders" in ready.json()["parts"]["row_security"]
        finally:
            connection.execute("ALTER TABLE retail.orders FORCE ROW LEVEL SECURITY")
    assert health(shop, "ready").status_code == 200


def test_a_second_server_is_refused_with_the_address_of_the_first(shop: Server) -> None:
    second = zava("serve", "--port", str(free_port()), "--data-dir", str(shop.data_dir))
    assert second.returncode == 1
    assert shop.url in second.stderr
    assert "Traceback" not in second.stderr


def test_other_commands_work_beside_the_server(shop: Server) -> None:
    status = zava("db", "status", "--data-dir", str(shop.data_dir))
    assert (status.returncode, "The schema is up to date." in status.stdout) == (0, True)
    doctor = zava("doctor", "--data-dir", str(shop.data_dir))
    assert doctor.returncode == 0, doctor.stdout
    assert "FAIL" not in doctor.stdout
    assert health(shop, "ready").status_code == 200


def test_the_doctor_names_what_is_amiss_with_its_remedy(tmp_path: Path) -> None:
    settings = {
        "ZAVA_DATABASE__DSN": f"host={tmp_path} user=zava_app",
        "ZAVA_DATABASE__CONTEXT_KEY_FILE": str(tmp_path / "key"),
    }
    doctor = zava("doctor", **settings)
    assert doctor.returncode == 1
    assert "FAIL  database server: The database does not let zava_app in" in doctor.stdout
    assert "Check the connection string and the password" in doctor.stdout


def test_a_port_in_use_is_said(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = zava("serve", "--port", port, "--data-dir", str(folder / "never"))
    assert refused.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in refused.stderr
    assert not (folder / "never").exists()


def test_the_sample_shop_stays_on_loopback_and_is_told_what_a_network_needs(folder: Path) -> None:
    anywhere = "0.0.0.0"  # noqa: S104 - to be refused
    refused = zava("serve", "--host", anywhere, "--port", str(free_port()), "--data-dir", str(folder / "never"))
    assert refused.returncode == 1
    for needed in ("the tokens of the sample shop are known to everybody", "ZAVA_DATABASE__DSN", "ZAVA_AUTH__ISSUER"):
        assert needed in refused.stderr


def test_stdio_without_a_token_is_refused_and_says_nothing_on_stdout(folder: Path) -> None:
    for variables in ({}, {"ZAVA_TOKEN": "wrong"}):
        refused = zava("serve", "--transport", "stdio", "--data-dir", str(folder / "silent"), **variables)
        assert refused.returncode == 1
        assert refused.stdout == ""
        assert "ZAVA_TOKEN says who asks" in refused.stderr


def test_settings_that_cannot_be_are_named(folder: Path) -> None:
    refused = zava("serve", "--data-dir", str(folder / "never"), ZAVA_HTTP__PORT="harbour")
    assert refused.returncode == 1
    assert "ZAVA_HTTP__PORT" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [("ZAVA_DATABSE__DSN", "x"), ("ZAVA_DATABASE", "{"), ("ZAVA_DATABASE__STATEMENT_TIMEOUT", "0")],
)
def test_a_setting_that_would_be_ignored_or_turn_a_limit_off_is_refused(
    folder: Path, variable: str, value: str
) -> None:
    refused = zava("serve", "--data-dir", str(folder / "never"), **{variable: value})
    assert refused.returncode == 1
    assert variable.removeprefix("ZAVA_").partition("__")[0].lower() in refused.stderr.lower()
    assert "Traceback" not in refused.stderr


def test_an_administrator_without_a_server_is_refused(folder: Path) -> None:
    refused = zava("db", "status", "--data-dir", str(folder / "never"), ZAVA_DATABASE__ADMIN_DSN="host=nowhere")
    assert refused.returncode == 1
    assert "needs ZAVA_DATABASE__DSN beside it" in refused.stderr


@pytest.fixture(scope="module")
def own_shop(copy_shop: CopyShop) -> Path:
    """A data directory that a test may serve by itself."""
    return copy_shop("0")


def test_an_empty_shop_has_its_stores_and_people(own_shop: Path) -> None:
    server = start_server(own_shop)
    try:
        question = performance_of(period="last_month")
        response = call(server, "demo-head-office", json.dumps(question))
        result = response.json()["result"]["structuredContent"]
        assert len(result["store"]["stores"]) == 8
        assert result["metrics"]["revenue"]["value"] == 0
    finally:
        server.stop()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of its own, which can be made larger: `mount -o remount,size=…`."""
    disk = folder / "disk"
    disk.mkdir(mode=0o711)
    mount("-t", "tmpfs", "-o", f"size={size},mode=0711", "tmpfs", str(disk))
    try:
        yield disk
    finally:
        subprocess.run(["/bin/umount", disk], check=True)  # noqa: S603 - our own path


def mount(*arguments: str) -> None:
    subprocess.run(["/bin/mount", *arguments], check=True)  # noqa: S603 - our own arguments


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a small disk")
def test_a_disk_that_fills_while_the_shop_is_made_is_named_and_the_next_start_recovers(folder: Path) -> None:
    with small_disk(folder, "150m") as disk:
        refused = zava("serve", "--port", str(free_port()), "--data-dir", str(disk / "data"), "--scale", "1")
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr
        assert "The disk of the database is full" in refused.stderr.splitlines()[-1]
        mount("-o", "remount,size=1g", str(disk))
        server = start_server(disk / "data", "--scale", SCALE)
        assert health(server, "ready").status_code == 200
        assert server.stop() == 0


def test_a_killed_server_leaves_no_postgres_and_starts_again(own_shop: Path) -> None:
    server = start_server(own_shop)
    postmaster = int((own_shop / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    server.stop(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while Path(f"/proc/{postmaster}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{postmaster}").exists()
    again = start_server(own_shop)
    assert health(again, "ready").status_code == 200
    assert again.stop(signal.SIGTERM) == 0


def test_over_stdio_a_signal_ends_the_server_though_its_input_stays_open(own_shop: Path) -> None:
    server = subprocess.Popen(  # noqa: S603 - our own program
        [*ZAVA, "serve", "--transport", "stdio", "--data-dir", str(own_shop)],
        env=environment(ZAVA_TOKEN="demo-head-office"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdin is not None
    assert server.stderr is not None
    assert any("MCP server startup complete" in line for line in server.stderr)
    server.send_signal(signal.SIGTERM)
    assert server.wait(timeout=10) == 0
    output, _ = server.communicate()
    assert output == ""


def test_a_configured_database_knows_none_of_the_sample_shops_people(own_shop: Path, folder: Path) -> None:
    with EmbeddedPostgres(own_shop) as postgres:
        login = postgres.dsn(user="zava_app", password=postgres.secret("zava_app"))
        settings = {
            "ZAVA_DATABASE__DSN": login,
            "ZAVA_DATABASE__CONTEXT_KEY_FILE": str(postgres.secret_file("context-key")),
            "ZAVA_AUDIT__ENABLED": "false",
        }
        server = start_server(folder / "untouched", **settings)
        assert post(server, Authorization="Bearer demo-head-office").status_code == 401
        assert page(server).status_code == 404
        assert health(server, "ready").status_code == 200
        assert not (folder / "untouched").exists()
        assert server.stop() == 0
        refused = zava("serve", "--port", str(free_port()), **settings | {"ZAVA_DATABASE__DSN": postgres.dsn()})
        assert refused.returncode == 1
        assert "row security could be bypassed: the role postgres is a superuser" in refused.stderr
        unmigrated = zava(
            "serve", "--port", str(free_port()), **settings | {"ZAVA_DATABASE__DSN": postgres.dsn(database="postgres")}
        )
        assert unmigrated.returncode == 1
        assert "has no Zava schema; run `zava db migrate`" in unmigrated.stderr


def test_a_configured_database_is_migrated_with_an_administrators_dsn(own_shop: Path, tmp_path: Path) -> None:
    with EmbeddedPostgres(own_shop) as postgres:
        with psycopg.connect(postgres.dsn(database="postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE company")
        settings = {
            "ZAVA_DATABASE__DSN": postgres.dsn(
                database="company", user="zava_app", password=postgres.secret("zava_app")
            ),
            "ZAVA_DATABASE__CONTEXT_KEY_FILE": str(tmp_path / "key"),
            "ZAVA_AUDIT__ENABLED": "false",
        }
        refused = zava("db", "migrate", **settings)
        assert refused.returncode == 1
        assert "set ZAVA_DATABASE__ADMIN_DSN" in refused.stderr
        nowhere = settings | {
            "ZAVA_DATABASE__ADMIN_DSN": postgres.dsn(database="company"),
            "ZAVA_DATABASE__CONTEXT_KEY_FILE": str(tmp_path / "no folder" / "key"),
        }
        refused = zava("db", "migrate", **nowhere)
        assert refused.returncode == 1
        assert "cannot be made: No such file or directory. Its folder must exist" in refused.stderr
        administration = settings | {"ZAVA_DATABASE__ADMIN_DSN": postgres.dsn(database="company")}
        migrated = zava("db", "migrate", **administration)
        assert migrated.returncode == 0, migrated.stderr
        assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
        assert zava("doctor", **settings).returncode == 0


def running_command_lines() -> Iterator[str]:
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError):  # it has ended meanwhile
                yield (process / "cmdline").read_text()


def test_no_secret_is_in_a_process_list_or_in_a_log(shop: Server) -> None:
    with EmbeddedPostgres(shop.data_dir) as postgres:
        secrets = [postgres.secret("zava_app"), postgres.secret("context-key")]
    logs = [*shop.output, *shop.errors, (shop.data_dir / "postgres.log").read_text()]
    command_lines = list(running_command_lines())
    for secret in secrets:
        assert not any(secret in text for text in (*logs, *command_lines))
