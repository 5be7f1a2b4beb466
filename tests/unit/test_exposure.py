"""Which addresses a server may be seen at, and what it asks for before."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from zava.commands.exposure import check_exposure
from zava.core.errors import SetupError
from zava.settings import DatabaseSettings, HttpSettings, Settings

OWN_DATABASE = DatabaseSettings(dsn=SecretStr("host=db.example.com"), context_key_file=Path("key"))
CERTIFICATE = {"tls_certificate_file": Path("certificate.pem"), "tls_key_file": Path("key.pem")}
PUBLIC_URL = "https://zava.example.com"


def http(**said: object) -> HttpSettings:
    return HttpSettings.model_validate(said)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
@pytest.mark.parametrize("database", [DatabaseSettings(), OWN_DATABASE])
def test_on_this_machine_nothing_is_asked_for(host: str, database: DatabaseSettings) -> None:
    check_exposure(Settings(http=http(host=host), database=database))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "zava.example.com"])  # noqa: S104
def test_the_sample_shop_is_for_nobody_else(host: str) -> None:
    settings = Settings(http=http(host=host, public_url=PUBLIC_URL, **CERTIFICATE))
    with pytest.raises(SetupError) as refused:
        check_exposure(settings)
    for setting in (
        "ZAVA_DATABASE__DSN",
        "ZAVA_AUTH__ISSUER",
        "ZAVA_AUTH__JWKS_URL",
        "ZAVA_HTTP__TLS_KEY_FILE",
        "docs/identity.md",
        host,
    ):
        assert setting in str(refused.value)


def test_a_server_that_others_reach_has_a_name() -> None:
    settings = Settings(http=http(host="0.0.0.0", **CERTIFICATE), database=OWN_DATABASE)  # noqa: S104
    with pytest.raises(SetupError, match="ZAVA_HTTP__PUBLIC_URL"):
        check_exposure(settings)


def test_tokens_do_not_cross_a_network_in_the_open() -> None:
    settings = Settings(http=http(host="0.0.0.0", public_url=PUBLIC_URL), database=OWN_DATABASE)  # noqa: S104
    with pytest.raises(SetupError, match="ZAVA_HTTP__TLS_CERTIFICATE_FILE and ZAVA_HTTP__TLS_KEY_FILE"):
        check_exposure(settings)


@pytest.mark.parametrize("encryption", [CERTIFICATE, {"trusted_proxies": "10.0.0.7"}])
def test_with_all_of_it_the_server_may_be_reached(encryption: dict[str, Path | str]) -> None:
    served = http(host="0.0.0.0", public_url=PUBLIC_URL, **encryption)  # noqa: S104
    check_exposure(Settings(http=served, database=OWN_DATABASE))
