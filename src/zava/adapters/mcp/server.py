"""The MCP server: FastMCP speaks the protocol, the pipeline does the work."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import fastmcp
from fastmcp import FastMCP
from fastmcp.apps import AppConfig, app_config_to_meta_dict
from fastmcp.server.auth import AuthProvider
from fastmcp.server.dependencies import get_context
from fastmcp.tools import Tool, ToolResult
from mcp.server.context import ServerMiddleware
from mcp_types import ContentBlock, ImageContent, ResourceLink, TextContent, ToolAnnotations
from pydantic import PrivateAttr

from zava.adapters.mcp.completions import complete_with
from zava.adapters.mcp.csv_files import CSV_TYPE, CSV_URI, CsvFile, CsvTemplate
from zava.adapters.mcp.disconnect import cancelled_once
from zava.adapters.mcp.pipeline import Failure, Pipeline, ToolSpec
from zava.adapters.mcp.prompts import PipelinePrompt
from zava.adapters.mcp.resources import PipelineResource, PipelineTemplate
from zava.adapters.mcp.scoped import OwnListings
from zava.core.not_offered import NOT_OFFERED

NAME = "Zava Retail Analytics"
# The first version of the protocol that has links in answers.
LINKS_SINCE = "2025-06-18"
INSTRUCTIONS = (
    "Answers questions about the caller's own stores: sales, returns, margins, targets, stock, products. "
    "Every answer covers exactly the stores the caller may see. Start with get_store_performance; to find a product, "
    "with semantic_search_products. "
    f"There are no {', '.join(one.name for one in NOT_OFFERED)}: say so, and offer what comes nearest."
)


class PipelineTool(Tool):
    """A tool whose listing is FastMCP's affair and whose calls are the pipeline's."""

    _spec: ToolSpec[Any] = PrivateAttr()
    _pipeline: Pipeline = PrivateAttr()

    @classmethod
    def of(cls, spec: ToolSpec[Any], pipeline: Pipeline) -> "PipelineTool":
        tool = cls(
            name=spec.name,
            title=spec.title,
            description=spec.description,
            parameters=spec.parameters,
            output_schema=spec.output_schema,
            annotations=ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False),
            meta={"ui": app_config_to_meta_dict(AppConfig(resource_uri=spec.view))} if spec.view else None,
        )
        tool._spec = spec
        tool._pipeline = pipeline
        return tool

    @property
    def scope(self) -> str | None:
        """What a caller needs to have it listed."""
        return self._spec.scope

    def get_meta(self) -> dict[str, Any]:
        """Without the tags that FastMCP would add to every listing."""
        return self.meta or {}

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        outcome = await cancelled_once(self._pipeline.call(self._spec, arguments))
        content: list[ContentBlock] = [TextContent(type="text", text=outcome.text)]
        if isinstance(outcome, Failure):
            return ToolResult(content=content, meta={"zava/error": outcome.error}, is_error=True)
        meta = None
        if picture := outcome.picture:
            data = b64encode(picture.png).decode()
            content.append(
                ImageContent(type="image", data=data, mime_type="image/png", _meta={"zava/alt": picture.alt})
            )
            meta = {"zava/chart": dict(picture.specification)}
        if (link := outcome.link) and _knows_links():
            content.append(
                ResourceLink(uri=link.uri, name=link.name, description=link.description, mime_type=link.mime_type)
            )
        return ToolResult(content=content, structured_content=outcome.structured, meta=meta)


def _knows_links() -> bool:
    """Whether the client takes links in answers: to an older one the whole answer would be malformed."""
    request = get_context().request_context
    return request is not None and request.protocol_version >= LINKS_SINCE


def build_server(  # noqa: PLR0913 - all that a client can ask for
    specs: Sequence[ToolSpec[Any]],
    pipeline: Pipeline,
    *,
    resources: Mapping[str, ToolSpec[Any]] | None = None,
    prompts: Sequence[ToolSpec[str]] = (),
    completions: ToolSpec[tuple[str, ...]] | None = None,
    files: ToolSpec[CsvFile] | None = None,
    auth: AuthProvider | None,
    version: str,
    spans: ServerMiddleware[Any] | None = None,
) -> FastMCP:
    """An MCP server with these tools.

    Args:
        specs: the tools.
        pipeline: takes every call.
        resources: by their URIs, which are templates when they have arguments.
        prompts: whose results are their texts.
        completions: takes the name of an argument, and its value as far as it is written.
        files: takes the question of a link to a CSV file.
        auth: refuses HTTP requests of nobody; None for stdio, where the pipeline knows who asks.
        version: of this program.
        spans: surrounds the handling of every message; None where nobody watches.
    """
    # Its own spans would carry the messages of errors, and what callers write.
    fastmcp.settings.telemetry_mode = "propagation_only"
    server = FastMCP(
        NAME,
        instructions=INSTRUCTIONS,
        version=version,
        auth=auth,
        middleware=[OwnListings(pipeline.identify)],
        tools=[PipelineTool.of(spec, pipeline) for spec in specs],
        mask_error_details=True,
        dereference_schemas=False,
    )
    for uri, spec in (resources or {}).items():
        if "{" in uri:
            server.add_template(PipelineTemplate.of(uri, spec, pipeline))
        else:
            server.add_resource(PipelineResource.of(uri, spec, pipeline))
    for prompt in prompts:
        server.add_prompt(PipelinePrompt.of(prompt, pipeline))
    if completions:
        complete_with(server, completions, pipeline)
    if files:
        server.add_template(CsvTemplate.of(CSV_URI, files, pipeline, CSV_TYPE))
    if spans:
        server._mcp_server.middleware.insert(0, spans)  # noqa: SLF001
    # Without this hook every call of the 2026 protocol lists all tools first, to look one schema up.
    schemas = {spec.name: spec.parameters for spec in specs}
    server._mcp_server.get_tool_input_schema = schemas.get  # noqa: SLF001
    return server
