"""How the server is served, as far as no connection is needed to see it."""

from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from zava.adapters.web.connections import BoundedConnection
from zava.commands.http_server import MOST_HEADER_BYTES, server_config
from zava.core.errors import SetupError
from zava.settings import HttpSettings


class Seen:
    """An application that looks at its requests."""

    def __init__(self) -> None:
        self.client: tuple[str, int] | None = None
        self.scheme = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        self.client = scope["client"]
        self.scheme = scope["scheme"]


async def seen_from(address: str, trusted_proxies: str | None) -> tuple[str, str]:
    """Whom the application takes for its client, and how it takes them to have connected."""
    app = Seen()
    config = server_config(app, HttpSettings(trusted_proxies=trusted_proxies))
    scope = {
        "type": "http",
        "client": (address, 50_000),
        "scheme": "http",
        "headers": [(b"x-forwarded-for", b"203.0.113.9"), (b"x-forwarded-proto", b"https")],
    }
    await config.loaded_app(scope, None, None)
    assert app.client
    return app.client[0], app.scheme


@pytest.mark.parametrize(
    ("address", "trusted_proxies"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("10.0.0.7", "10.0.0.0/24"),
        ("127.0.0.1", "10.0.0.7, 127.0.0.1"),
        ("fd00::7", "fd00::/8"),
    ],
)
async def test_forwarded_headers_of_a_trusted_proxy_are_believed(address: str, trusted_proxies: str) -> None:
    assert await seen_from(address, trusted_proxies) == ("203.0.113.9", "https")


@pytest.mark.parametrize(
    ("address", "trusted_proxies"),
    [
        ("10.0.0.7", None),
        ("127.0.0.1", None),
        ("127.0.0.1", "10.0.0.7"),
        ("10.0.1.7", "10.0.0.0/24"),
        ("::1", "127.0.0.1"),
    ],
)
async def test_forwarded_headers_of_anybody_else_are_not(
    address: str, trusted_proxies: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A variable of uvicorn's, which is no setting of Zava's.
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    assert await seen_from(address, trusted_proxies) == (address, "http")


def test_headers_are_bounded_and_there_are_no_web_sockets() -> None:
    config = server_config(Seen(), HttpSettings())
    assert issubclass(config.http_protocol_class, BoundedConnection)
    assert config.http_protocol_class.limits.header_bytes == MOST_HEADER_BYTES
    assert config.ws_protocol_class is None
    assert b"server" not in dict(config.encoded_headers)


def test_a_certificate_that_cannot_be_used_is_told_to_the_operator(tmp_path: Path) -> None:
    broken, missing = tmp_path / "broken.pem", tmp_path / "missing.pem"
    broken.write_text("no certificate")
    for certificate, key in ((broken, broken), (missing, broken)):
        settings = HttpSettings(tls_certificate_file=certificate, tls_key_file=key)
        with pytest.raises(
            SetupError, match="ZAVA_HTTP__TLS_CERTIFICATE_FILE and ZAVA_HTTP__TLS_KEY_FILE cannot be used"
        ):
            server_config(Seen(), settings)
