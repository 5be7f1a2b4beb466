"""Writes what the pages of docs/reference say of the code: `make reference`.

A page is prose by hand, and blocks between `<!-- begin … -->` and `<!-- end -->`, which are made here. Tests hold every
page to the code, and the answers of tools to a sample shop.
"""

import argparse
import hashlib
import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import is_dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    InMemoryMetricReader,
    Metric,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NoOpTracer
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from tests.sample_answers import sample_answers
from tests.unit.test_tools import retail_tools
from zava.__main__ import app
from zava.adapters.mcp.pipeline import ToolSpec
from zava.adapters.mcp.schemas import ShortSchema
from zava.adapters.mcp.tools import RetailTools
from zava.adapters.telemetry.durations import Durations
from zava.adapters.telemetry.otlp import OpenTelemetry
from zava.adapters.telemetry.telemetry import DatabaseServer
from zava.core import errors
from zava.core.analysis import DIMENSIONS, Dimension
from zava.core.metrics import ANALYSIS_METRICS, METRICS
from zava.core.model import Principal
from zava.core.observations import Call, Coverage, QueryRun
from zava.settings import Settings

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "reference"
CONTRACTS = FOLDER / "tools.json"
BLOCK = re.compile(r"(<!-- begin (?P<name>[\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
EXAMPLE = re.compile(r"\s*Example: (\{.*\})$")
# Callers read these words of a schema, and rely on the others.
WORDS = {"description", "title"}
Answers = Mapping[str, str]


def table(head: str, rows: Iterable[tuple[str, ...]]) -> str:
    """A table of Markdown; the head has its columns between bars."""
    columns = head.split("|")
    lines = [columns, ["---"] * len(columns), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(cell.strip() for cell in line)} |\n" for line in lines)


def described(documented: type) -> dict[str, str]:
    """What a docstring says of each attribute, in one line."""
    _, _, attributes = (inspect.getdoc(documented) or "").partition("Attributes:\n")
    found = re.findall(r"^    (\w+): (.+(?:\n {5,}.+)*)", attributes, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def first_words(documented: type) -> str:
    """What a docstring begins with, in one line."""
    text, _, _ = (inspect.getdoc(documented) or "").partition("\n\n")
    return " ".join(text.split())


def settings_of(model: type[BaseModel], prefix: str = "ZAVA_") -> Iterator[tuple[str, FieldInfo]]:
    """Every environment variable of these settings, without those of their groups."""
    for name, field in model.model_fields.items():
        if not is_group(field):
            yield f"{prefix}{name.upper()}", field


def is_group(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def all_settings() -> dict[str, FieldInfo]:
    """Every environment variable that the settings read."""
    return {name: field for table_of in settings_blocks().values() for name, field in table_of}


def settings_blocks() -> dict[str, list[tuple[str, FieldInfo]]]:
    groups = {
        f"settings {name}": list(settings_of(field.annotation, f"ZAVA_{name.upper()}__"))
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }
    return groups | {"settings": list(settings_of(Settings))}


def settings_table(variables: Iterable[tuple[str, FieldInfo]]) -> str:
    return table(
        "variable | default | meaning",
        (
            (f"`{name}`", "none" if field.default is None else f"`{field.default}`", field.description or "")
            for name, field in variables
        ),
    )


def business_metrics() -> str:
    return table(
        "metric | unit | meaning | in `get_store_performance`",
        (
            (f"`{one.name}`", one.unit, one.definition, "yes" if one.name in METRICS else "no")
            for one in ANALYSIS_METRICS.values()
        ),
    )


def dimensions() -> str:
    def splits(one: Dimension) -> str:
        others = [f"`{metric.name}`" for metric in ANALYSIS_METRICS.values() if not metric.facts <= one.facts]
        return f"all but {', '.join(others)}" if others else "all"

    return table(
        "dimension | type | meaning | metrics",
        ((f"`{one.name}`", one.type, one.definition, splits(one)) for one in DIMENSIONS.values()),
    )


def telemetry_metrics() -> list[Metric]:
    """Every instrument, as it is sent after a bit of everything has happened."""
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("reference")
    durations = Durations(InstrumentationScope("reference"))
    telemetry = OpenTelemetry(NoOpTracer(), meter, durations, DatabaseServer("shop", "db.example", 5432))
    ada = Principal(UUID(int=1), "Ada")
    call = Call(datetime.now(UTC), ada, None, "find_order", None, None, Coverage(), 10, 0.1, None)
    for code in None, "AUTHORIZATION_ERROR", "BUSY":
        telemetry.observe_call(replace(call, code=code))
    telemetry.observe_query(QueryRun(ada, "find_order", ("SELECT 1",), {}, rows=None, error="57014", seconds=0.1))
    with telemetry.asking_cache("embeddings"):
        pass
    with suppress(OSError), telemetry.asking_model("openai", "a-model"):
        raise OSError
    telemetry.observe_tokens("openai", "a-model", 7)
    telemetry.rolled_up()
    telemetry.observe_request(0.1, "tools/call", "find_order", None, None)
    telemetry.observe_request(0.1, "prompts/get", None, "plan_restocking", "BUSY")
    with (
        telemetry.watching_pool("questions", lambda: {"pool_size": 3, "pool_available": 1}),
        telemetry.watching_audit(lambda: {"waiting": 3, "written": 40, "refused": 5}),
    ):
        kept = reader.get_metrics_data()
    if kept is None:
        return []
    data = durations.added_to(kept, Resource({}), AggregationTemporality.CUMULATIVE)
    return [metric for resource in data.resource_metrics for metric in resource.scope_metrics[0].metrics]


def kind_of(data: object) -> str:
    match data:
        case Histogram():
            return "histogram"
        case Gauge():
            return "gauge"
        case Sum(is_monotonic=True):
            return "counter"
    return "up-down counter"


def instruments() -> str:
    def attributes(metric: Metric) -> str:
        # In the order in which they were given, each once.
        names = dict.fromkeys(name for point in metric.data.data_points for name in point.attributes or {})
        return ", ".join(f"`{name}`" for name in names)

    return table(
        "instrument | kind, unit | attributes | counts",
        (
            (f"`{one.name}`", f"{kind_of(one.data)}, {one.unit}", attributes(one), one.description or "")
            for one in sorted(telemetry_metrics(), key=lambda metric: metric.name)
        ),
    )


def error_codes() -> dict[str, type[errors.ZavaError]]:
    """Every kind of error that has a code of its own."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ZavaError)]
    return {kind.code: kind for kind in kinds if kind is not errors.ZavaError}


def error_table() -> str:
    def row(code: str, kind: type[errors.ZavaError]) -> tuple[str, ...]:
        text, _, _ = (inspect.getdoc(kind) or "").partition("\n\nAttributes:")
        meaning, _, to_do = (" ".join(part.split()) for part in text.partition("\n\n"))
        details = "; ".join(f"`{name}`: {said.rstrip('.')}" for name, said in described(kind).items())
        return f"`{code}`", meaning, "yes" if kind.retryable else "no", to_do, details

    return table("code | meaning | retryable | what to do | details", (row(*one) for one in error_codes().items()))


def commands() -> str:
    text: str = app.generate_docs(heading_level=1)
    # The page has a title, and its readers a table of contents.
    _, _, text = text.partition("\n**Commands**:")
    # A usage has words of the program that writes it, when that was started by `python -m`.
    text = re.sub(r"^(zava .*?) -m [\w.]+", r"\1", text, flags=re.MULTILINE)
    return f"**Commands**:{text}\n"


def tool_specs() -> list[ToolSpec[Any]]:
    return [*retail_tools().specs()]


def example_of(spec: ToolSpec[Any]) -> dict[str, Any]:
    """The call that its description shows."""
    found = EXAMPLE.search(spec.description)
    example: dict[str, Any] = json.loads(found[1]) if found else {}
    return example


def examples() -> dict[str, dict[str, Any]]:
    """The call that each tool's description shows."""
    return {spec.name: example_of(spec) for spec in tool_specs()}


def type_of(schema: Mapping[str, Any]) -> str:
    """A JSON Schema in a few words."""
    if "anyOf" in schema:
        return " or ".join(type_of(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    # What lies in it has rows of its own.
    kind = schema.get("type", "object" if "$ref" in schema else "any value")
    if kind == "array":
        items = type_of(schema["items"]) if "items" in schema else "any value"
        return f"array of ({items})" if " or " in items else f"array of {items}"
    if isinstance(kind, list):
        return " or ".join(kind)
    bounds = [
        words.format(schema[key])
        for key, words in {
            "minimum": "at least {:,}",
            "maximum": "at most {:,}",
            "maxLength": "at most {:,} characters",
            "format": "{}",
        }.items()
        if key in schema
    ]
    return f"{kind} ({', '.join(bounds)})" if bounds else str(kind)


def arguments_of(spec: ToolSpec[Any]) -> str:
    properties = spec.parameters.get("properties", {})
    required = spec.parameters.get("required", ())
    if not properties:
        return "No arguments.\n"
    return table(
        "argument | type | default | meaning",
        (
            (
                f"`{name}`",
                type_of(schema),
                "required" if name in required else f"`{json.dumps(schema['default'])}`",
                schema["description"],
            )
            for name, schema in properties.items()
        ),
    )


def result_of(spec: ToolSpec[Any]) -> type:
    result: type = get_type_hints(getattr(RetailTools, spec.name))["return"]
    return result


def parts_of(hint: object) -> tuple[type | None, str]:
    """The dataclass that a value holds, and what leads from the value to it."""
    for one in (hint, *get_args(hint)):
        if isinstance(one, type) and is_dataclass(one):
            kind = get_origin(hint)
            return one, "[]." if kind is tuple else ".*." if kind is dict else "."
    return None, ""


def fields_of(result: type, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Each field of a result, and of what lies in it: where it is, its type, and what it means."""
    said = described(result)
    for name, hint in get_type_hints(result).items():
        schema = TypeAdapter(hint).json_schema(mode="serialization", schema_generator=ShortSchema)
        inner, way = parts_of(hint)
        meaning = said.get(name) or (first_words(inner) if inner else "")
        meaning = meaning[:1].upper() + meaning[1:]
        yield f"{prefix}{name}", type_of(schema), re.sub(r"\bNone\b", "null", meaning)
        if inner:
            yield from fields_of(inner, f"{prefix}{name}{way}")


def answer_table(spec: ToolSpec[Any]) -> str:
    return table(
        "field | type | meaning", ((f"`{path}`", kind, said) for path, kind, said in fields_of(result_of(spec)))
    )


def tool_list() -> str:
    return table(
        "tool | title | scope",
        (
            (f"[`{spec.name}`](#{spec.name})", spec.title, f"`{spec.scope}`" if spec.scope else "")
            for spec in tool_specs()
        ),
    )


def tool_sections(answers: Answers) -> str:
    def section(spec: ToolSpec[Any]) -> str:
        description = EXAMPLE.sub("", spec.description)
        scope = f"Scope: `{spec.scope}`." if spec.scope else "No scope: everybody may call it."
        call = json.dumps({"name": spec.name, "arguments": example_of(spec)}, ensure_ascii=False)
        return (
            f"## {spec.name}\n\n**{spec.title}.** {description}\n\n{scope}\n\n"
            f"{arguments_of(spec)}\nThe answer, as structured content:\n\n{answer_table(spec)}\nExample:\n\n"
            f"```json\n{call}\n```\n\n```text\n{answers.get(spec.name, '')}\n```\n"
        )

    return "\n".join(section(spec) for spec in tool_specs())


def answers_in(page: str) -> dict[str, str]:
    """The answers that a page shows, by tool."""
    return dict(
        re.findall(r'^```json\n\{"name": "(\w+)"[^\n]*\n```\n\n```text\n(.*?)\n```$', page, re.MULTILINE | re.DOTALL)
    )


def blocks(answers: Answers) -> dict[str, Callable[[], str]]:
    """What makes each block of the pages, by its name."""
    tables = {name: (lambda rows=rows: settings_table(rows)) for name, rows in settings_blocks().items()}
    return tables | {
        "business metrics": business_metrics,
        "dimensions": dimensions,
        "instruments": instruments,
        "errors": error_table,
        "commands": commands,
        "tool list": tool_list,
        "tools": lambda: tool_sections(answers),
    }


def filled(page: str, answers: Answers | None = None) -> str:
    """The page with its blocks made anew.

    Args:
        page: as it is.
        answers: of the tools; None for those that the page has.
    """
    made = blocks(answers_in(page) if answers is None else answers)
    return BLOCK.sub(lambda found: f"{found[1]}\n{made[found['name']]()}\n{found[3]}", page)


def pages() -> list[Path]:
    return sorted(FOLDER.glob("*.md"))


def contracts() -> dict[str, Any]:
    """What callers may rely on of each tool: names, types and bounds, and no words."""

    def bare(schema: Any) -> Any:  # noqa: ANN401 - any JSON
        if isinstance(schema, dict):
            # A property may be called description.
            named = {"properties"} & schema.keys()
            return {
                key: {name: bare(one) for name, one in value.items()} if key in named else bare(value)
                for key, value in schema.items()
                if key not in WORDS or not isinstance(value, str)
            }
        return [bare(one) for one in schema] if isinstance(schema, list) else schema

    return {
        spec.name: {
            "arguments": bare(spec.parameters),
            "answer": {path: kind for path, kind, _ in fields_of(result_of(spec))},
            "output_schema": bare(spec.output_schema),
        }
        for spec in tool_specs()
    }


def fingerprint(contract: object) -> str:
    """By which the changelog names a tool as it is."""
    return hashlib.sha256(json.dumps(contract, sort_keys=True).encode()).hexdigest()[:8]


def contracts_text() -> str:
    return json.dumps(contracts(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> None:
    """Writes every page, and the contracts of the tools."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--answers", action="store_true", help="ask the tools of a sample shop, too: takes a minute")
    answers = sample_answers(examples()) if parser.parse_args().answers else None
    for page in pages():
        page.write_text(filled(page.read_text(encoding="utf-8"), answers), encoding="utf-8")
    CONTRACTS.write_text(contracts_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
