"""Whatever a client sends to execute_sales_query, it is answered in the protocol's words, and the server stays well."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.e2e.conftest import Server
from tests.e2e.test_cancellation import ERAS, HttpClient, query

TEXT = "postgresql_query"
TOOL_ERRORS = {"VALIDATION_ERROR", "INVALID_QUERY", "QUERY_REFUSED", "QUERY_TIMEOUT", "QUERY_TOO_LARGE"}
# Of the program, of the server's own libraries, and of what stands around the caller's text.
INSIDE = re.compile(
    r"Traceback|File \"|INTERNAL_ERROR|Internal|psycopg|pydantic|site-packages|SELECT \* FROM \(|\bas q\b|sandbox"
)


# JSON, or nearly so, in place of the text of the query.
TEXTS = {
    "null": "null",
    "a truth": "true",
    "no number": "NaN",
    "a long number": "9" * 5000,
    "a list": '["SELECT 1"]',
    "an object": '{"sql": "SELECT 1"}',
    "an empty text": '""',
    "blanks": r'" \n\u00a0"',
    "a NUL": r'"SELECT \u0000"',
    "a lone surrogate": r'"SELECT \ud800"',
    "surrogates the wrong way round": r'"SELECT \udc00\ud800"',
    "bytes that are no text": '"SELECT \udcff"',
    "no SQL": r'"\ud83d\ude00"',
    "a nest": '{"a": ' * 50 + "1" + "}" * 50,
    "a deep nest": '{"a": ' * 900 + "1" + "}" * 900,
    "a very deep nest": '{"a": ' * 20_000 + "1" + "}" * 20_000,
    "a deep list": "[" * 50_000 + "]" * 50_000,
    "a text of too many characters": f'"{"x" * 20_001}"',
    "a text of too many bytes": f'"{"é" * 15_000}"',
    "a long text": f'"{"x" * 3_000_000}"',
    "a body that is too long": f'"{"x" * 6_000_000}"',
    "the end of the wrapper": '"SELECT 1) AS q; --"',
    "a parameter": '"SELECT $1"',
    "a long value that is wrong": f"\"SELECT '{'x' * 15_000}'::integer\"",
    "a column that is not there": '"SELECT nothing FROM orders"',
}
ARGUMENTS = {
    "no arguments": "",
    "half an object": '{"',
    "a list for all": "[]",
    "null for all": "null",
    "a text for all": '"SELECT 1"',
    "a number for all": "7",
    "none": "{}",
    "another name": '{"query": "SELECT 1"}',
    "a long name": json.dumps({"k" * 100_000: 1}),
    "many names": json.dumps(dict.fromkeys(map(str, range(20_000)))),
    "one too many": json.dumps({TEXT: "SELECT 1", "limit": 5}),
    "an empty name": json.dumps({TEXT: "SELECT 1", "": 5}),
    "a surrogate for a name": json.dumps({TEXT: "SELECT 1", "\ud800": 5}),
    "the name of a parameter of our own": json.dumps({TEXT: "SELECT 1", "principal": "x", "self": "x"}),
    **{name: f'{{"{TEXT}": {text}}}' for name, text in TEXTS.items()},
}


@pytest.fixture(scope="module")
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(timeout=60) as client:
        yield client


def post(http: httpx2.Client, server: Server, era: str, arguments: str) -> httpx2.Response:
    """What comes back for these arguments, put into the body as they are."""
    message = query(era, "")
    body = json.dumps(message).replace(json.dumps(message["params"]["arguments"]), arguments)
    headers = HttpClient(server.url, era).headers(message)
    return http.post(server.url, content=body.encode(errors="surrogateescape"), headers=headers)


def error_of(response: httpx2.Response) -> object:
    """The code of the error; None when it is an answer."""
    assert response.status_code < 500
    assert not INSIDE.search(response.text)
    assert len(response.text) < 2000
    if response.status_code == 413:
        return response.status_code
    answer: dict[str, Any] = response.json()
    if "error" in answer:
        assert answer["error"]["message"]
        return answer["error"]["code"]
    assert response.status_code == 200
    result = answer["result"]
    return result["_meta"]["zava/error"]["code"] if result["isError"] else None


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS)
def test_arguments_that_make_no_sense_are_refused_with_a_code(
    http: httpx2.Client, shop: Server, arguments: str, era: str
) -> None:
    said = len(shop.errors)
    assert error_of(post(http, shop, era, arguments)) in TOOL_ERRORS | {-32700, -32602, 413}
    assert error_of(post(http, shop, era, json.dumps({TEXT: "SELECT 1"}))) is None
    assert not [line for line in shop.errors[said:] if "Traceback" in line]


# Texts may hold surrogates here, as JSON may.
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=10), parts, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("era", ERAS)
@settings(max_examples=80, deadline=None, database=None, derandomize=True)
@given(arguments=VALUES | st.fixed_dictionaries({TEXT: VALUES}, optional={"x": VALUES}))
def test_any_arguments_are_answered_or_refused_with_a_code(
    http: httpx2.Client, shop: Server, arguments: object, era: str
) -> None:
    said = len(shop.errors)
    error = error_of(post(http, shop, era, json.dumps(arguments)))
    assert error is None or error in TOOL_ERRORS | {-32700, -32602}
    assert not [line for line in shop.errors[said:] if "Traceback" in line]
