"""Whose call an event of the log belongs to."""

import logging

from opentelemetry import trace

from zava.core.observations import call_under_way


def add_call_context(record: logging.LogRecord) -> bool:
    """A filter of handlers that lets every record pass, and adds what is known of the call meanwhile.

    Args:
        record: is given `principal` and `tool` during a call, `trace_id` and `span_id` in hexadecimal during a span.
    """
    if call := call_under_way.get():
        record.tool = call.tool
        if call.principal:
            record.principal = str(call.principal.principal_id)
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        record.trace_id = trace.format_trace_id(span.trace_id)
        record.span_id = trace.format_span_id(span.span_id)
    return True
