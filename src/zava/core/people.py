"""Those who may ask, as an administrator enters them: what can be entered, one by one or from a file."""

import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches

from zava.core.errors import SetupError
from zava.core.scopes import SCOPES

ROLES = ("store_manager", "regional_manager", "head_office")
GRANTS = frozenset({"audit:read", "personal"})
# The rest of them is a grant that is a scope, too: of the tools that read the audit trail.
TOOL_SCOPES = SCOPES - GRANTS

LONGEST_SUBJECT = 255
LONGEST_NAME = 100
SUBJECT_FORM = f"must be 1 to {LONGEST_SUBJECT} printable characters, without spaces around them"
MOST_TOKEN_DAYS = 3650

COLUMNS = ("subject", "name", "role", "stores", "grants", "scopes")
NEEDED_COLUMNS = COLUMNS[:3]
SEPARATOR = ";"
MOST_REASONS = 20


@dataclass(frozen=True, slots=True)
class Person:
    """A person or a machine that may ask.

    Attributes:
        subject: what the identity provider calls them.
        role: one of ROLES.
        stores: names of the stores they see; none for head office, which sees all.
        grants: of GRANTS, what they may see beyond figures.
        scopes: of TOOL_SCOPES, the tools they may use.
    """

    subject: str
    name: str
    role: str
    stores: frozenset[str] = frozenset()
    grants: frozenset[str] = frozenset()
    scopes: frozenset[str] = TOOL_SCOPES


@dataclass(frozen=True, slots=True)
class EnteredPerson:
    """A person, and how they stand.

    Attributes:
        tokens: API tokens that are good at present.
    """

    person: Person
    disabled: bool
    tokens: int


@dataclass(frozen=True, slots=True)
class GroupRole:
    """What the members of a group of the identity provider are given.

    Attributes:
        name: what the identity provider calls the group.
        role: as of a Person; so are stores and scopes.
    """

    name: str
    role: str
    stores: frozenset[str] = frozenset()
    scopes: frozenset[str] = TOOL_SCOPES


@dataclass(frozen=True, slots=True)
class TokenOrder:
    """An API token to be issued.

    Attributes:
        subject: of the principal whose it will be.
        name: what it is for.
        scopes: those of the principal that it may use; None for all of them.
        expires_at: when it ends.
    """

    subject: str
    name: str
    scopes: frozenset[str] | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """An API token, as far as anybody may see it.

    Attributes:
        token_id: its number.
        principal: the name of whose it is.
        last_four: its last characters.
        scopes: as in TokenOrder.
        state: good, expired, revoked, or disabled as its principal is.
    """

    token_id: int
    subject: str
    principal: str
    name: str
    last_four: str
    scopes: Sequence[str] | None
    created_at: datetime
    expires_at: datetime
    state: str


@dataclass(frozen=True, slots=True)
class Entering:
    """What has to be done so that all of some people are entered as they are given.

    Attributes:
        same: how many are so already.
    """

    new: tuple[Person, ...]
    changed: tuple[Person, ...]
    same: int


def is_subject(text: str) -> bool:
    """Whether somebody may be called so. Nobody is by any other, and PostgreSQL would not take some of them."""
    return 0 < len(text) <= LONGEST_SUBJECT and text.isprintable() and text == text.strip()


def check_person(person: Person, stores: Collection[str]) -> Person:
    """The person, with the names of their stores as they are written.

    Args:
        person: to be entered.
        stores: names of all stores.

    Raises:
        SetupError: they cannot be entered so; the message gives every reason.
    """
    reasons = [*_reasons_against_names(person), *_reasons_against_role(person, stores)]
    if reasons:
        raise SetupError("; ".join(reasons))
    return replace(person, stores=_as_written(person.stores, stores))


def check_group(group: GroupRole, stores: Collection[str]) -> GroupRole:
    """The group, with the names of its stores as they are written.

    Args:
        group: to be given something.
        stores: names of all stores.

    Raises:
        SetupError: it cannot be given that; the message gives every reason.
    """
    reasons = [] if is_subject(group.name) else [f"the name of the group {SUBJECT_FORM}"]
    reasons += _reasons_against_role(group, stores)
    if reasons:
        raise SetupError(f"The group was given nothing: {'; '.join(reasons)}.")
    return replace(group, stores=_as_written(group.stores, stores))


def read_people(text: str, stores: Collection[str]) -> tuple[Person, ...]:
    """The people of a CSV file: subject, name, role, and if wanted stores, grants, scopes, several of them with ";".

    Args:
        text: the file. Its first line names the columns.
        stores: names of all stores.

    Raises:
        SetupError: some line cannot be entered; the message gives the reasons by line.
    """
    people: dict[str, Person] = {}
    reasons: list[str] = []
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = _columns(next(rows, []))
        for row in rows:
            if not "".join(row).strip():
                continue
            try:
                person = check_person(_read_person(columns, row), stores)
                if person.subject in people:
                    raise SetupError(f"{person.subject!r} stands in the file already")  # noqa: TRY301
                people[person.subject] = person
            except SetupError as reason:
                reasons.append(f"line {rows.line_num}: {reason}")
    except csv.Error as error:
        reasons.append(f"line {rows.line_num}: it is no CSV: {error}")
    if reasons:
        more = f"\n… and {len(reasons) - MOST_REASONS} more lines" if len(reasons) > MOST_REASONS else ""
        raise SetupError("Nobody was entered:\n" + "\n".join(reasons[:MOST_REASONS]) + more)
    return tuple(people.values())


def entering(people: Iterable[Person], there: Iterable[EnteredPerson]) -> Entering:
    """What has to be done to enter these people, given who is there. Whether somebody is disabled stays as it is."""
    known = {entered.person.subject: entered.person for entered in there}
    wanted = tuple(people)
    return Entering(
        new=tuple(person for person in wanted if person.subject not in known),
        changed=tuple(person for person in wanted if known.get(person.subject, person) != person),
        same=sum(known.get(person.subject) == person for person in wanted),
    )


def expiry(text: str, now: datetime) -> datetime:
    """When a token ends, of "90d" or of the last day on which it is good, such as "2027-06-30", in UTC.

    Raises:
        SetupError: it is neither, or not within ten years from now.
    """
    wrong = SetupError(
        f"{text[:20]!r} is no time to end: write days from now, as in 90d, or the last day, as in 2027-06-30."
    )
    if days := re.fullmatch(r"([0-9]{1,4})d", text):
        end = now + timedelta(days=int(days[1]))
    else:
        try:
            end = datetime.combine(date.fromisoformat(text), time(), UTC) + timedelta(days=1)
        except (ValueError, OverflowError):
            raise wrong from None
    if not now < end <= now + timedelta(days=MOST_TOKEN_DAYS):
        raise SetupError(f"A token ends after today, and within {MOST_TOKEN_DAYS} days.")
    return end


def find_person(subject: str, there: Sequence[EnteredPerson]) -> EnteredPerson:
    """The person of this subject.

    Raises:
        SetupError: there is none.
    """
    for entered in there:
        if entered.person.subject == subject:
            return entered
    nearest = get_close_matches(subject[:LONGEST_SUBJECT], [entered.person.subject for entered in there], n=1)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else " `zava principals list` shows who is."
    raise SetupError(f"Nobody is entered as {subject[:LONGEST_SUBJECT]!r}.{hint}")


def with_rights(person: Person, names: Iterable[str]) -> Person:
    """The person with these grants and scopes, too."""
    grants, scopes = _sorted_out(names)
    return replace(person, grants=person.grants | grants, scopes=person.scopes | scopes)


def without_rights(person: Person, names: Iterable[str]) -> Person:
    """The person without these grants and scopes."""
    grants, scopes = _sorted_out(names)
    return replace(person, grants=person.grants - grants, scopes=person.scopes - scopes)


def check_names(what: str, names: Iterable[str], known: Collection[str]) -> None:
    """Makes sure that all of these are known.

    Raises:
        SetupError: one is not.
    """
    for name in names:
        if name not in known:
            raise SetupError(f"T{_no_such(what, name, known)[1:]}.")


def _sorted_out(names: Iterable[str]) -> tuple[frozenset[str], frozenset[str]]:
    wanted = frozenset(names)
    check_names("grant or scope", sorted(wanted), GRANTS | TOOL_SCOPES)
    return wanted & GRANTS, wanted & TOOL_SCOPES


def _reasons_against_names(person: Person) -> Iterator[str]:
    if not is_subject(person.subject):
        yield f"the subject {SUBJECT_FORM}"
    if not (0 < len(person.name) <= LONGEST_NAME and person.name.isprintable()):
        yield f"the name must be 1 to {LONGEST_NAME} printable characters"
    yield from (_no_such("grant", name, GRANTS) for name in sorted(person.grants - GRANTS))


def _reasons_against_role(given: Person | GroupRole, stores: Collection[str]) -> Iterator[str]:
    if given.role not in ROLES:
        yield _no_such("role", given.role, ROLES)
    elif given.role == "head_office" and given.stores:
        yield "head office sees every store: leave out the stores"
    elif given.role == "store_manager" and len(given.stores) != 1:
        yield "a store_manager has one store; who has several is a regional_manager"
    elif given.role == "regional_manager" and not given.stores:
        yield "a regional_manager needs a store at least"
    yield from (_no_such("scope", name, TOOL_SCOPES) for name in sorted(given.scopes - TOOL_SCOPES))
    known = {store.casefold() for store in stores}
    yield from (_no_store(name, stores) for name in sorted(given.stores) if name.casefold() not in known)


def _as_written(names: Iterable[str], stores: Collection[str]) -> frozenset[str]:
    wanted = {name.casefold() for name in names}
    return frozenset(store for store in stores if store.casefold() in wanted)


def _no_store(name: str, stores: Collection[str]) -> str:
    return _no_such("store", name, stores) if stores else "there are no stores yet: import the shop first"


def _no_such(what: str, name: str, known: Collection[str]) -> str:
    by_fold = {one.casefold(): one for one in sorted(known)}
    nearest = get_close_matches(name.casefold()[:LONGEST_NAME], by_fold, n=1)
    hint = (
        f", the nearest is {by_fold[nearest[0]]!r}"
        if nearest
        else f"; there are {', '.join(sorted(known)[:MOST_REASONS])}"
    )
    return f"there is no {what} {name[:LONGEST_NAME]!r}{hint}"


def _columns(row: Sequence[str]) -> list[str]:
    columns = [name.strip().lower() for name in row]
    missing = [name for name in NEEDED_COLUMNS if name not in columns]
    unknown = [name for name in columns if name not in COLUMNS]
    if missing or unknown or len(set(columns)) < len(columns):
        raise SetupError(
            f"The first line must name the columns, each once: {', '.join(NEEDED_COLUMNS)}, and if wanted "
            f"{', '.join(COLUMNS[len(NEEDED_COLUMNS) :])}."
        )
    return columns


def _read_person(columns: Sequence[str], row: Sequence[str]) -> Person:
    if len(row) != len(columns):
        raise SetupError(f"it has {len(row)} fields, and the first line has {len(columns)}")
    fields = dict(zip(columns, (field.strip() for field in row), strict=True))
    return Person(
        subject=fields["subject"],
        name=fields["name"],
        role=fields["role"],
        stores=_several(fields.get("stores", "")),
        grants=_several(fields.get("grants", "")),
        scopes=_several(fields.get("scopes", "")) or TOOL_SCOPES,
    )


def _several(field: str) -> frozenset[str]:
    return frozenset(name for part in field.split(SEPARATOR) if (name := part.strip()))
