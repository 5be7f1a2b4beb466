"""No network, none of the operator's settings, and the same examples on every run."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings
from pytest_socket import disable_socket, enable_socket

# Without a deadline a loaded machine fails nothing; derandomized, a red suite stays red until the code is mended.
settings.register_profile("unit", deadline=None, database=None, derandomize=True)
settings.load_profile("unit")


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    """Refuses every socket but a Unix one, which an event loop needs to wake itself."""
    disable_socket(allow_unix_socket=True)
    yield
    enable_socket()


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes away what the shell of whoever runs the tests says about Zava."""
    for name in os.environ:
        if name.upper().startswith("ZAVA_"):
            monkeypatch.delenv(name)
