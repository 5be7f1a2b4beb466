"""What can be entered of those who may ask, and what is said of the rest."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zava.adapters.postgres.api_tokens import hash_of, new_token
from zava.core.errors import SetupError
from zava.core.people import (
    TOOL_SCOPES,
    EnteredPerson,
    GroupRole,
    Person,
    check_group,
    check_person,
    entering,
    expiry,
    find_person,
    read_people,
    with_rights,
    without_rights,
)

STORES = ("Bellevue", "Seattle", "Tacoma")
ANN = Person("idp|ann", "Ann", "regional_manager", frozenset({"Seattle", "Tacoma"}), frozenset({"personal"}))
BO = Person("bo", "Bo", "head_office")
HEADER = "subject,name,role,stores,grants,scopes\n"
NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)


def person(**changed: object) -> Person:
    fields = {"subject": "x", "name": "X", "role": "store_manager", "stores": frozenset({"Seattle"})} | changed
    return Person(**fields)  # type: ignore[arg-type]


def reasons(text: str) -> list[str]:
    with pytest.raises(SetupError) as refused:
        read_people(text, STORES)
    return str(refused.value).splitlines()


def test_stores_are_named_however_they_are_written() -> None:
    assert check_person(person(stores=frozenset({"sEATTLE"})), STORES).stores == {"Seattle"}
    assert check_group(GroupRole("g", "regional_manager", frozenset({"tacoma"})), STORES).stores == {"Tacoma"}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"subject": ""}, "the subject must be 1 to 255 printable characters"),
        ({"subject": "x" * 256}, "the subject must be 1 to 255 printable characters"),
        ({"subject": "x "}, "the subject must be 1 to 255 printable characters"),
        ({"subject": "x\0"}, "the subject must be 1 to 255 printable characters"),
        ({"name": ""}, "the name must be 1 to 100 printable characters"),
        ({"name": "\x1b[31m"}, "the name must be 1 to 100 printable characters"),
        ({"role": "store_manger"}, "there is no role 'store_manger', the nearest is 'store_manager'"),
        ({"role": "head_office"}, "head office sees every store: leave out the stores"),
        ({"stores": frozenset()}, "a store_manager has one store; who has several is a regional_manager"),
        ({"stores": frozenset({"Seattle", "Tacoma"})}, "a store_manager has one store; who has several is"),
        ({"role": "regional_manager", "stores": frozenset()}, "a regional_manager needs a store at least"),
        ({"stores": frozenset({"Seatle"})}, "there is no store 'Seatle', the nearest is 'Seattle'"),
        ({"stores": frozenset({"Paris"})}, "there is no store 'Paris'; there are Bellevue, Seattle, Tacoma"),
        ({"grants": frozenset({"personnel"})}, "there is no grant 'personnel', the nearest is 'personal'"),
        ({"scopes": frozenset({"sales:reed"})}, "there is no scope 'sales:reed', the nearest is 'sales:read'"),
        ({"scopes": frozenset({"audit:read"})}, "there is no scope 'audit:read'"),
    ],
)
def test_who_cannot_be_entered_so_is_refused_with_the_reason(changed: dict[str, object], reason: str) -> None:
    with pytest.raises(SetupError) as refused:
        check_person(person(**changed), STORES)
    assert str(refused.value).startswith(reason)


def test_every_reason_is_given_at_once() -> None:
    with pytest.raises(SetupError) as refused:
        check_person(person(name="", stores=frozenset({"Seatle"})), STORES)
    assert str(refused.value).count("; ") == 1


def test_without_any_store_the_shop_comes_first() -> None:
    with pytest.raises(SetupError, match="import the shop first"):
        check_person(person(), ())


def test_a_group_is_given_what_a_person_could_be() -> None:
    with pytest.raises(
        SetupError, match=r"The group was given nothing: the name of the group must .*; a regional_manag"
    ):
        check_group(GroupRole("", "regional_manager"), STORES)


def test_a_file_is_read_with_what_it_leaves_out_as_by_default() -> None:
    text = (
        " Name ,SUBJECT,role,stores,scopes,grants\r\n"
        "Ann,idp|ann,regional_manager, Seattle ; tacoma;,,personal\r\n"
        "\r\n"
        '"Lee, Kim",kim,store_manager,Seattle,sales:read;products:read,\r\n'
    )
    kim = Person("kim", "Lee, Kim", "store_manager", frozenset({"Seattle"}), scopes=TOOL_SCOPES - {"sales:query"})
    assert read_people(text, STORES) == (ANN, kim)
    assert read_people("subject,name,role\nbo,Bo,head_office\n", STORES) == (BO,)
    assert read_people(HEADER, STORES) == ()


def test_the_lines_that_cannot_be_entered_are_told_by_their_numbers() -> None:
    text = f"{HEADER}a,A,boss,,,\nb,B,head_office,,,\nc,C,head_office\nb,B,head_office,,,\n"
    assert reasons(text) == [
        "Nobody was entered:",
        "line 2: there is no role 'boss'; there are head_office, regional_manager, store_manager",
        "line 4: it has 3 fields, and the first line has 6",
        "line 5: 'b' stands in the file already",
    ]


def test_a_field_of_several_lines_counts_them() -> None:
    assert reasons(f'{HEADER}a,"A\nA",head_office,,,\nb,,head_office,,,\n') == [
        "Nobody was entered:",
        "line 3: the name must be 1 to 100 printable characters",
        "line 4: the name must be 1 to 100 printable characters",
    ]


def test_of_many_lines_the_first_are_told() -> None:
    told = reasons(HEADER + ",,,,,x\n" * 50)
    assert len(told) == 22
    assert told[-1] == "… and 30 more lines"


@pytest.mark.parametrize("first", ["", "subject,name", "subject,name,role,colour", "subject,name,role,name", "a;b;c"])
def test_a_file_without_its_columns_is_refused(first: str) -> None:
    assert reasons(f"{first}\nx,y,z\n") == [
        "The first line must name the columns, each once: subject, name, role, and if wanted stores, grants, scopes."
    ]


def test_what_is_no_csv_is_refused() -> None:
    assert reasons(f'{HEADER}"a" b,c,d,,,\n')[1].startswith("line 2: it is no CSV: ")


@given(st.text())
def test_whatever_a_file_holds_it_is_read_or_refused(text: str) -> None:
    for file in (text, HEADER + text):
        try:
            people = read_people(file, STORES)
        except SetupError:
            continue
        assert all(check_person(one, STORES) == one for one in people)


def test_what_is_entered_already_is_left_alone() -> None:
    there = [EnteredPerson(ANN, disabled=True, tokens=2), EnteredPerson(BO, disabled=False, tokens=0)]
    moved = person(subject=BO.subject)
    todo = entering([ANN, moved, person()], there)
    assert (todo.new, todo.changed, todo.same) == ((person(),), (moved,), 1)


def test_rights_are_given_and_taken_one_by_one() -> None:
    poorer = without_rights(ANN, ["personal", "sales:query", "audit:read"])
    assert poorer.grants == frozenset()
    assert poorer.scopes == {"products:read", "sales:read"}
    richer = with_rights(poorer, ["audit:read", "sales:query"])
    assert richer.grants == {"audit:read"}
    assert richer.scopes == TOOL_SCOPES
    with pytest.raises(SetupError, match=r"There is no grant or scope 'Personal', the nearest is 'personal'\."):
        with_rights(ANN, ["Personal"])


@pytest.mark.parametrize(
    ("subject", "hint"), [("idp|an", "Did you mean 'idp|ann'?"), ("zz", "`zava principals list` shows who is.")]
)
def test_who_is_not_entered_is_told_with_who_may_be_meant(subject: str, hint: str) -> None:
    there = [EnteredPerson(ANN, disabled=False, tokens=0)]
    assert find_person(ANN.subject, there) is there[0]
    with pytest.raises(SetupError) as refused:
        find_person(subject, there)
    assert str(refused.value) == f"Nobody is entered as {subject!r}. {hint}"


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("90d", NOW + timedelta(days=90)),
        ("1d", NOW + timedelta(days=1)),
        ("2026-03-31", datetime(2026, 4, 1, tzinfo=UTC)),
        ("2027-06-30", datetime(2027, 7, 1, tzinfo=UTC)),
    ],
)
def test_a_token_ends_after_days_or_with_a_day(text: str, end: datetime) -> None:
    assert expiry(text, NOW) == end


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is no time to end"),
        ("soon", "is no time to end"),
        ("-3d", "is no time to end"),
        ("90", "is no time to end"),
        ("2026-02-30", "is no time to end"),
        ("9999-12-31", "is no time to end"),
        ("0d", "within 3650 days"),
        ("3651d", "within 3650 days"),
        ("2026-03-30", "within 3650 days"),
    ],
)
def test_a_token_without_an_end_in_sight_is_refused(text: str, reason: str) -> None:
    with pytest.raises(SetupError, match=reason):
        expiry(text, NOW)


def test_a_token_is_long_and_no_two_are_alike() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    for token in tokens:
        assert token.startswith("zava_")
        assert len(token) == 48
        assert hash_of(token)
        for other in (token[:-1], f"{token}x", f"{token}\ud800", f" {token}"):
            assert hash_of(other) is None
