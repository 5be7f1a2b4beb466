"""The resources: what a client can show or hold ready without a tool.

Each is JSON, as its caller may see it; but the view of store performance, a page that a client shows beside the answer.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from typing import Annotated, Any

from fastmcp.apps import UI_MIME_TYPE, AppConfig, ResourceCSP, app_config_to_meta_dict
from fastmcp.resources import Resource, ResourceResult
from fastmcp.resources.template import ResourceTemplate
from pydantic import AnyUrl, Field, PrivateAttr

from zava.adapters.mcp.identity import Caller
from zava.adapters.mcp.pipeline import Pipeline, ToolSpec
from zava.adapters.mcp.refusals import answer_or_refuse
from zava.adapters.mcp.schemas import to_json
from zava.core import analysis
from zava.core.analysis import DIMENSIONS
from zava.core.metrics import ANALYSIS_METRICS, Unit
from zava.core.model import Principal, TableSchema
from zava.core.observations import AuditedCall
from zava.core.ports import AuditTrail, StoreDirectory
from zava.core.scopes import AUDIT_READ, SALES_QUERY, SALES_READ
from zava.core.use_cases.get_multiple_table_schemas import GetMultipleTableSchemas
from zava.core.use_cases.report_performance import PerformanceReport, ReportPerformance

LONGEST_TABLE_NAME = 100
MOST_CALLS = 100
JSON_TYPE = "application/json"

STORE_PERFORMANCE_VIEW = "ui://zava/store-performance"
# No origin is allowed for anything: what a view shows comes through the client, and goes nowhere else.
VIEW_META = {"ui": app_config_to_meta_dict(AppConfig(csp=ResourceCSP(), prefers_border=True))}


@dataclass(frozen=True, slots=True)
class Me:
    """Who asks, and what they see. Days are those of the time zone, money is in the currency."""

    name: str
    stores: tuple[str, ...]
    sees_all_stores: bool
    time_zone: str
    currency: str


@dataclass(frozen=True, slots=True)
class DefinedMetric:
    """A figure that analyze_sales knows. Money is in the currency of the business, percent is 0 to 100."""

    name: str
    definition: str
    unit: Unit


@dataclass(frozen=True, slots=True)
class DefinedDimension:
    """A way in which analyze_sales splits figures."""

    name: str
    definition: str
    type: analysis.Type


@dataclass(frozen=True, slots=True)
class Definitions:
    """All that analyze_sales knows."""

    metrics: tuple[DefinedMetric, ...]
    dimensions: tuple[DefinedDimension, ...]


@dataclass(frozen=True, slots=True)
class OwnStore:
    """A store of the caller's."""

    name: str
    region: str
    opened_on: date


@dataclass(frozen=True, slots=True)
class OwnStores:
    """The stores that the caller sees, by name."""

    stores: tuple[OwnStore, ...]


@dataclass(frozen=True, slots=True)
class LatestCalls:
    """Calls of the audit trail, the last one first."""

    calls: Sequence[AuditedCall]


@dataclass(frozen=True)
class RetailResources:
    """Each resource tells what the caller may know of one thing.

    Attributes:
        identify: who makes the call that is being handled, or None for nobody.
    """

    directory: StoreDirectory
    table_schemas: GetMultipleTableSchemas
    report_performance: ReportPerformance
    trail: AuditTrail
    identify: Callable[[], Awaitable[Caller | None]]

    async def me(self, principal: Principal) -> Me:
        """Who you are here, which stores you see, and in which time zone and currency the business counts."""
        directory = await self.directory.stores_of(principal)
        return Me(
            name=principal.name,
            stores=tuple(store.name for store in directory.stores),
            sees_all_stores=directory.sees_all_stores,
            time_zone=directory.business.time_zone,
            currency=directory.business.currency,
        )

    async def metrics(self, principal: Principal) -> Definitions:  # noqa: ARG002
        """Every metric and dimension of analyze_sales, with its definition and its unit or type."""
        return Definitions(
            tuple(DefinedMetric(one.name, one.definition, one.unit) for one in ANALYSIS_METRICS.values()),
            tuple(DefinedDimension(one.name, one.definition, one.type) for one in DIMENSIONS.values()),
        )

    async def stores(self, principal: Principal) -> OwnStores:
        """Your stores: name, region, and the day each opened."""
        directory = await self.directory.stores_of(principal)
        return OwnStores(tuple(OwnStore(one.name, one.region, one.opened_on) for one in directory.stores))

    async def audit(self, principal: Principal) -> LatestCalls:
        """The latest 100 calls of everybody: who asked what, of which stores, and how it ended. Needs audit:read."""
        return LatestCalls(await self.trail.latest(principal, MOST_CALLS))

    async def schema(
        self,
        principal: Principal,
        table: Annotated[str, Field(max_length=LONGEST_TABLE_NAME, description="Name of a table, such as orders")],
    ) -> TableSchema:
        """Columns, types, keys, joins, valid values and hints of one table, as get_multiple_table_schemas has them."""
        (found,) = await self.table_schemas(principal, [table])
        return found

    async def performance(self, principal: Principal) -> PerformanceReport:
        """How long your calls and their queries took in this server: everybody's, for who may read the audit."""
        caller = await self.identify()
        # Their token may leave it out.
        of_everybody = caller is not None and AUDIT_READ in caller.scopes
        return await self.report_performance(principal, of_everybody=of_everybody)

    async def store_performance_view(self, principal: Principal) -> str:  # noqa: ARG002
        """A view of get_store_performance's answers, in which a person switches store, period and metric."""
        return files("zava.adapters.mcp").joinpath("store_performance.html").read_text(encoding="utf-8")

    def specs(self) -> dict[str, ToolSpec[Any]]:
        """Every resource, as the pipeline takes it, by its URI. Those with arguments in their URI are templates."""
        return {
            "zava://me": ToolSpec(self.me, title="Who am I?", text=_json),
            "zava://metrics": ToolSpec(self.metrics, title="Metrics and dimensions", scope=SALES_READ, text=_json),
            "zava://stores": ToolSpec(self.stores, title="My stores", text=_json),
            "zava://performance": ToolSpec(self.performance, title="Performance of this server", text=_json),
            "zava://audit": ToolSpec(self.audit, title="Audit trail", scope=AUDIT_READ, text=_json),
            "zava://schema/{table}": ToolSpec(self.schema, title="Table schema", scope=SALES_QUERY, text=_json),
            STORE_PERFORMANCE_VIEW: ToolSpec(
                self.store_performance_view, title="Store performance", scope=SALES_READ, text=str
            ),
        }


def _json(result: object) -> str:
    return json.dumps(to_json(result), ensure_ascii=False)


class PipelineResource(Resource):
    """A resource whose listing is FastMCP's affair and whose reading is the pipeline's."""

    _spec: ToolSpec[Any] = PrivateAttr()
    _pipeline: Pipeline = PrivateAttr()
    _arguments: dict[str, Any] = PrivateAttr()

    @classmethod
    def of(
        cls,
        uri: str,
        spec: ToolSpec[Any],
        pipeline: Pipeline,
        arguments: dict[str, Any] | None = None,
        mime_type: str = JSON_TYPE,
    ) -> "PipelineResource":
        is_view = uri.startswith("ui://")
        resource = cls(
            uri=AnyUrl(uri),
            name=spec.name,
            title=spec.title,
            description=spec.description,
            mime_type=UI_MIME_TYPE if is_view else mime_type,
            meta=VIEW_META if is_view else None,
        )
        resource._spec = spec
        resource._pipeline = pipeline
        resource._arguments = arguments or {}
        return resource

    @property
    def scope(self) -> str | None:
        """What a caller needs to have it listed."""
        return self._spec.scope

    async def read(self) -> str | ResourceResult:
        return (await answer_or_refuse(self._pipeline, self._spec, self._arguments, uri=str(self.uri))).text


class PipelineTemplate(ResourceTemplate):
    """Resources whose URI carries the arguments."""

    _spec: ToolSpec[Any] = PrivateAttr()
    _pipeline: Pipeline = PrivateAttr()

    @classmethod
    def of(
        cls, uri_template: str, spec: ToolSpec[Any], pipeline: Pipeline, mime_type: str = JSON_TYPE
    ) -> "PipelineTemplate":
        template = cls(
            uri_template=uri_template,
            name=spec.name,
            title=spec.title,
            description=spec.description,
            mime_type=mime_type,
            parameters=spec.parameters,
        )
        template._spec = spec
        template._pipeline = pipeline
        return template

    @property
    def scope(self) -> str | None:
        """What a caller needs to have it listed."""
        return self._spec.scope

    async def create_resource(self, uri: str, params: dict[str, Any]) -> Resource:
        return PipelineResource.of(uri, self._spec, self._pipeline, params)
