"""zava doctor --telemetry, against receivers that take what they are sent, and others that do not."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest

from tests.otlp_receiver import otlp_receiver
from zava.adapters.telemetry.providers import Protocol, Signal
from zava.adapters.telemetry.setup import SIGNALS
from zava.adapters.telemetry.trial import send
from zava.commands.telemetry import examine_telemetry

PROTOCOLS: tuple[Protocol, ...] = ("grpc", "http/protobuf")
NAMES = ("traces", "metrics", "logs")
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"


@pytest.fixture(autouse=True)
def no_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes away what the shell of whoever runs the tests says, and has a test set what the exporters read."""
    for signal in ("", *(f"{signal}_" for signal in SIGNALS)):
        for what in "ENDPOINT", "PROTOCOL", "HEADERS":
            monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{signal}{what}", raising=False)
        monkeypatch.delenv(f"OTEL_{signal}EXPORTER", raising=False)
    monkeypatch.delenv("OTEL_SDK_DISABLED", raising=False)


@pytest.fixture
def examine(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:  # noqa: ANN401
    """Examines with these variables, and returns the exit code and what was said."""

    def run(**variables: str) -> tuple[int, list[str]]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        code = examine_telemetry(variables)
        said = capsys.readouterr()
        assert said.err == ""
        return code, said.out.splitlines()

    return run


@contextmanager
def grpc_server(code: grpc.StatusCode | None = None) -> Iterator[str]:
    """One that answers everything with this code; without it, that knows of nothing it is asked."""

    class Refusal(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, _: object) -> object:
            return grpc.unary_unary_rpc_method_handler(lambda _, context: context.abort(code, "hunter2"))

    server = grpc.server(ThreadPoolExecutor(2), handlers=[Refusal()] if code else [])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


@contextmanager
def web_server(status: int) -> Iterator[str]:
    """One that answers everything with this status."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Is silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@contextmanager
def silence() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def nobody() -> str:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_receiver_gets_one_of_each_and_each_is_told_as_accepted(examine: Any, protocol: Protocol) -> None:  # noqa: ANN401
    with otlp_receiver() as receiver:
        endpoint = receiver.endpoint if protocol == "grpc" else receiver.http_endpoint
        code, said = examine(**{ENDPOINT: endpoint, PROTOCOL: protocol, "OTEL_TRACES_SAMPLER": "always_off"})
    assert said == [f"ok    {signal} to {endpoint} by {protocol}" for signal in NAMES]
    assert code == 0
    (span,) = receiver.spans
    (log,) = receiver.logs
    assert (span.name, span.resource["service.name"]) == ("zava doctor", "zava")
    assert list(receiver.metrics) == ["zava.doctor"]
    assert (log.severity, log.body) == ("INFO", "zava doctor: logs arrive")


def test_the_protocol_is_grpc_unless_told_otherwise_and_the_service_has_its_own_name(examine: Any) -> None:  # noqa: ANN401
    with otlp_receiver() as receiver:
        code, _ = examine(**{ENDPOINT: receiver.endpoint, "OTEL_SERVICE_NAME": "shop-7"})
    assert code == 0
    assert receiver.spans[0].resource["service.name"] == "shop-7"


def test_a_signal_may_go_elsewhere_or_nowhere(examine: Any) -> None:  # noqa: ANN401
    with otlp_receiver() as receiver:
        code, said = examine(
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=receiver.endpoint,
            OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=f"{receiver.http_endpoint}/v1/logs",
            OTEL_EXPORTER_OTLP_LOGS_PROTOCOL="http/protobuf",
            OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=nobody(),
            OTEL_METRICS_EXPORTER="none",
        )
    assert said == [
        "off   metrics: OTEL_METRICS_EXPORTER is none",
        f"ok    traces to {receiver.endpoint} by grpc",
        f"ok    logs to {receiver.http_endpoint}/v1/logs by http/protobuf",
    ]
    assert code == 0


def test_without_an_endpoint_it_is_told_what_to_set(examine: Any) -> None:  # noqa: ANN401
    code, said = examine()
    assert said[:3] == [f"off   {signal}: no address is set" for signal in NAMES]
    assert said[3].startswith("Set OTEL_EXPORTER_OTLP_ENDPOINT ")
    assert code == 1


def test_what_is_switched_off_as_a_whole_is_told(examine: Any) -> None:  # noqa: ANN401
    code, said = examine(OTEL_SDK_DISABLED="true", **{ENDPOINT: nobody()})
    assert said[:3] == [f"off   {signal}: OTEL_SDK_DISABLED is true" for signal in NAMES]
    assert code == 1


def test_an_unknown_protocol_is_told(examine: Any) -> None:  # noqa: ANN401
    code, said = examine(**{ENDPOINT: nobody(), PROTOCOL: "http/json"})
    assert all(line.endswith("OTEL_EXPORTER_OTLP_PROTOCOL must be grpc or http/protobuf.") for line in said)
    assert code == 1


def test_no_key_and_no_password_is_printed(examine: Any) -> None:  # noqa: ANN401
    address = nobody().replace("http://", "http://ada:hunter2@") + "/?key=hunter2"
    for protocol in PROTOCOLS:
        code, said = examine(
            **{ENDPOINT: address, PROTOCOL: protocol},
            OTEL_EXPORTER_OTLP_HEADERS="authorization=hunter2,hunter2",
            OTEL_METRICS_EXPORTER="none",
            OTEL_LOGS_EXPORTER="none",
        )
        assert code == 1
        assert said[-1].startswith("FAIL  traces to http://127.0.0.1:")
        assert "hunter2" not in "".join(said)


def test_an_address_without_http_is_told_without_its_password(examine: Any) -> None:  # noqa: ANN401
    code, said = examine(**{ENDPOINT: "ada:hunter2@shop.example?key=hunter2", PROTOCOL: "http/protobuf"})
    assert code == 1
    assert said[0].startswith("FAIL  traces to shop.example by http/protobuf: Failed to export spans batch")
    assert "hunter2" not in "".join(said)


def test_what_the_exporters_log_goes_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(ENDPOINT, nobody())
    assert send("TRACES", "grpc", seconds=0.5)
    assert caplog.messages == []


def test_a_key_that_is_not_accepted_is_told_and_the_receivers_words_are_not(examine: Any) -> None:  # noqa: ANN401
    with grpc_server(grpc.StatusCode.UNAUTHENTICATED) as endpoint:
        code, said = examine(**{ENDPOINT: endpoint})
    assert code == 1
    assert len(said) == 3
    assert all("does not accept the key" in line and "hunter2" not in line for line in said)


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, "it does not accept the key"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "it takes nothing at present"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "it has not answered within 0.5 seconds"),
        (None, "it does not take {signal} there; OTEL_EXPORTER_OTLP_{SIGNAL}_ENDPOINT"),
        (grpc.StatusCode.INTERNAL, "Failed to export {signal} to 127.0.0.1:"),
    ],
)
def test_a_refusal_over_grpc_is_told_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, signal: Signal, code: grpc.StatusCode | None, reason: str
) -> None:
    with grpc_server(code) as endpoint:
        monkeypatch.setenv(ENDPOINT, endpoint)
        told = send(signal, "grpc", seconds=0.5)
    assert told is not None
    assert told.startswith(reason.format(signal=signal.lower(), SIGNAL=signal))


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "it does not accept the key"),
        (403, "it does not accept the key"),
        (404, "it does not take {signal} there"),
        (415, "it does not speak http/protobuf"),
        (500, "Failed to export"),
    ],
)
def test_a_refusal_over_http_is_told_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, signal: Signal, status: int, reason: str
) -> None:
    with web_server(status) as endpoint:
        monkeypatch.setenv(ENDPOINT, endpoint)
        told = send(signal, "http/protobuf", seconds=3)
    assert told is not None
    assert told.startswith(reason.format(signal=signal.lower()))


def test_a_receiver_that_is_overloaded_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    with web_server(503) as endpoint:
        monkeypatch.setenv(ENDPOINT, endpoint)
        assert send("METRICS", "http/protobuf", seconds=3) == "it takes nothing at present; try again later"


@pytest.mark.parametrize(("signal", "protocol"), [("TRACES", "grpc"), ("LOGS", "http/protobuf")])
def test_that_nothing_listens_is_told(monkeypatch: pytest.MonkeyPatch, signal: Signal, protocol: Protocol) -> None:
    monkeypatch.setenv(ENDPOINT, nobody())
    assert send(signal, protocol, seconds=3) == "nothing listens there"


@pytest.mark.parametrize(("signal", "protocol"), [("METRICS", "grpc"), ("TRACES", "http/protobuf")])
def test_a_receiver_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch, signal: Signal, protocol: Protocol) -> None:
    with silence() as endpoint:
        monkeypatch.setenv(ENDPOINT, endpoint)
        started = time.monotonic()
        assert send(signal, protocol, seconds=0.5) == "it has not answered within 0.5 seconds"
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_unknown_host_is_told(monkeypatch: pytest.MonkeyPatch, protocol: Protocol) -> None:
    monkeypatch.setenv(ENDPOINT, "http://nowhere.invalid:4317")
    assert send("TRACES", protocol, seconds=3) == "there is no such host"


def test_the_other_protocol_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with otlp_receiver() as receiver:
        monkeypatch.setenv(ENDPOINT, receiver.http_endpoint)
        told = send("METRICS", "grpc", seconds=3)
        assert told is not None
        assert told.startswith("it does not speak grpc; ")
        monkeypatch.setenv(ENDPOINT, receiver.endpoint)
        told = send("METRICS", "http/protobuf", seconds=3)
    assert told is not None
    assert told.startswith("it does not speak http/protobuf; ")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tls_where_there_is_none_is_told(monkeypatch: pytest.MonkeyPatch, protocol: Protocol) -> None:
    with otlp_receiver() as receiver:
        endpoint = receiver.endpoint if protocol == "grpc" else receiver.http_endpoint
        monkeypatch.setenv(ENDPOINT, endpoint.replace("http", "https"))
        told = send("LOGS", protocol, seconds=3)
    assert told is not None
    assert told.startswith("TLS failed; ")


def test_a_variable_that_cannot_be_used_is_told_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "hunter2")
    told = send("TRACES", "grpc", seconds=0.5)
    assert told is not None
    assert told.startswith("a variable OTEL_… cannot be used: ")
    assert "hunter2" not in told
