"""What an operator sees of callers' queries is safe to show, and what callers see of an operator is clear."""

import re

import pytest

from zava.adapters.postgres.running_queries import RUN, RunningQuery, new_mark, shown
from zava.adapters.postgres.sandbox_errors import cancelled
from zava.commands.queries import in_a_line, printable
from zava.core.errors import QueryStoppedError, QueryTimeoutError

QUERY = RunningQuery(
    41, "bcd13e41-c28f-5e7d-8dca-a0ffd98fae8b", "Ada", "active", 3.14, shown("SELECT 1", new_mark()), stopped=True
)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\n-- \n", "*/\n"])
def test_a_callers_text_is_shown_in_a_comment_that_nothing_in_it_can_end(end: str) -> None:
    sent = shown(f"{end}SELECT 1{end}; DROP TABLE orders{end}", new_mark())
    assert sent.startswith(f"{RUN}-- ")
    # PostgreSQL's scanner ends a comment there, and nowhere else.
    assert not re.search(r"[\n\r]", sent.removeprefix(RUN))


def test_an_operator_reads_the_callers_own_text() -> None:
    query = shown("SELECT 1\n  FROM orders", new_mark())
    assert RunningQuery(41, "", "", "", 0, query, stopped=False).text == "SELECT 1 FROM orders"


def test_a_text_that_postgresql_cut_short_is_shown_as_it_is() -> None:
    assert RunningQuery(41, "", "", "", 0, RUN[:50], stopped=False).text == " ".join(RUN[:50].split())


def test_a_query_is_told_in_a_line() -> None:
    assert in_a_line(QUERY) == "41, active for 3.1 s: Ada (bcd13e41-c28f-5e7d-8dca-a0ffd98fae8b)"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("SELECT 'é …'", "SELECT 'é …'"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\nb\rc\x00", "a\\nb\\rc\\x00"),
        ("\u202eback\u2066", "\\u202eback\\u2066"),
        ("\x9b2J", "\\x9b2J"),
        ("\ud800", "\\ud800"),
    ],
)
def test_nothing_that_others_wrote_steers_a_terminal(text: str, seen: str) -> None:
    assert printable(text, "utf-8") == seen


def test_what_a_terminal_cannot_show_is_written_out() -> None:
    assert printable("é …", "ascii") == "\\xe9 \\u2026"


def test_before_its_time_is_up_only_an_operator_stops_a_query() -> None:
    error = cancelled(14.9, 15)
    assert isinstance(error, QueryStoppedError)
    assert (error.code, error.retryable) == ("QUERY_STOPPED", False)
    assert error.message.startswith("The query was stopped by an operator. Narrow it")


def test_when_its_time_is_up_a_query_is_told_how_long_it_ran() -> None:
    error = cancelled(15.0, 15)
    assert isinstance(error, QueryTimeoutError)
    assert error.message.startswith("The query was stopped after 15.0 seconds. Narrow it")
