"""The log: where it goes, and one line, or one JSON object, for each event, whatever stands in it."""

import json
import logging
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from zava.core.errors import SetupError
from zava.settings import LogSettings

TEXT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
# What telemetry knows of whoever is being answered, where it is switched on.
CONTEXT = ("trace_id", "span_id", "principal", "tool")

FILE_BYTES = 10_000_000
FORMER_FILES = 5
OWNER_ONLY = 0o600

# They have a line for each request, which would say nothing, and cut through progress bars.
CHATTY = ("httpx2", "fastmcp", "mcp.server.streamable_http")


def escaped(text: str) -> str:
    """The text, with what could begin a line, steer a terminal or not be shown on it written as an escape."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


class TextFormatter(logging.Formatter):
    """A line for each event. Further ones, of a plan or an error, are indented: nothing a caller wrote is an event."""

    def __init__(self) -> None:
        super().__init__(TEXT)

    def format(self, record: logging.LogRecord) -> str:
        record.message = record.getMessage()
        record.asctime = self.formatTime(record)
        # Only of a message that says so, such as a plan; in any other a line's end may be a caller's.
        text = self.formatMessage(record)
        first, *more = text.split("\n", 1) if getattr(record, "has_lines", False) else [text]
        if record.exc_info:
            more.append(self.formatException(record.exc_info))
        if record.stack_info:
            more.append(record.stack_info)
        return "\n".join((escaped(first), *map(_indented, more)))


class JsonFormatter(logging.Formatter):
    """An object for each event: time, level, logger, message, and what is known of the call and of an error."""

    def format(self, record: logging.LogRecord) -> str:
        event = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        event |= {name: str(value) for name in CONTEXT if (value := getattr(record, name, None)) is not None}
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        # In ASCII, which no text of a caller's breaks.
        return json.dumps(event)


class LogFile(RotatingFileHandler):
    """A file that its owner alone may read, and some of the former ones beside it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=FILE_BYTES, backupCount=FORMER_FILES)

    def _open(self) -> TextIOWrapper:
        file = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, OWNER_ONLY)
        return os.fdopen(file, "a", encoding="utf-8", errors="backslashreplace")


def handlers_of(settings: LogSettings) -> Sequence[logging.Handler]:
    """Standard error and, where one is set, the file, in the format that is set.

    Raises:
        SetupError: the file cannot be written.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if settings.file is not None:
        try:
            handlers.append(LogFile(settings.file))
        except OSError as error:
            raise SetupError(f"ZAVA_LOG__FILE: {settings.file} cannot be written: {error.strerror}") from None
    formatter = JsonFormatter() if settings.format == "json" else TextFormatter()
    for handler in handlers:
        handler.setFormatter(formatter)
    return handlers


def configure_log(settings: LogSettings) -> None:
    """Has every library log as the settings say, uvicorn and FastMCP included.

    Raises:
        SetupError: the file cannot be written.
    """
    # Read when FastMCP is imported. It would write to standard error itself, in a format of its own.
    os.environ["FASTMCP_LOG_ENABLED"] = "false"
    level = logging.getLevelNamesMapping()[settings.level]
    # When they debug, libraries write what clients send.
    logging.basicConfig(level=max(logging.INFO, level), handlers=handlers_of(settings))
    logging.getLogger("zava").setLevel(level)
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, level))
    logging.captureWarnings(capture=True)


def _indented(text: str) -> str:
    return "\n".join(f"    {escaped(line)}" for line in text.split("\n"))
