"""zava groups: what the groups of an identity provider are given."""

from zava.commands.principals import named, registry_of
from zava.commands.queries import printable
from zava.commands.tables import print_table
from zava.core.errors import SetupError
from zava.core.people import GroupRole, check_group
from zava.core.ports import PrincipalRegistry
from zava.settings import Settings

COLUMNS = ("group", "role", "stores", "scopes")


def list_groups(settings: Settings) -> None:
    """Shows every group that is given something."""
    with registry_of(settings, "zava groups list") as registry:
        groups = registry.groups()
    if groups:
        print_table(COLUMNS, ((group.name, *_given(group)) for group in groups))
    else:
        print("No group is given anything. `zava groups add` gives one a role.")


def add_group(settings: Settings, group: GroupRole) -> None:
    """Gives a group a role, stores and scopes in place of what it was given before, and says so."""
    with registry_of(settings, "zava groups add") as registry:
        wanted = check_group(group, registry.stores())
        registry.enter_group(wanted)
    role, stores, scopes = _given(wanted)
    print(printable(f"Members of {wanted.name} are each a {role}, stores {stores}; scopes {scopes}."))


def remove_group(settings: Settings, name: str) -> None:
    """Takes from a group what it was given."""
    with registry_of(settings, "zava groups remove") as registry:
        remove(registry, name)
    print(printable(f"{name} is given nothing any more."))


def remove(registry: PrincipalRegistry, name: str) -> None:
    """Takes from a group what it was given.

    Raises:
        SetupError: that was nothing.
    """
    if name not in [group.name for group in registry.groups()]:
        raise SetupError(f"The group {name!r} is given nothing. `zava groups list` shows those that are.")
    registry.remove_group(name)


def _given(group: GroupRole) -> tuple[str, str, str]:
    return group.role, "all" if group.role == "head_office" else named(group.stores), named(group.scopes)
