"""What an operator can turn: defaults, the environment, and values that make no sense."""

from pathlib import Path

import pytest
from pydantic import BaseModel, HttpUrl, SecretStr, ValidationError

from zava.settings import (
    AuthSettings,
    CacheSettings,
    ComparisonSettings,
    DatabaseSettings,
    EmbeddedSettings,
    EmbeddingSettings,
    HttpSettings,
    LimitSettings,
    LogSettings,
    SandboxSettings,
    SearchSettings,
    Settings,
    TelemetrySettings,
)

DSN = "postgresql://zava_app:hunter2@db.example/zava"


@pytest.mark.parametrize(
    ("setting", "default"),
    [
        ("database.dsn", None),
        ("database.admin_dsn", None),
        ("database.context_key_file", None),
        ("database.application_name", "zava-mcp-server"),
        ("database.pool_min_size", 2),
        ("database.pool_max_size", 10),
        ("database.pool_timeout", 5),
        ("database.pool_max_idle", 300),
        ("database.statement_timeout", 30),
        ("database.attempts", 3),
        ("embedded.data_dir", None),
        ("embedded.binary_dir", None),
        ("embedded.scale", 1),
        ("embedding.provider", "local"),
        ("embedding.api_key", None),
        ("embedding.azure_endpoint", None),
        ("embedding.model", "text-embedding-3-small"),
        ("embedding.dimensions", 1536),
        ("embedding.send_dimensions", False),
        ("embedding.timeout", 5),
        ("embedding.max_retries", 2),
        ("embedding.batch_size", 256),
        ("embedding.max_text_bytes", 8_000),
        ("embedding.max_batch_bytes", 300_000),
        ("embedding.breaker_threshold", 3),
        ("embedding.breaker_seconds", 30),
        ("comparison.quartiles", True),
        ("comparison.least_stores", 5),
        ("http.host", "127.0.0.1"),
        ("http.port", 8000),
        ("log.level", "INFO"),
        ("log.format", "text"),
        ("log.file", None),
        ("token", None),
    ],
)
def test_a_setting_has_the_default_of_the_design(setting: str, default: object) -> None:
    found: object = Settings()
    for name in setting.split("."):
        found = getattr(found, name)
    assert found == default


@pytest.mark.parametrize(
    ("variable", "value", "setting", "expected"),
    [
        ("ZAVA_DATABASE__DSN", DSN, "database.dsn", SecretStr(DSN)),
        ("ZAVA_DATABASE__CONTEXT_KEY_FILE", "/run/key", "database.context_key_file", Path("/run/key")),
        ("ZAVA_DATABASE__POOL_MIN_SIZE", "0", "database.pool_min_size", 0),
        ("ZAVA_DATABASE__STATEMENT_TIMEOUT", "2.5", "database.statement_timeout", 2.5),
        ("ZAVA_EMBEDDED__SCALE", "0", "embedded.scale", 0),
        ("ZAVA_EMBEDDING__PROVIDER", "none", "embedding.provider", "none"),
        ("ZAVA_EMBEDDING__API_KEY", "sk-hunter2", "embedding.api_key", SecretStr("sk-hunter2")),
        ("ZAVA_EMBEDDING__BASE_URL", "http://shop:8080/v1", "embedding.base_url", HttpUrl("http://shop:8080/v1")),
        (
            "ZAVA_EMBEDDING__AZURE_API_VERSION",
            "2025-03-01-preview",
            "embedding.azure_api_version",
            "2025-03-01-preview",
        ),
        ("ZAVA_EMBEDDING__SEND_DIMENSIONS", "true", "embedding.send_dimensions", True),
        ("ZAVA_EMBEDDING__MAX_RETRIES", "0", "embedding.max_retries", 0),
        ("ZAVA_HTTP__PORT", "65535", "http.port", 65535),
        ("ZAVA_LOG__LEVEL", "DEBUG", "log.level", "DEBUG"),
        ("ZAVA_LOG__FORMAT", "json", "log.format", "json"),
        ("ZAVA_LOG__FILE", "mcp_server.log", "log.file", Path("mcp_server.log")),
        ("ZAVA_TOKEN", "demo-store-seattle", "token", SecretStr("demo-store-seattle")),
        ("zava_http__host", "::1", "http.host", "::1"),
    ],
)
def test_two_underscores_lead_into_a_group(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, setting: str, expected: object
) -> None:
    monkeypatch.setenv(variable, value)
    found: object = Settings()
    for name in setting.split("."):
        found = getattr(found, name)
    assert found == expected


def test_one_setting_of_a_group_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZAVA_DATABASE__ATTEMPTS", "1")
    database = Settings().database
    assert (database.attempts, database.pool_max_size) == (1, 10)


@pytest.mark.parametrize("variable", ["ZAVA_DATABASE__DSN", "ZAVA_TOKEN", "ZAVA_HTTP__PORT"])
def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    untouched = Settings()
    monkeypatch.setenv(variable, "")
    assert Settings() == untouched


def test_a_pool_cannot_hold_fewer_connections_than_it_keeps_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZAVA_DATABASE__POOL_MIN_SIZE", "11")
    with pytest.raises(ValidationError, match="POOL_MAX_SIZE must not be smaller than ZAVA_DATABASE__POOL_MIN_SIZE"):
        Settings()


def test_a_batch_cannot_be_smaller_than_one_of_its_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZAVA_EMBEDDING__MAX_BATCH_BYTES", "7999")
    with pytest.raises(
        ValidationError, match="MAX_BATCH_BYTES must not be smaller than ZAVA_EMBEDDING__MAX_TEXT_BYTES"
    ):
        Settings()


@pytest.mark.parametrize("where", [{}, {"azure_endpoint": "https://shop.example", "base_url": "http://localhost/v1"}])
def test_openai_and_azure_need_a_key(where: dict[str, str]) -> None:
    asked = {"provider": "openai", **where}
    with pytest.raises(ValidationError, match="API_KEY must be set for OpenAI and Azure"):
        EmbeddingSettings.model_validate(asked)
    assert EmbeddingSettings.model_validate(asked | {"api_key": "sk-hunter2"}).provider == "openai"


def test_a_compatible_server_needs_no_key() -> None:
    asked = {"provider": "openai", "base_url": "http://127.0.0.1:8080/v1"}
    assert EmbeddingSettings.model_validate(asked).api_key is None


@pytest.mark.parametrize(
    "variable",
    [
        "ZAVA_DATABASE__DSN",
        "ZAVA_DATABASE__ADMIN_DSN",
        "ZAVA_DATABASE__WRITER_DSN",
        "ZAVA_EMBEDDING__API_KEY",
        "ZAVA_CACHE__PASSWORD",
        "ZAVA_TOKEN",
    ],
)
def test_a_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, DSN)
    settings = Settings()
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert "**********" in shown
        assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ZAVA_DATABASE__POOL_MIN_SIZE", "-1"),
        ("ZAVA_DATABASE__POOL_MAX_SIZE", "0"),
        ("ZAVA_DATABASE__POOL_MAX_SIZE", "many"),
        ("ZAVA_DATABASE__POOL_TIMEOUT", "0"),
        ("ZAVA_DATABASE__POOL_MAX_IDLE", "-5"),
        ("ZAVA_DATABASE__STATEMENT_TIMEOUT", "0"),
        ("ZAVA_DATABASE__ATTEMPTS", "0"),
        ("ZAVA_DATABASE__DNS", "a typing error"),
        ("ZAVA_EMBEDDED__SCALE", "-0.1"),
        ("ZAVA_EMBEDDED__SIZE", "1"),
        ("ZAVA_EMBEDDING__PROVIDER", "azure"),
        ("ZAVA_EMBEDDING__API_KEY", "sk-hunter2\nfrom a file"),
        ("ZAVA_EMBEDDING__API_KEY", "schlüssel"),
        ("ZAVA_EMBEDDING__BASE_URL", "api.openai.com/v1"),
        ("ZAVA_EMBEDDING__BASE_URL", "ftp://api.openai.com/v1"),
        ("ZAVA_EMBEDDING__BASE_URL", "https://user:hunter2@api.openai.com/v1"),
        ("ZAVA_EMBEDDING__AZURE_ENDPOINT", "https://shop.example/?api-key=hunter2"),
        ("ZAVA_EMBEDDING__AZURE_API_VERSION", "latest"),
        ("ZAVA_EMBEDDING__MODEL", " "),
        ("ZAVA_EMBEDDING__DIMENSIONS", "0"),
        ("ZAVA_EMBEDDING__DIMENSIONS", "16001"),
        ("ZAVA_EMBEDDING__TIMEOUT", "0"),
        ("ZAVA_EMBEDDING__MAX_RETRIES", "11"),
        ("ZAVA_EMBEDDING__BATCH_SIZE", "2049"),
        ("ZAVA_EMBEDDING__MAX_TEXT_BYTES", "99"),
        ("ZAVA_EMBEDDING__BREAKER_THRESHOLD", "0"),
        ("ZAVA_EMBEDDING__BREAKER_SECONDS", "0"),
        ("ZAVA_EMBEDDING__KEY", "sk-hunter2"),
        ("ZAVA_CACHE__SECONDS", "0"),
        ("ZAVA_CACHE__MAX_BYTES", "999999"),
        ("ZAVA_CACHE__URL", "cache.example:6379"),
        ("ZAVA_CACHE__URL", "https://cache.example"),
        ("ZAVA_CACHE__URL", "redis://"),
        ("ZAVA_CACHE__URL", "redis://cache.example/zero"),
        ("ZAVA_CACHE__URL", "redis://cache.example:port"),
        ("ZAVA_CACHE__URL", "redis://:hunter2@cache.example"),
        ("ZAVA_CACHE__URL", "redis://hunter2@cache.example"),
        ("ZAVA_CACHE__URL", "rediss://cache.example?ssl_cert_reqs=none"),
        ("ZAVA_HTTP__PORT", "0"),
        ("ZAVA_HTTP__PORT", "65536"),
        ("ZAVA_HTTP__PROT", "80"),
        ("ZAVA_HTTP__PUBLIC_URL", "zava.example.com"),
        ("ZAVA_HTTP__PUBLIC_URL", "https://zava.example.com/mcp"),
        ("ZAVA_HTTP__PUBLIC_URL", "https://ada:hunter2@zava.example.com"),
        ("ZAVA_HTTP__TRUSTED_PROXIES", "10.0.0.7, *"),
        ("ZAVA_HTTP__TRUSTED_PROXIES", "10.0.0.0/33"),
        ("ZAVA_HTTP__ALLOWED_ORIGINS", "*"),
        ("ZAVA_HTTP__ALLOWED_ORIGINS", "https://a.example.com, b.example.com"),
        ("ZAVA_HTTP__MAX_CONNECTIONS", "0"),
        ("ZAVA_HTTP__REQUEST_TIMEOUT", "0"),
        ("ZAVA_HTTP__RESPONSE_TIMEOUT", "inf"),
        ("ZAVA_AUTH__ISSUER", "http://login.example.com"),
        ("ZAVA_AUTH__ISSUER", "shop"),
        ("ZAVA_AUTH__JWKS_URL", "http://login.example.com/keys"),
        ("ZAVA_AUTH__JWKS_URL", "file:///etc/keys"),
        ("ZAVA_AUTH__AUDIENCE", " " * 501),
        ("ZAVA_AUTH__GROUPS_CLAIM", "x" * 101),
        ("ZAVA_AUTH__ALGORITHMS", "HS256"),
        ("ZAVA_AUTH__ALGORITHMS", "RS256,none"),
        ("ZAVA_AUTH__ALGORITHMS", ","),
        ("ZAVA_AUTH__CLOCK_SKEW", "301"),
        ("ZAVA_AUTH__CLOCK_SKEW", "-1"),
        ("ZAVA_AUTH__SCOPE_PREFIX", 'api://"/'),
        ("ZAVA_LOG__LEVEL", "LOUD"),
        ("ZAVA_LOG__LEVEL", "INFO\n"),
        ("ZAVA_LOG__FORMAT", "xml"),
        ("ZAVA_LOG__FOLDER", "/var/log"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_and_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError) as refused:
        Settings()
    (problem,) = refused.value.errors()
    assert "ZAVA_" + "__".join(map(str, problem["loc"])).upper() == variable
    assert "hunter2" not in problem["msg"]


@pytest.mark.parametrize(
    ("group", "setting"), [("database", "attempts"), ("http", "port"), ("embedded", "scale"), ("embedding", "timeout")]
)
def test_settings_cannot_be_changed_once_they_are_read(group: str, setting: str) -> None:
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        setattr(getattr(settings, group), setting, 1)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(settings, group, None)


@pytest.mark.parametrize(
    "group",
    [
        Settings,
        DatabaseSettings,
        SandboxSettings,
        LimitSettings,
        EmbeddedSettings,
        EmbeddingSettings,
        SearchSettings,
        ComparisonSettings,
        CacheSettings,
        HttpSettings,
        AuthSettings,
        LogSettings,
        TelemetrySettings,
    ],
)
def test_every_setting_and_every_group_says_what_it_is_for(group: type[BaseModel]) -> None:
    assert group.__doc__
    silent = {name for name, field in group.model_fields.items() if not field.description}
    assert silent == (
        {
            "database",
            "sandbox",
            "limits",
            "audit",
            "embedded",
            "embedding",
            "search",
            "comparison",
            "cache",
            "http",
            "auth",
            "log",
            "telemetry",
        }
        if group is Settings
        else set()
    )


@pytest.mark.parametrize(
    ("variable", "value", "belongs_to"),
    [
        ("ZAVA_AUTH__ISSUER", "https://login.example.com/", "ZAVA_AUTH__JWKS_URL"),
        ("ZAVA_AUTH__JWKS_URL", "https://login.example.com/keys", "ZAVA_AUTH__ISSUER"),
        ("ZAVA_HTTP__TLS_CERTIFICATE_FILE", "certificate.pem", "ZAVA_HTTP__TLS_KEY_FILE"),
        ("ZAVA_HTTP__TLS_KEY_FILE", "key.pem", "ZAVA_HTTP__TLS_CERTIFICATE_FILE"),
    ],
)
def test_what_belongs_together_is_set_together(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, belongs_to: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError, match=belongs_to):
        Settings()


@pytest.mark.parametrize("issuer", ["https://a.example.com", "https://a.example.com/", "http://127.0.0.1:9000"])
def test_an_issuer_stays_as_it_was_written(monkeypatch: pytest.MonkeyPatch, issuer: str) -> None:
    monkeypatch.setenv("ZAVA_AUTH__ISSUER", issuer)
    monkeypatch.setenv("ZAVA_AUTH__JWKS_URL", "https://a.example.com/keys")
    assert Settings().auth.issuer == issuer


@pytest.mark.parametrize(
    ("said", "base_url"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"host": "::1", "port": 9000}, "http://[::1]:9000"),
        ({"tls_certificate_file": "a.pem", "tls_key_file": "b.pem"}, "https://127.0.0.1:8000"),
        ({"host": "0.0.0.0", "public_url": "https://Zava.example.com:8443/"}, "https://zava.example.com:8443"),  # noqa: S104
    ],
)
def test_clients_reach_the_server_at_its_public_url_or_where_it_listens(said: dict[str, str], base_url: str) -> None:
    assert HttpSettings.model_validate(said).base_url == base_url


def test_the_environment_of_the_tests_is_not_read() -> None:
    assert Settings().model_fields_set == set()
