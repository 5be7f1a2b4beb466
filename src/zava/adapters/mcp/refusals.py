"""Failures of what has no way to answer with one: a resource, a prompt and a completion end in a protocol error."""

import logging
from collections.abc import Mapping
from typing import Any

from fastmcp.exceptions import FastMCPError
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS

from zava.adapters.mcp.disconnect import cancelled_once
from zava.adapters.mcp.pipeline import Answer, Failure, Pipeline, ToolSpec

# What the caller can put right by asking differently.
CALLERS_TO_MEND = frozenset(("VALIDATION_ERROR", "AUTHORIZATION_ERROR", "NOT_FOUND"))


class RefusalError(FastMCPError, MCPError):
    """A failure on its way to the client.

    FastMCP writes errors of its own at the level they ask for, and any other as a fault with a traceback; the pipeline
    has written this one already. An MCPError keeps its code and its data.
    """

    def __init__(self, failure: Failure, **data: str) -> None:
        code = INVALID_PARAMS if failure.code in CALLERS_TO_MEND else INTERNAL_ERROR
        super().__init__(code, failure.text, {**data, "zava/error": failure.error}, log_level=logging.DEBUG)


async def answer_or_refuse(
    pipeline: Pipeline, spec: ToolSpec[Any], arguments: Mapping[str, Any], **data: str
) -> Answer[Any]:
    """The answer of the pipeline.

    Raises:
        RefusalError: there is none; it carries data as well.
    """
    outcome = await cancelled_once(pipeline.call(spec, arguments))
    if isinstance(outcome, Failure):
        raise RefusalError(outcome, **data)
    return outcome
