"""A chart as a Vega-Lite specification: plain JSON that any Vega-Lite can draw.

Names are data, never expressions or keys, so that nothing in them is carried out, and two that are alike stay two.
"""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any, TypeAlias

from zava.core.charts import Chart, Figure, Series

Json: TypeAlias = dict[str, Any]

# The one font that the drawing library brings along: another draws no text, and says nothing.
FONT = "Liberation Sans"
# Every picture is as wide, in pixels at their single size.
WIDTH = 640
LINE_HEIGHT, COLUMN_HEIGHT, BAR_HEIGHT, TILE_HEIGHT = 270, 250, 34, 78
AXIS_WIDTH = 46
MOST_TILES, FEWEST_TILES = 4, 3
MOST_TICKS, MONTH_STEPS, MOST_MARKED_DAYS = 8, (1, 2, 3, 4, 6, 12), 62
# Beyond so many points a bold line is a blot.
MOST_BOLD_POINTS = 120
# Of a character at the end of a line, and of one before a bar; a name that is wider still is cut.
CHARACTER_WIDTH, LONGEST_NAME, NAME_SPACE = 7.0, 210, 9

# A light card of its own, so that it reads on a light and on a dark window.
BACKGROUND, TEXT, MUTED, GRID = "#ffffff", "#1b1f24", "#59636e", "#e4e8ec"
ACCENT, GHOST, GHOST_LINE = "#0b62b0", "#c3cad2", "#8b95a1"
# Told apart with any colour vision, by lightness too (after Okabe and Ito); and by a name at each line.
COLORS = (ACCENT, "#d4760c", "#1a9070", "#a8478f", "#22282f")
# From light to dark, so that it needs no colour.
HEAT = ("#edf2f8", "#8fb8de", ACCENT, "#06305a")
SUBTITLE_CHARACTERS, TITLE_CHARACTERS = 112, 72

# Room beyond the highest and lowest value, and between two names at the ends of lines, as parts of the height.
HEADROOM = 0.08
NAME_GAP = 16 / LINE_HEIGHT
# Bars leave the right of the picture to their notes.
NOTE_WIDTH = 130


def specify(chart: Chart) -> Json:
    """The specification of a chart."""
    views = []
    if chart.figures:
        views.append(_tiles(chart.figures))
    if chart.series:
        views.append({"line": _lines, "columns": _columns, "bars": _bars, "heat": _heat}[chart.mark](chart))
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": chart.alt,
        "background": BACKGROUND,
        "padding": {"left": 20, "right": 20, "top": 18, "bottom": 16},
        "title": {
            "text": textwrap.wrap(chart.title, TITLE_CHARACTERS),
            "subtitle": textwrap.wrap(chart.subtitle, SUBTITLE_CHARACTERS),
        },
        "config": _config(),
        "spacing": 12,
        "vconcat": views,
    }


def _config() -> Json:
    return {
        "font": FONT,
        "view": {"stroke": None},
        "title": {
            "anchor": "start",
            "frame": "bounds",
            "fontSize": 18,
            "fontWeight": 600,
            "color": TEXT,
            "subtitleColor": MUTED,
            "subtitleFontSize": 12.5,
            "subtitlePadding": 6,
            "offset": 16,
        },
        "axis": {
            "labelColor": MUTED,
            "labelFontSize": 12,
            "gridColor": GRID,
            "domainColor": GRID,
            "tickColor": GRID,
            "labelPadding": 6,
            "title": None,
        },
        "text": {"color": TEXT, "fontSize": 12},
    }


def _tiles(figures: Sequence[Figure]) -> Json:
    """Numbers side by side: a name, the figure, and a note below it."""
    # One more than fits is squeezed in, rather than left alone in a second row.
    across = min(len(figures), MOST_TILES + (len(figures) == MOST_TILES + 1))
    rows = -(-len(figures) // across)
    step = WIDTH / max(across, FEWEST_TILES)
    data = [
        {
            "x": place % across * step,
            "y": place // across * TILE_HEIGHT,
            "name": figure.name,
            "value": figure.value,
            "note": figure.note,
        }
        for place, figure in enumerate(figures)
    ]

    def text(field: str, below: int, **style: object) -> Json:
        return {
            "mark": {"type": "text", "align": "left", "baseline": "top", "dy": below, **style},
            "encoding": {"text": {"field": field}},
        }

    place = {"type": "quantitative", "axis": None}
    return {
        "width": WIDTH,
        "height": rows * TILE_HEIGHT,
        "data": {"values": data},
        "encoding": {
            "x": {"field": "x", **place, "scale": {"domain": [0, WIDTH], "nice": False}},
            "y": {"field": "y", **place, "scale": {"domain": [0, rows * TILE_HEIGHT], "nice": False, "reverse": True}},
        },
        "layer": [
            text("name", 0, color=MUTED, fontSize=12),
            text("value", 17, fontSize=24 if across > 1 else 34, fontWeight=600),
            text("note", 47 if across > 1 else 56, color=MUTED, fontSize=12.5),
        ],
    }


def _bars(chart: Chart) -> Json:
    """Horizontal bars with their names before them and their notes behind; what was before lies wider below."""
    now, before = chart.series[0], next((series for series in chart.series if series.before), None)
    values = [float(value) for one in chart.series for value in one.values if value is not None]
    least, most = min(0.0, *values), max(0.0, *values)
    data = [
        {
            "place": place,
            "name": str(label),
            "value": _float(value),
            "note": note,
            "before": _float(before.values[place]) if before else None,
            "end": max(0.0, *(_float(one.values[place]) or 0.0 for one in chart.series)),
        }
        for place, (label, value, note) in enumerate(zip(chart.labels, now.values, chart.notes, strict=True))
    ]
    x = {
        "type": "quantitative",
        "axis": None,
        "scale": {
            "domain": [least, most if most > least else least + 1],
            "range": [_name_width(map(str, chart.labels)) + NAME_SPACE, WIDTH - NOTE_WIDTH],
            "nice": False,
        },
    }
    bar = {"type": "bar", "cornerRadiusEnd": 2}
    ghost = {
        "mark": bar | {"color": GHOST, "height": {"band": 0.82}},
        "encoding": {"x": {"field": "before", **x}},
    }
    return {
        "width": WIDTH,
        "height": {"step": BAR_HEIGHT},
        "data": {"values": data},
        "encoding": {"y": {"field": "place", "type": "ordinal", "axis": None}},
        "layer": [
            *([ghost] if before else []),
            {
                "mark": bar | {"color": ACCENT, "height": {"band": 0.46 if before else 0.68}},
                "encoding": {"x": {"field": "value", **x}},
            },
            {
                "mark": {"type": "text", "align": "left", "fontSize": 13, "limit": LONGEST_NAME},
                "encoding": {"x": {"value": 0}, "text": {"field": "name"}},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 8, "fontSize": 12.5},
                "encoding": {"x": {"field": "end", **x}, "text": {"field": "note"}},
            },
        ],
    }


def _lines(chart: Chart) -> Json:
    """A line a series, its name at its end; what was before is grey and dashed."""
    domain = _domain(chart)
    bold = 2.5 if len(chart.labels) <= MOST_BOLD_POINTS else 1.25
    lines = [
        {
            "data": {"values": _points(chart, series)},
            "mark": {
                "type": "line",
                "color": color,
                "strokeCap": "round",
                "strokeJoin": "round",
                "strokeWidth": bold * 0.8 if series.before else bold,
                "strokeDash": [5, 4] if series.before else [1, 0],
                # A point alone is no line.
                "point": len(_points(chart, series)) == 1,
            },
        }
        for series, color in zip(chart.series, _colors(chart), strict=True)
    ]
    style = {"type": "text", "align": "left", "dx": NAME_SPACE, "fontWeight": 600, "limit": LONGEST_NAME}
    names = [
        {
            "data": {"values": [point]},
            "mark": style | {"color": color},
            "encoding": {"text": {"value": name}},
        }
        for point, name, color in _names(chart, domain)
    ]
    return {
        "width": WIDTH - AXIS_WIDTH - NAME_SPACE - _name_width(series.name for series in chart.series),
        "height": LINE_HEIGHT,
        "encoding": {
            "x": _x(chart),
            "y": {
                "field": "y",
                "type": "quantitative",
                "scale": {"domain": domain, "nice": False},
                "axis": _value_axis(chart),
            },
        },
        # Later ones lie above: the present above what was before, the largest above the smaller.
        "layer": [*reversed(lines), *names],
    }


def _columns(chart: Chart) -> Json:
    """Vertical columns, those of one label side by side, and which colour is whose above them."""
    colors = _colors(chart)
    several = len(chart.series) > 1
    columns: Json = {
        "width": WIDTH - AXIS_WIDTH,
        "height": COLUMN_HEIGHT,
        "data": {
            "values": [
                point | {"series": place}
                for place, series in enumerate(chart.series)
                for point in _points(chart, series)
            ]
        },
        "mark": {"type": "bar", "cornerRadiusEnd": 2, "width": {"band": 0.9 if several else 0.7}},
        "encoding": {
            "x": _ordinal(),
            **({"xOffset": {"field": "series", "type": "ordinal"}} if several else {}),
            "y": {
                "field": "y",
                "type": "quantitative",
                "scale": {"domain": _domain(chart), "nice": False},
                "axis": _value_axis(chart),
            },
            "color": {
                "field": "series",
                "type": "nominal",
                "scale": {"domain": list(range(len(colors))), "range": colors},
                "legend": None,
            },
        },
    }
    return {"spacing": 10, "vconcat": [_legend(chart, colors), columns]} if several else columns


def _legend(chart: Chart, colors: Sequence[str]) -> Json:
    across = 3
    keys = [
        {"x": place % across, "y": place // across, "name": series.name, "color": color}
        for place, (series, color) in enumerate(zip(chart.series, colors, strict=True))
    ]
    place = {"type": "quantitative", "axis": None}
    rows = -(-len(keys) // across)
    return {
        "width": WIDTH - AXIS_WIDTH,
        "height": 20 * rows,
        "data": {"values": keys},
        "encoding": {
            "x": {"field": "x", **place, "scale": {"domain": [0, across], "nice": False}},
            "y": {"field": "y", **place, "scale": {"domain": [-0.5, rows - 0.5], "nice": False, "reverse": True}},
        },
        "layer": [
            {
                "mark": {"type": "square", "size": 120, "opacity": 1, "xOffset": 6},
                "encoding": {"color": {"field": "color", "type": "nominal", "scale": None}},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 18},
                "encoding": {"text": {"field": "name"}},
            },
        ],
    }


def _heat(chart: Chart) -> Json:
    """A field a label and series, the darker the higher."""
    fields = [
        point | {"series": series.name, "place": place}
        for place, series in enumerate(chart.series)
        for point in _points(chart, series)
    ]
    return {
        "width": WIDTH - AXIS_WIDTH,
        "height": {"step": BAR_HEIGHT},
        "data": {"values": fields},
        "mark": {"type": "rect", "stroke": BACKGROUND, "strokeWidth": 2, "cornerRadius": 3},
        "encoding": {
            "x": _ordinal(),
            "y": {
                "field": "series",
                "type": "ordinal",
                "sort": {"field": "place"},
                "axis": {"domain": False, "ticks": False, "minExtent": AXIS_WIDTH, "maxExtent": AXIS_WIDTH},
            },
            "color": {
                "field": "y",
                "type": "quantitative",
                "scale": {"range": list(HEAT), "domainMin": 0},
                "legend": {
                    "title": None,
                    "orient": "top",
                    "gradientLength": 160,
                    "gradientThickness": 10,
                    "labelExpr": _value_axis(chart)["labelExpr"],
                    "labelColor": MUTED,
                    "tickCount": 3,
                },
            },
        },
    }


def _ordinal() -> Json:
    return {
        "field": "x",
        "type": "ordinal",
        "sort": None,
        "axis": {"labelAngle": 0, "ticks": False, "labelOverlap": True},
    }


def _x(chart: Chart) -> Json:
    labels = chart.labels
    if not isinstance(labels[0], date):
        return _ordinal()
    days = [label for label in labels if isinstance(label, date)]
    firsts = [day for day in days if day.day == 1]
    # Many days are marked by their months.
    months = len(firsts) == len(days) or (len(days) > MOST_MARKED_DAYS and len(firsts) > 1)
    marked = firsts if months else days
    step = -(-len(marked) // MOST_TICKS)
    if months:
        step = next((one for one in MONTH_STEPS if one >= step), step)
    shown = [_milliseconds(day) for day in marked][::step]
    # The first of a year has a month that is no later than the distance between two.
    text = (
        f"[utcFormat(datum.value, '%b'), datum.value == {shown[0]} || "
        f"utcFormat(datum.value, '%m') <= '{min(step, 12):02d}' ? utcFormat(datum.value, '%Y') : '']"
        if months
        else f"[utcFormat(datum.value, '%-d %b'), datum.value == {shown[0]} ? utcFormat(datum.value, '%Y') : '']"
    )
    return {
        "field": "x",
        "type": "temporal",
        "scale": {"type": "utc"},
        "axis": {"values": shown, "labelExpr": text, "grid": False, "labelFlush": False, "labelOverlap": True},
    }


def _value_axis(chart: Chart) -> Json:
    label = "abs(datum.value) < 1 ? format(datum.value, '~g') : replace(format(datum.value, '~s'), 'G', 'B')"
    if chart.unit == "percent":
        label = "format(datum.value, '~g') + ' %'"
    width = {"minExtent": AXIS_WIDTH, "maxExtent": AXIS_WIDTH}
    return {"labelExpr": label, "tickCount": 5, "domain": False, "ticks": False, **width}


def _domain(chart: Chart) -> list[float]:
    """The lowest and the highest value that is shown."""
    values = [float(value) for series in chart.series for value in series.values if value is not None] or [0.0]
    low, high = min(values), max(values)
    if chart.from_zero or chart.mark != "line":
        low, high = min(low, 0.0), max(high, 0.0)
    room = (high - low or abs(high) or 1.0) * HEADROOM
    return [low if low == 0 else low - room, high + room]


def _colors(chart: Chart) -> list[str]:
    colors = iter(COLORS)
    return [GHOST_LINE if series.before else next(colors) for series in chart.series]


def _points(chart: Chart, series: Series) -> list[Json]:
    """Those that there are: a line goes on over a day without a figure."""
    return [
        {"x": label.isoformat() if isinstance(label, date) else label, "y": float(value)}
        for label, value in zip(chart.labels, series.values, strict=True)
        if value is not None
    ]


def _name_width(names: Iterable[str]) -> float:
    return min(CHARACTER_WIDTH * max(map(len, names), default=0), LONGEST_NAME)


def _names(chart: Chart, domain: Sequence[float]) -> Iterator[tuple[Json, str, str]]:
    """Where the name of each line stands: at its end, and none upon another."""
    ends = []
    for series, color in zip(chart.series, _colors(chart), strict=True):
        points = _points(chart, series)
        if points and series.name:
            ends.append((points[-1], series.name, color))
    ends.sort(key=lambda end: end[0]["y"])
    gap = (domain[1] - domain[0]) * NAME_GAP
    for (lower, *_), (upper, *_) in pairwise(ends):
        upper["y"] = max(upper["y"], lower["y"] + gap)
    if ends:
        ends[-1][0]["y"] = min(ends[-1][0]["y"], domain[1])
    for (upper, *_), (lower, *_) in pairwise(reversed(ends)):
        lower["y"] = min(lower["y"], upper["y"] - gap)
    yield from ends


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _milliseconds(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
