"""Sends telemetry where the standard variables OTEL_… say, and loads nothing when they say nowhere."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from zava.adapters.telemetry.telemetry import DatabaseServer, Telemetry
from zava.core.errors import SetupError
from zava.core.observations import QueryRun

if TYPE_CHECKING:
    from zava.adapters.telemetry.providers import Protocol, Signal

logger = logging.getLogger(__name__)

SIGNALS: "tuple[Signal, ...]" = ("TRACES", "METRICS", "LOGS")
# What has not been sent by then is lost.
CLOSE_SECONDS = 5.0


def signals_sent(environment: Mapping[str, str]) -> "tuple[Signal, ...]":
    """Which signals go anywhere."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ()
    return tuple(
        signal
        for signal in SIGNALS
        if (environment.get("OTEL_EXPORTER_OTLP_ENDPOINT") or environment.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"))
        and environment.get(f"OTEL_{signal}_EXPORTER", "").strip().lower() != "none"
    )


def protocol_of(signal: "Signal", environment: Mapping[str, str]) -> "Protocol":
    """How a signal travels.

    Raises:
        SetupError: the variable asks for what there is not.
    """
    name = f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL"
    if not environment.get(name):
        name = "OTEL_EXPORTER_OTLP_PROTOCOL"
    protocol = (environment.get(name) or "grpc").strip()
    if protocol not in {"grpc", "http/protobuf"}:
        raise SetupError(f"{name} must be grpc or http/protobuf.")
    return cast("Protocol", protocol)


@contextmanager
def open_telemetry(
    environment: Mapping[str, str],
    server: DatabaseServer,
    *,
    version: str,
    text_of: Callable[[QueryRun], str] | None = None,
    close_seconds: float = CLOSE_SECONDS,
) -> Iterator[Telemetry]:
    """Telemetry that is sent while it is open. Then what is left is sent, and given up after a while.

    Args:
        environment: of the process, with the variables OTEL_….
        server: is asked by every query.
        version: of this program.
        text_of: the SQL of queries that their spans carry; None when they carry none.
        close_seconds: that closing takes at most.

    Raises:
        SetupError: the variables cannot be used.
    """
    signals = signals_sent(environment)
    if not signals:
        yield Telemetry()
        return
    protocols = {signal: protocol_of(signal, environment) for signal in signals}
    # They take half a second to load.
    from zava.adapters.telemetry.logs import Complaints, OtlpHandler  # noqa: PLC0415
    from zava.adapters.telemetry.otlp import OpenTelemetry  # noqa: PLC0415
    from zava.adapters.telemetry.providers import NAME, Providers  # noqa: PLC0415

    # It stays: what is still being sent when the time is over complains to the very end.
    library = logging.getLogger("opentelemetry")
    library.addHandler(Complaints())
    library.propagate = False
    try:
        providers = Providers(protocols, version)
    except ValueError as error:
        # The variables hold keys, so that their values are not repeated.
        raise SetupError(
            "Telemetry cannot be sent: a variable OTEL_… has a value that cannot be read, such as a timeout that "
            "is no number."
        ) from error
    telemetry = OpenTelemetry(
        providers.tracers.get_tracer(NAME, version),
        providers.meters.get_meter(NAME, version),
        providers.durations,
        server,
        text_of,
    )
    handler = OtlpHandler(providers.loggers) if providers.loggers else None
    if handler:
        logging.getLogger().addHandler(handler)
    try:
        yield telemetry
    finally:
        if handler:
            logging.getLogger().removeHandler(handler)
        _within(close_seconds, providers.close)


def _within(seconds: float, close: Callable[[], None]) -> None:
    """Closes, and does not wait for longer. What goes wrong is logged: the program has done its work."""

    def run() -> None:
        try:
            close()
        except Exception as error:  # noqa: BLE001 - of whatever exporter
            logger.warning("Telemetry was not closed in order: %s", type(error).__name__)

    thread = threading.Thread(target=run, name="zava-telemetry-close", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        logger.warning("The last telemetry was not sent: its receiver took longer than %g seconds", seconds)
