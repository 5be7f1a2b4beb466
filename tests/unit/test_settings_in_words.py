"""What the command line says of settings that it cannot use."""

import pytest

from zava.__main__ import app
from zava.core.errors import SetupError


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (
            "ZAVA_LOG__LVEL",
            "INFO",
            "ZAVA_LOG__LVEL: there is no such setting; docs/reference/settings.md lists them all",
        ),
        ("ZAVA_LOG__LEVEL", "LOUD", "ZAVA_LOG__LEVEL: Input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("ZAVA_HTTP__TLS_KEY_FILE", "k", "ZAVA_HTTP__TLS_CERTIFICATE_FILE and ZAVA_HTTP__TLS_KEY_FILE belong together"),
        ("ZAVA_AUTH__ALGORITHMS", "HS256", "ZAVA_AUTH__ALGORITHMS: must be of ES256, EdDSA, RS256"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_as_it_is_written(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SetupError) as refused:
        app(["db", "status"])
    assert str(refused.value) == f"these settings cannot be used: {said}"
