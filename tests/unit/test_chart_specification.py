"""A chart as Vega-Lite: names are data, and colours are told apart."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import combinations, pairwise
from typing import Any

import pytest

from tests.charted import FEBRUARY, HOSTILE, analysis
from zava.adapters.charts.specification import BACKGROUND, COLORS, FONT, GHOST_LINE, HEAT, MUTED, TEXT, WIDTH, specify
from zava.core.charting import chart_analysis
from zava.core.charts import Chart, Figure, Series

DAYS = [date(2026, 3, day) for day in range(1, 8)]
# What names may be: data, texts of titles, and the fixed text of a mark.
TEXTS = ("values", "description", "title", "text")


def strings(value: object, within: str = "") -> Iterator[tuple[str, str]]:
    """Every string of a specification, with the outermost of the TEXTS that it lies in, or else its key."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from strings(item, within if within in TEXTS else key)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item, within)
    elif isinstance(value, str):
        yield within, value


def data_of(specification: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The rows of each view and layer that has some."""
    found = [specification["data"]["values"]] if "data" in specification else []
    for part in (*specification.get("vconcat", ()), *specification.get("layer", ())):
        found += data_of(part)
    return found


def charts_of(name: str) -> list[Chart]:
    """A chart of each mark with this name in it."""
    rows = [(name, 2.0), (f"{name}2", 1.0)]
    return [
        chart_analysis(analysis("product revenue", *rows)),
        chart_analysis(analysis("day product revenue", *[(day, *row) for day in DAYS for row in rows])),
        chart_analysis(analysis("year product revenue", *[(2026, *row) for row in rows])),
        Chart("figures", name, name, figures=(Figure(name, name, name),)),
        Chart("heat", "Title", "", labels=("1:00",), series=(Series(name, (Decimal(1),)),)),
    ]


@pytest.mark.parametrize("name", [*HOSTILE, "datum.value", "y", "place"])
def test_a_name_is_data_and_never_an_expression_or_a_field(name: str) -> None:
    plain = charts_of("Wall paint")
    for chart, other in zip(charts_of(name), plain, strict=True):
        carried_out = [text for text in strings(specify(chart)) if text[0] not in TEXTS]
        assert carried_out == [text for text in strings(specify(other)) if text[0] not in TEXTS]


@pytest.mark.parametrize("chart", charts_of("Wall paint"), ids=lambda chart: str(chart.mark))
def test_a_specification_is_plain_json_that_names_no_address_to_fetch(chart: Chart) -> None:
    specification = specify(chart)
    assert json.loads(json.dumps(specification, allow_nan=False)) == specification
    assert [text for key, text in strings(specification) if "://" in text] == [specification["$schema"]]
    assert specification["background"] == BACKGROUND
    assert specification["config"]["font"] == FONT == "Liberation Sans"
    assert specification["description"] == chart.alt


def test_names_that_are_alike_stay_two_lines() -> None:
    rows = [(day, "x" * length, 1.0) for day in DAYS for length in (100, 101)]
    assert [series.name[:3] for series in chart_analysis(analysis("day product revenue", *rows)).series] == ["xxx"] * 2


def test_names_that_are_alike_stay_two_bars() -> None:
    chart = chart_analysis(analysis("product revenue", ("x" * 100, 2.0), ("x" * 101, 1.0)))
    assert chart.labels[0] == chart.labels[1]
    (bars,) = data_of(specify(chart))
    assert [(bar["place"], bar["value"]) for bar in bars] == [(0, 2.0), (1, 1.0)]


def test_days_are_written_as_dates_and_a_line_goes_on_over_a_missing_figure() -> None:
    rows = [(DAYS[0], 40.0), (DAYS[1], 41.0), (DAYS[3], 42.0)]
    (line,) = data_of(specify(chart_analysis(analysis("day gross_margin_percent", *rows))))
    assert line == [{"x": "2026-03-01", "y": 40.0}, {"x": "2026-03-02", "y": 41.0}, {"x": "2026-03-04", "y": 42.0}]


def test_the_scale_of_sums_begins_at_nought_and_that_of_ratios_at_the_lowest() -> None:
    def lowest(column: str) -> float:
        chart = chart_analysis(analysis(f"day {column}", *[(day, 40.0 + day.day) for day in DAYS]))
        (view,) = specify(chart)["vconcat"]
        return float(view["encoding"]["y"]["scale"]["domain"][0])

    assert lowest("revenue") == 0
    assert 40 < lowest("gross_margin_percent") < 41


def days(first: date, count: int, step: int = 1) -> list[date]:
    return [first + timedelta(days=step * number) for number in range(count)]


def months(*years: int) -> list[date]:
    return [date(year, month, 1) for year in years for month in range(1, 13)]


@pytest.mark.parametrize(
    ("column", "moments", "marked"),
    [
        ("day", days(date(2026, 1, 30), 4), "30 Jan, 31 Jan, 1 Feb, 2 Feb"),
        ("day", days(date(2025, 1, 1), 365), "1 Jan, 1 Mar, 1 May, 1 Jul, 1 Sep, 1 Nov"),
        ("week", days(date(2026, 1, 5), 16, step=7), "5 Jan, 19 Jan, 2 Feb, 16 Feb, 2 Mar, 16 Mar, 30 Mar, 13 Apr"),
        ("month", months(2025)[2:8], "1 Mar, 1 Apr, 1 May, 1 Jun, 1 Jul, 1 Aug"),
        ("month", months(2024, 2025, 2026), "1 Jan, 1 Jul, 1 Jan, 1 Jul, 1 Jan, 1 Jul"),
    ],
)
def test_as_many_moments_are_marked_as_can_be_read(column: str, moments: list[date], marked: str) -> None:
    (view,) = specify(chart_analysis(analysis(f"{column} revenue", *[(at, 1.0) for at in moments])))["vconcat"]
    marks = [datetime.fromtimestamp(at / 1000, tz=UTC) for at in view["encoding"]["x"]["axis"]["values"]]
    assert ", ".join(f"{at.day} {at:%b}" for at in marks) == marked


def test_what_was_before_is_grey() -> None:
    columns = "day revenue revenue_previous revenue_change_percent"
    rows = [(day, 2.0, 1.0, 100.0) for day in DAYS]
    (view,) = specify(chart_analysis(analysis(columns, *rows, compared=FEBRUARY)))["vconcat"]
    before, now, *_ = view["layer"]
    assert (before["mark"]["color"], now["mark"]["color"]) == (GHOST_LINE, COLORS[0])
    assert before["mark"]["strokeDash"] != now["mark"]["strokeDash"]


# Whose scale begins at the lowest value, so that the names have room, and at nought, so that all crowd at the top.
@pytest.mark.parametrize("column", ["average_order_value", "revenue"])
def test_no_two_names_at_the_ends_of_lines_lie_upon_each_other(column: str) -> None:
    rows = [(day, f"Store {number}", 100.0 + number / 100) for day in DAYS for number in range(5)]
    (view,) = specify(chart_analysis(analysis(f"day store {column}", *rows)))["vconcat"]
    low, high = view["encoding"]["y"]["scale"]["domain"]
    heights = sorted(
        (layer["data"]["values"][0]["y"] - low) / (high - low) * view["height"]
        for layer in view["layer"]
        if layer["mark"]["type"] == "text"
    )
    assert len(heights) == 5
    assert all(upper - lower >= 15.9 for lower, upper in pairwise(heights))
    assert heights[-1] <= view["height"]


@pytest.mark.parametrize("count", range(1, 9))
def test_every_figure_has_a_place_of_its_own_within_the_picture(count: int) -> None:
    figures = tuple(Figure(f"Figure {number}", "1") for number in range(count))
    (tiles,) = data_of(specify(Chart("figures", "Title", "Subtitle", figures=figures)))
    places = {(tile["x"], tile["y"]) for tile in tiles}
    assert len(places) == count
    assert all(0 <= x <= WIDTH - WIDTH / 5 for x, _ in places)


def luminance(color: str) -> float:
    """Relative luminance, as WCAG defines it."""
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_texts_and_lines_stand_out_from_the_background() -> None:
    assert all(contrast(color, BACKGROUND) >= 4.5 for color in (TEXT, MUTED))
    assert all(contrast(color, BACKGROUND) >= 3 for color in (*COLORS, GHOST_LINE))


# How colours look to those who lack one kind of cone (Viénot, Brettel, Mollon 1999), in linear light.
BLINDNESS = {
    "protanopia": ((0.11238, 0.88762, 0.0), (0.11238, 0.88762, 0.0), (0.00401, -0.00401, 1.0)),
    "deuteranopia": ((0.29275, 0.70725, 0.0), (0.29275, 0.70725, 0.0), (-0.02234, 0.02234, 1.0)),
}


@pytest.mark.parametrize("kind", BLINDNESS)
def test_the_colours_of_lines_are_told_apart_without_red_or_green(kind: str) -> None:
    def seen(color: str) -> list[float]:
        channels = [(int(color[place : place + 2], 16) / 255) ** 2.2 for place in (1, 3, 5)]
        linear = [sum(part * one for part, one in zip(row, channels, strict=True)) for row in BLINDNESS[kind]]
        return [max(one, 0.0) ** (1 / 2.2) for one in linear]

    for one, other in combinations(COLORS, 2):
        distance = sum((a - b) ** 2 for a, b in zip(seen(one), seen(other), strict=True)) ** 0.5
        assert distance > 0.12, (one, other)


def test_heat_grows_darker_step_by_step() -> None:
    shades = [luminance(color) for color in HEAT]
    assert shades == sorted(shades, reverse=True)
