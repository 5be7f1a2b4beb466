"""What the commands about people and tokens do, and what they say of it."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.fakes import FakePrincipalRegistry
from zava.commands.groups import remove
from zava.commands.principals import add, change, enter_all
from zava.commands.tables import print_table
from zava.commands.tokens import order_of, reservations, revoke
from zava.core.errors import SetupError
from zava.core.people import GroupRole, Person, TokenOrder, with_rights, without_rights

ANN = Person("idp|ann", "Ann", "store_manager", frozenset({"seattle"}), frozenset({"personal"}))
NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)


@pytest.fixture
def registry() -> FakePrincipalRegistry:
    return FakePrincipalRegistry()


def test_entering_somebody_says_what_they_see(registry: FakePrincipalRegistry) -> None:
    assert add(registry, ANN) == "Ann is entered: store_manager, stores Seattle; grants personal; scopes all tools."
    assert add(registry, ANN) == "Ann is entered so already."


def test_entering_somebody_again_says_what_is_another_now(registry: FakePrincipalRegistry) -> None:
    add(registry, ANN)
    said = add(registry, Person("idp|ann", "Ann A.", "head_office", scopes=frozenset({"sales:read"})))
    assert said == (
        "Ann A. is changed: name Ann → Ann A.; role store_manager → head_office; stores Seattle → all; "
        "grants personal → none; scopes products:read, sales:query, sales:read → sales:read."
    )


def test_who_cannot_be_entered_is_not(registry: FakePrincipalRegistry) -> None:
    with pytest.raises(SetupError, match=r"^Nobody was entered: there is no store 'Tacom', the nearest is 'Tacoma'\.$"):
        add(registry, Person("x", "X", "store_manager", frozenset({"Tacom"})))
    assert registry.entered == {}


def test_a_file_with_one_wrong_line_enters_nobody(registry: FakePrincipalRegistry) -> None:
    text = "subject,name,role\na,A,head_office\nb,B,boss\n"
    with pytest.raises(SetupError, match="line 3"):
        enter_all(registry, text)
    assert registry.entered == {}
    done = enter_all(registry, text.replace("boss", "head_office"))
    assert ([person.subject for person in done.new], done.changed, done.same) == (["a", "b"], (), 0)
    assert enter_all(registry, text.replace("boss", "head_office")).same == 2


def test_rights_that_are_given_and_taken_are_told(registry: FakePrincipalRegistry) -> None:
    add(registry, ANN)
    given = change(registry, "idp|ann", lambda person: with_rights(person, ["audit:read"]))
    assert given == "Ann is changed: grants personal → audit:read, personal."
    taken = change(registry, "idp|ann", lambda person: without_rights(person, ["personal", "sales:query"]))
    assert taken.startswith("Ann is changed: grants audit:read, personal → audit:read; scopes ")
    again = change(registry, "idp|ann", lambda person: without_rights(person, ["personal"]))
    assert again == "Ann is left as they were: grants audit:read; scopes products:read, sales:read."


def test_what_a_token_may_be_is_checked_before_it_is_made() -> None:
    end = NOW + timedelta(days=30)
    assert order_of("a", "till", "30d", ["sales:read"], NOW) == TokenOrder("a", "till", frozenset({"sales:read"}), end)
    assert order_of("a", "", "30d", [], NOW).scopes is None
    with pytest.raises(SetupError, match=r"There is no scope 'sale:read', the nearest is 'sales:read'\."):
        order_of("a", "", "30d", ["sale:read"], NOW)
    for name in ("x" * 101, "\x1b[31m"):
        with pytest.raises(SetupError, match="at most 100 printable characters"):
            order_of("a", name, "30d", [], NOW)


def test_a_token_is_revoked_by_its_number(registry: FakePrincipalRegistry) -> None:
    add(registry, ANN)
    for _ in range(2):
        registry.issue(order_of(ANN.subject, "", "30d", [], NOW))
    assert revoke(registry, 2) == "Token 2 of Ann is revoked: every call with it is refused from now on."
    assert [token.state for token in registry.tokens()] == ["good", "revoked"]
    with pytest.raises(SetupError, match=r"There is no token 3\."):
        revoke(registry, 3)


def test_a_group_that_was_given_nothing_has_nothing_taken(registry: FakePrincipalRegistry) -> None:
    registry.enter_group(GroupRole("chiefs", "head_office"))
    with pytest.raises(SetupError, match="'chief' is given nothing"):
        remove(registry, "chief")
    remove(registry, "chiefs")
    assert registry.groups() == []


def test_a_table_is_told_line_by_line_and_nothing_in_it_steers_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "stores"), [("\x1b[31m[bold]x[/bold]", "Seattle, " * 60), ("é", "none")])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].startswith(r"\x1b[31m[bold]x[/bold]  Seattle, Seattle")
    assert lines[1].count("Seattle") == 60


def test_a_token_that_will_not_do_all_it_was_made_for_is_told_so() -> None:
    person = Person("a", "Ann", "head_office", scopes=frozenset({"sales:read"}))
    wide = order_of("a", "", "30d", ["sales:read", "sales:query"], NOW)
    assert list(reservations(wide, person, embedded=False)) == [
        "Ann lacks sales:query, and so does the token; `zava principals grant` gives it."
    ]
    (embedded,) = reservations(order_of("a", "", "30d", [], NOW), person, embedded=True)
    assert embedded.startswith("The embedded shop is served to the people of the sample shop alone")
    assert not list(reservations(order_of("a", "", "30d", ["sales:read"], NOW), person, embedded=False))
