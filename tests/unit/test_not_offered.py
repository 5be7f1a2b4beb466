"""What Zava does not have is said in one place, to people and to models, with the nearest thing it has."""

import re
from pathlib import Path

import pytest

from zava.adapters.mcp.server import INSTRUCTIONS
from zava.adapters.mcp.tools import RetailTools
from zava.core.metrics import ANALYSIS_METRICS
from zava.core.not_offered import NOT_OFFERED, NotOffered, not_offered

DOCUMENT = (Path(__file__).parents[2] / "docs" / "questions.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("forecast", "demand forecasts"),
        ("Predicted revenue", "demand forecasts"),
        ("staffing_hours", "staffing plans"),
        ("promotions", "promotions"),
        ("competitor_price", "competitors' prices"),
        ("net_profit", "profits after overheads"),
        ("EBITDA", "profits after overheads"),
        ("footfall", "visitor counts"),
    ],
)
def test_whatever_it_is_called_it_is_known_not_to_be_there(asked: str, answer: str) -> None:
    missing = not_offered(asked)
    assert missing
    assert missing.name == answer


@pytest.mark.parametrize("name", [*ANALYSIS_METRICS, "revenu", "currents", "", "'; DROP TABLE"])
def test_what_is_there_or_means_nothing_is_not_taken_for_it(name: str) -> None:
    assert not_offered(name) is None


@pytest.mark.parametrize("missing", NOT_OFFERED, ids=lambda missing: missing.name)
def test_the_nearest_thing_is_one_that_there_is(missing: NotOffered) -> None:
    tools = re.findall(r"by ([a-z]+(?:_[a-z]+)+)", missing.nearest.replace("compare_to of ", ""))
    assert tools
    assert all(hasattr(RetailTools, tool) for tool in tools)
    metrics = set(re.findall(r"\w+_\w+", missing.nearest)) - {*tools, "compare_to"}
    assert metrics <= set(ANALYSIS_METRICS)


@pytest.mark.parametrize("missing", NOT_OFFERED, ids=lambda missing: missing.name)
def test_people_and_models_are_told(missing: NotOffered) -> None:
    assert missing.name in INSTRUCTIONS
    assert f"\n| {missing.name} | " in DOCUMENT
