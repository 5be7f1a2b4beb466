"""What a client may send, from where, how much and how slowly. Whatever it is, the server goes on."""

import contextlib
import gc
import json
import logging
import socket
import ssl
import time
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.e2e.served import API_TOKEN, ERA, HANDSHAKE_ERA, Served, call, headers_of, message, people, serving
from zava.adapters.mcp.identity import DirectoryCallers
from zava.adapters.mcp.recent_principals import RECENT_SECONDS
from zava.settings import HttpSettings

ERAS = [ERA, HANDSHAKE_ERA]
PUBLIC_URL = "https://zava.example.com"
PAGE = "https://assistant.example.com"
TIMEOUT = 1.0
CONNECTIONS = 20
JSON_TYPE = "Content-Type: application/json"
VERSION = f"MCP-Protocol-Version: {HANDSHAKE_ERA}"
# Of the program and its libraries, which is nobody's business.
INSIDE = ("Traceback", 'File "', "site-packages", "Internal Server Error", "INTERNAL_ERROR", "starlette", "uvicorn")


def callers() -> DirectoryCallers:
    return DirectoryCallers(people(), None, base_url=PUBLIC_URL)


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    settings = HttpSettings(
        public_url=PUBLIC_URL,
        allowed_origins=PAGE,
        max_connections=CONNECTIONS,
        request_timeout=TIMEOUT,
        response_timeout=TIMEOUT,
    )
    with serving(callers(), settings) as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_fails(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """However a request is answered, nothing in the program has failed."""
    yield
    failed = [record.getMessage() for record in caplog.get_records("call") if record.exc_info]
    assert failed == []


def connect(server: Served) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def request(body: bytes, *headers: str, length: int | None = None, keep: bool = False) -> bytes:
    """A POST with a token, to this machine, with these headers too; the last of its connection, unless that is kept."""
    lines = [
        "POST /mcp HTTP/1.1",
        *([] if keep else ["Connection: close"]),
        "Host: 127.0.0.1",
        f"Authorization: Bearer {API_TOKEN}",
        "Accept: application/json, text/event-stream",
        f"Content-Length: {len(body) if length is None else length}",
        *headers,
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def good_request(*headers: str, asked: object = None, keep: bool = False) -> bytes:
    body = json.dumps(call(era=HANDSHAKE_ERA) if asked is None else asked).encode()
    return request(body, JSON_TYPE, VERSION, *headers, keep=keep)


def received(connection: socket.socket) -> bytes:
    """All that comes until the server closes, or says nothing for a while."""
    said = b""
    connection.settimeout(TIMEOUT + 4)
    try:
        while part := connection.recv(65_536):
            said += part
    except (TimeoutError, ConnectionResetError):
        pass
    return said


def exchange(server: Served, sent: bytes) -> bytes:
    """What the server answers to these bytes, until it closes the connection."""
    with connect(server) as connection:
        with contextlib.suppress(OSError):  # it has heard enough
            connection.sendall(sent)
        return received(connection)


def statuses(said: bytes) -> list[int]:
    return [int(part.split(b" ", 1)[0]) for part in said.split(b"HTTP/1.1 ")[1:]]


def assert_well(server: Served) -> None:
    assert server.post(API_TOKEN).status_code == 200


def seconds_until_closed(connection: socket.socket) -> float:
    began = time.monotonic()
    connection.settimeout(10)
    try:
        while connection.recv(65_536):
            pass
    except ConnectionResetError:
        pass
    return time.monotonic() - began


# Slow clients


BEGINNINGS = {
    "nothing": b"",
    "half a line": b"POST /mc",
    "half of the headers": good_request().split(b"Accept")[0],
    "half a body": good_request()[:-10],
    "half a chunk": request(b"", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"") + b"ff\r\n{",
    "half a body without a token": good_request(keep=True).replace(API_TOKEN.encode(), b"zava_nobody")[:-10],
    "half a request after a whole one": good_request(keep=True) + b"POST /mcp HT",
}


@pytest.mark.parametrize("beginning", BEGINNINGS.values(), ids=BEGINNINGS)
def test_who_does_not_send_the_rest_is_left(server: Served, beginning: bytes) -> None:
    with connect(server) as connection:
        connection.sendall(beginning)
        # Two requests are 5 seconds apart at most, of which uvicorn takes care.
        longest = 6.5 if beginning.startswith(good_request(keep=True)) else TIMEOUT + 1
        assert TIMEOUT - 0.5 < seconds_until_closed(connection) < longest
    assert_well(server)


def test_a_byte_now_and_then_does_not_keep_a_connection(server: Served) -> None:
    with connect(server) as connection:
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < 8:
                connection.sendall(b"x")
                time.sleep(0.1)
        assert time.monotonic() - began < TIMEOUT + 1.5
    assert_well(server)


def test_who_does_not_read_the_answers_is_left(server: Served) -> None:
    asked = good_request(asked=message("tools/list", {}, HANDSHAKE_ERA), keep=True)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.settimeout(60)
    with connection:
        connection.connect(("127.0.0.1", server.port))
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < 30:
                connection.sendall(asked)
                time.sleep(0.005)
        assert time.monotonic() - began < 20
    assert_well(server)


def test_a_slow_client_that_goes_on_is_served(server: Served) -> None:
    with connect(server) as connection:
        for _ in range(2):
            whole = good_request(keep=True)
            for part in (whole[:40], whole[40:200], whole[200:]):
                time.sleep(TIMEOUT / 5)
                connection.sendall(part)
            said = b""
            while b'"isError":false' not in said:
                said += connection.recv(65_536)
            assert statuses(said) == [200]
            time.sleep(TIMEOUT * 1.5)  # between two requests there is more time


def test_connections_are_bounded_and_the_next_one_is_told(server: Served) -> None:
    assert_well(server)  # with a connection of its own, which is kept
    held = [connect(server) for _ in range(CONNECTIONS - 1)]
    try:
        time.sleep(0.2)
        with connect(server) as one_too_many:
            said = received(one_too_many)
        assert statuses(said) == [503]
        assert b"Retry-After: 1" in said
        assert_well(server)
    finally:
        for connection in held:
            connection.close()
    time.sleep(0.2)
    assert statuses(exchange(server, good_request())) == [200]


# Where requests come from, and to whom


@pytest.mark.parametrize("host", ["zava.example.com", "zava.example.com:443", "127.0.0.1", "localhost:8000", "[::1]:1"])
def test_these_are_names_of_the_server(server: Served, host: str) -> None:
    assert server.post(API_TOKEN, Host=host).status_code == 200


@pytest.mark.parametrize(
    "host", ["attacker.example.com", "zava.example.com.attacker.example", "", "zava", "*", "10.0.0.1"]
)
@pytest.mark.parametrize("path", ["/mcp", "/.well-known/oauth-protected-resource/mcp", "/health/live"])
def test_any_other_name_is_misdirected(server: Served, host: str, path: str) -> None:
    url = server.url.replace("/mcp", path)
    assert server.client.get(url, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize(
    "origin", ["https://attacker.example.com", "null", "http://assistant.example.com", "x" * 2_000]
)
def test_a_page_from_elsewhere_may_not_ask(server: Served, origin: str) -> None:
    answer = server.post(API_TOKEN, Origin=origin, Host="zava.example.com")
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("origin", [PAGE, PUBLIC_URL])
def test_these_pages_may(server: Served, origin: str) -> None:
    answer = server.post(API_TOKEN, Origin=origin, Host="zava.example.com")
    assert answer.status_code == 200
    assert answer.headers.get("Access-Control-Allow-Origin") == (PAGE if origin == PAGE else None)
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_a_browser_is_told_what_a_page_may_send(server: Served) -> None:
    asked = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, mcp-method",
    }
    answer = server.client.options(server.url, headers=asked)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert {"Authorization", "Mcp-Method"} <= set(answer.headers["Access-Control-Allow-Headers"].split(", "))


def test_without_a_setting_no_page_elsewhere_is_told_anything() -> None:
    with serving(callers()) as server:
        asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
        answer = server.client.options(server.url, headers=asked)
        assert answer.status_code == 403
        assert [name for name in answer.headers if name.startswith("access-control")] == []


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of this machine's, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def test_the_server_speaks_tls_itself(certificate: tuple[Path, Path]) -> None:
    settings = HttpSettings(tls_certificate_file=certificate[0], tls_key_file=certificate[1], request_timeout=TIMEOUT)
    with serving(callers(), settings) as server:
        trust = ssl.create_default_context(cafile=certificate[0])
        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain,
            trust.wrap_socket(plain, server_hostname="127.0.0.1") as encrypted,
        ):
            assert encrypted.version() in {"TLSv1.2", "TLSv1.3"}
            encrypted.sendall(good_request())
            assert encrypted.recv(65_536).startswith(b"HTTP/1.1 200")
        # Without it one is no client.
        assert exchange(server, good_request()) == b""


# Requests that are none


DEEP = 100_000
RAW = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
    "zeros": bytes(1_000),
    "an SSH client": b"SSH-2.0-OpenSSH_9.6\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/9.9": b"GET /mcp HTTP/9.9\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    "no host": b"POST /mcp HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "two hosts": good_request("Host: attacker.example.com"),
    "a URL of a proxy": good_request().replace(b"POST /mcp", b"POST http://attacker.example.com/mcp"),
    "a target in other letters": good_request().replace(b"POST /mcp", b"POST /mcp\xff\xfe"),
    "an encoded target": good_request().replace(b"POST /mcp", b"POST /%6d%63%70%00%ff"),
    "a way out": good_request().replace(b"POST /mcp", b"POST /../../etc/passwd"),
    "a long target": good_request().replace(b"POST /mcp", b"POST /mcp?" + b"x" * 40_000),
    "a long header": good_request("X-Long: " + "x" * 40_000),
    "many headers": good_request(*(f"X-{number}: x" for number in range(5_000))),
    "a header without an end": b"POST /mcp HTTP/1.1\r\nX: " + b"x" * 200_000,
    "a folded header": good_request("X-Folded: a\r\n b"),
    "a header without a name": good_request(": x"),
    "a header with a blank": good_request("Content-Length : 5"),
    "a header of two lines": good_request("X: a\rSet-Cookie: b"),
    "a header with a NUL": good_request("X: a\0b"),
    "a header of a response": good_request("X: a\nHTTP/1.1 200 OK"),
    "two lengths": good_request("Content-Length: 5"),
    "a length and chunks": good_request("Transfer-Encoding: chunked"),
    "other encodings": good_request("Transfer-Encoding: gzip, chunked"),
    "a negative length": request(b"{}", JSON_TYPE, length=-1),
    "a huge length": request(b"{}", JSON_TYPE, length=10**30),
    "a length that is none": request(b"{}", JSON_TYPE).replace(b"Content-Length: 2", b"Content-Length: two"),
    "a longer body than said": request(b"{}" + b"x" * 1_000, JSON_TYPE, length=2),
    "a wrong chunk": request(b"", JSON_TYPE, "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
    + b"zz\r\nabc\r\n0\r\n\r\n",
    "an upgrade": good_request("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x"),
    "an expectation": good_request("Expect: 100-continue"),
    "an expectation of something else": good_request("Expect: coffee"),
    "a token of other letters": good_request().replace(API_TOKEN.encode(), b"zava_\xc3\xa9\xff"),
    "two tokens": good_request("Authorization: Bearer zava_nobody"),
    "an empty token": good_request().replace(f"Bearer {API_TOKEN}".encode(), b"Bearer "),
    "a version of other letters": good_request().replace(HANDSHAKE_ERA.encode(), b"\xff\xfe"),
    "a session of other letters": good_request("Mcp-Session-Id: \xff\xfe"),
    "an event of other letters": good_request("Last-Event-ID: \xff\xfe"),
    "a wrong media type": request(b"{}", "Content-Type: text/html", VERSION),
    "a media type that is none": request(b"{}", "Content-Type: \xff/;;=", VERSION),
    "a charset that is none": request(b"{}", "Content-Type: application/json; charset=none", VERSION),
    "no media type": request(b"{}", VERSION),
    "no body": request(b"", JSON_TYPE, VERSION),
    "a NUL for a body": request(b"\0", JSON_TYPE, VERSION),
    "a compressed body": request(b"\x1f\x8b\x08\x00", JSON_TYPE, VERSION, "Content-Encoding: gzip"),
    "UTF-16": request(json.dumps(call(era=HANDSHAKE_ERA)).encode("utf-16"), JSON_TYPE, VERSION),
    "bytes that are no text": request(b'{"jsonrpc": "2.0", "id": 1, "method": "\xff\xfe"}', JSON_TYPE, VERSION),
    "a deep body": request(b"[" * DEEP + b"]" * DEEP, JSON_TYPE, VERSION),
    "a deep object": request(b'{"a":' * DEEP + b"1" + b"}" * DEEP, JSON_TYPE, VERSION),
    "a deep body without an end": request(b"[" * DEEP, JSON_TYPE, VERSION),
    "a long number": request(b"9" * 100_000, JSON_TYPE, VERSION),
    "a huge body": request(b'"' + b"x" * 5_000_000 + b'"', JSON_TYPE, VERSION),
    "a huge body in chunks": request(b"", JSON_TYPE, "Transfer-Encoding: chunked").replace(
        b"Content-Length: 0\r\n", b""
    )
    + (b"10000\r\n" + b"x" * 65_536 + b"\r\n") * 80
    + b"0\r\n\r\n",
    "many names": request(json.dumps(dict.fromkeys(map(str, range(100_000)))).encode(), JSON_TYPE, VERSION),
    "a method that is none": good_request().replace(b"POST", b"BREW"),
    "TRACE": good_request().replace(b"POST", b"TRACE"),
    "CONNECT": good_request().replace(b"POST /mcp", b"CONNECT 127.0.0.1:22"),
    "HEAD": good_request().replace(b"POST", b"HEAD"),
    "GET": good_request().replace(b"POST", b"GET"),
    "DELETE": good_request("Mcp-Session-Id: x").replace(b"POST", b"DELETE"),
    "another page": good_request().replace(b"POST /mcp", b"POST /nowhere"),
}


@pytest.mark.parametrize("sent", RAW.values(), ids=RAW)
def test_whatever_is_sent_is_answered_without_a_fault(server: Served, sent: bytes) -> None:
    said = exchange(server, sent)
    assert [status for status in statuses(said) if status >= 500] == []
    assert [word for word in INSIDE if word.encode() in said] == []
    assert b"\r\nset-cookie" not in said.lower()
    assert len(said) < 5_000
    assert_well(server)


@pytest.mark.parametrize(
    "sent",
    [
        good_request("X-Long: " + "x" * 40_000),
        good_request(*(f"X-{number}: x" for number in range(5_000))),
        good_request().replace(b"POST /mcp", b"POST /mcp?" + b"x" * 40_000),
        b"POST /mcp HTTP/1.1\r\nX: " + b"x" * 200_000,
        b"POST /mcp?" + b"x" * 200_000,
        b"x" * 200_000,
    ],
    ids=["one header", "many headers", "a target", "a header without an end", "a target without one", "no request"],
)
@pytest.mark.parametrize("part", [1_000_000, 10_000], ids=["at once", "in parts"])
def test_headers_are_bounded(server: Served, sent: bytes, part: int) -> None:
    with connect(server) as connection:
        with contextlib.suppress(OSError):  # it has heard enough
            for start in range(0, len(sent), part):
                connection.sendall(sent[start : start + part])
                time.sleep(0.01)
        said = received(connection)
    assert statuses(said) in ([400], [])  # what is still on its way may have the answer lost


@pytest.mark.parametrize("beginning", [b"POST /mcp HTTP/1.1\r\nX: ", b"POST /mcp?", b"POST /mcp HTTP/1.1\r\nX: x\r\n"])
def test_headers_without_an_end_are_not_waited_for(beginning: bytes) -> None:
    with serving(callers()) as patient, connect(patient) as connection:
        with contextlib.suppress(OSError):  # it has heard enough
            for part in (beginning, *[b"x" * 10_000] * 10):
                connection.sendall(part)
                time.sleep(0.01)
        assert seconds_until_closed(connection) < 5


def test_long_headers_are_taken_up_to_their_bound_also_behind_a_long_body(server: Served) -> None:
    long = good_request("X-Long: " + "x" * 30_000, keep=True)
    assert statuses(exchange(server, long + good_request())) == [200, 200]
    asked = call("execute_sales_query", {"postgresql_query": "x" * 20_000}, HANDSHAKE_ERA)
    with connect(server) as connection:
        whole = good_request(asked=asked, keep=True) + good_request("X-Long: " + "x" * 30_000)
        connection.sendall(whole[:-2_000])
        time.sleep(0.2)
        connection.sendall(whole[-2_000:])
        assert statuses(received(connection)) == [200, 200]


def test_one_host_is_named(server: Served) -> None:
    none = good_request().replace(b"Host: 127.0.0.1\r\n", b"")
    assert statuses(exchange(server, none)) == [400]
    assert statuses(exchange(server, good_request("Host: 127.0.0.1"))) == [400]


def test_blanks_around_a_header_are_no_part_of_it(server: Served) -> None:
    assert statuses(exchange(server, good_request().replace(VERSION.encode(), VERSION.encode() + b" \t "))) == [200]


def test_headers_behind_a_body_count_for_nothing(server: Served) -> None:
    body = json.dumps(call(era=HANDSHAKE_ERA)).encode()
    chunks = b"%x\r\n" % len(body) + body + b"\r\n0\r\nAuthorization: Bearer " + API_TOKEN.encode() + b"\r\n\r\n"
    asked = request(b"", JSON_TYPE, VERSION, "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
    assert statuses(exchange(server, asked + chunks)) == [200]
    nobodys = asked.replace(f"Authorization: Bearer {API_TOKEN}\r\n".encode(), b"")
    assert statuses(exchange(server, nobodys + chunks)) == [401]


MESSAGES: dict[str, object] = {
    "nothing": None,
    "a text": "tools/list",
    "a number": 7,
    "an empty list": [],
    "an empty object": {},
    "a batch": [call(era=HANDSHAKE_ERA), call(era=HANDSHAKE_ERA)],
    "a batch of everything": [1, None, "x", {}, [], call(era=HANDSHAKE_ERA)],
    "a deep batch": [[[[call(era=HANDSHAKE_ERA)]]]],
    "another version": {"jsonrpc": "1.0", "id": 1, "method": "tools/list"},
    "no version": {"id": 1, "method": "tools/list"},
    "no id": {"jsonrpc": "2.0", "method": "tools/list"},
    "an id of null": {"jsonrpc": "2.0", "id": None, "method": "tools/list"},
    "an id that is an object": {"jsonrpc": "2.0", "id": {}, "method": "tools/list"},
    "an id that is a fraction": {"jsonrpc": "2.0", "id": 1.5, "method": "tools/list"},
    "a long id": {"jsonrpc": "2.0", "id": "x" * 1_000, "method": "tools/list"},
    "no method": {"jsonrpc": "2.0", "id": 1},
    "a method that is a number": {"jsonrpc": "2.0", "id": 1, "method": 7},
    "a method that is none": {"jsonrpc": "2.0", "id": 1, "method": "tools/steal", "params": {}},
    "a method of Python's": {"jsonrpc": "2.0", "id": 1, "method": "__init__", "params": {}},
    "params that are a list": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": [1]},
    "params that are a text": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": "x"},
    "no params": {"jsonrpc": "2.0", "id": 1, "method": "tools/call"},
    "a tool that is none": call("steal", era=HANDSHAKE_ERA),
    "a tool that is a number": {**call(era=HANDSHAKE_ERA), "params": {"name": 7}},
    "an answer": {"jsonrpc": "2.0", "id": 1, "result": {}},
    "an error": {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "x"}},
    "an answer and a question": {"jsonrpc": "2.0", "id": 1, "method": "ping", "result": {}, "error": {}},
    "a notification": {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}},
    "a notification that is none": {"jsonrpc": "2.0", "method": "notifications/none", "params": 7},
    "a cursor": message("tools/list", {"cursor": "x"}, HANDSHAKE_ERA),
    "a cursor that is an object": message("tools/list", {"cursor": {}}, HANDSHAKE_ERA),
    "an opening of another age": message("initialize", {"protocolVersion": "1999-01-01"}, HANDSHAKE_ERA),
    "a level that is none": message("logging/setLevel", {"level": "loud"}, HANDSHAKE_ERA),
    "a resource that is none": message("resources/read", {"uri": "file:///etc/passwd"}, HANDSHAKE_ERA),
    "a resource that is no URI": message("resources/read", {"uri": ":::\u0000"}, HANDSHAKE_ERA),
    "a subscription": message("resources/subscribe", {"uri": "zava://me"}, HANDSHAKE_ERA),
    "a completion of nothing": message("completion/complete", {"ref": {}, "argument": {}}, HANDSHAKE_ERA),
    "a meta that is a list": {**call(era=HANDSHAKE_ERA), "params": {"name": "x", "_meta": [1]}},
    "a progress token that is an object": message("tools/call", {"name": "x", "_meta": {"progressToken": {}}}),
}


@pytest.mark.parametrize("era", [*ERAS, "1999-01-01", "\xff", ""])
@pytest.mark.parametrize("asked", MESSAGES.values(), ids=MESSAGES)
def test_messages_that_make_no_sense_are_answered_without_a_fault(server: Served, asked: object, era: str) -> None:
    sent = request(json.dumps(asked).encode(), JSON_TYPE, f"MCP-Protocol-Version: {era}")
    said = exchange(server, sent)
    (status,) = statuses(said)
    assert status < 500
    assert [word for word in INSIDE if word.encode() in said] == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=10), parts, max_size=3),
    max_leaves=6,
)
METHODS = st.sampled_from(
    ["tools/call", "tools/list", "resources/read", "prompts/get", "completion/complete", "initialize", "ping",
     "server/discover", "logging/setLevel", "notifications/initialized", "notifications/cancelled"]
)  # fmt: skip


@pytest.mark.parametrize("era", ERAS)
@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(
    asked=st.fixed_dictionaries(
        {}, optional={"jsonrpc": st.just("2.0") | VALUES, "id": VALUES, "method": METHODS | VALUES, "params": VALUES}
    )
)
def test_any_message_is_answered_without_a_fault(server: Served, asked: dict[str, object], era: str) -> None:
    headers = {name: value for name, value in headers_of(asked, era, API_TOKEN).items() if value.isascii()}
    answer = server.client.post(server.url, content=json.dumps(asked), headers={**headers, "Mcp-Name": "x"})
    assert answer.status_code < 500
    assert [word for word in INSIDE if word in answer.text] == []


@pytest.fixture(scope="module")
def impatient() -> Iterator[Served]:
    """Waits a tenth of a second for the rest of a request."""
    with serving(callers(), HttpSettings(request_timeout=0.1)) as server:
        yield server


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(sent=st.binary(max_size=300) | st.binary(max_size=50).map(lambda noise: good_request()[:200] + noise))
def test_any_bytes_are_answered_without_a_fault(impatient: Served, sent: bytes) -> None:
    said = exchange(impatient, sent)
    assert [status for status in statuses(said) if status >= 500] == []
    assert [word for word in INSIDE if word.encode() in said] == []


def malformed(number: int) -> Iterator[bytes]:
    """Requests that are wrong in one way each, and like no other."""
    asked = call(f"tool_{number}", {f"argument_{number}": "x" * 100}, HANDSHAKE_ERA)
    yield good_request(asked=asked)
    yield good_request(asked={**asked, "method": f"method_{number}"})
    yield good_request(asked=[asked, asked])
    yield good_request(f"Mcp-Session-Id: {number:032x}", f"X-{number}: {number}")
    yield good_request(f"traceparent: 00-{number:032x}-{number:016x}-01", asked={**asked, "id": f"{number}"})
    yield good_request().replace(API_TOKEN.encode(), f"{API_TOKEN}{number}".encode())
    yield request(f'{{"a{number}": '.encode() * 1_000, JSON_TYPE, VERSION)
    yield request(f"{number} {{".encode(), "Content-Type: text/plain", VERSION)
    yield request(b"{}", JSON_TYPE, f"MCP-Protocol-Version: {number}")
    yield f"{number} / nothing\r\n\r\n".encode()
    yield f"GET /{number}?{number} HTTP/1.1\r\nConnection: close\r\nHost: {number}.example.com\r\n\r\n".encode()


def test_memory_stays_flat_whatever_is_sent(server: Served, caplog: pytest.LogCaptureFixture) -> None:
    # What is less than an error is kept by pytest otherwise.
    caplog.set_level(logging.ERROR)

    def send(numbers: range) -> None:
        for number in numbers:
            for sent in malformed(number):
                assert [status for status in statuses(exchange(server, sent)) if not 200 <= status < 500] == []
        # Answers to tokens serve for a second.
        time.sleep(RECENT_SECONDS)
        assert_well(server)
        gc.collect()

    tracemalloc.start()
    try:
        send(range(10))
        before, _ = tracemalloc.get_traced_memory()
        send(range(10, 60))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The parser of JSON remembers some thousands of names, and the fake directory all that it was asked. What else is
    # known of a request takes some kilobytes, and there were 550.
    assert after - before < 300_000


@pytest.mark.parametrize("era", ERAS)
def test_the_longest_query_fits_however_it_is_written_and_a_longer_body_does_not(server: Served, era: str) -> None:
    def ask(length: int) -> int:
        asked, escaped = call("execute_sales_query", {"postgresql_query": ""}, era), r"\u0078"
        body = json.dumps(asked).replace('"postgresql_query": ""', f'"postgresql_query": "{escaped * length}"')
        return server.client.post(server.url, content=body, headers=headers_of(asked, era, API_TOKEN)).status_code

    assert ask(20_000) == 200
    assert ask(50_000) == 413


def test_requests_on_one_connection_are_answered_in_their_order(server: Served) -> None:
    numbered = [
        good_request(asked={**call(era=HANDSHAKE_ERA), "id": number}, keep=number < 20) for number in range(1, 21)
    ]
    nobodys = good_request(keep=True).replace(API_TOKEN.encode(), b"zava_nobody")
    said = exchange(server, b"".join(numbered[:10]) + nobodys + b"".join(numbered[10:]))
    assert statuses(said) == [200] * 10 + [401] + [200] * 10
    assert [int(part.split(b",")[0]) for part in said.split(b'"id":')[1:]] == list(range(1, 21))


def test_a_request_hidden_in_a_body_is_not_seen(server: Served) -> None:
    hidden = good_request()
    said = exchange(server, request(hidden, JSON_TYPE, VERSION))
    assert statuses(said) == [400]
