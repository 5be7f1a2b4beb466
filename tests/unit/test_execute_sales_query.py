"""Which texts are worth asking, and what an answer is worth."""

from dataclasses import replace
from typing import Literal

import pytest

from tests import tiny_shop
from tests.fakes import AS_OF, STORES_QUERY, FakeSandbox
from zava.core.errors import ValidationError
from zava.core.model import Principal, Table
from zava.core.use_cases.execute_sales_query import LONGEST_QUERY, ExecuteSalesQuery

SEATTLE = tiny_shop.SEATTLE.principal


class CutShort(FakeSandbox):
    def __init__(self, limit: Literal["rows", "bytes"]) -> None:
        self._limit = limit

    async def execute_sales_query(self, principal: Principal, query: str, *, for_file: bool = False) -> Table:
        return replace(await super().execute_sales_query(principal, query, for_file=for_file), truncated=self._limit)


def use_case(sandbox: FakeSandbox | None = None) -> ExecuteSalesQuery:
    return ExecuteSalesQuery(sandbox or FakeSandbox())


async def test_an_answer_says_what_it_covers() -> None:
    answer = await use_case()(SEATTLE, STORES_QUERY)
    assert answer.rows == (("Seattle", "Puget Sound"),)
    assert (answer.row_count, answer.truncated, answer.advice) == (1, None, None)
    assert (answer.stores, answer.as_of) == (("Seattle",), AS_OF)
    assert answer.seconds >= 0


@pytest.mark.parametrize(("limit", "advice"), [("rows", "LIMIT"), ("bytes", "fewer columns")])
async def test_an_answer_that_was_cut_short_says_how_to_ask_for_less(
    limit: Literal["rows", "bytes"], advice: str
) -> None:
    answer = await use_case(CutShort(limit))(SEATTLE, STORES_QUERY)
    assert answer.truncated == limit
    assert advice in (answer.advice or "")


@pytest.mark.parametrize(
    ("text", "constraint"),
    [
        ("", "write one SELECT"),
        (" \n\t", "write one SELECT"),
        ("SELECT '" + "é" * (LONGEST_QUERY // 2) + "'", "at most 20,000 bytes"),
        ("SELECT '\0'", "NUL"),
        ("SELECT '\ud800'", "half of a character"),
    ],
)
async def test_texts_that_are_not_worth_asking_are_not_asked(text: str, constraint: str) -> None:
    with pytest.raises(ValidationError, match=constraint):
        await use_case()(SEATTLE, text)
