"""The log of the program as people run it."""

import json
import socket
import stat
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from tests.e2e.conftest import CopyShop, start_server, zava


def test_the_log_of_a_server_is_an_object_an_event_uvicorns_own_included(copy_shop: CopyShop, tmp_path: Path) -> None:
    file = tmp_path / "mcp_server.log"
    server = start_server(copy_shop("0"), ZAVA_LOG__FORMAT="json", ZAVA_LOG__FILE=str(file), ZAVA_LOG__LEVEL="DEBUG")
    address = urlsplit(server.url)
    assert address.hostname
    with socket.create_connection((address.hostname, address.port or 0)) as client:
        client.sendall(b"no request of HTTP\r\n\r\n")
        client.recv(1_000)
    call = {"name": "find_order", "arguments": {"order": '1\n{"time": "now", "level": "ERROR", "message": "forged"}'}}
    refused = httpx2.post(
        server.url,
        json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call},
        headers={
            "Authorization": "Bearer demo-store-seattle",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2025-06-18",
        },
    )
    assert refused.status_code == 200
    assert server.stop() == 0
    events = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [json.loads(line) for line in server.errors] == events
    messages = {event["message"] for event in events}
    assert {"MCP server startup complete", "Invalid HTTP request received."} <= messages
    assert "forged" not in messages
    (refusal,) = [event for event in events if event["message"].startswith("VALIDATION_ERROR in find_order")]
    assert (refusal["tool"], len(refusal["principal"])) == ("find_order", 36)
    assert {"uvicorn.error", "zava.commands.answering"} <= {event["logger"] for event in events}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_doctor_says_what_to_set_for_telemetry_and_needs_no_database_for_it(tmp_path: Path) -> None:
    examined = zava(
        "doctor",
        "--telemetry",
        ZAVA_DATABASE__DSN="host=nowhere.invalid",
        OTEL_EXPORTER_OTLP_ENDPOINT="",
        HOME=str(tmp_path),
    )
    assert examined.returncode == 1
    assert examined.stdout.splitlines()[-1].startswith("Set OTEL_EXPORTER_OTLP_ENDPOINT ")
    assert examined.stderr == ""
    assert list(tmp_path.iterdir()) == []
