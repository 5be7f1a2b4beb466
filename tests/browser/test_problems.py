"""The other tests here trust that a page which complains fails them."""

from playwright.sync_api import Route

from tests.browser.conftest import NewPage, accessibility_problems

POLICY = {"Content-Security-Policy": "script-src 'self'"}
PAGE = "<!doctype html><html lang=en><title>Page</title><main><h1>Page</h1>{}</main>"


def serve(body: str, page: NewPage) -> str:
    """Opens a page with this body; says what axe finds."""

    def answer(route: Route) -> None:
        route.fulfill(content_type="text/html", headers=POLICY, body=PAGE.format(body))

    opened = page()
    opened.route("**/*", answer)
    opened.goto("http://127.0.0.1/")
    return accessibility_problems(opened)


def test_a_page_that_is_well_has_no_problems(new_page: NewPage, problems: list[str]) -> None:
    assert serve("<p>All is well.</p>", new_page) == ""
    assert problems == []


def test_what_a_security_policy_blocks_is_a_problem(new_page: NewPage, problems: list[str]) -> None:
    serve("<script>alert()</script>", new_page)
    assert ["Content Security Policy" in problem for problem in problems] == [True]
    problems.clear()


def test_so_it_is_in_a_frame(new_page: NewPage, problems: list[str]) -> None:
    serve("<iframe title='Frame' srcdoc='<script>alert()</script>'></iframe>", new_page)
    assert ["Content Security Policy" in problem for problem in problems] == [True]
    problems.clear()


def test_an_exception_that_nobody_caught_is_a_problem(new_page: NewPage, problems: list[str]) -> None:
    page = new_page()
    page.goto("about:blank")
    page.evaluate("setTimeout(() => { throw new Error('lost'); }, 0)")
    page.wait_for_timeout(100)
    assert ["lost" in problem for problem in problems] == [True]
    problems.clear()


def test_a_picture_without_words_is_a_problem(new_page: NewPage) -> None:
    assert "image-alt" in serve("<img src='data:,'>", new_page)
