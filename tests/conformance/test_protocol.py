"""The conformance suite of the protocol: every scenario that applies to any server, in both of its eras.

The other scenarios need tools, prompts and resources of a server that is made for the suite, such as test_image.
"""

import re

import pytest

from tests.conformance.conftest import run

SESSIONS = "2025-11-25"
STATELESS = "2026-07-28"
SCENARIOS = {
    SESSIONS: (
        "server-initialize",
        "server-session-lifecycle",
        "logging-set-level",
        "ping",
        "completion-complete",
        "tools-list",
        "tools-call-error",
        "server-sse-multiple-streams",
        "resources-list",
        "prompts-list",
        "dns-rebinding-protection",
    ),
    STATELESS: (
        "server-stateless",
        "completion-complete",
        "tools-list",
        "tools-call-error",
        "server-sse-multiple-streams",
        "resources-list",
        "sep-2164-resource-not-found",
        "prompts-list",
        "dns-rebinding-protection",
        "caching",
        "http-header-validation",
        "input-required-result-missing-input-response",
        "input-required-result-unsupported-methods",
        "input-required-result-ignore-extra-params",
        "input-required-result-validate-input",
    ),
}
# They ask for a tool of the suite's own, test_missing_capability, which needs something of its client.
NOT_OURS = {"sep-2575-server-rejects-undeclared-capability", "sep-2575-missing-capability-http-400"}


@pytest.mark.parametrize(
    ("version", "scenario"), [(version, name) for version, names in SCENARIOS.items() for name in names]
)
def test_what_any_server_owes_its_clients(signed_url: str, version: str, scenario: str) -> None:
    done = run(
        "conformance",
        "server",
        *("--url", signed_url, "--scenario", scenario, "--spec-version", version, "--verbose"),
    )

    checks = re.findall(r'"id": "([^"]+)",(?:(?!"id":).)*?"status": "(\w+)"', done.stdout, re.DOTALL)
    assert checks, done.stdout + done.stderr
    failed = {name for name, status in checks if status == "FAILURE"}
    assert failed <= NOT_OURS, done.stdout
    assert any(status == "SUCCESS" for _, status in checks) or scenario in {
        # With sessions off there is none whose life could be looked at.
        "server-session-lifecycle",
        "server-sse-multiple-streams",
    }, done.stdout
