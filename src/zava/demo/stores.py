"""The eight stores of the sample chain."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from zava.demo.chance import named_id


@dataclass(frozen=True, eq=False)
class Store:
    """A store and its part in the chain.

    Attributes:
        weight: its orders in proportion to the other stores'.
        assortment: the part of all products that it carries.
        neighbors: stores whose customers buy here now and then.
    """

    name: str
    location: str
    region: str
    opened_on: date
    weight: int
    assortment: float
    neighbors: tuple[str, ...]
    is_online: bool = False

    @property
    def store_id(self) -> UUID:
        return named_id("store", self.name)


STORES: tuple[Store, ...] = (
    Store(
        "Seattle",
        "4100 Stone Way N, Seattle, WA",
        "Puget Sound",
        date(2011, 3, 12),
        weight=30,
        assortment=0.97,
        neighbors=("Bellevue", "Kirkland", "Everett", "Online"),
    ),
    Store(
        "Bellevue",
        "1520 130th Ave NE, Bellevue, WA",
        "Puget Sound",
        date(2013, 5, 4),
        weight=25,
        assortment=0.95,
        neighbors=("Seattle", "Redmond", "Kirkland", "Online"),
    ),
    Store(
        "Tacoma",
        "2605 S 38th St, Tacoma, WA",
        "South Sound",
        date(2014, 9, 20),
        weight=20,
        assortment=0.94,
        neighbors=("Seattle", "Online"),
    ),
    Store(
        "Spokane",
        "7808 N Division St, Spokane, WA",
        "Eastern Washington",
        date(2016, 4, 9),
        weight=8,
        assortment=0.90,
        neighbors=("Online",),
    ),
    Store(
        "Everett",
        "1402 SE Everett Mall Way, Everett, WA",
        "North Sound",
        date(2017, 6, 17),
        weight=7,
        assortment=0.88,
        neighbors=("Seattle", "Kirkland", "Online"),
    ),
    Store(
        "Redmond",
        "17875 Redmond Way, Redmond, WA",
        "Puget Sound",
        date(2018, 3, 24),
        weight=6,
        assortment=0.87,
        neighbors=("Bellevue", "Kirkland", "Online"),
    ),
    Store(
        "Kirkland",
        "12540 120th Ave NE, Kirkland, WA",
        "Puget Sound",
        date(2019, 10, 5),
        weight=4,
        assortment=0.85,
        neighbors=("Bellevue", "Redmond", "Seattle", "Online"),
    ),
    Store(
        "Online",
        "Distribution center, Kent, WA",
        "Online",
        date(2015, 2, 2),
        weight=30,
        assortment=1.0,
        neighbors=("Seattle", "Bellevue", "Tacoma", "Spokane", "Everett", "Redmond", "Kirkland"),
        is_online=True,
    ),
)
BY_NAME = {store.name: store for store in STORES}
TOTAL_WEIGHT = sum(store.weight for store in STORES)
