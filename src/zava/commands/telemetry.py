"""zava doctor --telemetry: whether traces, metrics and logs arrive where the variables OTEL_… send them."""

import re
from collections.abc import Mapping

from zava.adapters.telemetry.trial import send

SIGNALS = ("traces", "metrics", "logs")
PROTOCOLS = ("grpc", "http/protobuf")
# Of an address: who asks, and what for.
PRIVATE = re.compile(r"(?<=//)[^/@]*@|\?.*")


def examine_telemetry(environment: Mapping[str, str]) -> int:
    """Sends one trace, one metric and one log, prints whether each was accepted, and returns the exit code.

    Args:
        environment: of the process.

    Returns:
        0 when all that is sent was accepted, otherwise 1.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        print("off   telemetry: OTEL_SDK_DISABLED is true")
        return 1
    accepted = [_examine(signal, environment) for signal in SIGNALS]
    if all(one is None for one in accepted):
        print("Set OTEL_EXPORTER_OTLP_ENDPOINT to where they should go, such as http://localhost:4317.")
        return 1
    return 0 if False not in accepted else 1


def _examine(signal: str, environment: Mapping[str, str]) -> bool | None:
    """Whether it was accepted; None when it is not sent."""
    upper = signal.upper()
    if environment.get(f"OTEL_{upper}_EXPORTER", "").strip().lower() == "none":
        print(f"off   {signal}: OTEL_{upper}_EXPORTER is none")
        return None
    endpoint = _either("ENDPOINT", upper, environment)
    if not endpoint:
        print(f"off   {signal}: no address is set")
        return None
    protocol = _either("PROTOCOL", upper, environment).strip() or PROTOCOLS[0]
    where = f"{signal} to {PRIVATE.sub('', endpoint)} by {protocol}"
    if protocol not in PROTOCOLS:
        print(f"FAIL  {where}: OTEL_EXPORTER_OTLP_PROTOCOL must be grpc or http/protobuf")
        return False
    if reason := send(signal, protocol):
        print(f"FAIL  {where}: {reason}")
        return False
    print(f"ok    {where}")
    return True


def _either(what: str, signal: str, environment: Mapping[str, str]) -> str:
    """The variable of this signal, or that of all."""
    return environment.get(f"OTEL_EXPORTER_OTLP_{signal}_{what}") or environment.get(f"OTEL_EXPORTER_OTLP_{what}", "")
