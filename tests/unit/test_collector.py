"""The collector's configuration, as far as its text tells: no collector runs here."""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

CONFIGURATION = Path(__file__).parents[2] / "otel-collector.yaml"

# What is used of each component's own settings, by its documentation. A misspelt key keeps a collector from starting.
KEYS: Mapping[str, Mapping[str, set[str]]] = {
    "receivers": {
        "otlp": {
            "protocols.grpc.endpoint",
            "protocols.grpc.max_recv_msg_size_mib",
            "protocols.http.endpoint",
            "protocols.http.max_request_body_size",
        }
    },
    "processors": {
        "memory_limiter": {"check_interval", "limit_mib", "spike_limit_mib"},
        "batch": {"timeout", "send_batch_size", "send_batch_max_size"},
    },
    "exporters": {
        "otlp": {
            "endpoint",
            "tls.insecure",
            "tls.ca_file",
            "timeout",
            "sending_queue.queue_size",
            "retry_on_failure.max_elapsed_time",
        },
        "prometheus": {"endpoint", "metric_expiration"},
        "debug": {"verbosity"},
    },
    "extensions": {"health_check": {"endpoint"}},
}
SIGNALS = {"traces", "metrics", "logs"}
# Which signals an exporter takes.
TAKES = {"otlp": SIGNALS, "prometheus": {"metrics"}, "debug": SIGNALS}
DURATION = re.compile(r"\d+(ms|s|m)")
VARIABLE = re.compile(r"\$\{env:([A-Z_]+):-([^}]*)\}")
ADDRESS = re.compile(r"[a-z0-9.-]+:\d{2,5}")


def read() -> dict[str, Any]:
    configuration = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    assert isinstance(configuration, dict)
    return configuration


def leaves(settings: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(settings, dict):
        for name, value in settings.items():
            yield from leaves(value, f"{path}.{name}" if path else name)
    else:
        yield path, settings


def problems_of(configuration: Mapping[str, Any]) -> list[str]:
    """What would keep a collector from starting, or a signal from arriving."""
    found = [f"section {name}" for name in set(configuration) - {*KEYS, "service"}]
    service = configuration["service"]
    found += [f"service {name}" for name in set(service) - {"extensions", "pipelines"}]
    pipelines = service["pipelines"]
    found += [f"no pipeline of {signal}" for signal in SIGNALS - set(pipelines)]
    for section, known in KEYS.items():
        defined = set(configuration[section])
        if section == "extensions":
            used = set(service["extensions"])
        else:
            used = {name for pipeline in pipelines.values() for name in pipeline[section]}
        found += [f"{section}: {name} is not defined" for name in used - defined]
        found += [f"{section}: {name} is not used" for name in defined - used]
        for name, settings in configuration[section].items():
            allowed = known.get(name.split("/")[0])
            if allowed is None:
                found.append(f"{section}: {name} is unknown")
            else:
                found += [f"{name}: {key} is unknown" for key, _ in leaves(settings) if key not in allowed]
    for signal, pipeline in pipelines.items():
        if pipeline["processors"][:1] != ["memory_limiter"]:
            found.append(f"{signal}: memory_limiter is not the first")
        if pipeline["processors"][-1:] != ["batch"]:
            found.append(f"{signal}: batch is not the last")
        found += [
            f"{signal}: {name} does not take it"
            for name in pipeline["exporters"]
            if signal not in TAKES.get(name.split("/")[0], SIGNALS)
        ]
    return found


def test_every_component_is_known_defined_used_and_in_its_place() -> None:
    assert problems_of(read()) == []


@pytest.mark.parametrize(
    ("where", "value", "problem"),
    [
        ("service.pipelines.traces.exporters", ["otlp/tempo"], "exporters: otlp/tempo is not defined"),
        (
            "service.pipelines.metrics.processors",
            ["batch", "memory_limiter"],
            "metrics: memory_limiter is not the first",
        ),
        ("service.pipelines.logs.exporters", ["prometheus"], "logs: prometheus does not take it"),
        ("service.extensions", [], "extensions: health_check is not used"),
        ("exporters.prometheus.endpiont", "127.0.0.1:1", "prometheus: endpiont is unknown"),
        ("exporters.jaeger", {"endpoint": "jaeger:14250"}, "exporters: jaeger is unknown"),
        ("receivers.otlp.protocols.grpc.max_recv_msg_size", 8, "otlp: protocols.grpc.max_recv_msg_size is unknown"),
    ],
)
def test_a_mistake_is_found(where: str, value: object, problem: str) -> None:
    configuration = deepcopy(read())
    *path, last = where.split(".")
    place = configuration
    for name in path:
        place = place[name]
    place[last] = value
    assert problem in problems_of(configuration)


def test_otlp_comes_in_by_grpc_and_by_http_on_its_own_ports() -> None:
    protocols = read()["receivers"]["otlp"]["protocols"]
    assert {name: protocol["endpoint"].rpartition(":")[2] for name, protocol in protocols.items()} == {
        "grpc": "4317",
        "http": "4318",
    }


def test_every_endpoint_is_an_address_and_those_listened_on_are_this_machine_s_own_unless_told() -> None:
    endpoints = {path: str(value) for path, value in leaves(read()) if path.endswith("endpoint")}
    assert len(endpoints) == 5
    told = {path: VARIABLE.sub(r"\2", value) for path, value in endpoints.items()}
    assert [value for value in told.values() if not ADDRESS.fullmatch(value)] == []
    listening = {path: value for path, value in told.items() if path != "exporters.otlp/jaeger.endpoint"}
    assert {value.rpartition(":")[0] for value in listening.values()} == {"127.0.0.1"}
    assert len(set(told.values())) == len(told)


def test_every_variable_is_explained_with_its_default() -> None:
    text = CONFIGURATION.read_text(encoding="utf-8")
    for name, default in set(VARIABLE.findall(text)):
        assert re.search(rf"^#   {name} .*\(default: {re.escape(default)}\)$", text, re.MULTILINE)


def test_what_is_kept_is_bounded() -> None:
    configuration = read()
    memory, batch = configuration["processors"]["memory_limiter"], configuration["processors"]["batch"]
    assert 0 < memory["spike_limit_mib"] <= memory["limit_mib"] / 4
    assert 0 < batch["send_batch_size"] <= batch["send_batch_max_size"]
    jaeger = configuration["exporters"]["otlp/jaeger"]
    assert jaeger["sending_queue"]["queue_size"] > 0
    durations = [memory["check_interval"], batch["timeout"], jaeger["timeout"]]
    durations += [
        jaeger["retry_on_failure"]["max_elapsed_time"],
        configuration["exporters"]["prometheus"]["metric_expiration"],
    ]
    assert [duration for duration in durations if not DURATION.fullmatch(duration)] == []
