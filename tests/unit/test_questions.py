"""Tokens of questions: good for an hour, for whoever asked, and for nothing else."""

import json
import random
import zlib
from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests import tiny_shop
from zava.adapters.mcp.questions import LONGEST_QUESTION, LONGEST_TOKEN, REFUSAL, SignedQuestions
from zava.adapters.postgres.context import ContextKey
from zava.core.errors import NotFoundError

SEATTLE = tiny_shop.SEATTLE.principal
TACOMA = tiny_shop.TACOMA.principal
NOW = datetime(2026, 4, 1, 5, tzinfo=UTC)
TOOL = "analyze_sales"
ARGUMENTS: dict[str, Any] = {"metrics": ["revenue"], "period": "last_month", "group_by": ["category"], "totals": True}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def questions(later: timedelta = timedelta(), secret: bytes = b"a" * 32) -> SignedQuestions:
    return SignedQuestions(secret, lambda: NOW + later)


def signed(arguments: dict[str, Any] | None = None) -> str:
    token = questions().sign(SEATTLE, TOOL, ARGUMENTS if arguments is None else arguments)
    assert token is not None
    return token


def refused(token: str) -> bool:
    try:
        questions().open(SEATTLE, token)
    except NotFoundError as error:
        return error.message == REFUSAL
    return False


@pytest.mark.parametrize(
    "arguments",
    [
        ARGUMENTS,
        {},
        {"postgresql_query": "SELECT 'naïve', '李' -- \n\"quoted\"", "half": "\ud800"},
        {"filters": {"category": ["Paint", "Hand tools"]}, "limit": 10, "compare_to": None},
    ],
)
def test_a_token_says_what_was_asked(arguments: dict[str, Any]) -> None:
    assert questions().open(SEATTLE, signed(arguments)) == (TOOL, arguments)


def test_a_token_is_short_and_part_of_a_uri() -> None:
    assert len(signed()) < 60
    assert set(signed()) <= set(ALPHABET)


def test_a_token_is_good_for_an_hour_and_no_longer() -> None:
    token = signed()
    assert questions(timedelta(minutes=59)).open(SEATTLE, token)[0] == TOOL
    with pytest.raises(NotFoundError, match=REFUSAL):
        questions(timedelta(minutes=61)).open(SEATTLE, token)


def test_a_token_is_no_good_to_anybody_else() -> None:
    with pytest.raises(NotFoundError, match=REFUSAL):
        questions().open(TACOMA, signed())


def test_a_token_does_not_tell_who_asked() -> None:
    assert SEATTLE.principal_id.bytes not in urlsafe_b64decode(f"{signed()}==="[: len(signed()) + -len(signed()) % 4])


def test_a_token_of_another_server_is_refused() -> None:
    token = questions(secret=b"b" * 32).sign(SEATTLE, TOOL, ARGUMENTS)
    assert token is not None
    assert refused(token)


def test_processes_that_share_the_key_of_the_database_share_their_links_and_the_key_stays_secret() -> None:
    key = ContextKey(b"k" * 32)
    one, other = (SignedQuestions(ContextKey(b"k" * 32).derive("csv links"), lambda: NOW) for _ in range(2))
    token = one.sign(SEATTLE, TOOL, ARGUMENTS)
    assert token is not None
    assert other.open(SEATTLE, token) == (TOOL, ARGUMENTS)
    assert key.derive("csv links") not in (key.secret, key.derive("something else"))
    assert "kkk" not in repr(one)
    assert repr(key.derive("csv links")) not in repr(one)


@pytest.mark.parametrize("place", range(len(signed())))
def test_a_token_with_one_character_changed_is_refused(place: int) -> None:
    token = signed()
    others = [other for other in ALPHABET if other != token[place]]
    assert all(refused(token[:place] + other + token[place + 1 :]) for other in others)


@pytest.mark.parametrize("length", range(len(signed())))
def test_a_token_that_was_cut_is_refused(length: int) -> None:
    assert refused(signed()[:length])


@pytest.mark.parametrize(
    "written",
    ["", "{}=", "{}A", " {}", "{}\n", "\n{}", "{}é", "{}\ud800", "{0}{0}", "{}%00", "{}/../me", "A" * 1_000_000],
)
def test_a_token_that_is_written_another_way_is_refused(written: str) -> None:
    assert refused(written.format(signed()))


def test_random_tokens_are_refused() -> None:
    chance = random.Random(20260401)  # noqa: S311 - the same each time
    for _ in range(2_000):
        assert refused("".join(chance.choices(ALPHABET, k=chance.randrange(200))))


def test_pieces_of_two_tokens_are_no_token() -> None:
    one, other = signed(), signed(ARGUMENTS | {"period": "all_time"})
    assert all(refused(one[:place] + other[place:]) for place in range(1, len(one)) if one[:place] != other[:place])


def test_a_question_that_would_make_a_long_link_has_none() -> None:
    chance = random.Random(1)  # noqa: S311 - the same each time
    # Nothing to deflate in it.
    noise = "".join(chance.choices(ALPHABET, k=2_000))
    assert questions().sign(SEATTLE, "execute_sales_query", {"postgresql_query": noise}) is None
    long = f"SELECT 1 {'-- the same again, and again ' * 600}"
    token = questions().sign(SEATTLE, "execute_sales_query", {"postgresql_query": long})
    assert token is not None
    assert len(token) <= LONGEST_TOKEN


def test_a_question_that_would_not_be_opened_is_not_signed() -> None:
    """Deflated it would be short, but no more than so much of a token is inflated."""
    arguments = {"postgresql_query": "x" * LONGEST_QUESTION}
    assert len(zlib.compress(json.dumps(arguments).encode())) < LONGEST_TOKEN / 2
    assert questions().sign(SEATTLE, "execute_sales_query", arguments) is None
