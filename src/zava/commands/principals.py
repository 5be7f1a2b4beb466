"""zava principals: who may ask, and what they see."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from zava.adapters.postgres.principal_registry import open_registry
from zava.commands.database import failures_of, open_database
from zava.commands.queries import printable
from zava.commands.tables import print_table
from zava.core.errors import SetupError
from zava.core.people import (
    TOOL_SCOPES,
    EnteredPerson,
    Entering,
    Person,
    check_person,
    entering,
    find_person,
    read_people,
    with_rights,
    without_rights,
)
from zava.core.ports import PrincipalRegistry
from zava.settings import Settings

COLUMNS = ("subject", "name", "role", "stores", "grants", "scopes", "tokens", "state")


@contextmanager
def registry_of(settings: Settings, command: str) -> Iterator[PrincipalRegistry]:
    """Who is entered in the database of these settings, for an administrator to change by this command."""
    with (
        open_database(settings) as database,
        database.administration() as connection,
        failures_of(command),
        open_registry(connection) as registry,
    ):
        yield registry


def list_people(settings: Settings) -> None:
    """Shows everybody who is entered."""
    with registry_of(settings, "zava principals list") as registry:
        people = registry.people()
    if people:
        print_table(COLUMNS, map(_row, people))
    else:
        print("Nobody is entered. `zava principals add` enters somebody.")


def add_person(settings: Settings, person: Person) -> None:
    """Enters somebody, or changes what is entered of them, and says what was done."""
    with registry_of(settings, "zava principals add") as registry:
        said = add(registry, person)
    print(printable(said))


def import_people(settings: Settings, file: Path) -> None:
    """Enters everybody in a CSV file, or nobody, and says how many they were."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SetupError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SetupError(f"{file} is not written in UTF-8: save it as CSV in UTF-8.") from None
    with registry_of(settings, "zava principals import") as registry:
        done = enter_all(registry, text)
    print(f"Entered {len(done.new):,} people, changed {len(done.changed):,}, left {done.same:,} as they were.")


def disable_person(settings: Settings, subject: str, *, disabled: bool) -> None:
    """Makes somebody nobody, or somebody again."""
    command = "disable" if disabled else "enable"
    with registry_of(settings, f"zava principals {command}") as registry:
        name = find_person(subject, registry.people()).person.name
        registry.disable(subject, disabled=disabled)
    said = "is disabled: every call from now on is refused" if disabled else "may ask again"
    print(f"{printable(name)} {said}.")


def grant_rights(settings: Settings, subject: str, names: Collection[str]) -> None:
    """Gives somebody grants and scopes."""
    _change(settings, "grant", subject, lambda person: with_rights(person, names))


def revoke_rights(settings: Settings, subject: str, names: Collection[str]) -> None:
    """Takes grants and scopes from somebody."""
    _change(settings, "revoke", subject, lambda person: without_rights(person, names))


def add(registry: PrincipalRegistry, person: Person) -> str:
    """Enters a person; returns what was done.

    Raises:
        SetupError: they cannot be entered so.
    """
    there = registry.people()
    try:
        wanted = check_person(person, registry.stores())
    except SetupError as reasons:
        raise SetupError(f"Nobody was entered: {reasons}.") from None
    done = _enter(registry, entering([wanted], there))
    if done.same:
        return f"{wanted.name} is entered so already."
    if done.new:
        return f"{wanted.name} is entered: {_seen(wanted)}."
    return f"{wanted.name} is changed: {_difference(find_person(person.subject, there).person, wanted)}."


def enter_all(registry: PrincipalRegistry, text: str) -> Entering:
    """Enters the people of a CSV file; returns what was done.

    Raises:
        SetupError: some line cannot be entered, and nobody was.
    """
    return _enter(registry, entering(read_people(text, registry.stores()), registry.people()))


def change(registry: PrincipalRegistry, subject: str, changed: Callable[[Person], Person]) -> str:
    """Changes what is entered of a person; returns what that was.

    Raises:
        SetupError: there is nobody of this subject.
    """
    before = find_person(subject, registry.people()).person
    after = changed(before)
    if after == before:
        return f"{before.name} is left as they were: {_rights(before)}."
    registry.enter(after)
    return f"{after.name} is changed: {_difference(before, after)}."


def named(names: Collection[str]) -> str:
    """Names in a row."""
    return ", ".join(sorted(names)) or "none"


def _change(settings: Settings, command: str, subject: str, changed: Callable[[Person], Person]) -> None:
    with registry_of(settings, f"zava principals {command}") as registry:
        said = change(registry, subject, changed)
    print(printable(said))


def _enter(registry: PrincipalRegistry, todo: Entering) -> Entering:
    for person in (*todo.new, *todo.changed):
        registry.enter(person)
    return todo


def _row(entered: EnteredPerson) -> tuple[str, ...]:
    person = entered.person
    return (
        person.subject,
        person.name,
        person.role,
        _stores(person),
        named(person.grants),
        named(person.scopes),
        str(entered.tokens),
        "disabled" if entered.disabled else "active",
    )


def _difference(before: Person, after: Person) -> str:
    parts = {
        "name": (before.name, after.name),
        "role": (before.role, after.role),
        "stores": (_stores(before), _stores(after)),
        "grants": (named(before.grants), named(after.grants)),
        "scopes": (named(before.scopes), named(after.scopes)),
    }
    return "; ".join(f"{part} {old} → {new}" for part, (old, new) in parts.items() if old != new)


def _seen(person: Person) -> str:
    return f"{person.role}, stores {_stores(person)}; {_rights(person)}"


def _rights(person: Person) -> str:
    return (
        f"grants {named(person.grants)}; scopes {'all tools' if person.scopes == TOOL_SCOPES else named(person.scopes)}"
    )


def _stores(person: Person) -> str:
    return "all" if person.role == "head_office" else named(person.stores)
