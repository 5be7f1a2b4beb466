"""Whose call it is, by token."""

from uuid import UUID

import pytest

from zava.adapters.mcp.identity import KnownTokens
from zava.core.model import Principal

ADA = Principal(UUID(int=1), "Ada")
BEN = Principal(UUID(int=2), "Ben")
PEOPLE = {"token-ada": ADA, "token-ben": BEN}


async def test_a_known_token_is_accepted() -> None:
    access = await KnownTokens(PEOPLE).verify_token("token-ada")
    assert access is not None
    assert access.token == "token-ada"


async def test_what_traces_carry_of_a_caller_is_not_the_token() -> None:
    access = await KnownTokens(PEOPLE).verify_token("token-ada")
    assert access is not None
    assert (access.client_id, access.subject) == (str(ADA.principal_id), str(ADA.principal_id))


@pytest.mark.parametrize("token", ["", "token-eve", "TOKEN-ADA", "token-ada ", "token"])
async def test_any_other_token_is_not(token: str) -> None:
    assert await KnownTokens(PEOPLE).verify_token(token) is None


@pytest.mark.parametrize(
    ("stdio_token", "principal"),
    [("token-ada", ADA), ("token-ben", BEN), ("token-eve", None), ("", None), (None, None)],
)
async def test_without_a_request_the_token_of_the_environment_says_who_asks(
    stdio_token: str | None, principal: Principal | None
) -> None:
    caller = await KnownTokens(PEOPLE, stdio_token).caller()
    assert (caller.principal if caller else None) == principal


async def test_the_list_of_tokens_is_the_verifiers_own() -> None:
    people = dict(PEOPLE)
    tokens = KnownTokens(people, "token-eve")
    people["token-eve"] = BEN
    assert await tokens.caller() is None
