"""May this server be seen by others? Only when it knows who they are, and nobody can listen."""

from zava.core.errors import SetupError
from zava.settings import Settings, is_loopback

EMBEDDED = (
    "Zava serves {host} only where it knows who asks, and the tokens of the sample shop are known to everybody.\n"
    "Leave out --host, or set up a database of your own:\n"
    "  ZAVA_DATABASE__DSN, ZAVA_DATABASE__CONTEXT_KEY_FILE   your PostgreSQL\n"
    "  ZAVA_AUTH__ISSUER, ZAVA_AUTH__JWKS_URL                your identity provider; API tokens need none\n"
    "  ZAVA_HTTP__PUBLIC_URL                                 where clients reach the server\n"
    "  ZAVA_HTTP__TLS_CERTIFICATE_FILE, ZAVA_HTTP__TLS_KEY_FILE\n"
    "                                                        its certificate; behind a proxy that has one, instead\n"
    "  ZAVA_HTTP__TRUSTED_PROXIES                            the address of the proxy\n"
    "docs/identity.md leads through it."
)
NO_ADDRESS = (
    "To be served on {host}, Zava has to know its own address: set ZAVA_HTTP__PUBLIC_URL, such as "
    "https://zava.example.com. Tokens are made out to it, and requests to any other name are refused. docs/identity.md "
    "leads through it."
)
NO_TLS = (
    "On {host} tokens could be read on their way. Set ZAVA_HTTP__TLS_CERTIFICATE_FILE and ZAVA_HTTP__TLS_KEY_FILE, or "
    "let a proxy speak TLS and name it in ZAVA_HTTP__TRUSTED_PROXIES. docs/identity.md leads through it."
)


def check_exposure(settings: Settings) -> None:
    """Makes sure that an address which others can reach is served to known callers, over an encrypted connection.

    Raises:
        SetupError: it would not be. The message says how to set it up.
    """
    http = settings.http
    if is_loopback(http.host):
        return
    if settings.database.dsn is None:
        raise SetupError(EMBEDDED.format(host=http.host))
    if http.public_url is None:
        raise SetupError(NO_ADDRESS.format(host=http.host))
    if http.tls_certificate_file is None and http.trusted_proxies is None:
        raise SetupError(NO_TLS.format(host=http.host))
