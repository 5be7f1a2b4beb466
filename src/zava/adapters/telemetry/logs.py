"""Log records over OTLP, with who asked and for what; and what the exporters themselves have to complain about."""

import logging
import re
import time
import traceback
from collections.abc import Callable

from opentelemetry import context
from opentelemetry._logs import LoggerProvider, LogRecord, SeverityNumber
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.util.types import AttributeValue

from zava.adapters.telemetry import names
from zava.core.masking import masked
from zava.core.observations import call_under_way

logger = logging.getLogger(__name__)

SEVERITIES = {
    logging.DEBUG: (SeverityNumber.DEBUG, "DEBUG"),
    logging.INFO: (SeverityNumber.INFO, "INFO"),
    logging.WARNING: (SeverityNumber.WARN, "WARN"),
    logging.ERROR: (SeverityNumber.ERROR, "ERROR"),
    logging.CRITICAL: (SeverityNumber.FATAL, "FATAL"),
}
NANOSECONDS = 1_000_000_000
COMPLAINTS_EVERY_SECONDS = 60
LONGEST_COMPLAINT = 300
USER = re.compile(r"[^\s/@]+@")


class OtlpHandler(logging.Handler):
    """Hands records on. The trace is that of the current span; of exceptions the words are left out."""

    def __init__(self, provider: LoggerProvider) -> None:
        super().__init__()
        self._provider = provider

    def emit(self, record: logging.LogRecord) -> None:
        # What is logged while telemetry is sent would be sent in turn, without end.
        if context.get_value(_SUPPRESS_INSTRUMENTATION_KEY):
            return
        try:
            severity, text = SEVERITIES.get(record.levelno, (SeverityNumber.UNSPECIFIED, record.levelname))
            self._provider.get_logger(record.name).emit(
                LogRecord(
                    timestamp=int(record.created * NANOSECONDS),
                    observed_timestamp=time.time_ns(),
                    context=context.get_current(),
                    severity_number=severity,
                    severity_text=text,
                    body=record.getMessage(),
                    attributes=_attributes(record),
                )
            )
        except Exception:  # noqa: BLE001 - as every handler does
            self.handleError(record)


def _attributes(record: logging.LogRecord) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {}
    if call := call_under_way.get():
        attributes[names.GEN_AI_TOOL] = call.tool
        if call.principal:
            attributes[names.PRINCIPAL_ID] = str(call.principal.principal_id)
    if record.exc_info and (error := record.exc_info[1]):
        attributes["exception.type"] = type(error).__qualname__
        attributes["exception.stacktrace"] = "".join(traceback.format_exception(masked(error)))
    return attributes


class Complaints(logging.Handler):
    """What OpenTelemetry logs of itself, once a minute at most: while nobody takes its data it would never stop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.WARNING)
        self._clock = clock
        self._silent_until = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        now = self._clock()
        if now < self._silent_until:
            return
        self._silent_until = now + COMPLAINTS_EVERY_SECONDS
        logger.warning(
            "Telemetry suffers: %s. More of this is not written for %d seconds", _text(record), COMPLAINTS_EVERY_SECONDS
        )


def _text(record: logging.LogRecord) -> str:
    # It repeats the variable that it cannot read, such as the headers, which hold keys.
    if record.name.startswith("opentelemetry.util"):
        return "a variable OTEL_… is not well formed"
    return USER.sub("", record.getMessage().split("\n")[0])[:LONGEST_COMPLAINT].rstrip(".")
