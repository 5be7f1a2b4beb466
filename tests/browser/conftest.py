"""A real browser, and the sample shop served to it.

Whatever a page says on its console as a warning or an error fails its test, and so does an exception that nobody
caught. What a security policy blocks, Chromium says on the console. Pictures go to build/pictures, or to the folder
that ZAVA_PICTURES names.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal, Protocol, TypedDict, Unpack

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Frame, Page, ViewportSize, WebError, expect, sync_playwright

from tests.e2e.conftest import SCALE, Server, start_server
from tests.postgres import reachable_folder

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
PICTURES = Path(os.environ.get("ZAVA_PICTURES") or Path(__file__).parents[2] / "build" / "pictures")


# A busy machine is no reason to fail.
expect.set_options(timeout=30_000)


class PageOptions(TypedDict, total=False):
    """Options of `Browser.new_context`."""

    color_scheme: Literal["light", "dark"]
    viewport: ViewportSize
    device_scale_factor: float
    permissions: Sequence[str]


class NewPage(Protocol):
    """Opens a page in a context of its own."""

    def __call__(self, **options: Unpack[PageOptions]) -> Page: ...


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium of the system, without a window."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        missing = f"There is no browser: none of {', '.join(CHROMIUM)} is installed."
        # Where a change is judged it must not pass unseen.
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    # Chromium refuses to put root into its sandbox.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def problems() -> list[str]:
    """What pages complained about. A test that expects a complaint looks at it, and clears it."""
    return []


@pytest.fixture
def new_page(browser: Browser, problems: list[str]) -> Iterator[NewPage]:
    """Opens pages, and fails the test when one of them, or a frame in it, complained."""

    def hear(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            problems.append(f"{message.type}: {message.text}")

    def catch(error: WebError) -> None:
        problems.append(f"uncaught: {error.error}")

    with ExitStack() as stack:

        def open_page(**options: Unpack[PageOptions]) -> Page:
            context = browser.new_context(**options)
            stack.callback(context.close)
            context.on("console", hear)
            context.on("weberror", catch)
            return context.new_page()

        yield open_page
    assert problems == []


@pytest.fixture(scope="session")
def served_shop() -> Iterator[Server]:
    """The sample shop, small, served over HTTP; products are found by words."""
    with reachable_folder() as folder:
        server = start_server(folder / "shop", "--scale", SCALE)
        yield server
        assert server.stop() == 0


def accessibility_problems(page: Page | Frame) -> str:
    """What axe finds amiss in the page as it is now; nothing when all is well."""
    results = Axe().run(page)
    return str(results.generate_report()) if results.violations_count else ""


def take_picture(page: Page, name: str) -> None:
    """Keeps a picture of the whole page for people to look at."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
