"""What is known of one customer: which records are theirs, and which texts name them."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from zava.core.errors import SetupError

# A shorter customer number is found in texts that mean something else.
SHORTEST_NUMBER = 4


@dataclass(frozen=True, slots=True)
class CustomerRecord:
    """What one store knows of somebody.

    Attributes:
        is_meant: whether it is this record that the operator named, and not another of the same customer_id.
        known_since: when this store first knew them.
    """

    customer_id: UUID
    store: str
    customer_number: str | None
    email: str | None
    first_name: str
    last_name: str
    known_since: datetime
    is_meant: bool


@dataclass(frozen=True)
class CustomerData:
    """All that is kept of one customer.

    Attributes:
        currency: of all amounts.
        records: of each store that knows them.
        orders: an object of JSON each, with lines and returns; amounts are texts.
        audit_texts: moment and text of the queries that name them, as far as those are kept.
    """

    currency: str
    records: Sequence[CustomerRecord]
    orders: Sequence[dict[str, object]]
    audit_texts: Sequence[tuple[datetime, str]]


@dataclass(frozen=True, slots=True)
class Erased:
    """How much went: records, orders that are nobody's now, full texts of the audit trail."""

    records: int
    orders: int
    audit_texts: int


def one_customer(records: Sequence[CustomerRecord], wanted: str) -> Sequence[CustomerRecord]:
    """These records, if they are of one person.

    Args:
        records: all of whoever is known as `wanted` somewhere.
        wanted: e-mail address, customer number or customer_id.

    Raises:
        SetupError: several people have this customer number.
    """
    meant = [record for record in records if record.is_meant]
    if len({record.customer_id for record in meant}) > 1 and any(record.email != wanted.lower() for record in meant):
        stores = ", ".join(record.store for record in meant)
        raise SetupError(f"Several customers are known as {wanted}, in {stores}: say --store.")
    return records


def naming(records: Sequence[CustomerRecord], others: Collection[str]) -> Callable[[str], bool]:
    """Tells whether a text names this customer: by address, number, customer_id, or first and last name.

    Args:
        records: of the customer.
        others: words that name them as well.
    """
    words = {str(record.customer_id) for record in records} | {record.email for record in records if record.email}
    words |= {
        record.customer_number
        for record in records
        if record.customer_number and len(record.customer_number) >= SHORTEST_NUMBER
    }
    alone = [_word(word) for word in words | set(others)]
    names = {(record.first_name, record.last_name) for record in records if record.first_name and record.last_name}
    both = [(_word(first), _word(last)) for first, last in names]

    def names_them(text: str) -> bool:
        # As a quote within a literal is written.
        plain = text.replace("''", "'")
        return any(word.search(plain) for word in alone) or any(
            first.search(plain) and last.search(plain) for first, last in both
        )

    return names_them


def _word(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
