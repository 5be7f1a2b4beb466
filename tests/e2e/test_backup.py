"""The sample shop is backed up while it serves, and served from a new data directory."""

import shutil
from pathlib import Path

from fastmcp import Client
from fastmcp.client.auth import BearerAuth
from fastmcp.client.client import CallToolResult

from tests.e2e.conftest import Server, start_server, zava

COUNT = {"postgresql_query": "SELECT count(*) FROM orders WHERE order_date < '2026-01-01'"}


async def test_a_shop_is_served_from_its_backup_with_its_key_and_its_audit_trail(
    shop: Server, folder: Path, tmp_path: Path
) -> None:
    file, data_dir = tmp_path / "zava.backup", folder / "restored"
    async with Client(shop.url, auth=BearerAuth("demo-store-seattle")) as client:
        before = await client.call_tool("execute_sales_query", COUNT)
    made = zava("db", "backup", str(file), "--data-dir", str(shop.data_dir))
    assert made.returncode == 0, made.stderr
    assert "Not in it: passwords of logins, the files context-key" in made.stdout
    refused = zava("db", "backup", str(file), "--data-dir", str(shop.data_dir))
    assert (refused.returncode, "no backup is overwritten" in refused.stderr) == (1, True)
    restored = zava("db", "restore", str(file), "--data-dir", str(data_dir))
    assert restored.returncode == 0, restored.stderr
    assert restored.stdout.startswith(f"{file} is restored into zava")
    shutil.copy2(shop.data_dir / "secrets" / "context-key", data_dir / "secrets" / "context-key")
    server = start_server(data_dir)
    try:
        async with Client(server.url, auth=BearerAuth("demo-store-seattle")) as client:
            after = await client.call_tool("execute_sales_query", COUNT)
    finally:
        assert server.stop() == 0
    assert rows_of(after) == rows_of(before)
    verified = zava("audit", "verify", "--data-dir", str(data_dir))
    assert (verified.returncode, "are as they were written" in verified.stdout) == (0, True), verified.stdout
    again = zava("db", "restore", str(file), "--data-dir", str(data_dir))
    assert (again.returncode, "into an empty database" in again.stderr) == (1, True)


def rows_of(answer: CallToolResult) -> list[list[int]]:
    """The rows of an answer of free SQL."""
    rows: list[list[int]] = (answer.structured_content or {})["rows"]
    return rows
