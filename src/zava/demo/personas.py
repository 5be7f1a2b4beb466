"""Who may ask questions of the sample shop. Their tokens are public, like everything in it."""

from dataclasses import dataclass
from uuid import UUID

from zava.demo.chance import named_id


@dataclass(frozen=True)
class Persona:
    """A principal of the sample shop.

    Attributes:
        token: what they show to be let in, and their subject in access.principals.
        stores: names of the stores they see; none for head office, which sees all.
    """

    token: str
    name: str
    role: str
    stores: tuple[str, ...]
    grants: tuple[str, ...]

    @property
    def principal_id(self) -> UUID:
        return named_id("persona", self.token)


def _store_manager(store: str) -> Persona:
    return Persona(
        token=f"demo-store-{store.lower()}",
        name=f"Store manager {store}",
        role="store_manager",
        stores=(store,),
        grants=("personal",),
    )


HEAD_OFFICE = Persona("demo-head-office", "Head office", "head_office", stores=(), grants=("personal", "audit:read"))

PERSONAS: tuple[Persona, ...] = (
    HEAD_OFFICE,
    Persona(
        "demo-region-puget-sound",
        "Regional manager Puget Sound",
        "regional_manager",
        stores=("Seattle", "Bellevue", "Redmond", "Kirkland"),
        grants=(),
    ),
    _store_manager("Seattle"),
    _store_manager("Bellevue"),
    _store_manager("Tacoma"),
    _store_manager("Spokane"),
    _store_manager("Everett"),
    _store_manager("Redmond"),
    _store_manager("Kirkland"),
    _store_manager("Online"),
)
