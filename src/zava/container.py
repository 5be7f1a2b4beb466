"""Who is given what. The only module that knows the injector; read it from top to bottom."""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import psycopg
from dependency_injector import containers, providers
from psycopg_pool import AsyncConnectionPool

from zava.adapters.cache.memory import InMemoryCache
from zava.adapters.charts.vega_lite import VegaLiteCharts
from zava.adapters.embeddings.breaker import CircuitBreakingEmbeddings
from zava.adapters.embeddings.cached import CachedEmbeddings
from zava.adapters.embeddings.english import english_words
from zava.adapters.embeddings.local import LocalEmbeddings
from zava.adapters.mcp.client import client_of_call
from zava.adapters.mcp.completions import RetailCompletions
from zava.adapters.mcp.coverage import coverage
from zava.adapters.mcp.csv_files import CsvFiles
from zava.adapters.mcp.direct_calls import DirectTools
from zava.adapters.mcp.identity import AuthorizationServer, DirectoryCallers, KnownTokens
from zava.adapters.mcp.json_web_tokens import JsonWebTokens, TokenRules
from zava.adapters.mcp.pipeline import Audit, Pipeline, ToolSpec, unaudited, unremembered
from zava.adapters.mcp.prompts import prompt_specs
from zava.adapters.mcp.questions import SignedQuestions
from zava.adapters.mcp.recent_principals import RecentPrincipals
from zava.adapters.mcp.remembered import RememberedAnswers
from zava.adapters.mcp.resources import RetailResources
from zava.adapters.mcp.server import NAME, build_server
from zava.adapters.mcp.server_spans import ServerSpans
from zava.adapters.mcp.signing_keys import SigningKeys, fetch_from
from zava.adapters.mcp.tools import RetailTools
from zava.adapters.postgres.access import DatabaseAccess
from zava.adapters.postgres.audit_chain import AuditKey
from zava.adapters.postgres.audit_spool import AuditSpool
from zava.adapters.postgres.audit_trail import PostgresAuditTrail
from zava.adapters.postgres.citus import OnCitus
from zava.adapters.postgres.context import ContextKey
from zava.adapters.postgres.inspection import DatabaseInspection, UnfitError
from zava.adapters.postgres.inventory import PostgresInventoryRepository
from zava.adapters.postgres.orders import PostgresOrderRepository
from zava.adapters.postgres.plans import QueryPlans
from zava.adapters.postgres.principals import PostgresPrincipalDirectory
from zava.adapters.postgres.products import PostgresProductRepository
from zava.adapters.postgres.query_log import QueryLog
from zava.adapters.postgres.query_shapes import shape_of
from zava.adapters.postgres.replicas import ReadHosts
from zava.adapters.postgres.sales import PostgresSalesRepository
from zava.adapters.postgres.sandbox import PostgresSandbox, SandboxLimits
from zava.adapters.postgres.schema_catalog import PostgresSchemaCatalog
from zava.adapters.postgres.sessions import OnOneServer, Opening, PrincipalSessions
from zava.adapters.postgres.shop_versions import PostgresShopVersions
from zava.adapters.postgres.store_directory import PostgresStoreDirectory, SeenStores
from zava.adapters.telemetry.telemetry import Telemetry
from zava.adapters.web.health import DEGRADED, HEALTHY, UNHEALTHY, Check
from zava.core.answer_cache import AnswerCache, KeptAnswers, server_of
from zava.core.errors import SetupError
from zava.core.fairness import Fairness, Rate, Requests, Work
from zava.core.model import MOST_FILE_ROWS, EmbeddingModel, Principal
from zava.core.performance import PerformanceMonitor
from zava.core.ports import AuditTrail, EmbeddingProvider
from zava.core.turns import Turns
from zava.core.use_cases.analyze_sales import AnalyzeSales
from zava.core.use_cases.check_inventory import CheckInventory
from zava.core.use_cases.compare_stores import CompareStores
from zava.core.use_cases.execute_sales_query import ExecuteSalesQuery
from zava.core.use_cases.find_order import FindOrder
from zava.core.use_cases.find_related_products import FindRelatedProducts
from zava.core.use_cases.get_multiple_table_schemas import GetMultipleTableSchemas
from zava.core.use_cases.get_store_performance import GetStorePerformance
from zava.core.use_cases.report_performance import ReportPerformance
from zava.core.use_cases.semantic_search_products import SemanticSearchProducts
from zava.settings import EmbeddingSettings, SandboxSettings, Settings, listed

if TYPE_CHECKING:
    from zava.adapters.cache.redis import RedisCache
    from zava.adapters.embeddings.openai import OpenAIEmbeddings

VERSION = version("zava")
MCP_PATH = "/mcp"

# Each product that they find is joined with what stores have of it, in an order that ends a Citus coordinator.
NOT_ON_CITUS = ("semantic_search_products", "find_related_products")

# A call may wait for a connection and for its statement; what takes longer than both has gone wrong.
MARGIN_SECONDS = 5

# A query that takes its server process down with it must not be sent again and again.
SANDBOX_ATTEMPTS = 2

# Where more of the room for audited calls is taken, they have waited for long.
AUDIT_BACKLOG = 0.5

# Those of ten thousand principals.
MOST_RIGHTS_BYTES = 4 * 2**20

# After so many times psycopg has a query parsed for good. Through a pooler the next one may go to another connection.
PREPARE_THRESHOLD: Mapping[str, int | None] = {"none": 5, "transaction": None}

# After each attempt to connect a pool waits twice as long. Then it leaves off, and the next question begins anew.
RECONNECT_SECONDS = 4

# A file takes 150 MB while it is made, and one of nested JSON 600 MB.
FILES_IN_ALL = 4
# A client sends some requests for each call: it greets, lists, and asks again.
REQUESTS_PER_CALL = 3
# A principal waits in one queue, or in two; more requests would be refused when they come to them, at a higher price.
QUEUES = 2
# One process draws them, one after the other; an answer does not wait longer for its picture.
CHARTS_IN_ALL = 1
CHART_PATIENCE_SECONDS = 10


def _now() -> datetime:
    return datetime.now(UTC)


def _pool(
    settings: Settings, hosts: ReadHosts, min_size: int, max_size: int
) -> AsyncConnectionPool[psycopg.AsyncConnection]:
    database = settings.database
    return AsyncConnectionPool(
        hosts.conninfo,
        kwargs={
            "autocommit": True,
            "application_name": database.application_name,
            "prepare_threshold": PREPARE_THRESHOLD[database.pooler],
        },
        min_size=min_size,
        max_size=max_size,
        timeout=database.pool_timeout,
        max_idle=database.pool_max_idle,
        reconnect_timeout=RECONNECT_SECONDS,
        configure=hosts.join,
        open=False,
    )


def _sandbox_pool(settings: Settings, hosts: ReadHosts) -> AsyncConnectionPool[psycopg.AsyncConnection]:
    # None is kept open for a tool that is switched off.
    return _pool(settings, hosts, int(settings.sandbox.enabled), settings.sandbox.pool_max_size)


def _limits(sandbox: SandboxSettings) -> SandboxLimits:
    return SandboxLimits(sandbox.max_rows, sandbox.max_bytes, sandbox.statement_timeout)


def _embedding_provider(settings: Settings) -> str:
    return settings.embedding.provider


def _embedding_service(settings: EmbeddingSettings) -> str:
    """Whom the provider openai asks, as the semantic conventions name it."""
    return "azure.ai.openai" if settings.azure_endpoint else "openai"


def _openai(settings: EmbeddingSettings, telemetry: Telemetry) -> "OpenAIEmbeddings":
    # Its library takes half a second to load, which nobody without a key should wait for.
    from zava.adapters.embeddings.openai import BatchLimits, OpenAIEmbeddings, OpenAIServer  # noqa: PLC0415

    server = OpenAIServer(
        api_key=settings.api_key,
        base_url=str(settings.base_url),
        azure_endpoint=str(settings.azure_endpoint) if settings.azure_endpoint else None,
        azure_api_version=settings.azure_api_version,
        timeout=settings.timeout,
        max_retries=settings.max_retries,
    )
    limits = BatchLimits(settings.batch_size, settings.max_text_bytes, settings.max_batch_bytes)
    model = EmbeddingModel(settings.model, settings.dimensions)
    return OpenAIEmbeddings(
        server,
        model,
        limits,
        send_dimensions=settings.send_dimensions,
        observe_tokens=partial(telemetry.observe_tokens, _embedding_service(settings), model.name),
    )


def _authorization_server(settings: Settings) -> AuthorizationServer | None:
    auth = settings.auth
    if auth.issuer is None or auth.jwks_url is None:
        return None
    rules = TokenRules(
        auth.issuer,
        auth.audience or f"{settings.http.base_url}{MCP_PATH}",
        listed(auth.algorithms),
        auth.subject_claim,
        auth.clock_skew,
        auth.groups_claim,
    )
    tokens = JsonWebTokens(SigningKeys(fetch_from(str(auth.jwks_url))), rules)
    return AuthorizationServer(auth.issuer, tokens, auth.scope_prefix or "")


@dataclass(frozen=True)
class Admission:
    """Who is let in.

    Attributes:
        principals: who may ask, by token; None when the directory says so.
        stdio_token: who asks over stdio.
    """

    principals: Mapping[str, Principal] | None
    stdio_token: str | None = field(repr=False)


def _identity(admission: Admission) -> str:
    return "directory" if admission.principals is None else "known_tokens"


def _timeout(settings: Settings) -> float:
    longest = max(settings.database.statement_timeout, settings.sandbox.statement_timeout)
    # A call may wait for its turn, then for a connection.
    return settings.limits.patience + settings.database.pool_timeout + longest + MARGIN_SECONDS


def _requests(settings: Settings) -> Requests:
    limits = settings.limits
    rate = Rate(REQUESTS_PER_CALL * limits.calls_per_second, REQUESTS_PER_CALL * limits.burst)
    return Requests(rate, QUEUES * max(1, limits.queue))


def _fairness(settings: Settings) -> Fairness:
    limits = settings.limits
    half = (os.cpu_count() or 1) // 2
    slots = limits.heavy_slots or max(1, half // settings.http.workers)

    def turns(in_all: int, at_once: int, patience: float = limits.patience) -> Turns:
        return Turns(in_all, at_once, limits.queue, limits.queue_in_all, patience)

    # Where there is more than one slot, nobody has all of them: what runs cannot be interrupted for somebody else.
    heavy = turns(slots, max(1, slots - 1))
    files = turns(FILES_IN_ALL, max(1, FILES_IN_ALL - 1))
    return Fairness(
        Rate(limits.calls_per_second, limits.burst),
        {
            Work.QUESTION: [turns(settings.database.pool_max_size, limits.concurrency or max(2, half))],
            Work.SQL: [heavy],
            Work.FILE: [files, heavy],
            Work.CHART: [turns(CHARTS_IN_ALL, CHARTS_IN_ALL, CHART_PATIENCE_SECONDS)],
        },
    )


def _audit(access: DatabaseAccess, trail: AuditTrail) -> Audit:
    return trail.append if access.audit_dir else unaudited


def _spool(access: DatabaseAccess, spool: AuditSpool) -> AuditSpool | None:
    return spool if access.audit_dir else None


def _if_enabled(enabled: bool, query: ExecuteSalesQuery) -> ExecuteSalesQuery | None:  # noqa: FBT001
    return query if enabled else None


def _opening(citus: bool) -> Opening:  # noqa: FBT001
    return OnCitus() if citus else OnOneServer()


def _offered(citus: bool, tools: RetailTools) -> tuple[ToolSpec[Any], ...]:  # noqa: FBT001
    return tuple(spec for spec in tools.specs() if not (citus and spec.name in NOT_ON_CITUS))


def _kept_answers(settings: Settings, providers: Sequence[EmbeddingProvider]) -> KeptAnswers:
    # Those by which the same question may have another answer.
    groups = (settings.search, settings.comparison, settings.sandbox)
    models = (provider.model for provider in providers)
    server = server_of(VERSION, models, (group.model_dump_json() for group in groups))
    return KeptAnswers(server, settings.cache.seconds, free_sql=settings.cache.free_sql)


def _kept(settings: Settings, key: ContextKey) -> "InMemoryCache | RedisCache":
    """What keeps the answers: this process, or Redis for several."""
    cache = settings.cache
    if cache.url is None:
        return InMemoryCache(cache.max_bytes)
    try:
        from zava.adapters.cache.redis import RedisCache, RedisServer  # noqa: PLC0415 - of an extra
    except ModuleNotFoundError as error:
        raise SetupError(f"ZAVA_CACHE__URL needs {error.name}, which is not installed: install zava[redis]") from error
    password = cache.password.get_secret_value() if cache.password else None
    server = RedisServer(cache.url, cache.username, password, str(cache.ca_file) if cache.ca_file else None)
    return RedisCache(server.connect(), key.derive("kept answers"))


def _memory(settings: Settings) -> str:
    return "kept" if settings.cache.enabled else "none"


def _state(inspect: Callable[[], Awaitable[None]], otherwise: str) -> Check:
    """What readiness says of a part: healthy, or otherwise."""

    async def check() -> str:
        try:
            await inspect()
        except UnfitError as error:
            return f"{otherwise}{error}"
        return HEALTHY

    return check


def _spans(
    telemetry: Telemetry, tools: Sequence[ToolSpec[Any]], prompts: Sequence[ToolSpec[str]]
) -> ServerSpans | None:
    if telemetry.tracer is None:
        return None
    names = [spec.name for spec in tools], [spec.name for spec in prompts]
    return ServerSpans(telemetry.tracer, telemetry.observe_request, *names)


def _checks(
    inspection: DatabaseInspection,
    providers: Sequence[EmbeddingProvider],
    breaker: CircuitBreakingEmbeddings | None,
    spool: AuditSpool | None,
    hosts: ReadHosts,
) -> dict[str, Check]:
    """What readiness looks at, by the name of the part."""

    async def found_by_meaning() -> None:
        if providers:
            await inspection.embeddings(providers[0].model)
        if breaker and breaker.is_open:
            raise UnfitError("the embedding provider fails, and is left alone for a while")

    async def written_down() -> None:
        if spool and spool.filled > AUDIT_BACKLOG:
            raise UnfitError(
                f"{spool.waiting:,} calls wait for the database, and {spool.filled:.0%} of their room is taken"
            )

    return {
        "database": _state(inspection.reachable, UNHEALTHY),
        "schema_version": _state(inspection.schema_version, UNHEALTHY),
        "row_security": _state(inspection.row_security, UNHEALTHY),
        "catalogs": _state(inspection.catalogs, DEGRADED),
        # Only a server that is a minute behind is refused.
        "clock": _state(inspection.clock, DEGRADED),
        # Without it products are found by words.
        "embeddings": _state(found_by_meaning, DEGRADED),
        # When its room is full, calls are refused.
        "audit": _state(written_down, DEGRADED),
        # The others answer.
        **({"replicas": _state(hosts.check, DEGRADED)} if hosts.watched else {}),
    }


class Container(containers.DeclarativeContainer):
    """The whole application, given settings, a database, and who is asking."""

    settings = providers.Dependency(instance_of=Settings)
    access = providers.Dependency(instance_of=DatabaseAccess)
    admission = providers.Dependency(instance_of=Admission)

    now = providers.Object(_now)
    telemetry = providers.Dependency(instance_of=Telemetry, default=Telemetry())
    read_hosts = providers.Singleton(ReadHosts, access.provided.dsn, settings.provided.database.replica_lag)
    pool = providers.Singleton(
        _pool,
        settings,
        read_hosts,
        settings.provided.database.pool_min_size,
        settings.provided.database.pool_max_size,
    )
    sandbox_pool = providers.Singleton(_sandbox_pool, settings, read_hosts)
    key = providers.Factory(ContextKey.read, access.provided.context_key_file)

    monitor = providers.Singleton(
        PerformanceMonitor,
        shape_of,
        providers.Callable(_now),
        providers.Callable(os.getpid),
        slow_seconds=settings.provided.log.slow_seconds,
    )
    # Nobody is told of what these ask.
    plans = providers.Singleton(
        QueryPlans,
        providers.Singleton(PrincipalSessions, pool, key.provider),
        providers.Singleton(PrincipalSessions, sandbox_pool, key.provider),
        settings.provided.sandbox.max_rows,
    )
    query_log = providers.Singleton(QueryLog, plans.provided.plan_of, slow_seconds=settings.provided.log.slow_seconds)
    # Who is told of every query to the database, and of every call.
    query_observers = providers.List(
        monitor.provided.see_query, query_log.provided.see, telemetry.provided.observe_query
    )
    call_observers = providers.List(monitor.provided.see_call, telemetry.provided.observe_call)

    sessions = providers.Singleton(
        PrincipalSessions,
        pool,
        key.provider,
        statement_timeout=settings.provided.database.statement_timeout,
        attempts=settings.provided.database.attempts,
        observers=query_observers,
        opening=providers.Callable(_opening, settings.provided.database.citus),
    )
    sandbox_sessions = providers.Singleton(
        PrincipalSessions, sandbox_pool, key.provider, attempts=SANDBOX_ATTEMPTS, observers=query_observers
    )
    inspection = providers.Singleton(DatabaseInspection, pool, VERSION, settings.provided.database.citus)

    principal_directory = providers.Singleton(PostgresPrincipalDirectory, sessions, settings.provided.auth.issuer)
    identity = providers.Selector(
        providers.Callable(_identity, admission),
        known_tokens=providers.Singleton(KnownTokens, admission.provided.principals, admission.provided.stdio_token),
        directory=providers.Singleton(
            DirectoryCallers,
            providers.Singleton(RecentPrincipals, principal_directory),
            providers.Callable(_authorization_server, settings),
            base_url=settings.provided.http.base_url,
            stdio_token=admission.provided.stdio_token,
        ),
    )

    directory = providers.Singleton(SeenStores, providers.Singleton(PostgresStoreDirectory, sessions))
    sales = providers.Singleton(PostgresSalesRepository, sessions)
    orders = providers.Singleton(PostgresOrderRepository, sessions)
    inventory = providers.Singleton(PostgresInventoryRepository, sessions)
    catalog = providers.Singleton(PostgresSchemaCatalog, sessions)

    products = providers.Singleton(
        PostgresProductRepository, sessions, tell_availability=settings.provided.search.availability
    )

    cache = providers.Singleton(InMemoryCache)
    embedding_cache = telemetry.provided.cache.call(cache, "embeddings")
    local_embeddings = providers.Singleton(LocalEmbeddings)
    openai_embeddings = providers.Singleton(_openai, settings.provided.embedding, telemetry)
    breaker = providers.Singleton(
        CircuitBreakingEmbeddings,
        telemetry.provided.embeddings.call(
            openai_embeddings, providers.Callable(_embedding_service, settings.provided.embedding)
        ),
        settings.provided.embedding.breaker_threshold,
        settings.provided.embedding.breaker_seconds,
    )
    observed_local_embeddings = telemetry.provided.embeddings.call(local_embeddings, "local")
    embedding_provider = providers.Callable(_embedding_provider, settings)
    # The first is the operator's choice. The local one serves what it has embedded until another has done it all.
    embedding_sources = providers.Selector(
        embedding_provider,
        local=providers.List(local_embeddings),
        openai=providers.List(openai_embeddings, local_embeddings),
        none=providers.List(),
    )
    embedding_providers = providers.Selector(
        embedding_provider,
        local=providers.List(providers.Singleton(CachedEmbeddings, observed_local_embeddings, embedding_cache)),
        openai=providers.List(
            providers.Singleton(CachedEmbeddings, breaker, embedding_cache),
            providers.Singleton(CachedEmbeddings, observed_local_embeddings, embedding_cache),
        ),
        none=providers.List(),
    )

    charts = providers.Singleton(VegaLiteCharts)

    sandbox = providers.Singleton(
        PostgresSandbox, sandbox_sessions, catalog, providers.Callable(_limits, settings.provided.sandbox)
    )

    get_store_performance = providers.Singleton(GetStorePerformance, directory, sales, now)
    analyze_sales = providers.Singleton(AnalyzeSales, directory, sales, products, now)
    compare_stores = providers.Singleton(
        CompareStores,
        directory,
        sales,
        now,
        quartiles=settings.provided.comparison.quartiles,
        least_shops=settings.provided.comparison.least_stores,
    )
    semantic_search_products = providers.Singleton(
        SemanticSearchProducts, products, embedding_providers, providers.Callable(english_words)
    )
    find_related_products = providers.Singleton(FindRelatedProducts, directory, products, now)
    check_inventory = providers.Singleton(CheckInventory, directory, inventory, products, now)
    find_order = providers.Singleton(FindOrder, directory, orders)
    get_multiple_table_schemas = providers.Singleton(GetMultipleTableSchemas, catalog)

    execute_sales_query = providers.Singleton(ExecuteSalesQuery, sandbox)

    tools = providers.Singleton(
        RetailTools,
        get_store_performance,
        analyze_sales,
        compare_stores,
        semantic_search_products,
        find_related_products,
        check_inventory,
        find_order,
        providers.Callable(_if_enabled, settings.provided.sandbox.enabled, execute_sales_query),
        get_multiple_table_schemas,
        charts,
        now,
    )

    # A file is asked for by a link, with limits that no caller can ask for.
    file_tools = providers.Callable(
        replace,
        tools,
        analyze=providers.Singleton(AnalyzeSales, directory, sales, products, now, most_rows=MOST_FILE_ROWS),
        inventory=providers.Singleton(CheckInventory, directory, inventory, products, now, most_rows=MOST_FILE_ROWS),
        query=providers.Callable(
            _if_enabled,
            settings.provided.sandbox.enabled,
            providers.Singleton(ExecuteSalesQuery, sandbox, for_file=True),
        ),
    )
    questions = providers.Singleton(SignedQuestions, providers.Callable(ContextKey.derive, key, "csv links"), now)
    csv_files = providers.Singleton(
        CsvFiles,
        file_tools.provided.specs.call(),
        questions,
    )

    audit_spool = providers.Singleton(
        AuditSpool,
        access.provided.audit_dir,
        providers.Callable(AuditKey.of, key, settings.provided.audit.key_file),
        most_bytes=settings.provided.audit.spool_bytes,
        when_full=settings.provided.audit.when_full,
        fsync=settings.provided.audit.fsync,
        full_texts=settings.provided.audit.full_texts,
    )
    audit_trail = providers.Singleton(PostgresAuditTrail, audit_spool, sessions, directory)

    report_performance = providers.Singleton(ReportPerformance, directory, monitor)
    resources = providers.Singleton(
        RetailResources,
        directory,
        get_multiple_table_schemas,
        report_performance,
        audit_trail,
        identity.provided.caller,
    )
    completions = providers.Singleton(RetailCompletions, directory, products, catalog)

    shop_versions = providers.Singleton(
        PostgresShopVersions, access.provided.dsn, sessions, settings.provided.database.application_name
    )
    kept_answers = providers.Singleton(_kept, settings, key)
    answer_cache = providers.Singleton(
        AnswerCache,
        telemetry.provided.cache.call(kept_answers, "answers"),
        rights=providers.Singleton(InMemoryCache, MOST_RIGHTS_BYTES),
        versions=shop_versions,
        policy=providers.Callable(_kept_answers, settings, embedding_providers),
        now=now,
    )

    requests = providers.Singleton(_requests, settings)
    fairness = providers.Singleton(_fairness, settings)
    pipeline = providers.Singleton(
        Pipeline,
        identity.provided.caller,
        timeout=providers.Callable(_timeout, settings),
        link=csv_files.provided.link,
        client=providers.Object(client_of_call),
        cover=providers.Object(coverage),
        fairness=fairness,
        within=telemetry.provided.within,
        remember=providers.Selector(
            providers.Callable(_memory, settings),
            kept=providers.Singleton(RememberedAnswers, answer_cache),
            none=providers.Object(unremembered),
        ),
        audit=providers.Callable(_audit, access, audit_trail),
        observers=call_observers,
    )
    prompts = providers.Callable(prompt_specs)
    tool_specs = providers.Singleton(_offered, settings.provided.database.citus, tools)
    direct_tools = providers.Singleton(
        DirectTools,
        tool_specs,
        pipeline,
        providers.Callable(_spans, telemetry, tool_specs, prompts),
        providers.Dict(name=NAME, version=VERSION),
    )
    server = providers.Singleton(
        build_server,
        tool_specs,
        pipeline,
        resources=resources.provided.specs.call(),
        prompts=prompts,
        completions=completions.provided.spec.call(),
        files=csv_files.provided.spec.call(),
        auth=identity,
        version=VERSION,
        spans=providers.Callable(_spans, telemetry, tool_specs, prompts),
    )
    checks = providers.Singleton(
        _checks,
        inspection,
        embedding_providers,
        providers.Selector(
            embedding_provider,
            local=providers.Object(None),
            openai=breaker,
            none=providers.Object(None),
        ),
        providers.Callable(_spool, access, audit_spool),
        read_hosts,
    )


def new_container(
    settings: Settings,
    access: DatabaseAccess,
    principals: Mapping[str, Principal] | None = None,
    stdio_token: str | None = None,
    telemetry: Telemetry | None = None,
) -> Container:
    """The application over this database, for these people.

    Args:
        settings: of the operator.
        access: the database.
        principals: who may ask, by token; None when the database says so.
        stdio_token: who asks over stdio.
        telemetry: is told what happens; None for nobody.
    """
    return Container(
        settings=settings,
        access=access,
        admission=Admission(principals, stdio_token),
        telemetry=telemetry or Telemetry(),
    )
