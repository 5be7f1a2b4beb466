"""What the database showed while an answer was worked out: whoever keeps the answer goes by it."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime

from zava.core.model import Snapshot


@dataclass(slots=True)
class Reading:
    """What an answer is made of.

    Attributes:
        snapshots: of all transactions that were asked for it.
        is_makeshift: whether it would be another one if something had not failed on the way.
    """

    snapshots: list[Snapshot] = field(default_factory=list)
    is_makeshift: bool = False

    @property
    def as_of(self) -> datetime | None:
        """The moment up to which everything is counted; None when nothing was read."""
        return min((snapshot.as_of for snapshot in self.snapshots), default=None)


# None while nobody wants to keep the answer.
reading_under_way: ContextVar[Reading | None] = ContextVar("reading_under_way", default=None)


def make_do() -> None:
    """Says of the answer that is being worked out that it is a makeshift, which must not be kept."""
    if reading := reading_under_way.get():
        reading.is_makeshift = True
