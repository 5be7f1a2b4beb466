"""Parts make up the whole, and two tools that are asked for one figure say the same, for everybody."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from fastmcp import Client

from tests.e2e.conftest import Server
from tests.e2e.test_answers import over_http
from zava.core.analysis import DIMENSIONS
from zava.core.metrics import ANALYSIS_METRICS, METRICS
from zava.demo.personas import PERSONAS, Persona

ADDITIVE = [name for name, metric in ANALYSIS_METRICS.items() if metric.additive]
PERIODS = ["last_month", "year_to_date", "2022-12-24..2025-01-07"]
# Two splits at once, which a store that is counted twice, or in the wrong place, would not survive.
SPLITS = [[name] for name in DIMENSIONS] + [
    ["store", "category"],
    ["year", "product_type"],
    ["region", "channel", "month"],
]

Row = dict[str, Any]


async def analyze(asking: Client[Any], metrics: list[str], period: str, group_by: list[str]) -> list[Row]:
    arguments = {"metrics": metrics, "period": period, "group_by": group_by, "limit": 1000}
    answer = (await asking.call_tool("analyze_sales", arguments)).structured_content
    assert answer is not None
    assert answer["row_count"] == answer["slices"], "the rest was cut off"
    names = [column["name"] for column in answer["columns"]]
    return [dict(zip(names, row, strict=True)) for row in answer["rows"]]


def exactly(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def splits_of(metrics: list[str], period: str) -> Iterator[tuple[list[str], list[str]]]:
    """Every way to split, and the metrics that can be split so."""
    for split in SPLITS:
        # A thousand rows at most, which three years of days are not.
        if split == ["day"] and ".." in period:
            continue
        yield (
            split,
            [name for name in metrics if all(ANALYSIS_METRICS[name].facts <= DIMENSIONS[one].facts for one in split)],
        )


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.token)
async def test_the_parts_of_every_split_make_up_the_whole(shop: Server, persona: Persona, period: str) -> None:
    async with over_http(shop, persona) as asking:
        (whole,) = await analyze(asking, ADDITIVE, period, [])
        for split, metrics in splits_of(ADDITIVE, period):
            parts = await analyze(asking, metrics, period, split)
            sums = {name: sum(Decimal(str(part[name])) for part in parts) for name in metrics}
            assert sums == {name: exactly(whole[name]) for name in metrics}, split


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.token)
async def test_the_performance_of_a_store_is_what_an_analysis_says(shop: Server, persona: Persona, period: str) -> None:
    async with over_http(shop, persona) as asking:
        by_store = {row.pop("store"): row for row in await analyze(asking, [*METRICS][:8], period, ["store"])}
        for row in await analyze(asking, [*METRICS][8:], period, ["store"]):
            by_store[row.pop("store")] |= row
        (together,) = await analyze(asking, [*METRICS][:8], period, [])
        (rest,) = await analyze(asking, [*METRICS][8:], period, [])
        assert set(by_store) <= (set(persona.stores) or set(by_store))
        for store, analysis in {**by_store, None: together | rest}.items():
            answer = await asking.call_tool(
                "get_store_performance", {"period": period} | ({"store": store} if store else {})
            )
            assert answer.structured_content is not None
            metrics = answer.structured_content["metrics"]
            performance = {name: exactly(change["value"]) for name, change in metrics.items()}
            assert performance == {name: exactly(value) for name, value in analysis.items()}, store
