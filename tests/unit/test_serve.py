"""Where the server may listen."""

import pytest

from zava.settings import is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_these_addresses_are_this_machines_own(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "10.0.0.1", "example.com", "localhost.example.com", ""])  # noqa: S104
def test_these_are_not(host: str) -> None:
    assert not is_loopback(host)
