"""Dashboard, rules and documentation speak of the same metrics and alerts. Nothing here runs Prometheus or Grafana."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from opentelemetry.metrics import NoOpMeter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from tests.reference import telemetry_metrics
from zava.adapters.postgres.query_shapes import text_of
from zava.adapters.telemetry.durations import Durations
from zava.adapters.telemetry.otlp import OpenTelemetry
from zava.adapters.telemetry.telemetry import DatabaseServer
from zava.core.model import Principal
from zava.core.observations import FAILURES, QueryRun

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
METRICS = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
RULES = ROOT / "observability" / "prometheus-rules.yaml"
DASHBOARD = ROOT / "observability" / "grafana-dashboard.json"

TABLE_ROW = re.compile(r"^\| `([\w.]+)` \| ([a-z -]+), (\S+) \|([^|]*)\|", re.MULTILINE)
UNITS = {"s": "_seconds"}
WINDOWS = ("5m", "30m", "1h", "6h", "3d")
# Added by the exporter to every series.
EVERYWHERE = {"job", "instance"}
TARGETS = {"availability": 0.995, "latency": 0.95, "freshness": 0.99, "audit": 0.999}

# What PromQL has beside the names of metrics.
OPERATORS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left", "group_right"}
TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<text>"[^"]*")|(?P<duration>\d+(?:ms|[smhdwy])\b|\$__\w+)|(?P<number>\d+(?:\.\d+)?)"""
    r"""|(?P<name>[a-zA-Z_:][\w:]*)|(?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^<>=(){}\[\],:])"""
)
CLOSING = {")": "(", "}": "{", "]": "["}


@dataclass(frozen=True)
class Instrument:
    """A row of the table in the documentation."""

    name: str
    kind: str
    unit: str
    attributes: frozenset[str]

    def series(self) -> Mapping[str, set[str]]:
        """Its names in Prometheus, with the labels of each, as the collector's exporter makes them."""
        labels = {attribute.replace(".", "_") for attribute in self.attributes} | EVERYWHERE
        name = self.name.replace(".", "_") + UNITS.get(self.unit, "")
        if self.kind == "counter":
            return {name if name.endswith("_total") else f"{name}_total": labels}
        if self.kind == "histogram":
            return {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
        return {name: labels}


@dataclass(frozen=True)
class Selector:
    """A metric that an expression reads, with the labels by which it chooses."""

    metric: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Expression:
    """What a PromQL expression speaks of."""

    selectors: tuple[Selector, ...]
    groups: frozenset[str]


def tokens_of(expression: str) -> Iterator[tuple[str, str]]:
    """Kind and text of each token; signs are their own kind.

    Raises:
        ValueError: something is no token, or a bracket has no other half.
    """
    position, open_brackets = 0, []
    while position < len(expression):
        found = TOKEN.match(expression, position)
        if found is None:
            raise ValueError(f"what is {expression[position : position + 20]!r}?")
        position = found.end()
        if found.lastgroup is None:
            continue
        text = found.group()
        if text in CLOSING.values():
            open_brackets.append(text)
        elif text in CLOSING and (not open_brackets or open_brackets.pop() != CLOSING[text]):
            raise ValueError(f"{text} closes nothing")
        yield (text if found.lastgroup == "sign" else found.lastgroup), text
    if open_brackets:
        raise ValueError(f"{open_brackets[-1]} is not closed")


def read(expression: str) -> Expression:
    """Takes an expression apart as far as its metrics and labels.

    Raises:
        ValueError: it cannot be one.
    """
    tokens = [*tokens_of(expression), ("end", "")]
    selectors: list[Selector] = []
    groups: set[str] = set()
    position = 0
    while position < len(tokens) - 1:
        (kind, text), (_, following) = tokens[position], tokens[position + 1]
        position += 1
        if kind == "name" and text in {"by", "without", "on", "ignoring"}:
            closing = tokens.index((")", ")"), position)
            groups |= {name for sort, name in tokens[position:closing] if sort == "name"}
            position = closing
        elif kind == "name" and text not in OPERATORS and following not in {"(", "by", "without"}:
            labels: dict[str, str] = {}
            if following == "{":
                closing = tokens.index(("}", "}"), position)
                inside = tokens[position + 1 : closing]
                for (sort, label), (_, sign), (_, value) in zip(inside, inside[1:], inside[2:], strict=False):
                    if sort == "name":
                        labels[label] = f"{sign}{value}"
                position = closing
            selectors.append(Selector(text, labels))
    for (one, first), (other, second) in pairwise(tokens):
        if one in {"name", "number"} and other in {"name", "number", "text"} and not {first, second} & OPERATORS:
            raise ValueError(f"nothing stands between {first} and {second}")
    return Expression(tuple(selectors), frozenset(groups))


def instruments() -> list[Instrument]:
    return [
        Instrument(name, kind, unit, frozenset(re.findall(r"`([\w.]+)`", attributes)))
        for name, kind, unit, attributes in TABLE_ROW.findall(METRICS)
    ]


def series() -> Mapping[str, set[str]]:
    return {name: labels for instrument in instruments() for name, labels in instrument.series().items()}


@cache
def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def records() -> dict[str, str]:
    return {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}


@cache
def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"] if panel["type"] != "row"]


def expressions() -> dict[str, list[str]]:
    """All of them, by the rule or the panel in which they stand."""
    told = {rule.get("alert") or rule["record"]: [rule["expr"]] for rule in rules()}
    return told | {panel["title"]: [target["expr"] for target in panel["targets"]] for panel in panels()}


EXPRESSIONS = expressions()


def section(heading: str) -> str:
    """What stands under a heading, the headings below it included."""
    found = re.search(rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#{{1,2}} |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found
    return found[2]


def test_the_table_has_every_instrument() -> None:
    names = [instrument.name for instrument in instruments()]
    assert len(names) == len(set(names)) == len(telemetry_metrics())
    assert {"mcp.server.operation.duration", "query_total", "zava.audit.refused"} <= set(names)
    assert {instrument.kind for instrument in instruments()} == {"counter", "up-down counter", "gauge", "histogram"}


def traced() -> dict[str, set[str]]:
    """The attributes of each span after a bit of everything has happened, by the span's name."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("test")
    durations = Durations(InstrumentationScope("test"))
    server = DatabaseServer("shop", "db.example", 5432)
    telemetry = OpenTelemetry(tracer, NoOpMeter("test"), durations, server, text_of)
    queries = ("SELECT %(one)s", "SELECT %(two)s")
    with suppress(OSError), tracer.start_as_current_span("tools/call find_order"), telemetry.within("find_order"):
        telemetry.observe_query(
            QueryRun(
                Principal(UUID(int=1), "Ada"), "stores_of, business_settings", queries, {"one": 1}, 2, "57014", 0.1
            )
        )
        with telemetry.asking_cache("embeddings"):
            pass
        with telemetry.asking_model("openai", "text-embedding-3-small"):
            telemetry.observe_tokens("openai", "text-embedding-3-small", 7)
            raise OSError
    return {span.name: set(span.attributes or {}) for span in kept.get_finished_spans()}


def test_the_table_says_what_spans_tell() -> None:
    rows = re.findall(r"^\| `([^`]+)`[^|]* \| \w+ \| (.+) \|$", section("What each signal holds"), re.MULTILINE)
    documented = {name: set(re.findall(r"`([\w.]+)`", attributes)) for name, attributes in rows}
    # Its attributes come with the request, and are tested there.
    of_the_request = "tools/call find_order"
    assert {**traced(), of_the_request: documented[of_the_request]} == documented


@pytest.mark.parametrize(
    ("kind", "unit", "expected"),
    [
        ("counter", "s", {"zava_principal_duration_seconds_total"}),
        ("counter", "{call}", {"zava_principal_duration_total"}),
        ("gauge", "s", {"zava_principal_duration_seconds"}),
        ("up-down counter", "{row}", {"zava_principal_duration"}),
        ("histogram", "s", {f"zava_principal_duration_seconds_{part}" for part in ("bucket", "sum", "count")}),
    ],
)
def test_an_instrument_is_named_in_prometheus_as_the_exporter_does(kind: str, unit: str, expected: set[str]) -> None:
    assert set(Instrument("zava.principal.duration", kind, unit, frozenset()).series()) == expected


def test_a_counter_that_is_named_total_is_not_named_so_twice() -> None:
    assert set(Instrument("query_total", "counter", "{query}", frozenset()).series()) == {"query_total"}


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_an_expression_reads_what_there_is(where: str) -> None:
    known = {**series(), **{name: {"job"} for name in records()}}
    for expression in EXPRESSIONS[where]:
        spoken = read(expression)
        assert spoken.selectors
        labels: set[str] = set()
        for selector in spoken.selectors:
            assert selector.metric in known
            assert set(selector.labels) <= known[selector.metric]
            labels |= known[selector.metric]
        assert spoken.groups <= labels


@pytest.mark.parametrize(
    "expression",
    ["sum(rate(x_total[5m])", "sum(x))", "sum by (a (x)", 'x{a="b"', "x y", "x ? y", "x[5m}", "2 3"],
)
def test_what_is_no_expression_is_found(expression: str) -> None:
    with pytest.raises(ValueError, match=r"closes|closed|what is|nothing stands"):
        read(expression)


def test_an_expression_is_taken_apart() -> None:
    told = read('sum by (a, le) (rate(x_bucket{b=~"c|d", e!=""}[5m])) / 2 or job:y:ratio1h offset 10m > bool 3 # z')
    assert told.groups == {"a", "le"}
    assert told.selectors == (Selector("x_bucket", {"b": '=~"c|d"', "e": '!=""'}), Selector("job:y:ratio1h", {}))


def test_the_dashboard_shows_every_instrument() -> None:
    shown = [read(target["expr"]).selectors for panel in panels() for target in panel["targets"]]
    metrics = {selector.metric for selectors in shown for selector in selectors}
    assert [one.name for one in instruments() if not metrics & set(one.series())] == []


def test_panels_have_a_place_of_their_own_a_source_and_a_word_of_what_they_show() -> None:
    taken: set[tuple[int, int]] = set()
    ids = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        ids.add(panel["id"])
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["description"].endswith(".")
    assert len(ids) == len({panel["title"] for panel in panels()}) == len(panels())
    chosen = {variable["name"] for variable in json.loads(DASHBOARD.read_text(encoding="utf-8"))["templating"]["list"]}
    assert chosen == {"datasource", "job"}


def test_every_panel_that_the_documentation_names_is_there() -> None:
    named = {" ".join(name.split()) for name in re.findall(r"\*([A-Z][^*]+)\*", section("Alerts"))}
    assert len(named) > 5
    titles = [panel["title"] for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]]
    assert [name for name in named if not any(title.startswith(name) for title in titles)] == []


def test_every_alert_has_a_section_and_every_section_an_alert() -> None:
    assert re.findall(r"^### (.+)$", section("Alerts"), re.MULTILINE) == list(alerts())


@pytest.mark.parametrize("name", alerts())
def test_an_alert_says_how_grave_it_is_what_it_is_and_where_it_says_what_to_do(name: str) -> None:
    rule = alerts()[name]
    assert set(rule) - {"for"} == {"alert", "expr", "labels", "annotations"}
    assert rule["labels"] in ({"severity": "page"}, {"severity": "ticket"})
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/observability.md#{name.lower()}"
    spoken = read(rule["expr"])
    named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["description"]))
    assert named <= spoken.groups
    assert re.fullmatch(r"\d+m", rule.get("for", "0m"))


@pytest.mark.parametrize("objective", TARGETS)
def test_an_objective_is_measured_over_every_window(objective: str) -> None:
    wanted = {f"job:zava_{objective}_errors:ratio{window}" for window in WINDOWS}
    measured = {name: expression for name, expression in records().items() if f"_{objective}_errors:" in name}
    assert set(measured) == wanted
    # The same expression each time, but for its window.
    assert len({re.sub(r"\[\w+\]", "[]", expression) for expression in measured.values()}) == 1
    for name, expression in measured.items():
        assert set(re.findall(r"\[(\w+)\]", expression)) == {name.rpartition("ratio")[2]}


@pytest.mark.parametrize("objective", TARGETS)
def test_the_budget_is_what_the_documented_target_leaves(objective: str) -> None:
    (percent,) = re.findall(rf"^\| {objective} \|.*\| ([\d.]+) % \|$", section("Objectives"), re.MULTILINE)
    assert round(float(percent) / 100, 6) == TARGETS[objective]
    budget = f"{round(1 - TARGETS[objective], 6):g}"
    ratio = f"job:zava_{objective}_errors:ratio"
    fast, slow = (
        " ".join(alerts()[f"Zava{objective.capitalize()}Burns{pace}"]["expr"].split()) for pace in ("Fast", "Slowly")
    )
    assert fast == (
        f"( {ratio}1h > 14.4 * {budget} and {ratio}5m > 14.4 * {budget} ) or "
        f"( {ratio}6h > 6 * {budget} and {ratio}30m > 6 * {budget} )"
    )
    assert slow == f"{ratio}3d > 1 * {budget} and {ratio}6h > 1 * {budget}"
    (shown,) = (panel for panel in panels() if panel["title"] == objective.capitalize())
    assert shown["fieldConfig"]["defaults"]["thresholds"]["steps"][1]["value"] == TARGETS[objective]


def test_a_call_that_somebody_stopped_does_not_count_against_availability_and_every_other_failure_does() -> None:
    (failed,) = (one for one in read(records()["job:zava_calls_failed:rate5m"]).selectors if one.labels)
    assert set(failed.labels["error_type"][3:-1].split("|")) == FAILURES - {"CANCELLED", "QUERY_STOPPED"}


def test_answers_in_time_are_counted_at_a_boundary_that_both_prometheus_2_and_3_write_alike() -> None:
    (in_time,) = read(records()["job:zava_calls_in_time:rate5m"]).selectors
    # Prometheus 3 writes whole numbers as "1.0".
    assert in_time.labels["le"] == '="0.5"'
