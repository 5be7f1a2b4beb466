"""The view of store performance, in a sandboxed frame of a client, over the sample shop as it is served."""

import json
import re
from pathlib import Path
from typing import Any, Literal, Protocol, Unpack

import httpx2
import pytest
from playwright.sync_api import Frame, FrameLocator, Locator, Page, expect

from tests.browser.conftest import NewPage, PageOptions, accessibility_problems, take_picture
from tests.e2e.conftest import Server

CLIENT = Path(__file__).with_name("app_host.html")
PERFORMANCE = "get_store_performance"
# Every month of 2025 was over when the sample shop was made.
MONTH = {"period": "2025-12"}
METRICS = 9
HOSTILE = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"
NO_CALLS: dict[str, Any] = {}
Theme = Literal["light", "dark"]


class View:
    """The view in its client, and what the client has heard of it."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page = page
        self.inside: FrameLocator = page.frame_locator("#view")
        self._origin = server.url.removesuffix("/mcp")

    def open(
        self, persona: str, arguments: dict[str, Any], *, theme: Theme = "light", locale: str = "en-US", **how: object
    ) -> "View":
        """Shows the tool's answer to these arguments."""
        address = f"{self._origin}/client"
        self.page.route(address, lambda route: route.fulfill(path=CLIENT, content_type="text/html"))
        self.page.goto(address)
        context = {"theme": theme, "locale": locale}
        self.page.evaluate(
            "how => show(how)",
            {"token": f"demo-{persona}", "tool": PERFORMANCE, "arguments": arguments, "context": context} | how,
        )
        return self

    @property
    def frame(self) -> Frame:
        frame = self.page.locator("#view").element_handle().content_frame()
        assert frame
        return frame

    @property
    def title(self) -> Locator:
        return self.inside.get_by_role("heading", level=1)

    @property
    def problem(self) -> Locator:
        return self.inside.get_by_role("alert").locator("#sentence")

    @property
    def chart(self) -> Locator:
        return self.inside.get_by_role("img")

    def tile(self, metric: str) -> Locator:
        return self.inside.get_by_role("radio", name=re.compile(f"^{re.escape(metric)} "))

    def choose(self, label: str, option: str) -> None:
        self.choice(label).select_option(label=option)

    def choice(self, label: str) -> Locator:
        return self.inside.get_by_role("combobox", name=label)

    def split_by(self, rows: str) -> None:
        self.inside.get_by_text(rows, exact=True).and_(self.inside.locator(".segment")).click()

    def rows(self) -> list[list[str]]:
        """The words of the table, row by row."""
        return [row.locator("th, td").all_inner_texts() for row in self.inside.get_by_role("row").all()]

    def settled(self) -> "View":
        """Waits until nothing is being loaded."""
        expect(self.inside.locator("[aria-busy=true]")).to_have_count(0)
        return self

    def calls(self) -> list[dict[str, Any]]:
        heard: list[dict[str, Any]] = self.page.evaluate("heard")
        return [message["params"] for message in heard if message.get("method") == "tools/call"]


class NewView(Protocol):
    """Opens a page of its own for a view."""

    def __call__(self, **options: Unpack[PageOptions]) -> View: ...


@pytest.fixture
def new_view(new_page: NewPage, served_shop: Server) -> NewView:
    def new(**options: Unpack[PageOptions]) -> View:
        return View(new_page(**options), served_shop)

    return new


@pytest.fixture
def view(new_view: NewView) -> View:
    return new_view(viewport={"width": 800, "height": 1300})


def answer_of(server: Server, persona: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """A tool's own answer, without a view."""
    version = "2026-07-28"
    headers = {
        "Authorization": f"Bearer demo-{persona}",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": version,
        "Mcp-Method": "tools/call",
        "Mcp-Name": tool,
    }
    meta = {
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments, "_meta": meta},
    }
    answer: dict[str, Any] = httpx2.post(server.url, headers=headers, json=body).json()["result"]
    return answer


def dollars(amount: float, beside: float = 0) -> str:
    """As the view writes amounts: with cents while they, and those beside them, are below a thousand."""
    return f"${amount:,.2f}" if max(abs(amount), beside) < 1000 else f"${amount:,.0f}"


def test_the_first_answer_is_shown_without_a_call_of_the_views_own(view: View, served_shop: Server) -> None:
    view.open("store-seattle", MONTH, capabilities=NO_CALLS)
    answer = answer_of(served_shop, "store-seattle", PERFORMANCE, MONTH)["structuredContent"]
    expect(view.title).to_have_text("Seattle: December 2025")
    expect(view.inside.get_by_role("status")).to_have_text(
        re.compile("Dec 1 – 31, 2025, compared with Nov 1 – 30, 2025")
    )
    expect(view.inside.get_by_role("radio").and_(view.inside.locator("[name=metric]"))).to_have_count(METRICS)
    revenue = answer["metrics"]["revenue"]
    expect(view.inside.locator(".tile").first).to_contain_text(dollars(revenue["value"]))
    expect(view.inside.locator(".tile").first).to_contain_text(f"{abs(revenue['change_percent']):.1f} %")
    expect(view.inside.get_by_text("Target ")).to_contain_text(dollars(answer["target"]["revenue_target"]))
    assert view.inside.get_by_role("listitem").all_inner_texts() == [one["text"] for one in answer["insights"]]
    best = answer["top_categories"][0]
    assert view.rows()[1][:2] == [best["name"], dollars(best["revenue"], beside=revenue["value"])]
    assert view.calls() == []


def test_without_calls_of_tools_the_view_offers_none(view: View) -> None:
    view.open("head-office", MONTH, capabilities=NO_CALLS)
    expect(view.inside.get_by_text("lets no view ask for others")).to_be_visible()
    expect(view.tile("Orders")).to_be_disabled()
    expect(view.choice("Period")).to_be_hidden()
    expect(view.chart).to_be_hidden()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [800, 390])
def test_the_view_is_accessible_and_looks_well(new_view: NewView, theme: Theme, width: int) -> None:
    view = new_view(viewport={"width": width, "height": 1700 if width < 480 else 1100}, color_scheme=theme)
    view.open("region-puget-sound", MONTH, theme=theme)
    expect(view.chart).to_be_visible()
    view.settled()
    dark = view.frame.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (theme == "dark")
    assert accessibility_problems(view.frame) == ""
    # Nothing is wider than the frame, which is as high as the view.
    sizes = view.frame.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    box = view.page.locator("#view").bounding_box()
    assert box
    assert (sizes[0] <= box["width"], sizes[1] <= box["height"]) == (True, True)
    take_picture(view.page, f"store_performance_{theme}_{width}")


def test_the_chart_draws_each_day_beside_the_period_before(view: View, served_shop: Server) -> None:
    view.open("store-seattle", MONTH)
    expect(view.chart).to_have_attribute("aria-label", re.compile("Line chart of revenue by day, 31 points"))
    expect(view.inside.locator("path.earlier")).to_have_count(1)
    view.inside.get_by_label("Point of the chart").focus()
    view.page.keyboard.press("Home")
    view.page.keyboard.press("ArrowRight")
    days = answer_of(
        served_shop,
        "store-seattle",
        "analyze_sales",
        {"metrics": ["revenue"], "period": "2025-12-02..2025-12-02"},
    )["structuredContent"]
    slider = view.inside.get_by_label("Point of the chart")
    expect(slider).to_have_attribute(
        "aria-valuetext", re.compile(re.escape(f"Tue, Dec 2: {dollars(days['rows'][0][0])}"))
    )
    expect(slider).to_have_attribute("aria-valuetext", re.compile("Sun, Nov 2: "))


def test_another_period_is_asked_for_and_told_to_the_model(view: View, served_shop: Server) -> None:
    view.open("store-seattle", MONTH).settled()
    view.choose("Period", "Last month")
    expect(view.title).to_have_text("Seattle: Last month")
    answer = answer_of(served_shop, "store-seattle", PERFORMANCE, {"period": "last_month"})
    revenue = answer["structuredContent"]["metrics"]["revenue"]["value"]
    expect(view.inside.locator(".tile").first).to_contain_text(dollars(revenue))
    asked = [call["arguments"] for call in view.calls() if call["name"] == PERFORMANCE]
    assert asked == [{"period": "last_month", "store": "Seattle"}]
    (told,) = view.page.evaluate("told")
    assert answer["content"][0]["text"] in told["content"][0]["text"]


def test_another_metric_changes_chart_and_table(view: View, served_shop: Server) -> None:
    view.open("store-seattle", MONTH).settled()
    view.tile("Revenue").focus()
    view.page.keyboard.press("ArrowRight")
    expect(view.tile("Returned amount")).to_be_checked()
    view.tile("Gross margin %").focus()
    view.page.keyboard.press("Space")
    expect(view.inside.get_by_role("heading", level=2).first).to_have_text(re.compile(r"^Gross margin % [\d.]+ %"))
    expect(view.chart).to_have_attribute("aria-label", re.compile("Line chart of gross margin % by day"))
    view.settled()
    arguments = {"metrics": ["gross_margin_percent"], "group_by": ["category"], **MONTH}
    best = answer_of(served_shop, "store-seattle", "analyze_sales", arguments)["structuredContent"]["rows"][0]
    assert view.rows()[0] == ["Category", "Gross margin %", "Before", "Change"]
    assert view.rows()[1][:2] == [best[0], f"{best[1]:.1f} %"]


def test_another_store_is_chosen_from_ones_own(view: View, served_shop: Server) -> None:
    view.open("region-puget-sound", MONTH).settled()
    expect(view.title).to_have_text("All my stores: December 2025")
    stores = view.choice("Store").locator("option").all_inner_texts()
    assert stores == ["All my stores", "Bellevue", "Kirkland", "Redmond", "Seattle"]
    view.choose("Store", "Redmond")
    expect(view.title).to_have_text("Redmond: December 2025")
    view.settled()
    only = {"metrics": ["revenue"], "group_by": ["category"], "filters": {"store": ["Redmond"]}, **MONTH}
    rows = answer_of(served_shop, "region-puget-sound", "analyze_sales", only)["structuredContent"]["rows"]
    revenue = sum(row[1] for row in rows)
    assert view.rows()[1][:2] == [rows[0][0], dollars(rows[0][1], beside=revenue)]
    assert view.rows()[-1][:2] == ["All together", dollars(revenue)]
    view.choose("Store", "All my stores")
    expect(view.title).to_have_text("All my stores: December 2025")


def test_the_table_lists_stores_products_and_days(view: View, served_shop: Server) -> None:
    view.open("region-puget-sound", MONTH).settled()
    view.split_by("Store")
    expect(view.inside.get_by_role("columnheader").first).to_have_text("Store")
    rows = view.rows()
    assert {row[0] for row in rows[1:-1]} == {"Bellevue", "Kirkland", "Redmond", "Seattle"}
    total = answer_of(served_shop, "region-puget-sound", PERFORMANCE, MONTH)["structuredContent"]["metrics"]["revenue"]
    assert rows[-1][:3] == ["All together", dollars(total["value"]), dollars(total["previous"], beside=total["value"])]
    view.split_by("Product")
    expect(view.inside.get_by_text(re.compile(r"The first 15 of \d+, by revenue\."))).to_be_visible()
    view.split_by("Time")
    expect(view.inside.get_by_role("rowheader").first).to_have_text("Mon, Dec 1")
    assert len(view.rows()) == 33


def test_a_year_is_drawn_by_months_and_a_day_by_hours(view: View) -> None:
    view.open("head-office", {"period": "2025"})
    expect(view.chart).to_have_attribute("aria-label", re.compile("by month, 12 points"))
    view.open("head-office", {"period": "2025-12-20..2025-12-20"})
    expect(view.chart).to_have_attribute("aria-label", re.compile("by hour"))
    # Returns have a day and no hour: the tool's own sentence stands where the chart was.
    view.inside.get_by_text("Returned amount").click()
    expect(view.inside.locator("#course-note")).to_contain_text("returned_amount")
    expect(view.chart).to_be_hidden()


def test_what_a_tool_refuses_is_a_sentence_and_the_figures_stay(view: View) -> None:
    view.open("region-puget-sound", MONTH).settled()
    # As if the store had been taken from the caller in the meantime.
    view.frame.evaluate("document.querySelector('#store option:last-child').value = 'Tacoma'")
    view.choose("Store", "Seattle")
    expect(view.problem).to_have_text(re.compile(r"^This store is not among yours\. You may ask for: Bellevue"))
    expect(view.title).to_have_text("All my stores: December 2025")
    expect(view.choice("Store")).to_have_value("")
    view.choose("Period", "Last month")
    expect(view.title).to_have_text("All my stores: Last month")
    expect(view.problem).to_be_hidden()


def test_what_may_pass_can_be_tried_again(view: View) -> None:
    view.open("store-seattle", MONTH).settled()
    refusal = {
        "isError": True,
        "content": [{"type": "text", "text": "UNAVAILABLE: The database is busy. Try again."}],
        "_meta": {"zava/error": {"code": "UNAVAILABLE", "retryable": True}},
    }
    view.page.evaluate("refusal => { held = Promise.reject(refusal); held.catch(() => {}); }", {"message": "Busy."})
    view.choose("Period", "Yesterday")
    expect(view.problem).to_have_text("Busy.")
    view.page.evaluate(
        "refusal => { ask = (ask => (...all) => { ask_again = ask; return refusal; })(ask); held = null; }", refusal
    )
    view.choose("Period", "Yesterday")
    expect(view.problem).to_contain_text("The database is busy. Try again.")
    view.page.evaluate("() => { ask = ask_again; }")
    view.inside.get_by_role("button", name="Try again").click()
    expect(view.title).to_have_text("Seattle: Yesterday")
    expect(view.problem).to_be_hidden()


def test_a_first_answer_that_is_an_error_is_a_sentence(view: View) -> None:
    view.open("store-seattle", {"period": "2025-12", "store": "Tacoma"})
    expect(view.problem).to_have_text("This store is not among yours. You may ask for: Seattle.")
    expect(view.inside.get_by_role("radio")).to_have_count(0)
    assert accessibility_problems(view.frame) == ""
    view.choose("Period", "This month")
    expect(view.title).to_have_text("Seattle: This month")


def test_an_answer_without_figures_is_shown_as_its_text(view: View) -> None:
    view.open("store-seattle", MONTH, result={"content": [{"type": "text", "text": "Words only."}]})
    expect(view.problem).to_have_text("The answer holds no figures that could be drawn.")
    expect(view.inside.get_by_text("Words only.")).to_be_visible()


def test_a_cancelled_question_is_said(view: View) -> None:
    view.open("store-seattle", MONTH, result=False)
    expect(view.inside.get_by_role("status")).to_have_text("Loading December 2025 …")
    view.page.evaluate("send('ui/notifications/tool-cancelled', {reason: 'stopped by you'})")
    expect(view.problem).to_have_text("The question was cancelled: stopped by you")


def test_while_an_answer_is_awaited_the_view_says_so_and_the_last_question_wins(view: View) -> None:
    view.open("store-seattle", MONTH).settled()
    view.page.evaluate("() => { held = new Promise(resolve => { window.release = resolve; }); }")
    view.choose("Period", "Yesterday")
    expect(view.inside.get_by_role("status")).to_have_text("Loading Seattle, Yesterday …")
    expect(view.inside.get_by_role("main")).to_have_attribute("aria-busy", "true")
    view.page.evaluate("() => { held = null; }")
    view.choose("Period", "Last month")
    expect(view.title).to_have_text("Seattle: Last month")
    view.settled()
    # The first answer comes late, and is of no interest any more.
    view.page.evaluate("release()")
    view.page.wait_for_function("() => answered === heard.filter(message => message.id && message.method).length")
    expect(view.title).to_have_text("Seattle: Last month")
    assert view.choice("Period").input_value() == "last_month"


def test_a_period_without_sales_is_said_and_not_drawn(view: View) -> None:
    view.open("store-seattle", {"period": "2019-01"})
    expect(view.inside.get_by_text("Nothing was sold on these days.")).to_have_count(2)
    expect(view.chart).to_be_hidden()


def test_names_are_text_whatever_they_hold(view: View, served_shop: Server) -> None:
    result = answer_of(served_shop, "store-seattle", PERFORMANCE, MONTH)
    answer = result["structuredContent"]
    answer["store"] = {"name": HOSTILE, "stores": [HOSTILE]}
    answer["top_categories"][0]["name"] = HOSTILE
    answer["insights"] = [{"kind": "stock", "text": HOSTILE, "numbers": {}}]
    answer["period"]["time_zone"] = HOSTILE
    view.open("store-seattle", MONTH, result=result, capabilities=NO_CALLS)
    expect(view.title).to_contain_text(HOSTILE)
    assert view.rows()[1][0] == HOSTILE
    expect(view.inside.get_by_role("listitem")).to_have_text(HOSTILE)
    assert view.frame.evaluate("[document.title, document.images.length]") == ["Store performance", 0]


def test_the_hosts_theme_and_colours_are_taken_over(view: View) -> None:
    view.open("store-seattle", MONTH).settled()
    changed = {"theme": "dark", "styles": {"variables": {"--color-background-primary": "rgb(16, 24, 32)"}}}
    view.page.evaluate("changed => send('ui/notifications/host-context-changed', changed)", changed)
    expect(view.inside.locator("html")).to_have_attribute("data-theme", "dark")
    expect(view.inside.locator("body")).to_have_css("background-color", "rgb(16, 24, 32)")
    expect(view.inside.locator("html")).to_have_css("color-scheme", "dark")
    assert accessibility_problems(view.frame) == ""


def test_figures_and_days_are_written_as_the_host_writes_them(view: View, served_shop: Server) -> None:
    view.open("store-seattle", MONTH, locale="de-DE")
    expect(view.title).to_have_text("Seattle: Dezember 2025")
    margin = answer_of(served_shop, "store-seattle", PERFORMANCE, MONTH)["structuredContent"]["metrics"]
    percent = f"{margin['gross_margin_percent']['value']:.1f} %".replace(".", ",")
    expect(view.inside.locator(".tile").filter(has_text="Gross margin %")).to_contain_text(percent)
    view.open("store-seattle", MONTH, locale="no such language")
    expect(view.title).to_have_text("Seattle: December 2025")


def test_a_stranger_is_not_listened_to(view: View) -> None:
    view.open("store-seattle", MONTH).settled()
    forged = {"jsonrpc": "2.0", "method": "ui/notifications/tool-result", "params": {"structuredContent": {}}}
    view.frame.evaluate(f"window.postMessage({json.dumps(forged)}, '*')")
    view.page.wait_for_timeout(100)
    expect(view.problem).to_be_hidden()
    expect(view.title).to_have_text("Seattle: December 2025")


def test_the_view_takes_leave_when_its_host_asks(view: View) -> None:
    view.open("store-seattle", MONTH).settled()
    view.page.evaluate(
        "document.getElementById('view').contentWindow"
        ".postMessage({jsonrpc: '2.0', id: 'bye', method: 'ui/resource-teardown', params: {}}, '*')"
    )
    view.page.wait_for_function("() => heard.some(message => message.id === 'bye' && message.result)")
