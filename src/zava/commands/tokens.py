"""zava token: API tokens of machines."""

import sys
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime

from zava.commands.principals import registry_of
from zava.commands.queries import printable
from zava.commands.tables import print_table
from zava.core.errors import SetupError
from zava.core.people import LONGEST_NAME, IssuedToken, Person, TokenOrder, check_names, expiry, find_person
from zava.core.ports import PrincipalRegistry
from zava.core.scopes import SCOPES
from zava.settings import Settings

COLUMNS = ("token", "ends in", "for", "subject", "principal", "scopes", "created", "good until", "state")


def create_token(settings: Settings, subject: str, name: str, expires: str, scopes: Collection[str]) -> None:
    """Prints a new token, this once, and nothing else on standard output."""
    order = order_of(subject, name, expires, scopes, datetime.now(UTC))
    with registry_of(settings, "zava token create") as registry:
        person = find_person(subject, registry.people()).person
        token_id, token = registry.issue(order)
    print(token)
    print(
        f"Token {token_id} for {printable(person.name)}, good until {_moment(order.expires_at)}. It is shown this "
        f"once: keep it where secrets are kept. `zava token revoke {token_id}` ends it.",
        file=sys.stderr,
    )
    for reservation in reservations(order, person, embedded=settings.database.dsn is None):
        print(printable(reservation), file=sys.stderr)


def list_tokens(settings: Settings) -> None:
    """Shows every token that was issued, as far as anybody may see it."""
    with registry_of(settings, "zava token list") as registry:
        tokens = registry.tokens()
    if tokens:
        print_table(COLUMNS, map(_row, tokens))
    else:
        print("There are no tokens. `zava token create` makes one.")


def revoke_token(settings: Settings, token_id: int) -> None:
    """Ends a token, and says whose it was."""
    with registry_of(settings, "zava token revoke") as registry:
        said = revoke(registry, token_id)
    print(printable(said))


def order_of(subject: str, name: str, expires: str, scopes: Collection[str], now: datetime) -> TokenOrder:
    """What is to be issued.

    Raises:
        SetupError: it cannot be.
    """
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise SetupError(f"The name of a token must be at most {LONGEST_NAME} printable characters.")
    check_names("scope", scopes, SCOPES)
    return TokenOrder(subject, name, frozenset(scopes) or None, expiry(expires, now))


def reservations(order: TokenOrder, person: Person, *, embedded: bool) -> Iterator[str]:
    """Why a token will not do all that it was made for."""
    if lacking := sorted((order.scopes or frozenset()) - person.scopes):
        yield f"{person.name} lacks {', '.join(lacking)}, and so does the token; `zava principals grant` gives it."
    if embedded:
        yield "The embedded shop is served to the people of the sample shop alone, and not to whoever has this token."


def revoke(registry: PrincipalRegistry, token_id: int) -> str:
    """Ends a token; returns what is to be said of it.

    Raises:
        SetupError: there is no such token.
    """
    for token in registry.tokens():
        if token.token_id == token_id:
            registry.revoke(token_id)
            return f"Token {token_id} of {token.principal} is revoked: every call with it is refused from now on."
    raise SetupError(f"There is no token {token_id}. `zava token list` shows them.")


def _row(token: IssuedToken) -> Sequence[str]:
    return (
        str(token.token_id),
        f"…{token.last_four}",
        token.name,
        token.subject,
        token.principal,
        "all" if token.scopes is None else ", ".join(sorted(token.scopes)),
        _moment(token.created_at),
        _moment(token.expires_at),
        token.state,
    )


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
