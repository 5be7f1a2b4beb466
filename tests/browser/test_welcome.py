"""The sample shop's page, as somebody uses it who has just started the server."""

import json
import re
from collections.abc import Sequence
from typing import Literal

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import NewPage, accessibility_problems, take_picture
from tests.e2e.conftest import Server

SEATTLE = "Store manager Seattle"
HEAD_OFFICE = "Head office"
STORES = {"Seattle", "Bellevue", "Tacoma", "Spokane", "Everett", "Redmond", "Kirkland", "Online"}
THEMES: Sequence[Literal["light", "dark"]] = ("light", "dark")


def opened(page: Page, server: Server) -> Page:
    page.goto(server.url.removesuffix("/mcp") + "/")
    expect(page.locator("#health")).to_have_text("Healthy")
    return page


@pytest.fixture
def page(new_page: NewPage, served_shop: Server) -> Page:
    """The page, as it is when it has just been opened."""
    return opened(new_page(permissions=["clipboard-read", "clipboard-write"]), served_shop)


def be(page: Page, name: str) -> None:
    page.get_by_role("radio", name=name).check()


def ask(page: Page, name: str) -> Locator:
    """The answer to this person."""
    be(page, name)
    page.get_by_role("button", name=f"Ask as {name}", exact=True).click()
    return answer_to(page, name)


def answer_to(page: Page, name: str) -> Locator:
    answer = page.get_by_role("article", name=f"Answer to {name}", exact=True)
    expect(answer).to_be_visible()
    return answer


def choose(page: Page, kind: str) -> None:
    page.get_by_text(kind, exact=True).click()


def first_column(answer: Locator) -> list[str]:
    return answer.locator("tbody td:first-child").all_inner_texts()


def test_it_tells_what_is_running(page: Page, served_shop: Server) -> None:
    running = page.get_by_role("region", name="What is running")
    expect(running.get_by_text(served_shop.url, exact=True)).to_be_visible()
    for part in ("Database", "Schema version", "Row security", "Catalogs", "Embeddings"):
        expect(running.get_by_role("listitem").filter(has_text=part)).to_have_text(f"{part}healthy")


def test_the_same_sql_gives_two_people_different_rows(page: Page) -> None:
    assert first_column(ask(page, SEATTLE)) == ["Seattle"]
    page.get_by_role("button", name=f"Ask the same as {HEAD_OFFICE}").click()
    assert set(first_column(answer_to(page, HEAD_OFFICE))) == STORES
    assert first_column(answer_to(page, SEATTLE)) == ["Seattle"]
    expect(page.locator("#verdict")).to_have_text(f"The same question: 1 row for {SEATTLE}; 8 rows for {HEAD_OFFICE}.")
    expect(page.get_by_role("radio", name=HEAD_OFFICE)).to_be_checked()


def test_another_question_clears_the_answers_to_the_one_before(page: Page) -> None:
    ask(page, SEATTLE)
    page.get_by_role("button", name="Only Tacoma").click()
    answer = ask(page, "Store manager Bellevue")
    expect(answer.get_by_text("No rows: nothing like that in these stores.")).to_be_visible()
    expect(page.get_by_role("article")).to_have_count(1)


def test_what_is_refused_is_told_in_words(page: Page) -> None:
    page.get_by_role("button", name="Change something").click()
    expect(ask(page, HEAD_OFFICE)).to_contain_text("Only a SELECT can be run.")
    choose(page, "Store performance")
    page.get_by_label("Store", exact=True).select_option("Tacoma")
    expect(ask(page, SEATTLE)).to_contain_text("This store is not among yours. You may ask for: Seattle.")


def test_store_performance_is_that_of_ones_own_stores(page: Page) -> None:
    choose(page, "Store performance")
    page.get_by_label("Period").select_option("all_time")
    seattle, chain = ask(page, SEATTLE), ask(page, HEAD_OFFICE)
    expect(seattle.locator("dl > div")).to_have_count(9)
    assert 0 < revenue(seattle) < revenue(chain)
    take_picture(page, "welcome-performance")
    assert accessibility_problems(page) == ""


def test_a_change_is_told_by_an_arrow_and_without_a_sign(page: Page) -> None:
    choose(page, "Store performance")
    changes = ask(page, HEAD_OFFICE).locator("dd.change").all_inner_texts()
    assert [text for text in changes if not re.fullmatch(r"[▲▼=] [\d,.]+( %| points)?", text)] == []
    assert changes


def test_amounts_of_a_column_have_cents_when_one_of_them_has(page: Page) -> None:
    page.get_by_label("One SELECT").fill("SELECT * FROM (VALUES (1.5), (20000.25), (3)) AS sold (amount)")
    assert first_column(ask(page, SEATTLE)) == ["1.50", "20,000.25", "3.00"]


def revenue(answer: Locator) -> float:
    figure = answer.locator("dl > div").filter(has=answer.page.get_by_text("Revenue", exact=True)).locator("dd").first
    text = figure.inner_text()
    assert re.fullmatch(r"\$[\d,]+\.\d\d", text), text
    return float(text[1:].replace(",", ""))


def test_a_product_is_found_with_the_stock_of_ones_own_stores(page: Page) -> None:
    choose(page, "Product search")
    page.get_by_label("What is needed").fill("tap washers")
    first = ask(page, SEATTLE).get_by_role("list").first.get_by_role("listitem").first
    expect(first).to_contain_text("Washer")
    assert all(re.fullmatch(r"Seattle \d+", text) for text in first.locator(".own").all_inner_texts())
    expect(first.get_by_text("Bellevue: ")).to_be_visible()
    take_picture(page, "welcome-search")
    assert accessibility_problems(page) == ""


def test_what_was_sent_and_what_the_assistant_reads_can_be_looked_at(page: Page) -> None:
    answer = ask(page, SEATTLE)
    answer.get_by_text("What the assistant reads").click()
    expect(answer.get_by_text("1 row; stores: Seattle")).to_be_visible()
    answer.get_by_text("What was sent").click()
    sent = json.loads(answer.locator("pre").last.inner_text())
    assert sent["name"] == "execute_sales_query"
    assert accessibility_problems(page) == ""


def test_whatever_the_shop_holds_is_shown_as_text(page: Page) -> None:
    markup = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    page.get_by_label("One SELECT").fill(f"SELECT '{markup}' AS \"<b>name</b>\"")
    answer = ask(page, SEATTLE)
    assert first_column(answer) == [markup]
    assert answer.get_by_role("columnheader").all_inner_texts() == ["<b>name</b>"]
    expect(answer.locator("img, script, b")).to_have_count(0)


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("VS Code", '"servers"'),
        ("Cursor", '"mcpServers"'),
        ("Claude Code", "claude mcp add"),
        ("Claude Desktop", '"ZAVA_TOKEN"'),
        ("MCP Inspector", "npx @modelcontextprotocol/inspector"),
    ],
)
def test_the_configuration_of_a_client_is_copied_with_the_token_of_the_person(
    page: Page, client: str, expected: str
) -> None:
    be(page, "Store manager Tacoma")
    page.get_by_text(client, exact=True).click()
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert expected in copied
    assert "demo-store-tacoma" in copied
    assert copied == page.get_by_role("group", name="Configuration", exact=True).inner_text()


def test_where_copying_is_not_allowed_the_text_is_selected(new_page: NewPage, served_shop: Server) -> None:
    page = new_page()
    page.add_init_script("navigator.clipboard.writeText = () => Promise.reject(new Error('denied'))")
    opened(page, served_shop).get_by_role("button", name="Copy the address").click()
    expect(page.locator("#said")).to_have_text("Selected: copy it with your keyboard")
    assert page.evaluate("getSelection().toString()") == served_shop.url


def test_everything_can_be_done_with_the_keyboard_alone(page: Page) -> None:
    def press(*keys: str) -> None:
        for key in keys:
            page.keyboard.press(key)

    press("Tab")
    expect(page.get_by_role("link", name="Skip to the console")).to_be_focused()
    press("Enter", "Tab")
    expect(page.get_by_role("radio", name=SEATTLE)).to_be_focused()
    press("ArrowDown")
    expect(page.get_by_role("button", name="Ask as Store manager Bellevue")).to_be_visible()
    press("Tab")
    expect(page.get_by_role("radio", name="SQL")).to_be_focused()
    press("Tab")
    expect(page.get_by_label("One SELECT")).to_be_focused()
    press("Control+a")
    page.keyboard.type("SELECT name FROM stores")
    press("Control+Enter")
    assert first_column(answer_to(page, "Store manager Bellevue")) == ["Bellevue"]
    press(*["Tab"] * 5)
    expect(page.get_by_role("button", name="Ask as Store manager Bellevue")).to_be_focused()
    # Rows that may have to be scrolled, the two texts to unfold, then the invitation.
    press(*["Tab"] * 4)
    expect(page.get_by_role("button", name=f"Ask the same as {HEAD_OFFICE}")).to_be_focused()
    press("Enter")
    assert len(first_column(answer_to(page, HEAD_OFFICE))) == 8


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", [320, 768, 1280])
def test_it_is_accessible_in_each_theme_and_at_each_width(
    new_page: NewPage, served_shop: Server, theme: Literal["light", "dark"], width: int
) -> None:
    page = opened(new_page(color_scheme=theme, viewport={"width": width, "height": 900}), served_shop)
    assert accessibility_problems(page) == ""
    ask(page, SEATTLE)
    ask(page, HEAD_OFFICE)
    assert accessibility_problems(page) == ""
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    take_picture(page, f"welcome-{theme}-{width}")


def test_a_server_that_has_gone_away_is_noticed(page: Page, problems: list[str]) -> None:
    page.route("**/mcp", lambda route: route.abort())
    expect(ask(page, SEATTLE)).to_contain_text("The server does not answer. Is it still running?")
    assert ["net::ERR_FAILED" in problem for problem in problems] == [True]
    problems.clear()


def test_a_part_that_is_not_well_is_named(new_page: NewPage, served_shop: Server) -> None:
    page = new_page()
    told = {"status": "degraded", "parts": {"database": "healthy", "embeddings": "degraded: words only"}}
    page.route("**/health/ready", lambda route: route.fulfill(json=told))
    page.goto(served_shop.url.removesuffix("/mcp") + "/")
    expect(page.locator("#health")).to_have_text("Goes on with less")
    expect(page.get_by_text("degraded: words only")).to_be_visible()
    assert accessibility_problems(page) == ""
