"""zava doctor --telemetry: whether traces, metrics and logs arrive where the variables OTEL_… send them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from zava.adapters.telemetry.setup import SIGNALS, protocol_of, signals_sent
from zava.adapters.telemetry.trial import PRIVATE, send
from zava.core.errors import SetupError

if TYPE_CHECKING:
    from zava.adapters.telemetry.providers import Signal


def examine_telemetry(environment: Mapping[str, str]) -> int:
    """Sends one trace, one metric and one log, prints whether each was accepted, and returns the exit code.

    Args:
        environment: of the process.

    Returns:
        0 when all that is sent was accepted, otherwise 1.
    """
    sent = signals_sent(environment)
    for signal in SIGNALS:
        if signal not in sent:
            print(f"off   {signal.lower()}: {_why_not(signal, environment)}")
    if not sent:
        print("Set OTEL_EXPORTER_OTLP_ENDPOINT to where they should go, such as http://localhost:4317.")
        return 1
    accepted = [_is_accepted(signal, environment) for signal in sent]
    return 0 if all(accepted) else 1


def _why_not(signal: "Signal", environment: Mapping[str, str]) -> str:
    for name in "OTEL_SDK_DISABLED", f"OTEL_{signal}_EXPORTER":
        if environment.get(name, "").strip().lower() in {"true", "none"}:
            return f"{name} is {environment[name].strip()}"
    return "no address is set"


def _is_accepted(signal: "Signal", environment: Mapping[str, str]) -> bool:
    name = signal.lower()
    endpoint = environment.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT") or environment["OTEL_EXPORTER_OTLP_ENDPOINT"]
    where = f"{name} to {PRIVATE.sub('', endpoint)}"
    try:
        protocol = protocol_of(signal, environment)
    except SetupError as error:
        print(f"FAIL  {where}: {error}")
        return False
    reason = send(signal, protocol)
    print(f"FAIL  {where} by {protocol}: {reason}" if reason else f"ok    {where} by {protocol}")
    return reason is None
