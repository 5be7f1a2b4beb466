"""Charts drawn for real, and the process that draws them: slow to start, apt to hang, and never in the way."""

import asyncio
import base64
import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest
from fastmcp import Client
from mcp_types import ImageContent, TextContent
from PIL import Image

from tests.charted import FEBRUARY, HOSTILE, MARCH_2025, analysis
from tests.unit.test_tools import server_for
from zava.adapters.charts.specification import COLORS, WIDTH
from zava.adapters.charts.vega_lite import VegaLiteCharts
from zava.adapters.charts.worker import draw
from zava.core.charting import chart_analysis
from zava.core.charts import Chart, Figure
from zava.core.errors import ChartError

MONTHS = [date(2026, month, 1) for month in (1, 2, 3)]
COMPARED = "revenue revenue_previous revenue_change_percent"
CHARTS: dict[str, Chart] = {
    "line": chart_analysis(
        analysis(f"month {COMPARED}", *[(month, 1e5, 9e4, 11.1) for month in MONTHS], compared=MARCH_2025)
    ),
    "lines": chart_analysis(
        analysis("month store revenue", *[(month, f"{name}", 1e5 + name) for month in MONTHS for name in range(8)])
    ),
    "columns": chart_analysis(analysis("weekday orders", *[(day, day * 10) for day in range(1, 8)])),
    "grouped columns": chart_analysis(
        analysis("year store revenue", *[(year, name, 1e5) for year in (2025, 2026) for name in ("Seattle", "Tacoma")])
    ),
    "bars": chart_analysis(analysis("category revenue", ("Paint", 100.0), ("Tools", -50.0))),
    "compared bars": chart_analysis(
        analysis(f"category {COMPARED}", ("Paint", 100.0, 80.0, 25.0), ("Tools", 50.0, 0.0, None), compared=FEBRUARY)
    ),
    "heat": chart_analysis(
        analysis("weekday hour orders", *[(day, hour, day * hour) for day in range(1, 8) for hour in range(8, 20)])
    ),
    "figures": chart_analysis(analysis("revenue orders", (498_123.45, 6_930))),
    "one figure": Chart("figures", "Title", "Subtitle", figures=(Figure("Revenue", "498,123", "▲ 12.4 %"),)),
}  # fmt: skip

# What stands in for the process that draws: it answers each line with what an expression makes of it.
ANSWER = """
import json, os, struct, sys, time
for line in sys.stdin.buffer:
    answer = str({expression}).encode()
    sys.stdout.buffer.write(struct.pack(">I", len(answer)) + answer)
    sys.stdout.buffer.flush()
"""


def worker(expression: str) -> VegaLiteCharts:
    return VegaLiteCharts([sys.executable, "-c", ANSWER.format(expression=expression)], longest_seconds=5)


def titled(title: str) -> Chart:
    return Chart("figures", title, "", figures=(Figure("Revenue", "1"),))


def runs(process: int) -> bool:
    try:
        # One that has ended, and that nobody asked about yet, does not run.
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False


async def has_ended(process: int) -> bool:
    for _ in range(100):
        if not runs(process):
            return True
        await asyncio.sleep(0.05)
    return False


@pytest.fixture
async def charts() -> AsyncIterator[VegaLiteCharts]:
    charts = VegaLiteCharts()
    yield charts
    await charts.close()


def pixels(png: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(png))
    assert picture.format == "PNG"
    return picture.convert("RGB")


def share_of_dark(picture: Image.Image) -> float:
    histogram = picture.convert("L").histogram()
    return sum(histogram[:100]) / sum(histogram)


async def test_every_mark_is_a_small_picture_of_one_width_with_something_on_its_own_background(
    charts: VegaLiteCharts,
) -> None:
    for name, chart in CHARTS.items():
        picture = await charts.draw(chart)
        drawn = pixels(picture.png)
        assert 2_000 < len(picture.png) < 60_000, name
        assert 2 * WIDTH < drawn.width <= 2 * (WIDTH + 80), name
        assert 200 < drawn.height < 1_200, name
        corners = {drawn.getpixel((x, y)) for x in (0, drawn.width - 1) for y in (0, drawn.height - 1)}
        assert all(isinstance(corner, tuple) and min(corner) >= 250 for corner in corners), name
        # The title is there, so its font was found.
        assert 0.001 < share_of_dark(drawn.crop((0, 0, drawn.width, 80))) < 0.2, name
        below = drawn.crop((0, 130, drawn.width, drawn.height))
        colors = below.getcolors(maxcolors=1 << 24)
        assert colors is not None
        assert len(colors) > 10, name
        assert picture.alt == chart.alt


async def test_a_bar_is_as_long_as_its_value_says(charts: VegaLiteCharts) -> None:
    chart = chart_analysis(analysis("category revenue", ("Paint", 100.0), ("Tools", 50.0)))
    drawn = pixels((await charts.draw(chart)).png)
    accent = tuple(int(COLORS[0][place : place + 2], 16) for place in (1, 3, 5))

    def is_accent(x: int, y: int) -> bool:
        pixel = drawn.getpixel((x, y))
        assert isinstance(pixel, tuple)
        return all(abs(one - other) < 8 for one, other in zip(pixel, accent, strict=True))

    lengths = [sum(is_accent(x, y) for x in range(drawn.width)) for y in range(drawn.height)]
    longest = max(lengths)
    shorter = max(length for length in lengths if length < longest * 0.9)
    assert longest > 500
    assert abs(shorter / longest - 0.5) < 0.02


async def test_names_that_mean_harm_are_drawn_like_any_other(charts: VegaLiteCharts) -> None:
    rows = [(name, float(place)) for place, name in enumerate(HOSTILE, 1)]
    bars = pixels((await charts.draw(chart_analysis(analysis("product revenue", *rows)))).png)
    plain = [(f"Product {place}", float(place)) for place in range(1, len(HOSTILE) + 1)]
    usual = pixels((await charts.draw(chart_analysis(analysis("product revenue", *plain)))).png)
    assert bars.size == usual.size
    lines = [(day, *row) for day in MONTHS for row in rows]
    for chart in (chart_analysis(analysis("month product revenue", *lines)), titled(HOSTILE[2]), titled(HOSTILE[1])):
        assert pixels((await charts.draw(chart)).png).height > 200


def test_nothing_that_a_specification_names_is_fetched() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/data.json"
        with pytest.raises(ValueError, match="External data url not allowed"):
            draw({"data": {"url": url}, "mark": "bar", "encoding": {"x": {"field": "x"}}})
        with pytest.raises(BlockingIOError):
            listener.accept()


async def test_a_client_gets_the_picture_its_words_and_its_specification() -> None:
    charts = VegaLiteCharts()
    async with Client(server_for(charts=charts)) as client:
        for tool, arguments in (
            ("get_store_performance", {"period": "2026-03"}),
            ("analyze_sales", {"metrics": ["revenue"], "group_by": ["category"], "period": "2026-03"}),
        ):
            result = await client.call_tool(tool, {**arguments, "chart": True})
            text, image = result.content
            assert isinstance(text, TextContent)
            assert isinstance(image, ImageContent)
            assert image.mime_type == "image/png"
            assert pixels(base64.b64decode(image.data)).width > 2 * WIDTH
            assert result.meta is not None
            assert result.meta["zava/chart"]["$schema"].endswith("v6.json")
            assert image.meta is not None
            assert f"Chart, shown: {json.dumps(image.meta['zava/alt'], ensure_ascii=False)}" in text.text
    await charts.close()


async def test_it_starts_at_the_first_chart_and_ends_when_closed() -> None:
    charts = worker("os.getpid()")
    await charts.close()
    charts = worker("os.getpid()")
    process = int((await charts.draw(titled("one"))).png)
    assert int((await charts.draw(titled("two"))).png) == process
    assert runs(process)
    await charts.close()
    assert not runs(process)
    with pytest.raises(ChartError, match="closing"):
        await charts.draw(titled("three"))


async def test_one_that_is_killed_is_replaced() -> None:
    charts = worker("os.getpid()")
    first = int((await charts.draw(titled("one"))).png)
    os.kill(first, 9)
    assert await has_ended(first)
    await asyncio.sleep(0.2)
    second = int((await charts.draw(titled("two"))).png)
    assert second != first
    await charts.close()


async def test_one_that_dies_at_a_chart_fails_that_chart_alone() -> None:
    charts = worker("os._exit(1) if b'deadly' in line else 'drawn'")
    with pytest.raises(ChartError, match="drawing failed"):
        await charts.draw(titled("deadly"))
    assert (await charts.draw(titled("harmless"))).png == b"drawn"
    await charts.close()


async def test_one_that_hangs_is_ended_in_time_and_replaced(tmp_path: Path) -> None:
    hung = tmp_path / "hung"
    hang = f"(open({str(hung)!r}, 'w').write(str(os.getpid())), time.sleep(60))"
    charts = worker(f"{hang} if b'slow' in line else 'drawn'")
    assert (await charts.draw(titled("warm"))).png == b"drawn"
    with pytest.raises(ChartError, match="takes too long at present; ask again later"):
        await charts.draw(titled("slow"))
    assert not runs(int(hung.read_text(encoding="utf-8")))
    assert (await charts.draw(titled("quick"))).png == b"drawn"
    await charts.close()


async def test_what_cannot_be_drawn_is_said_and_the_next_is_drawn() -> None:
    charts = worker("'' if b'impossible' in line else os.getpid()")
    process = (await charts.draw(titled("one"))).png
    with pytest.raises(ChartError, match="drawing failed"):
        await charts.draw(titled("impossible"))
    assert (await charts.draw(titled("two"))).png == process
    await charts.close()


async def test_a_chart_given_up_does_not_hand_its_picture_to_the_next() -> None:
    charts = worker("(time.sleep(0.5), json.loads(line)['title']['text'][0])[1]")
    first = asyncio.create_task(charts.draw(titled("first")))
    await asyncio.sleep(0.3)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await charts.draw(titled("second"))).png == b"second"
    await charts.close()


async def test_those_who_come_at_once_each_get_their_own_from_one_process() -> None:
    charts = worker("json.loads(line)['title']['text'][0] + ' ' + str(os.getpid())")
    pictures = await asyncio.gather(*(charts.draw(titled(f"title-{number}")) for number in range(20)))
    answers = [picture.png.decode().split() for picture in pictures]
    assert [title for title, _ in answers] == [f"title-{number}" for number in range(20)]
    assert len({process for _, process in answers}) == 1
    await charts.close()


async def test_it_is_told_none_of_the_servers_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZAVA_DATABASE__DSN", "host=secret")
    charts = worker("json.dumps(dict(os.environ))")
    environment = json.loads((await charts.draw(titled("one"))).png)
    assert "PYTHONPATH" in environment
    assert [name for name in environment if name.startswith("ZAVA_")] == []
    await charts.close()


@pytest.mark.parametrize("package", ["vl_convert", "PIL"])
async def test_without_the_extra_it_says_what_to_install(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ChartError, match=rf"{package} is not installed; .*pip install 'zava\[charts\]'"):
        await VegaLiteCharts().draw(titled("one"))


async def test_it_ends_with_the_server_however_that_ends() -> None:
    program = """
import asyncio, os, sys
from tests.contract.test_charts import titled, worker
print(int(asyncio.run(worker("os.getpid()").draw(titled("one"))).png), flush=True)
os._exit(1)
"""
    done = subprocess.run(  # noqa: ASYNC221, S603 - our own program, and nothing else to do meanwhile
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert await has_ended(int(done.stdout))
