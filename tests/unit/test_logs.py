"""The log: its two formats, its file, and texts that would like to be an event of their own."""

import json
import logging
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext

from zava.adapters.telemetry.call_context import add_call_context
from zava.commands.logs import JsonFormatter, LogFile, TextFormatter, configure_log, handlers_of
from zava.core.errors import SetupError
from zava.core.model import Principal
from zava.core.observations import CallUnderWay, call_under_way
from zava.settings import LogSettings

# Begins a line, returns to its start, colours a terminal, and is a line's end to Python, to JavaScript or to Windows.
HOSTILE = "Seattle\n2026-01-01 00:00:00,000 - zava - ERROR - all is lost\r\x1b[31m\x9b1m\x85\u2028\u202e\0\ud800"


def record_of(
    message: str, *arguments: object, error: BaseException | None = None, **context: object
) -> logging.LogRecord:
    exc_info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("zava.adapters", logging.WARNING, __file__, 1, message, arguments, exc_info)
    vars(record).update(context)
    return record


def raised(text: str) -> ValueError:
    try:
        raise ValueError(text)  # noqa: TRY301 - an error has no trace until it is raised
    except ValueError as error:
        return error


def test_a_line_of_text_is_that_of_the_textbook() -> None:
    record = record_of("retrying (%d/%d)", 1, 3)
    assert TextFormatter().format(record) == logging.Formatter(
        "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
    ).format(record)


def test_letters_of_every_language_stay_as_they_are_in_text() -> None:
    assert TextFormatter().format(record_of("Zürich, 東京 \\d+")).endswith(" - WARNING - Zürich, 東京 \\d+")


@given(st.text() | st.just(HOSTILE))
def test_no_text_makes_a_second_line_of_text(text: str) -> None:
    line = TextFormatter().format(record_of("asked for %s", text))
    assert line.splitlines() == [line]
    assert line.isprintable()


@given(st.text() | st.just(HOSTILE))
def test_no_text_makes_a_second_line_of_json_and_each_comes_out_as_it_went_in(text: str) -> None:
    line = JsonFormatter().format(record_of("asked for %s", text, error=raised(text), tool=text))
    assert line.splitlines() == [line]
    event = json.loads(line)
    assert event["message"] == f"asked for {text}"
    assert event["tool"] == text


@given(st.text() | st.just(HOSTILE))
def test_a_plan_keeps_its_lines_in_text_and_each_is_indented(name: str) -> None:
    plan = f"Limit\n  ->  Seq Scan on orders {name}"
    first, *more = TextFormatter().format(record_of("Plan:\n%s", plan, has_lines=True)).split("\n")
    assert first.endswith(" - WARNING - Plan:")
    assert more[0] == "    Limit"
    assert more[1].startswith("      ->  Seq Scan on orders ")
    assert all(line.startswith("    ") and line.isprintable() for line in more)


@given(st.text() | st.just(HOSTILE))
def test_every_further_line_of_an_error_in_text_is_indented(text: str) -> None:
    first, *more = TextFormatter().format(record_of("failed", error=raised(text))).split("\n")
    assert first.endswith(" - WARNING - failed")
    assert len(more) >= 4
    assert all(line.startswith("    ") and line.isprintable() for line in more)


def test_an_error_that_another_handler_has_written_already_is_indented_all_the_same() -> None:
    record = record_of("failed", error=raised(HOSTILE))
    logging.Formatter().format(record)
    assert all(line.startswith("    ") for line in TextFormatter().format(record).split("\n")[1:])


def test_an_object_says_when_how_grave_where_and_what() -> None:
    record = record_of("Zürich: %s", "gone")
    assert json.loads(JsonFormatter().format(record)) == {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": "WARNING",
        "logger": "zava.adapters",
        "message": "Zürich: gone",
    }


def test_an_object_says_whose_call_it_was_where_that_is_known() -> None:
    context: dict[str, Any] = {
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "span_id": "b7ad6b7169203331",
        "principal": "p-1",
    }
    event = json.loads(JsonFormatter().format(record_of("slow", **context, tool=None)))
    assert {name: event[name] for name in context} == context
    assert "tool" not in event


def test_an_event_during_a_call_is_given_what_is_known_of_it() -> None:
    record, ada = record_of("slow"), Principal(UUID(int=7), "Ada")
    call = CallUnderWay("find_order", datetime.now(UTC), 0, ada)
    span = SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0x00F067AA0BA902B7, is_remote=False)
    in_a_call = call_under_way.set(call)
    with trace.use_span(NonRecordingSpan(span)):
        assert add_call_context(record)
    call_under_way.reset(in_a_call)
    event = json.loads(JsonFormatter().format(record))
    assert {name: event[name] for name in ("trace_id", "span_id", "principal", "tool")} == {
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "span_id": "00f067aa0ba902b7",
        "principal": "00000000-0000-0000-0000-000000000007",
        "tool": "find_order",
    }


def test_an_event_outside_of_calls_is_given_nothing() -> None:
    record = record_of("ready")
    assert add_call_context(record)
    assert set(json.loads(JsonFormatter().format(record))) == {"time", "level", "logger", "message"}


def test_an_object_has_the_error_as_text() -> None:
    event = json.loads(JsonFormatter().format(record_of("failed", error=raised("no such store"))))
    assert event["exception"].startswith("Traceback (most recent call last):\n")
    assert event["exception"].endswith("ValueError: no such store")


@pytest.fixture(autouse=True)
def same_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes back what the log's configuration says to FastMCP."""
    monkeypatch.setenv("FASTMCP_LOG_ENABLED", "true")


@contextmanager
def bare_root() -> Iterator[logging.Logger]:
    """The root of all loggers as a program finds it. Only within the test: pytest adds handlers as it begins."""
    root = logging.getLogger()
    handlers, level, ours = root.handlers[:], root.level, logging.getLogger("zava").level
    root.handlers.clear()
    try:
        yield root
    finally:
        logging.captureWarnings(capture=False)
        for handler in root.handlers:
            handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.getLogger("zava").setLevel(ours)


@pytest.mark.parametrize("library", ["uvicorn.error", "openai", "zava.adapters.mcp.pipeline"])
def test_every_library_logs_in_the_one_format(capsys: pytest.CaptureFixture[str], tmp_path: Path, library: str) -> None:
    with bare_root() as root:
        configure_log(LogSettings(format="json", file=tmp_path / "mcp_server.log"))
        assert len(root.handlers) == 2
        logging.getLogger(library).warning("Invalid HTTP request received.")
    for written in capsys.readouterr().err, (tmp_path / "mcp_server.log").read_text(encoding="utf-8"):
        (line,) = written.splitlines()
        assert json.loads(line)["logger"] == library


def test_the_level_is_that_of_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    with bare_root():
        configure_log(LogSettings(level="ERROR"))
        logging.getLogger("zava").warning("quiet")
        logging.getLogger("httpx2").warning("quiet")
        logging.getLogger("zava").error("loud")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(" - zava - ERROR - loud")


def test_zava_may_debug_and_libraries_which_would_write_what_clients_send_may_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with bare_root():
        configure_log(LogSettings(level="DEBUG"))
        logging.getLogger("mcp.server").debug("what a client sends")
        logging.getLogger("zava.adapters").debug("what Zava does")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(" - zava.adapters - DEBUG - what Zava does")


def test_requests_are_not_told_one_by_one_unless_they_fail(capsys: pytest.CaptureFixture[str]) -> None:
    with bare_root():
        configure_log(LogSettings(level="INFO"))
        logging.getLogger("httpx2").info("HTTP Request: POST https://shop.example/v1/embeddings")
        logging.getLogger("mcp.server.streamable_http").info("Terminating session: None")
        logging.getLogger("httpx2").warning("slow")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(" - httpx2 - WARNING - slow")


def written_by(program: str) -> list[str]:
    """What a program of its own writes to standard error, once its log is configured as JSON."""
    begin = "from zava.commands.logs import *\nconfigure_log(LogSettings(format='json'))\n"
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", begin + program], capture_output=True, text=True, check=True
    )
    return done.stderr.splitlines()


def test_a_warning_of_python_is_an_event() -> None:
    (line,) = written_by("import warnings; warnings.warn('old')")
    event = json.loads(line)
    assert (event["logger"], event["level"]) == ("py.warnings", "WARNING")
    assert "UserWarning: old" in event["message"]


def test_fastmcp_has_no_format_of_its_own() -> None:
    (line,) = written_by(
        "from fastmcp.utilities.logging import get_logger; get_logger('server').error('failed'); "
        "get_logger('server').info('started')"
    )
    assert json.loads(line)["message"] == "failed"


def test_only_its_owner_may_read_a_file_nor_the_former_ones(tmp_path: Path) -> None:
    path = tmp_path / "mcp_server.log"
    file = LogFile(path)
    file.emit(record_of("before"))
    file.doRollover()
    file.emit(record_of("after"))
    file.close()
    former = tmp_path / "mcp_server.log.1"
    assert (former.read_text(encoding="utf-8"), path.read_text(encoding="utf-8")) == ("before\n", "after\n")
    assert {stat.S_IMODE(one.stat().st_mode) for one in (path, former)} == {0o600}


def test_a_file_grows_to_ten_megabytes_and_five_former_ones_are_kept(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "mcp_server.log")
    for _ in range(15):
        file.emit(record_of("x" * 4_999_999))
    file.close()
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"mcp_server.log", *(f"mcp_server.log.{number}" for number in range(1, 6))}
    assert max(sizes.values()) <= 10_000_000


def test_a_file_is_written_on_and_what_is_no_text_does_not_stop_it(tmp_path: Path) -> None:
    path = tmp_path / "mcp_server.log"
    path.write_text("earlier\n", encoding="utf-8")
    file = LogFile(path)
    file.emit(record_of("\ud800"))
    file.close()
    assert path.read_text(encoding="utf-8") == "earlier\n\\ud800\n"


def test_a_file_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"ZAVA_LOG__FILE: .*mcp_server.log cannot be written: No such file"):
        handlers_of(LogSettings(file=tmp_path / "nowhere" / "mcp_server.log"))


def test_without_a_file_the_log_goes_to_standard_error_alone() -> None:
    (handler,) = handlers_of(LogSettings())
    assert isinstance(handler, logging.StreamHandler)
    assert handler.stream is sys.stderr
